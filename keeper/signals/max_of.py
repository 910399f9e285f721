"""Maximum: the highest of all inputs.

    value = max(of[1], of[2], ..., of[n])

Unit: that of the inputs, which must all have the same. It keeps no state of its own: it is READY when all inputs are, NO_INPUT while one has
none, and WARMING while one is. An input that is not finite makes it NO_INPUT.

Numerics. Exact: the value is one of the inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from keeper.signals.bank import NO_INPUT, NOWHERE, READY, Board, Ints, Slots, missing, write
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
def one(board: Board, slots: Slots, slot: int, tick: int) -> tuple[float, int]:
    """(value, status) for inputs that are all there."""
    highest = -np.inf
    for place in range(slots.inputs.shape[1]):
        row = slots.inputs[slot, place]
        if row == NOWHERE:
            continue
        value = board.values[row, tick]
        if not np.isfinite(value):
            return np.nan, NO_INPUT
        highest = max(highest, value)
    return highest, READY


@njit(cache=True, nogil=True, error_model="numpy")
def step(board: Board, slots: Slots, params: Params, state: State) -> None:
    """Any number of inputs."""
    for slot in range(len(slots.rows)):
        for tick in range(len(board.at_ms)):
            status = missing(board, slots, slot, tick)
            value = np.nan
            if status == READY:
                value, status = one(board, slots, slot, tick)
            write(board, slots, slot, tick, value, status)
