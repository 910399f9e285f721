"""Drawdown: how far a price lies below the highest one seen within a window.

Definition. The window is cut into ``n`` sampling intervals (see ``ring``), of which the one in progress is the last. Every tick's price counts,
not only the last of an interval, so that a fall within one interval is seen whole::

    value = 1 - now / the highest price seen in the intervals i - n < j <= i

Unit: RATIO (0.1 is 10 %), from 0 (the highest there was) to just below 1.

Gaps. An interval without a price has the last one before it, so a price that comes back lower after an outage has fallen. After a gap longer
than the window it starts anew.

Warm-up. None: READY from the first price, because a fall is one whatever the price was before. Until the window is full the value is a
lower bound of what it would be: it may be late, never wrong.

Bad input. A price that is missing, not finite, zero or negative is none: NO_INPUT for that tick, and what was gathered stays. The highest price
counts also if another follows at the same time.

Numerics. The difference is taken before the division: exact to two roundings. Only those prices are kept that are higher than all after them, at
most one an interval, so that a tick costs the same however long the window (amortised).

Source: M. Magdon-Ismail and A. F. Atiya (2004), Maximum drawdown, Risk 17(10), 99-102, here of the moment and over a window; the running maximum
as in D. Lemire (2006), Streaming maximum-minimum filter using no more than three comparisons per element, Nordic Journal of Computing 13(4),
328-339.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from keeper.signals.bank import NEVER, NO_INPUT, READY, Board, Floats, Ints, Slots, is_price, missing, write
from keeper.signals.ring import Cut, cut_of, interval_at
from keeper.signals.spec import SignalSpec


class Params(NamedTuple):
    """``cut``: the windows."""

    cut: Cut


class State(NamedTuple):
    """Per slot: ``interval`` the one in progress, ``price`` the last usable one, and a queue of peaks, each lower and later than the one before.

    The queue has ``held`` entries from place ``head`` of ``length`` on; ``peaks`` are their prices, ``at`` their intervals.
    """

    interval: Ints
    price: Floats
    head: Ints
    held: Ints
    peaks: Floats
    at: Ints


def prepare(specs: Sequence[SignalSpec]) -> Params:
    return Params(cut_of(specs))


def allocate(params: Params) -> State:
    slots = len(params.cut.length)
    places = (slots, int(params.cut.length.max(initial=1)))
    return State(
        interval=np.full(slots, NEVER, dtype=np.int64),
        price=np.full(slots, np.nan),
        head=np.zeros(slots, dtype=np.int64),
        held=np.zeros(slots, dtype=np.int64),
        peaks=np.full(places, np.nan),
        at=np.full(places, NEVER, dtype=np.int64),
    )


@njit(cache=True, forceinline=True, error_model="numpy")
def see(slot: int, interval: int, price: float, length: int, state: State) -> None:
    """Takes in a price of this interval, none before the last one seen."""
    head, count = state.head[slot], state.held[slot]
    while count and state.at[slot, head] <= interval - length:
        head = (head + 1) % length
        count -= 1
    while count and state.peaks[slot, (head + count - 1) % length] <= price:
        count -= 1
    last = (head + count - 1) % length
    if count == 0 or state.at[slot, last] != interval:  # else a higher one of the same interval stands for it
        place = (head + count) % length
        state.peaks[slot, place], state.at[slot, place] = price, interval
        count += 1
    state.head[slot], state.held[slot] = head, count


@njit(cache=True, forceinline=True, error_model="numpy")
def one(slot: int, at_ms: int, block: int, price: float, params: Params, state: State) -> tuple[float, int]:
    """(value, status) of one slot that has an input."""
    if not is_price(price):
        return np.nan, NO_INPUT
    length = params.cut.length[slot]
    before = state.interval[slot]
    interval = interval_at(slot, at_ms, block, before, params.cut)
    if before == NEVER or interval - before > length:
        state.held[slot] = 0
    elif interval - before > 1:
        see(slot, interval - 1, state.price[slot], length, state)
    see(slot, interval, price, length, state)
    state.interval[slot], state.price[slot] = interval, price
    highest = state.peaks[slot, state.head[slot]]
    return (highest - price) / highest, READY


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
