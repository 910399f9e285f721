"""What an observer hears is what Prometheus reads, and everything that may happen is there before it does."""

from __future__ import annotations

import math
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from keeper.adapters.routes.relay_figures import BuilderFigures
from keeper.app.faults import Fault
from keeper.app.gauges import Gauges
from keeper.app.metrics.families import PARTS
from keeper.app.metrics.faults import OTHER, PARTS_MAX
from keeper.app.metrics.metrics import Metrics
from keeper.domain.block import BlockStamp
from keeper.domain.chain_events import Backfilled, EndpointUp, FailedOver, Gap, Reorg, Skipped, SwitchReason
from keeper.domain.decision import DecisionKind, DecisionReason
from keeper.domain.intent import IntentState
from keeper.domain.observation import Quality
from keeper.domain.outcome import FINAL_OUTCOMES, Outcome, OutcomeKind, Reason
from keeper.domain.readiness import ActionReadiness, ReadinessState
from keeper.domain.verdict import Severity
from keeper.engine import Tick, compile_engine
from keeper.execution.journal import Fallback, FallbackReason
from keeper.ports.notifier import Delivery, Notice
from keeper.ports.route import SubmissionKind
from tests.support.engine_world import Price, run, snapshot
from tests.support.manual_clock import ManualClock
from tests.support.metrics_scene import Builders, engine_spec, everything, parts_of, samples, value, work

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[3]
NOTICE = Notice("k", "t", "b", Severity.INFO)
GAP = {"market": "M0", "rule": "wide-0"}


def metrics(**more: Any) -> Metrics:
    return Metrics(parts_of(engine_spec(), **more))


def ticks(*prices: tuple[Price, Price]) -> list[Tick]:
    """One for each pair of oracle and spot."""
    engine = compile_engine(engine_spec(max_age_ms=20_000))
    found = [
        snapshot(block, {"M0-oracle": oracle, "M0-spot": spot}) for block, (oracle, spot) in enumerate(prices, start=1)
    ]
    return run(engine, found)


def outcome(kind: OutcomeKind, reason: Reason) -> Outcome:
    return Outcome(kind, reason, "")


# -- from the start -------------------------------------------------------------------------------------------------------------


def test_start__every_combination_that_is_possible__is_there_with_zero() -> None:
    found = samples(everything().text())

    def zero(metric: str, /, **labels: str) -> bool:
        return found[metric, frozenset(labels.items())] == 0

    assert all(zero("keeper_outcomes_total", kind=kind, reason=why) for kind in FINAL_OUTCOMES for why in Reason)
    assert all(zero("keeper_decisions_total", kind=kind, reason=why) for kind in DecisionKind for why in DecisionReason)
    assert all(zero("keeper_part_crashes_total", part=part) for part in (*PARTS, "feed:spot"))
    assert all(zero("keeper_jobs_total", name="readiness", state=state) for state in ("done", "failed", "missed"))
    assert all(zero("keeper_notifications_total", notifier="log", result=one) for one in ("delivered", "failed"))
    assert all(zero("keeper_fallbacks_total", route="private", reason=why) for why in FallbackReason)
    assert zero("keeper_rule_tripped", **GAP)
    assert zero("keeper_incidents_total", market="M0")
    assert zero("keeper_sent_total", route="public")
    assert zero("keeper_action_armed", market="M0", action="pause")
    builder = {"route": "private", "builder": "titan"}
    assert zero("keeper_builder_answers_total", **builder, kind=SubmissionKind.REFUSED)


def test_start__before_the_first_tick__nothing_is_judged_and_every_source_is_missing() -> None:
    begun = metrics()
    assert math.isnan(value(begun, "keeper_headroom", **GAP))
    assert value(begun, "keeper_source_quality", source="M0-spot", quality="missing") == 1
    assert math.isnan(value(begun, "keeper_source_age_seconds", source="M0-spot"))
    assert value(begun, "keeper_action_readiness", market="M0", action="pause", state="unknown") == 1


