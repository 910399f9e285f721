"""Z-score: how many standard deviations the latest value lies from the mean of the window before it.

Definition. The window is cut into ``n`` sampling intervals (see ``ring``). ``mean`` and ``deviation`` (with n - 1 under the sum) are those of
the last values of the ``n`` intervals before the one in progress, so that a shock is not softened by itself::

    value = (now - mean) / max(deviation, floor * |mean|)

With ``direction: either`` its size, with ``down`` its negative.

Unit: SCORE (standard deviations), of a price or of any other signal.

Nothing moved. Where the divisor is 0, which with a floor it is only of values around 0, a value like the others is 0 and any other the highest
score; none is beyond 1,000,000.

Gaps. An interval without a value has that of the one before it, and counts so. After a gap longer than the window it starts anew.

Warm-up. WARMING until the first value is ``n`` intervals back, which is when the window is full.

Bad input. A value that is missing, not finite, or larger than 1e150 is none: NO_INPUT for that tick, and what was gathered stays. At equal times
the last value counts.

Numerics. Each time an interval is closed, mean and deviation are computed anew from the window: nothing is carried on, so nothing drifts. The
values are shifted by one of them first and the squares are of the distances from the mean, so that values which are large and near each other
keep their digits, and equal ones have a deviation of exactly 0. That costs n additions an interval; ``ewma-z-score`` costs the same for any
window.

Source: T. F. Chan, G. H. Golub and R. J. LeVeque (1983), Algorithms for Computing the Sample Variance: Analysis and Recommendations,
The American Statistician 37(3), 242-247 (shifted two-pass).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from keeper.signals.bank import NEVER, NO_INPUT, READY, WARMING, Board, Floats, Ints, Slots, missing, write
from keeper.signals.ring import Cut, Ring, cut_of, enter, fresh_ring
from keeper.signals.scores import directed, direction_of, is_number, score
from keeper.signals.spec import SignalSpec


class Params(NamedTuple):
    """``floor`` is a share of the mean; ``direction`` one of EITHER, UP, DOWN."""

    cut: Cut
    floor: Floats
    direction: Ints


class State(NamedTuple):
    """``ring``: the values in the windows; ``shift``, ``mean`` (from there) and ``deviation`` of each window before interval ``of``."""

    ring: Ring
    of: Ints
    shift: Floats
    mean: Floats
    deviation: Floats


def prepare(specs: Sequence[SignalSpec]) -> Params:
    return Params(
        cut_of(specs),
        np.array([spec.number("floor") for spec in specs]),
        np.array([direction_of(spec) for spec in specs], dtype=np.int64),
    )


def allocate(params: Params) -> State:
    slots = len(params.floor)
    none = (np.full(slots, np.nan) for _ in range(3))
    return State(fresh_ring(params.cut), np.full(slots, NEVER, dtype=np.int64), *none)


@njit(cache=True, error_model="numpy")
def moments(values: Floats, shift: float) -> tuple[float, float]:
    """(mean from ``shift`` on, standard deviation) of two values or more."""
    count = len(values)
    total = 0.0
    for value in values:
        total += value - shift
    mean = total / count
    squares = 0.0
    for value in values:
        squares += (value - shift - mean) ** 2
    return mean, math.sqrt(squares / (count - 1))


@njit(cache=True, forceinline=True, error_model="numpy")
def one(slot: int, at_ms: int, block: int, now: float, params: Params, state: State) -> tuple[float, int]:
    """(value, status) of one slot that has an input."""
    if not is_number(now):
        return np.nan, NO_INPUT
    if not enter(slot, at_ms, block, now, params.cut, state.ring):
        return np.nan, WARMING
    if state.of[slot] != state.ring.interval[slot]:
        past = state.ring.past[slot, : params.cut.length[slot]]
        state.shift[slot] = past[0]
        state.mean[slot], state.deviation[slot] = moments(past, past[0])
        state.of[slot] = state.ring.interval[slot]
    shift, mean = state.shift[slot], state.mean[slot]
    floor = params.floor[slot] * abs(shift + mean)
    return directed(score(now - shift - mean, state.deviation[slot], floor), params.direction[slot]), READY


@njit(cache=True, nogil=True, error_model="numpy")
def step(board: Board, slots: Slots, params: Params, state: State) -> None:
    """The only input is the value."""
    for slot in range(len(slots.rows)):
        of = slots.inputs[slot, 0]
        for tick in range(len(board.at_ms)):
            status = missing(board, slots, slot, tick)
            value = np.nan
            if status == READY:
                value, status = one(slot, board.at_ms[tick], board.block[tick], board.values[of, tick], params, state)
            write(board, slots, slot, tick, value, status)
