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
from keeper.signals.bank import NEVER, READY, WARMING, Board, Bytes, Floats, Ints


class Plain(NamedTuple):
    """Per plain rule.

    ``place`` is its position among all, ``signal`` the board's row of its signal, ``above`` 1 where it trips above; ``*_at`` are the thresholds,
    ``*_ms`` how long they must be passed in time (BY_BLOCKS: ``*_blocks`` in blocks); ``blind`` is 1 where input that is not usable counts as a
    breach.
    """

    place: Ints
    signal: Ints
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
            [row_of[when.signal] for (_, _, row_of), when in zip(chosen, whens, strict=True)], dtype=np.int64
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


@njit(cache=True, inline="always", error_model="numpy")
def calm_until(tick: int, board: Board, row: int, trip_at: float, above: bool, place: int, codes: Codes) -> int:
    """The first tick from this one on that does not leave a clear rule clear; writes the codes of those before it."""
    while (
        tick < len(board.at_ms)
        and board.status[row, tick] == READY
        and not passed(board.values[row, tick], trip_at, above)
    ):
        codes.state[place, tick], codes.reason[place, tick] = CLEAR, INSIDE
        tick += 1
    return tick


@njit(cache=True, inline="always", error_model="numpy")
def judge_from(tick: int, each: int, board: Board, plain: Plain, state: State, codes: Codes) -> None:
    """One plain rule from this tick on."""
    place, row = plain.place[each], plain.signal[each]
    above, trip_at, clear_at = plain.above[each] == 1, plain.trip_at[each], plain.clear_at[each]
    code, reason = state.state[place], state.reason[place]
    since_ms, since_block = state.since_ms[place], state.since_block[place]
    memory = state.clear[place] if code >= TRIPPED else state.trip[place]
    run, first_ms, last_block = memory["run"], memory["first_ms"], memory["block"]
    while tick < len(board.at_ms):
        if code == CLEAR and run == 0 and since_ms != NEVER:
            calm = calm_until(tick, board, row, trip_at, above, place, codes)
            if calm > tick:
                tick, reason = calm, INSIDE
                continue
        at_ms, block, before, up = board.at_ms[tick], board.block[tick], code, code >= TRIPPED
        value, known = board.values[row, tick], board.status[row, tick]
        holds, reason = stand_of(known, value, up, above, trip_at, clear_at, plain.blind[each] == 1)
        hold_ms = plain.clear_ms[each] if up else plain.trip_ms[each]
        if holds:
            run, first_ms = counted(at_ms, block, run, first_ms, last_block)
            last_block = block
            blocks = plain.clear_blocks[each] if up else plain.trip_blocks[each]
            long = run >= blocks if hold_ms == BY_BLOCKS else at_ms - first_ms >= hold_ms
            code, reason, run = turned(up, long, run, reason)
        else:
            code, run = TRIPPED if up else CLEAR, 0
        if code != before or since_ms == NEVER:
            since_ms, since_block = at_ms, block
        codes.state[place, tick], codes.reason[place, tick] = code, reason
        tick += 1
    state.state[place], state.reason[place], state.threshold[place] = code, reason, trip_at
    state.since_ms[place], state.since_block[place] = since_ms, since_block
    gathered = state.clear[place] if code >= TRIPPED else state.trip[place]
    idle = state.trip[place] if code >= TRIPPED else state.clear[place]
    idle["run"], idle["first_ms"], idle["block"] = 0, 0, NEVER
    if run == 0:
        first_ms, last_block = 0, NEVER
    gathered["run"], gathered["first_ms"], gathered["block"] = run, first_ms, last_block


@njit(cache=True, nogil=True, error_model="numpy")
def judge_plain(board: Board, plain: Plain, state: State, codes: Codes) -> None:
    """All plain rules over all ticks of the board, one at least; ``state`` is afterwards that of the last tick."""
    last = len(board.at_ms) - 1
    for each in range(len(plain.place)):
        place, row = plain.place[each], plain.signal[each]
        above, trip_at = plain.above[each] == 1, plain.trip_at[each]
        tick = 0
        if (
            state.reason[place] == INSIDE
        ):  # clear, and nothing has gathered: as long as that lasts, nothing else is looked at
            tick = calm_until(0, board, row, trip_at, above, place, codes)
        if tick <= last:
            judge_from(tick, each, board, plain, state, codes)
        value = board.values[row, last]
        state.value[place], state.headroom[place] = value, room_left(value, trip_at, above)