def test_start__no_name_stands_twice() -> None:
    headers = re.findall(r"^# TYPE (\S+)", everything().text(), re.MULTILINE)
    assert sorted(headers) == sorted(set(headers))


def test_parts__all_that_the_service_keeps_alive__are_known_from_the_start() -> None:
    started = re.findall(r'self\._start\(\w+, "([a-z-]+)"', (ROOT / "keeper/app/service.py").read_text())
    assert started, "the service starts its parts in another way"
    assert set(started) <= set(PARTS)


# -- ticks ----------------------------------------------------------------------------------------------------------------------


def test_tick__prices_apart_by_half_of_the_threshold__half_is_left() -> None:
    seen = metrics()
    for tick in ticks(("101", "100")):
        seen.ticked(tick)
    assert value(seen, "keeper_headroom", **GAP) == pytest.approx(0.5, abs=0.01)
    assert value(seen, "keeper_rule_tripped", **GAP) == 0
    assert value(seen, "keeper_rule_held", **GAP) == 0
    assert value(seen, "keeper_block_number") == 1
    assert value(seen, "keeper_ticks_total") == 1


def test_tick__beyond_the_threshold__is_tripped_and_an_incident() -> None:
    seen = metrics()
    for tick in ticks(("100", "100"), ("110", "100"), ("110", "100")):
        seen.ticked(tick)
    assert value(seen, "keeper_headroom", **GAP) < 0
    assert value(seen, "keeper_rule_tripped", **GAP) == 1
    assert value(seen, "keeper_incidents_total", market="M0") == 1
    assert value(seen, "keeper_decisions_total", kind="act", reason="tripped") == 1


def test_tick__a_source_is_missing__the_rule_is_held_once_for_each_block() -> None:
    seen = metrics()
    for tick in ticks(("100", None), ("100", None), ("100", "100")):
        seen.ticked(tick)
    held = {reason: value(seen, "keeper_rule_held_total", **GAP, reason=reason) for reason in _held()}
    assert held == {
        "input-not-usable": 2,
        "not-enough-data": 0,
        "input-not-usable-counts-as-breach": 0,
    }
    assert value(seen, "keeper_rule_held", **GAP) == 0
    assert not math.isnan(value(seen, "keeper_headroom", **GAP))


def _held() -> tuple[str, ...]:
    return ("input-not-usable", "not-enough-data", "input-not-usable-counts-as-breach")


def test_tick__the_rule_is_held__headroom_is_no_number() -> None:
    seen = metrics()
    seen.ticked(ticks(("100", None))[0])
    assert math.isnan(value(seen, "keeper_headroom", **GAP))
    assert value(seen, "keeper_rule_held", **GAP) == 1


def test_tick__qualities__are_one_hot_for_each_source() -> None:
    seen = metrics()
    seen.ticked(ticks(("100", None))[0])
    for source, quality in (("M0-oracle", Quality.OK), ("M0-spot", Quality.MISSING)):
        shown = {one: value(seen, "keeper_source_quality", source=source, quality=one) for one in Quality}
        assert shown == {one: float(one is quality) for one in Quality}


def test_age__of_the_newest_value__is_that_of_now_and_not_of_the_tick() -> None:
    clock = ManualClock(start_ms=30_000)
    seen = Metrics(parts_of(engine_spec(max_age_ms=20_000), clock=clock))
    seen.ticked(ticks(("100", "100"))[0])
    assert value(seen, "keeper_source_age_seconds", source="M0-spot") == 18
    assert value(seen, "keeper_source_max_age_seconds", source="M0-spot") == 20


def test_rules_of_many_markets__each_has_its_own_line_and_value() -> None:
    spec = engine_spec(markets=3, rules=2)
    seen = Metrics(parts_of(spec))
    prices: dict[str, Price] = {f"M{one}-{kind}": "100" for one in range(3) for kind in ("oracle", "spot")}
    seen.ticked(run(compile_engine(spec), [snapshot(1, prices | {"M1-oracle": "101"})])[0])
    found = {
        (market, rule): value(seen, "keeper_headroom", market=f"M{market}", rule=f"wide-{rule}")
        for market in range(3)
        for rule in range(2)
    }
    assert {key for key, left in found.items() if left < 0.9} == {(1, 0), (1, 1)}


