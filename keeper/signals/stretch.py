"""Stretches of ticks at which nothing is out of the ordinary, compiled: every tick is usable, and each begins the interval after that of the
one before it, as the bars of a file do. A statistic may go over these all at once, with the arithmetic of single ticks.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from keeper.signals.bank import READY, Bytes, Floats, Ints
from keeper.signals.ring import BY_SAMPLE

AT_ONCE = 256
"""Ticks that are looked at together: where one of them is odd, all of them are taken one by one."""

SEGMENT = 2_048
"""Ticks of a stretch that are taken together: what is between the passes over them stays in the nearest cache."""


@njit(cache=True, error_model="numpy")
def all_ready(status: Bytes) -> bool:
    """Whether all of these inputs are there."""
    found = np.int8(READY)
    for one in status:
        found = np.int8(found | one)
    return bool(found == READY)


@njit(cache=True, error_model="numpy")
def all_between(values: Floats, low: float, high: float) -> bool:
    """Whether all of them lie strictly between; NaN does not."""
    odd = np.int64(0)
    for tick in range(len(values)):
        odd |= np.int64(not values[tick] > low) | np.int64(not values[tick] < high)
    return bool(odd == 0)


@njit(cache=True, error_model="numpy")
def one_by_one(where: Ints, begin: int, each: int) -> bool:
    """Whether the first lies in the interval that begins there, and each other one in the next."""
    odd, length = np.int64(0), np.uint64(each)
    for tick in range(len(where)):
        odd |= np.int64(np.uint64(where[tick] - begin) >= length)
        begin += each
    return bool(odd == 0)


@njit(cache=True, error_model="numpy")
def even_until(
    tick: int, where: Ints, interval: int, by: int, each: int, values: Floats, status: Bytes, low: float, high: float
) -> int:
    """The end of the stretch that begins at this tick, or this tick; ``interval`` is that of the tick before, and ``values`` count between
    ``low`` and ``high``.
    """
    last = len(where)
    begin = (interval + 1 - tick) * each
    while tick < last:
        end = min(tick + AT_ONCE, last)
        if not (
            all_ready(status[tick:end])
            and all_between(values[tick:end], low, high)
            and (by == BY_SAMPLE or one_by_one(where[tick:end], begin + tick * each, each))
        ):
            break
        tick = end
    return tick
