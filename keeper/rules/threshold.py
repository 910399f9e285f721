"""The threshold rule with persistence and hysteresis, over all rules at once.

::

             when, not long enough            when, long enough
    CLEAR ─────────────────────────▶ PENDING ───────────────────▶ TRIPPED ◀──────────┐ clear no longer holds,
      ▲ ▲                               │                            │               │ or input not usable
      │ └──when no longer holds, ───────┘                            │ clear, not long enough
      │    or input not usable                                       ▼               │
      └────────────────────clear, long enough──────────────────── CLEARING ──────────┘

A hold of nothing (0 or 1 block, or no time) goes from CLEAR to TRIPPED, or from TRIPPED to CLEAR, in one tick.

Persistence in blocks counts ticks at a higher block than the last one counted: a second tick at the same block (a pushed price)
adds nothing, though it can end the streak. Where the chain goes back (a reorganisation), the tick adds nothing and counting goes on from
the lower block. Persistence in time is measured from the first true tick, at the keeper's time.

While the signal is not ready the rule neither trips nor clears, and every half-filled persistence starts anew: a tick at which
nobody could tell is not one at which the condition held. A rule that says so counts input that is not usable as a breach instead
(BLIND): it goes the way of ``when`` above, and a tripped one stays tripped. Not enough data (WARMING) is never a breach.

Headroom is the share of the threshold that is left: ``(threshold - value) / |threshold|`` for ``above`` and ``(value - threshold) /
|threshold|`` for ``below``; 0 at the threshold, negative beyond it. ``above`` reaches 1 at a value of 0, ``below`` at
twice the threshold. A threshold of 0 has no share: there it is the distance itself, in the signal's unit. NaN without a value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from keeper.domain.units import Span
from keeper.domain.verdict import RuleState, VerdictReason
from keeper.rules.spec import RuleSpec, Side, Without
from keeper.signals.bank import NEVER, READY, WARMING, Board, Bytes, Floats, Ints

CLEAR, PENDING, TRIPPED, CLEARING = range(4)
STATES = (RuleState.CLEAR, RuleState.PENDING, RuleState.TRIPPED, RuleState.CLEARING)
"""The state of each code; codes from TRIPPED on are tripped."""

REASONS = tuple(VerdictReason)
"""The reason of each code."""
INSIDE = REASONS.index(VerdictReason.INSIDE)
BREACHED = REASONS.index(VerdictReason.BREACHED)
PERSISTING = REASONS.index(VerdictReason.PERSISTING)
STILL_TRIPPED = REASONS.index(VerdictReason.STILL_TRIPPED)
RECOVERING = REASONS.index(VerdictReason.RECOVERING)
RECOVERED = REASONS.index(VerdictReason.RECOVERED)
NOT_ENOUGH_DATA = REASONS.index(VerdictReason.WARMING)
NOT_USABLE = REASONS.index(VerdictReason.NO_INPUT)
NOT_USABLE_BREACH = REASONS.index(VerdictReason.BLIND)

BY_BLOCKS = -1


class Params(NamedTuple):
    """Per rule.

    ``signal`` is the board's row of its signal, ``above`` 1 when it trips above and clears below (0 the other way round),
    ``trip_at`` and ``clear_at`` the thresholds, ``*_ms`` the holds in time (BY_BLOCKS: in blocks), ``*_blocks`` in blocks, ``blind_trips`` 1
    when input that is not usable counts as a breach.
    """

    signal: Ints
    above: Bytes
    trip_at: Floats
    trip_ms: Ints
    trip_blocks: Ints
    clear_at: Floats
    clear_ms: Ints
    clear_blocks: Ints
    blind_trips: Bytes


class State(NamedTuple):
    """Per rule.

    ``state``, ``reason``, ``value``, ``headroom``, ``since_ms`` and ``since_block`` are what a verdict says. ``streak`` counts the
    blocks for which the condition that would change the state has held (0: it does not hold), ``streak_ms`` is the time of its first tick,
    ``streak_block`` the last block counted.
    """

    state: Bytes
    reason: Bytes
    value: Floats
    headroom: Floats
    since_ms: Ints
    since_block: Ints
    streak: Ints
    streak_ms: Ints
    streak_block: Ints


class Codes(NamedTuple):
    """``state`` and ``reason`` (rules x ticks) of every rule at every tick of a board."""

    state: Bytes
    reason: Bytes


def prepare(rules: Sequence[tuple[RuleSpec, Mapping[str, int]]]) -> Params:
    """The parameters of all rules; with each rule come the board's rows of its signals, by their names."""

    def ms_of(spans: Sequence[Span]) -> Ints:
        return np.array([BY_BLOCKS if span.ms is None else span.ms for span in spans], dtype=np.int64)

    def blocks_of(spans: Sequence[Span]) -> Ints:
        return np.array([span.blocks or 0 for span in spans], dtype=np.int64)

    trip, clear = [rule.when.hold for rule, _ in rules], [rule.clear.hold for rule, _ in rules]
    return Params(
        signal=np.array([row_of[rule.when.signal] for rule, row_of in rules], dtype=np.int64),
        above=np.array([rule.when.side is Side.ABOVE for rule, _ in rules], dtype=np.int8),
        trip_at=_floats([float(rule.when.threshold) for rule, _ in rules]),
        trip_ms=ms_of(trip),
        trip_blocks=blocks_of(trip),
        clear_at=_floats([float(rule.clear.threshold) for rule, _ in rules]),
        clear_ms=ms_of(clear),
        clear_blocks=blocks_of(clear),
        blind_trips=np.array([rule.without is Without.TRIP for rule, _ in rules], dtype=np.int8),
    )


