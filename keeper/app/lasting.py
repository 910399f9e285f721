"""Does what was done still stand? A reorganisation may take it back, and so may people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from keeper.app.earlier import Done
from keeper.app.faults import Faults
from keeper.domain.block import BlockStamp
from keeper.domain.decision import IncidentEvent, IncidentPhase
from keeper.domain.outcome import Outcome, OutcomeKind
from keeper.domain.verdict import Severity
from keeper.execution.planner import ArmedAction
from keeper.execution.work import Work
from keeper.ports.chain import AccountReader

REORGANISED = "reorganised"
"""The chain no longer has the transaction of an action that had worked."""


@dataclass(slots=True)
class _Done:
    """``armed`` knows the effect, also of a value that was made of the one before.

    ``undone_at`` is the first block at which it was not there any more, 0 while it is.
    """

    armed: ArmedAction
    tx_hash: str | None
    block: int | None
    undone_at: int = 0
    told: bool = False
    """That people took it back."""


class Lasting:
    """Follows every action that worked until its incident ends.

    ``failed`` is told the market and the action of what a reorganisation took back, ``taken_back`` the same of what people took back, with words.
    """

    def __init__(
        self,
        accounts: AccountReader,
        armed: Mapping[tuple[str, str], ArmedAction],
        faults: Faults,
        failed: Callable[[str, str, str], None],
        taken_back: Callable[[str, str, str], None],
    ) -> None:
        self._accounts = accounts
        self._armed = armed
        self._faults = faults
        self._failed = failed
        self._taken_back = taken_back
        self._done: dict[tuple[str, str], _Done] = {}
        self._open: set[str] = set()

    def go_on(self, markets: Iterable[str], done: Iterable[Done]) -> None:
        """These have incidents that were open before the keeper was started, and this is what had worked in them.

        A value that was made of the one before is not followed: what it was is not known any more.
        """
        self._open.update(markets)
        for one in done:
            armed = self._armed.get(one.key)
            if armed is not None and armed.action.adjustment is None:
                self._done[one.key] = _Done(armed, one.tx_hash, one.block)

    def ended(self, work: Work, outcome: Outcome) -> None:
        """An action ended; only what is in effect is followed."""
        armed = work.armed or self._armed.get(work.key)
        if (
            armed is not None
            and work.key[0] in self._open
            and outcome.kind in (OutcomeKind.INCLUDED, OutcomeKind.SUPERSEDED)
        ):
            self._done[work.key] = _Done(armed, outcome.tx_hash, outcome.block)

    def incident(self, event: IncidentEvent) -> None:
        """The end of an incident ends the interest in what was done in it."""
        if event.phase is IncidentPhase.OPENED:
            self._open.add(event.market)
        else:
            self._open.discard(event.market)
            for key in self._armed:
                if key[0] == event.market:
                    self._done.pop(key, None)
                    self._faults.up(_part(key), "the incident is over")

    def saw(self, block: BlockStamp, effects: Mapping[tuple[str, str], str]) -> None:
        """What the views of the effects answered at this block."""
        for key, done in self._done.items():
            if key not in effects or (done.block is not None and block.number < done.block):
                continue
            if done.armed.in_effect(effects[key]):
                done.undone_at, done.told = 0, False
                self._faults.up(_part(key), f"in effect again at block {block.number}")
            elif not done.undone_at:
                done.undone_at = block.number

    def run_out(self, key: tuple[str, str]) -> None:
        """A term on the chain, or the council at the breaker, has ended it: that is nobody's taking back."""
        if self._done.pop(key, None) is not None:
            self._faults.up(_part(key), "ended at the breaker")

    async def look(self, through: int) -> None:
        """Finds out who took back what is not in effect any more, as of this block, and tells it. Raises OutsideError."""
        for key, done in list(self._done.items()):
            if not 0 < done.undone_at <= through:
                continue
            read = done.armed.action.effect.read.signature
            message = f"{key[1]} on {key[0]} was in effect, and {read} shows at block {done.undone_at} that it is not"
            gone = done.tx_hash is not None and await self._accounts.receipt(done.tx_hash) is None
            if self._done.get(key) is not done or not done.undone_at:
                continue  # the incident ended while the node was asked, or the effect came back
            if gone:
                del self._done[key]
                self._faults.down(
                    _part(key),
                    REORGANISED,
                    f"{message}: the chain no longer has transaction {done.tx_hash}",
                    "the action is decided anew after its `retry`; raise `chain.confirmations`",
                    severity=Severity.CRITICAL,
                )
                self._failed(*key, REORGANISED)
            else:
                self._faults.down(
                    _part(key),
                    "taken-back",
                    f"{message}: somebody took it back",
                    "the keeper does not argue: in this incident it does not act again; if it was not the council, act by hand",
                )
                if not done.told:
                    done.told = True
                    self._taken_back(*key, f"{key[1]} was taken back, as block {done.undone_at} shows")


def _part(key: tuple[str, str]) -> str:
    return f"effect-lasts:{key[0]}/{key[1]}"
