"""Grading: which observations may feed a signal at this tick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from keeper.domain.observation import Observation, Quality
from keeper.domain.units import Span
from keeper.engine.spec import SourceSpec
from keeper.signals.bank import Floats

FOREVER = 2**62

MAX_MAGNITUDE = 300
"""Beyond 1e±300 a number has no float, and written plainly it would fill the log."""


def grade(source: SourceSpec, said: Observation | None, at_ms: int) -> Observation:
    """What ``said`` is worth at this tick: the same, or with a quality and a reason that say why it is not usable.

    A quality that the source itself gave is kept. An observation exactly ``max_age_ms`` old is still good.
    """
    if said is None:
        return Observation(source.name, None, source.unit, at_ms, quality=Quality.MISSING, reason="not in the snapshot")
    if said.quality is not Quality.OK:
        return said
    if said.unit is not source.unit:
        return _malformed(said, f"carries {said.unit} where {source.unit} was expected")
    if said.value is None or not said.value.is_finite():
        return _malformed(said, "not a finite number")
    if said.value != 0 and abs(said.value.adjusted()) > MAX_MAGNITUDE:
        return _malformed(said, "no number of this size is a value")
    if source.max_age_ms is not None and at_ms > _good_until(source, said):
        return replace(said, quality=Quality.STALE, reason=f"older than {Span(ms=source.max_age_ms)}")
    return said


def _malformed(said: Observation, reason: str) -> Observation:
    return replace(said, value=None, quality=Quality.MALFORMED, reason=reason)


def _good_until(source: SourceSpec, said: Observation) -> int:
    if source.max_age_ms is None:
        return FOREVER
    return (said.received_ms if said.at_ms is None else said.at_ms) + source.max_age_ms


@dataclass(slots=True)
class GradeState:
    """Per source: what was ``said`` last, what it is worth (``graded``), until when that holds, and its value as float (NaN: not usable)."""

    said: list[Observation | None]
    graded: list[Observation]
    until_ms: list[int]
    values: Floats


class Grader:
    """Grades all sources. Most of them said nothing new since the last tick, so only what changed is looked at."""

    def __init__(self, sources: Sequence[SourceSpec]) -> None:
        self._sources = tuple(sources)

    def initial_state(self) -> GradeState:
        count = len(self._sources)
        nothing = [grade(source, None, 0) for source in self._sources]
        return GradeState([None] * count, nothing, [-FOREVER] * count, np.full(count, np.nan))

    def grade_all(self, state: GradeState, observations: Mapping[str, Observation], at_ms: int) -> None:
        """Brings ``state`` up to this tick. ``at_ms`` must not be before the last one's."""
        for index, source in enumerate(self._sources):
            said = observations.get(source.name)
            if said is state.said[index] and at_ms <= state.until_ms[index]:
                continue
            graded = grade(source, said, at_ms)
            usable = graded.quality is Quality.OK and graded.value is not None
            state.said[index] = said
            state.graded[index] = graded
            state.until_ms[index] = _good_until(source, graded) if usable else FOREVER
            state.values[index] = float(graded.value) if usable and graded.value is not None else np.nan
