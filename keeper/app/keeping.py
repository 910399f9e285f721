"""Whether an automatic action keeps the invariants that it must keep: simulated together before anything of it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from keeper.app.council.after import after, name_of, unknown_after
from keeper.app.council.matter import After
from keeper.domain.action import Action, Call
from keeper.domain.block import BlockStamp
from keeper.domain.future import Step
from keeper.domain.invariant import Invariant, Otherwise
from keeper.domain.observation import Observation
from keeper.domain.outcome import Outcome, OutcomeKind, Reason
from keeper.execution.planner import ArmedAction
from keeper.ports.chain import ChainReader
from keeper.ports.future import StateAfter

WITHIN_S = 10.0
"""A check that takes longer counts as one that could not be made: a pause must not wait for it without end."""
FOR_PEOPLE_S = 60.0
"""The same where people wait for the answer and nothing is sent: a fork of a node far away takes its time."""


class Keeping:
    """``saw`` takes graded observations, which prices are held against: those of each tick, or those that were asked for this."""

    def __init__(self, invariants: Sequence[Invariant], chain: ChainReader, future: StateAfter) -> None:
        self._invariants = tuple(invariants)
        self._chain = chain
        self._future = future
        self._market: Mapping[str, Observation] = {}

    def saw(self, observations: Iterable[Observation]) -> None:
        """The newest word of every source."""
        self._market = {one.source: one for one in observations}

    async def after(self, steps: Sequence[Step], block: BlockStamp) -> After:
        """The state after these steps, with all invariants. Raises nothing for what nodes do."""
        return await self._look(steps, self._invariants, block, FOR_PEOPLE_S)

    async def judge(self, action: Action, steps: Sequence[Step], block: BlockStamp) -> tuple[After, Outcome | None]:
        """The same, sooner, and the end of an action that would break one that it must keep."""
        seen = await self._look(steps, self._invariants, block, WITHIN_S)
        return seen, ending(kept_by(action, self._invariants), seen)

    async def broken(self, armed: ArmedAction, call: Call, sender: str) -> Outcome | None:
        """The end of an action that would break one, or of which that cannot be said; None when it may be sent. Raises OutsideError for no head."""
        invariants = kept_by(armed.action, self._invariants)
        block = await self._chain.head()
        return ending(invariants, await self._look([Step(sender, call)], invariants, block, WITHIN_S))

    async def _look(
        self, steps: Sequence[Step], invariants: Sequence[Invariant], block: BlockStamp, within_s: float
    ) -> After:
        try:
            async with asyncio.timeout(within_s):
                return await after(
                    steps, invariants, chain=self._chain, future=self._future, block=block, market=self._market
                )
        except TimeoutError:
            return unknown_after(invariants, f"it took longer than {within_s:g} s", block)


def kept_by(action: Action, invariants: Sequence[Invariant]) -> tuple[Invariant, ...]:
    """Those that the action must keep, on its market."""
    return tuple(one for one in invariants if one.name in action.keep and one.market in (None, action.market))


def ending(invariants: Sequence[Invariant], seen: After) -> Outcome | None:
    """The end of an automatic action that must keep these, when this would be the state after it."""
    if not invariants:
        return None
    if seen.goes_through is False:
        return _failed(Reason.SIMULATION_REVERTED, seen.text, "nothing was sent; act by hand if the market is at risk")
    strict = {name_of(one) for one in invariants if one.otherwise is Otherwise.BLOCK}
    names = {name_of(one) for one in invariants}
    broken = [kept for kept in seen.kept if kept.name in names and kept.holds is False]
    if broken:
        words = "; ".join(f"{kept.name}: {kept.text} (before: {kept.before})" for kept in broken)
        return _failed(
            Reason.INVARIANT_BROKEN,
            f"it would break {words}",
            "nothing was sent; act by hand if the market is at risk, and correct the action or the invariant",
        )
    unknown = [kept for kept in seen.kept if kept.name in strict and kept.holds is None]
    if unknown:
        words = "; ".join(f"{kept.name}: {kept.text}" for kept in unknown)
        return _failed(
            Reason.INVARIANT_UNKNOWN,
            f"nobody knows whether it would break {words}",
            "nothing was sent; act by hand if the market is at risk, mend what cannot be read, or write `otherwise: act`",
        )
    return None


def _failed(reason: Reason, message: str, remedy: str) -> Outcome:
    return Outcome(OutcomeKind.FAILED, reason, message, remedy)
