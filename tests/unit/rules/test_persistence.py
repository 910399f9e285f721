"""k of the last n: both sides of k and of n, blocks and ticks, and when the count starts anew."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from keeper.domain.units import NO_SPAN, Span
from keeper.domain.verdict import RuleState, Severity
from keeper.rules.spec import MAX_OUT_OF, Condition, Hold, OutOf, RuleSpec, Side
from tests.support.court import GONE, Court, Value, states

pytestmark = pytest.mark.unit

C, P, T, R = RuleState.CLEAR, RuleState.PENDING, RuleState.TRIPPED, RuleState.CLEARING
UP, MID, LOW = 3.0, 1.5, 0.5


def rule(hold: Hold, clear_hold: Hold = NO_SPAN) -> RuleSpec:
    """Trips above 2, clears below 1."""
    when = Condition("s", Side.ABOVE, Decimal(2), hold)
    return RuleSpec("r", when, Condition("s", Side.BELOW, Decimal(1), clear_hold), Severity.CRITICAL, ())


@pytest.mark.parametrize(
    ("hold", "values", "last"),
    [
        (OutOf(3, 5), [UP, MID, UP, MID, UP], T),
        (OutOf(3, 5), [UP, MID, MID, UP, MID, UP], P),
        (OutOf(3, 4), [UP, MID, UP, MID, UP], P),
        (OutOf(4, 5), [UP, UP, MID, UP], P),
        (OutOf(4, 5), [UP, UP, MID, UP, UP], T),
        (OutOf(1, 5), [UP], T),
        (OutOf(5, 5), [UP, UP, UP, UP, UP], T),
        (OutOf(5, 5), [UP, UP, UP, UP, MID, UP], P),
    ],
)
def test_out_of__around_k_and_n__trips_at_the_kth_within_n(hold: OutOf, values: list[Value], last: RuleState) -> None:
    found = states(rule(hold), values)
    assert found[-1] is last
    assert T not in found[:-1]


@pytest.mark.parametrize(("between", "last"), [(MAX_OUT_OF - 2, T), (MAX_OUT_OF - 1, P)])
def test_out_of__longest_look_back__both_sides(between: int, last: RuleState) -> None:
    assert states(rule(OutOf(2, MAX_OUT_OF)), [UP, *[MID] * between, UP])[-1] is last


def test_out_of__false_tick__is_clear_and_keeps_what_has_gathered() -> None:
    assert states(rule(OutOf(2, 3)), [UP, MID, UP]) == [P, C, T]


def test_out_of__tick_at_which_nobody_can_tell__is_a_miss_not_the_end() -> None:
    assert states(rule(OutOf(2, 3)), [UP, GONE, UP]) == [P, C, T]
    assert states(rule(OutOf(2, 2)), [UP, GONE, UP]) == [P, C, P]


def test_out_of_blocks__several_ticks_at_one_block__the_last_counts() -> None:
    assert states(rule(OutOf(2, 3)), [UP, UP, UP, UP], blocks=[7, 7, 7, 8]) == [P, P, P, T]
    assert states(rule(OutOf(2, 3)), [UP, MID, UP], blocks=[7, 7, 8]) == [P, C, P]
    assert states(rule(OutOf(2, 3)), [MID, UP, UP], blocks=[7, 7, 8]) == [C, P, T]


def test_out_of_ticks__several_ticks_at_one_block__each_counts() -> None:
    assert states(rule(OutOf(3, 4, ticks=True)), [UP, UP, MID, UP], blocks=[7, 7, 7, 7]) == [P, P, C, T]


def test_out_of_blocks__chain_goes_back__the_lower_block_takes_the_place_of_the_last() -> None:
    assert states(rule(OutOf(3, 5)), [UP, UP, UP, UP], blocks=[7, 8, 6, 7]) == [P, P, P, T]
    assert states(rule(OutOf(2, 5)), [UP, MID, UP], blocks=[7, 6, 7]) == [P, C, P]


def test_out_of__tripped_and_cleared__counts_anew() -> None:
    assert states(rule(OutOf(2, 9)), [UP, UP, LOW, UP, UP]) == [P, T, C, P, T]


@pytest.mark.parametrize(("low", "last"), [(1, T), (2, P)])
def test_out_of__clear_has_held_while_not_tripped__counts_anew(low: int, last: RuleState) -> None:
    assert states(rule(OutOf(2, 9), Span(blocks=2)), [UP, *[LOW] * low, UP])[-1] is last


@pytest.mark.parametrize(
    ("values", "last"),
    [([LOW, MID, LOW, MID, LOW], C), ([LOW, MID, MID, LOW, MID, LOW], R), ([LOW, LOW, UP, LOW, MID], T)],
)
def test_out_of__of_clear__both_sides_and_a_new_breach_starts_it_anew(values: list[Value], last: RuleState) -> None:
    assert states(rule(NO_SPAN, OutOf(3, 5)), [UP, *values])[-1] is last


def test_out_of__of_clear__counts_what_came_after_the_breach_only() -> None:
    assert states(rule(NO_SPAN, OutOf(2, 5)), [UP, LOW, UP, LOW, LOW]) == [T, R, T, R, C]


def test_out_of__both__whole_story() -> None:
    court = Court(rule(OutOf(2, 3), OutOf(2, 3)))
    told = [court.judge(value, block)[0] for block, value in enumerate([UP, LOW, UP, LOW, MID, LOW, UP])]
    assert told == [P, C, T, R, T, C, P]


def test_out_of__as_text__as_people_write_it() -> None:
    assert (str(OutOf(3, 5)), str(OutOf(1, 2, ticks=True))) == ("3 of 5 blocks", "1 of 2 ticks")
    assert (OutOf(3, 5).blocks, OutOf(3, 5).ms) == (5, None)


def test_out_of__suppressed_tick__starts_it_anew() -> None:
    one = replace(rule(OutOf(2, 5)), unless=(Condition("market", Side.ABOVE, Decimal(0)),))
    assert states(one, [[UP, -1.0], [UP, 1.0], [UP, -1.0], [UP, -1.0]]) == [P, C, P, T]
    assert states(one, [[UP, -1.0], [MID, 1.0], [UP, -1.0], [UP, -1.0]]) == [P, C, P, T]
