"""Sum: all inputs added up.

    value = of[1] + of[2] + ... + of[n]

Unit: that of the inputs, which must all have the same. It keeps no state of its own: it is READY when all inputs are, NO_INPUT while one has
none, and WARMING while one is. An input that is not finite, or a sum that no float can hold, makes it NO_INPUT.

Numerics. Added with compensation: what each addition rounds away is summed apart and added at the end, so that inputs that nearly cancel each
other leave the right digits.

Source: A. Neumaier (1974), Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen, Zeitschrift für Angewandte Mathematik und
Mechanik 54(1), 39-51.
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
    total, lost = 0.0, 0.0
    for place in range(slots.inputs.shape[1]):
        row = slots.inputs[slot, place]
        if row == NOWHERE:
            continue
        value = board.values[row, tick]
        after = total + value
        if abs(total) >= abs(value):
            lost += (total - after) + value
        else:
            lost += (value - after) + total
        total = after
    total += lost
    if not np.isfinite(total):
        return np.nan, NO_INPUT
    return total, READY


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
