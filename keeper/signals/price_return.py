"""Return: how far a price has moved over a window, as a share of what it was.

========= ================== ====================================================
direction value              reads as
========= ================== ====================================================
either    ``|now / then-1|`` how far, whichever way; never negative
up        ``now / then - 1`` positive where it rose; may be negative
down      ``1 - now / then`` positive where it fell; may be negative
========= ================== ====================================================

Definition. The window is cut into ``n`` sampling intervals (see ``ring``). ``now`` is the latest price, ``then`` the last one of the interval
``n`` before the one in progress: between a window and a window less one interval ago.

Unit: RATIO (0.02 is 2 %), a simple return and not a logarithm.

Gaps. An interval without a price has that of the one before it. After a gap longer than the window it starts anew.

Warm-up. WARMING until the first price is ``n`` intervals back, which is when the window is full.

Bad input. A price that is missing, not finite, zero or negative is none: NO_INPUT for that tick, and what was gathered stays; so is a quotient
too large for a float. At equal times the last price counts.

Numerics. The difference is taken before the division: exact to two roundings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from keeper.signals.bank import NO_INPUT, READY, WARMING, Board, Ints, Slots, is_price, missing, write
from keeper.signals.ring import Cut, Ring, ago, cut_of, enter, fresh_ring
from keeper.signals.scores import directed, direction_of
from keeper.signals.spec import SignalSpec


class Params(NamedTuple):
    """``direction``: one of EITHER, UP, DOWN per slot."""

    cut: Cut
    direction: Ints


class State(NamedTuple):
    """``ring``: the prices in the windows."""

    ring: Ring


def prepare(specs: Sequence[SignalSpec]) -> Params:
    return Params(cut_of(specs), np.array([direction_of(spec) for spec in specs], dtype=np.int64))


def allocate(params: Params) -> State:
    return State(fresh_ring(params.cut))


@njit(cache=True, forceinline=True, error_model="numpy")
def one(slot: int, at_ms: int, block: int, price: float, params: Params, state: State) -> tuple[float, int]:
    """(value, status) of one slot that has an input."""
    if not is_price(price):
        return np.nan, NO_INPUT
    if not enter(slot, at_ms, block, price, params.cut, state.ring):
        return np.nan, WARMING
    then = ago(slot, params.cut.length[slot], params.cut, state.ring)
    share = (price - then) / then
    if share == np.inf:  # too far apart for a float: no number is better than a wrong one
        return np.nan, NO_INPUT
    return directed(share, params.direction[slot]), READY


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
