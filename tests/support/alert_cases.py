"""For each alert what makes it fire, and what is next to that and must not: series as Prometheus' unit tests write them.

``a+bxn`` is n more values after a, each b larger; one value is 30 seconds. Every series is of one keeper unless its labels say otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

Series = dict[str, str]
STEP: Final = "30s"


@dataclass(frozen=True)
class Case:
    """``fires`` and ``calm`` are looked at ``at`` after the beginning."""

    fires: Series
    calm: Series
    at: str = "10m"


def always(series: str, value: float | str) -> Series:
    """The same value all the time."""
    return {series: f"{value}x120"}


def grows(series: str, by: float = 1, first: float = 0) -> Series:
    """A little more with each step."""
    return {series: f"{first}+{by}x120"}


def once(series: str, by: float = 1) -> Series:
    """Raised at four and a half minutes, and unchanged since."""
    return {series: f"0x8 {by}x110"}


def fault(part: str, reason: str) -> Series:
    return always(f'keeper_fault{{part="{part}",reason="{reason}"}}', 1)


LEADING = 'keeper_role{role="leading"}'
STANDBY = 'keeper_role{role="standby"}'
RULE = 'market="M",rule="r"'
QUALITY = 'keeper_source_quality{{source="s",quality="{}"}}'
READINESS = 'keeper_action_readiness{{market="M",action="a",state="{}"}}'
OUTCOME = 'keeper_outcomes_total{{kind="{}",reason="{}"}}'
INFO = 'keeper_info{name="k",mode="live"}'
STAGE = 'keeper_stage_seconds_bucket{{stage="reads",le="{}"}}'
OTHER = 'instance="b"'


def stages(quick: int) -> Series:
    """Twenty blocks a step, of which so many need less than a second."""
    return {
        STAGE.format("1.0"): f"0+{quick}x120",
        STAGE.format("2.5"): "0+20x120",
        STAGE.format("+Inf"): "0+20x120",
    }


def signed(at_s: int, every_s: int = 60) -> Series:
    """The newest checkpoint; the process began at 0."""
    return {
        "keeper_checkpoint_timestamp_seconds": f"{at_s}x120",
        "keeper_checkpoint_interval_seconds": f"{every_s}x120",
        "process_start_time_seconds": "0x120",
    }


def quality(word: str, value: float = 1) -> Series:
    return always(QUALITY.format(word), value)


CASES: Final[Mapping[str, Case]] = {
    "KeeperDown": Case(always("up", 0), always("up", 1)),
    "KeeperNoBlocks": Case(
        always("keeper_block_number", 7) | always(LEADING, 1), grows("keeper_block_number") | always(LEADING, 1)
    ),
    "KeeperLagging": Case(always("keeper_head_lag_seconds", 31), always("keeper_head_lag_seconds", 30)),
    "KeeperBlocksLost": Case(once("keeper_blocks_lost_total"), always("keeper_blocks_lost_total", 9)),
    "KeeperRestarting": Case(
        {"process_start_time_seconds": "0 1 2 3 4x110"}, {"process_start_time_seconds": "0 1 2 3x110"}
    ),
    "KeeperPartCrashing": Case(
        once('keeper_part_crashes_total{part="pulse"}'), always('keeper_part_crashes_total{part="pulse"}', 3)
    ),
    "KeeperSlow": Case(stages(18), stages(20), "20m"),
    "KeeperFault": Case(
        always('keeper_faults{severity="critical"}', 1), always('keeper_faults{severity="warning"}', 1)
    ),
    "KeeperQueueGrowing": Case(
        always('keeper_queue_length{queue="records"}', 201), always('keeper_queue_length{queue="records"}', 200)
    ),
    "KeeperTripped": Case(always(f"keeper_rule_tripped{{{RULE}}}", 1), always(f"keeper_rule_tripped{{{RULE}}}", 0)),
    "KeeperRuleNearTrip": Case(always(f"keeper_headroom{{{RULE}}}", 0.19), always(f"keeper_headroom{{{RULE}}}", 0.2)),
    "KeeperBlind": Case(
        grows(f'keeper_rule_held_total{{{RULE},reason="input-not-usable"}}') | always(f"keeper_rule_held{{{RULE}}}", 1),
        grows(f'keeper_rule_held_total{{{RULE},reason="not-enough-data"}}') | always(f"keeper_rule_held{{{RULE}}}", 1),
    ),
    "KeeperSourceDown": Case(quality("missing"), quality("missing", 0) | quality("ok")),
    "KeeperSourceStale": Case(quality("stale"), quality("stale", 0) | quality("missing")),
    "KeeperSourcesDisagree": Case(quality("disagree"), quality("disagree", 0) | quality("wide")),
    "KeeperSourceDoubtful": Case(quality("clamped"), quality("clamped", 0) | quality("ok")),
    "KeeperActionNotReady": Case(always(READINESS.format("not-ready"), 1), always(READINESS.format("resting"), 1)),
    "KeeperActionUnknown": Case(
        always(READINESS.format("unknown"), 1) | always(INFO, 1),
        always(READINESS.format("unknown"), 1) | always('keeper_info{name="k",mode="shadow"}', 1),
        "15m",
    ),
    "KeeperActionFailed": Case(
        once(OUTCOME.format("failed", "no-effect")), once(OUTCOME.format("included", "effect-verified"))
    ),
    "KeeperIntentOpenTooLong": Case(
        always("keeper_intent_oldest_age_seconds", 121), always("keeper_intent_oldest_age_seconds", 120)
    ),
    "KeeperKeyBalanceLow": Case(fault("balance:upkeep", "low"), fault("balances", "low")),
    "KeeperFallbackUsed": Case(
        once('keeper_fallbacks_total{route="p",reason="refused"}'),
        always('keeper_fallbacks_total{route="p",reason="refused"}', 2),
    ),
    "KeeperBuildersRefuse": Case(fault("route:p/b", "signature-refused"), fault("reads", "unreachable")),
    "KeeperNoQuorum": Case(fault("quorum", "held"), fault("orders:0x01", "unreachable")),
    "KeeperNodeDisagrees": Case(fault("witness:verify-1", "disagrees"), fault("witness-1", "unreachable")),
    "KeeperNodeDown": Case(fault("endpoint:primary-2", "lagging"), fault("source:s", "missing")),
    "KeeperNodeFailedOver": Case(once("keeper_failovers_total"), always("keeper_failovers_total", 4)),
    "KeeperReorgs": Case(once("keeper_reorg_blocks_total", 7), once("keeper_reorg_blocks_total", 4)),
    "KeeperLogBroken": Case(fault("log", "broken"), fault("checkpoints", "unavailable")),
    "KeeperLogNotWritable": Case(fault("audit", "unavailable"), fault("log-pages", "ended")),
    "KeeperRecordsLost": Case(once("keeper_records_dropped_total"), always("keeper_records_dropped_total", 5)),
    "KeeperCheckpointsLate": Case(signed(60), signed(0, 0), "10m"),
    "KeeperNotifyFailing": Case(
        once('keeper_notifications_total{notifier="n",result="failed"}'),
        once('keeper_notifications_total{notifier="n",result="delivered"}'),
    ),
    "KeeperJobFailing": Case(
        once('keeper_jobs_total{name="verification",state="failed"}', 4),
        once('keeper_jobs_total{name="verification",state="done"}', 4),
    ),
    "KeeperCouncilWaiting": Case(always("keeper_council_pending", 1), always("keeper_council_pending", 0), "40m"),
    "KeeperNoLeader": Case(
        always(LEADING, 0) | always(INFO, 1),
        always(LEADING, 0)
        | always(INFO, 1)
        | always(f'keeper_role{{role="leading",{OTHER}}}', 1)
        | always(f'keeper_info{{name="k",mode="live",{OTHER}}}', 1),
    ),
    "KeeperNoStandby": Case(
        always(STANDBY, 0) | always("keeper_replicated", 1) | always(INFO, 1),
        always(STANDBY, 0) | always("keeper_replicated", 0) | always(INFO, 1),
    ),
    "KeeperLeaderChanges": Case(
        {LEADING: "0 1 0 1 0 1 0 1x100"} | always(INFO, 1), {LEADING: "0 1 0 1x100"} | always(INFO, 1)
    ),
}


def series_of(given: Series) -> list[dict[str, str]]:
    """With the labels that Prometheus itself puts on what it scrapes."""
    found = []
    for series, values in given.items():
        name, _, labels = series.rstrip("}").partition("{")
        own = [] if re.search(r"\binstance=", labels) else ['instance="a"']
        every = ",".join([*filter(None, [labels]), 'job="keeper"', *own])
        found.append({"series": f"{name}{{{every}}}", "values": values})
    return found


def promtool_test(alert: str, given: Series, at: str, fires: int) -> dict[str, Any]:
    """One test for promtool: so many series of the alert fire at that time."""
    query = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)'
    return {
        "interval": STEP,
        "input_series": series_of(given),
        "promql_expr_test": [{"expr": query, "eval_time": at, "exp_samples": [{"labels": "{}", "value": fires}]}],
    }
