"""One incident as its page lays it out: the timeline block by block, and the chart with what happened on it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from keeper.app.council.matter import Chart, Point
from keeper.app.incidents.story import Moment, Story
from keeper.app.pages.chart import Picture, picture

MOMENTS_MAX = 300
"""More than a page that opens quickly on a phone; the report holds all."""
_HASH: Final = re.compile(r"0x[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class BlockGroup:
    """What happened from one block on until the next one that the log names. ``block`` None: before any."""

    block: int | None
    moments: tuple[Moment, ...]


@dataclass(frozen=True, slots=True)
class IncidentSheet:
    story: Story
    picture: Picture | None
    groups: tuple[BlockGroup, ...]
    left_out: int
    proposals: Mapping[int, str]
    """The safeTxHash of the proposal that a record is about, by the record's number."""
    known: frozenset[str]
    """The proposals that have a page: what names one in a record may be anything."""


def incident_sheet(story: Story) -> IncidentSheet:
    shown = story.moments[:MOMENTS_MAX]
    known = {one.hash: one for one in story.proposals if _HASH.fullmatch(one.hash)}
    proposals = {at.seq: name for name, one in known.items() for _, at, _ in one.steps if at.seq is not None}
    left_out = len(story.moments) - len(shown)
    return IncidentSheet(story, _picture(story), _groups(shown), left_out, proposals, frozenset(known))


def _groups(moments: tuple[Moment, ...]) -> tuple[BlockGroup, ...]:
    groups: list[tuple[int | None, list[Moment]]] = []
    for moment in moments:
        block = moment.at.block
        if not groups or (block is not None and block != groups[-1][0]):
            groups.append((block, []))
        groups[-1][1].append(moment)
    return tuple(BlockGroup(block, tuple(found)) for block, found in groups)


def _picture(story: Story) -> Picture | None:
    if not story.course:
        return None
    points = tuple(Point(point.at_ms, point.value or "") for point in story.course)
    threshold = story.threshold or next((one.threshold for one in story.course if one.threshold), None)
    return picture(Chart(story.signal or "signal", points, threshold), _events(story))


def _events(story: Story) -> list[tuple[int, str]]:
    """The first of each: tripped, broadcast, included, read back; and the end."""
    found: list[tuple[int, str]] = []
    if story.opened is not None:
        found.append((story.opened.at_ms, "tripped"))
    for kind, label in (("broadcast", "broadcast"), ("receipt", "included"), ("effect", "effect read back")):
        moment = next((one for one in story.moments if one.kind == kind), None)
        if moment is not None:
            found.append((moment.at.at_ms, label))
    if story.closed is not None:
        found.append((story.closed.at_ms, "closed"))
    if story.restored is not None:
        found.append((story.restored.at_ms, "restored"))
    return found
