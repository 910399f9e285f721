"""Events counted within a window, compiled: a ring that remembers how many there were in each interval (see ring.py for windows and intervals).

Definition. With ``n`` intervals to the window and ``i`` the one in progress, those of the intervals ``j`` with ``i - n < j <= i``
count. An interval that nobody looked at has none. After a gap longer than the window (more than ``n`` intervals from look to look) it
starts anew.

Warm-up. The window is full when the first look is ``n`` intervals back: every interval that counts was then looked at from its beginning.

Numerics. Whole numbers, so that taking the oldest off a running total is exact.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from keeper.signals.bank import NEVER, Ints
from keeper.signals.ring import Cut, interval_at


class Tally(NamedTuple):
    """Per slot: the ``interval`` in progress, the ``first`` one since the last start, how many events are in the one in progress (``latest``), in
    each of the ``length`` intervals before (``past``, slots x longest; interval j at place ``j mod length``), and in all of these (``total``).
    """

    interval: Ints
    first: Ints
    latest: Ints
    past: Ints
    total: Ints


def fresh_tally(cut: Cut) -> Tally:
    """Nothing seen yet."""
    slots = len(cut.length)
    never, none = np.full(slots, NEVER, dtype=np.int64), np.zeros(slots, dtype=np.int64)
    past = np.zeros((slots, int(cut.length.max(initial=1))), dtype=np.int64)
    return Tally(never, never.copy(), none, past, none.copy())


@njit(cache=True, error_model="numpy", forceinline=True)
def look(slot: int, at_ms: int, block: int, cut: Cut, tally: Tally) -> bool:
    """Moves on to the interval of this tick, and says whether the window is full. Events of the tick are added to ``latest`` afterwards."""
    length = cut.length[slot]
    before = tally.interval[slot]
    interval = interval_at(slot, at_ms, block, before, cut)
    if before == NEVER or interval - before > length:
        tally.first[slot] = interval
        tally.latest[slot] = 0
        tally.total[slot] = 0
        tally.past[slot, :] = 0
    else:
        for passed in range(before, interval):
            place = passed % length
            tally.total[slot] += tally.latest[slot] - tally.past[slot, place]
            tally.past[slot, place] = tally.latest[slot]
            tally.latest[slot] = 0
    tally.interval[slot] = interval
    return bool(interval - tally.first[slot] >= length)


@njit(cache=True, error_model="numpy", forceinline=True)
def counted(slot: int, cut: Cut, tally: Tally) -> int:
    """How many events the window holds. The ring's oldest interval is just outside of it."""
    oldest = tally.past[slot, tally.interval[slot] % cut.length[slot]]
    return int(tally.total[slot] - oldest + tally.latest[slot])
