"""Windows, compiled: time cut into intervals, and a ring that remembers the last value of each.

Definition. A window of time is cut into intervals ``j = floor(t / sampling)``, counted from 1970 UTC, so that a restart does not move them; one
of blocks into ``j = floor(block / sampling)``; of samples each tick that has an input is an interval of its own. With ``n`` intervals to the
window and ``i`` the one in progress, the value of an interval is the last in it, and the one in progress counts with its last value so far, so
that a shock shows at once and not when the interval ends.

Gaps. An interval without a value has that of the one before it. After a gap longer than the window (more than ``n`` intervals from value to
value) what was known is no past any more: it starts anew.

Warm-up. The window is full when the first value is ``n`` intervals back.

Blocks that go back (a reorganisation) belong to the interval in progress.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from keeper.domain.units import Span
from keeper.signals.bank import NEVER, Floats, Ints
from keeper.signals.spec import SignalSpec
from keeper.signals.windows import intervals_of

BY_TIME, BY_BLOCK, BY_SAMPLE = 0, 1, 2


class Cut(NamedTuple):
    """How each slot's window is cut: ``by`` time, block or sample, into intervals of ``each`` (ms, blocks, 1), of which it holds ``length``."""

    by: Ints
    each: Ints
    length: Ints


class Ring(NamedTuple):
    """Per slot: the ``interval`` in progress, the ``first`` one since the last start, the ``latest`` value, and the values of the ``length``
    intervals before (``past``, slots x longest; that of interval j at place ``j mod length``).
    """

    interval: Ints
    first: Ints
    latest: Floats
    past: Floats


def cut_of(specs: Sequence[SignalSpec], window: str = "window", sampling: str = "sampling") -> Cut:
    """The windows of these signals."""
    spans = [(spec.window(window), spec.window(sampling)) for spec in specs]
    cuts = [intervals_of(*pair) for pair in spans]
    return Cut(
        by=np.array([_by(span) for span, _ in spans], dtype=np.int64),
        each=np.array([each for each, _ in cuts], dtype=np.int64),
        length=np.array([length for _, length in cuts], dtype=np.int64),
    )


def _by(span: Span) -> int:
    if span.ms is not None:
        return BY_TIME
    return BY_BLOCK if span.blocks is not None else BY_SAMPLE


def fresh_ring(cut: Cut) -> Ring:
    """Nothing seen yet."""
    slots = len(cut.length)
    never = np.full(slots, NEVER, dtype=np.int64)
    longest = int(cut.length.max(initial=1))
    return Ring(never, never.copy(), np.full(slots, np.nan), np.full((slots, longest), np.nan))


@njit(cache=True, error_model="numpy")
def interval_of(where: int, last: int, by: int, each: int) -> int:
    """The interval of a tick that has an input, at this time or block; ``last`` is that of the one before (NEVER: there was none). Never before
    ``last``.
    """
    if by == BY_SAMPLE:
        return 0 if last == NEVER else last + 1
    if last != NEVER:  # a division takes longer than all the rest, and is seldom needed
        since = where - last * each
        if since < each:
            return last
        if since < 2 * each:
            return last + 1
    return int(where // each)


@njit(cache=True, error_model="numpy")
def interval_at(slot: int, at_ms: int, block: int, last: int, cut: Cut) -> int:
    """``interval_of`` for a slot."""
    by = cut.by[slot]
    return int(interval_of(block if by == BY_BLOCK else at_ms, last, by, cut.each[slot]))


@njit(cache=True, error_model="numpy")
def enter(slot: int, at_ms: int, block: int, value: float, cut: Cut, ring: Ring) -> bool:
    """Takes in the value of this tick, and says whether the window is full."""
    length = cut.length[slot]
    before = ring.interval[slot]
    interval = interval_at(slot, at_ms, block, before, cut)
    if before == NEVER or interval - before > length:
        ring.first[slot] = interval
    else:
        for passed in range(before, interval):
            ring.past[slot, passed % length] = ring.latest[slot]
    ring.interval[slot] = interval
    ring.latest[slot] = value
    return bool(interval - ring.first[slot] >= length)


@njit(cache=True, error_model="numpy")
def ago(slot: int, intervals: int, cut: Cut, ring: Ring) -> float:
    """The value at the end of the interval so many before the one in progress; 1 to ``length``, and not before the first."""
    return float(ring.past[slot, (ring.interval[slot] - intervals) % cut.length[slot]])
