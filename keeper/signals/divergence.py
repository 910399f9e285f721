"""Divergence: how far one price is from another, as a share of the other.

====== ======================== =========================================================
side   value                    reads as
====== ======================== =========================================================
either ``|of / against - 1|``   how far apart, whichever is higher; never negative
above  ``of / against - 1``     positive where ``of`` is the higher one; may be negative
below  ``1 - of / against``     positive where ``of`` is the lower one; may be negative
====== ======================== =========================================================

Unit: RATIO (0.02 is 2 %). It keeps no state, so it is never WARMING. An input that is missing, not finite, zero or negative makes it
NO_INPUT. The difference is taken before the division: ``(of - against) / against`` is exact to two roundings where
``of / against - 1`` would lose every digit that the two prices have in common.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from keeper.signals.bank import NO_INPUT, READY, Board, Ints, Slots, is_price, missing, write
from keeper.signals.spec import SignalSpec

EITHER, ABOVE, BELOW = 0, 1, 2
SIDES = {"either": EITHER, "above": ABOVE, "below": BELOW}


class Params(NamedTuple):
    """``side``: one of EITHER, ABOVE, BELOW per slot."""

    side: Ints


class State(NamedTuple):
    """Nothing is remembered; the array only counts the slots."""

    slots: Ints


def prepare(specs: Sequence[SignalSpec]) -> Params:
    return Params(np.array([SIDES[spec.word("side")] for spec in specs], dtype=np.int64))


def allocate(params: Params) -> State:
    return State(np.zeros(len(params.side), dtype=np.int64))


@njit(cache=True, error_model="numpy")
def one(of: float, against: float, side: int) -> tuple[float, int]:
    """(value, status) for two inputs that are there."""
    if not (is_price(of) and is_price(against)):
        return np.nan, NO_INPUT
    share = (of - against) / against
    if share == np.inf:  # too far apart for a float: no number is better than a wrong one
        return np.nan, NO_INPUT
    if side == EITHER:
        share = abs(share)
    elif side == BELOW:
        share = -share
    return share, READY


@njit(cache=True, nogil=True, error_model="numpy")
def step(board: Board, slots: Slots, params: Params, state: State) -> None:
    """The inputs are ``of`` and ``against``."""
    for slot in range(len(slots.rows)):
        of, against = slots.inputs[slot, 0], slots.inputs[slot, 1]
        for tick in range(len(board.at_ms)):
            status = missing(board, slots, slot, tick)
            value = np.nan
            if status == READY:
                value, status = one(board.values[of, tick], board.values[against, tick], params.side[slot])
            write(board, slots, slot, tick, value, status)
