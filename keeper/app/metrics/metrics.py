"""An observer that counts, and the text that Prometheus reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from keeper.app.faults import Fault
from keeper.app.gauges import Gauges
from keeper.app.metrics import actions, faults, rules
from keeper.app.metrics.families import FIRST_LANE, OF_AN_INTENT, OPEN_STATES, REACHED, STAGES, Families
from keeper.app.metrics.text import Family, table
from keeper.app.observer import Observer
from keeper.app.parts import Parts
from keeper.domain.block import BlockStamp
from keeper.domain.chain_events import Backfilled, ChainEvent, FailedOver, Gap, Reorg, Skipped
from keeper.domain.decision import IncidentPhase
from keeper.domain.outcome import Outcome
from keeper.domain.readiness import ActionReadiness
from keeper.domain.verdict import Severity
from keeper.engine import Tick
from keeper.execution.journal import Fallback
from keeper.execution.work import Work
from keeper.ports.notifier import Delivery, Notice

WEI_PER_ETH: Final = 10**18
RECORDS: Final = Family("keeper_records_total", "counter", "Records that were written off the hot path.")
DROPPED: Final = Family(
    "keeper_records_dropped_total", "counter", "Records that were not: too many waited, or the log refused them."
)
BY_HAND: Final[tuple[Family, ...]] = (*rules.FAMILIES, *actions.FAMILIES, *faults.FAMILIES, RECORDS, DROPPED)


class Metrics(Observer):
    """Of one keeper. Everything is called in its event loop; a tick costs some 20 microseconds with 200 markets of 5 rules."""

    def __init__(self, parts: Parts) -> None:
        spec = parts.config.engine
        self._clock = parts.edges.clock
        self._lanes = tuple(parts.edges.senders)
        self._known = Families(parts)
        self._rules = rules.Rules(spec)
        self._actions = actions.Actions(parts.armed, parts.proving)
        self._down = faults.Down(len(spec.sources) + len(parts.armed))
        self._stages = {stage: self._known.stages.labels(stage) for stage in STAGES}
        self._gauges: Gauges | None = None

    # -- what happens -----------------------------------------------------------------------------------------------------------

    def begun(self, gauges: Gauges) -> None:
        self._gauges = gauges

    def role(self, role: str) -> None:
        self._known.take(role)

    def ready(self, head: BlockStamp, sender: str | None) -> None:
        self._known.ready.set(1)

    def ticked(self, tick: Tick) -> None:
        self._rules.saw(tick)
        self._known.ticks.inc()
        self._known.block.set(tick.block.number)
        self._known.block_time.set(tick.block.timestamp_s)
        for decision in tick.decisions:
            self._known.decisions.labels(decision.kind.value, decision.reason.value).inc()
        for event in tick.incidents:
            if event.phase is IncidentPhase.OPENED:
                self._known.incidents.labels(event.market).inc()

    def timed(self, block: BlockStamp, marks: Mapping[str, float]) -> None:
        """``head`` is on the monotonic clock, and the block's own time on everybody's: now is on both."""
        heard_ms = self._clock.now_ms() - (self._clock.monotonic_ms() - marks["head"])
        lag_s = max(0.0, heard_ms / 1000 - block.timestamp_s)
        self._known.head_lag.set(lag_s)
        self._stages["head"].observe(lag_s)
        self._known.tick_seconds.observe((marks["done"] - marks["head"]) / 1000)
        self._between(marks, after="head")

    def ended(self, work: Work, outcome: Outcome) -> None:
        self._known.outcomes.labels(outcome.kind.value, outcome.reason.value).inc()
        since = work.timeline_ms()
        for point in REACHED:
            if point in since:
                self._known.reaction.labels(point).observe(since[point] / 1000)
        marks = work.marks
        if "decided" in marks:
            begun = {"decided": marks.get("agreed", marks["decided"])}  # the tick has counted what was before
            self._between(begun | {stage: marks[stage] for stage in OF_AN_INTENT if stage in marks}, after="decided")

    def sent(self, work: Work) -> None:
        self._known.sent.labels(work.route).inc()

    def fell_back(self, work: Work, fallback: Fallback) -> None:
        self._known.fallbacks.labels(work.route, fallback.reason.value).inc()

    def heard(self, event: ChainEvent) -> None:
        match event:
            case Skipped():
                self._known.skipped.inc(event.count)
            case Backfilled():
                self._known.backfilled.inc(event.count)
            case Gap():
                self._known.lost.inc(event.count)
            case Reorg():
                self._known.reorgs.inc()
                self._known.reorg_blocks.inc(event.depth)
            case FailedOver():
                self._known.failovers.inc()
            case _:
                pass  # endpoints that are down, and those that say something else, are faults

    def fault(self, fault: Fault, severity: Severity) -> None:
        self._down.fault(fault, severity)

    def mended(self, part: str) -> None:
        self._down.mended(part)

    def probed(self, readiness: Sequence[ActionReadiness]) -> None:
        self._actions.probed(readiness)
        self._known.probed.set(self._clock.now_ms() / 1000)

    def notified(self, notifier: str, notice: Notice, delivery: Delivery) -> None:
        if not delivery.suppressed:
            self._known.notifications.labels(notifier, "delivered" if delivery.delivered else "failed").inc()

    def scheduled(self, jobs: Sequence[str]) -> None:
        for name in jobs:
            self._known.begin_job(name)

    def job(self, name: str, state: str, seconds: float) -> None:
        self._known.jobs.labels(name, state).inc()
        if state != "missed":
            self._known.job_seconds.labels(name).observe(seconds)
        if state == "done":
            self._known.job_success.labels(name).set(self._clock.now_ms() / 1000)

    def crashed(self, part: str) -> None:
        self._known.crashes.labels(part).inc()

    # -- what is read -----------------------------------------------------------------------------------------------------------

    def text(self) -> str:
        """Everything, in the text format of Prometheus (version 0.0.4)."""
        return "".join(self.chunks())

    def chunks(self) -> Iterator[str]:
        """The same piece by piece, each made when it is asked for: none takes more than a few milliseconds, however many markets there are."""
        written = dropped = 0
        if self._gauges is not None:
            self._read(self._gauges)
            written, dropped = self._gauges.scribe.written, self._gauges.scribe.dropped
        yield from self._known.chunks()
        yield from self._rules.chunks(self._clock.now_ms())
        yield self._actions.text()
        yield self._down.text()
        yield table(RECORDS, [RECORDS.prefix()], [written]) + table(DROPPED, [DROPPED.prefix()], [dropped])

    def _read(self, gauges: Gauges) -> None:
        known, now_ms = self._known, self._clock.now_ms()
        works = gauges.open_works
        states = [work.intent.state.value for work in (*works, *gauges.proposals)]
        for state in OPEN_STATES:
            known.intents.labels(state).set(states.count(state))
        known.oldest.set(max((now_ms - work.intent.created_ms) / 1000 for work in works) if works else 0)
        known.council.set(len(gauges.proposals))
        known.incidents_open.set(len(gauges.incidents()))
        for lane in self._lanes:
            if (balance_wei := gauges.balance_wei(lane)) is not None:
                known.balance.labels(lane or FIRST_LANE).set(balance_wei / WEI_PER_ETH)
        known.queue.labels("records").set(gauges.scribe.waiting)
        for name, waiting in gauges.courier.waiting.items():
            known.queue.labels(f"notices:{name}").set(waiting)
        known.log_head.set(gauges.scribe.head)
        known.checkpoint.set((gauges.checkpoints.signed_ms or 0) / 1000)

    def _between(self, marks: Mapping[str, float], after: str) -> None:
        """Each stage since the one before it."""
        before: float | None = marks.get(after)
        for stage in STAGES:
            if stage != after and stage in marks:
                if before is not None:
                    self._stages[stage].observe(max(0.0, marks[stage] - before) / 1000)
                before = marks[stage]
