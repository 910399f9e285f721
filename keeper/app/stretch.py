"""Which part of a log the decisions of an incident were made from: from what the engine went on from, to the last of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from keeper.adapters.audit.times import from_iso
from keeper.domain.record import Record, RecordKind, RecordQuery
from keeper.engine.retelling import KINDS, RESTORED

Page = Callable[[RecordQuery], Sequence[Record]]

PAGE: Final = 200
OWN: Final = (RecordKind.INCIDENT, RecordKind.DECISION)
"""What an engine resolves."""


@dataclass(frozen=True, slots=True)
class Base:
    """The engine goes on after record ``seq``: from ``state``, or, None, from nothing (``seq`` is the start then)."""

    seq: int
    state: Record | None = None


def own(page: Page, incident: str) -> list[Record]:
    """Everything that was resolved in this incident, in order."""
    return list(pages(page, RecordQuery(kinds=OWN, incident=incident)))


def bases(page: Page, first: Record) -> Iterator[Base]:
    """What the engine may go on from to come to this record; the nearest first, a start last. None where the log does not reach so far back."""
    at_ms, start = from_iso(first.at), begun(page, first.seq)
    since = 0 if start is None else start.seq
    query = RecordQuery(kinds=(RecordKind.STATE,), until_ms=at_ms, newest_first=True)
    for state in pages(page, query, 3):
        if state.seq < since:
            break
        tick = tick_of(page, state)
        if tick is not None and tick.seq < first.seq:
            yield Base(tick.seq, state)
    if start is not None:
        yield Base(start.seq)


def after(page: Page, base: Base, *more: RecordKind) -> Iterator[Record]:
    """What happened after ``base``: first what was resolved after it and written before it, then everything in order."""
    if base.state is not None:
        early = RecordQuery(kinds=OWN, since_ms=from_iso(base.state.at) + 1)
        for record in pages(page, early):
            if record.seq >= base.seq:
                break
            yield record
    yield from pages(page, RecordQuery(kinds=(*KINDS, *more), after=base.seq))


def tick_of(page: Page, state: Record) -> Record | None:
    """The tick after which a state was written; later ones may have been written before it."""
    at_ms = from_iso(state.at)
    found = None
    for record in page(RecordQuery(kinds=(RecordKind.TICK,), since_ms=at_ms, until_ms=at_ms + 1)):
        block = record.body.get("block")
        if record.seq < state.seq and isinstance(block, Mapping) and block.get("hash") == state.body.get("block"):
            found = record
    return found


def carried_state(page: Page, start: Record) -> Record | None:
    """The state that a start which carried one over wrote down, behind its configuration."""
    return next(iter(page(RecordQuery(kinds=(RecordKind.STATE,), after=start.seq, limit=1))), None)


def newest_before(page: Page, kind: RecordKind, seq: int) -> Record | None:
    """The newest record of this kind before this number."""
    return next(iter(page(RecordQuery(kinds=(kind,), after=seq, newest_first=True, limit=1))), None)


def pages(page: Page, query: RecordQuery, size: int = PAGE) -> Iterator[Record]:
    """All records that fit, page by page."""
    query = replace(query, limit=size)
    while found := page(query):
        yield from found
        query = replace(query, after=found[-1].seq)


def begun(page: Page, seq: int) -> Record | None:
    """The newest start before this number that took up nothing."""
    for record in pages(page, RecordQuery(kinds=(RecordKind.START,), after=seq, newest_first=True)):
        if not record.body.get(RESTORED):
            return record
    return None
