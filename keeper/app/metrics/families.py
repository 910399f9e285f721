"""The metrics that are counted as things happen. Every combination of labels that the configuration makes possible is there from the start, at 0."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    Summary,
    disable_created_metrics,
    generate_latest,
)

from keeper import __version__
from keeper.app.parts import Parts
from keeper.config.model import Config
from keeper.domain.decision import DecisionKind, DecisionReason
from keeper.domain.intent import IntentState
from keeper.domain.outcome import FINAL_OUTCOMES, OutcomeKind, Reason
from keeper.execution.journal import FallbackReason

OF_AN_INTENT: Final = ("intent_durable", "signed", "broadcast", "included", "verified")
STAGES: Final = ("head", "reads", "decided", "agreed", *OF_AN_INTENT, "done")
"""From the block's own time to the effect, and ``done``: the rest of the tick."""
REACHED: Final = ("intent_durable", "broadcast", "included", "verified")
BUCKETS_S: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 12.0, 30.0, 60.0, 180.0, 600.0),
)
OPEN_STATES: Final = tuple(state.value for state in IntentState if state is not IntentState.DONE)
JOB_STATES: Final = ("done", "failed", "missed")
LEADING: Final = "leading"
ROLES: Final = (LEADING, "standby")
FIRST_LANE: Final = "first"
"""The label of the key that has no lane's name."""
PARTS: Final = (
    *("records", "spool", "clock-watch", "notices", "nodes", "follow-up", "evaluation", "switches", "pulse"),
    *("cosigning", "council", "checkpoints", "page", "agreement", "readiness", "scheduler"),
)
"""What the service keeps alive, whatever is configured."""


class Process:
    """What every process of a keeper shows, whatever it does. Each metric is in a registry of its own, so that they can be written out one by one."""

    def __init__(self, config: Config) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # when a counter began is nothing that a restart would not show as well
        self._registries: list[CollectorRegistry] = []
        ProcessCollector(registry=self._registry())
        labels = ("version", "mode", "name")
        info = Gauge("keeper_info", "What runs; always 1.", labels, registry=self._registry())
        info.labels(__version__, config.keeper.mode.value, config.keeper.name).set(1)
        words = "1 where several keepers share the database, of which one leads."
        Gauge("keeper_replicated", words, registry=self._registry()).set(config.keeper.replicas is not None)
        words = "1 at the role of this process among the keepers of its database."
        self._role = Gauge("keeper_role", words, ("role",), registry=self._registry())

    def take(self, role: str) -> None:
        """This role from now on."""
        for each in ROLES:
            self._role.labels(each).set(each == role)

    def chunks(self) -> Iterator[str]:
        """The text of each."""
        for registry in self._registries:
            yield generate_latest(registry).decode("utf-8")

    def _registry(self) -> CollectorRegistry:
        self._registries.append(CollectorRegistry())
        return self._registries[-1]


