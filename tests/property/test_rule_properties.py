"""RUL: what must hold of every rule, whatever its signals do."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from keeper.domain.signal import SignalStatus
from keeper.domain.units import Span
from keeper.domain.verdict import RuleState
from keeper.rules import codes as rule_codes
from keeper.rules import threshold
from keeper.rules.codes import STATES, State
from keeper.rules.spec import Condition, Group, Level, Moving, OutOf, RuleSpec, Share, Side, Without
from keeper.rules.threshold import Params
from tests.property.rule_texts import (
    NAMES,
    NO_INPUT,
    READY,
    WARMING,
    Moment,
    at_once,
    is_on_duty,
    is_suppressed,
    moments,
    plain_rules,
    plainly,
    rules,
    when_at,
)
from tests.support.rulings import Said, board_of, judge

pytestmark = pytest.mark.property

TIMES = settings(max_examples=200, deadline=None)
TRIPPED = {RuleState.TRIPPED, RuleState.CLEARING}


def compiled(*specs: RuleSpec) -> Params:
    return threshold.prepare([(rule, {name: NAMES.index(name) for name in rule.signals}) for rule in specs])


def said(history: Sequence[Moment]) -> list[Said]:
    return [(one.at_ms, one.block, one.values, one.statuses) for one in history]


def judged(rule: RuleSpec, history: Sequence[Moment]) -> list[RuleState]:
    params = compiled(rule)
    live, over = threshold.allocate(params), threshold.allocate(params)
    states = [STATES[int(judge(params, live, [tick]).state[0, 0])] for tick in said(history)]
    if history:
        codes = judge(params, over, said(history))
        assert [STATES[int(code)] for code in codes.state[0]] == states, "one tick a call, or all in one, is the same"
        for column, other in zip(live, over, strict=True):
            np.testing.assert_array_equal(column, other)
    return states


def verdicts(rule: RuleSpec, history: Sequence[Moment]) -> list[State]:
    """A copy of everything after each tick."""
    params = compiled(rule)
    state = threshold.allocate(params)
    found = []
    for tick in said(history):
        judge(params, state, [tick])
        found.append(State._make(column.copy() for column in state))
    return found


def trips(states: Sequence[RuleState]) -> int:
    return sum(after in TRIPPED and before not in TRIPPED for before, after in pairwise([RuleState.CLEAR, *states]))


def each(side: Condition | Group, change: Callable[[Condition], Condition]) -> Condition | Group:
    """The same with every condition changed."""
    if isinstance(side, Condition):
        return change(side)
    return replace(side, members=tuple(change(one) for one in side.members))


@TIMES
@given(rules(), moments())
def test_rul_1__compiled_pass__equals_the_plain_description(rule: RuleSpec, history: list[Moment]) -> None:
    assert judged(rule, history) == plainly(rule, history)


@TIMES
@given(plain_rules(), moments())
def test_rul_1__one_fixed_condition__equals_the_plain_description(rule: RuleSpec, history: list[Moment]) -> None:
    assert judged(rule, history) == plainly(rule, history)


@TIMES
@given(plain_rules(), moments())
def test_rul_12__short_way_of_plain_rules__says_what_the_general_one_says(
    rule: RuleSpec, history: list[Moment]
) -> None:
    short = compiled(rule)
    assume(short.others.size == 0)
    none = type(short.plain)._make(column[:0] for column in short.plain)
    general = short._replace(plain=none, others=np.array([0], dtype=np.int64))
    one, other = threshold.allocate(short), threshold.allocate(general)
    for tick in said(history):
        ours, theirs = judge(short, one, [tick]), judge(general, other, [tick])
        np.testing.assert_array_equal(ours.state, theirs.state)
        np.testing.assert_array_equal(ours.reason, theirs.reason)
        for column, same in zip(threshold.said(one), threshold.said(other), strict=True):
            np.testing.assert_array_equal(column, same)


@TIMES
@given(rules(), moments(), st.integers(1, 30))
def test_rul_2__threshold_moved_further_out__never_adds_a_trip(
    rule: RuleSpec, history: list[Moment], tenths: int
) -> None:
    strict = replace(rule, when=each(rule.when, lambda one: further_out(one, Decimal(tenths) / 10)))
    loose_states, strict_states = judged(rule, history), judged(strict, history)
    for loosely, strictly in zip(loose_states, strict_states, strict=True):
        assert strictly not in TRIPPED or loosely in TRIPPED
    # a level to clear at that is a share of the one to trip at moves out with it
    members = (rule.clear,) if isinstance(rule.clear, Condition) else rule.clear.members
    if not any(isinstance(one.threshold, Share) for one in members):
        assert trips(strict_states) <= trips(loose_states)


def further_out(condition: Condition, distance: Decimal) -> Condition:
    out = distance if condition.side is Side.ABOVE else -distance
    level = condition.threshold
    assert not isinstance(level, Share)
    moved: Level = replace(level, base=level.base + out) if isinstance(level, Moving) else level + out
    return replace(condition, threshold=moved)


@TIMES
@given(rules(), moments(reorganised=False))
def test_rul_3__trip_and_clear__are_never_nearer_than_the_persistence(rule: RuleSpec, history: list[Moment]) -> None:
    states = [RuleState.CLEAR, *judged(rule, history)]
    turned = None
    for place, ((before, after), moment) in enumerate(zip(pairwise(states), history, strict=True)):
        if (before in TRIPPED) == (after in TRIPPED):
            continue
        hold = rule.when.hold if after in TRIPPED else rule.clear.hold
        if turned is not None:
            last = history[turned]
            if isinstance(hold, OutOf):
                assert place - turned >= hold.count - 1
                assert hold.ticks or moment.block - last.block >= hold.count - 1
            else:
                assert moment.at_ms - last.at_ms >= (hold.ms or 0)
                assert moment.block - last.block >= (hold.blocks or 0) - 1
        turned = place


@TIMES
@given(plain_rules(), moments())
def test_rul_4__between_the_thresholds__nothing_turns(rule: RuleSpec, history: list[Moment]) -> None:
    middle = float((rule.first.fixed + rule.clear.members[0].fixed) / 2)
    quiet = [replace(moment, values=(middle, *moment.values[1:])) for moment in history]
    quiet = [one if one.statuses[0] is READY else replace(one, values=(math.nan, *one.values[1:])) for one in quiet]
    start = len(history) // 2
    states = judged(rule, [*history[:start], *quiet[start:]])
    begin = states[start - 1] in TRIPPED if start else False
    assert all((state in TRIPPED) is begin for state in states[start:])


@TIMES
@given(rules(), moments(), st.sampled_from([WARMING, NO_INPUT]))
def test_rul_5__signals_that_are_not_ready__never_trip_and_never_clear(
    rule: RuleSpec, history: list[Moment], missing: SignalStatus
) -> None:
    rule = replace(rule, without=Without.HOLD)
    blind = [
        replace(one, values=(math.nan,) * 3, statuses=(missing,) * 3) if place % 3 == 2 else one
        for place, one in enumerate(history)
    ]
    states = [RuleState.CLEAR, *judged(rule, blind)]
    for place, (before, after) in enumerate(pairwise(states)):
        if place % 3 == 2:
            assert after is (RuleState.TRIPPED if before in TRIPPED else RuleState.CLEAR)


@TIMES
@given(plain_rules(), moments())
def test_rul_5__streak_without_breaks__is_emptied_by_a_tick_at_which_nobody_can_tell(
    rule: RuleSpec, history: list[Moment]
) -> None:
    rule = replace(rule, when=replace(rule.first, hold=Span(blocks=3)))
    ticks = [*history, replace(history[-1], values=(math.nan,) * 3, statuses=(WARMING,) * 3)]
    far = 1e6 if rule.first.side is Side.ABOVE else -1e6
    block, at_ms = max(one.block for one in ticks), ticks[-1].at_ms
    ticks += [Moment(at_ms, block + more, (far, 0.0, 0.0), (READY,) * 3) for more in (1, 2, 3)]
    last = judged(rule, ticks)[-3:]
    if last[0] not in TRIPPED:
        assert last == [RuleState.PENDING, RuleState.PENDING, RuleState.TRIPPED]


@TIMES
@given(rules(), moments())
def test_rul_6__mirrored_values_and_rule__give_the_same_states(rule: RuleSpec, history: list[Moment]) -> None:
    mirrored = replace(
        rule,
        when=each(rule.when, mirror),
        clear=each(rule.clear, mirror),
        unless=tuple(mirror(one) for one in rule.unless),
    )
    turned = [replace(moment, values=tuple(-value for value in moment.values)) for moment in history]
    assert judged(mirrored, turned) == judged(rule, history)


def mirror(condition: Condition) -> Condition:
    level = condition.threshold
    turned: Level = level
    if isinstance(level, Decimal):
        turned = -level
    elif isinstance(level, Moving):
        low, high = level.at_least, level.at_most
        turned = replace(
            level,
            base=-level.base,
            at_least=None if high is None else -high,
            at_most=None if low is None else -low,
        )
    return replace(condition, side=condition.side.other, threshold=turned)


@TIMES
@given(plain_rules(), moments())
def test_rul_7__blindness_as_a_breach__is_a_value_far_beyond(rule: RuleSpec, history: list[Moment]) -> None:
    far = 1e9 if rule.first.side is Side.ABOVE else -1e9
    seeing = [
        replace(one, values=(far, *one.values[1:]), statuses=(READY, *one.statuses[1:]))
        if one.statuses[0] is NO_INPUT
        else one
        for one in history
    ]
    assert judged(replace(rule, without=Without.TRIP), history) == judged(rule, seeing)
    assert judged(replace(rule, without=Without.ALERT), history) == judged(rule, history)


@TIMES
@given(rules(), rules(), moments(), st.randoms())
def test_rul_8__order_of_rules_and_of_conditions__does_not_matter(
    rule: RuleSpec, other: RuleSpec, history: list[Moment], random: Random
) -> None:
    order = list(range(len(rule.when.members)))
    random.shuffle(order)
    turned = rule
    if isinstance(rule.when, Group):
        turned = replace(rule, when=replace(rule.when, members=tuple(rule.when.members[place] for place in order)))
    if len({(one.signal, one.side) for one in rule.when.members}) == len(order):  # else others would be undone
        assert judged(turned, history) == judged(rule, history)
        for one, another in zip(verdicts(rule, history), verdicts(turned, history), strict=True):
            np.testing.assert_array_equal(one.headroom, another.headroom)
    params = compiled(other, rule)
    state = threshold.allocate(params)
    codes = judge(params, state, said(history))
    assert [STATES[int(code)] for code in codes.state[1]] == judged(rule, history)
    assert [STATES[int(code)] for code in codes.state[0]] == judged(other, history)


@TIMES
@given(rules(), moments())
def test_rul_9__suppressed_or_off_schedule__never_trips_and_never_adds_a_trip(
    rule: RuleSpec, history: list[Moment]
) -> None:
    states = [RuleState.CLEAR, *judged(rule, history)]
    free = judged(replace(rule, unless=(), schedule=None), history)
    for (before, after), moment, freely in zip(pairwise(states), history, free, strict=True):
        if before not in TRIPPED and after is not RuleState.CLEAR:
            assert is_on_duty(rule.schedule, moment.at_ms)
            assert not is_suppressed(rule, moment)
        assert after not in TRIPPED or freely in TRIPPED


@TIMES
@given(rules(), moments())
def test_rul_10__when_and_clear__are_never_true_together(rule: RuleSpec, history: list[Moment]) -> None:
    params, board = compiled(rule), board_of(said(history))
    row, terms = params.rules[0], params.terms
    for tick in range(len(history)):
        stand = threshold.measured(row, tick, board.values, board.status, terms)[0]
        if stand in (rule_codes.BREACHED, rule_codes.NOT_USABLE_BREACH):
            assert threshold.recovery(row, tick, board.values, board.status, terms) != rule_codes.RECOVERED


@TIMES
@given(rules(), moments())
def test_rul_11__headroom__is_negative_just_where_the_rule_is_beyond_and_is_that_of_the_deciding_member(
    rule: RuleSpec, history: list[Moment]
) -> None:
    rule = replace(rule, without=Without.HOLD)
    alone = [
        verdicts(RuleSpec("r", at_once(one), rule.clear.members[0], rule.severity, ()), history)
        for one in rule.when.members
    ]
    for tick, state in enumerate(verdicts(rule, history)):
        room = float(state.headroom[0])
        assert (room < 0) is (when_at(rule, history[tick]) is True)
        rooms = sorted(float(each_alone[tick].headroom[0]) for each_alone in alone)
        if not any(math.isnan(one) for one in rooms):
            assert room == rooms[rule.when.needed - 1]
            member = rule.when.members[int(state.member[0])]
            assert state.value[0] == history[tick].says(member.signal)[1]
