"""Volatility ratio: how many times more a price moves in a short window than it did in the long one before it.

Definition. Both windows are cut into sampling intervals of one length, ``n`` and ``m`` of them (see ``realised_volatility``, whose returns these
are). The baseline ends where the short window begins: would it hold it, no ratio could be beyond sqrt((n + m) / n). With ``i`` the interval in
progress::

    short    = sum of the squared returns of i - n < j <= i
    baseline = sum of the squared returns of i - n - m < j <= i - n
    value    = sqrt(short / n) / max(sqrt(baseline / m), floor)

both the volatility of one sampling interval, so the windows' lengths do not matter.

Unit: RATIO (3 is three times as much).

Nothing moved. Where the divisor is 0, which it is only without a floor, the value is 0 if the short window did not move either, and otherwise
the highest there is, 1,000,000.

Gaps. The return across a gap is formed whole, and counted at its end. After a gap longer than both windows together it starts anew.

Warm-up. WARMING until the first sample is ``n + m`` intervals back, which is when both windows are full.

Bad input. A price that is missing, not finite, zero or negative is no sample: NO_INPUT for that tick, and what was gathered stays. At equal
times the last price counts.

Numerics. Returns as in ``log_return``, sums of their squares as in ``sliding_sum``: no cancellation and no drift.
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
    missing,
    write,
)
from keeper.signals.log_return import log_return
from keeper.signals.ring import Cut, cut_of, interval_at
from keeper.signals.scores import score
from keeper.signals.sliding_sum import begin, push
from keeper.signals.spec import SignalSpec
from keeper.signals.windows import intervals_of, sampling_of


class Params(NamedTuple):
    """``cut`` of the short window; ``baseline``: m; ``floor``: a volatility of one interval."""

    cut: Cut
    baseline: Ints
    floor: Floats


class State(NamedTuple):
    """Per slot: ``interval``, ``first``, ``price``, ``base``, ``square`` as in ``realised_volatility``.

    ``recent`` (slots x longest n) are the squares of the last n closed intervals, that of interval j at place ``j mod n``. ``place``, ``head``
    (slots x 2) and the two ``parts`` are the sums of the short window and of the baseline.
    """

    interval: Ints
    first: Ints
    price: Floats
    base: Floats
    square: Floats
    recent: Floats
    place: Ints
    head: Floats
    short_parts: Floats
    long_parts: Floats


SHORT, LONG = 0, 1


def prepare(specs: Sequence[SignalSpec]) -> Params:
    return Params(
        cut_of(specs),
        np.array([_baseline(spec) for spec in specs], dtype=np.int64),
        np.array([spec.number("floor") for spec in specs]),
    )


def _baseline(spec: SignalSpec) -> int:
    each = sampling_of(spec.window("window"), spec.window("sampling"))
    return intervals_of(spec.window("baseline"), each)[1]


def allocate(params: Params) -> State:
    slots = len(params.floor)
    longest = int(params.cut.length.max(initial=2))
    return State(
        interval=np.full(slots, NEVER, dtype=np.int64),
        first=np.full(slots, NEVER, dtype=np.int64),
        price=np.full(slots, np.nan),
        base=np.full(slots, np.nan),
        square=np.zeros(slots),
        recent=np.zeros((slots, longest)),
        place=np.zeros((slots, 2), dtype=np.int64),
        head=np.zeros((slots, 2)),
        short_parts=np.zeros((slots, longest - 1)),
        long_parts=np.zeros((slots, int(params.baseline.max(initial=1)))),
    )


@njit(cache=True, forceinline=True, error_model="numpy")
def roll(slot: int, interval: int, length: int, baseline: int, state: State) -> None:
    """Closes the interval in progress and begins ``interval``, which is a later one."""
    before = state.interval[slot]
    state.interval[slot] = interval
    place, head, recent = state.place[slot], state.head[slot], state.recent[slot]
    short, long = state.short_parts[slot, : length - 1], state.long_parts[slot, :baseline]
    if before == NEVER or interval - before > length + baseline:
        state.first[slot] = interval
        state.base[slot] = np.nan
        state.square[slot] = 0.0
        recent[:] = 0.0
        head[:] = 0.0
        place[SHORT], place[LONG] = begin(interval, short), begin(interval - length + 1, long)
        return
    square = state.square[slot]
    for passed in range(before, interval):
        leaving = recent[(passed + 1) % length]
        recent[passed % length] = square
        place[SHORT], head[SHORT] = push(square, place[SHORT], head[SHORT], short)
        place[LONG], head[LONG] = push(leaving, place[LONG], head[LONG], long)
        square = 0.0
    state.base[slot] = state.price[slot]


@njit(cache=True, forceinline=True, error_model="numpy")
def one(slot: int, at_ms: int, block: int, price: float, params: Params, state: State) -> tuple[float, int]:
    """(value, status) of one slot that has an input."""
    if not is_price(price):
        return np.nan, NO_INPUT
    length, baseline = params.cut.length[slot], params.baseline[slot]
    interval = interval_at(slot, at_ms, block, state.interval[slot], params.cut)
    if interval > state.interval[slot]:
        roll(slot, interval, length, baseline, state)
    state.price[slot] = price
    if interval == state.first[slot]:  # there is no base
        return np.nan, WARMING
    latest = log_return(price, state.base[slot])
    state.square[slot] = latest * latest
    if interval - state.first[slot] < length + baseline:
        return np.nan, WARMING
    place, head = state.place[slot], state.head[slot]
    short = head[SHORT] + state.short_parts[slot, place[SHORT]] + latest * latest
    long = head[LONG] + state.long_parts[slot, place[LONG]]
    return score(math.sqrt(short / length), math.sqrt(long / baseline), params.floor[slot]), READY


@njit(cache=True, nogil=True, error_model="numpy")
def step(board: Board, slots: Slots, params: Params, state: State) -> None:
    """The only input is the price."""
    for slot in range(len(slots.rows)):
        of = slots.inputs[slot, 0]
        for tick in range(len(board.at_ms)):
            status = missing(board, slots, slot, tick)
            value = np.nan
            if status == READY:
                value, status = one(slot, board.at_ms[tick], board.block[tick], board.values[of, tick], params, state)
            write(board, slots, slot, tick, value, status)
