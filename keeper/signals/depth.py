"""Depth: how much there is, held against how much is needed::

    value = of / floor

Unit: RATIO (1 is just enough, 0.5 half of it, 0 nothing). Against another source instead of a fixed floor it is a plain ratio of two. It
keeps no state, so it is never WARMING. An amount that is missing, not finite or negative makes it NO_INPUT, and so does one so
large that no float can say it; nothing at all (0) is an amount.

Numerics. One quotient: exact to one rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from keeper.signals.bank import NO_INPUT, READY, Board, Floats, Ints, Slots, missing, write
from keeper.signals.spec import SignalSpec


class Params(NamedTuple):
    """``floor`` per slot."""

    floor: Floats


class State(NamedTuple):
    """Nothing is remembered; the array only counts the slots."""

    slots: Ints


def prepare(specs: Sequence[SignalSpec]) -> Params:
    return Params(np.array([spec.number("floor") for spec in specs], dtype=np.float64))


def allocate(params: Params) -> State:
    return State(np.zeros(len(params.floor), dtype=np.int64))


@njit(cache=True, error_model="numpy")
def one(amount: float, floor: float) -> tuple[float, int]:
    """(value, status) for an input that is there."""
    share = amount / floor
    if not 0.0 <= share < np.inf:
        return np.nan, NO_INPUT
    return share, READY


@njit(cache=True, nogil=True, error_model="numpy")
def step(board: Board, slots: Slots, params: Params, state: State) -> None:
    """The only input is the amount."""
    for slot in range(len(slots.rows)):
        of = slots.inputs[slot, 0]
        for tick in range(len(board.at_ms)):
            status = missing(board, slots, slot, tick)
            value = np.nan
            if status == READY:
                value, status = one(board.values[of, tick], params.floor[slot])
            write(board, slots, slot, tick, value, status)
