"""EWMA volatility: the root of the exponentially weighted mean of squared log returns.

Definition. Time, blocks or samples are cut into sampling intervals (see ``ring``); the interval in progress counts with its last price so far.
``r`` is the log return from one sample to the next, ``k`` intervals later. Weights fade with the half-life (see ``fading``), ``d**k`` is what is
left after the ``k`` intervals::

    sum    = d**k * sum    + (1 - d**k) * r**2 / k
    weight = d**k * weight + (1 - d**k)
    value  = sqrt(sum / weight)

Annualised (only a half-life of time can be)::

    value = sqrt(365 days / sampling) * the above

Unit: VOLATILITY, of one sampling interval unless it is annualised. The mean return counts as nothing, as is usual over short intervals.

Gaps. The return across a gap of ``k`` intervals is formed whole, and counted as ``k`` returns of equal squares: its square over ``k`` is an
unbiased estimate of the squares that were not seen. After a gap of more than ten half-lives it starts anew.

Warm-up. WARMING until the first sample is one half-life back.

Bad input. A price that is missing, not finite, zero or negative is no sample: NO_INPUT for that tick, and what was gathered stays. At equal
times the last price counts.

Numerics. Returns as in ``log_return``. Both sums are of numbers that are not negative, and fade: nothing cancels and nothing drifts.

Source: J. P. Morgan / Reuters (1996), RiskMetrics Technical Document, 4th edition, section 5.2. The division by the sum of weights is ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from keeper.signals.bank import (
    NEVER,
    NO_INPUT,
    READY,
    WARMING,
    Board,
    Floats,
    Ints,
    Slots,
    is_price,
    missing,
    write,
)
from keeper.signals.fading import FORGOTTEN, Fade, fade_of, faded
from keeper.signals.log_return import log_return
from keeper.signals.ring import Cut, cut_of, interval_at
from keeper.signals.spec import SignalSpec
from keeper.signals.windows import sampling_of, scale_of


class Params(NamedTuple):
    """``cut`` of the half-life; ``scale`` is what the root is multiplied by: 1, or that which makes it annual."""

    cut: Cut
    fade: Fade
    scale: Floats


class State(NamedTuple):
    """Per slot: ``interval`` the one in progress, ``first`` the first sample since the last start, ``price`` the last usable price.

    ``base`` is the sample before it, of interval ``since``; NaN when there is none. ``total`` and ``weight`` are the sums up to there,
    ``total_now`` and ``weight_now`` with the interval in progress.
    """

    interval: Ints
    first: Ints
    since: Ints
    price: Floats
    base: Floats
    total: Floats
    weight: Floats
    total_now: Floats
    weight_now: Floats


def prepare(specs: Sequence[SignalSpec]) -> Params:
    cut = cut_of(specs, "half_life")
    spans = [sampling_of(spec.window("half_life"), spec.window("sampling")) for spec in specs]
    scale = np.array([scale_of(spec, span) for spec, span in zip(specs, spans, strict=True)])
    return Params(cut, fade_of(cut), scale)


def allocate(params: Params) -> State:
    slots = len(params.scale)
    return State(
        interval=np.full(slots, NEVER, dtype=np.int64),
        first=np.full(slots, NEVER, dtype=np.int64),
        since=np.full(slots, NEVER, dtype=np.int64),
        price=np.full(slots, np.nan),
        base=np.full(slots, np.nan),
        total=np.zeros(slots),
        weight=np.zeros(slots),
        total_now=np.zeros(slots),
        weight_now=np.zeros(slots),
    )


@njit(cache=True, forceinline=True, error_model="numpy")
def roll(slot: int, interval: int, length: int, state: State) -> None:
    """Closes the interval in progress and begins ``interval``, which is a later one."""
    before = state.interval[slot]
    state.interval[slot] = interval
    if before == NEVER or interval - before > FORGOTTEN * length:
        state.first[slot] = interval
        state.base[slot] = np.nan
        state.total[slot] = state.weight[slot] = state.total_now[slot] = state.weight_now[slot] = 0.0
        return
    state.total[slot], state.weight[slot] = state.total_now[slot], state.weight_now[slot]
    state.base[slot], state.since[slot] = state.price[slot], before


@njit(cache=True, forceinline=True, error_model="numpy")
def one(slot: int, at_ms: int, block: int, price: float, params: Params, state: State) -> tuple[float, int]:
    """(value, status) of one slot that has an input."""
    if not is_price(price):
        return np.nan, NO_INPUT
    length = params.cut.length[slot]
    interval = interval_at(slot, at_ms, block, state.interval[slot], params.cut)
    if interval > state.interval[slot]:
        roll(slot, interval, length, state)
    state.price[slot] = price
    if interval == state.first[slot]:  # there is no base
        return np.nan, WARMING
    intervals = interval - state.since[slot]
    kept, gained = faded(intervals, params.fade.rate[slot], params.fade.kept[slot], params.fade.gained[slot])
    latest = log_return(price, state.base[slot])
    total = kept * state.total[slot] + gained * (latest * latest / intervals)
    weight = kept * state.weight[slot] + gained
    state.total_now[slot], state.weight_now[slot] = total, weight
    if interval - state.first[slot] < length:
        return np.nan, WARMING
    return math.sqrt(total / weight) * params.scale[slot], READY


@njit(cache=True, nogil=True, error_model="numpy")
def step(board: Board, slots: Slots, params: Params, state: State) -> None:
    """The only input is the price."""
    for slot in range(len(slots.rows)):
        of = slots.inputs[slot, 0]
        for tick in range(len(board.at_ms)):
            status = missing(board, slots, slot, tick)
            value = np.nan
            if status == READY:
                value, status = one(slot, board.at_ms[tick], board.block[tick], board.values[of, tick], params, state)
            write(board, slots, slot, tick, value, status)
