"""The commonest rule, judged on a short way: one condition with a fixed threshold, no suppressor, no schedule, persistence without gaps.

It says and remembers what ``threshold`` would, several times faster, because nothing has to be looked up: everything of one rule is in registers
while it goes over the ticks, and a tick at which a clear rule stays clear costs one comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numba import njit

from keeper.domain.units import Span
from keeper.rules.codes import (
    BREACHED,
    CLEAR,
    CLEARING,
    INSIDE,
    NOT_ENOUGH_DATA,
    NOT_USABLE,
    NOT_USABLE_BREACH,
    PENDING,
    PERSISTING,
    RECOVERED,
    RECOVERING,
    STILL_TRIPPED,
    TRIPPED,
    Codes,
    State,
)
from keeper.rules.persistence import BY_BLOCKS
from keeper.rules.spec import Condition, Group, RuleSpec, Side, Without
from keeper.signals.bank import NEVER, READY, WARMING, Board, Bytes, Floats, Ints, Rows

AT_ONCE = 256
"""Ticks that are looked at together."""


class Plain(NamedTuple):
    """Per plain rule.

    ``place`` is its position among all, ``signal`` the board's row of its signal, ``above`` 1 where it trips above; ``*_at`` are the thresholds,
    ``*_ms`` how long they must be passed in time (BY_BLOCKS: ``*_blocks`` in blocks); ``blind`` is 1 where input that is not usable counts as a
    breach.
    """

    place: Ints
    signal: Rows
    above: Bytes
    trip_at: Floats
    trip_ms: Ints
    trip_blocks: Ints
    clear_at: Floats
    clear_ms: Ints
    clear_blocks: Ints
    blind: Bytes


def is_plain(rule: RuleSpec) -> bool:
    """Whether the short way may be taken."""
    when, clear = rule.when, rule.clear
    return (
        isinstance(when, Condition)
        and isinstance(clear, Condition)
        and _is_number(when)
        and _is_number(clear)
        and when.signal == clear.signal
        and when.side is not clear.side
        and isinstance(when.hold, Span)
        and isinstance(clear.hold, Span)
        and not rule.unless
        and rule.schedule is None
    )


def _is_number(condition: Condition) -> bool:
    return isinstance(condition.threshold, Decimal)


def plain_of(rules: Sequence[tuple[RuleSpec, Mapping[str, int]]]) -> Plain:
    """Those of the rules that are plain; with each rule come the board's rows of its signals."""
    chosen = [(index, rule, row_of) for index, (rule, row_of) in enumerate(rules) if is_plain(rule)]
    whens, clears = (
        _conditions([rule.when for _, rule, _ in chosen]),
        _conditions([rule.clear for _, rule, _ in chosen]),
    )
    return Plain(
        place=np.array([index for index, _, _ in chosen], dtype=np.int64),
        signal=np.array(
            [row_of[when.signal] for (_, _, row_of), when in zip(chosen, whens, strict=True)], dtype=np.int32
        ),
        above=np.array([when.side is Side.ABOVE for when in whens], dtype=np.int8),
        trip_at=np.array([float(when.fixed) for when in whens], dtype=np.float64),
        trip_ms=_ms(whens),
        trip_blocks=_blocks(whens),
        clear_at=np.array([float(clear.fixed) for clear in clears], dtype=np.float64),
        clear_ms=_ms(clears),
        clear_blocks=_blocks(clears),
        blind=np.array([rule.without is Without.TRIP for _, rule, _ in chosen], dtype=np.int8),
    )


def _conditions(given: Sequence[Condition | Group]) -> list[Condition]:
    return [one for one in given if isinstance(one, Condition)]


def _spans(conditions: Sequence[Condition]) -> list[Span]:
    return [one.hold for one in conditions if isinstance(one.hold, Span)]


def _ms(conditions: Sequence[Condition]) -> Ints:
    return np.array([BY_BLOCKS if hold.ms is None else hold.ms for hold in _spans(conditions)], dtype=np.int64)


def _blocks(conditions: Sequence[Condition]) -> Ints:
    return np.array([hold.blocks or 0 for hold in _spans(conditions)], dtype=np.int64)


@njit(cache=True, inline="always", error_model="numpy")
def passed(value: float, threshold: float, above: bool) -> bool:
    """Strictly on that side of the threshold."""
    return value > threshold if above else value < threshold


@njit(cache=True, inline="always", error_model="numpy")
def stand_of(
    known: int, value: float, up: bool, above: bool, trip_at: float, clear_at: float, blind: bool
) -> tuple[bool, int]:
    """(whether what would turn the rule holds, reason), for a rule that is tripped (``up``) or not."""
    if known == WARMING:
        return False, NOT_ENOUGH_DATA
    if known != READY:
        return blind and not up, NOT_USABLE_BREACH if blind else NOT_USABLE
    if up:
        back = passed(value, clear_at, not above)
        return back, RECOVERED if back else STILL_TRIPPED
    breached = passed(value, trip_at, above)
    return breached, BREACHED if breached else INSIDE