def test_timed__each_stage__is_counted_since_the_one_before() -> None:
    clock = ManualClock(start_ms=100_000)
    seen = metrics(clock=clock)
    seen.timed(BlockStamp(1, "0x", "0x", 99), {"head": 0.0, "reads": 3.0, "decided": 4.0, "agreed": 10.0, "done": 11.0})
    took = {stage: value(seen, "keeper_stage_seconds_sum", stage=stage) for stage in ("reads", "decided", "agreed")}
    assert took == pytest.approx({"reads": 0.003, "decided": 0.001, "agreed": 0.006})
    assert value(seen, "keeper_stage_seconds_sum", stage="head") == 1
    assert value(seen, "keeper_head_lag_seconds") == 1
    assert value(seen, "keeper_tick_seconds_sum") == pytest.approx(0.011)


def test_timed__a_block_of_a_later_time_than_ours__is_no_negative_lag() -> None:
    seen = metrics(clock=ManualClock(start_ms=100_000))
    seen.timed(BlockStamp(1, "0x", "0x", 107), {"head": 0.0, "done": 1.0})
    assert value(seen, "keeper_head_lag_seconds") == 0


# -- actions --------------------------------------------------------------------------------------------------------------------


def test_ended__with_all_stages__each_is_counted_once_and_the_whole_from_the_head() -> None:
    seen = metrics()
    marks = {"head": 0.0, "reads": 3.0, "decided": 4.0, "agreed": 5.0}
    marks |= {"intent_durable": 7.0, "signed": 7.0, "broadcast": 9.0, "included": 2009.0, "verified": 2010.0}
    one = work(marks=marks, timeline_ms=lambda: marks)
    seen.ended(one, outcome(OutcomeKind.INCLUDED, Reason.EFFECT_VERIFIED))
    stages = ("reads", "decided", "agreed", "intent_durable", "signed", "broadcast", "included", "verified")
    took = {stage: value(seen, "keeper_stage_seconds_sum", stage=stage) for stage in stages}
    assert took == pytest.approx(
        {
            "reads": 0,
            "decided": 0,
            "agreed": 0,  # these three are the tick's own
            "intent_durable": 0.002,
            "signed": 0,
            "broadcast": 0.002,
            "included": 2,
            "verified": 0.001,
        }
    )
    assert value(seen, "keeper_reaction_seconds_sum", until="verified") == pytest.approx(2.01)
    assert value(seen, "keeper_outcomes_total", kind="included", reason="effect-verified") == 1


def test_ended__taken_up_from_an_earlier_run__is_counted_without_times() -> None:
    seen = metrics()
    one = work(marks={"included": 5.0}, timeline_ms=dict)
    seen.ended(one, outcome(OutcomeKind.EXPIRED, Reason.EXPIRED))
    assert value(seen, "keeper_stage_seconds_count", stage="included") == 0
    assert value(seen, "keeper_outcomes_total", kind="expired", reason="expired") == 1


def test_probed__what_would_work__is_armed_and_nothing_else_is() -> None:
    for state in ReadinessState:
        seen = metrics()
        seen.probed([ActionReadiness("M0", "pause", state)])
        armed = state in (ReadinessState.READY, ReadinessState.SHARED)
        assert value(seen, "keeper_action_armed", market="M0", action="pause") == armed
        assert value(seen, "keeper_action_readiness", market="M0", action="pause", state=state) == 1


def test_probed__an_action_that_is_not_named_any_more__is_unknown_again() -> None:
    seen = metrics()
    seen.probed([ActionReadiness("M0", "pause", ReadinessState.READY)])
    seen.probed([])
    assert value(seen, "keeper_action_armed", market="M0", action="pause") == 0
    assert value(seen, "keeper_action_readiness", market="M0", action="pause", state="unknown") == 1


