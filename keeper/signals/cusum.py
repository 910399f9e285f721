"""CUSUM: the sum of standardised returns beyond what is usual; it finds small moves that keep going the same way.

Definition. Time, blocks or samples are cut into sampling intervals (see ``ring``); the interval in progress counts with its last price so far.
``r`` is the log return from one sample to the next, ``k`` intervals later, and ``s`` the EWMA volatility of one interval up to the sample before
(see ``ewma_volatility``, with the same half-life), so that a shock is not softened by itself::

    z    = r / max(s, floor)
    up   = min(max(0, up   + z - k * drift), ceiling)
    down = min(max(0, down - z - k * drift), ceiling)

The value is ``up``, ``down``, or with ``direction: either`` the greater one.

Unit: SCORE (standard deviations of one interval). ``drift`` is how far a return may go each interval without being counted: half of the shift
that is to be found is the usual choice.

It is not set back when a rule trips: it falls by ``drift`` an interval when nothing moves, so from its ``ceiling`` it takes ceiling / drift
intervals.

Gaps. The return across a gap is formed whole, and counted as if it had been spread evenly over it. After a gap of more than ten half-lives it
starts anew.

Warm-up. WARMING until the first sample is one half-life back and a return lies before; nothing is summed before.

Bad input. A price that is missing, not finite, zero or negative is no sample: NO_INPUT for that tick, and what was gathered stays. At equal
times the last price counts.

Numerics. Returns as in ``log_return``; the sums lie between 0 and the ceiling, and each is formed anew from the one before: an error made once
never grows, and is gone when the sum is 0.

Source: E. S. Page (1954), Continuous Inspection Schemes, Biometrika 41(1/2), 100-115.
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
from keeper.signals.scores import chosen, direction_of, score
from keeper.signals.spec import SignalSpec


class Params(NamedTuple):
    """``cut`` of the half-life; ``drift``, ``ceiling``: standard deviations; ``floor``: a volatility; ``direction``: EITHER, UP or DOWN."""

    cut: Cut
    fade: Fade
    drift: Floats
    ceiling: Floats
    floor: Floats
    direction: Ints


class State(NamedTuple):
    """Per slot: ``interval`` the one in progress, ``first`` the first sample since the last start, ``price`` the last usable price.

    ``base`` is the sample before it, of interval ``since``; NaN when there is none. ``sums`` (slots x 4) are the sum of squares and of weights,
    up and down, as of there; ``sums_now`` with the interval in progress.
    """

    interval: Ints
    first: Ints
    since: Ints
    price: Floats
    base: Floats
    sums: Floats
    sums_now: Floats


SQUARES, WEIGHTS, ABOVE, BELOW = 0, 1, 2, 3


def prepare(specs: Sequence[SignalSpec]) -> Params:
    cut = cut_of(specs, "half_life")
    drift, ceiling, floor = (np.array([spec.number(name) for spec in specs]) for name in ("drift", "ceiling", "floor"))
    direction = np.array([direction_of(spec) for spec in specs], dtype=np.int64)
    return Params(cut, fade_of(cut), drift, ceiling, floor, direction)


def allocate(params: Params) -> State:
    slots = len(params.drift)
    return State(
        interval=np.full(slots, NEVER, dtype=np.int64),
        first=np.full(slots, NEVER, dtype=np.int64),
        since=np.full(slots, NEVER, dtype=np.int64),
        price=np.full(slots, np.nan),
        base=np.full(slots, np.nan),
        sums=np.zeros((slots, 4)),
        sums_now=np.zeros((slots, 4)),
    )


@njit(cache=True, forceinline=True, error_model="numpy")
def roll(slot: int, interval: int, length: int, state: State) -> None:
    """Closes the interval in progress and begins ``interval``, which is a later one."""
    before = state.interval[slot]
    state.interval[slot] = interval
    if before == NEVER or interval - before > FORGOTTEN * length:
        state.first[slot] = interval
        state.base[slot] = np.nan
        state.sums[slot, :] = 0.0
        state.sums_now[slot, :] = 0.0
        return
    state.sums[slot, :] = state.sums_now[slot, :]
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
    sums, now = state.sums[slot], state.sums_now[slot]
    intervals = interval - state.since[slot]
    kept, gained = faded(intervals, params.fade.rate[slot], params.fade.kept[slot], params.fade.gained[slot])
    latest = log_return(price, state.base[slot])
    now[SQUARES] = kept * sums[SQUARES] + gained * (latest * latest / intervals)
    now[WEIGHTS] = kept * sums[WEIGHTS] + gained
    if interval - state.first[slot] < length or sums[WEIGHTS] == 0.0:
        return np.nan, WARMING
    distance = score(latest, math.sqrt(sums[SQUARES] / sums[WEIGHTS]), params.floor[slot])
    drift = intervals * params.drift[slot]
    now[ABOVE] = min(max(0.0, sums[ABOVE] + distance - drift), params.ceiling[slot])
    now[BELOW] = min(max(0.0, sums[BELOW] - distance - drift), params.ceiling[slot])
    return chosen(now[ABOVE], now[BELOW], params.direction[slot]), READY


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
