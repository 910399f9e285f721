"""Looks once more before the keeper itself executes what owners have signed: they may have signed it in another state of the chain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from keeper.app.council.ledger import Proposed, What
from keeper.app.council.reading import steps_of
from keeper.app.keeping import WITHIN_S, Keeping
from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.domain.errors import OutsideError
from keeper.domain.multisend import TRUSTED_MULTI_SEND
from keeper.execution.planner import ArmedAction
from keeper.execution.reverts import explain
from keeper.ports.chain import AccountReader


class Checking:
    """For one Safe. ``sender`` gives who would send it. ``multisend`` is the library that batches of this route go through."""

    def __init__(
        self,
        accounts: AccountReader,
        keeping: Keeping,
        armed: Mapping[tuple[str, str], ArmedAction],
        multisend: str,
        sender: Callable[[], str | None],
    ) -> None:
        self._accounts = accounts
        self._keeping = keeping
        self._armed = armed
        self._multisend = multisend
        self._sender = sender

    async def __call__(self, proposed: Proposed, call: Call, block: BlockStamp) -> str:
        """Why not, in words; empty: nothing speaks against it. An action keeps what it must keep, anything else every invariant that there is."""
        sender = self._sender()
        if sender is None:
            return "the keeper has no key to send it with"
        try:
            simulation = await self._accounts.simulate(call, sender)
        except OutsideError as error:
            return f"it could not be simulated: {error.message}"
        if not simulation.ok:
            return f"it would fail now: {explain(simulation.data, simulation.error).text}"
        steps = steps_of(proposed.transaction, TRUSTED_MULTI_SEND | {self._multisend})
        armed = self._armed.get((proposed.place.market or "", proposed.place.action or ""))
        if proposed.what is What.ACTION and armed is not None:
            _, ending = await self._keeping.judge(armed.action, steps, block)
            return ending.message if ending is not None else ""
        if not steps:
            return "" if proposed.transaction.is_rejection else "it runs foreign code as the Safe"
        try:
            async with asyncio.timeout(WITHIN_S):
                after = await self._keeping.after(steps, block)
        except TimeoutError:
            return f"the state after it was not known within {WITHIN_S:g} s"
        if after.goes_through is False:
            return f"it would fail now: {after.text}"
        doubtful = [f"{one.name}: {one.text}" for one in after.kept if one.holds is not True]
        return f"after it {'; '.join(doubtful)}" if doubtful else ""
