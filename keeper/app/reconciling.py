"""From the spool into the log: everything, in order, exactly once, and told for what it is.

Each commit begins with a record of kind ``gap``: it says which records of which spool follow it in the same commit. So a commit that was made
is known as made however the process ended, and an auditor sees what was written late, since when and why::

    {"event": "written-late", "from_ms", "until_ms", "records", "reason",
     "spool": {"file", "first_hash", "last_hash", "first", "through"}, "known", "left_out"}

``first`` (inclusive) to ``through`` (exclusive) count the spool's records from 0; ``first_hash`` is that of its first line, ``last_hash`` of the
last line that was read for this commit. ``known`` of them were in the log already: the database took them and its answer was lost.

What the journal does not allow any more (another process has opened an intent for the same action on the same market meanwhile) is kept as a
record of kind ``gap`` as well, with the whole record in it: ``{"event": "not-applied", "because", "record": {...}}``.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from keeper.adapters.audit.canonical import canonical
from keeper.adapters.audit.errors import DraftRefused
from keeper.adapters.audit.spool import Spool
from keeper.adapters.audit.spool_lines import SpoolDamaged, SpoolHead
from keeper.adapters.audit.times import to_iso
from keeper.domain.errors import IntentAlreadyOpen, InvalidTransition, StoreUnavailable
from keeper.domain.record import Draft, Json, Record, RecordKind, RecordQuery
from keeper.ports.audit import AuditStore
from keeper.ports.clock import Clock

AT_ONCE: Final = 100
PAGE: Final = 1_000
LATE: Final = "written-late"
NOT_APPLIED: Final = "not-applied"


@dataclass(frozen=True, slots=True)
class Part:
    """Records of the spool that go into one commit: ``first`` is the number of the first, ``line`` the hash of the last one's line.

    ``doubts`` are the numbers of those that the log may have already.
    """

    first: int
    drafts: tuple[Draft, ...]
    doubts: frozenset[int]
    left_out: int
    line: str

    @property
    def through(self) -> int:
        """The number of the record after the last."""
        return self.first + len(self.drafts)

    def halves(self) -> tuple[Part, Part]:
        """In order."""
        middle = len(self.drafts) // 2
        later = replace(self, first=self.first + middle, drafts=self.drafts[middle:])
        return replace(self, drafts=self.drafts[:middle]), later


class Reconciler:
    """Of one spool and its log. ``not_applied`` is told the records that the journal did not allow."""

    def __init__(
        self, store: AuditStore, spool: Spool, clock: Clock, not_applied: Callable[[Draft], None] = lambda _: None
    ) -> None:
        self._store = store
        self._spool = spool
        self._clock = clock
        self._not_applied = not_applied
        self._place: int | None = None

    async def write(self) -> int:
        """Everything that waits; how many records of the spool are in the log now. Raises StoreUnavailable: to be called again.

        Also raises it for a spool that was begun on another log.
        """
        place = await self.place()
        while (part := await asyncio.to_thread(self._next, place)) is not None:
            place = await self._commit(part)
        self._place = place
        return place

    async def place(self) -> int:
        """How many records of the spool are in the log. Raises as ``write``."""
        return await self._found_place() if self._place is None else self._place

    def forget(self) -> None:
        """The spool was emptied."""
        self._place = None

    async def _found_place(self) -> int:
        """How far the log has it, by the log."""
        head = self._spool.head
        if head is None:
            return 0
        page = await self._store.page(RecordQuery(after=max(0, head.seq - 1), limit=1))
        if head.seq:
            if not page or (page[0].seq, page[0].hash) != (head.seq, head.log):
                raise self._another_log(f"record {head.seq} is not {head.log}")
        elif page and self._spool.left_behind and not await asyncio.to_thread(self._began, page[0], head):
            raise self._another_log(
                f"it was empty then, and record 1 is now {page[0].hash}, which is none of the spool's"
            )
        place, after = 0, head.seq
        while page := await self._store.page(RecordQuery(kinds=(RecordKind.GAP,), after=after, limit=PAGE)):
            for record in page:
                place = self._through(record, head.hash, place)
            after = page[-1].seq
        return place

    def _another_log(self, why: str) -> StoreUnavailable:
        return StoreUnavailable(
            f"the spool {self._spool.path} was begun on another log: {why}",
            remedy="look at audit.url: was the database replaced or restored? Else move the spool away, and keep it",
        )

    def _began(self, record: Record, head: SpoolHead) -> bool:
        """Whether the log began with what is this keeper's: with what was written late, or with what was taken and not answered."""
        if _spool_of(record).get("first_hash") == head.hash or content_hash(record) in head.unanswered:
            return True
        content = _content(record)
        return any(content == _content(draft) for line in self._spool.lines() if line.doubt for draft in line.drafts)

    def _through(self, record: Record, first_hash: str, place: int) -> int:
        """How far the spool is in the log after this record. What this spool cannot have said is not believed."""
        told = _spool_of(record)
        first, through, line = told.get("first"), told.get("through"), told.get("last_hash")
        if told.get("first_hash") != first_hash or type(first) is not int or type(through) is not int:
            return place
        fits = 0 <= first <= place < through <= self._spool.records and self._spool.holds(through, str(line))
        return through if fits else place

    def _next(self, after: int) -> Part | None:
        """What goes into the next commit; None: nothing waits. What is before damage comes first."""
        found: Part | None = None
        try:
            for line in self._spool.lines(after):
                drafts = line.drafts[max(0, after - line.first) :]
                first = max(after, line.first)
                doubts = frozenset(range(first, line.after) if line.doubt else ())
                if found is None:
                    found = Part(first, drafts, doubts, line.left_out, line.hash)
                elif len(found.drafts) + len(drafts) > AT_ONCE:
                    break
                else:
                    found = Part(found.first, found.drafts + drafts, found.doubts | doubts, line.left_out, line.hash)
        except SpoolDamaged:
            if found is None:
                raise
        return found

    async def _commit(self, part: Part) -> int:
        """How far the log has the spool then."""
        drafts = await self._unknown(part, head) if part.doubts and (head := self._spool.head) else list(part.drafts)
        try:
            await self._append(self._gap(part, len(drafts)), *drafts)
        except (IntentAlreadyOpen, InvalidTransition, DraftRefused) as error:
            if len(part.drafts) > 1:
                for half in part.halves():
                    await self._commit(half)
                return part.through
            await self._append(self._gap(part, 1), self.not_applied(part.drafts[0], error.message))
            self._not_applied(part.drafts[0])
        self._place = part.through
        return part.through

    async def _append(self, *drafts: Draft) -> None:
        place, self._place = self._place, None  # what fails may be in the log all the same: it is looked up again
        try:
            await self._store.append(drafts)
        except (IntentAlreadyOpen, InvalidTransition, DraftRefused):
            self._place = place
            raise

    async def _unknown(self, part: Part, head: SpoolHead) -> list[Draft]:
        """Those of them that the log has not got already.

        What is before them in the spool is in the log once each, so only what is there more often is one of these.
        """
        numbered = list(enumerate(part.drafts, part.first))
        wanted = {_content(draft) for number, draft in numbered if number in part.doubts}
        kept = Counter[str]()
        after = head.seq
        while page := await self._store.page(RecordQuery(after=after, limit=PAGE)):
            kept.update(content for record in page if (content := _content(record)) in wanted)
            after = page[-1].seq
        if kept and part.first:
            kept.subtract(await asyncio.to_thread(self._before, part.first, wanted))
        left = []
        for number, draft in numbered:
            content = _content(draft) if number in part.doubts else ""
            if kept[content] > 0:
                kept[content] -= 1
            else:
                left.append(draft)
        return left

    def _before(self, place: int, wanted: set[str]) -> list[str]:
        """Which of the ``wanted`` contents the records before ``place`` have."""
        earlier = (line for line in self._spool.lines() if line.first < place)
        drafts = (draft for line in earlier for draft in line.drafts[: place - line.first])
        return [content for draft in drafts if (content := _content(draft)) in wanted]

    def _gap(self, part: Part, records: int) -> Draft:
        head = self._spool.head
        assert head is not None, "there are lines"
        now_ms = self._clock.now_ms()
        spool: dict[str, Json] = {
            "file": self._spool.path.name,
            "first_hash": head.hash,
            "last_hash": part.line,
            "first": part.first,
            "through": part.through,
        }
        body: dict[str, Json] = {
            "event": LATE,
            "from_ms": str(head.since_ms),
            "until_ms": str(now_ms),
            "records": records,
            "known": len(part.drafts) - records,
            "left_out": part.left_out,
            "reason": head.reason,
            "spool": spool,
        }
        return Draft(RecordKind.GAP, body, now_ms)

    def not_applied(self, draft: Draft, because: str) -> Draft:
        """The record that keeps one which the journal does not allow."""
        record: dict[str, Json] = {"kind": draft.kind.value, "at": to_iso(draft.at_ms), "body": dict(draft.body)}
        record |= {"market": draft.market, "action": draft.action, "incident": draft.incident, "intent": draft.intent}
        body: dict[str, Json] = {"event": NOT_APPLIED, "because": because, "record": record}
        return Draft(
            RecordKind.GAP, body, draft.at_ms, market=draft.market, action=draft.action, incident=draft.incident
        )


def _spool_of(record: Record) -> Mapping[str, Json]:
    """What a record of kind ``gap`` says of the spool that was written into the log."""
    spool = record.body.get("spool")
    late = record.kind is RecordKind.GAP and record.body.get("event") == LATE
    return spool if late and isinstance(spool, Mapping) else {}


def content_hash(one: Draft | Record) -> str:
    """The same for two records that say the same, wherever they stand."""
    return hashlib.sha256(_content(one).encode()).hexdigest()


def _content(one: Draft | Record) -> str:
    """What makes two records the same, their place apart."""
    at = one.at if isinstance(one, Record) else to_iso(one.at_ms)
    columns = [at, one.kind.value, one.market, one.action, one.incident, one.intent, canonical(one.body)]
    return json.dumps(columns)