def blank(rules: int, ticks: int) -> Codes:
    """Room for the codes of so many ticks."""
    return Codes(np.zeros((rules, ticks), dtype=np.int8), np.zeros((rules, ticks), dtype=np.int8))


def _floats(values: Sequence[float]) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)


def allocate(params: Params) -> State:
    """Every rule CLEAR, not judged yet."""
    rules = len(params.signal)

    def ints(value: int) -> Ints:
        return np.full(rules, value, dtype=np.int64)

    return State(
        state=np.full(rules, CLEAR, dtype=np.int8),
        reason=np.full(rules, NOT_USABLE, dtype=np.int8),
        value=np.full(rules, np.nan),
        headroom=np.full(rules, np.nan),
        since_ms=ints(NEVER),
        since_block=ints(NEVER),
        streak=ints(0),
        streak_ms=ints(0),
        streak_block=ints(0),
    )


@njit(cache=True, error_model="numpy")
def beyond(value: float, threshold: float, above: bool) -> bool:
    """Strictly on that side of the threshold."""
    return value > threshold if above else value < threshold


@njit(cache=True, error_model="numpy")
def headroom_of(value: float, threshold: float, above: bool) -> float:
    left = threshold - value if above else value - threshold
    return left if threshold == 0.0 else left / abs(threshold)


@njit(cache=True, error_model="numpy")
def held(rule: int, at_ms: int, block: int, hold_ms: int, hold_blocks: int, state: State) -> bool:
    """Counts this tick, at which the condition holds, and says whether it has held for long enough."""
    if state.streak[rule] == 0:
        state.streak[rule] = 1
        state.streak_ms[rule] = at_ms
    elif block > state.streak_block[rule]:
        state.streak[rule] += 1
    state.streak_block[rule] = block
    if hold_ms == BY_BLOCKS:
        return bool(state.streak[rule] >= hold_blocks)
    return bool(at_ms - state.streak_ms[rule] >= hold_ms)


@njit(cache=True, error_model="numpy")
def answer(rule: int, at_ms: int, block: int, value: float, params: Params, state: State) -> tuple[int, int]:
    """(state, reason) of one rule whose signal is ready."""
    above = params.above[rule] == 1
    if state.state[rule] < TRIPPED:
        if not beyond(value, params.trip_at[rule], above):
            state.streak[rule] = 0
            return CLEAR, INSIDE
        if not held(rule, at_ms, block, params.trip_ms[rule], params.trip_blocks[rule], state):
            return PENDING, PERSISTING
        state.streak[rule] = 0
        return TRIPPED, BREACHED
    if not beyond(value, params.clear_at[rule], not above):
        state.streak[rule] = 0
        return TRIPPED, STILL_TRIPPED
    if not held(rule, at_ms, block, params.clear_ms[rule], params.clear_blocks[rule], state):
        return CLEARING, RECOVERING
    state.streak[rule] = 0
    return CLEAR, RECOVERED


@njit(cache=True, error_model="numpy")
def blind(rule: int, at_ms: int, block: int, params: Params, state: State) -> tuple[int, int]:
    """(state, reason) of one rule that counts input that is not usable as a breach, while it is not."""
    if state.state[rule] >= TRIPPED:
        state.streak[rule] = 0
        return TRIPPED, NOT_USABLE_BREACH
    if not held(rule, at_ms, block, params.trip_ms[rule], params.trip_blocks[rule], state):
        return PENDING, NOT_USABLE_BREACH
    state.streak[rule] = 0
    return TRIPPED, NOT_USABLE_BREACH


@njit(cache=True, nogil=True, error_model="numpy")
def judge(board: Board, params: Params, state: State, codes: Codes) -> None:
    """All rules over all ticks of the board, whose signals have been stepped; ``state`` is afterwards that of the last tick."""
    for rule in range(len(params.signal)):
        for tick in range(len(board.at_ms)):
            judge_one(rule, tick, board, params, state)
            codes.state[rule, tick] = state.state[rule]
            codes.reason[rule, tick] = state.reason[rule]


@njit(cache=True, error_model="numpy")
def judge_one(rule: int, tick: int, board: Board, params: Params, state: State) -> None:
    """One rule at one tick."""
    at_ms, block = board.at_ms[tick], board.block[tick]
    status = board.status[params.signal[rule], tick]
    value = board.values[params.signal[rule], tick]
    before = state.state[rule]
    if status == READY:
        after, reason = answer(rule, at_ms, block, value, params, state)
        room = headroom_of(value, params.trip_at[rule], params.above[rule] == 1)
    else:
        room = np.nan
        if status != WARMING and params.blind_trips[rule] == 1:
            after, reason = blind(rule, at_ms, block, params, state)
        else:
            after = TRIPPED if before >= TRIPPED else CLEAR
            reason = NOT_ENOUGH_DATA if status == WARMING else NOT_USABLE
            state.streak[rule] = 0
    if after != before or state.since_ms[rule] == NEVER:
        state.since_ms[rule] = at_ms
        state.since_block[rule] = block
    state.state[rule] = after
    state.reason[rule] = reason
    state.value[rule] = value
    state.headroom[rule] = room
