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
from keeper.signals.scores import LARGEST, directed, direction_of, is_number, score
from keeper.signals.spec import SignalSpec
from keeper.signals.stretch import AT_ONCE, SEGMENT, even_until


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


@njit(cache=True, inline="always", error_model="numpy")
def step_slot(slot: int, board: Board, slots: Slots, params: Params, state: State) -> None:
    """One slot over all ticks. What it remembers is in registers."""
    cut, fade, ticks = params.cut, params.fade, len(board.at_ms)
    floor, direction = params.floor[slot], params.direction[slot]
    by, each, length = cut.by[slot], cut.each[slot], cut.length[slot]
    rate, kept_of_one, gained_by_one = fade.rate[slot], fade.kept[slot], fade.gained[slot]
    interval, first, latest = state.interval[slot], state.first[slot], state.latest[slot]
    mean, variance, weight = state.mean[slot], state.variance[slot], state.weight[slot]
    given, ready = board.values[slots.inputs[slot, 0]], board.status[slots.inputs[slot, 0]]
    values, found = board.values[slots.rows[slot]], board.status[slots.rows[slot]]
    where = board.block if by == BY_BLOCK else board.at_ms
    tick = 0
    while tick < ticks:
        if interval != NEVER and ticks > 1:
            until = even_until(tick, where, interval, by, each, given, ready, -LARGEST, LARGEST)
            if until > tick:
                mean, variance, weight = step_even(
                    given[tick:until], latest, kept_of_one, gained_by_one, mean, variance, weight,
                    floor, direction, values[tick:until],
                )  # fmt: skip
                early = min(max(first + length - interval - 1, 0), until - tick)
                values[tick : tick + early] = np.nan
                found[tick : tick + early] = WARMING
                found[tick + early : until] = READY
                interval, latest, tick = interval + until - tick, given[until - 1], until
        end = min(tick + AT_ONCE, ticks)
        while tick < end:
            seen, status, value = given[tick], ready[tick], np.nan
            if status == READY and not is_number(seen):
                status = NO_INPUT
            if status == READY:
                now = interval_of(where[tick], interval, by, each)
                if interval == NEVER or now - interval > FORGOTTEN * length:
                    first, mean, variance, weight = now, 0.0, 0.0, 0.0
                elif now > interval:
                    kept, gained = faded(now - interval, rate, kept_of_one, gained_by_one)
                    mean, variance, weight = close(latest - mean, kept, gained, mean, variance, weight)
                interval, latest = now, seen
                status = READY if now - first >= length else WARMING
                if status == READY:
                    value = directed(score(seen - mean, math.sqrt(variance), floor * abs(mean)), direction)
            values[tick], found[tick] = value, status
            tick += 1
    state.interval[slot], state.first[slot], state.latest[slot] = interval, first, latest
    state.mean[slot], state.variance[slot], state.weight[slot] = mean, variance, weight


@njit(cache=True, nogil=True, error_model="numpy")
def step(board: Board, slots: Slots, params: Params, state: State) -> None:
    """The only input is the value."""
    for slot in range(len(slots.rows)):
        step_slot(slot, board, slots, params, state)


@njit(cache=True, error_model="numpy")
def step_even(
    given: Floats,
    latest: float,
    kept: float,
    gained: float,
    mean: float,
    variance: float,
    weight: float,
    floor: float,
    direction: int,
    values: Floats,
) -> tuple[float, float, float]:
    """A stretch (see ``stretch``) as if it were warm; (mean, variance, weight) afterwards. ``latest`` is the value before it."""
    count = min(len(given), SEGMENT)
    means, variances = np.empty(count), np.empty(count)
    for start in range(0, len(given), SEGMENT):
        seen, scores = given[start : start + SEGMENT], values[start : start + SEGMENT]
        tick, count = 0, len(seen)
        while tick < count and kept * weight + gained != weight:
            mean, variance, weight = close(latest - mean, kept, gained, mean, variance, weight)
            means[tick], variances[tick], latest = mean, variance, seen[tick]
            tick += 1
        share, left = gained / weight, kept * weight / weight
        while tick < count:  # the weight does not change any more, and needs no division
            apart = latest - mean
            step_by = share * apart
            mean, variance = mean + step_by, left * (variance + step_by * apart)
            means[tick], variances[tick], latest = mean, variance, seen[tick]
            tick += 1
        for tick in range(count):
            scores[tick] = directed(
                score(seen[tick] - means[tick], math.sqrt(variances[tick]), floor * abs(means[tick])), direction
            )
    return mean, variance, weight
