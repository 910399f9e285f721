"""Which records tell of an incident: its own, and those around it. One order of questions for the running keeper and the command line."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Final

from keeper.adapters.audit.times import from_iso
from keeper.app.incidents.fields import body_of, readable, text
from keeper.domain.errors import StoreUnavailable
from keeper.domain.record import Record, RecordKind, RecordQuery
from keeper.ports.audit import AuditStore

Page = Callable[[RecordQuery], Sequence[Record]]
Steps = Generator[RecordQuery, Sequence[Record], "Material | None"]

PAGE: Final = 1_000
MOST_RECORDS: Final = 5_000
"""Of the incident itself. Beyond, the story says that it is cut."""
BEFORE_MS: Final = 30 * 60_000
AFTER_MS: Final = 10 * 60_000
TICKS_BEFORE: Final = 300
TICKS_AFTER: Final = 300
_DECISIONS: Final = 500
_EACH: Final = 200
_TURNS: Final = 200

AROUND: Final = (
    RecordKind.SWITCH,
    RecordKind.FAULT,
    RecordKind.CHAIN,
    RecordKind.GAP,
    RecordKind.NOTIFICATION,
    RecordKind.JOB,
    RecordKind.STOP,
    RecordKind.START,
)
_EARLIER: Final = frozenset({RecordKind.SWITCH, RecordKind.CHAIN, RecordKind.GAP})
"""What matters also from before the trip."""


@dataclass(slots=True)
class Material:
    """``own`` are the incident's, in order; the others lie around it. ``blind``: why what was seen at the blocks could not be read."""

    id: str
    own: list[Record]
    cut: bool = False
    ticks: list[Record] = field(default_factory=list)
    around: list[Record] = field(default_factory=list)
    holds: list[Record] = field(default_factory=list)
    turns: list[Record] = field(default_factory=list)
    """Of breakers, from the opening on."""
    start: Record | None = None
    configuration: Record | None = None
    verification: Record | None = None
    unreadable: list[str] = field(default_factory=list)
    blind: str = ""

    @property
    def opened(self) -> Record:
        """Where the incident begins; the first record of it where none says so."""
        return next((one for one in self.own if is_phase(one, "opened")), self.own[0])

    @property
    def closed(self) -> Record | None:
        return next((one for one in reversed(self.own) if is_phase(one, "closed")), None)

    @property
    def market(self) -> str | None:
        return next((one.market for one in self.own if one.market), None)


def is_phase(record: Record, phase: str) -> bool:
    return record.kind is RecordKind.INCIDENT and record.body.get("phase") == phase


def gather(incident: str, most: int = MOST_RECORDS) -> Steps:
    """Asks for pages and returns what tells of the incident, from at most about ``most`` of its own records; None when the log knows none
    of this name.
    """
    own: list[Record] = []
    while page := list((yield RecordQuery(incident=incident, after=own[-1].seq if own else 0, limit=PAGE))):
        own += page
        if len(page) < PAGE or len(own) >= most:
            break
    if not own:
        return None
    cut = len(own) >= most
    if cut:  # how it ended lies behind what is read
        ends = yield RecordQuery(incident=incident, kinds=(RecordKind.INCIDENT,), newest_first=True, limit=1)
        own += [one for one in ends if one.seq > own[-1].seq]
    good, bad = readable(own)
    if not good:
        return None
    found = Material(incident, good, cut, unreadable=bad)
    yield from _standing(found)
    yield from _around(found)
    yield from _ticks(found)
    return found


def gather_sync(page: Page, incident: str, most: int = MOST_RECORDS) -> Material | None:
    """Raises StoreUnavailable, StoreNotMigrated."""
    steps = gather(incident, most)
    try:
        query = next(steps)
        while True:
            try:
                answer = page(query)
            except StoreUnavailable as error:
                query = steps.throw(error)
            else:
                query = steps.send(answer)
    except StopIteration as done:
        found: Material | None = done.value
        return found