@njit(cache=True, inline="always", error_model="numpy")
def counted(at_ms: int, block: int, run: int, first_ms: int, last_block: int) -> tuple[int, int]:
    """(run, first_ms) after one more tick at which it holds."""
    if run == 0:
        return 1, at_ms
    return run + 1 if block > last_block else run, first_ms


@njit(cache=True, inline="always", error_model="numpy")
def turned(up: bool, long: bool, run: int, reason: int) -> tuple[int, int, int]:
    """(state, reason, run) where what turns the rule holds, for long enough or not."""
    if long:
        return CLEAR if up else TRIPPED, reason, 0
    if up:
        return CLEARING, RECOVERING, run
    return PENDING, PERSISTING if reason == BREACHED else reason, run


@njit(cache=True, inline="always", error_model="numpy")
def room_left(value: float, threshold: float, above: bool) -> float:
    """The headroom, as ``terms.headroom_of`` defines it."""
    left = threshold - value if above else value - threshold
    return left if threshold == 0.0 else left / abs(threshold)


@njit(cache=True, error_model="numpy")
def none_passed(values: Floats, status: Bytes, threshold: float, above: bool) -> bool:
    """Whether all of these are there, and none is on that side of the threshold."""
    odd, known = np.int64(0), np.int8(READY)
    for one in status:
        known = np.int8(known | one)
    if known != READY:
        return False
    if above:
        for tick in range(len(values)):
            odd |= np.int64(values[tick] > threshold)
    else:
        for tick in range(len(values)):
            odd |= np.int64(values[tick] < threshold)
    return bool(odd == 0)


@njit(cache=True, error_model="numpy")
def unmoved_until(tick: int, values: Floats, status: Bytes, threshold: float, above: bool) -> int:
    """The first tick from this one on that has no value, or one on that side of the threshold."""
    last = len(values)
    while tick + AT_ONCE <= last and none_passed(
        values[tick : tick + AT_ONCE], status[tick : tick + AT_ONCE], threshold, above
    ):
        tick += AT_ONCE
    while tick < last and status[tick] == READY and not passed(values[tick], threshold, above):
        tick += 1
    return tick


@njit(cache=True, forceinline=True, error_model="numpy")
def next_of(
    code: int,
    run: int,
    first_ms: int,
    last_block: int,
    known: int,
    value: float,
    at_ms: int,
    block: int,
    above: bool,
    trip_at: float,
    clear_at: float,
    blind: bool,
    hold_ms: int,
    hold_blocks: int,
) -> tuple[int, int, int, int, int]:
    """(state, reason, run, first_ms, last_block) after one more tick; the hold is that of what would turn the rule."""
    up = code >= TRIPPED
    holds, reason = stand_of(known, value, up, above, trip_at, clear_at, blind)
    if not holds:
        return TRIPPED if up else CLEAR, reason, 0, first_ms, last_block
    run, first_ms = counted(at_ms, block, run, first_ms, last_block)
    long = run >= hold_blocks if hold_ms == BY_BLOCKS else at_ms - first_ms >= hold_ms
    code, reason, run = turned(up, long, run, reason)
    return code, reason, run, first_ms, block


@njit(cache=True, inline="always", error_model="numpy")
def remember(
    place: int, code: int, reason: int, trip_at: float, since_ms: int, since_block: int, run: int, first_ms: int,
    last_block: int, state: State,
) -> None:  # fmt: skip
    """Where a rule stands after the last tick."""
    state.state[place], state.reason[place], state.threshold[place] = code, reason, trip_at
    state.since_ms[place], state.since_block[place] = since_ms, since_block
    gathered = state.clear[place] if code >= TRIPPED else state.trip[place]
    idle = state.trip[place] if code >= TRIPPED else state.clear[place]
    idle["run"], idle["first_ms"], idle["block"] = 0, 0, NEVER
    if run == 0:
        first_ms, last_block = 0, NEVER
    gathered["run"], gathered["first_ms"], gathered["block"] = run, first_ms, last_block


