"""The threshold rule: both sides of every threshold, every persistence, and what happens when nobody can tell."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from keeper.domain.signal import SignalStatus
from keeper.domain.units import NO_SPAN, Span
from keeper.domain.verdict import RuleState, Severity, VerdictReason
from keeper.rules import hours, persistence, terms, threshold
from keeper.rules.codes import STATES
from keeper.rules.spec import Condition, Hold, OutOf, RuleSpec, Schedule, Side, Without
from tests.support.court import GONE, WARM, Court, Value, states
from tests.support.rulings import judge

pytestmark = pytest.mark.unit

C, P, T, R = RuleState.CLEAR, RuleState.PENDING, RuleState.TRIPPED, RuleState.CLEARING


def above(hold: Hold = NO_SPAN, clear_hold: Hold = NO_SPAN, at: str = "2", clear: str = "1") -> RuleSpec:
    """Trips above ``at``, clears below ``clear``."""
    when = Condition("s", Side.ABOVE, Decimal(at), hold)
    return RuleSpec("r", when, Condition("s", Side.BELOW, Decimal(clear), clear_hold), Severity.CRITICAL, ())


def below(at: str = "-2", clear: str = "-1") -> RuleSpec:
    """Trips below ``at``, clears above ``clear``."""
    when = Condition("s", Side.BELOW, Decimal(at))
    return RuleSpec("r", when, Condition("s", Side.ABOVE, Decimal(clear)), Severity.CRITICAL, ())


# --- thresholds


@pytest.mark.parametrize(
    ("value", "state"),
    [(math.nextafter(2.0, 0), C), (2.0, C), (math.nextafter(2.0, 3), T), (math.inf, T), (-5.0, C)],
)
def test_above__around_the_threshold__trips_strictly_beyond(value: float, state: RuleState) -> None:
    assert states(above(), [value]) == [state]


@pytest.mark.parametrize(
    ("value", "state"), [(math.nextafter(-2.0, 0), C), (-2.0, C), (math.nextafter(-2.0, -3), T), (5.0, C)]
)
def test_below__around_the_threshold__trips_strictly_beyond(value: float, state: RuleState) -> None:
    assert states(below(), [value]) == [state]


@pytest.mark.parametrize(("value", "state"), [(math.nextafter(1.0, 2), T), (1.0, T), (math.nextafter(1.0, 0), C)])
def test_above__around_the_clearing_threshold__clears_strictly_below(value: float, state: RuleState) -> None:
    assert states(above(), [3.0, value]) == [T, state]


@pytest.mark.parametrize(("value", "state"), [(math.nextafter(-1.0, -2), T), (-1.0, T), (math.nextafter(-1.0, 0), C)])
def test_below__around_the_clearing_threshold__clears_strictly_above(value: float, state: RuleState) -> None:
    assert states(below(), [-3.0, value]) == [T, state]


def test_hysteresis__value_between_the_thresholds__keeps_whatever_state_it_was() -> None:
    assert states(above(), [1.5, 3.0, 1.5, 1.5, 0.5, 1.5]) == [C, T, T, T, C, C]


def test_reasons__whole_story__each_tick_says_why() -> None:
    court = Court(above(hold=Span(blocks=2), clear_hold=Span(blocks=2)))
    told = [court.judge(value, block) for block, value in enumerate([1.5, 3.0, 3.0, 3.0, 0.5, 1.5, 0.5, 0.5, 0.5])]
    assert told == [
        (C, VerdictReason.INSIDE),
        (P, VerdictReason.PERSISTING),
        (T, VerdictReason.BREACHED),
        (T, VerdictReason.STILL_TRIPPED),
        (R, VerdictReason.RECOVERING),
        (T, VerdictReason.STILL_TRIPPED),
        (R, VerdictReason.RECOVERING),
        (C, VerdictReason.RECOVERED),
        (C, VerdictReason.INSIDE),
    ]


# --- persistence in blocks


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [(0, [T, T, T, T]), (1, [T, T, T, T]), (2, [P, T, T, T]), (3, [P, P, T, T]), (4, [P, P, P, T])],
)
def test_blocks__held_for_n__trips_at_the_nth_true_block(blocks: int, expected: list[RuleState]) -> None:
    assert states(above(hold=Span(blocks=blocks)), [3.0] * 4) == expected


@pytest.mark.parametrize("blocks", [2, 3])
def test_blocks__one_false_block__starts_anew(blocks: int) -> None:
    values = [3.0] * (blocks - 1) + [2.0] + [3.0] * blocks
    assert states(above(hold=Span(blocks=blocks)), values) == [P] * (blocks - 1) + [C] + [P] * (blocks - 1) + [T]


@pytest.mark.parametrize(("blocks", "expected"), [(0, [C, C, C]), (1, [C, C, C]), (2, [R, C, C]), (3, [R, R, C])])
def test_blocks__clear_held_for_n__clears_at_the_nth_true_block(blocks: int, expected: list[RuleState]) -> None:
    assert states(above(clear_hold=Span(blocks=blocks)), [3.0] + [0.5] * 3) == [T, *expected]


def test_blocks__clear_interrupted__starts_anew() -> None:
    assert states(above(clear_hold=Span(blocks=2)), [3.0, 0.5, 1.0, 0.5, 0.5]) == [T, R, T, R, C]


def test_blocks__several_ticks_at_one_block__count_once() -> None:
    assert states(above(hold=Span(blocks=2)), [3.0] * 4, blocks=[7, 7, 7, 8]) == [P, P, P, T]


def test_blocks__false_tick_within_a_block__ends_the_streak() -> None:
    assert states(above(hold=Span(blocks=2)), [3.0, 1.5, 3.0, 3.0], blocks=[7, 7, 8, 9]) == [P, C, P, T]


def test_blocks__skipped_block_numbers__evaluated_blocks_count() -> None:
    assert states(above(hold=Span(blocks=2)), [3.0, 3.0], blocks=[7, 90]) == [P, T]


def test_blocks__chain_goes_back__the_lower_block_adds_nothing_and_counting_goes_on() -> None:
    assert states(above(hold=Span(blocks=3)), [3.0] * 5, blocks=[7, 8, 6, 6, 7]) == [P, P, P, P, T]


# --- persistence in time


@pytest.mark.parametrize(("ms", "state"), [(29_999, P), (30_000, T), (30_001, T)])
def test_time__around_the_hold__trips_when_the_first_true_tick_is_that_long_ago(ms: int, state: RuleState) -> None:
    court = Court(above(hold=Span(ms=30_000)))
    assert court.judge(3.0, 1, 5_000)[0] is P
    assert court.judge(3.0, 2, 5_000 + ms)[0] is state


@pytest.mark.parametrize(("ms", "state"), [(29_999, R), (30_000, C)])
def test_time__around_the_clearing_hold__both_sides(ms: int, state: RuleState) -> None:
    court = Court(above(clear_hold=Span(ms=30_000)))
    court.judge(3.0, 1, 0)
    assert court.judge(0.5, 2, 5_000)[0] is R
    assert court.judge(0.5, 3, 5_000 + ms)[0] is state


def test_time__no_time__at_once() -> None:
    assert states(above(hold=Span(ms=0)), [3.0]) == [T]


def test_time__false_tick_in_between__starts_anew() -> None:
    court = Court(above(hold=Span(ms=30_000)))
    told = [
        court.judge(value, 1, at)[0]
        for value, at in ((3.0, 0), (2.0, 10_000), (3.0, 20_000), (3.0, 49_999), (3.0, 50_000))
    ]
    assert told == [P, C, P, P, T]


# --- a signal that is not ready


@pytest.mark.parametrize(("missing", "reason"), [(WARM, VerdictReason.WARMING), (GONE, VerdictReason.NO_INPUT)])
def test_not_ready__while_clear__does_not_trip_and_says_why(missing: str, reason: VerdictReason) -> None:
    court = Court(above())
    assert court.judge(missing, 1) == (C, reason)
    assert math.isnan(court.headroom)
    assert math.isnan(court.state.value[0])


@pytest.mark.parametrize("missing", [WARM, GONE])
def test_not_ready__while_tripped__stays_tripped(missing: str) -> None:
    assert states(above(), [3.0, missing, missing, 0.5]) == [T, T, T, C]


@pytest.mark.parametrize("missing", [WARM, GONE])
def test_not_ready__half_filled_persistence__is_reset(missing: str) -> None:
    assert states(above(hold=Span(blocks=2)), [3.0, missing, 3.0, 3.0]) == [P, C, P, T]


@pytest.mark.parametrize("missing", [WARM, GONE])
def test_not_ready__half_filled_recovery__is_reset_and_stays_tripped(missing: str) -> None:
    assert states(above(clear_hold=Span(blocks=2)), [3.0, 0.5, missing, 0.5, 0.5]) == [T, R, T, R, C]


def test_not_ready__half_filled_time__is_reset() -> None:
    court = Court(above(hold=Span(ms=30_000)))
    told = [
        court.judge(value, 1, at)[0]
        for value, at in ((3.0, 0), (GONE, 29_000), (3.0, 30_000), (3.0, 59_999), (3.0, 60_000))
    ]
    assert told == [P, C, P, P, T]


# --- since


def test_since__state_that_lasts__keeps_its_beginning() -> None:
    court = Court(above(hold=Span(blocks=2)))
    seen = []
    for block, value in enumerate([1.0, 1.0, 3.0, 3.0, 3.0, 0.5], start=10):
        court.judge(value, block)
        seen.append(court.since)
    assert seen == [(10_000, 10), (10_000, 10), (12_000, 12), (13_000, 13), (13_000, 13), (15_000, 15)]


def test_since__pending_lost_to_a_missing_input__is_the_tick_it_was_lost() -> None:
    court = Court(above(hold=Span(blocks=9)))
    values: list[Value] = [1.0, 3.0, GONE]
    for block, value in enumerate(values, start=10):
        court.judge(value, block)
    assert court.since == (12_000, 12)


# --- headroom


@pytest.mark.parametrize(("value", "headroom"), [(0.0, 1.0), (1.0, 0.5), (2.0, 0.0), (3.0, -0.5), (-2.0, 2.0)])
def test_headroom__above__is_the_share_of_the_threshold_left(value: float, headroom: float) -> None:
    court = Court(above())
    court.judge(value, 1)
    assert court.headroom == headroom


@pytest.mark.parametrize(("value", "headroom"), [(8.0, 1.0), (6.0, 0.5), (4.0, 0.0), (2.0, -0.5)])
def test_headroom__below__is_one_at_twice_the_threshold(value: float, headroom: float) -> None:
    court = Court(below(at="4", clear="5"))
    court.judge(value, 1)
    assert court.headroom == headroom


def test_headroom__negative_threshold__falls_towards_it_all_the_same() -> None:
    court = Court(below(at="-2", clear="-1"))
    for value, headroom in ((0.0, 1.0), (-1.0, 0.5), (-2.0, 0.0), (-3.0, -0.5)):
        court.judge(value, 1)
        assert court.headroom == headroom


def test_headroom__threshold_of_zero__is_the_distance() -> None:
    court = Court(above(at="0", clear="-1"))
    court.judge(-0.25, 1)
    assert court.headroom == 0.25


# --- many rules


def test_judge__many_rules__each_reads_its_own_signal_and_keeps_its_own_state() -> None:
    params = threshold.prepare([(above(), {"s": 1}), (below(), {"s": 0}), (above(hold=Span(blocks=2)), {"s": 1})])
    state = threshold.allocate(params)
    judge(params, state, [(0, 1, [-3.0, 3.0], [SignalStatus.READY] * 2)])
    assert [STATES[code] for code in state.state] == [T, T, P]
    judge(params, state, [(1, 2, [0.0, 3.0], [SignalStatus.READY] * 2)])
    assert [STATES[code] for code in state.state] == [T, C, T]
    np.testing.assert_array_equal(state.value, [3.0, 0.0, 3.0])


def test_judge__no_rules__is_fine() -> None:
    params = threshold.prepare([])
    assert judge(params, threshold.allocate(params), [(0, 1, [], [])]).state.shape == (0, 1)


def test_judge__interpreted__says_the_same_as_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    values: list[Value] = [3.0, 3.0, 0.5, WARM, 0.5, 0.5, 3.0, GONE, 3.0, 3.0, 1.5, 0.5, 0.5, 0.5]
    blocks = [1, 2, 3, 4, 4, 5, 5, 6, 7, 7, 8, 9, 8, 10]
    rules = [above(Span(blocks=2), Span(blocks=2)), above(Span(ms=1_000), Span(ms=2_000)), above(), below()]
    rules += [above(OutOf(2, 3), OutOf(1, 2)), replace(above(), schedule=Schedule(frozenset({3}), 2_000, 5_000))]
    rules += [replace(above(), unless=(Condition("s", Side.BELOW, Decimal(4)),))]
    compiled = [states(rule, values, blocks) for rule in rules]
    for module in (terms, persistence, hours, threshold):
        for name, function in vars(module).items():
            if hasattr(function, "py_func"):
                monkeypatch.setattr(module, name, function.py_func)
    assert [states(rule, values, blocks) for rule in rules] == compiled


# --- without usable input


BLIND = VerdictReason.BLIND


def test_without_trip__no_input__trips_at_once_where_there_is_no_persistence() -> None:
    court = Court(replace(above(), without=Without.TRIP))
    assert court.judge(GONE, 1) == (T, BLIND)
    assert math.isnan(court.headroom)
    assert court.judge(1.5, 2) == (T, VerdictReason.STILL_TRIPPED)
    assert court.judge(0.5, 3) == (C, VerdictReason.RECOVERED)


@pytest.mark.parametrize("without", [Without.HOLD, Without.ALERT])
def test_without_hold_or_alert__no_input__neither_trips_nor_clears(without: Without) -> None:
    court = Court(replace(above(), without=without))
    assert court.judge(GONE, 1) == (C, VerdictReason.NO_INPUT)
    court.judge(3.0, 2)
    assert court.judge(GONE, 3) == (T, VerdictReason.NO_INPUT)


def test_without_trip__persistence_in_blocks__both_sides_and_mixed_with_breaches() -> None:
    rule = replace(above(Span(blocks=3)), without=Without.TRIP)
    assert states(rule, [GONE, GONE, 0.0]) == [P, P, C]
    assert states(rule, [GONE, GONE, GONE]) == [P, P, T]
    assert states(rule, [3.0, GONE, 3.0]) == [P, P, T]


def test_without_trip__persistence_in_time__both_sides() -> None:
    for last_ms, state in ((1_999, P), (2_000, T)):
        court = Court(replace(above(Span(ms=2_000)), without=Without.TRIP))
        assert court.judge(GONE, 1, at_ms=0) == (P, BLIND)
        assert court.judge(GONE, 2, at_ms=last_ms) == (state, BLIND)


def test_without_trip__not_enough_data__holds_and_ends_the_streak() -> None:
    rule = replace(above(Span(blocks=2)), without=Without.TRIP)
    court = Court(rule)
    assert court.judge(WARM, 1) == (C, VerdictReason.WARMING)
    assert states(rule, [GONE, WARM, GONE, GONE]) == [P, C, P, T]


def test_without_trip__tripped_and_recovering__blindness_starts_the_recovery_anew() -> None:
    rule = replace(above(clear_hold=Span(blocks=2)), without=Without.TRIP)
    assert states(rule, [3.0, 0.0, GONE, 0.0, 0.0]) == [T, R, T, R, C]
