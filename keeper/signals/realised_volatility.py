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
    write,
)
from keeper.signals.log_return import log_return
from keeper.signals.ring import BY_BLOCK, Cut, cut_of, interval_of
from keeper.signals.sliding_sum import begin, push
from keeper.signals.spec import SignalSpec
from keeper.signals.windows import scale_of


class Params(NamedTuple):
    """``scale`` is what the root is multiplied by: 1, or that which makes it annual."""

    cut: Cut
    scale: Floats


class State(NamedTuple):
    """Per slot what a Cell holds, and the squared returns of the n - 1 intervals before the one in progress, as ``sliding_sum`` keeps them."""

    interval: Ints
    first: Ints
    price: Floats
    base: Floats
    square: Floats
    place: Ints
    head: Floats
    parts: Floats


class Cell(NamedTuple):
    """One slot, in registers: a loop over many ticks is several times faster so.

    ``interval`` the one in progress, ``first`` the first sample since the last start, ``price`` the last usable price, ``base`` the sample
    before it (NaN when there is none), ``square`` that of the return between the two; ``place`` and ``head`` as in ``sliding_sum``.
    """

    interval: int
    first: int
    price: float
    base: float
    square: float
    place: int
    head: float


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
        parts=np.zeros((slots, longest)),
    )


@njit(cache=True, inline="always", error_model="numpy")
def one(
    cell: Cell, where: int, price: float, by: int, each: int, length: int, scale: float, parts: Floats
) -> tuple[Cell, float, int]:
    """(the slot afterwards, value, status) of one slot that has an input, at this time or block."""
    if not is_price(price):
        return cell, np.nan, NO_INPUT
    interval = interval_of(where, cell.interval, by, each)
    if cell.interval == NEVER or interval - cell.interval > length:
        return Cell(interval, interval, price, np.nan, 0.0, begin(interval, parts), 0.0), np.nan, WARMING
    place, head, base = cell.place, cell.head, cell.base
    if interval > cell.interval:
        base = cell.price
        place, head = push(cell.square, place, head, parts)
        for _ in range(cell.interval + 1, interval):
            place, head = push(0.0, place, head, parts)
    latest = 0.0 if np.isnan(base) else log_return(price, base)
    square = latest * latest
    after = Cell(interval, cell.first, price, base, square, place, head)
    if interval - cell.first < length:
        return after, np.nan, WARMING
    return after, math.sqrt(head + parts[place] + square) * scale, READY


@njit(cache=True, nogil=True, error_model="numpy")
def step(board: Board, slots: Slots, params: Params, state: State) -> None:
    """The only input is the price."""
    cut = params.cut
    for slot in range(len(slots.rows)):
        of = slots.inputs[slot, 0]
        by, each, length, scale = cut.by[slot], cut.each[slot], cut.length[slot], params.scale[slot]
        parts = state.parts[slot, : length - 1]
        cell = Cell(
            state.interval[slot],
            state.first[slot],
            state.price[slot],
            state.base[slot],
            state.square[slot],
            state.place[slot],
            state.head[slot],
        )
        for tick in range(len(board.at_ms)):
            status = int(board.status[of, tick])
            value = np.nan
            if status == READY:
                where = board.block[tick] if by == BY_BLOCK else board.at_ms[tick]
                cell, value, status = one(cell, where, board.values[of, tick], by, each, length, scale, parts)
            write(board, slots, slot, tick, value, status)
        state.interval[slot], state.first[slot] = cell.interval, cell.first
        state.price[slot], state.base[slot], state.square[slot] = cell.price, cell.base, cell.square
        state.place[slot], state.head[slot] = cell.place, cell.head