@njit(cache=True, error_model="numpy")
def judge_over(board: Board, plain: Plain, state: State, codes: Codes) -> None:
    """All plain rules over many ticks, one rule after the other."""
    for each in range(len(plain.place)):
        place, row = plain.place[each], plain.signal[each]
        values, status = board.values[row], board.status[row]
        states, reasons = codes.state[place], codes.reason[place]
        above, trip_at, clear_at = plain.above[each] == 1, plain.trip_at[each], plain.clear_at[each]
        code, reason = int(state.state[place]), int(state.reason[place])
        since_ms, since_block = state.since_ms[place], state.since_block[place]
        memory = state.clear[place] if code >= TRIPPED else state.trip[place]
        run, first_ms, last_block = memory["run"], memory["first_ms"], memory["block"]
        tick = 0
        while tick < len(values):
            up = code >= TRIPPED
            if run == 0 and since_ms != NEVER:
                until = unmoved_until(tick, values, status, clear_at if up else trip_at, above != up)
                if until > tick:
                    reason = STILL_TRIPPED if up else INSIDE
                    states[tick:until] = code
                    reasons[tick:until] = reason
                    tick = until
                    continue
            at_ms, block, before = board.at_ms[tick], board.block[tick], code
            code, reason, run, first_ms, last_block = next_of(
                code, run, first_ms, last_block, status[tick], values[tick], at_ms, block,
                above, trip_at, clear_at, plain.blind[each] == 1,
                plain.clear_ms[each] if up else plain.trip_ms[each],
                plain.clear_blocks[each] if up else plain.trip_blocks[each],
            )  # fmt: skip
            if code != before or since_ms == NEVER:
                since_ms, since_block = at_ms, block
            states[tick], reasons[tick] = code, reason
            tick += 1
        remember(place, code, reason, trip_at, since_ms, since_block, run, first_ms, last_block, state)
        state.value[place], state.headroom[place] = values[-1], room_left(values[-1], trip_at, above)


@njit(cache=True, inline="always", error_model="numpy")
def judge_one(
    each: int, known: int, value: float, at_ms: int, block: int, plain: Plain, state: State
) -> tuple[int, int]:
    """(state, reason) of one plain rule after one more tick."""
    place, trip_at = plain.place[each], plain.trip_at[each]
    before = int(state.state[place])
    up = before >= TRIPPED
    memory = state.clear[place] if up else state.trip[place]
    code, reason, run, first_ms, last_block = next_of(
        before, memory["run"], memory["first_ms"], memory["block"], known, value, at_ms, block,
        plain.above[each] == 1, trip_at, plain.clear_at[each], plain.blind[each] == 1,
        plain.clear_ms[each] if up else plain.trip_ms[each],
        plain.clear_blocks[each] if up else plain.trip_blocks[each],
    )  # fmt: skip
    since_ms, since_block = state.since_ms[place], state.since_block[place]
    if code != before or since_ms == NEVER:
        since_ms, since_block = at_ms, block
    remember(place, code, reason, trip_at, since_ms, since_block, run, first_ms, last_block, state)
    return code, reason


@njit(cache=True, inline="always", error_model="numpy")
def stays_tripped(each: int, kept: int, known: int, value: float, plain: Plain) -> bool:
    """Whether a plain rule that was tripped for this reason stays so, and nothing gathers."""
    return bool(
        kept == STILL_TRIPPED and known == READY and not passed(value, plain.clear_at[each], plain.above[each] != 1)
    )


@njit(cache=True, error_model="numpy")
def judge_once(board: Board, plain: Plain, state: State, codes: Codes) -> None:
    """All plain rules at the only tick: first in one go those that stay clear, then the others one by one."""
    values, status = board.values.reshape(-1), board.status.reshape(-1)
    states, reasons = codes.state.reshape(-1), codes.reason.reshape(-1)
    at_ms, block, count = board.at_ms[0], board.block[0], len(plain.place)
    known, moved = np.empty(count, np.int8), np.empty(count, np.int8)
    first, end = plain.place[0], plain.place[-1] + 1
    together = end - first == count  # no other rule is between them
    if together:
        seen, room = state.value[first:end], state.headroom[first:end]
        kept, code_of, reason_of = state.reason[first:end], states[first:end], reasons[first:end]
    else:
        seen, room = np.empty(count), np.empty(count)
        kept, code_of, reason_of = state.reason[plain.place], np.empty(count, np.int8), np.empty(count, np.int8)
    for each in range(count):
        seen[each], known[each] = values[plain.signal[each]], status[plain.signal[each]]
    for each in range(count):
        room[each] = room_left(seen[each], plain.trip_at[each], plain.above[each] == 1)
    for each in range(count):
        value, threshold = seen[each], plain.trip_at[each]
        out = value > threshold if plain.above[each] == 1 else value < threshold
        moved[each] = out | (known[each] != READY) | (kept[each] != INSIDE)
    for each in range(count):
        code_of[each] = TRIPPED if kept[each] == STILL_TRIPPED else CLEAR
        reason_of[each] = kept[each]
    if not together:
        for each in range(count):
            place = plain.place[each]
            state.value[place], state.headroom[place] = seen[each], room[each]
            states[place], reasons[place] = code_of[each], reason_of[each]
    for each in range(count):
        if moved[each] and not stays_tripped(each, kept[each], known[each], seen[each], plain):
            place = plain.place[each]
            states[place], reasons[place] = judge_one(each, known[each], seen[each], at_ms, block, plain, state)


@njit(cache=True, nogil=True, error_model="numpy")
def judge_plain(board: Board, plain: Plain, state: State, codes: Codes) -> None:
    """All plain rules over all ticks of the board, one at least; ``state`` is afterwards that of the last tick."""
    if len(plain.place) == 0:
        return
    if len(board.at_ms) == 1:
        judge_once(board, plain, state, codes)
    else:
        judge_over(board, plain, state, codes)
