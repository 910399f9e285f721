"""Growth against a cap: how fast a rate that should only creep (a vault's share price, a supply) grew over a window, as a share of what is allowed.

Definition. Windows and intervals are those of ring.py; with ``n`` intervals to the window and ``i`` the one in progress, ``now`` is the
latest value and ``then`` the last value of interval ``i - n``::

    value = (now / then - 1) / cap

Unit: RATIO (1 is just at the cap, negative where the rate fell). The cap is a share per window, not per year: 10 % a year, not
compounded, are about 0.027 % a day.

Gaps. An interval without a value has that of the one before it. After a gap longer than the window it starts anew.

Warm-up. WARMING until the first value is ``n`` intervals back.

Bad input. A value that is missing, not finite, zero or negative is none: NO_INPUT for that tick, and what was gathered stays. At equal
times the last value counts. Growth that no float can say is NO_INPUT.

Numerics. ``((now - then) / then) / cap``: the difference is taken before the division, exact to three roundings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from keeper.signals.bank import NO_INPUT, READY, WARMING, Board, Floats, Slots, is_price, missing, write
from keeper.signals.ring import Cut, Ring, ago, cut_of, enter, fresh_ring
from keeper.signals.spec import SignalSpec


class Params(NamedTuple):
    """``cut``: the windows; ``cap`` per slot."""

    cut: Cut
    cap: Floats


class State(NamedTuple):
    """``ring``: the values in the windows."""

    ring: Ring


def prepare(specs: Sequence[SignalSpec]) -> Params:
    return Params(cut_of(specs), np.array([spec.number("cap") for spec in specs], dtype=np.float64))


def allocate(params: Params) -> State:
    return State(fresh_ring(params.cut))


@njit(cache=True, error_model="numpy", forceinline=True)
def one(slot: int, at_ms: int, block: int, now: float, params: Params, state: State) -> tuple[float, int]:
    """(value, status) of one slot that has an input."""
    if not is_price(now):
        return np.nan, NO_INPUT
    if not enter(slot, at_ms, block, now, params.cut, state.ring):
        return np.nan, WARMING
    then = ago(slot, params.cut.length[slot], params.cut, state.ring)
    share = (now - then) / then / params.cap[slot]
    if not np.isfinite(share):
        return np.nan, NO_INPUT
    return share, READY


@njit(cache=True, nogil=True, error_model="numpy")
def step(board: Board, slots: Slots, params: Params, state: State) -> None:
    """The only input is the rate."""
    for slot in range(len(slots.rows)):
        of = slots.inputs[slot, 0]
        for tick in range(len(board.at_ms)):
            status = missing(board, slots, slot, tick)
            value = np.nan
            if status == READY:
                value, status = one(slot, board.at_ms[tick], board.block[tick], board.values[of, tick], params, state)
            write(board, slots, slot, tick, value, status)
