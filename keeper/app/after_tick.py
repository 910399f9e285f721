"""What follows from a tick besides actions: people are told, sources are graded, drills go on from it, and in shadow it is compared."""

from __future__ import annotations

from collections.abc import Callable

from keeper.app.comparing import Comparing, Moment
from keeper.app.drill.live_drill import LiveDrill
from keeper.app.faults import Faults
from keeper.app.grades import Grades
from keeper.app.leading import ALIKE
from keeper.app.parts import Parts
from keeper.app.telling import Telling
from keeper.app.watch import Sight
from keeper.config.model import Mode
from keeper.domain.block import BlockStamp
from keeper.domain.decision import DecisionKind
from keeper.domain.record import Draft
from keeper.engine import EngineState, Tick
from keeper.ports.notifier import Notice


class AfterTick:
    """Of one service. ``drill`` is told each tick; None where none is scheduled. ``state`` gives the engine's."""

    def __init__(
        self,
        parts: Parts,
        faults: Faults,
        tell: Callable[[Notice], None],
        record: Callable[[Draft], None],
        drill: LiveDrill | None,
        state: Callable[[], EngineState],
    ) -> None:
        config, self._engine, self._state = parts.config, parts.engine, state
        self._first = True
        self._telling = Telling(tell)
        self._grades = Grades(config.engine.sources, faults)
        self._drill = drill
        self._leading = parts.leading
        self._faults = faults
        shadow = config.keeper.mode is Mode.SHADOW
        self._comparing = Comparing(parts.armed, record, tell) if shadow else None

    def of(self, tick: Tick, sight: Sight, block: BlockStamp) -> None:
        """After it was acted upon."""
        self._telling.of(tick)
        self._grades.of(tick, sight)
        self._compare_replicas()
        if self._drill is not None:
            self._drill.ticked(tick)
        if self._comparing is not None:
            if self._first:
                self._comparing.go_on(self._decided_before(tick))
            self._comparing.of(tick, block, sight.effects)
        self._first = False

    def _decided_before(self, tick: Tick) -> dict[tuple[str, str], Moment]:
        """In the incidents that a service before this one has left open."""
        now = {(one.market, one.action) for one in tick.decisions if one.kind is DecisionKind.ACT}
        state = self._state()
        incidents = self._engine.open_incidents(state)
        return {
            key: Moment(one.since_ms, 0, one.incident)
            for key, one in self._engine.standings(state).items()
            if key not in now and one.incident and incidents.get(key[0]) == one.incident
        }

    def _compare_replicas(self) -> None:
        """A standby that would decide something else is no standby; people hear of it before it takes over."""
        if self._leading is None:
            return
        if said := self._leading.unlike():
            self._faults.down("replicas", "not-alike", said, ALIKE)
        else:
            self._faults.up("replicas", "replicas are alike again")
