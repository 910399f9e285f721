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

SIDE_BY_SIDE = 4
"""Slots whose stretches are taken in one loop: each mean waits for the one before it, and meanwhile those of other slots are formed."""
SEGMENT_OF_EACH = SEGMENT // SIDE_BY_SIDE
"""Ticks of a stretch of several slots that are taken together: see ``SEGMENT``."""


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
def closed(latest: float, mean: float, variance: float, share: float, left: float) -> tuple[float, float]:
    """(mean, variance) as ``close`` gives them where the weight does not change any more: without a division."""
    apart = latest - mean
    step_by = share * apart
    return mean + step_by, left * (variance + step_by * apart)


@njit(cache=True, inline="always", error_model="numpy")
def step_slot(slot: int, begin: int, last: int, board: Board, slots: Slots, params: Params, state: State) -> None:
    """One slot over the ticks from ``begin`` to before ``last``. What it remembers is in registers."""
    cut, fade = params.cut, params.fade
    floor, direction = params.floor[slot], params.direction[slot]
    by, each, length = cut.by[slot], cut.each[slot], cut.length[slot]
    rate, kept_of_one, gained_by_one = fade.rate[slot], fade.kept[slot], fade.gained[slot]
    interval, first, latest = state.interval[slot], state.first[slot], state.latest[slot]
    mean, variance, weight = state.mean[slot], state.variance[slot], state.weight[slot]
    given, ready = board.values[slots.inputs[slot, 0]], board.status[slots.inputs[slot, 0]]
    values, found = board.values[slots.rows[slot]], board.status[slots.rows[slot]]
    where = board.block[:last] if by == BY_BLOCK else board.at_ms[:last]
    tick = begin
    while tick < last:
        if interval != NEVER and last - begin > 1:
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
        end = min(tick + AT_ONCE, last)
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
    ticks, slot = len(board.at_ms), 0
    while ticks > 1 and slot + SIDE_BY_SIDE <= len(slots.rows):
        step_several(slot, board, slots, params, state)
        slot += SIDE_BY_SIDE
    for other in range(slot, len(slots.rows)):
        step_slot(other, 0, ticks, board, slots, params, state)


@njit(cache=True, error_model="numpy")
def step_several(first: int, board: Board, slots: Slots, params: Params, state: State) -> None:
    """Several slots over all ticks: together where all of them are even, else one after the other."""
    ticks = len(board.at_ms)
    for begin in range(0, ticks, SEGMENT_OF_EACH):
        end = min(begin + SEGMENT_OF_EACH, ticks)
        together = True
        for slot in range(first, first + SIDE_BY_SIDE):
            together = together and steady(slot, begin, end, board, slots, params, state)
        if together:
            step_together(first, begin, end, board, slots, params, state)
        else:
            for slot in range(first, first + SIDE_BY_SIDE):
                step_slot(slot, begin, end, board, slots, params, state)


@njit(cache=True, error_model="numpy")
def steady(slot: int, begin: int, end: int, board: Board, slots: Slots, params: Params, state: State) -> bool:
    """Whether these ticks are one stretch of a slot that is warm and whose weight does not change any more."""
    cut, interval, weight = params.cut, state.interval[slot], state.weight[slot]
    if interval == NEVER or interval - state.first[slot] < cut.length[slot]:
        return False
    if params.fade.kept[slot] * weight + params.fade.gained[slot] != weight:
        return False
    row, by = slots.inputs[slot, 0], cut.by[slot]
    where = board.block if by == BY_BLOCK else board.at_ms
    given, ready = board.values[row, begin:end], board.status[row, begin:end]
    until = even_until(0, where[begin:end], interval, by, cut.each[slot], given, ready, -LARGEST, LARGEST)
    return bool(until == end - begin)


@njit(cache=True, error_model="numpy")
def step_together(first: int, begin: int, end: int, board: Board, slots: Slots, params: Params, state: State) -> None:
    """SIDE_BY_SIDE steady slots over one stretch, with the operations of ``step_even``."""
    one, two, three, four = first, first + 1, first + 2, first + 3
    inputs, fade, count = slots.inputs, params.fade, end - begin
    seen_1, seen_2 = board.values[inputs[one, 0], begin:end], board.values[inputs[two, 0], begin:end]
    seen_3, seen_4 = board.values[inputs[three, 0], begin:end], board.values[inputs[four, 0], begin:end]
    share, left = np.empty(SIDE_BY_SIDE), np.empty(SIDE_BY_SIDE)
    for lane in range(SIDE_BY_SIDE):
        weight = state.weight[first + lane]
        share[lane] = fade.gained[first + lane] / weight
        left[lane] = fade.kept[first + lane] * weight / weight
    share_1, share_2, share_3, share_4 = share[0], share[1], share[2], share[3]
    left_1, left_2, left_3, left_4 = left[0], left[1], left[2], left[3]
    latest_1, latest_2 = state.latest[one], state.latest[two]
    latest_3, latest_4 = state.latest[three], state.latest[four]
    mean_1, mean_2, mean_3, mean_4 = state.mean[one], state.mean[two], state.mean[three], state.mean[four]
    variance_1, variance_2 = state.variance[one], state.variance[two]
    variance_3, variance_4 = state.variance[three], state.variance[four]
    means, variances = np.empty((SIDE_BY_SIDE, count)), np.empty((SIDE_BY_SIDE, count))
    for tick in range(count):
        mean_1, variance_1 = closed(latest_1, mean_1, variance_1, share_1, left_1)
        mean_2, variance_2 = closed(latest_2, mean_2, variance_2, share_2, left_2)
        mean_3, variance_3 = closed(latest_3, mean_3, variance_3, share_3, left_3)
        mean_4, variance_4 = closed(latest_4, mean_4, variance_4, share_4, left_4)
        latest_1, latest_2, latest_3, latest_4 = seen_1[tick], seen_2[tick], seen_3[tick], seen_4[tick]
        means[0, tick], means[1, tick], means[2, tick], means[3, tick] = mean_1, mean_2, mean_3, mean_4
        variances[0, tick], variances[1, tick] = variance_1, variance_2
        variances[2, tick], variances[3, tick] = variance_3, variance_4
    for lane in range(SIDE_BY_SIDE):
        slot, row = first + lane, slots.rows[first + lane]
        seen, values = board.values[inputs[slot, 0], begin:end], board.values[row, begin:end]
        scores_of(seen, means[lane], variances[lane], params.floor[slot], params.direction[slot], values)
        board.status[row, begin:end] = READY
        state.interval[slot] += count
        state.latest[slot], state.mean[slot], state.variance[slot] = seen[-1], means[lane, -1], variances[lane, -1]


@njit(cache=True, error_model="numpy")
def scores_of(seen: Floats, means: Floats, variances: Floats, floor: float, direction: int, scores: Floats) -> None:
    """The value of each tick, from the mean and the variance of the intervals before it; several are under way at a time."""
    for tick in range(len(seen)):
        scores[tick] = directed(
            score(seen[tick] - means[tick], math.sqrt(variances[tick]), floor * abs(means[tick])), direction
        )


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
            mean, variance = closed(latest, mean, variance, share, left)
            means[tick], variances[tick], latest = mean, variance, seen[tick]
            tick += 1
        scores_of(seen, means[:count], variances[:count], floor, direction, scores)
    return mean, variance, weight