async def gather_async(store: AuditStore, incident: str) -> Material | None:
    """Raises StoreUnavailable, StoreNotMigrated."""
    steps = gather(incident)
    try:
        query = next(steps)
        while True:
            try:
                answer = await store.page(query)
            except StoreUnavailable as error:
                query = steps.throw(error)
            else:
                query = steps.send(answer)
    except StopIteration as done:
        found: Material | None = done.value
        return found


Asking = Generator[RecordQuery, Sequence[Record], None]


def _standing(found: Material) -> Asking:
    first, last = found.own[0].seq, found.own[-1].seq
    for kind, name in ((RecordKind.START, "start"), (RecordKind.CONFIGURATION, "configuration")):
        records = yield RecordQuery(kinds=(kind,), after=first, newest_first=True, limit=1)
        good, bad = readable(records)
        found.unreadable += bad
        setattr(found, name, next(iter(good), None))
    good, _ = readable((yield RecordQuery(kinds=(RecordKind.VERIFICATION,), after=last, limit=1)))
    found.verification = next(iter(good), None)


def _around(found: Material) -> Asking:
    opened, closed = found.opened, found.closed
    begin_ms = from_iso(opened.at) - BEFORE_MS
    before: list[Record] = []
    after: list[Record] = []
    for kind in AROUND:  # one at a time: each is a walk along an index, however long the log is
        if kind in _EARLIER:
            earlier, _ = readable((yield RecordQuery(kinds=(kind,), after=opened.seq, newest_first=True, limit=_EACH)))
            before += earlier
        later, bad = readable((yield RecordQuery(kinds=(kind,), after=opened.seq, limit=_EACH)))
        after += later
        found.unreadable += bad
    end_ms = max(from_iso(closed.at if closed is not None else opened.at), from_iso(found.own[-1].at)) + AFTER_MS
    until_ms = end_ms if closed is not None else None
    near = [one for one in before if from_iso(one.at) >= begin_ms]
    near += [one for one in after if until_ms is None or from_iso(one.at) <= until_ms]
    found.around = sorted(near, key=lambda one: one.seq)
    market = found.market
    if market is not None:
        query = RecordQuery(market=market, kinds=(RecordKind.DECISION,), after=opened.seq, newest_first=True, limit=50)
        earlier, _ = readable((yield query))
        query = RecordQuery(market=market, kinds=(RecordKind.DECISION,), after=opened.seq, limit=_DECISIONS)
        later, _ = readable((yield query))
        holds = [one for one in (*reversed(earlier), *later) if not one.incident and one.body.get("kind") == "hold"]
        rule = _rule(opened)
        found.holds = [
            one
            for one in holds
            if (one.seq > opened.seq or (from_iso(one.at) >= begin_ms and _rule(one) == rule))
            and (closed is None or one.seq < closed.seq)
        ]
    found.turns, _ = readable((yield RecordQuery(kinds=(RecordKind.BREAKER,), after=opened.seq, limit=_TURNS)))


def _rule(record: Record) -> str:
    return text(body_of(record.body.get("verdict")), "rule")


def _ticks(found: Material) -> Asking:
    opened = found.opened
    begin_ms = from_iso(opened.at) - BEFORE_MS
    end_ms = None if found.closed is None else from_iso(found.closed.at) + AFTER_MS
    kinds = (RecordKind.TICK,)
    asked = (
        RecordQuery(kinds=kinds, after=opened.seq, newest_first=True, limit=TICKS_BEFORE, full=True),
        RecordQuery(kinds=kinds, after=opened.seq, limit=TICKS_AFTER, full=True),
    )
    for query in asked:
        try:
            page = yield query
        except StoreUnavailable as error:  # evidence that is damaged must not hide the rest; `audit verify` names it
            found.blind = error.message
            continue
        good, bad = readable(page)
        found.unreadable += bad
        found.ticks += [
            one
            for one in good
            if from_iso(one.at) >= begin_ms
            and (end_ms is None or from_iso(one.at) <= end_ms)
            and (not query.newest_first or one.seq < opened.seq)
        ]
    found.ticks.sort(key=lambda one: one.seq)