def test_builders__their_figures__are_summed_over_the_methods() -> None:
    accepted, refused = SubmissionKind.ACCEPTED, SubmissionKind.REFUSED
    answers = {("eth_sendBundle", accepted): 3, ("eth_cancelBundle", accepted): 2, ("eth_sendBundle", refused): 1}
    route = Builders("private", [BuilderFigures("titan", answers, 4, 1.0, 2.0, 2500.0)])
    seen = metrics(builders=[route])
    builder = {"route": "private", "builder": "titan"}
    assert value(seen, "keeper_builder_answers_total", **builder, kind="accepted") == 5
    assert value(seen, "keeper_builder_answers_total", **builder, kind="refused") == 1
    assert value(seen, "keeper_builder_retries_total", **builder) == 4
    assert value(seen, "keeper_builder_answer_seconds_total", **builder) == 2.5


def test_fell_back_and_sent__are_counted_by_route() -> None:
    seen = metrics(builders=[Builders("private")])
    one = work(route="private")
    seen.fell_back(one, Fallback(FallbackReason.REFUSED, 1))
    seen.sent(one)
    assert value(seen, "keeper_fallbacks_total", route="private", reason="refused") == 1
    assert value(seen, "keeper_sent_total", route="private") == 1


# -- everything else ------------------------------------------------------------------------------------------------------------


def test_heard__each_event__counts_its_blocks() -> None:
    seen = metrics()
    for event in (
        Skipped(3, 5),
        Backfilled(6, 7),
        Gap(8, 8, "gone"),
        Reorg(4, 1, "0x", "0x", 9, 9),
        FailedOver("primary-1", "primary-2", SwitchReason.DOWN),
        EndpointUp("primary-1", ""),
    ):
        seen.heard(event)
    names = ("blocks_skipped", "blocks_backfilled", "blocks_lost", "reorgs", "reorg_blocks", "failovers")
    assert [value(seen, f"keeper_{name}_total") for name in names] == [3, 2, 1, 1, 4, 1]


def test_notified__delivered_failed_and_held_back__only_the_last_is_not_counted() -> None:
    seen = metrics()
    for delivery in (Delivery(True), Delivery(False, message="no"), Delivery(False, suppressed=True)):
        seen.notified("log", NOTICE, delivery)
    counted = [value(seen, "keeper_notifications_total", notifier="log", result=one) for one in ("delivered", "failed")]
    assert counted == [1, 1]


def test_jobs__missed__takes_no_time_and_is_no_success() -> None:
    clock = ManualClock(start_ms=5_000)
    seen = metrics(clock=clock)
    seen.scheduled(["verification"])
    seen.job("verification", "missed", 0.0)
    assert value(seen, "keeper_job_seconds_count", name="verification") == 0
    assert value(seen, "keeper_job_last_success_timestamp_seconds", name="verification") == 0
    seen.job("verification", "done", 0.5)
    assert value(seen, "keeper_job_seconds_sum", name="verification") == 0.5
    assert value(seen, "keeper_job_last_success_timestamp_seconds", name="verification") == 5
    assert value(seen, "keeper_jobs_total", name="verification", state="missed") == 1


def test_role__one_of_them_holds() -> None:
    seen = metrics()
    shown = [value(seen, "keeper_role", role=role) for role in ("leading", "standby")]
    seen.role("standby")
    assert (shown, [value(seen, "keeper_role", role=role) for role in ("leading", "standby")]) == ([1, 0], [0, 1])


def test_crashed__is_counted() -> None:
    seen = metrics()
    seen.crashed("pulse")
    assert value(seen, "keeper_part_crashes_total", part="pulse") == 1


