"""Spread: how far the ask is above the bid, as a share of the middle of the two::

    value = (ask - bid) / ((bid + ask) / 2)

Unit: RATIO (0.02 is 2 %), always between -2 and 2. A crossed book (ask below bid) has a negative spread: a rule ``above`` does not trip
on it, and one ``below`` 0 finds it. It keeps no state, so it is never WARMING. A price that is missing, not finite, zero or negative
makes it NO_INPUT, and so do two whose sum no float can say.

Numerics. A difference, a sum and a quotient: exact to three roundings, also where bid and ask have nearly all digits in common.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from keeper.signals.bank import NO_INPUT, READY, Board, Ints, Slots, is_price, missing, write
from keeper.signals.spec import SignalSpec


class Params(NamedTuple):
    """Nothing to be set; the array only counts the slots."""

    slots: Ints


class State(NamedTuple):
    """Nothing is remembered; the array only counts the slots."""

    slots: Ints


def prepare(specs: Sequence[SignalSpec]) -> Params:
    return Params(np.zeros(len(specs), dtype=np.int64))


def allocate(params: Params) -> State:
    return State(np.zeros(len(params.slots), dtype=np.int64))


@njit(cache=True, error_model="numpy")
def one(bid: float, ask: float) -> tuple[float, int]:
    """(value, status) for two inputs that are there."""
    both = bid + ask
    if not (is_price(bid) and is_price(ask) and both < np.inf):
        return np.nan, NO_INPUT
    return 2.0 * ((ask - bid) / both), READY


@njit(cache=True, nogil=True, error_model="numpy")
def step(board: Board, slots: Slots, params: Params, state: State) -> None:
    """The inputs are ``bid`` and ``ask``."""
    for slot in range(len(slots.rows)):
        bid, ask = slots.inputs[slot, 0], slots.inputs[slot, 1]
        for tick in range(len(board.at_ms)):
            status = missing(board, slots, slot, tick)
            value = np.nan
            if status == READY:
                value, status = one(board.values[bid, tick], board.values[ask, tick])
            write(board, slots, slot, tick, value, status)
