"""Groups of conditions: how many must be true, what is not known, what clears them, and what a verdict shows."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from itertools import product

import pytest

from keeper.domain.units import NO_SPAN, Span
from keeper.domain.verdict import RuleState, Severity, VerdictReason
from keeper.rules.spec import Condition, Group, Hold, Mode, RuleSpec, Side, Without
from tests.support.court import GONE, WARM, Court, Value, states

pytestmark = pytest.mark.unit

C, P, T, R = RuleState.CLEAR, RuleState.PENDING, RuleState.TRIPPED, RuleState.CLEARING
NAMES = ("a", "b", "c")
YES, NO = 3.0, 0.5
"""Beyond every threshold to trip at, and beyond every one to clear at."""


def trips_above(name: str, at: str = "2") -> Condition:
    return Condition(name, Side.ABOVE, Decimal(at))


def clears_below(name: str, at: str = "1") -> Condition:
    return Condition(name, Side.BELOW, Decimal(at))


def group(mode: Mode, at_least: int = 0, hold: Hold = NO_SPAN, members: int = 3) -> RuleSpec:
    """Trips on several signals above 2, clears when all are below 1."""
    names = NAMES[:members]
    when = Group(mode, tuple(trips_above(name) for name in names), hold, at_least)
    clear = Group(Mode.ALL, tuple(clears_below(name) for name in names))
    return RuleSpec("r", when, clear, Severity.CRITICAL, ())


RULES = {
    "all": (group(Mode.ALL), 3),
    "any": (group(Mode.ANY), 1),
    "at_least 2": (group(Mode.AT_LEAST, 2), 2),
}


# --- three-valued


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("said", list(product([YES, NO, WARM, GONE], repeat=3)))
def test_group__every_mixture__true_false_or_nobody_can_tell(name: str, said: tuple[Value, ...]) -> None:
    rule, needed = RULES[name]
    true, unknown = said.count(YES), said.count(WARM) + said.count(GONE)
    expected = (T, VerdictReason.BREACHED) if true >= needed else (C, VerdictReason.INSIDE)
    if true < needed <= true + unknown:
        expected = (C, VerdictReason.NO_INPUT if GONE in said else VerdictReason.WARMING)
    assert Court(rule).judge(said, 1) == expected


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("said", list(product([YES, NO, WARM, GONE], repeat=3)))
def test_group__without_trip__input_that_is_not_usable_counts_and_not_enough_data_does_not(
    name: str, said: tuple[Value, ...]
) -> None:
    rule, needed = RULES[name]
    true, gone, warm = said.count(YES), said.count(GONE), said.count(WARM)
    expected = (C, VerdictReason.INSIDE)
    if true >= needed:
        expected = (T, VerdictReason.BREACHED)
    elif true + gone >= needed:
        expected = (T, VerdictReason.BLIND)
    elif true + gone + warm >= needed:
        expected = (C, VerdictReason.WARMING)
    assert Court(replace(rule, without=Without.TRIP)).judge(said, 1) == expected


def test_group__nobody_can_tell__half_filled_persistence_starts_anew() -> None:
    rule = group(Mode.ALL, hold=Span(blocks=2), members=2)
    assert states(rule, [[YES, YES], [YES, GONE], [YES, YES], [YES, YES]]) == [P, C, P, T]


def test_group__false_whatever_the_unknown_one_says__is_false_and_says_so() -> None:
    court = Court(group(Mode.ALL, members=2))
    assert court.judge([NO, GONE], 1) == (C, VerdictReason.INSIDE)


def test_group__persistence__is_that_of_the_group_not_of_a_member() -> None:
    rule = group(Mode.ANY, hold=Span(blocks=3), members=2)
    assert states(rule, [[YES, NO], [NO, YES], [YES, NO]]) == [P, P, T]


# --- clearing


def test_clear__all_of_them__one_that_is_not_back_keeps_it() -> None:
    rule = group(Mode.ANY)
    assert states(rule, [[YES, NO, NO], [NO, NO, 1.5], [NO, NO, NO]]) == [T, T, C]


def test_clear__one_condition_of_all__undoes_it() -> None:
    rule = replace(group(Mode.ALL, members=2), clear=clears_below("b"))
    assert states(rule, [[YES, YES], [NO, YES], [YES, NO]]) == [T, T, C]


def test_clear__with_a_signal_of_its_own__needs_that_too() -> None:
    clear = Group(Mode.ALL, (clears_below("a"), clears_below("calm")))
    rule = RuleSpec("r", trips_above("a"), clear, Severity.CRITICAL, ())
    assert states(rule, [[YES, NO], [NO, YES], [NO, NO]]) == [T, T, C]
    assert Court(rule).judge([YES, GONE], 1)[0] is T


def test_clear__nobody_can_tell__stays_tripped_and_says_why() -> None:
    court = Court(group(Mode.ANY, members=2))
    court.judge([YES, NO], 1)
    assert court.judge([NO, GONE], 2) == (T, VerdictReason.NO_INPUT)
    assert court.judge([NO, WARM], 3) == (T, VerdictReason.WARMING)
    assert court.judge([YES, GONE], 4) == (T, VerdictReason.STILL_TRIPPED)
    assert court.judge([NO, NO], 5) == (C, VerdictReason.RECOVERED)


def test_clear__without_trip__what_cannot_be_seen_is_not_back() -> None:
    court = Court(replace(group(Mode.ANY, members=2), without=Without.TRIP))
    court.judge([YES, NO], 1)
    assert court.judge([NO, GONE], 2) == (T, VerdictReason.BLIND)
    assert court.judge([NO, WARM], 3) == (T, VerdictReason.WARMING)


def test_both_sides__below_or_above__each_has_its_own_way_back() -> None:
    when = Group(Mode.ANY, (Condition("a", Side.BELOW, Decimal("0.98")), Condition("a", Side.ABOVE, Decimal("1.02"))))
    clear = Group(Mode.ALL, (Condition("a", Side.ABOVE, Decimal("0.99")), Condition("a", Side.BELOW, Decimal("1.01"))))
    rule = RuleSpec("r", when, clear, Severity.CRITICAL, ())
    assert states(rule, [1.0, 0.97, 0.985, 1.0, 1.03, 1.015, 1.0]) == [C, T, T, C, T, T, C]


# --- what a verdict shows


@pytest.mark.parametrize(
    ("rule", "shown"),
    [
        (group(Mode.ALL), ("b", 0.5, 2.0)),
        (group(Mode.ANY), ("c", 1.8, 2.0)),
        (group(Mode.AT_LEAST, 1), ("c", 1.8, 2.0)),
        (group(Mode.AT_LEAST, 2), ("a", 1.0, 2.0)),
        (group(Mode.AT_LEAST, 3), ("b", 0.5, 2.0)),
    ],
)
def test_shown__member_that_decides__by_headroom(rule: RuleSpec, shown: tuple[str, float, float]) -> None:
    court = Court(rule)
    court.judge([1.0, 0.5, 1.8], 1)
    assert court.shown == shown
    assert court.headroom == (2.0 - shown[1]) / 2.0


def test_shown__equal_headrooms__the_first_is_the_smaller() -> None:
    any_of, all_of = Court(group(Mode.ANY)), Court(group(Mode.ALL))
    for court in (any_of, all_of):
        court.judge([1.0, 1.0, 1.0], 1)
    assert (any_of.shown[0], all_of.shown[0]) == ("a", "c")


def test_shown__nobody_can_tell__the_one_in_the_way_with_the_headroom_of_the_others() -> None:
    court = Court(group(Mode.ANY, members=2))
    court.judge([1.0, GONE], 1)
    assert court.shown[0] == "b"
    assert math.isnan(court.shown[1])
    assert (court.shown[2], court.headroom) == (2.0, 0.5)


def test_headroom__too_few_can_be_told_and_they_are_beyond__there_is_none() -> None:
    court = Court(group(Mode.ALL, members=2))
    court.judge([YES, GONE], 1)
    assert math.isnan(court.headroom)
    court.judge([1.0, GONE], 2)
    assert court.headroom == 0.5


def test_headroom__no_member_can_be_told__there_is_none() -> None:
    court = Court(group(Mode.ANY))
    court.judge([GONE, WARM, GONE], 1)
    assert math.isnan(court.headroom)


def test_signals__of_a_rule__every_one_once_the_first_condition_first() -> None:
    clear = Group(Mode.ALL, (clears_below("a"), clears_below("calm")))
    rule = RuleSpec("r", trips_above("a"), clear, Severity.CRITICAL, (), unless=(trips_above("market"),))
    assert rule.signals == ("a", "calm", "market")