def test_gauges__are_read_when_somebody_asks() -> None:
    seen = metrics(clock=ManualClock(start_ms=100_000), checkpoints_s=60)
    states = [IntentState.OPEN, IntentState.SUBMITTED, IntentState.SUBMITTED]
    works = [work(intent=work(state=state, created_ms=40_000 + place)) for place, state in enumerate(states)]
    service = SimpleNamespace(
        executor=SimpleNamespace(
            open_works=works, lanes=SimpleNamespace(named=lambda _: work(lane=work(balance_wei=25 * 10**17)))
        ),
        scribe=SimpleNamespace(written=7, dropped=1, waiting=3, head=42),
        courier=SimpleNamespace(waiting={"log": 2}),
        desks=SimpleNamespace(works=works[:1]),
        checkpoints=SimpleNamespace(signed_ms=90_000),
    )
    seen.begun(Gauges(**cast(Any, vars(service)), incidents=lambda: {"M0": "M0@1"}))
    assert value(seen, "keeper_intents", state="submitted") == 2
    assert value(seen, "keeper_intents", state="open") == 2  # one of them waits for people
    assert value(seen, "keeper_intent_oldest_age_seconds") == 60
    assert value(seen, "keeper_council_pending") == 1
    assert value(seen, "keeper_incidents_open") == 1
    assert value(seen, "keeper_key_balance_eth", lane="first") == 2.5
    assert value(seen, "keeper_queue_length", queue="records") == 3
    assert value(seen, "keeper_queue_length", queue="notices:log") == 2
    assert (value(seen, "keeper_records_total"), value(seen, "keeper_records_dropped_total")) == (7, 1)
    assert value(seen, "keeper_log_head") == 42
    assert value(seen, "keeper_checkpoint_timestamp_seconds") == 90
    assert value(seen, "keeper_checkpoint_interval_seconds") == 60


# -- faults ---------------------------------------------------------------------------------------------------------------------


def fault(part: str, reason: str = "unreachable", message: str = "") -> Fault:
    return Fault(part, reason, message, "", 0)


def parts_shown(seen: Metrics) -> set[str]:
    return {dict(labels)["part"] for name, labels in samples(seen.text()) if name == "keeper_fault"}


def test_fault__down_and_up_again__has_a_line_only_meanwhile() -> None:
    seen = metrics()
    seen.fault(fault("heads"), Severity.CRITICAL)
    assert value(seen, "keeper_fault", part="heads", reason="unreachable") == 1
    assert value(seen, "keeper_faults", severity="critical") == 1
    seen.mended("heads")
    assert parts_shown(seen) == set()
    assert value(seen, "keeper_faults", severity="critical") == 0


def test_fault__for_another_reason__has_that_one_alone() -> None:
    seen = metrics()
    seen.fault(fault("heads"), Severity.CRITICAL)
    seen.fault(fault("heads", "stalled"), Severity.WARNING)
    assert value(seen, "keeper_fault", part="heads", reason="stalled") == 1
    assert len([one for one in samples(seen.text()) if one[0] == "keeper_fault"]) == 1
    assert value(seen, "keeper_faults", severity="warning") == 1


def test_fault__of_one_proposal__is_shown_without_its_hash() -> None:
    seen = metrics()
    seen.fault(fault("council:safe/execute:1a2b3c4d"), Severity.WARNING)
    seen.fault(fault("council:safe/0x" + "ab" * 32), Severity.WARNING)
    assert parts_shown(seen) == {"council:safe"}
    assert value(seen, "keeper_faults", severity="warning") == 2


@pytest.mark.parametrize(
    "part", ["a part with words", "https://user:pass@host/?key=1", "https://host/key", "", "x" * 121]
)
def test_fault__of_a_part_that_has_no_name__is_another(part: str) -> None:
    seen = metrics()
    seen.fault(fault(part), Severity.WARNING)
    assert parts_shown(seen) == {OTHER}


def test_fault__a_reason_that_is_a_sentence__is_another() -> None:
    seen = metrics()
    seen.fault(fault("heads", "the node said: no"), Severity.WARNING)
    assert value(seen, "keeper_fault", part="heads", reason=OTHER) == 1


def test_faults__of_ever_new_parts__come_to_an_end() -> None:
    seen = metrics()
    for number in range(2 * PARTS_MAX):
        seen.fault(fault(f"part-{number}"), Severity.WARNING)
        if number != 2 * PARTS_MAX - 1:
            seen.mended(f"part-{number}")
    assert parts_shown(seen) == {OTHER}
    assert value(seen, "keeper_faults", severity="warning") == 1
