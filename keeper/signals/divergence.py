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

from keeper.signals.bank import NO_INPUT, READY, WARMING, Board, Bytes, Floats, Ints, Slots, is_price, write
from keeper.signals.middle import enter_sorted, middle_of
from keeper.signals.spec import SignalSpec
from keeper.signals.stretch import all_ready

EITHER, ABOVE, BELOW = 0, 1, 2
SIDES = {"either": EITHER, "above": ABOVE, "below": BELOW}


class Params(NamedTuple):
    """Per slot: ``side`` is one of EITHER, ABOVE, BELOW; ``named`` how many it is held against."""

    side: Bytes
    named: Ints


class State(NamedTuple):
    """Nothing is remembered; ``numbers`` (slots x most of ``named``) is where those of a tick are put in order."""

    numbers: Floats


def prepare(specs: Sequence[SignalSpec]) -> Params:
    return Params(
        np.array([SIDES[spec.word("side")] for spec in specs], dtype=np.int8),
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
def share_of(of: float, against: float, side: int) -> float:
    """The value for two inputs; NaN where they are no prices. Without a question, so that several are under way at a time."""
    share = (of - against) / against
    share = abs(share) if side == EITHER else share
    share = -share if side == BELOW else share
    fine = (of > 0.0) & (of < np.inf) & (against > 0.0) & (against < np.inf)
    return (
        share if fine & (abs(share) < np.inf) else np.nan
    )  # too far apart for a float: none is better than a wrong one


@njit(cache=True, inline="always", error_model="numpy")
def one(of: float, against: float, side: int) -> tuple[float, int]:
    """(value, status) for two inputs that are there."""
    value = share_of(of, against, side)
    return value, NO_INPUT if np.isnan(value) else READY


@njit(cache=True, error_model="numpy")
def pairs(
    of: Floats, against: Floats, ready: Bytes, other_ready: Bytes, side: int, values: Floats, found: Bytes
) -> None:
    """All ticks of a slot that is held against one other: several are under way at a time."""
    odd = np.int64(0)
    for tick in range(len(values)):
        value = share_of(of[tick], against[tick], side)
        values[tick] = value
        odd |= np.int64(np.isnan(value))
    for tick in range(len(found)):
        found[tick] = max(ready[tick], other_ready[tick])
    if odd != 0 or not all_ready(found):
        for tick in range(len(found)):
            if found[tick] != READY:
                values[tick] = np.nan
            elif np.isnan(values[tick]):
                found[tick] = NO_INPUT


@njit(cache=True, nogil=True, error_model="numpy")
def step(board: Board, slots: Slots, params: Params, state: State) -> None:
    """The inputs are ``of`` and all that it is held against."""
    values, status = board.values, board.status
    if len(board.at_ms) == 1:
        step_once(board, slots, params)
        if slots.inputs.shape[1] == 2:
            return  # none is held against more than one
    for slot in range(len(slots.rows)):
        of, named, side, row = slots.inputs[slot, 0], params.named[slot], params.side[slot], slots.rows[slot]
        if named > 1:
            medians(slot, board, slots, named, side, state)
        elif len(board.at_ms) > 1:  # by far the commonest: nothing to put in order
            other = slots.inputs[slot, 1]
            pairs(values[of], values[other], status[of], status[other], side, values[row], status[row])


@njit(cache=True, error_model="numpy")
def step_once(board: Board, slots: Slots, params: Params) -> None:
    """All slots at the only tick, as if each were held against one other."""
    values, status = board.values.reshape(-1), board.status.reshape(-1)
    count = len(slots.rows)
    of, against, known = np.empty(count), np.empty(count), np.empty(count, np.int8)
    for slot in range(count):
        of[slot], against[slot] = values[slots.inputs[slot, 0]], values[slots.inputs[slot, 1]]
    for slot in range(count):
        known[slot] = max(status[slots.inputs[slot, 0]], status[slots.inputs[slot, 1]])
    for slot in range(count):
        of[slot] = share_of(of[slot], against[slot], params.side[slot])
    for slot in range(count):
        fine = (known[slot] == READY) & (of[slot] == of[slot])
        values[slots.rows[slot]] = of[slot] if fine else np.nan
        status[slots.rows[slot]] = NO_INPUT if (known[slot] == READY) & (not fine) else known[slot]


@njit(cache=True, error_model="numpy")
def medians(slot: int, board: Board, slots: Slots, named: int, side: int, state: State) -> None:
    """All ticks of a slot that is held against the median of several."""
    of, numbers = slots.inputs[slot, 0], state.numbers[slot]
    for tick in range(len(board.at_ms)):
        against, status = reference(board, slots, slot, tick, named, numbers)
        status = max(status, board.status[of, tick])
        value = np.nan
        if status == READY:
            value, status = one(board.values[of, tick], against, side)
        write(board, slots, slot, tick, value, status)