class Families(Process):
    """What a keeper that leads counts besides."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.config)
        self.take(LEADING)

        def gauge(name: str, help_: str, *labels: str) -> Gauge:
            return Gauge(f"keeper_{name}", help_, labels, registry=self._registry())

        def counter(name: str, help_: str, *labels: str) -> Counter:
            return Counter(f"keeper_{name}", help_, labels, registry=self._registry())

        def histogram(name: str, help_: str, *labels: str) -> Histogram:
            return Histogram(f"keeper_{name}", help_, labels, registry=self._registry(), buckets=BUCKETS_S)

        self.ready = gauge("ready", "1 since the keeper is connected and evaluates.")
        self.block = gauge("block_number", "The newest block that was evaluated.")
        self.block_time = gauge("block_timestamp_seconds", "That block's own time.")
        self.head_lag = gauge("head_lag_seconds", "From that block's own time to when it was heard of.")
        self.ticks = counter("ticks", "Blocks that were evaluated.")
        self.stages = histogram(
            "stage_seconds", "What each stage took since the one before it; head: since the block's own time.", "stage"
        )
        self.tick_seconds = histogram("tick_seconds", "From a head to the end of its tick.")
        self.reaction = histogram(
            "reaction_seconds", "From the head that an action was decided at to each point it reached.", "until"
        )
        self.skipped = counter("blocks_skipped", "Blocks that were passed over because a newer one was there.")
        self.backfilled = counter("blocks_backfilled", "Blocks that were missed, fetched later and evaluated late.")
        self.lost = counter("blocks_lost", "Blocks that were missed and never evaluated.")
        self.reorgs = counter("reorgs", "Reorganisations of the chain.")
        self.reorg_blocks = counter("reorg_blocks", "Evaluated blocks that are no longer part of the chain.")
        self.failovers = counter("failovers", "Changes from one node to another.")
        self.incidents = counter("incidents", "Incidents that began.", "market")
        self.incidents_open = gauge("incidents_open", "Incidents that are open now.")
        self.decisions = counter("decisions", "Decisions of the engine.", "kind", "reason")
        self.outcomes = counter("outcomes", "Ends of intents.", "kind", "reason")
        self.sent = counter("sent", "Attempts that a route accepted.", "route")
        self.fallbacks = counter("fallbacks", "Intents for builders alone that became public.", "route", "reason")
        self.intents = gauge("intents", "Open intents.", "state")
        self.oldest = gauge(
            "intent_oldest_age_seconds", "Age of the oldest open intent that the keeper carries out itself."
        )
        self.council = gauge("council_pending", "Proposals that wait for the owners of a Safe.")
        self.balance = gauge("key_balance_eth", "What a key can pay with; NaN before it was first looked at.", "lane")
        self.probed = gauge("readiness_probe_timestamp_seconds", "When the armed actions were last probed; 0: never.")
        self.notifications = counter(
            "notifications", "Notices that were delivered, or could not be.", "notifier", "result"
        )
        self.queue = gauge("queue_length", "What waits to be written or told.", "queue")
        self.log_head = gauge("log_head", "Number of the newest record known to be in the log.")
        self.checkpoint = gauge("checkpoint_timestamp_seconds", "When the log was last signed; 0: never.")
        self.checkpoint_every = gauge("checkpoint_interval_seconds", "How often it is to be signed; 0: it is not.")
        self.jobs = counter("jobs", "Runs of scheduled jobs.", "name", "state")
        self.job_seconds = Summary(
            "keeper_job_seconds", "What a run of a job took.", ("name",), registry=self._registry()
        )
        self.job_success = gauge(
            "job_last_success_timestamp_seconds", "End of a job's last good run; 0: none yet.", "name"
        )
        self.crashes = counter("part_crashes", "Deaths of supervised parts, which start again.", "part")
        self._begin(parts)

    def _begin(self, parts: Parts) -> None:
        """Everything that is possible, at 0."""
        config = parts.config
        notifiers = [notifier.name for notifier in parts.notifiers]
        _zero(self.stages, STAGES)
        _zero(self.reaction, REACHED)
        _zero(self.incidents, [market.name for market in config.engine.markets])
        _zero(self.decisions, DecisionKind, DecisionReason)
        _zero(self.outcomes, (kind for kind in OutcomeKind if kind in FINAL_OUTCOMES), Reason)
        _zero(self.sent, [route.name for route in config.routes])
        _zero(self.fallbacks, [one.route.name for one in parts.proving], FallbackReason)
        _zero(self.intents, OPEN_STATES)
        _zero(self.notifications, notifiers, ("delivered", "failed"))
        _zero(self.queue, ["records", *(f"notices:{name}" for name in notifiers)])
        _zero(self.crashes, [*PARTS, *(f"feed:{feed.name}" for feed in parts.feed_sources)])
        for lane in parts.edges.senders:
            self.balance.labels(lane or FIRST_LANE).set(float("nan"))
        self.checkpoint_every.set(parts.signing.every_ms / 1000 if parts.signing is not None else 0)

    def begin_job(self, name: str) -> None:
        """A job that is on the schedule."""
        _zero(self.jobs, [name], JOB_STATES)
        _zero(self.job_seconds, [name])
        _zero(self.job_success, [name])


def _zero(metric: Gauge | Counter | Histogram | Summary, *labels: Iterable[str]) -> None:
    """Every combination is there from now on."""
    for values in product(*labels):
        metric.labels(*values)
