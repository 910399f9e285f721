"""Staleness: how long ago a source's value was observed, by the source's own time::

    value = max(0, t - own time) / 1000,   t the time of the tick, both in milliseconds

Unit: SECONDS. The own time is that of the feed's round, the pool's block or the exchange's clock; where a source gives none, the time
at which its value arrived. A clock that is ahead gives 0. It keeps no state, so it is never WARMING.

It is known as long as the source has a value with a time, also where that value is not good enough for other signals (too old, out of
bounds): that is when its age matters. A source without any value makes it NO_INPUT, and so does anything that is no source, because a
signal has no time of its own.

Numerics. The difference is taken in whole milliseconds; one quotient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from keeper.signals.bank import NEVER, NO_INPUT, READY, Board, Ints, Slots, write
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
def one(at_ms: int, own_ms: int) -> tuple[float, int]:
    """(value, status) for a tick and the own time of its input."""
    if own_ms == NEVER:
        return np.nan, NO_INPUT
    return max(0, at_ms - own_ms) / 1000.0, READY


@njit(cache=True, nogil=True, error_model="numpy")
def step(board: Board, slots: Slots, params: Params, state: State) -> None:
    """The only input is the source; its value is not looked at."""
    for slot in range(len(slots.rows)):
        of = slots.inputs[slot, 0]
        for tick in range(len(board.at_ms)):
            value, status = one(board.at_ms[tick], board.own_ms[of, tick])
            write(board, slots, slot, tick, value, status)
