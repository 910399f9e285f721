"""Count: in how many intervals of a window a value was beyond a level.

Definition. Windows and intervals are those of ring.py; the value of an interval is the last in it, and the one in progress counts with
its last so far. With ``n`` intervals to the window and ``i`` the one in progress::

    value = number of intervals j with i - n < j <= i whose value is strictly above (below) the level

So a window of samples counts ticks, one of blocks counts blocks (a pushed price at the same block adds nothing), and one of time counts
its sampling intervals, however many ticks fall into each: live and over bars of history it means the same. It is never more than ``n``.

Unit: COUNT.

Gaps. An interval without a value was not beyond. After a gap longer than the window it starts anew.

Warm-up. WARMING until the first value is ``n`` intervals back.

Bad input. What is missing or not finite is no value: NO_INPUT for that tick, and what was gathered stays. At equal times the last value
counts.

Numerics. Whole numbers, exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from keeper.signals.bank import NO_INPUT, READY, WARMING, Board, Bytes, Floats, Slots, missing, write
from keeper.signals.ring import Cut, cut_of
from keeper.signals.spec import SignalSpec
from keeper.signals.tally import Tally, counted, fresh_tally, look


class Params(NamedTuple):
    """``cut``: the windows; per slot ``level``, and ``above`` (1; 0: below)."""

    cut: Cut
    level: Floats
    above: Bytes


class State(NamedTuple):
    """The intervals that were beyond (``tally``)."""

    tally: Tally


def prepare(specs: Sequence[SignalSpec]) -> Params:
    return Params(
        cut_of(specs),
        np.array([spec.number("level") for spec in specs], dtype=np.float64),
        np.array([spec.word("side") == "above" for spec in specs], dtype=np.int8),
    )


def allocate(params: Params) -> State:
    return State(fresh_tally(params.cut))


@njit(cache=True, error_model="numpy", forceinline=True)
def one(slot: int, at_ms: int, block: int, value: float, params: Params, state: State) -> tuple[float, int]:
    """(value, status) of one slot that has an input."""
    if not np.isfinite(value):
        return np.nan, NO_INPUT
    full = look(slot, at_ms, block, params.cut, state.tally)
    level = params.level[slot]
    state.tally.latest[slot] = 1 if (value > level if params.above[slot] == 1 else value < level) else 0
    if not full:
        return np.nan, WARMING
    return float(counted(slot, params.cut, state.tally)), READY


@njit(cache=True, nogil=True, error_model="numpy")
def step(board: Board, slots: Slots, params: Params, state: State) -> None:
    """The only input is what is held against the level."""
    for slot in range(len(slots.rows)):
        of = slots.inputs[slot, 0]
        for tick in range(len(board.at_ms)):
            status = missing(board, slots, slot, tick)
            value = np.nan
            if status == READY:
                value, status = one(slot, board.at_ms[tick], board.block[tick], board.values[of, tick], params, state)
            write(board, slots, slot, tick, value, status)
