"""The same engine once more, in memory and by the watcher's own reads: what trips here must stand in the keeper's log soon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import structlog

from keeper.app.faults import Faults
from keeper.app.restart import bound, take_up
from keeper.app.watch import Watch
from keeper.app.watcher.findings import Finding, Matter
from keeper.app.watcher.log_side import LogSide
from keeper.app.watcher.undone import Undone
from keeper.app.wiring import open_sources
from keeper.config.model import Config
from keeper.domain.block import BlockStamp
from keeper.domain.decision import IncidentEvent, IncidentPhase
from keeper.domain.errors import AuditError
from keeper.domain.snapshot import Snapshot
from keeper.domain.verdict import Severity
from keeper.engine import compile_engine
from keeper.execution.planner import arm
from keeper.ports.audit import AuditStore
from keeper.ports.chain import ChainReader
from keeper.ports.clock import Clock
from keeper.ports.prices import FeedSource

Key = tuple[str, str]


class Shadow:
    """``look`` evaluates a head, ``missed`` asks the log about what tripped. Nothing is written or sent."""

    def __init__(self, config: Config, chain: ChainReader, log: LogSide, clock: Clock) -> None:
        assert config.watch is not None, "the loader fills it in"
        on_chain, feeds = open_sources(config.sources, clock)
        armed = {each.key: each for each in map(arm, config.actions)}
        self.feeds: Sequence[FeedSource] = feeds
        self._config = config
        self._log_side = log
        self._clock = clock
        self._blocks = config.watch.missed_blocks
        self._standing = Undone(
            {key: each for key, each in armed.items() if each.action.adjustment is None}, log, self._blocks
        )
        faults = Faults(clock, lambda _: None, lambda _: None)
        self.watch = Watch(chain, clock, faults, config.engine.sources, on_chain, feeds, armed)
        self._engine = compile_engine(config.engine)
        self._state = self._engine.initial_state()
        self._head = -1
        self._tripped: dict[str, IncidentEvent] = {}
        self._told: dict[str, Finding] = {}
        self._effects: Mapping[Key, str] = {}
        self._log = structlog.get_logger("watch")

    async def warm_up(self) -> None:
        """Goes on from what the keeper's engine remembers, where the log has that; says so where not."""
        self._engine.warm_up()
        try:
            # only its pages are asked for
            store = cast("AuditStore", self._log_side)
            taken = await take_up(store, self._engine, bound(self._config, self._engine))
        except AuditError as error:
            self._log.warning("starting with empty windows", because=error.message)
            return
        self._state = taken.state
        if taken.forgot is not None:
            self._log.warning("starting with empty windows", reason=taken.forgot, because=taken.message)

    async def look(self, block: BlockStamp) -> None:
        """Evaluates this head."""
        sight = await self.watch.look(block)
        snapshot = Snapshot(block, self._clock.now_ms(), sight.observations, (), (), ())
        self._state, tick = self._engine.tick(self._state, snapshot)
        self._head = block.number
        self._effects = sight.effects
        for event in tick.incidents:
            if event.phase is IncidentPhase.OPENED:
                self._tripped[event.market] = event
            else:
                self._tripped.pop(event.market, None)
                self._told.pop(event.market, None)

    async def missed(self) -> list[Finding]:
        """What tripped here some blocks ago and does not stand in the log. What was found stays so while the log cannot be read."""
        for market, event in list(self._tripped.items()):
            if self._head - event.block < self._blocks:
                continue
            try:
                known = await self._log_side.knows(market, event.block - self._blocks)
            except AuditError:
                self._told.setdefault(market, _missed(event, self._head, readable=False))
                continue
            if known:
                self._told.pop(market, None)
                self._tripped.pop(market, None)
            else:
                self._told[market] = _missed(event, self._head, readable=True)
        return list(self._told.values())

    async def undone(self) -> list[Finding]:
        """Effects of what the keeper did in an open incident that are not on the chain. Raises AuditError."""
        return await self._standing.look(self._head, self._effects)


def _missed(event: IncidentEvent, head: int, *, readable: bool) -> Finding:
    verdict = event.verdict
    numbers = f"{verdict.signal} = {verdict.value:.6g}, threshold {verdict.threshold:.6g}, block {event.block}"
    if readable:
        title = f"the keeper missed a trip: {event.market}, {verdict.rule}"
        why = f"It tripped for the watcher, and at block {head} the keeper's log has neither an incident nor a decision for this market."
    else:
        title = f"{event.market}: {verdict.rule} tripped, and the keeper's log cannot be read"
        why = "Nobody can say from here whether the keeper acts."
    remedy = "Look at the market, and act by hand if it is at risk; then compare the sources: keeper status CONFIG, keeper doctor CONFIG"
    return Finding(Matter.MISSED, title, f"{numbers}\n{why}\n{remedy}", Severity.CRITICAL, event.market)
