"""What a probe wants to know, asked in one message; what was not foreseen is asked by itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.domain.evm import CallResult, Simulation
from keeper.domain.rehearsal import Rehearsal
from keeper.ports.chain import AccountReader, ChainReader, RehearsingReader

IN_ONE = 80
"""So many simulations go into one message: nodes refuse much larger ones."""


class Asked:
    """A ChainReader's ``read`` and an AccountReader's ``simulate`` at one block. ``alone`` counts the simulations that nobody had foreseen."""

    def __init__(self, chain: ChainReader, accounts: AccountReader, block: BlockStamp) -> None:
        self._chain = chain
        self._accounts = accounts
        self._block = block
        self._results: dict[Call, CallResult] = {}
        self._simulations: dict[Rehearsal, Simulation] = {}
        self.alone = 0

    async def fetch(self, calls: Iterable[Call], rehearsals: Iterable[Rehearsal]) -> None:
        """All of it at once, as far as the node takes batches. Raises OutsideError."""
        wanted, due = list(dict.fromkeys(calls)), list(dict.fromkeys(rehearsals))
        if not isinstance(self._chain, RehearsingReader):
            if wanted:
                self._results.update(zip(wanted, await self._chain.read(wanted, self._block), strict=True))
            return
        for begin in range(0, max(1, len(due)), IN_ONE):
            some = due[begin : begin + IN_ONE]
            results, simulations = await self._chain.read_and_rehearse(wanted, some, self._block)
            self._results.update(zip(wanted, results, strict=True))
            found = zip(some, simulations, strict=True)
            self._simulations.update((each, simulation) for each, simulation in found if simulation is not None)
            wanted = []

    async def read(self, calls: Sequence[Call], block: BlockStamp) -> Sequence[CallResult]:
        """Raises OutsideError."""
        assert block == self._block, "what is known is of one block"
        unread = [call for call in calls if call not in self._results]
        if unread:
            self._results.update(zip(unread, await self._chain.read(unread, self._block), strict=True))
        return [self._results[call] for call in calls]

    async def simulate(self, call: Call, sender: str) -> Simulation:
        """Raises OutsideError."""
        rehearsal = Rehearsal(call, sender)
        if rehearsal not in self._simulations:
            self.alone += 1
            self._simulations[rehearsal] = await self._accounts.simulate(call, sender, self._block)
        return self._simulations[rehearsal]
