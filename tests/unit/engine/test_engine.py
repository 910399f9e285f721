"""The engine: wiring from observation to decision, time and blocks that misbehave, evidence that is complete and no more."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import keeper.engine
from keeper.decisions.breaker import BreakerState
from keeper.domain.decision import DecisionKind, DecisionReason, IncidentPhase
from keeper.domain.observation import Quality
from keeper.domain.outcome import OutcomeKind
from keeper.domain.signal import SignalStatus
from keeper.domain.units import Span, Unit
from keeper.domain.verdict import RuleState, Severity, VerdictReason
from keeper.engine.engine import compile_engine
from keeper.engine.evidence import decision_body, tick_body
from keeper.engine.history import Ticks
from keeper.engine.spec import EngineSpec, SourceSpec
from tests.support.engine_world import divergence, market, outcome, policy, price, rule, run, snapshot, spec, volatility

pytestmark = pytest.mark.unit

CALM = {"oracle": "100", "spot": "100"}
WIDE = {"oracle": "103", "spot": "100"}


def test_tick__calm__says_so_and_decides_nothing() -> None:
    (tick,) = run(compile_engine(spec()), [snapshot(5, CALM)])
    assert (tick.at_ms, tick.block.number, tick.decisions, tick.incidents) == (60_000, 5, (), ())
    assert [(one.market, one.name, one.value, one.status) for one in tick.signals] == [
        ("M", "gap", 0.0, SignalStatus.READY)
    ]
    verdict = tick.verdicts[0]
    assert (verdict.state, verdict.reason, verdict.value, verdict.threshold) == (
        RuleState.CLEAR,
        VerdictReason.INSIDE,
        0.0,
        0.02,
    )
    assert (verdict.headroom, verdict.since_ms, verdict.since_block) == (1.0, 60_000, 5)
    assert tick.breakers == {"M": BreakerState.ARMED}


@pytest.mark.parametrize(
    ("oracle", "trips"), [("101.99", False), ("102", False), ("102.01", True), ("97.99", True), ("98", False)]
)
def test_tick__divergence_around_the_threshold__both_sides(oracle: str, trips: bool) -> None:
    (tick,) = run(compile_engine(spec()), [snapshot(5, {"oracle": oracle, "spot": "100"})])
    assert bool(tick.decisions) is trips
    assert (tick.verdicts[0].state is RuleState.TRIPPED) is trips


def test_tick__trip__decision_carries_what_it_was_derived_from_and_nothing_else() -> None:
    sources = [SourceSpec(name, Unit.PRICE) for name in ("other", "oracle", "spot", "far")]
    markets = [market("N", [divergence(of="far", against="other")]), market("M", [volatility(of="far"), divergence()])]
    (tick,) = run(compile_engine(spec(markets, sources)), [snapshot(5, {**WIDE, "far": "1", "other": "1"})])
    (decision,) = tick.decisions
    assert (decision.market, decision.id) == ("M", "M@5/pause/5")
    assert decision.verdict == tick.verdicts[1]
    assert [signal.name for signal in decision.signals] == ["gap"]
    assert decision.signals[0] == tick.signals[2]
    assert [(one.source, str(one.value)) for one in decision.observations] == [("oracle", "103"), ("spot", "100")]


def test_tick__one_source_on_both_sides__is_evidence_once() -> None:
    one = spec(
        [
            market(
                signals=[divergence(of="spot", against="spot", side="above")], rules=[rule(above="-0.5", clear="-0.6")]
            )
        ]
    )
    (tick,) = run(compile_engine(one), [snapshot(1, CALM)])
    assert [seen.source for seen in tick.decisions[0].observations] == ["spot"]


def test_tick__two_blocks_of_persistence__trips_at_the_second() -> None:
    one = spec([market(rules=[rule(hold=Span(blocks=2))])])
    ticks = run(compile_engine(one), [snapshot(1, WIDE), snapshot(1, WIDE), snapshot(2, WIDE)])
    assert [len(tick.decisions) for tick in ticks] == [0, 0, 1]


def test_tick__incident__opens_with_the_trip_and_closes_when_clear() -> None:
    ticks = run(compile_engine(spec()), [snapshot(1, WIDE), snapshot(2, WIDE), snapshot(3, CALM)])
    assert [[(event.id, event.phase) for event in tick.incidents] for tick in ticks] == [
        [("M@1", IncidentPhase.OPENED)],
        [],
        [("M@1", IncidentPhase.CLOSED)],
    ]
    assert ticks[0].incidents[0].verdict.reason is VerdictReason.BREACHED
    assert ticks[2].incidents[0].verdict.reason is VerdictReason.RECOVERED


def test_tick__outcome_in_the_snapshot__is_known_to_the_same_tick() -> None:
    engine = compile_engine(spec([market()], actions=[policy(retry_ms=0)]))
    failed = outcome(OutcomeKind.REVERTED, 24_000)
    ticks = run(engine, [snapshot(1, WIDE), snapshot(2, WIDE, outcomes=[failed])])
    assert [(one.kind, one.reason) for one in ticks[1].decisions] == [(DecisionKind.ACT, DecisionReason.RETRY)]


def test_tick__missing_source__holds_with_the_reason_as_evidence() -> None:
    ticks = run(compile_engine(spec()), [snapshot(1, {"oracle": "103"}), snapshot(2, {"oracle": "103"})])
    (decision,) = ticks[0].decisions
    assert (decision.kind, decision.reason, decision.id) == (
        DecisionKind.HOLD,
        DecisionReason.NO_INPUT,
        "M/wide/hold/1",
    )
    assert [one.quality for one in decision.observations] == [Quality.OK, Quality.MISSING]
    assert math.isnan(decision.signals[0].value)
    assert ticks[1].decisions == ()
    assert ticks[1].counts["hold:input-not-usable"] == 1


@pytest.mark.parametrize(("age_ms", "quality", "kind"), [(90_000, Quality.OK, "act"), (90_001, Quality.STALE, "hold")])
def test_tick__old_observation__is_graded_by_the_age_of_its_source(age_ms: int, quality: Quality, kind: str) -> None:
    sources = [SourceSpec("oracle", Unit.PRICE), SourceSpec("spot", Unit.PRICE, max_age_ms=90_000)]
    said = snapshot(1, {"oracle": "103", "spot": price("spot", "100", at_ms=0)}, at_ms=age_ms)
    (tick,) = run(compile_engine(spec(sources=sources)), [said])
    assert tick.observations[1].quality is quality
    assert [str(one.kind) for one in tick.decisions] == [kind]


def test_tick__quality_other_than_ok__is_not_usable() -> None:
    thin = replace(price("spot", "100"), quality=Quality.THIN, reason="volume")
    (tick,) = run(compile_engine(spec()), [snapshot(1, {"oracle": "103", "spot": thin})])
    assert tick.signals[0].status is SignalStatus.NO_INPUT
    assert tick.observations[1] is thin


def test_tick__time_that_goes_back__counts_as_of_the_last_tick() -> None:
    engine = compile_engine(spec([market(rules=[rule(hold=Span(ms=30_000))])]))
    blocks = [
        snapshot(1, WIDE, 100_000),
        snapshot(2, WIDE, 20_000),
        snapshot(3, WIDE, 129_999),
        snapshot(4, WIDE, 130_000),
    ]
    ticks = run(engine, blocks)
    assert [tick.at_ms for tick in ticks] == [100_000, 100_000, 129_999, 130_000]
    assert [len(tick.decisions) for tick in ticks] == [0, 0, 0, 1]


def test_tick__chain_that_goes_back__breaks_nothing_and_ids_stay_unique() -> None:
    engine = compile_engine(spec([market()], actions=[policy(cooldown_ms=0, retry_ms=0)]))
    shots = []
    for turn, number in enumerate([10, 11, 12, 9, 10, 11, 11, 12, 13]):
        prices = WIDE if turn % 2 else CALM
        shots.append(
            snapshot(number, prices, turn * 12_000, [outcome(OutcomeKind.INCLUDED, turn * 12_000)], fork=str(turn))
        )
    ticks = run(engine, shots)
    ids = [one.id for tick in ticks for one in tick.decisions]
    assert len(ids) == len(set(ids)) > 0
    opened = [event.id for tick in ticks for event in tick.incidents if event.phase is IncidentPhase.OPENED]
    assert len(opened) == len(set(opened)) == 4


def test_tick__volatility__warms_up_then_trips() -> None:
    one = spec(
        [
            market(
                signals=[volatility(window_ms=24_000, sampling_ms=12_000)],
                rules=[rule(signal="vol", above="0.05", clear="0.01")],
            )
        ]
    )
    ticks = run(
        compile_engine(one),
        [snapshot(block, {"spot": value}) for block, value in enumerate(["100", "100", "100", "110"])],
    )
    assert [tick.signals[0].status for tick in ticks] == [SignalStatus.WARMING] * 2 + [SignalStatus.READY] * 2
    assert [[str(one.reason) for one in tick.decisions] for tick in ticks] == [["not-enough-data"], [], [], ["tripped"]]
    assert ticks[3].signals[0].value == pytest.approx(math.log(1.1), rel=1e-12)
    assert ticks[3].signals[0].unit is Unit.VOLATILITY


def ladder() -> EngineSpec:
    signals = [divergence(), volatility(window_ms=24_000, sampling_ms=12_000)]
    rules = [
        rule("warn", above="0.01", clear="0.005", severity=Severity.WARNING, actions=("limit",)),
        rule("wide", above="0.02", clear="0.01", actions=("pause",)),
        rule("wild", "vol", above="0.02", clear="0.01", severity=Severity.WARNING, actions=("limit", "pause")),
    ]
    return spec([market(signals=signals, rules=rules)], actions=[policy(), policy("limit")])


def test_tick__ladder__first_the_limit_then_the_pause() -> None:
    quiet = [snapshot(block, CALM) for block in range(3)]
    ticks = run(compile_engine(ladder()), [*quiet, snapshot(3, {"oracle": "101.5", "spot": "100"}), snapshot(4, WIDE)])
    acts = [(tick.block.number, one.action) for tick in ticks for one in tick.decisions if one.kind is DecisionKind.ACT]
    assert acts == [(3, "limit"), (4, "pause")]
    assert {one.incident for tick in ticks[3:] for one in tick.decisions} == {"M@3"}


def test_tick__all_at_once__critical_first() -> None:
    ticks = run(
        compile_engine(ladder()),
        [*(snapshot(block, CALM) for block in range(3)), snapshot(3, {"oracle": "100", "spot": "90"})],
    )
    assert [(one.verdict.rule, one.action, str(one.kind)) for one in ticks[3].decisions] == [
        ("wide", "pause", "act"),
        ("warn", "limit", "act"),
        ("wild", "limit", "declined"),
        ("wild", "pause", "declined"),
    ]


def test_tick__earlier_tick__is_not_changed_by_later_ones() -> None:
    engine = compile_engine(spec())
    state, first = engine.tick(engine.initial_state(), snapshot(1, CALM))
    before = tick_body(run(engine, [snapshot(1, CALM)])[0])
    engine.tick(state, snapshot(2, WIDE))
    assert tick_body(first) == before


def test_state__copy__goes_on_by_itself_from_the_same_point() -> None:
    engine = compile_engine(ladder())
    state = engine.initial_state()
    for block in range(3):
        state, _ = engine.tick(state, snapshot(block, CALM))
    copy = state.copy()
    rest = [snapshot(3, WIDE), snapshot(4, CALM), snapshot(5, CALM)]
    assert [tick_body(tick) for tick in run(engine, rest, state)] == [
        tick_body(tick) for tick in run(engine, rest, copy)
    ]


def test_engine__two_states__do_not_touch_each_other() -> None:
    engine = compile_engine(spec())
    tripped, calm = engine.initial_state(), engine.initial_state()
    tripped, _ = engine.tick(tripped, snapshot(1, WIDE))
    calm, tick = engine.tick(calm, snapshot(1, CALM))
    assert tick.breakers == {"M": BreakerState.ARMED}


def test_engine__warm_up__leaves_no_trace() -> None:
    engine = compile_engine(ladder())
    cold = [tick_body(tick) for tick in run(engine, [snapshot(1, WIDE)])]
    engine.warm_up()
    assert [tick_body(tick) for tick in run(engine, [snapshot(1, WIDE)])] == cold


def test_engine__nothing_configured__ticks_all_the_same() -> None:
    engine = compile_engine(EngineSpec((), (), ()))
    engine.warm_up()
    ticks = run(engine, [snapshot(1, CALM), snapshot(2, WIDE)])
    assert [(tick.observations, tick.signals, tick.verdicts, tick.breakers) for tick in ticks] == [((), (), (), {})] * 2


def test_engine__shadow_mode__acts_once_per_incident() -> None:
    engine = compile_engine(spec(actions=[policy(cooldown_ms=0)]))
    shots = [snapshot(1, WIDE)]
    shots += [snapshot(block, WIDE, outcomes=[outcome(OutcomeKind.DRY_RUN, block * 12_000)]) for block in range(2, 6)]
    ticks = run(engine, [*shots, snapshot(6, CALM), snapshot(7, WIDE)])
    acts = [one.id for tick in ticks for one in tick.decisions if one.kind is DecisionKind.ACT]
    assert acts == ["M@1/pause/1", "M@7/pause/7"]


def test_decisions__over_a_run__times_and_blocks_are_those_of_their_ticks() -> None:
    ticks = run(compile_engine(ladder()), [snapshot(block, WIDE if block % 3 else CALM) for block in range(12)])
    for tick in ticks:
        for decision in tick.decisions:
            assert (decision.at_ms, decision.block) == (tick.at_ms, tick.block.number)
            assert decision_body(decision)["block"] == tick.block.number
    assert all(earlier.at_ms <= later.at_ms for earlier, later in pairwise(ticks))


def test_package__public_names__are_those_of_the_modules() -> None:
    assert [getattr(keeper.engine, name).__name__ for name in keeper.engine.__all__] == list(keeper.engine.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = keeper.engine.nothing


def test_tick__state_of_another_spec__is_refused_before_it_is_read() -> None:
    """Machine code would read what it remembers as its own, and beyond its end."""
    prices = {"spot": "100", "oracle": "101"}
    signals = [divergence(), volatility(window_ms=24_000, sampling_ms=12_000)]
    longer = [divergence(), volatility(window_ms=240_000, sampling_ms=12_000)]
    worlds = [spec(), spec([market(signals=signals)]), spec([market(signals=longer)]), spec([market("A"), market("B")])]
    engines = [compile_engine(world) for world in worlds]
    for engine in engines:
        for other in engines:
            if other is engine:
                continue
            with pytest.raises(ValueError, match="of another spec"):
                engine.tick(other.initial_state(), snapshot(1, prices))


def test_tick__state_of_an_engine_of_the_same_spec__goes_on() -> None:
    """As when a configuration takes over whose rules are the same."""
    one, again = compile_engine(spec()), compile_engine(spec())
    prices = {"spot": "100", "oracle": "101"}
    state, _ = one.tick(one.initial_state(), snapshot(1, prices))
    state, tick = again.tick(state, snapshot(2, prices))
    assert tick.signals[0].value == pytest.approx(0.01)


def test_tick__copy_of_a_state__goes_on() -> None:
    engine = compile_engine(spec())
    state, _ = engine.tick(engine.initial_state(), snapshot(1, {"spot": "100", "oracle": "101"}))
    copy = state.copy()
    assert [one.value for one in engine.tick(copy, snapshot(2, {"spot": "100", "oracle": "101"}))[1].signals] == [
        one.value for one in engine.tick(state, snapshot(2, {"spot": "100", "oracle": "101"}))[1].signals
    ]


def test_history__fewer_blocks_than_times__is_refused() -> None:
    with pytest.raises(ValueError, match="2 times and 1 blocks"):
        Ticks(np.zeros(2, dtype=np.int64), np.zeros(1, dtype=np.int64))
