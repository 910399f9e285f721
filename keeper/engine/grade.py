"""Grading: which observations may feed a signal at this tick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from keeper.domain.observation import WITHOUT_VALUE, Observation, Quality
from keeper.domain.units import Span
from keeper.engine.spec import SourceSpec
from keeper.signals.bank import NEVER, Floats, Ints

FOREVER = 2**62

BITS = {quality: 1 << place for place, quality in enumerate(Quality)}
"""Each quality as one bit, so that a set of them is a number."""

MAX_MAGNITUDE = 300
"""Beyond 1e±300 a number has no float, and written plainly it would fill the log."""

NOT_THERE = "not in the snapshot"
_OK = Quality.OK


def grade(source: SourceSpec, said: Observation | None, at_ms: int) -> Observation:
    """What ``said`` is worth at this tick: the same, or with a quality and a reason that say why it is not usable.

    A quality that the source itself gave is kept, except that what is too old is STALE, whatever else it was; what is no number is MALFORMED,
    whatever it was said to be. An observation exactly ``max_age_ms`` old is still good.
    """
    if said is None:
        return Observation(source.name, None, source.unit, at_ms, quality=Quality.MISSING, reason=NOT_THERE)
    if said.quality in WITHOUT_VALUE:
        return said if said.value is None else replace(said, value=None)
    if said.unit is not source.unit:
        return _malformed(said, f"carries {said.unit} where {source.unit} was expected")
    if said.value is None or not said.value.is_finite():
        return _malformed(said, "not a finite number")
    if said.value != 0 and abs(said.value.adjusted()) > MAX_MAGNITUDE:
        return _malformed(said, "no number of this size is a value")
    if said.quality is not Quality.STALE and at_ms > _good_until(source, said):
        also = "" if said.quality is Quality.OK else f", and {said.quality} ({said.reason})"
        return replace(said, quality=Quality.STALE, reason=f"older than {Span(ms=source.max_age_ms or 0)}{also}")
    return said


def _malformed(said: Observation, reason: str) -> Observation:
    return replace(said, value=None, quality=Quality.MALFORMED, reason=reason)


def _good_until(source: SourceSpec, said: Observation) -> int:
    if source.max_age_ms is None:
        return FOREVER
    return (said.received_ms if said.at_ms is None else said.at_ms) + source.max_age_ms


@dataclass(slots=True)
class GradeState:
    """Per source: what was ``said`` last, what it is worth (``graded``), until when that holds, and its value as float.

    ``values`` is NaN unless the quality is OK; ``any_values`` only where there is no value at all, and ``bits`` is then its quality;
    ``own_ms`` is the observation's own time (else when it was received), NEVER where there is no value.
    """

    said: list[Observation | None]
    graded: list[Observation]
    until_ms: list[int]
    values: Floats
    any_values: Floats
    bits: Ints
    own_ms: Ints

    def put(self, index: int, graded: Observation) -> None:
        """This is what the source at this position is worth now."""
        own_ms = graded.received_ms if graded.at_ms is None else graded.at_ms
        self.own_ms[index] = NEVER if graded.value is None else max(NEVER, min(own_ms, FOREVER))
        value = np.nan if graded.value is None else float(graded.value)
        self.graded[index] = graded
        self.bits[index] = BITS[graded.quality]
        self.any_values[index] = value
        self.values[index] = value if graded.quality is Quality.OK else np.nan

    def accepted(self, sources: Ints, accepts: Ints) -> Floats:
        """The values of these sources where their quality is among the ``accepts`` of each (sets of ``BITS``), else NaN."""
        return np.where(self.bits[sources] & accepts != 0, self.any_values[sources], np.nan)


class Grader:
    """Grades all sources. Most of them said nothing new since the last tick, so only what changed is looked at."""

    def __init__(self, sources: Sequence[SourceSpec]) -> None:
        self._sources = tuple(sources)
        self._asked = [(source.name, source.unit, source.max_age_ms) for source in sources]

    def initial_state(self) -> GradeState:
        count = len(self._sources)
        nothing = [grade(source, None, 0) for source in self._sources]
        none = np.full(count, np.nan)
        missing = np.full(count, BITS[Quality.MISSING], dtype=np.int64)
        return GradeState(
            [None] * count, nothing, [-FOREVER] * count, none, none.copy(), missing, np.full(count, NEVER)
        )

    def grade_all(self, state: GradeState, observations: Mapping[str, Observation], at_ms: int) -> None:
        """Brings ``state`` up to this tick. ``at_ms`` must not be before the last one's."""
        said_of, known, until_ms, graded = observations.get, state.said, state.until_ms, state.graded
        new: list[int] = []
        own_ms: list[int] = []
        changed: list[int] = []
        values: list[float] = []
        for index, (name, unit, max_age_ms) in enumerate(self._asked):
            said = said_of(name)
            if said is known[index] and at_ms <= until_ms[index]:
                continue
            # What is plainly good is taken as it is, all of it into the columns at once; whatever is not, ``grade`` judges.
            if said is not None and said.quality is _OK and said.unit is unit:
                own = said.received_ms if said.at_ms is None else said.at_ms
                value, until = said.value, FOREVER if max_age_ms is None else own + max_age_ms
                if at_ms <= until and NEVER <= own <= FOREVER and value is not None:
                    before = graded[index]
                    same = value is before.value and before.quality is _OK  # the very object: only its time is new
                    if same or (value.is_finite() and -MAX_MAGNITUDE < value.adjusted() < MAX_MAGNITUDE):
                        known[index], until_ms[index], graded[index] = said, until, said
                        new.append(index)
                        own_ms.append(own)
                        if not same:
                            changed.append(index)
                            values.append(float(value))
                        continue
            self._grade_one(state, index, said, at_ms)
        if new:
            state.own_ms[new] = own_ms
        if changed:
            state.bits[changed] = BITS[_OK]
            state.values[changed] = state.any_values[changed] = values

    def missing_since_ms(self, state: GradeState) -> dict[str, int]:
        """Since when each source that should be in the snapshot has not been in it: a part of what is said of it."""
        return {
            source.name: graded.received_ms
            for source, said, graded, until_ms in zip(
                self._sources, state.said, state.graded, state.until_ms, strict=True
            )
            if said is None and source.derived is None and until_ms == FOREVER
        }

    def missing(self, state: GradeState, since_ms: Mapping[str, int]) -> None:
        """The sources are missing since then."""
        for index, source in enumerate(self._sources):
            if source.name in since_ms:
                self._grade_one(state, index, None, since_ms[source.name])

    def _grade_one(self, state: GradeState, index: int, said: Observation | None, at_ms: int) -> None:
        source = self._sources[index]
        graded = grade(source, said, at_ms)
        ages = graded.value is not None and graded.quality is not Quality.STALE
        state.said[index] = said
        state.until_ms[index] = _good_until(source, graded) if ages else FOREVER
        state.put(index, graded)
