"""The signal at each block around an incident, and the first block at which it was beyond its threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from keeper.adapters.audit.times import from_iso
from keeper.app.incidents.fields import (
    block_in,
    block_time_ms,
    is_number,
    judgement,
    objects,
    text,
)
from keeper.app.incidents.story import CoursePoint, Instant, Judgement, Onset, Source
from keeper.domain.record import Record

BEYOND: Final = frozenset({"pending", "tripped"})
"""States of a rule in which its condition holds; the first is on its way to the second."""
_NO_TICKS: Final = "the log has no record of the blocks before"
_THINNED: Final = "what was seen at those blocks is not in the database any more"


def course_of(ticks: Sequence[Record], market: str | None, verdict: Judgement) -> tuple[CoursePoint, ...]:
    """A point for each evaluated block at which the log has something of the rule or its signal."""
    points = []
    for tick in ticks:
        said = _verdict(tick, market, verdict.rule)
        value = _signal(tick, market, verdict.signal)
        if said is None and value is None:
            continue
        follows = said is not None and said.signal == verdict.signal
        if value is None and said is not None and follows and is_number(said.observed):
            value = said.observed
        threshold = said.threshold if said is not None and follows and is_number(said.threshold) else None
        state = said.state if said is not None else ""
        points.append(CoursePoint(from_iso(tick.at), block_in(tick.body), value, threshold, state, tick.seq))
    return tuple(points)


def block_times(ticks: Sequence[Record]) -> dict[int, int]:
    """The chain's own time in ms of each block that the log has."""
    found = {}
    for tick in ticks:
        number, at_ms = block_in(tick.body), block_time_ms(tick.body)
        if number is not None and at_ms is not None:
            found[number] = at_ms
    return found


def onset_of(
    ticks: Sequence[Record],
    course: Sequence[CoursePoint],
    opened: Instant | None,
    opened_seq: int,
    blind: str,
) -> Onset:
    """Back from the trip while the rule was beyond its threshold at every evaluated block."""
    if opened is None:
        return Onset(None, why="the log does not say when the incident began")
    if not ticks:
        return Onset(None, why=blind or _NO_TICKS)
    points = [one for one in course if one.state]
    if not points:
        return Onset(None, why=blind or _THINNED)
    trip = next((one for one in points if opened.block is not None and one.block == opened.block), None)
    if trip is None:
        return Onset(None, why=f"the log has no record of block {opened.block}, at which the rule tripped")
    place = points.index(trip)
    if trip.state not in BEYOND:
        return Onset(None, why="at the block of the trip the log has the rule in another state")
    first = place
    while first > 0 and points[first - 1].state in BEYOND and points[first - 1].seq < opened_seq:
        first -= 1
    if first == 0 and ticks[0].seq == points[0].seq and points[0].block != opened.block:
        return Onset(None, why="it was beyond its threshold at the first block that the log has, or that was read")
    point = points[first]
    at_ms = block_times(ticks).get(point.block) if point.block is not None else None
    if at_ms is None:
        return Onset(None, value=point.value or "", why=f"the log has no time of block {point.block}")
    blocks = None if point.block is None or opened.block is None else opened.block - point.block
    return Onset(Instant(at_ms, Source.BLOCK, point.block, point.seq), point.value or "", point.threshold or "", blocks)


def _verdict(tick: Record, market: str | None, rule: str) -> Judgement | None:
    for one in objects(tick.body.get("verdicts")):
        if (one.get("market"), one.get("rule")) == (market, rule):
            return judgement(one)
    return None


def _signal(tick: Record, market: str | None, name: str) -> str | None:
    signals = tick.body.get("signals")
    if isinstance(signals, Mapping):  # as the first version wrote them: name to value
        value = text(signals, name)
        return value if is_number(value) else None
    for one in objects(signals):
        if (one.get("market"), one.get("name")) == (market, name):
            value = text(one, "value")
            return value if is_number(value) else None
    return None
