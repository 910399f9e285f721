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

from keeper.signals.bank import NEVER, NO_INPUT, READY, WARMING, Board, Floats, Ints, Slots, write
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
    """Per slot what a Cell holds."""

    interval: Ints
    first: Ints
    latest: Floats
    mean: Floats
    variance: Floats
    weight: Floats


class Cell(NamedTuple):
    """One slot, in registers: a loop over many ticks is several times faster so.

    ``interval`` the one in progress and ``latest`` its value, ``first`` the first one since the last start; the rest is of the intervals before.
    """

    interval: int
    first: int
    latest: float
    mean: float
    variance: float
    weight: float


class Form(NamedTuple):
    """The parameters of one slot, in registers; ``by``, ``each``, ``length`` as in Cut, ``rate``, ``kept``, ``gained`` as in Fade."""

    by: int
    each: int
    length: int
    rate: float
    kept: float
    gained: float
    floor: float
    direction: int


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
def one(cell: Cell, where: int, now: float, form: Form) -> tuple[Cell, float, int]:
    """(the slot afterwards, value, status) of one slot that has an input, at this time or block."""
    if not is_number(now):
        return cell, np.nan, NO_INPUT
    interval = interval_of(where, cell.interval, form.by, form.each)
    if cell.interval == NEVER or interval - cell.interval > FORGOTTEN * form.length:
        return Cell(interval, interval, now, 0.0, 0.0, 0.0), np.nan, WARMING
    mean, variance, weight = cell.mean, cell.variance, cell.weight
    if interval > cell.interval:
        kept, gained = faded(interval - cell.interval, form.rate, form.kept, form.gained)
        old = kept * weight
        weight = old + gained
        share = gained / weight
        apart = cell.latest - mean
        mean += share * apart
        variance = old / weight * (variance + share * apart * apart)
    after = Cell(interval, cell.first, now, mean, variance, weight)
    if interval - cell.first < form.length:
        return after, np.nan, WARMING
    found = score(now - mean, math.sqrt(variance), form.floor * abs(mean))
    return after, directed(found, form.direction), READY


@njit(cache=True, nogil=True, error_model="numpy")
def step(board: Board, slots: Slots, params: Params, state: State) -> None:
    """The only input is the value."""
    cut, fade = params.cut, params.fade
    for slot in range(len(slots.rows)):
        of = slots.inputs[slot, 0]
        form = Form(
            cut.by[slot],
            cut.each[slot],
            cut.length[slot],
            fade.rate[slot],
            fade.kept[slot],
            fade.gained[slot],
            params.floor[slot],
            params.direction[slot],
        )
        cell = Cell(
            state.interval[slot],
            state.first[slot],
            state.latest[slot],
            state.mean[slot],
            state.variance[slot],
            state.weight[slot],
        )
        for tick in range(len(board.at_ms)):
            status = int(board.status[of, tick])
            value = np.nan
            if status == READY:
                where = board.block[tick] if form.by == BY_BLOCK else board.at_ms[tick]
                cell, value, status = one(cell, where, board.values[of, tick], form)
            write(board, slots, slot, tick, value, status)
        state.interval[slot], state.first[slot], state.latest[slot] = cell.interval, cell.first, cell.latest
        state.mean[slot], state.variance[slot], state.weight[slot] = cell.mean, cell.variance, cell.weight
