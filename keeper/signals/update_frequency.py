"""Update frequency: how many times a source said something new within a window, by its own time.

Definition. An update is a tick at which the source's own time (that of the feed's round, the pool's block or the exchange's clock) is
not what it was at the tick before; what changed between two ticks is one update. Windows and intervals are those of ring.py: with ``n``
intervals to the window and ``i`` the one in progress::

    value = number of updates in the intervals j with i - n < j <= i

So ``sampling`` only says in what steps the old end of the window moves; several updates in one interval count each. A sample is a tick
at which the source has a value with a time.

Unit: COUNT. It is known as long as the source has a value with a time, also where that value is not good enough for other signals: a source
that fell silent is at 0. It says nothing of what the value was.

Gaps. While the source has no value at all: NO_INPUT, and what was gathered stays. A gap longer than the window starts it anew.

Warm-up. WARMING until the first look at the source is ``n`` intervals back. The first time seen is no update: nobody knows since when.

Bad input. An own time that goes back is an update like any other. Something that is no source has no time of its own: NO_INPUT.

Numerics. Whole numbers, exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from keeper.signals.bank import NEVER, NO_INPUT, READY, WARMING, Board, Ints, Slots, write
from keeper.signals.ring import Cut, cut_of
from keeper.signals.spec import SignalSpec
from keeper.signals.tally import Tally, counted, fresh_tally, look


class Params(NamedTuple):
    """``cut``: the windows."""

    cut: Cut


class State(NamedTuple):
    """Per slot: the own time at the last look (``own_ms``, NEVER before the first), and the updates in the window (``tally``)."""

    own_ms: Ints
    tally: Tally


def prepare(specs: Sequence[SignalSpec]) -> Params:
    return Params(cut_of(specs))


def allocate(params: Params) -> State:
    return State(np.full(len(params.cut.length), NEVER, dtype=np.int64), fresh_tally(params.cut))


@njit(cache=True, error_model="numpy", forceinline=True)
def one(slot: int, at_ms: int, block: int, own_ms: int, params: Params, state: State) -> tuple[float, int]:
    """(value, status) of one slot, for a tick and the own time of its input."""
    if own_ms == NEVER:
        return np.nan, NO_INPUT
    full = look(slot, at_ms, block, params.cut, state.tally)
    if state.own_ms[slot] != NEVER and own_ms != state.own_ms[slot]:
        state.tally.latest[slot] += 1
    state.own_ms[slot] = own_ms
    if not full:
        return np.nan, WARMING
    return float(counted(slot, params.cut, state.tally)), READY


@njit(cache=True, nogil=True, error_model="numpy")
def step(board: Board, slots: Slots, params: Params, state: State) -> None:
    """The only input is the source; its value is not looked at."""
    for slot in range(len(slots.rows)):
        of = slots.inputs[slot, 0]
        for tick in range(len(board.at_ms)):
            value, status = one(slot, board.at_ms[tick], board.block[tick], board.own_ms[of, tick], params, state)
            write(board, slots, slot, tick, value, status)
