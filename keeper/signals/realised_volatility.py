"""Realised volatility: the root of the sum of squared log returns over a window.

Definition. Time is cut into sampling intervals ``j = floor(t / sampling)``, counted from 1970 UTC, so that a restart does not
move them. The sample of an interval is the last usable price in it; the interval in progress counts with its last price so far, so
that a shock shows at once and not when the interval ends. With ``n = window / sampling`` and ``i`` the interval in progress::

    value = sqrt(sum of ln(p[j] / p[q])**2 for every sample j with i - n < j <= i),   q the sample before j

Unit: VOLATILITY, over the window itself and not annualised: 0.02 over 1 h is a move of about 2 % in an hour.

Gaps. An interval without a usable price has no sample. The return across a gap is formed whole, and counted at its end: returns are
nearly uncorrelated, so the square of the whole is an unbiased estimate of the squares that were not seen, and a price that
comes back from an outage somewhere else is just what must not be overlooked. Blocks slower than the sampling interval need this
too. After a gap longer than the window (more than ``n`` intervals from sample to sample) nothing is formed: it starts anew.

Warm-up. WARMING until the first sample is ``n`` intervals back, which is when the window is full.

Bad input. A price that is missing, not finite, zero or negative is no sample: NO_INPUT for that tick, and what was gathered
stays. At equal times the last price counts.

Numerics. ``ln(p / q)`` is taken as ``log1p((p - q) / q)`` where the two are near each other, because a quotient near 1 is rounded to
the loss of a small return's digits. The squares are summed in a binary tree over a ring of intervals: only additions of
numbers that are not negative, so there is no cancellation and no drift however long it runs, and closing an interval costs
log2(n) additions. The relative error stays below 1e-14.

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
    missing,
    write,
)
from keeper.signals.spec import SignalSpec


class Params(NamedTuple):
    """``sampling_ms`` and ``samples`` (n) per slot; ``leaves`` is the power of two that holds the slot's n intervals."""

    sampling_ms: Ints
    samples: Ints
    leaves: Ints


class State(NamedTuple):
    """Per slot.

    ``interval`` the one in progress, ``first`` the first sample since the last start, ``price`` the last
    usable price, ``base`` the sample before it (NaN when there is none), ``tree`` the squared returns of the closed
    intervals of the window: interval j at leaf ``j mod n``, node k the sum of nodes 2k and 2k+1, node 1 the sum of all.
    """

    interval: Ints
    first: Ints
    price: Floats
    base: Floats
    tree: Floats


def prepare(specs: Sequence[SignalSpec]) -> Params:
    sampling = np.array([spec.whole("sampling") for spec in specs], dtype=np.int64)
    samples = np.array([spec.whole("window") for spec in specs], dtype=np.int64) // sampling
    leaves = np.array([1 << int(n - 1).bit_length() for n in samples], dtype=np.int64)
    return Params(sampling, samples, leaves)


def allocate(params: Params) -> State:
    slots = len(params.samples)
    never = np.full(slots, NEVER, dtype=np.int64)
    widest = int(params.leaves.max(initial=1))
    none = np.full(slots, np.nan)
    return State(never, never.copy(), none, none.copy(), np.zeros((slots, 2 * widest)))


@njit(cache=True, error_model="numpy")
def log_return(price: float, base: float) -> float:
    """``ln(price / base)``, to full precision also where the two are nearly equal."""
    quotient = price / base
    if 0.5 < quotient < 2.0:
        return math.log1p((price - base) / base)
    if 1e-300 < quotient < np.inf:
        return math.log(quotient)
    return math.log(price) - math.log(base)  # further apart than a float can say


@njit(cache=True, error_model="numpy")
def put(tree: Floats, leaf: int, square: float) -> None:
    """Sets one leaf of one slot's tree and brings the sums above it up to date."""
    if tree[leaf] == square:
        return
    tree[leaf] = square
    node = leaf >> 1
    while node > 0:
        tree[node] = tree[2 * node] + tree[2 * node + 1]
        node >>= 1


@njit(cache=True, error_model="numpy")
def roll(slot: int, interval: int, params: Params, state: State) -> None:
    """Closes the interval in progress and begins ``interval``, which is a later one."""
    samples, leaves = params.samples[slot], params.leaves[slot]
    tree = state.tree[slot]
    closed = state.interval[slot]
    state.interval[slot] = interval
    if closed == NEVER or interval - closed > samples:
        tree[:] = 0.0
        state.first[slot] = interval
        state.base[slot] = np.nan
        return
    square = 0.0
    if not np.isnan(state.base[slot]):
        square = log_return(state.price[slot], state.base[slot]) ** 2
    put(tree, leaves + closed % samples, square)
    for passed in range(closed + 1, interval + 1):  # leaves what those intervals replace
        put(tree, leaves + passed % samples, 0.0)
    state.base[slot] = state.price[slot]


@njit(cache=True, error_model="numpy")
def one(slot: int, at_ms: int, price: float, params: Params, state: State) -> tuple[float, int]:
    """(value, status) of one slot that has an input."""
    if not is_price(price):
        return np.nan, NO_INPUT
    interval = at_ms // params.sampling_ms[slot]
    if interval > state.interval[slot]:
        roll(slot, interval, params, state)
    state.price[slot] = price
    if interval - state.first[slot] < params.samples[slot]:
        return np.nan, WARMING
    latest = log_return(price, state.base[slot])  # there is a base: the first sample lies before this interval
    return math.sqrt(state.tree[slot, 1] + latest * latest), READY


@njit(cache=True, nogil=True, error_model="numpy")
def step(board: Board, slots: Slots, params: Params, state: State) -> None:
    """The only input is the price."""
    for slot in range(len(slots.rows)):
        of = slots.inputs[slot, 0]
        for tick in range(len(board.at_ms)):
            status = missing(board, slots, slot, tick)
            value = np.nan
            if status == READY:
                value, status = one(slot, board.at_ms[tick], board.values[of, tick], params, state)
            write(board, slots, slot, tick, value, status)
