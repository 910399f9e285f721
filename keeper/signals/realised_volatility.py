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
        parts=np.zeros((slots, longest)),
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
    """The only input is the price. What a slot remembers is in registers while it goes over the ticks."""
    cut = params.cut
    for slot in range(len(slots.rows)):
        of, row, scale = slots.inputs[slot, 0], slots.rows[slot], params.scale[slot]
        by, each, length = cut.by[slot], cut.each[slot], cut.length[slot]
        interval, first, latest = state.interval[slot], state.first[slot], state.price[slot]
        base, square = state.base[slot], state.square[slot]
        place, head, parts = state.place[slot], state.head[slot], state.parts[slot, : length - 1]
        for tick in range(len(board.at_ms)):
            price, status, value = board.values[of, tick], board.status[of, tick], np.nan
            if status == READY and not is_price(price):
                status = NO_INPUT
            if status == READY:
                now = interval_of(board.block[tick] if by == BY_BLOCK else board.at_ms[tick], interval, by, each)
                if interval == NEVER or now - interval > length:
                    first, base, place, head = now, np.nan, begin(now, parts), 0.0
                elif now > interval:
                    base = latest
                    place, head = close(square, now - interval, place, head, parts)
                interval, latest, square = now, price, squared(price, base)
                status = READY if now - first >= length else WARMING
                if status == READY:
                    value = math.sqrt(head + parts[place] + square) * scale
            board.values[row, tick], board.status[row, tick] = value, status
        state.interval[slot], state.first[slot], state.price[slot] = interval, first, latest
        state.base[slot], state.square[slot], state.place[slot], state.head[slot] = base, square, place, head
