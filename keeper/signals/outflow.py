"""Net outflow: how much less there is than at the start of a window, as a share of a base.

Definition. Windows and intervals are those of ring.py; with ``n`` intervals to the window and ``i`` the one in progress, ``now`` is the
latest value and ``then`` the last value of interval ``i - n``::

    value = (then - now) / base

======== ============================================================================
base     what it is
======== ============================================================================
start    ``then``: a balance that doubled and halved again within the window is at 0
highest  the highest of ``then``, the values of the intervals since, and ``now``
======== ============================================================================

Unit: RATIO per window (0.2: a fifth of the base has gone). Negative for a net inflow.

Gaps. An interval without a value has that of the one before it. After a gap longer than the window it starts anew.

Warm-up. WARMING until the first value is ``n`` intervals back.

Bad input. A balance that is missing, not finite or negative is none: NO_INPUT for that tick, and what was gathered stays; nothing at
all (0) is a balance. At equal times the last value counts. Of a base of 0 there is no share, nor where no float can say it: NO_INPUT.

Numerics. The difference is taken before the division: exact to two roundings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from keeper.signals.bank import NO_INPUT, READY, WARMING, Board, Bytes, Slots, missing, write
from keeper.signals.highest import Highest, fresh_highest, highest_of
from keeper.signals.ring import Cut, Ring, ago, cut_of, enter, fresh_ring
from keeper.signals.spec import SignalSpec


class Params(NamedTuple):
    """``cut``: the windows; ``highest`` per slot: 1 when that is the base (0: the start)."""

    cut: Cut
    highest: Bytes


class State(NamedTuple):
    """The values in the windows (``ring``), and the highest of them."""

    ring: Ring
    highest: Highest


def prepare(specs: Sequence[SignalSpec]) -> Params:
    return Params(cut_of(specs), np.array([spec.word("base") == "highest" for spec in specs], dtype=np.int8))


def allocate(params: Params) -> State:
    return State(fresh_ring(params.cut), fresh_highest(params.cut))


@njit(cache=True, error_model="numpy", forceinline=True)
def one(slot: int, at_ms: int, block: int, now: float, params: Params, state: State) -> tuple[float, int]:
    """(value, status) of one slot that has an input."""
    if not 0.0 <= now < np.inf:
        return np.nan, NO_INPUT
    full = enter(slot, at_ms, block, now, params.cut, state.ring)
    highest = now
    if params.highest[slot] == 1:
        highest = highest_of(slot, params.cut, state.ring, state.highest)
    if not full:
        return np.nan, WARMING
    then = ago(slot, params.cut.length[slot], params.cut, state.ring)
    base = highest if params.highest[slot] == 1 else then
    if base == 0.0:
        return np.nan, NO_INPUT
    share = (then - now) / base
    if not np.isfinite(share):
        return np.nan, NO_INPUT
    return share, READY


@njit(cache=True, nogil=True, error_model="numpy")
def step(board: Board, slots: Slots, params: Params, state: State) -> None:
    """The only input is the balance."""
    for slot in range(len(slots.rows)):
        of = slots.inputs[slot, 0]
        for tick in range(len(board.at_ms)):
            status = missing(board, slots, slot, tick)
            value = np.nan
            if status == READY:
                value, status = one(slot, board.at_ms[tick], board.block[tick], board.values[of, tick], params, state)
            write(board, slots, slot, tick, value, status)
