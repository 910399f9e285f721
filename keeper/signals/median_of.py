"""Median: the middle one of all inputs; of an even number the mean of the middle two.

    value = x[(n + 1) / 2]                      n odd,   x the inputs in ascending order
    value = (x[n / 2] + x[n / 2 + 1]) / 2       n even

Unit: that of the inputs, which must all have the same. It keeps no state of its own: it is READY when all inputs are, NO_INPUT while one has
none, and WARMING while one is. An input that is not finite makes it NO_INPUT. To go on while some are missing, take
the median of the sources instead: a derived source with ``how: median`` says how many must be good.

Numerics. The two middle ones are halved before they are added, so that it is rounded once and cannot leave the range of a float.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from keeper.signals.bank import NO_INPUT, NOWHERE, READY, Board, Floats, Ints, Slots, missing, write
from keeper.signals.middle import enter_sorted, middle_of
from keeper.signals.spec import SignalSpec


class Params(NamedTuple):
    """``inputs``: how many each slot has."""

    inputs: Ints


class State(NamedTuple):
    """Nothing is remembered; ``numbers`` (slots x most inputs of any) is where the inputs of a tick are put in order."""

    numbers: Floats


def prepare(specs: Sequence[SignalSpec]) -> Params:
    return Params(np.array([len(spec.sources) for spec in specs], dtype=np.int64))


def allocate(params: Params) -> State:
    return State(np.zeros((len(params.inputs), int(params.inputs.max(initial=1)))))


@njit(cache=True, error_model="numpy")
def one(board: Board, slots: Slots, slot: int, tick: int, numbers: Floats) -> tuple[float, int]:
    """(value, status) for inputs that are all there."""
    count = 0
    for place in range(slots.inputs.shape[1]):
        row = slots.inputs[slot, place]
        if row == NOWHERE:
            continue
        value = board.values[row, tick]
        if not np.isfinite(value):
            return np.nan, NO_INPUT
        enter_sorted(value, count, numbers)
        count += 1
    return middle_of(count, numbers), READY


@njit(cache=True, nogil=True, error_model="numpy")
def step(board: Board, slots: Slots, params: Params, state: State) -> None:
    """Any number of inputs."""
    for slot in range(len(slots.rows)):
        for tick in range(len(board.at_ms)):
            status = missing(board, slots, slot, tick)
            value = np.nan
            if status == READY:
                value, status = one(board, slots, slot, tick, state.numbers[slot])
            write(board, slots, slot, tick, value, status)
