"""What a drill sees of the keeper that it runs: the newest tick, the trip, and the ends of what it decided."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from keeper.app.observer import Observer
from keeper.domain.block import BlockStamp
from keeper.domain.observation import Observation
from keeper.domain.outcome import Outcome
from keeper.domain.snapshot import Snapshot
from keeper.domain.verdict import RuleState
from keeper.engine import Engine, EngineState, Tick
from keeper.execution.work import Work


class Watcher(Observer):
    """Follows the keeper with an engine state of its own, so that what would trip a rule can be tried on it."""

    def __init__(self, engine: Engine, state: EngineState, now_ms: Callable[[], float]) -> None:
        self.engine = engine
        self._now_ms = now_ms
        self._rule: tuple[str, str] | None = None
        self.state = state
        self.tick: Tick | None = None
        self.ticks = 0
        self.is_ready = asyncio.Event()
        self.changed = asyncio.Event()
        self.tripped_ms: float | None = None
        self.blocks_to_trip: int | None = None
        self.trip: Tick | None = None
        self.ends: dict[str, tuple[Work, Outcome]] = {}
        self._from_block = 0

    def ready(self, head: BlockStamp, sender: str | None) -> None:
        self.is_ready.set()

    def expect(self, market: str, rule: str) -> None:
        """From now on this rule is to trip."""
        self._rule = market, rule
        self._from_block = self.tick.block.number if self.tick is not None else 0

    def ticked(self, tick: Tick) -> None:
        self.tick = tick
        self.ticks += 1
        if self._rule is None:
            self.state, _ = self.engine.tick(self.state, Snapshot(tick.block, tick.at_ms, self.seen))
        elif self.trip is None and self._is_tripped(tick):
            self.trip, self.tripped_ms = tick, self._now_ms()
            self.blocks_to_trip = tick.block.number - self._from_block
        self.changed.set()

    def ended(self, work: Work, outcome: Outcome) -> None:
        if self._rule is not None and work.intent.market == self._rule[0]:
            self.ends[work.intent.action] = work, outcome
            self.changed.set()

    @property
    def seen(self) -> Mapping[str, Observation]:
        """What every source said at the newest tick, derived ones left out: the engine makes those."""
        if self.tick is None:
            return {}
        derived = {each.name for each in self.engine.spec.sources if each.derived is not None}
        return {each.source: each for each in self.tick.observations if each.source not in derived}

    def _is_tripped(self, tick: Tick) -> bool:
        return any((each.market, each.rule) == self._rule and each.state is RuleState.TRIPPED for each in tick.verdicts)
