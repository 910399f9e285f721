"""Deviation from a peg: how far a price is from a fixed target, as a share of the target.

====== ======================== =========================================================
side   value                    reads as
====== ======================== =========================================================
either ``|of / target - 1|``    how far off, whichever way; never negative
above  ``of / target - 1``      positive where the price is above its peg; may be negative
below  ``1 - of / target``      positive where the price is below its peg; may be negative
====== ======================== =========================================================

Unit: RATIO (0.02 is 2 %). It keeps no state, so it is never WARMING. A price that is missing, not finite, zero or negative makes it
NO_INPUT, and so does one so far off that no float can say it.

Numerics. It is the divergence of the price from the target: the difference is taken before the division, exact to two roundings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from keeper.signals import divergence
from keeper.signals.bank import READY, Board, Floats, Ints, Slots, missing, write
from keeper.signals.spec import SignalSpec

one = divergence.one
"""(value, status) for a price, a target and a side."""


class Params(NamedTuple):
    """``target``, and ``side`` (one of those of the divergence), per slot."""

    target: Floats
    side: Ints


class State(NamedTuple):
    """Nothing is remembered; the array only counts the slots."""

    slots: Ints


def prepare(specs: Sequence[SignalSpec]) -> Params:
    return Params(
        np.array([spec.number("target") for spec in specs], dtype=np.float64),
        np.array([divergence.SIDES[spec.word("side")] for spec in specs], dtype=np.int64),
    )


def allocate(params: Params) -> State:
    return State(np.zeros(len(params.side), dtype=np.int64))


@njit(cache=True, nogil=True, error_model="numpy")
def step(board: Board, slots: Slots, params: Params, state: State) -> None:
    """The only input is the price."""
    for slot in range(len(slots.rows)):
        of = slots.inputs[slot, 0]
        for tick in range(len(board.at_ms)):
            status = missing(board, slots, slot, tick)
            value = np.nan
            if status == READY:
                value, status = one(board.values[of, tick], params.target[slot], params.side[slot])
            write(board, slots, slot, tick, value, status)
