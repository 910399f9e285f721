"""RUL: what must hold of every rule, whatever its signal does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import accumulate, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.domain.signal import SignalStatus
from keeper.domain.units import Span
from keeper.domain.verdict import RuleState, Severity
from keeper.rules import threshold
from keeper.rules.spec import Condition, RuleSpec, Side, Without
from keeper.rules.threshold import STATES
from tests.support.rulings import Said, judge

pytestmark = pytest.mark.property

TIMES = settings(max_examples=150, deadline=None)
TRIPPED = {RuleState.TRIPPED, RuleState.CLEARING}


@dataclass(frozen=True)
class Moment:
    at_ms: int
    block: int
    value: float
    status: SignalStatus


holds = st.one_of(st.integers(0, 4).map(lambda n: Span(blocks=n)), st.integers(0, 40).map(lambda ms: Span(ms=ms)))
numbers = st.integers(-40, 40).map(lambda tenth: tenth / 10)
statuses = st.sampled_from([SignalStatus.READY] * 8 + [SignalStatus.WARMING, SignalStatus.NO_INPUT])


@st.composite
def rules(draw: st.DrawFn) -> RuleSpec:
    """Any sound rule over values from -4 to 4."""
    low, high = sorted(draw(st.lists(st.integers(-30, 30), min_size=2, max_size=2, unique=True)))
    side = draw(st.sampled_from(Side))
    trip, clear = (high, low) if side is Side.ABOVE else (low, high)
    other = Side.BELOW if side is Side.ABOVE else Side.ABOVE
    return RuleSpec(
        "r",
        Condition("s", side, Decimal(trip) / 10, draw(holds)),
        Condition("s", other, Decimal(clear) / 10, draw(holds)),
        Severity.CRITICAL,
        (),
    )


@st.composite
def moments(draw: st.DrawFn, reorganised: bool = True) -> list[Moment]:
    """A history: time never goes back; blocks mostly go on, sometimes stay, sometimes go back."""
    steps = st.tuples(
        st.integers(0, 15), st.sampled_from([1, 1, 1, 1, 0, 2, -2] if reorganised else [1, 1, 0, 2]), numbers, statuses
    )
    drawn = draw(st.lists(steps, min_size=1, max_size=60))
    times = accumulate(step[0] for step in drawn)
    blocks = accumulate((step[1] for step in drawn), initial=100)
    return [Moment(at, block, step[2], step[3]) for at, block, step in zip(times, blocks, drawn, strict=False)]


def judged(rule: RuleSpec, history: Sequence[Moment]) -> list[RuleState]:
    params = threshold.prepare([(rule, dict.fromkeys(rule.signals, 0))])
    live, over = threshold.allocate(params), threshold.allocate(params)
    said: list[Said] = [
        (one.at_ms, one.block, [one.value if one.status is SignalStatus.READY else math.nan], [one.status])
        for one in history
    ]
    states = [STATES[int(judge(params, live, [tick]).state[0, 0])] for tick in said]
    if said:
        at_once = judge(params, over, said)
        assert [STATES[int(code)] for code in at_once.state[0]] == states, "one tick a call, or all in one, is the same"
        for column, other in zip(live, over, strict=True):
            np.testing.assert_array_equal(column, other)
    return states


def is_true(condition: Condition, moment: Moment) -> bool:
    """The condition holds at this tick, and somebody could tell."""
    if moment.status is not SignalStatus.READY:
        return False
    at = float(condition.threshold)
    return moment.value > at if condition.side is Side.ABOVE else moment.value < at


def satisfied(condition: Condition, streak: Sequence[Moment]) -> bool:
    """Plainly: these ticks, each of which is true, are long enough."""
    if condition.hold.ms is not None:
        return streak[-1].at_ms - streak[0].at_ms >= condition.hold.ms
    return 1 + sum(later.block > earlier.block for earlier, later in pairwise(streak)) >= (condition.hold.blocks or 0)


def plainly(rule: RuleSpec, history: Sequence[Moment]) -> list[RuleState]:
    """The rule as its description reads: a list of ticks for which the awaited condition has held without a break."""
    states: list[RuleState] = []
    tripped, streak = False, list[Moment]()
    for moment in history:
        awaited = rule.clear if tripped else rule.when
        streak = [*streak, moment] if is_true(awaited, moment) else []
        if streak and satisfied(awaited, streak):
            tripped, streak = not tripped, []
            states.append(RuleState.TRIPPED if tripped else RuleState.CLEAR)
        elif streak:
            states.append(RuleState.CLEARING if tripped else RuleState.PENDING)
        else:
            states.append(RuleState.TRIPPED if tripped else RuleState.CLEAR)
    return states


@TIMES
@given(rules(), moments())
def test_rul_1__compiled_pass__equals_the_plain_description(rule: RuleSpec, history: list[Moment]) -> None:
    assert judged(rule, history) == plainly(rule, history)


@TIMES
@given(rules(), moments(), st.integers(1, 30))
def test_rul_2__threshold_moved_further_out__never_adds_a_trip(
    rule: RuleSpec, history: list[Moment], tenths: int
) -> None:
    out = Decimal(tenths) / 10 * (1 if rule.when.side is Side.ABOVE else -1)
    strict = replace(rule, when=replace(rule.when, threshold=rule.when.threshold + out))
    loose_states, strict_states = judged(rule, history), judged(strict, history)
    for loosely, strictly in zip(loose_states, strict_states, strict=True):
        assert strictly not in TRIPPED or loosely in TRIPPED
    assert trips(strict_states) <= trips(loose_states)


def trips(states: Sequence[RuleState]) -> int:
    return sum(after in TRIPPED and before not in TRIPPED for before, after in pairwise([RuleState.CLEAR, *states]))


@TIMES
@given(rules(), moments(reorganised=False))
def test_rul_3__trip_and_clear__are_never_nearer_than_the_persistence(rule: RuleSpec, history: list[Moment]) -> None:
    states = [RuleState.CLEAR, *judged(rule, history)]
    turned = None
    for (before, after), moment in zip(pairwise(states), history, strict=True):
        if (before in TRIPPED) == (after in TRIPPED):
            continue
        awaited = rule.when if after in TRIPPED else rule.clear
        if turned is not None:
            assert moment.at_ms - turned.at_ms >= (awaited.hold.ms or 0)
            assert moment.block - turned.block >= (awaited.hold.blocks or 0) - 1
        turned = moment


@TIMES
@given(rules(), moments())
def test_rul_4__between_the_thresholds__nothing_turns(rule: RuleSpec, history: list[Moment]) -> None:
    middle = float((rule.when.threshold + rule.clear.threshold) / 2)
    quiet = [replace(moment, value=middle) for moment in history]
    start = len(history) // 2
    states = judged(rule, [*history[:start], *quiet[start:]])
    begin = states[start - 1] in TRIPPED if start else False
    assert all((state in TRIPPED) is begin for state in states[start:])


@TIMES
@given(rules(), moments())
def test_rul_5__signal_that_is_not_ready__never_trips_and_never_clears(rule: RuleSpec, history: list[Moment]) -> None:
    states = [RuleState.CLEAR, *judged(rule, history)]
    for (before, after), moment in zip(pairwise(states), history, strict=True):
        if moment.status is not SignalStatus.READY:
            assert after is (RuleState.TRIPPED if before in TRIPPED else RuleState.CLEAR)


@TIMES
@given(rules(), moments())
def test_rul_6__mirrored_values_and_rule__give_the_same_states(rule: RuleSpec, history: list[Moment]) -> None:
    sides = {Side.ABOVE: Side.BELOW, Side.BELOW: Side.ABOVE}

    def mirror(condition: Condition) -> Condition:
        return replace(condition, side=sides[condition.side], threshold=-condition.threshold)

    mirrored = replace(rule, when=mirror(rule.when), clear=mirror(rule.clear))
    assert judged(mirrored, [replace(moment, value=-moment.value) for moment in history]) == judged(rule, history)


@TIMES
@given(rules(), moments())
def test_rul_7__blindness_as_a_breach__is_a_value_far_beyond(rule: RuleSpec, history: list[Moment]) -> None:
    far = 1e9 if rule.when.side is Side.ABOVE else -1e9
    seeing = [
        replace(one, value=far, status=SignalStatus.READY) if one.status is SignalStatus.NO_INPUT else one
        for one in history
    ]
    assert judged(replace(rule, without=Without.TRIP), history) == judged(rule, seeing)
    assert judged(replace(rule, without=Without.ALERT), history) == judged(rule, history)
