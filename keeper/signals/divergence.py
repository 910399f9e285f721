"""Divergence: how far one price is from another, as a share of the other.

====== ======================== =========================================================
side   value                    reads as
====== ======================== =========================================================
either ``|of / against - 1|``   how far apart, whichever is higher; never negative
above  ``of / against - 1``     positive where ``of`` is the higher one; may be negative
below  ``1 - of / against``     positive where ``of`` is the lower one; may be negative
====== ======================== =========================================================

Where several are given as ``against``, it stands for the median of those that are good (of an even number the mean of the middle two). More than
half of them must be good, so that no minority of venues can move it: both of two, two of three, three of four.

Unit: RATIO (0.02 is 2 %). It keeps no state of its own, so it is WARMING only while an input is. An ``of`` that is missing, not finite, zero or
negative makes it NO_INPUT, and so do too many such ``against``.

Numerics. The difference is taken before the division: ``(of - against) / against`` is exact to two roundings where
``of / against - 1`` would lose every digit that the two prices have in common. The mean of the middle two is rounded to a float first,
as any price is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from keeper.signals.bank import NO_INPUT, READY, WARMING, Board, Floats, Ints, Slots, is_price, write
from keeper.signals.middle import enter_sorted, middle_of
from keeper.signals.spec import SignalSpec

EITHER, ABOVE, BELOW = 0, 1, 2
SIDES = {"either": EITHER, "above": ABOVE, "below": BELOW}


class Params(NamedTuple):
    """Per slot: ``side`` is one of EITHER, ABOVE, BELOW; ``named`` how many it is held against."""

    side: Ints
    named: Ints


class State(NamedTuple):
    """Nothing is remembered; ``numbers`` (slots x most of ``named``) is where those of a tick are put in order."""

    numbers: Floats


def prepare(specs: Sequence[SignalSpec]) -> Params:
    return Params(
        np.array([SIDES[spec.word("side")] for spec in specs], dtype=np.int64),
        np.array([len(spec.sources) - 1 for spec in specs], dtype=np.int64),
    )


def allocate(params: Params) -> State:
    return State(np.zeros((len(params.side), int(params.named.max(initial=1)))))


@njit(cache=True, error_model="numpy")
def reference(board: Board, slots: Slots, slot: int, tick: int, named: int, numbers: Floats) -> tuple[float, int]:
    """(median of the good ones that the slot is held against, status)."""
    good, warming = 0, 0
    for place in range(1, named + 1):
        row = slots.inputs[slot, place]
        if board.status[row, tick] == READY and is_price(board.values[row, tick]):
            enter_sorted(board.values[row, tick], good, numbers)
            good += 1
        elif board.status[row, tick] == WARMING:
            warming += 1
    if 2 * good > named:
        return middle_of(good, numbers), READY
    return np.nan, WARMING if 2 * (good + warming) > named else NO_INPUT


@njit(cache=True, inline="always", error_model="numpy")
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


@njit(cache=True, inline="always", error_model="numpy")
def pair(board: Board, of: int, against: int, row: int, side: int) -> None:
    """All ticks of a slot that is held against one other."""
    values, status = board.values, board.status
    for tick in range(len(board.at_ms)):
        known = max(status[of, tick], status[against, tick])
        value = np.nan
        if known == READY:
            value, known = one(values[of, tick], values[against, tick], side)
        values[row, tick] = value
        status[row, tick] = known


@njit(cache=True, nogil=True, error_model="numpy")
def step(board: Board, slots: Slots, params: Params, state: State) -> None:
    """The inputs are ``of`` and all that it is held against."""
    for slot in range(len(slots.rows)):
        of, named, side = slots.inputs[slot, 0], params.named[slot], params.side[slot]
        if named == 1:  # by far the commonest: nothing to put in order
            pair(board, of, slots.inputs[slot, 1], slots.rows[slot], side)
            continue
        numbers = state.numbers[slot]
        for tick in range(len(board.at_ms)):
            against, status = reference(board, slots, slot, tick, named, numbers)
            status = max(status, board.status[of, tick])
            value = np.nan
            if status == READY:
                value, status = one(board.values[of, tick], against, side)
            write(board, slots, slot, tick, value, status)
