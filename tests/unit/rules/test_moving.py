"""Thresholds that follow another signal: their value, their bounds, how they clear, and when the other one is not there."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

import pytest

from keeper.domain.units import Span
from keeper.domain.verdict import RuleState, Severity, VerdictReason
from keeper.rules.spec import Condition, Level, Moving, RuleSpec, Share, Side, Without
from tests.support.court import GONE, WARM, Court, Value, states

pytestmark = pytest.mark.unit

C, P, T = RuleState.CLEAR, RuleState.PENDING, RuleState.TRIPPED
HALF = Share(Decimal("0.5"))


def rule(level: Level, clear: Level = HALF, side: Side = Side.ABOVE) -> RuleSpec:
    """Trips on ``s`` beyond what follows ``base``."""
    when = Condition("s", side, level)
    return RuleSpec("r", when, Condition("s", side.other, clear), Severity.CRITICAL, ())


def times(number: str, low: str | None = None, high: str | None = None) -> Moving:
    return Moving(
        "base",
        Decimal(number),
        at_least=None if low is None else Decimal(low),
        at_most=None if high is None else Decimal(high),
    )


@pytest.mark.parametrize(("value", "state"), [(3.0, C), (math.nextafter(3.0, 4), T)])
def test_times__around_the_multiple__strictly_beyond(value: float, state: RuleState) -> None:
    court = Court(rule(times("3")))
    assert court.judge([value, 1.0], 1)[0] is state
    assert court.shown == ("s", value, 3.0)


def test_base_and_plus__the_threshold_is_their_sum_now() -> None:
    court = Court(rule(Moving("base", Decimal("0.5"), Decimal(2), converts=True)))
    for other, at in ((0.0, 2.0), (2.0, 3.0), (-2.0, 1.0)):
        court.judge([0.0, other], 1)
        assert court.shown[2] == at


@pytest.mark.parametrize(("other", "at"), [(0.1, 1.0), (0.5, 1.0), (0.6, 1.2), (1.5, 3.0), (1.6, 3.0)])
def test_bounds__around_each__hold_the_threshold(other: float, at: float) -> None:
    court = Court(rule(times("2", "1", "3")))
    court.judge([0.0, other], 1)
    assert court.shown[2] == at


@pytest.mark.parametrize(("missing", "reason"), [(WARM, VerdictReason.WARMING), (GONE, VerdictReason.NO_INPUT)])
def test_other_signal_not_ready__nobody_can_tell(missing: str, reason: VerdictReason) -> None:
    court = Court(rule(times("3")))
    assert court.judge([9.0, missing], 1) == (C, reason)
    assert court.shown[1] == 9.0
    assert math.isnan(court.shown[2])
    assert math.isnan(court.headroom)
    court.judge([9.0, 1.0], 2)
    assert court.judge([0.0, missing], 3) == (T, reason)


def test_other_signal_without_input__without_trip__is_a_breach_and_warming_is_not() -> None:
    court = Court(replace(rule(times("3")), without=Without.TRIP))
    assert court.judge([0.0, WARM], 1) == (C, VerdictReason.WARMING)
    assert court.judge([0.0, GONE], 2) == (T, VerdictReason.BLIND)


def test_threshold_beyond_all_numbers__is_none() -> None:
    assert Court(rule(times("3"))).judge([1.0, 1e308], 1) == (C, VerdictReason.NO_INPUT)


# --- clearing


@pytest.mark.parametrize(("value", "state"), [(1.5, T), (math.nextafter(1.5, 0), C)])
def test_share__of_a_moving_threshold__moves_with_it(value: float, state: RuleState) -> None:
    assert states(rule(times("3")), [[9.0, 2.0], [value, 1.0]]) == [T, state]


@pytest.mark.parametrize(
    ("level", "side", "at"),
    [("2", Side.ABOVE, 1.0), ("-2", Side.ABOVE, -3.0), ("2", Side.BELOW, 3.0), ("-2", Side.BELOW, -1.0)],
)
@pytest.mark.parametrize("fixed", [True, False])
def test_share__any_side_and_sign__is_that_much_headroom(level: str, side: Side, at: float, fixed: bool) -> None:
    one = rule(Decimal(level) if fixed else times(level), side=side)
    others: list[Value] = [] if fixed else [1.0]
    beyond = -9.0 if side is Side.BELOW else 9.0
    inside = math.nextafter(at, -beyond)
    assert states(one, [[beyond, *others], [at, *others], [inside, *others]]) == [T, T, C]


def test_share__threshold_of_nothing__clears_strictly_beyond_it() -> None:
    assert states(rule(times("3")), [[9.0, 0.0], [0.0, 0.0], [-0.1, 0.0]]) == [T, T, C]


def test_fixed_clear__tripping_threshold_moves_below_it__never_lies_beyond_that() -> None:
    one = rule(times("3"), Decimal(1))
    assert states(one, [[9.0, 1.0], [0.5, 0.125], [0.375, 0.125], [0.37, 0.125]]) == [T, T, T, C]
    assert states(one, [[9.0, 1.0], [1.0, 1.0], [0.99, 1.0]]) == [T, T, C]


def test_moving_clear__follows_a_signal_of_its_own_and_never_lies_beyond() -> None:
    one = rule(Decimal(2), Moving("calm", Decimal(1)))
    assert states(one, [[9.0, 1.0], [1.0, 1.0], [0.9, 1.0]]) == [T, T, C]
    assert states(one, [[9.0, 5.0], [2.0, 5.0], [1.9, 5.0]]) == [T, T, C]
    assert Court(one).judge([9.0, GONE], 1)[0] is T
    assert states(one, [[9.0, 1.0], [0.0, GONE], [0.0, 1.0]]) == [T, T, C]


def test_below__clear_never_lies_beyond_either() -> None:
    one = rule(times("3"), Decimal(4), Side.BELOW)
    assert states(one, [[2.0, 1.0], [4.0, 1.0], [4.1, 1.0]]) == [T, T, C]
    assert states(one, [[2.0, 1.0], [6.0, 2.0], [6.1, 2.0]]) == [T, T, C]


def test_headroom__against_the_threshold_of_now() -> None:
    court = Court(rule(times("2")))
    for other, headroom in ((1.0, 0.5), (2.0, 0.75), (0.25, -1.0)):
        court.judge([1.0, other], 1)
        assert court.headroom == headroom


def test_signals__of_moving_thresholds__are_the_rules() -> None:
    one = rule(times("2"), Moving("calm", Decimal(1)))
    one = replace(one, unless=(Condition("market", Side.ABOVE, times("4")),))
    assert one.signals == ("s", "base", "calm", "market")


def test_persistence__threshold_that_moves_away__ends_the_streak() -> None:
    one = replace(rule(times("2")), when=Condition("s", Side.ABOVE, times("2"), Span(blocks=2)))
    assert states(one, [[3.0, 1.0], [3.0, 2.0], [3.0, 1.0], [3.0, 1.0]]) == [P, C, P, T]


def test_fixed__of_a_moving_threshold__is_refused() -> None:
    assert rule(Decimal(2)).first.fixed == 2
    with pytest.raises(TypeError):
        _ = rule(times("2")).first.fixed
