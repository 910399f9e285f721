"""Once a day: what was seen and done, and what is out of order. From the log, so that restarts and other replicas are in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from keeper.adapters.audit.times import to_iso
from keeper.app import heartbeat, records
from keeper.app.diary import Diary
from keeper.app.faults import Fault
from keeper.domain.decision import IncidentPhase
from keeper.domain.record import Draft, Record, RecordKind, RecordQuery
from keeper.domain.verdict import Severity
from keeper.ports.audit import AuditStore
from keeper.ports.clock import Clock
from keeper.ports.notifier import Notice

DAY_MS = 86_400_000
PAGE = 500
WEI = Decimal(10**18)
NAMED = 5
KINDS = (RecordKind.INCIDENT, RecordKind.OUTCOME, RecordKind.RECEIPT, RecordKind.FAULT, RecordKind.JOB)


@dataclass(slots=True)
class Day:
    """``parts`` counts how often each went down, ``outcomes`` by kind."""

    ticks: int = 0
    held: int = 0
    trips: int = 0
    spent_wei: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    parts: Counter[str] = field(default_factory=Counter)

    def take(self, record: Record) -> None:
        """One record of ``KINDS``."""
        body = record.body
        match record.kind:
            case RecordKind.INCIDENT:
                self.trips += body.get("phase") == str(IncidentPhase.OPENED)
            case RecordKind.OUTCOME:
                self.outcomes[str(body.get("kind"))] += 1
            case RecordKind.RECEIPT if "gas_used" in body:
                self.spent_wei += int(str(body["gas_used"])) * int(str(body["effective_gas_price_wei"]))
            case RecordKind.FAULT if body.get("state") == "down":
                self.parts[str(body.get("part"))] += 1
            case RecordKind.JOB if body.get("job") == heartbeat.JOB:
                self.ticks += int(str(body.get("ticks", 0)))
                self.held += int(str(body.get("held", 0)))


class Digest:
    """``down`` are the parts that are down now, ``checkpoint_ms`` is when the newest checkpoint was signed, if one was."""

    def __init__(
        self,
        name: str,
        store: AuditStore,
        clock: Clock,
        diary: Diary,
        tell: Callable[[Notice], None],
        record: Callable[[Draft], None],
        down: Callable[[], Sequence[Fault]],
        checkpoint_ms: Callable[[], int | None],
    ) -> None:
        self._name = name
        self._store = store
        self._clock = clock
        self._diary = diary
        self._tell = tell
        self._record = record
        self._down = down
        self._checkpoint_ms = checkpoint_ms

    async def run(self) -> None:
        """Of the last 24 hours. Raises AuditError."""
        now_ms = self._clock.now_ms()
        day = await self._day(now_ms - DAY_MS)
        body = "\n".join(self.lines(day))
        date = to_iso(now_ms)[:10]
        self._tell(Notice(f"digest/{date}", f"{self._name}: the last 24 hours", body, Severity.INFO))
        self._record(records.job(now_ms, "digest", state="sent", message=body))

    def lines(self, day: Day) -> list[str]:
        """For people."""
        down, ready = self._down(), self._diary.readiness
        signed_ms = self._checkpoint_ms()
        armed = sum(one.is_armed for one in ready)
        return [
            f"blocks evaluated: {day.ticks} (a rule could not be judged at {day.held})",
            f"trips: {day.trips}",
            f"actions: {_counted(day.outcomes) or 'none'}",
            f"gas spent: {(Decimal(day.spent_wei) / WEI).normalize():f} ETH",
            f"faults: {_counted(day.parts) or 'none'}",
            f"down now: {', '.join(one.part for one in down[:NAMED]) or 'nothing'}"
            + (f" and {len(down) - NAMED} more" if len(down) > NAMED else ""),
            f"armed: {armed} of {len(ready)} actions" if ready else "armed: not probed yet",
            f"newest checkpoint: {to_iso(signed_ms) if signed_ms is not None else 'none'}",
        ]

    async def _day(self, since_ms: int) -> Day:
        day, after = Day(), 0
        while page := await self._store.page(RecordQuery(kinds=KINDS, since_ms=since_ms, after=after, limit=PAGE)):
            for record in page:
                day.take(record)
            after = page[-1].seq
        return day


def _counted(found: Counter[str]) -> str:
    named = [f"{name} {count}" for name, count in found.most_common(NAMED)]
    return ", ".join(named) + (f" and {len(found) - NAMED} more" if len(found) > NAMED else "")
