"""Change: how much a state value (locked value, supply, use of a cap) rose or fell over a window, as a share of what it was.

Definition. Windows and intervals are those of ring.py; with ``n`` intervals to the window and ``i`` the one in progress, ``now`` is the
latest value and ``then`` the last value of interval ``i - n``::

    value = (now - then) / |then|

Unit: RATIO per window (0.02 is a rise of 2 %, -0.02 a fall). The divisor's sign is dropped so that a rise is positive for negative
values too.

Gaps. An interval without a value has that of the one before it. After a gap longer than the window it starts anew.

Warm-up. WARMING until the first value is ``n`` intervals back.

Bad input. What is missing or not finite is no value: NO_INPUT for that tick, and what was gathered stays. At equal times the last value
counts. From nothing (``then`` is 0) there is no share, nor where no float can say it: NO_INPUT.

Numerics. The difference is taken before the division: exact to two roundings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from keeper.signals.bank import NO_INPUT, READY, WARMING, Board, Slots, missing, write
from keeper.signals.ring import Cut, Ring, ago, cut_of, enter, fresh_ring
from keeper.signals.spec import SignalSpec


class Params(NamedTuple):
    """``cut``: the windows."""

    cut: Cut


class State(NamedTuple):
    """``ring``: the values in the windows."""

    ring: Ring


def prepare(specs: Sequence[SignalSpec]) -> Params:
    return Params(cut_of(specs))


def allocate(params: Params) -> State:
    return State(fresh_ring(params.cut))


@njit(cache=True, error_model="numpy", forceinline=True)
def one(slot: int, at_ms: int, block: int, now: float, params: Params, state: State) -> tuple[float, int]:
    """(value, status) of one slot that has an input."""
    if not np.isfinite(now):
        return np.nan, NO_INPUT
    if not enter(slot, at_ms, block, now, params.cut, state.ring):
        return np.nan, WARMING
    then = ago(slot, params.cut.length[slot], params.cut, state.ring)
    if then == 0.0:
        return np.nan, NO_INPUT
    share = (now - then) / abs(then)
    if not np.isfinite(share):
        return np.nan, NO_INPUT
    return share, READY


@njit(cache=True, nogil=True, error_model="numpy")
def step(board: Board, slots: Slots, params: Params, state: State) -> None:
    """The only input is the state value."""
    for slot in range(len(slots.rows)):
        of = slots.inputs[slot, 0]
        for tick in range(len(board.at_ms)):
            status = missing(board, slots, slot, tick)
            value = np.nan
            if status == READY:
                value, status = one(slot, board.at_ms[tick], board.block[tick], board.values[of, tick], params, state)
            write(board, slots, slot, tick, value, status)
