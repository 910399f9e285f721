"""Quantile: the value that a share ``q`` of the values in a window do not exceed; what is usual, to hold other signals against.

Definition. The window is cut into ``n`` sampling intervals (see ``ring``). Of the last values of the ``n`` intervals before the one in progress,
in rising order ``v[1] <= ... <= v[n]``::

    value = v[max(1, ceil(q * n))]

which is the lower empirical quantile: the smallest value that at least ``q * n`` of them do not exceed. It is always one of the values, nothing
is interpolated. 0 % is the least, 100 % the greatest. The value of the interval in progress does not count, so that a shock does not move
the threshold that it is held against.

Unit: that of its input.

Gaps. An interval without a value has that of the one before it, and counts so. After a gap longer than the window it starts anew.

Warm-up. WARMING until the first value is ``n`` intervals back, which is when the window is full.

Bad input. A value that is missing or not finite is none: NO_INPUT for that tick, and what was gathered stays. At equal times the last value
counts.

Numerics. None: values are moved and compared, never computed with. They are kept in order; an interval's value finds its place by halving and
moves those between its own and that of the one that leaves.

Source: R. J. Hyndman and Y. Fan (1996), Sample Quantiles in Statistical Packages, The American Statistician 50(4), 361-365, definition 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numba import njit

from keeper.signals.bank import NEVER, NO_INPUT, READY, WARMING, Board, Floats, Ints, Slots, missing, write
from keeper.signals.ring import Cut, Ring, cut_of, enter, fresh_ring, interval_at
from keeper.signals.spec import SignalSpec


class Params(NamedTuple):
    """``rank``: which of the values in order it is, from 0."""

    cut: Cut
    rank: Ints


class State(NamedTuple):
    """``ring``: the values in the windows; ``ordered`` has the ``held`` latest closed ones of each, in rising order."""

    ring: Ring
    held: Ints
    ordered: Floats


def prepare(specs: Sequence[SignalSpec]) -> Params:
    cut = cut_of(specs)
    shares = [Decimal(str(spec.param("q"))) for spec in specs]
    ranks = [max(1, math.ceil(q * int(n))) - 1 for q, n in zip(shares, cut.length, strict=True)]
    return Params(cut, np.array(ranks, dtype=np.int64))


def allocate(params: Params) -> State:
    ring = fresh_ring(params.cut)
    return State(ring, np.zeros(len(params.rank), dtype=np.int64), np.full_like(ring.past, np.nan))


@njit(cache=True, error_model="numpy")
def place_of(ordered: Floats, count: int, value: float) -> int:
    """How many of the first ``count`` are less than the value."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, error_model="numpy")
def insert(ordered: Floats, count: int, value: float) -> None:
    """One more."""
    place = place_of(ordered, count, value)
    for at in range(count, place, -1):
        ordered[at] = ordered[at - 1]
    ordered[place] = value


@njit(cache=True, error_model="numpy")
def replace(ordered: Floats, count: int, leaving: float, value: float) -> None:
    """One for another, which is there."""
    at = place_of(ordered, count, leaving)
    while at + 1 < count and ordered[at + 1] < value:
        ordered[at] = ordered[at + 1]
        at += 1
    while at > 0 and ordered[at - 1] > value:
        ordered[at] = ordered[at - 1]
        at -= 1
    ordered[at] = value


@njit(cache=True, forceinline=True, error_model="numpy")
def close(slot: int, interval: int, length: int, state: State) -> None:
    """Puts the values of the intervals that end before ``interval`` in order, before the ring forgets what they replace."""
    before, latest = state.ring.interval[slot], state.ring.latest[slot]
    if before == NEVER or interval - before > length:
        state.held[slot] = 0
        return
    ordered = state.ordered[slot]
    for passed in range(before, interval):
        count = state.held[slot]
        if count < length:
            insert(ordered, count, latest)
            state.held[slot] = count + 1
        else:
            replace(ordered, count, state.ring.past[slot, passed % length], latest)


@njit(cache=True, forceinline=True, error_model="numpy")
def one(slot: int, at_ms: int, block: int, now: float, params: Params, state: State) -> tuple[float, int]:
    """(value, status) of one slot that has an input."""
    if not np.isfinite(now):
        return np.nan, NO_INPUT
    interval = interval_at(slot, at_ms, block, state.ring.interval[slot], params.cut)
    close(slot, interval, params.cut.length[slot], state)
    if not enter(slot, at_ms, block, now, params.cut, state.ring):
        return np.nan, WARMING
    return state.ordered[slot, params.rank[slot]], READY


@njit(cache=True, nogil=True, error_model="numpy")
def step(board: Board, slots: Slots, params: Params, state: State) -> None:
    """The only input is the value."""
    for slot in range(len(slots.rows)):
        of = slots.inputs[slot, 0]
        for tick in range(len(board.at_ms)):
            status = missing(board, slots, slot, tick)
            value = np.nan
            if status == READY:
                value, status = one(slot, board.at_ms[tick], board.block[tick], board.values[of, tick], params, state)
            write(board, slots, slot, tick, value, status)
