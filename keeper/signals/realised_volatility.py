"""Realised volatility: the root of the sum of squared log returns over a window.

Definition. The window is cut into sampling intervals of time, of blocks or of samples (see ``ring``). The sample of an interval is the last
usable price in it; the interval in progress counts with its last price so far, so that a shock shows at once and not when the interval ends.
With ``n = window / sampling`` and ``i`` the interval in progress::

    value = sqrt(sum of ln(p[j] / p[q])**2 for every sample j with i - n < j <= i),   q the sample before j

Annualised (only a window of time can be)::

    value = sqrt(365 days / window) * the above

Unit: VOLATILITY, over the window itself unless it is annualised: 0.02 over 1 h is a move of about 2 % in an hour, and 1.87 a year.

Gaps. An interval without a usable price has no sample. The return across a gap is formed whole, and counted at its end: returns are
nearly uncorrelated, so the square of the whole is an unbiased estimate of the squares that were not seen, and a price that
comes back from an outage somewhere else is just what must not be overlooked. Blocks slower than the sampling interval need this
too. After a gap longer than the window (more than ``n`` intervals from sample to sample) nothing is formed: it starts anew.

Warm-up. WARMING until the first sample is ``n`` intervals back, which is when the window is full.

Bad input. A price that is missing, not finite, zero or negative is no sample: NO_INPUT for that tick, and what was gathered
stays. At equal times the last price counts.

Numerics. Returns as in ``log_return``. Their squares are summed as in ``sliding_sum``: only additions of numbers that are not negative, so there
is no cancellation and no drift however long it runs. The relative error stays below 1e-15 + n * 6e-17.

Source: T. G. Andersen and T. Bollerslev (1998), Answering the Skeptics: Yes, Standard Volatility Models Do Provide
Accurate Forecasts, International Economic Review 39(4), 885-905.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from keeper.signals.bank import (
    NEVER,
    NO_INPUT,
    READY,
    WARMING,
    Board,
    Floats,
    Ints,
    Slots,
    is_price,
)
from keeper.signals.log_return import log_return, squared_returns
from keeper.signals.ring import BY_BLOCK, Cut, cut_of, interval_of
from keeper.signals.sliding_sum import begin, push, sums_of
from keeper.signals.spec import SignalSpec
from keeper.signals.stretch import AT_ONCE, SEGMENT, even_until
from keeper.signals.windows import scale_of


class Params(NamedTuple):
    """``scale`` is what the root is multiplied by: 1, or that which makes it annual."""

    cut: Cut
    scale: Floats


class State(NamedTuple):
    """Per slot.

    ``interval`` is the one in progress, ``first`` the first sample since the last start, ``price`` the last usable price, ``base`` the sample
    before it (NaN when there is none), ``square`` that of the return between the two; ``place``, ``head`` and ``parts`` keep the squared returns of
    the n - 1 intervals before, see ``sliding_sum``.
    """

    interval: Ints
    first: Ints
    price: Floats
    base: Floats
    square: Floats
    place: Ints
    head: Floats
    parts: Floats


def prepare(specs: Sequence[SignalSpec]) -> Params:
    return Params(cut_of(specs), np.array([scale_of(spec, spec.window("window")) for spec in specs]))


def allocate(params: Params) -> State:
    slots = len(params.scale)
    longest = int(params.cut.length.max(initial=2)) - 1
    return State(
        interval=np.full(slots, NEVER, dtype=np.int64),
        first=np.full(slots, NEVER, dtype=np.int64),
        price=np.full(slots, np.nan),
        base=np.full(slots, np.nan),
        square=np.zeros(slots),
        place=np.zeros(slots, dtype=np.int64),
        head=np.zeros(slots),
        parts=np.zeros((longest, slots)),
    )


@njit(cache=True, inline="always", error_model="numpy")
def squared(price: float, base: float) -> float:
    """The squared return; 0 where there is no base."""
    return 0.0 if np.isnan(base) else log_return(price, base) ** 2


@njit(cache=True, inline="always", error_model="numpy")
def close(square: float, intervals: int, place: int, head: float, parts: Floats) -> tuple[int, float]:
    """(place, head) after so many intervals, of which the first has this squared return and the others none."""
    place, head = push(square, place, head, parts)
    for _ in range(intervals - 1):
        place, head = push(0.0, place, head, parts)
    return place, head


@njit(cache=True, nogil=True, error_model="numpy")
def step(board: Board, slots: Slots, params: Params, state: State) -> None:
    """The only input is the price."""
    if len(board.at_ms) == 1:
        step_once(board, slots, params, state)
        return
    for slot in range(len(slots.rows)):
        step_slot(slot, board, slots, params, state)


@njit(cache=True, error_model="numpy")
def roll(slot: int, now: int, interval: int, length: int, state: State) -> None:
    """Closes the interval in progress of a slot and begins ``now``, which is a later one."""
    state.interval[slot] = now
    place = state.place[slot]
    parts = state.parts[: length - 1, slot]
    if interval == NEVER or now - interval > length:
        state.first[slot], state.base[slot], state.head[slot] = now, np.nan, 0.0
        state.place[slot] = begin(now, parts)
        return
    state.base[slot] = state.price[slot]
    state.place[slot], state.head[slot] = close(state.square[slot], now - interval, place, state.head[slot], parts)


@njit(cache=True, error_model="numpy")
def step_once(board: Board, slots: Slots, params: Params, state: State) -> None:
    """All slots at the only tick: the squares of all returns are formed together."""
    values, statuses = board.values.reshape(-1), board.status.reshape(-1)
    full = np.empty(len(slots.rows), np.int64)
    count = enter_once(board, slots, params.cut, state, full)
    if count > 0:
        sum_parts(full[:count], params.cut.length, state.parts)
    squared_returns(state.price, state.base, state.square)
    rest = np.empty(len(slots.rows))
    for slot in range(len(rest)):
        rest[slot] = state.parts[state.place[slot], slot]
    for slot in range(len(rest)):
        rest[slot] = total_root(state.head[slot], rest[slot], state.square[slot], params.scale[slot])
    for slot in range(len(rest)):
        row = slots.rows[slot]
        values[row] = rest[slot] if statuses[row] == READY else np.nan


@njit(cache=True, error_model="numpy")
def enter_once(board: Board, slots: Slots, cut: Cut, state: State, full: Ints) -> int:
    """Takes in the price of each slot, and writes its status; of those whose parts are to be summed (``full``) it gives the number."""
    count = 0
    at_ms, block = board.at_ms[0], board.block[0]
    values, statuses = board.values.reshape(-1), board.status.reshape(-1)
    for slot in range(len(slots.rows)):
        of = slots.inputs[slot, 0]
        price, status = values[of], statuses[of]
        if status == READY and not is_price(price):
            status = NO_INPUT
        if status == READY:
            by, each, length = cut.by[slot], cut.each[slot], cut.length[slot]
            interval = state.interval[slot]
            now = interval_of(block if by == BY_BLOCK else at_ms, interval, by, each)
            place = state.place[slot]
            if now == interval + 1 and place + 2 < length:  # as nearly always, and what ``push`` does then
                state.interval[slot], state.place[slot] = now, place + 1
                state.parts[place, slot] = state.square[slot]
                state.head[slot] += state.square[slot]
                state.base[slot] = state.price[slot]
            elif (
                now == interval + 1 and place + 2 == length
            ):  # where it does, it often does in all slots at the same tick
                state.interval[slot], state.place[slot], state.head[slot] = now, 0, 0.0
                state.parts[place, slot] = state.square[slot]
                state.base[slot] = state.price[slot]
                full[count] = slot
                count += 1
            elif now > interval:
                roll(slot, now, interval, length, state)
            state.price[slot] = price
            status = READY if now - state.first[slot] >= length else WARMING
        statuses[slots.rows[slot]] = status
    return count


@njit(cache=True, error_model="numpy")
def sum_parts(full: Ints, length: Ints, parts: Floats) -> None:
    """Sums the blocks of these slots, which are full, from their ends, as ``push`` does each.

    One row of ``parts`` after the other and not one slot after the other: the parts of a slot are so far from each other in memory that hardly
    one would be in the cache, and where all windows fill up at the same tick that would be the longest tick of all. Slots of the same
    window are beside each other (``Wiring``), so that several are added up at a time.
    """
    begin = 0
    while begin < len(full):
        first, size = full[begin], length[full[begin]] - 1
        end = begin + 1
        while end < len(full) and full[end] == first + end - begin and length[full[end]] == size + 1:
            end += 1
        totals = np.zeros(end - begin)
        for back in range(size - 1, -1, -1):
            add_up(parts[back, first : first + end - begin], totals)
        begin = end


@njit(cache=True, error_model="numpy")
def add_up(row: Floats, totals: Floats) -> None:
    """Adds each of the row to its total, and keeps what that comes to in the row."""
    for place in range(len(row)):
        totals[place] += row[place]
        row[place] = totals[place]


@njit(cache=True, inline="always", error_model="numpy")
def total_root(head: float, rest: float, square: float, scale: float) -> float:
    """The value: from what ``sliding_sum`` keeps, and the square of the interval in progress."""
    return math.sqrt(head + rest + square) * scale


@njit(cache=True, error_model="numpy")
def step_slot(slot: int, board: Board, slots: Slots, params: Params, state: State) -> None:
    """One slot over all ticks. What it remembers is in registers."""
    cut, ticks = params.cut, len(board.at_ms)
    by, each, length, scale = cut.by[slot], cut.each[slot], cut.length[slot], params.scale[slot]
    interval, first, latest = state.interval[slot], state.first[slot], state.price[slot]
    base, square = state.base[slot], state.square[slot]
    place, head, parts = state.place[slot], state.head[slot], state.parts[: length - 1, slot]
    prices, statuses = board.values[slots.inputs[slot, 0]], board.status[slots.inputs[slot, 0]]
    values, found = board.values[slots.rows[slot]], board.status[slots.rows[slot]]
    where = board.block if by == BY_BLOCK else board.at_ms
    tick = 0
    while tick < ticks:
        if interval != NEVER:
            until = even_until(tick, where, interval, by, each, prices, statuses, 0.0, np.inf)
            if until > tick:
                early = min(max(first + length - interval - 1, 0), until - tick)
                place, head, square = step_even(
                    prices[tick:until], latest, square, place, head, parts, scale, values[tick:until]
                )
                values[tick : tick + early] = np.nan
                found[tick : tick + early] = WARMING
                found[tick + early : until] = READY
                base = prices[until - 2] if until - tick > 1 else latest
                interval, latest, tick = interval + until - tick, prices[until - 1], until
        end = min(tick + AT_ONCE, ticks)
        while tick < end:
            price, status, value = prices[tick], statuses[tick], np.nan
            if status == READY and not is_price(price):
                status = NO_INPUT
            if status == READY:
                now = interval_of(where[tick], interval, by, each)
                if interval == NEVER or now - interval > length:
                    first, base, place, head = now, np.nan, begin(now, parts), 0.0
                elif now > interval:
                    base = latest
                    place, head = close(square, now - interval, place, head, parts)
                interval, latest, square = now, price, squared(price, base)
                status = READY if now - first >= length else WARMING
                if status == READY:
                    value = total_root(head, parts[place], square, scale)
            values[tick], found[tick] = value, status
            tick += 1
    state.interval[slot], state.first[slot], state.price[slot] = interval, first, latest
    state.base[slot], state.square[slot], state.place[slot], state.head[slot] = base, square, place, head


@njit(cache=True, error_model="numpy")
def step_even(
    prices: Floats, latest: float, square: float, place: int, head: float, parts: Floats, scale: float, values: Floats
) -> tuple[int, float, float]:
    """A stretch (see ``stretch``) as if its window were full; (place, head, square) afterwards. ``latest`` is the price before it."""
    squares = np.empty(min(len(prices), SEGMENT) + 1)
    for start in range(0, len(prices), SEGMENT):
        end = min(start + SEGMENT, len(prices))
        own, roots = squares[: end - start + 1], values[start:end]
        own[0], own[1] = square, squared(prices[start], latest)
        squared_returns(prices[start + 1 : end], prices[start : end - 1], own[2:])
        place, head = sums_of(own, place, head, parts, roots)
        for tick in range(len(roots)):
            roots[tick] = math.sqrt(roots[tick]) * scale
        latest, square = prices[end - 1], own[-1]
    return place, head, square
