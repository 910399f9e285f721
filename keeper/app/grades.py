"""What the engine finds wrong with a source, told as a fault of it."""

from __future__ import annotations

from collections.abc import Iterable

from keeper.app.faults import Faults
from keeper.app.watch import Sight
from keeper.domain.observation import Quality
from keeper.engine import Tick
from keeper.engine.spec import SourceSpec


class Grades:
    """For sources that answered well (the answer is too old, what it needs is not there), and for those that the engine makes itself.

    An answer that is not well in itself is told by the watch.
    """

    def __init__(self, sources: Iterable[SourceSpec], faults: Faults) -> None:
        self._sources = [(one.name, one.derived is not None) for one in sources]
        self._faults = faults

    def of(self, tick: Tick, sight: Sight) -> None:
        """After each tick, with what it was made of."""
        for (name, derived), graded in zip(self._sources, tick.observations, strict=True):
            part = f"source:{name}" if derived else f"grade:{name}"
            answered = sight.observations.get(name)
            told_already = not derived and answered is not None and answered.quality is not Quality.OK
            if graded.quality is Quality.OK or told_already:
                self._faults.up(part)
            else:
                self._faults.down(part, graded.quality.value, f"{name}: {graded.reason}")
