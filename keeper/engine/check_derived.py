"""What makes a derived source impossible."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from keeper.domain.errors import Problem
from keeper.engine.derivation import SINGLE, Derivation, How, circles, possible_units
from keeper.engine.spec import SourceSpec

MAX_MEMBERS = 50


def problems_of_derived(sources: Sequence[SourceSpec]) -> Iterator[Problem]:
    """Members that are not there, too few or too many of them, circles, units and numbers that do not fit."""
    known = {source.name: source for source in sources}
    for source in sources:
        if source.derived is not None:
            for key, message in _of_one(source, source.derived, known):
                yield Problem(f"sources.{source.name}.{key}", None, source.derived.how, message)
    members = {source.name: source.derived.of for source in sources if source.derived is not None}
    for around in circles(members):
        path = f"sources.{around[0]}.of"
        yield Problem(path, None, " -> ".join(around), "these sources are made of each other in a circle")


def _of_one(source: SourceSpec, derivation: Derivation, known: Mapping[str, SourceSpec]) -> Iterator[tuple[str, str]]:
    names = derivation.of
    for name in dict.fromkeys(names):
        if name not in known:
            yield "of", f"there is no source {name}"
        elif names.count(name) > 1:
            yield "of", f"{name} is named twice"
    if (message := wrong_number(derivation.how, len(names))) is not None:
        yield "of", message
        return
    yield from _of_numbers(derivation)
    if all(name in known for name in names):
        units = [known[name].unit for name in names]
        if source.unit not in possible_units(derivation.how, units):
            yield "unit", f"a {derivation.how} of {', '.join(units)} is not of unit {source.unit}"


def _of_numbers(derivation: Derivation) -> Iterator[tuple[str, str]]:
    names = derivation.of
    if derivation.how is How.MEDIAN and not 1 <= derivation.at_least <= len(names):
        yield "min_fresh", f"from 1 to the {len(names)} members"
    if derivation.outlier is not None and not derivation.outlier > 0:
        yield "outlier", "a bound is more than nothing"
    if derivation.how is How.UNCHANGED and (derivation.stuck_after_ms is None or derivation.stuck_after_ms <= 0):
        yield "stuck_after", "a time of more than nothing is needed"
    if derivation.how is How.CONSTANT and (derivation.value is None or not derivation.value.is_finite()):
        yield "value", "a constant needs a finite number"


def wrong_number(how: How, count: int) -> str | None:
    """What is wrong with this many members, if anything."""
    if how is How.CONSTANT:
        return "a constant is made of nothing" if count else None
    if how in SINGLE:
        return None if count == 1 else f"{how} is of exactly one source"
    return None if 2 <= count <= MAX_MEMBERS else f"{how} is of 2 to {MAX_MEMBERS} sources"
