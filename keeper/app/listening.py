"""What the nodes tell of themselves, taken in: faults, records and notices."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from keeper.app import notices, records
from keeper.app.faults import Faults
from keeper.app.nodes import ChainEvents
from keeper.app.statements import difference_text
from keeper.domain.chain_events import (
    Agreement,
    Backfilled,
    ChainEvent,
    Disagreement,
    DownReason,
    EndpointDown,
    EndpointUp,
    FailedOver,
    Gap,
    Reorg,
    Skipped,
)
from keeper.domain.record import Draft
from keeper.domain.verdict import Severity
from keeper.ports.clock import Clock
from keeper.ports.notifier import Notice

COMMON_DEPTH = 1
"""Reorganisations of so many blocks happen every day; deeper ones are told."""
REMEDIES = {
    DownReason.LOST: "the keeper connects again by itself; when it happens again and again, look at the node and at what lies between",
    DownReason.WRONG_CHAIN: "correct the address or `chain.id`",
    DownReason.NO_ANSWER: "the node is stopped, overloaded or limits its callers: check it, or raise the limit",
    DownReason.LAGGING: "the node is overloaded, or is still catching up: check it",
    DownReason.UNKNOWN_BLOCKS: "the node lies or is broken: take it out",
    DownReason.OUTVOTED: "the node lies, is broken or is on a branch of its own: take it out",
}


class Listening:
    """``run`` takes one event after the other until cancelled; ``record`` and ``tell`` may not block.

    ``alone``: there is one endpoint only, and that it is down is told as ``heads`` and ``reads`` being down, not twice.
    """

    def __init__(
        self,
        events: ChainEvents,
        clock: Clock,
        faults: Faults,
        record: Callable[[Draft], None],
        tell: Callable[[Notice], None],
        *,
        subjects: Sequence[str],
        alone: bool,
        heard: Callable[[ChainEvent], None] = lambda _: None,
    ) -> None:
        """``heard`` is told each event before anything comes of it."""
        self._events = events
        self._clock = clock
        self._faults = faults
        self._record = record
        self._tell = tell
        self._subjects = subjects
        self._alone = alone
        self._heard = heard
        self._skipped = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.hear(await self._events.get())

    def hear(self, event: ChainEvent) -> None:
        """One event."""
        self._heard(event)
        match event:
            case EndpointDown():
                if not self._alone:
                    remedy = REMEDIES[event.reason]
                    self._faults.down(f"endpoint:{event.endpoint}", event.reason.value, event.message, remedy)
            case EndpointUp():
                self._faults.up(f"endpoint:{event.endpoint}", event.message)
            case Disagreement():
                self._disagree(event)
            case Agreement():
                self._faults.up(f"witness:{event.endpoint}", f"agrees about block {event.block}")
            case _:
                self._note(event)

    def _note(self, event: FailedOver | Reorg | Gap | Backfilled | Skipped) -> None:
        """How the way along the chain was not plain."""
        match event:
            case FailedOver():
                self._write("failed-over", origin=event.origin, to=event.to, reason=event.reason.value)
            case Reorg():
                self._reorg(event)
            case Gap():
                self._write("gap", first=event.first, last=event.last, reason=event.reason)
                self._tell(notices.of_gap(event))
            case Backfilled():
                self._write("backfilled", first=event.first, last=event.last)
            case Skipped():
                self._skipped += event.count
                self._write("skipped", first=event.first, last=event.last, total=self._skipped)

    def _disagree(self, event: Disagreement) -> None:
        told = [difference_text(difference, self._subjects) for difference in event.differences]
        self._faults.down(
            f"witness:{event.endpoint}",
            "disagrees",
            "\n".join([f"at block {event.block} {event.endpoint} says something else than {event.in_use}:", *told]),
            _who_is_wrong(event),
            severity=Severity.CRITICAL,
        )

    def _reorg(self, event: Reorg) -> None:
        self._write(
            "reorg",
            depth=event.depth,
            ancestor=event.ancestor,
            old_number=event.old_number,
            old_hash=event.old_hash,
            new_number=event.new_number,
            new_hash=event.new_hash,
        )
        if event.depth > COMMON_DEPTH:
            self._tell(notices.of_reorg(event))

    def _write(self, word: str, **details: int | str | None) -> None:
        self._record(records.chain(self._clock.now_ms(), word, dict(details)))


def _who_is_wrong(event: Disagreement) -> str:
    if event.alike > event.agreeing:
        return f"{event.alike} endpoints say the same: most likely {event.in_use} is wrong; take it out"
    if event.agreeing > event.alike:
        return f"{event.agreeing} endpoints say the same as {event.in_use}: most likely {event.endpoint} is wrong; take it out"
    return f"they disagree, and who is wrong is not known: compare {event.endpoint} and {event.in_use} with a third"
