"""ENG: what must hold of every run of the engine, whatever sources, chain and executor do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import accumulate, pairwise

import numpy as np
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.decisions.breaker import BreakerState
from keeper.domain.decision import Decision, DecisionKind, DecisionReason, IncidentPhase
from keeper.domain.observation import Observation, Quality
from keeper.domain.outcome import FINAL_OUTCOMES, OutcomeKind
from keeper.domain.snapshot import ActionOutcome, Snapshot
from keeper.domain.units import Span, Unit
from keeper.domain.verdict import RuleState, Severity
from keeper.engine.engine import Engine, compile_engine
from keeper.engine.evidence import decision_body, incident_body, tick_body
from keeper.engine.grade import BITS, Grader, grade
from keeper.engine.spec import EngineSpec, MarketSpec, SourceSpec
from keeper.engine.tick import Tick
from tests.support.engine_world import divergence, policy, price, rule, run, stamp, volatility

pytestmark = pytest.mark.property

TIMES = settings(max_examples=50, deadline=None)
NAMES = ("A", "B", "C")
COOLDOWN_MS, RETRY_MS = 300, 120
WORKED = {OutcomeKind.INCLUDED, OutcomeKind.SUPERSEDED, OutcomeKind.DRY_RUN}
TRIPPED = {RuleState.TRIPPED, RuleState.CLEARING}


def sources_of(name: str) -> tuple[SourceSpec, SourceSpec]:
    return SourceSpec(f"{name}-oracle", Unit.PRICE, max_age_ms=500), SourceSpec(f"{name}-spot", Unit.PRICE)


def market_of(name: str) -> MarketSpec:
    oracle, spot = (source.name for source in sources_of(name))
    signals = (divergence(of=oracle, against=spot), volatility(of=spot, window_ms=200, sampling_ms=50))
    rules = (
        rule("warn", above="0.01", clear="0.005", severity=Severity.WARNING, actions=("limit",)),
        rule(
            "wide", above="0.03", clear="0.02", hold=Span(blocks=2), clear_hold=Span(ms=60), actions=("pause", "limit")
        ),
        rule("wild", "vol", above="0.05", clear="0.04", hold=Span(ms=40), severity=Severity.INFO, actions=("pause",)),
    )
    return MarketSpec(name, signals, rules)


def world(names: Sequence[str] = NAMES) -> EngineSpec:
    actions = tuple(policy(action, COOLDOWN_MS, RETRY_MS) for action in ("pause", "limit"))
    return EngineSpec(
        tuple(source for name in names for source in sources_of(name)), tuple(map(market_of, names)), actions
    )


ENGINE = compile_engine(world())

prices = st.sampled_from(["100", "100", "100.4", "101.5", "104", "96"])
qualities = st.sampled_from([Quality.OK] * 12 + [Quality.THIN, Quality.MISSING])
outcomes = st.tuples(st.sampled_from(NAMES), st.sampled_from(["pause", "limit"]), st.sampled_from(OutcomeKind))


@st.composite
def observations(draw: st.DrawFn, source: str, at_ms: int) -> Observation | None:
    quality = draw(qualities)
    if quality is Quality.MISSING:
        return None
    age = draw(st.sampled_from([0, 0, 0, 499, 501]))
    return replace(price(source, draw(prices), at_ms, at_ms - age), quality=quality)


@st.composite
def runs(draw: st.DrawFn, length: int = 25) -> list[Snapshot]:
    """Snapshots: clocks that jump back, blocks that are replaced, sources that fail, outcomes of all kinds, asked for or not."""
    steps = draw(
        st.lists(
            st.tuples(st.sampled_from([-30, 0, 20, 40, 60, 400]), st.sampled_from([1, 1, 1, 0, -2])),
            min_size=2,
            max_size=length,
        )
    )
    times = accumulate((step[0] for step in steps), initial=100_000)
    blocks = accumulate((step[1] for step in steps), initial=50)
    shots = []
    for turn, (at_ms, block) in enumerate(zip(times, blocks, strict=True)):
        said = {source.name: draw(observations(source.name, at_ms)) for name in NAMES for source in sources_of(name)}
        known = {name: one for name, one in said.items() if one is not None}
        told = tuple(ActionOutcome(*one, "", at_ms) for one in draw(st.lists(outcomes, max_size=2)))
        shots.append(Snapshot(stamp(block, str(turn)), at_ms, known, told))
    return shots


def bodies(ticks: Sequence[Tick]) -> bytes:
    return b"\n".join(
        rfc8785.dumps(body)
        for tick in ticks
        for body in (tick_body(tick), *map(decision_body, tick.decisions), *map(incident_body, tick.incidents))
    )


def decisions_of(ticks: Sequence[Tick]) -> list[Decision]:
    return [decision for tick in ticks for decision in tick.decisions]


@TIMES
@given(runs())
def test_eng_1__same_snapshots_twice__give_the_same_bytes(shots: list[Snapshot]) -> None:
    assert bodies(run(ENGINE, shots)) == bodies(run(compile_engine(world()), shots))


@TIMES
@given(runs(), st.permutations(NAMES))
def test_eng_2__order_of_markets__does_not_matter(shots: list[Snapshot], order: list[str]) -> None:
    def by_market(engine: Engine) -> dict[str, list[bytes]]:
        found = defaultdict(list)
        for tick in run(engine, shots):
            for one in tick.decisions:
                found[one.market].append(rfc8785.dumps(decision_body(one)))
            for event in tick.incidents:
                found[event.market].append(rfc8785.dumps(incident_body(event)))
        return found

    assert by_market(compile_engine(world(order))) == by_market(ENGINE)


@TIMES
@given(runs())
def test_eng_3__market_alone__decides_as_among_others(shots: list[Snapshot]) -> None:
    alone = decisions_of(run(compile_engine(world(["B"])), shots))
    among = [decision for decision in decisions_of(run(ENGINE, shots)) if decision.market == "B"]
    assert alone == among or repr(alone) == repr(among)  # repr: a NaN equals no NaN


@TIMES
@given(runs(), st.sampled_from(["0.001", "2", "1000", "17"]))
def test_eng_4__all_prices_multiplied__gives_the_same_decisions(shots: list[Snapshot], factor: str) -> None:
    def scaled(one: Observation) -> Observation:
        return replace(one, value=None if one.value is None else one.value * Decimal(factor))

    more = [
        replace(shot, observations={name: scaled(one) for name, one in shot.observations.items()}) for shot in shots
    ]
    plain, other = decisions_of(run(ENGINE, shots)), decisions_of(run(ENGINE, more))
    assert [(one.id, one.kind, one.reason) for one in plain] == [(one.id, one.kind, one.reason) for one in other]


@TIMES
@given(runs())
def test_eng_5__ids__are_unique_over_a_run(shots: list[Snapshot]) -> None:
    ticks = run(ENGINE, shots)
    ids = [decision.id for decision in decisions_of(ticks)]
    assert len(ids) == len(set(ids))
    opened = [event.id for tick in ticks for event in tick.incidents if event.phase is IncidentPhase.OPENED]
    assert len(opened) == len(set(opened))


@TIMES
@given(runs())
def test_eng_6__incidents__open_and_close_in_turn_with_breaker_and_rules(shots: list[Snapshot]) -> None:
    open_now: dict[str, str] = {}
    for tick in run(ENGINE, shots):
        before = set(open_now.values())
        for event in tick.incidents:
            if event.phase is IncidentPhase.OPENED:
                assert event.market not in open_now
                open_now[event.market] = event.id
            else:
                assert open_now.pop(event.market) == event.id
        for name in NAMES:
            tripped = any(verdict.state in TRIPPED for verdict in tick.verdicts if verdict.market == name)
            assert not tripped or name in open_now
            all_clear = all(verdict.state is RuleState.CLEAR for verdict in tick.verdicts if verdict.market == name)
            assert not all_clear or name not in open_now
            assert tick.breakers[name] is (BreakerState.TRIPPED if name in open_now else BreakerState.ARMED)
        for decision in tick.decisions:
            assert decision.incident in before | set(open_now.values()) | {""}
            assert bool(decision.incident) or decision.kind is DecisionKind.HOLD


@TIMES
@given(runs())
def test_eng_7__action__is_never_decided_while_in_flight_in_effect_or_cooling_down(shots: list[Snapshot]) -> None:
    in_flight: set[tuple[str, str]] = set()
    ended: dict[tuple[str, str], tuple[int, bool, str]] = {}
    decided_in: dict[tuple[str, str], str] = {}
    for shot, tick in zip(shots, run(ENGINE, shots), strict=True):
        for told in shot.outcomes:
            key = told.market, told.action
            in_flight.discard(key) if told.kind in FINAL_OUTCOMES else in_flight.add(key)
            if told.kind in FINAL_OUTCOMES:
                ended[key] = min(told.at_ms, tick.at_ms), told.kind in WORKED, decided_in.get(key, "")
        for decision in tick.decisions:
            if decision.kind is not DecisionKind.ACT:
                continue
            key = decision.market, decision.action
            assert key not in in_flight
            if key in ended:
                at_ms, worked, incident = ended[key]
                assert tick.at_ms - at_ms >= (COOLDOWN_MS if worked else RETRY_MS)
                assert not worked or incident != decision.incident
                assert (decision.reason is DecisionReason.RETRY) == (not worked and incident == decision.incident)
            in_flight.add(key)
            decided_in[key] = decision.incident


@TIMES
@given(runs())
def test_eng_8__evidence__is_complete_and_nothing_more(shots: list[Snapshot]) -> None:
    for tick in run(ENGINE, shots):
        verdicts = {(verdict.market, verdict.rule): verdict for verdict in tick.verdicts}
        signals = {(signal.market, signal.name): signal for signal in tick.signals}
        graded = {observation.source: observation for observation in tick.observations}
        for decision in tick.decisions:
            verdict = verdicts[decision.market, decision.verdict.rule]
            assert repr(decision.verdict) == repr(verdict)
            assert repr(decision.signals) == repr((signals[decision.market, verdict.signal],))
            assert decision.observations == tuple(graded[name] for name in decision.signals[0].inputs)


@TIMES
@given(runs())
def test_eng_9__what_is_declined_or_held__is_counted_at_every_tick_and_told_on_change(shots: list[Snapshot]) -> None:
    for earlier, tick in pairwise(run(ENGINE, shots)):
        tripped = [verdict for verdict in tick.verdicts if verdict.state in TRIPPED]
        asked = sum({"warn": 1, "wide": 2, "wild": 1}[verdict.rule] for verdict in tripped)
        assert asked == sum(count for key, count in tick.counts.items() if not key.startswith("hold"))
        acts = [decision for decision in tick.decisions if decision.kind is DecisionKind.ACT]
        assert len(acts) == sum(count for key, count in tick.counts.items() if key.startswith("act"))
        for decision in tick.decisions:
            if decision.kind is not DecisionKind.HOLD:
                continue
            before = next(
                one for one in earlier.verdicts if (one.market, one.rule) == (decision.market, decision.verdict.rule)
            )
            assert before.reason is not decision.verdict.reason


@TIMES
@given(runs(), st.integers(0, 24))
def test_eng_10__state_copied_in_the_middle__goes_on_as_if_nothing_had_been(shots: list[Snapshot], at: int) -> None:
    cut = min(at, len(shots))
    state = ENGINE.initial_state()
    for shot in shots[:cut]:
        state, _ = ENGINE.tick(state, shot)
    assert bodies(run(ENGINE, shots[cut:], state.copy())) == bodies(run(ENGINE, shots)[cut:])


@TIMES
@given(runs(), st.sampled_from([Quality.OK, Quality.WIDE, Quality.CLAMPED]))
def test_eng_11__qualities_that_a_rule_needs__are_all_the_same_to_it_and_others_are_nothing(
    shots: list[Snapshot], label: Quality
) -> None:
    needs = frozenset({Quality.OK, Quality.WIDE, Quality.CLAMPED})
    markets = [
        replace(market_of(name), rules=tuple(replace(one, needs=needs) for one in market_of(name).rules))
        for name in NAMES
    ]
    engine = compile_engine(replace(world(), markets=tuple(markets)))

    def relabelled(one: Observation) -> Observation:
        return replace(one, quality=label, reason="so it said") if one.quality is Quality.OK else one

    def told(shots: Sequence[Snapshot]) -> list[str]:
        return [repr(tick.verdicts) for tick in run(engine, shots)]

    others = [
        replace(shot, observations={name: relabelled(one) for name, one in shot.observations.items()}) for shot in shots
    ]
    gone = [
        replace(shot, observations={name: one for name, one in shot.observations.items() if one.quality in needs})
        for shot in shots
    ]
    assert told(shots) == told(others) == told(gone)


values = st.one_of(
    st.none(),
    st.decimals(),
    st.builds(lambda digit, power: Decimal(digit).scaleb(power), st.integers(-9, 9), st.integers(-302, 302)),
)
said = st.one_of(
    st.none(),
    st.builds(
        Observation,
        st.just("spot"),
        values,
        st.sampled_from([Unit.PRICE, Unit.PRICE, Unit.RATIO]),
        st.integers(0, 20),
        st.none() | st.integers(0, 20),
        st.none(),
        st.sampled_from([Quality.OK, Quality.OK, *Quality]),
    ),
)


@TIMES
@given(st.lists(said, min_size=1, max_size=6), st.none() | st.integers(0, 10))
def test_eng_12__all_sources_graded_at_once__are_worth_what_each_is_by_itself(
    told: list[Observation | None], max_age_ms: int | None
) -> None:
    sources = [SourceSpec(f"{place}", Unit.PRICE, max_age_ms) for place in range(len(told))]
    grader = Grader(sources)
    state = grader.initial_state()
    for at_ms in (9, 10, 11, 30):
        given_now = {str(place): one for place, one in enumerate(told) if one is not None}
        grader.grade_all(state, given_now, at_ms)
        expected = [grade(source, one, at_ms) for source, one in zip(sources, told, strict=True)]
        # what is missing keeps the time at which it was first missed
        expected = [
            old if new.quality is Quality.MISSING and new.reason == "not in the snapshot" else new
            for old, new in zip(state.graded, expected, strict=True)
        ]
        assert repr(state.graded) == repr(expected)
        floats = [float("nan") if one.value is None else float(one.value) for one in expected]
        usable = [
            value if one.quality is Quality.OK else float("nan") for value, one in zip(floats, expected, strict=True)
        ]
        assert np.array_equal(state.any_values, floats, equal_nan=True)
        assert np.array_equal(state.values, usable, equal_nan=True)
        assert list(state.bits) == [BITS[one.quality] for one in expected]
