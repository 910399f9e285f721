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

import numpy as np
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


@njit(cache=True, error_model="numpy")
def sums_of(numbers: Floats, place: int, head: float, parts: Floats, sums: Floats) -> tuple[int, float]:
    """Takes in all numbers but the last, one after the other, and gives the new (place, head); ``sums`` (one fewer) are those after each, and
    with the next number in addition.

    The additions of ``push``; where a whole block is there, in an order in which several are under way at a time.
    """
    at, count, size = 0, len(sums), len(parts)
    while at < count and (place > 0 or size > count - at):
        place, head = push(numbers[at], place, head, parts)
        sums[at] = head + parts[place] + numbers[at + 1]
        at += 1
    if at == count:
        return place, head
    old, new = parts.copy(), np.empty(size)
    while size <= count - at:
        whole_block(numbers[at : at + size + 1], old, new, sums[at : at + size])
        old, new = new, old
        at += size
    parts[:] = old
    while at < count:
        place, head = push(numbers[at], place, head, parts)
        sums[at] = head + parts[place] + numbers[at + 1]
        at += 1
    return place, head


@njit(cache=True, error_model="numpy")
def whole_block(numbers: Floats, old: Floats, new: Floats, sums: Floats) -> None:
    """A block from its first number on: ``old`` are the parts before it, ``new`` those after it."""
    size, head, total = len(old), 0.0, 0.0
    for step in range(size - 1):
        head += numbers[step]
        sums[step] = head + old[step + 1] + numbers[step + 1]
        back = size - 1 - step
        total += numbers[back]
        new[back] = total
    new[0] = total + numbers[0]
    sums[size - 1] = new[0] + numbers[size]
