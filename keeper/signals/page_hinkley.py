"""Page-Hinkley: the sum of how far a price lies from its running mean, beyond a tolerance; it finds a level that has shifted.

Definition. Time, blocks or samples are cut into sampling intervals (see ``ring``); the interval in progress counts with its last price so far.
``mean`` is that of all prices before, with weights that fade with the half-life (see ``fading``), so that a shock is not softened by itself;
``d`` is what one interval leaves of a weight, and the forgetting factor of the sums::

    share = price / mean - 1
    up    = max(0, d * up   + share - delta)
    down  = max(0, d * down - share - delta)

once an interval. The value is ``up``, ``down``, or with ``direction: either`` the greater one. Without forgetting (d = 1) this is the sum less
its least value so far, which is how the test is usually written.

Unit: RATIO. A price that jumps by 2 % and stays adds up to 2 % - delta each interval, until the mean has followed. A share and not a number of
standard deviations: where a price hardly moves, as that of a pegged token, there is no standard deviation to speak of. ``cusum``
counts in those.

It is not set back when a rule trips: it falls by itself, as the mean follows and the sums fade.

Gaps. An interval without a price has that of the one before it, and counts so. After a gap of more than ten half-lives it starts anew.

Warm-up. WARMING until the first price is one half-life back; nothing is summed before.

Bad input. A price that is missing, not finite, zero or negative is none: NO_INPUT for that tick, and what was gathered stays. At equal times the
last price counts.

Numerics. The difference is taken before the division; the mean is corrected by what is new; an error once made fades like any weight. No share
and no sum is beyond 1,000,000.

Source: E. S. Page (1954), Continuous Inspection Schemes, Biometrika 41(1/2), 100-115; D. V. Hinkley (1971), Inference about the Change-Point
from Cumulative Sum Tests, Biometrika 58(3), 509-523.
"""

from __future__ import annotations

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
from keeper.signals.fading import FORGOTTEN, Fade, fade_of
from keeper.signals.ring import Cut, cut_of, interval_at
from keeper.signals.scores import HIGHEST, chosen, direction_of
from keeper.signals.spec import SignalSpec


class Params(NamedTuple):
    """``cut`` of the half-life; ``delta``: a share; ``direction``: one of EITHER, UP, DOWN."""

    cut: Cut
    fade: Fade
    delta: Floats
    direction: Ints


class State(NamedTuple):
    """Per slot: ``interval`` the one in progress and ``price`` its latest, ``first`` the first one since the last start.

    ``mean`` and its ``weight``, ``up`` and ``down`` are of the intervals before.
    """

    interval: Ints
    first: Ints
    price: Floats
    mean: Floats
    weight: Floats
    up: Floats
    down: Floats


def prepare(specs: Sequence[SignalSpec]) -> Params:
    cut = cut_of(specs, "half_life")
    delta = np.array([spec.number("delta") for spec in specs])
    return Params(cut, fade_of(cut), delta, np.array([direction_of(spec) for spec in specs], dtype=np.int64))


def allocate(params: Params) -> State:
    slots = len(params.delta)
    return State(
        interval=np.full(slots, NEVER, dtype=np.int64),
        first=np.full(slots, NEVER, dtype=np.int64),
        price=np.full(slots, np.nan),
        mean=np.zeros(slots),
        weight=np.zeros(slots),
        up=np.zeros(slots),
        down=np.zeros(slots),
    )


@njit(cache=True, error_model="numpy")
def sums(price: float, mean: float, up: float, down: float, kept: float, delta: float) -> tuple[float, float]:
    """(up, down) with one interval more, of this price."""
    share = min((price - mean) / mean, HIGHEST)
    return min(max(0.0, kept * up + share - delta), HIGHEST), max(0.0, kept * down - share - delta)


@njit(cache=True, forceinline=True, error_model="numpy")
def close(slot: int, interval: int, params: Params, state: State) -> None:
    """Counts the interval in progress, and those without a price after it, and begins ``interval``."""
    kept, gained, delta = params.fade.kept[slot], params.fade.gained[slot], params.delta[slot]
    price, mean, weight = state.price[slot], state.mean[slot], state.weight[slot]
    up, down = state.up[slot], state.down[slot]
    for passed in range(state.interval[slot], interval):
        if passed - state.first[slot] >= params.cut.length[slot]:
            up, down = sums(price, mean, up, down, kept, delta)
        weight = kept * weight + gained
        mean += gained / weight * (price - mean)
    state.interval[slot], state.mean[slot], state.weight[slot] = interval, mean, weight
    state.up[slot], state.down[slot] = up, down


@njit(cache=True, forceinline=True, error_model="numpy")
def one(slot: int, at_ms: int, block: int, price: float, params: Params, state: State) -> tuple[float, int]:
    """(value, status) of one slot that has an input."""
    if not is_price(price):
        return np.nan, NO_INPUT
    length = params.cut.length[slot]
    before = state.interval[slot]
    interval = interval_at(slot, at_ms, block, before, params.cut)
    if before == NEVER or interval - before > FORGOTTEN * length:
        state.interval[slot] = state.first[slot] = interval
        state.mean[slot] = state.weight[slot] = state.up[slot] = state.down[slot] = 0.0
    elif interval > before:
        close(slot, interval, params, state)
    state.price[slot] = price
    if interval - state.first[slot] < length:
        return np.nan, WARMING
    up, down = sums(
        price, state.mean[slot], state.up[slot], state.down[slot], params.fade.kept[slot], params.delta[slot]
    )
    return chosen(up, down, params.direction[slot]), READY


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
