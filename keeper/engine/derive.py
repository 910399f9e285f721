"""Derived sources: medians, cross rates, stuck values, constants. Computed from graded observations before any signal, so that live and replay agree.

Arithmetic is that of ``keeper.domain.consensus``: Decimal with 60 significant digits, each operation off by at most a share of 5e-60.

Quality. A median is as good as its members make it (``consensus``). Everything else needs all its members: it has the worst of their qualities, and
no value when one of them has none. A result that is not a number, or beyond 1e±300, is MALFORMED.

Time. The own time of a derived value is the oldest of its members' own times, it was received when the newest of them was. A constant is
always new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import reduce

from keeper.domain.consensus import CONTEXT, LONGEST_REASON, Member, consensus, worst
from keeper.domain.observation import Observation, Quality
from keeper.domain.units import Span
from keeper.engine.derivation import Derivation, How, in_order
from keeper.engine.grade import MAX_MAGNITUDE, GradeState
from keeper.engine.spec import SourceSpec

CHANGES = 64
"""So many of the newest changes are remembered, in case what they were seen in turns out to be disputed."""


@dataclass(slots=True)
class DeriveState:
    """Per derived source: the graded ``members`` that ``made`` was made of; ``changes``: of an UNCHANGED one its newest values, each with the time
    since when, the last one last."""

    members: dict[str, tuple[Observation, ...]] = field(default_factory=dict)
    made: dict[str, Observation] = field(default_factory=dict)
    changes: dict[str, list[tuple[Decimal, int]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Place:
    """A derived source: its position, and those of its members."""

    at: int
    source: SourceSpec
    derivation: Derivation
    members: tuple[int, ...]


class Deriver:
    """Computes all derived sources, each after those that it is made of. The sources must be free of circles."""

    def __init__(self, sources: Sequence[SourceSpec]) -> None:
        position = {source.name: index for index, source in enumerate(sources)}
        derived = {source.name: source.derived for source in sources if source.derived is not None}
        self._places = tuple(
            _Place(
                position[name],
                sources[position[name]],
                derived[name],
                tuple(position[member] for member in derived[name].of),
            )
            for name in in_order({name: derivation.of for name, derivation in derived.items()})
        )

    def initial_state(self) -> DeriveState:
        """Nothing derived yet, nothing stuck."""
        return DeriveState()

    def derive_all(
        self, state: DeriveState, grades: GradeState, at_ms: int, disputed_ms: Sequence[tuple[int, int]] = ()
    ) -> None:
        """Puts every derived observation into ``grades``, whatever the snapshot said under its name.

        Changes of UNCHANGED ones at a time in ``disputed_ms`` (pairs: after, through) are as if they had not been.
        """
        for after_ms, through_ms in disputed_ms:
            _disown(state, after_ms, through_ms)
        for place in self._places:
            name = place.source.name
            members = tuple(grades.graded[index] for index in place.members)
            known = state.members.get(name)
            if place.derivation.how is How.UNCHANGED:
                state.made[name] = _unchanged(place, members[0], state, at_ms)
            elif place.derivation.how is How.CONSTANT:
                state.made[name] = Observation(name, place.derivation.value, place.source.unit, at_ms)
            elif known is None or any(one is not other for one, other in zip(known, members, strict=True)):
                state.made[name] = _derive(place, members, at_ms)
            state.members[name] = members
            grades.put(place.at, state.made[name])


def _derive(place: _Place, members: Sequence[Observation], at_ms: int) -> Observation:
    derivation = place.derivation
    if derivation.how is How.MEDIAN:
        asked = [Member(one.source, one.value, one.quality, one.reason) for one in members]
        found = consensus(asked, derivation.at_least, derivation.outlier)
        kept = {one.name for one in found.kept}
        used = [one for one in members if one.source in kept] or members
        return _observe(place, found.value, found.quality, found.reason, used, at_ms)
    named = f"{derivation.how} of " + ", ".join(one.source for one in members)
    bad = [one for one in members if one.quality is not Quality.OK]
    if bad:
        named += ": " + "; ".join(f"{one.source} is {one.quality} ({one.reason})" for one in bad)
    values = [one.value for one in members if one.value is not None]
    quality = worst([one.quality for one in members])
    if len(values) < len(members):
        return _observe(place, None, quality, named, members, at_ms)
    value = _compute(derivation.how, values)
    if not value.is_finite() or (value != 0 and abs(value.adjusted()) > MAX_MAGNITUDE):
        return _observe(place, None, Quality.MALFORMED, f"{named}: the result is no number", members, at_ms)
    return _observe(place, value, quality, named, members, at_ms)


def _compute(how: How, values: Sequence[Decimal]) -> Decimal:
    match how:
        case How.RATIO:
            return reduce(CONTEXT.divide, values)
        case How.PRODUCT:
            return reduce(CONTEXT.multiply, values)
        case _:
            return CONTEXT.divide(Decimal(1), values[0])


def _unchanged(place: _Place, member: Observation, state: DeriveState, at_ms: int) -> Observation:
    name, limit_ms = place.source.name, place.derivation.stuck_after_ms
    named = f"unchanged of {member.source}"
    if member.value is None:
        return _observe(place, None, member.quality, f"{named}: {member.reason}", [member], at_ms)
    changes = state.changes.setdefault(name, [])
    if not changes or changes[-1][0] != member.value:
        changes.append((member.value, at_ms))
        del changes[:-CHANGES]
    since_ms = changes[-1][1]
    quality, reason = member.quality, f"{named}: {member.reason}" if member.reason else named
    if limit_ms is not None and at_ms - since_ms > limit_ms:
        quality = worst([quality, Quality.STALE])
        reason += f": the same value for longer than {Span(ms=limit_ms)}"
    return _observe(place, member.value, quality, reason, [member], at_ms)


def _disown(state: DeriveState, after_ms: int, through_ms: int) -> None:
    """Of equal values that are neighbours then, the first stays: it has been that value since."""
    for name, changes in state.changes.items():
        kept: list[tuple[Decimal, int]] = []
        for value, since_ms in changes:
            if not after_ms < since_ms <= through_ms and (not kept or kept[-1][0] != value):
                kept.append((value, since_ms))
        state.changes[name] = kept


def _observe(
    place: _Place, value: Decimal | None, quality: Quality, reason: str, members: Sequence[Observation], now_ms: int
) -> Observation:
    """``now_ms`` is the time of what has no members."""
    own = [one.received_ms if one.at_ms is None else one.at_ms for one in members]
    return Observation(
        source=place.source.name,
        value=value,
        unit=place.source.unit,
        received_ms=max((one.received_ms for one in members), default=now_ms),
        at_ms=min(own, default=None),
        quality=quality,
        reason=reason[:LONGEST_REASON],
    )
