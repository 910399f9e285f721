"""Gates: a source that ``needs`` another is not good while that one does not say 1, such as prices of a layer-2 chain while its sequencer is down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from keeper.domain.errors import Problem
from keeper.domain.observation import WITHOUT_VALUE, Observation, Quality
from keeper.domain.units import Unit
from keeper.engine.grade import GradeState
from keeper.engine.spec import SourceSpec


def gated(own: Observation, needed: Observation) -> Observation:
    """``own`` where ``needed`` is OK and 1; else it is STALE, whatever else it was. What has no value stays as it is."""
    if own.quality in WITHOUT_VALUE:
        return own
    if needed.quality is not Quality.OK:
        reason = f"needs {needed.source}: {needed.reason}"
    elif needed.value != 1:
        reason = f"{needed.source} is down"
    else:
        return own
    if own.quality is Quality.STALE and own.reason.startswith(reason):
        return own  # as it was recorded, and is fed again
    also = "" if own.quality is Quality.OK else f", and {own.quality} ({own.reason})"
    return replace(own, quality=Quality.STALE, reason=f"{reason}{also}")


@dataclass(slots=True)
class GateState:
    """Per source that needs another: what it was worth by itself (``own``), what it needed, and what came of it (``put``)."""

    own: dict[int, Observation] = field(default_factory=dict)
    needed: dict[int, Observation] = field(default_factory=dict)
    put: dict[int, Observation] = field(default_factory=dict)


class Gates:
    """All gates of a spec. A source whose need cannot be met (no such source) is not gated: ``problems_of_gates`` refuses that before."""

    def __init__(self, sources: Sequence[SourceSpec]) -> None:
        position = {source.name: index for index, source in enumerate(sources)}
        self._pairs = tuple(
            (index, position[source.needs])
            for index, source in enumerate(sources)
            if source.needs is not None and source.needs in position
        )

    def initial_state(self) -> GateState:
        """Nothing gated yet."""
        return GateState()

    def gate_all(self, state: GateState, grades: GradeState) -> None:
        """Puts what the gates leave of each source into ``grades``; to be called after grading and before anything is derived."""
        for index, need in self._pairs:
            graded, needed = grades.graded[index], grades.graded[need]
            # the grader leaves what did not change, and that is then what was put there at the last tick
            own = state.own[index] if graded is state.put.get(index) else graded
            if own is state.own.get(index) and needed is state.needed.get(index) and graded is state.put[index]:
                continue
            result = gated(own, needed)
            state.own[index], state.needed[index], state.put[index] = own, needed, result
            if result is not graded:
                grades.put(index, result)


def problems_of_gates(sources: Sequence[SourceSpec]) -> Iterator[Problem]:
    """Needs that are not there, that are no flags, or that need something themselves."""
    known = {source.name: source for source in sources}
    for source in sources:
        if source.needs is not None and (message := why_not(source.name, source.needs, known)) is not None:
            yield Problem(f"sources.{source.name}.needs", None, source.needs, message)
        elif source.needs is not None and source.derived is not None:
            message = "what a derived source is made of may need something, not the derived source itself"
            yield Problem(f"sources.{source.name}.needs", None, source.needs, message)


def why_not(name: str, needs: str, known: Mapping[str, SourceSpec]) -> str | None:
    """Why the source ``name`` cannot need the source ``needs``; None when it can."""
    needed = known.get(needs)
    if needed is None:
        return "there is no such source"
    if needs == name:
        return "a source cannot need itself"
    if needed.unit is not Unit.FLAG:
        return f"a source of unit flag is needed, this one is of unit {needed.unit}"
    if needed.needs is not None or needed.derived is not None:
        return "a source that needs or is made of others cannot be needed"
    return None
