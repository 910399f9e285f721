"""Incidents in a list, newest first, and the one that somebody means by the beginning of its name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Final

from keeper.app.incidents.actions import actions_of
from keeper.app.incidents.fields import instant, judgement, readable
from keeper.app.incidents.gathering import Material, Page, is_phase
from keeper.app.incidents.people import proposals_of, restoration, turns_of
from keeper.app.incidents.story import Action, Instant, Judgement, State
from keeper.domain.record import Record, RecordKind, RecordQuery

BATCH: Final = 200
LOOKED_AT: Final = 20_000
"""Records of incidents, the newest: who means an older one writes its whole name."""
_OWN: Final = 1_000
_KINDS: Final = tuple(
    kind
    for kind in RecordKind
    if kind not in (RecordKind.TICK, RecordKind.STATE, RecordKind.DECISION, RecordKind.BROADCAST)
)
_NEAR: Final = 5


@dataclass(frozen=True, slots=True)
class Line:
    """One incident. ``seq`` is the record of its opening, after which a further page begins."""

    id: str
    market: str | None
    state: State
    judgement: Judgement
    opened: Instant
    closed: Instant | None
    restored: Instant | None
    actions: tuple[Action, ...]
    seq: int

    @property
    def lasted_ms(self) -> int | None:
        return None if self.closed is None else self.closed.at_ms - self.opened.at_ms


@dataclass(frozen=True, slots=True)
class Asked:
    """``before`` is the record before which openings are listed, 0: the newest."""

    market: str | None = None
    since_ms: int | None = None
    only_open: bool = False
    limit: int = 20
    before: int = 0


@dataclass(frozen=True, slots=True)
class Listing:
    """``cursor``: where the next page begins; None when there is none."""

    lines: tuple[Line, ...]
    cursor: int | None


def list_incidents(page: Page, asked: Asked) -> Listing:
    """A page of incidents. Raises StoreUnavailable, StoreNotMigrated."""
    lines: list[Line] = []
    for opening in _openings(page, asked):
        if len(lines) == asked.limit:
            return Listing(tuple(lines), lines[-1].seq)
        line = _line(page, opening)
        if line is not None and not (asked.only_open and line.state is not State.OPEN):
            lines.append(line)
    return Listing(tuple(lines), None)


def _openings(page: Page, asked: Asked) -> Iterator[Record]:
    query = RecordQuery(
        market=asked.market,
        kinds=(RecordKind.INCIDENT,),
        since_ms=asked.since_ms,
        after=asked.before,
        newest_first=True,
        limit=BATCH,
    )
    ended: set[str] = set()  # newest first, so an end is met before its beginning
    while found := page(query):
        good, _ = readable(found)
        for one in good:
            if asked.only_open and one.incident and is_phase(one, "closed"):
                ended.add(one.incident)
            elif one.incident and is_phase(one, "opened") and one.incident not in ended:
                yield one
        if len(found) < BATCH:
            return
        query = replace(query, after=found[-1].seq)


def _line(page: Page, opening: Record) -> Line | None:
    """None for a second opening of the same incident: the first one is listed."""
    incident = opening.incident or ""
    own, _ = readable(page(RecordQuery(incident=incident, kinds=_KINDS, limit=_OWN)))
    if len(own) == _OWN:  # its end lies behind
        query = RecordQuery(incident=incident, kinds=(RecordKind.INCIDENT,), newest_first=True, limit=1)
        own += [one for one in page(query) if one.seq > own[-1].seq]
    first = next((one for one in own if is_phase(one, "opened")), opening)
    if first.seq != opening.seq:
        return None
    material = Material(incident, own or [opening])
    proposals, asked_by = proposals_of(own)
    actions = actions_of(own, proposals, asked_by)
    if any(one.way == "breaker" or one.evidence for one in actions):
        turns = page(RecordQuery(kinds=(RecordKind.BREAKER,), after=opening.seq, limit=BATCH))
        material.turns, _ = readable(turns)
    restored, _ = restoration(material, turns_of(material), actions, proposals)
    closing = material.closed
    closed = instant(closing) if closing is not None else None
    return Line(
        id=incident,
        market=opening.market,
        state=State.RESTORED if restored is not None else State.CLOSED if closed is not None else State.OPEN,
        judgement=judgement(opening.body.get("verdict")),
        opened=instant(opening),
        closed=closed,
        restored=restored,
        actions=actions,
        seq=opening.seq,
    )


@dataclass(frozen=True, slots=True)
class Meant:
    """``id`` None: none or several begin so. ``near`` are names for whoever must choose."""

    id: str | None
    several: bool = False
    near: tuple[str, ...] = ()


def meant(page: Page, name: str) -> Meant:
    """The incident with this name, or the only one whose name begins so."""
    if name and page(RecordQuery(incident=name, limit=1)):
        return Meant(name)
    known = list(dict.fromkeys(_ids(page)))
    beginning = [one for one in known if one.startswith(name)] if name else []
    if len(beginning) == 1:
        return Meant(beginning[0])
    if beginning:
        return Meant(None, several=True, near=tuple(beginning[:_NEAR]))
    return Meant(None, near=nearest(name, known))


def _ids(page: Page) -> Iterator[str]:
    query = RecordQuery(kinds=(RecordKind.INCIDENT,), newest_first=True, limit=1_000)
    for _ in range(LOOKED_AT // 1_000):
        found: Sequence[Record] = page(query)
        yield from (one.incident for one in found if one.incident)
        if len(found) < 1_000:
            return
        query = replace(query, after=found[-1].seq)


def nearest(name: str, known: Sequence[str]) -> tuple[str, ...]:
    """The most alike; the newest where none is."""
    alike = get_close_matches(name, known[:500], n=_NEAR, cutoff=0.5)
    return tuple(alike or known[:_NEAR])
