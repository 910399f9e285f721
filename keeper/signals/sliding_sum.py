"""The sum of the last n of a stream of numbers that are not negative, compiled: additions only, so no cancellation and no drift.

The stream is cut into blocks of n, and ``parts`` has a place for each number of a block. Those that the block in progress has filled hold its
numbers, of which ``head`` is the sum; each of the others holds the sum of the block before from there to its end. The last n are the
rest of the one block and the whole of the other::

    sum = head + parts[place],   place that of the next number

A block that is full is summed from its end, once: two additions for each number, whatever n is; a binary tree would take log2(n), and is four to
ten times slower. The n additions at a block's end take 0.1 ms for the largest n. Blocks are aligned to the intervals' own numbers (modulo n), so
the last bit of a sum depends on what is in it and not on when the stream began.

The relative error is at most n * 1.1e-16, and about the root of n times that.
"""

from __future__ import annotations

from numba import njit

from keeper.signals.bank import Floats


@njit(cache=True, error_model="numpy")
def begin(interval: int, parts: Floats) -> int:
    """Forgets everything, and gives the place of the next number, which is that of ``interval``."""
    parts[:] = 0.0
    return int(interval % len(parts))


@njit(cache=True, forceinline=True, error_model="numpy")
def push(number: float, place: int, head: float, parts: Floats) -> tuple[int, float]:
    """Takes in the next number, in place of the one n before it; gives the new (place, head)."""
    parts[place] = number
    if place + 1 < len(parts):
        return place + 1, head + number
    total = 0.0
    for back in range(len(parts) - 1, -1, -1):
        total += parts[back]
        parts[back] = total
    return 0, 0.0
