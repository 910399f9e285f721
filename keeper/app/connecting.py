"""Until a node answers, and is one of the right chain."""

from __future__ import annotations

from keeper.app.faults import Faults
from keeper.app.supervision import BACKOFF_S
from keeper.domain.block import BlockStamp
from keeper.domain.errors import OutsideError, WrongChain
from keeper.domain.verdict import Severity
from keeper.execution.executor import Edges, Executor


class Connecting:
    """``chain_id`` is the chain that the configuration names."""

    def __init__(self, edges: Edges, chain_id: int, executor: Executor, faults: Faults) -> None:
        self._edges = edges
        self._chain_id = chain_id
        self._executor = executor
        self._faults = faults

    async def connect(self) -> BlockStamp:
        """Tries until a node answers. Raises WrongChain when it serves another chain than the configuration names."""
        wait = 0
        while True:
            try:
                await self.check_chain()
                head = await self._edges.chain.head()
                await self._executor.refresh(head)
            except WrongChain as error:
                self._faults.down("heads", "wrong-chain", error.message, error.remedy, severity=Severity.CRITICAL)
                raise
            except OutsideError as error:
                self._faults.down("heads", "unreachable", error.message, error.remedy, severity=Severity.CRITICAL)
                await self._edges.clock.sleep(BACKOFF_S[min(wait, len(BACKOFF_S) - 1)])
                wait += 1
            else:
                self._faults.up("heads", f"connected at block {head.number}")
                return head

    async def check_chain(self) -> None:
        """Raises WrongChain, OutsideError."""
        served = await self._edges.chain.chain_id()
        if served != self._chain_id:
            raise WrongChain(
                f"the node serves chain {served}, and the configuration says {self._chain_id}",
                remedy="correct `chain.id` or the endpoint; nothing was signed",
            )
