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

SIDE_BY_SIDE = 4
"""Blocks that are summed in one loop: each addition waits for the one before it, and meanwhile those of other blocks are done."""


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
    kept = np.empty((SIDE_BY_SIDE + 1, size))
    kept[0] = parts
    while SIDE_BY_SIDE * size <= count - at:
        end = at + SIDE_BY_SIDE * size
        whole_blocks(numbers[at : end + 1], kept, sums[at:end])
        kept[0] = kept[SIDE_BY_SIDE]
        at = end
    while size <= count - at:
        whole_block(numbers[at : at + size + 1], kept[0], kept[1], sums[at : at + size])
        kept[0] = kept[1]
        at += size
    parts[:] = kept[0]
    while at < count:
        place, head = push(numbers[at], place, head, parts)
        sums[at] = head + parts[place] + numbers[at + 1]
        at += 1
    return place, head


@njit(cache=True, error_model="numpy")
def whole_blocks(numbers: Floats, kept: Floats, sums: Floats) -> None:
    """SIDE_BY_SIDE blocks, one behind the other, as ``whole_block`` does each: none of their sums waits for one of another block.

    ``kept`` has the parts before them in its first row; those after each block are written into the rows that follow.
    """
    size = kept.shape[1]
    one, two, three, four = numbers[:size], numbers[size : 2 * size], numbers[2 * size : 3 * size], numbers[3 * size :]
    total_1 = total_2 = total_3 = total_4 = 0.0
    for step in range(size):
        back = size - 1 - step
        total_1, total_2 = total_1 + one[back], total_2 + two[back]
        total_3, total_4 = total_3 + three[back], total_4 + four[back]
        kept[1, back], kept[2, back], kept[3, back], kept[4, back] = total_1, total_2, total_3, total_4
    sums_1, sums_2, sums_3, sums_4 = sums[:size], sums[size : 2 * size], sums[2 * size : 3 * size], sums[3 * size :]
    head_1 = head_2 = head_3 = head_4 = 0.0
    for step in range(size - 1):
        head_1, head_2 = head_1 + one[step], head_2 + two[step]
        head_3, head_4 = head_3 + three[step], head_4 + four[step]
        sums_1[step] = head_1 + kept[0, step + 1] + one[step + 1]
        sums_2[step] = head_2 + kept[1, step + 1] + two[step + 1]
        sums_3[step] = head_3 + kept[2, step + 1] + three[step + 1]
        sums_4[step] = head_4 + kept[3, step + 1] + four[step + 1]
    for block in range(SIDE_BY_SIDE):
        end = (block + 1) * size
        sums[end - 1] = kept[block + 1, 0] + numbers[end]


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
