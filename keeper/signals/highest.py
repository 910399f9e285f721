"""The highest value of a window, compiled, beside a ring (see ring.py): a queue of the intervals that may still become the highest.

An interval that a later one equals or exceeds never will, so their values only fall from the head of the queue to its end: the head is
the highest. Each interval enters once and leaves once, whatever the values do. Nothing is computed, so nothing is rounded.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from keeper.signals.bank import NEVER, Ints
from keeper.signals.ring import Cut, Ring


class Highest(NamedTuple):
    """Per slot: the intervals in the queue (``queue``, slots x longest, place k at ``k mod length``) from ``head`` up to but without ``end``, and
    the interval in progress when it was last brought up to date (``seen``).
    """

    queue: Ints
    head: Ints
    end: Ints
    seen: Ints


def fresh_highest(cut: Cut) -> Highest:
    """Nothing seen yet."""
    slots = len(cut.length)
    queue = np.full((slots, int(cut.length.max(initial=1))), NEVER, dtype=np.int64)
    none = np.zeros(slots, dtype=np.int64)
    return Highest(queue, none, none.copy(), np.full(slots, NEVER, dtype=np.int64))


@njit(cache=True, error_model="numpy", forceinline=True)
def highest_of(slot: int, cut: Cut, ring: Ring, highest: Highest) -> float:
    """The highest of the latest value and those of the ``length`` intervals before, as far as there are any; after each ``enter``."""
    length, interval = cut.length[slot], ring.interval[slot]
    if interval != highest.seen[slot]:
        if ring.first[slot] == interval:
            highest.head[slot] = highest.end[slot]
        else:
            # Places of the ring that were written anew belong to intervals that have left the window: those go first.
            while (
                highest.head[slot] < highest.end[slot]
                and highest.queue[slot, highest.head[slot] % length] < interval - length
            ):
                highest.head[slot] += 1
            closed = ring.past[slot, (interval - 1) % length]
            while highest.head[slot] < highest.end[slot]:
                if ring.past[slot, highest.queue[slot, (highest.end[slot] - 1) % length] % length] > closed:
                    break
                highest.end[slot] -= 1
            highest.queue[slot, highest.end[slot] % length] = interval - 1
            highest.end[slot] += 1
        highest.seen[slot] = interval
    if highest.head[slot] == highest.end[slot]:
        return float(ring.latest[slot])
    return float(max(ring.latest[slot], ring.past[slot, highest.queue[slot, highest.head[slot] % length] % length]))
