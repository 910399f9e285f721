"""EWMA z-score: how many standard deviations the latest value lies from an exponentially weighted mean of those before it.

Definition. Time, blocks or samples are cut into sampling intervals (see ``ring``). ``mean`` and ``variance`` are those of the last values ``x``
of all intervals before the one in progress, with weights that fade with the half-life (see ``fading``). Closing an interval whose value stood
for ``k`` intervals, ``d**k`` of what was known is left::

    weight'  = d**k * weight + (1 - d**k)
    a        = (1 - d**k) / weight'
    mean'    = mean + a * (x - mean)
    variance'= (1 - a) * (variance + a * (x - mean)**2)
    value    = (now - mean) / max(sqrt(variance), floor * |mean|)

With ``direction: either`` its size, with ``down`` its negative. It costs the same however long the half-life.

Unit: SCORE (standard deviations), of a price or of any other signal.

Nothing moved. Where the divisor is 0, which with a floor it is only of values around 0, a value like the mean is 0 and any other the highest
score; none is beyond 1,000,000.

Gaps. An interval without a value has that of the one before it, and counts so. After a gap of more than ten half-lives it starts anew.

Warm-up. WARMING until the first value is one half-life back.

Bad input. A value that is missing, not finite, or larger than 1e150 is none: NO_INPUT for that tick, and what was gathered stays. At equal times
the last value counts.

Numerics. Mean and variance are corrected by what is new and never formed as a difference of large sums; an error once made fades like any
weight. Equal values have a variance of exactly 0.

Source: D. H. D. West (1979), Updating Mean and Variance Estimates: An Improved Method, Communications of the ACM 22(9), 532-535; T. Finch
(2009), Incremental Calculation of Weighted Mean and Variance, University of Cambridge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from keeper.signals.bank import NEVER, NO_INPUT, READY, WARMING, Board, Floats, Ints, Slots
from keeper.signals.fading import FORGOTTEN, Fade, fade_of, faded
from keeper.signals.ring import BY_BLOCK, Cut, cut_of, interval_of
from keeper.signals.scores import directed, direction_of, is_number, score
from keeper.signals.spec import SignalSpec


class Params(NamedTuple):
    """``cut`` of the half-life; ``floor`` is a share of the mean; ``direction`` one of EITHER, UP, DOWN."""

    cut: Cut
    fade: Fade
    floor: Floats
    direction: Ints


class State(NamedTuple):
    """Per slot.

    ``interval`` is the one in progress and ``latest`` its value, ``first`` the first one since the last start; the rest is of the intervals before.
    """

    interval: Ints
    first: Ints
    latest: Floats
    mean: Floats
    variance: Floats
    weight: Floats


def prepare(specs: Sequence[SignalSpec]) -> Params:
    cut = cut_of(specs, "half_life")
    floor = np.array([spec.number("floor") for spec in specs])
    return Params(cut, fade_of(cut), floor, np.array([direction_of(spec) for spec in specs], dtype=np.int64))


def allocate(params: Params) -> State:
    slots = len(params.floor)
    return State(
        interval=np.full(slots, NEVER, dtype=np.int64),
        first=np.full(slots, NEVER, dtype=np.int64),
        latest=np.full(slots, np.nan),
        mean=np.zeros(slots),
        variance=np.zeros(slots),
        weight=np.zeros(slots),
    )


@njit(cache=True, inline="always", error_model="numpy")
def close(
    apart: float, kept: float, gained: float, mean: float, variance: float, weight: float
) -> tuple[float, float, float]:
    """(mean, variance, weight) with a value that lies so far from the mean."""
    old = kept * weight
    weight = old + gained
    share = gained / weight
    return mean + share * apart, old / weight * (variance + share * apart * apart), weight


@njit(cache=True, nogil=True, error_model="numpy")
def step(board: Board, slots: Slots, params: Params, state: State) -> None:
    """The only input is the value. What a slot remembers is in registers while it goes over the ticks."""
    cut, fade = params.cut, params.fade
    for slot in range(len(slots.rows)):
        of, row, floor, direction = slots.inputs[slot, 0], slots.rows[slot], params.floor[slot], params.direction[slot]
        by, each, length = cut.by[slot], cut.each[slot], cut.length[slot]
        interval, first, latest = state.interval[slot], state.first[slot], state.latest[slot]
        mean, variance, weight = state.mean[slot], state.variance[slot], state.weight[slot]
        for tick in range(len(board.at_ms)):
            seen, status, value = board.values[of, tick], board.status[of, tick], np.nan
            if status == READY and not is_number(seen):
                status = NO_INPUT
            if status == READY:
                now = interval_of(board.block[tick] if by == BY_BLOCK else board.at_ms[tick], interval, by, each)
                if interval == NEVER or now - interval > FORGOTTEN * length:
                    first, mean, variance, weight = now, 0.0, 0.0, 0.0
                elif now > interval:
                    kept, gained = faded(now - interval, fade.rate[slot], fade.kept[slot], fade.gained[slot])
                    mean, variance, weight = close(latest - mean, kept, gained, mean, variance, weight)
                interval, latest = now, seen
                status = READY if now - first >= length else WARMING
                if status == READY:
                    value = directed(score(seen - mean, math.sqrt(variance), floor * abs(mean)), direction)
            board.values[row, tick], board.status[row, tick] = value, status
        state.interval[slot], state.first[slot], state.latest[slot] = interval, first, latest
        state.mean[slot], state.variance[slot], state.weight[slot] = mean, variance, weight
