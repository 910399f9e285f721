"""Ratio: one input divided by another.

    value = of / to

Unit: RATIO (0.5 is one half); both inputs must have the same unit. The sign is that of the quotient. It keeps no state of its own: it is READY when
both inputs are, NO_INPUT while one has none, and WARMING while one is. A divisor of zero, an input that is not finite, or a
quotient that no float can hold makes it NO_INPUT: no number is better than a wrong one.

Numerics. One division, rounded once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from keeper.signals.bank import NO_INPUT, READY, Board, Ints, Slots, missing, write
from keeper.signals.spec import SignalSpec


class Params(NamedTuple):
    """There is nothing to set; the array only counts the slots."""

    slots: Ints


class State(NamedTuple):
    """Nothing is remembered; the array only counts the slots."""

    slots: Ints


def prepare(specs: Sequence[SignalSpec]) -> Params:
    return Params(np.zeros(len(specs), dtype=np.int64))


def allocate(params: Params) -> State:
    return State(np.zeros(len(params.slots), dtype=np.int64))


@njit(cache=True, error_model="numpy")
def one(of: float, to: float) -> tuple[float, int]:
    """(value, status) for two inputs that are there."""
    quotient = of / to
    if not (np.isfinite(quotient) and np.isfinite(to)):
        return np.nan, NO_INPUT
    return quotient, READY


@njit(cache=True, nogil=True, error_model="numpy")
def step(board: Board, slots: Slots, params: Params, state: State) -> None:
    """The inputs are ``of`` and ``to``."""
    for slot in range(len(slots.rows)):
        of, to = slots.inputs[slot, 0], slots.inputs[slot, 1]
        for tick in range(len(board.at_ms)):
            status = missing(board, slots, slot, tick)
            value = np.nan
            if status == READY:
                value, status = one(board.values[of, tick], board.values[to, tick])
            write(board, slots, slot, tick, value, status)
