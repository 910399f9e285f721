"""How long a condition has held: without a break, or at k of the last n blocks or ticks.

Persistence in blocks counts ticks at a higher block than the last one counted: a second tick at the same block (a pushed price)
adds nothing, though it can end the streak. Where the chain goes back (a reorganisation), the tick adds nothing and counting goes on from
the lower block. Persistence in time is measured from the first true tick, at the keeper's time.

k of n keeps one bit a block, or a tick, in a whole number. Of several ticks at one block, or at a lower one after a reorganisation, the last
says what the bit is. A tick at which nobody could tell is one at which the condition did not hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from keeper.rules.spec import Hold, OutOf
from keeper.signals.bank import NEVER

BY_BLOCKS = -1


HOLD = np.dtype([("ms", np.int64), ("blocks", np.int64), ("of", np.int64), ("ticks", np.int8)])
"""``ms`` in time (BY_BLOCKS: in blocks), ``blocks`` how many, ``of`` how many (0: without a break), ``ticks`` 1 where each tick counts."""

STREAK = np.dtype([("run", np.int64), ("first_ms", np.int64), ("block", np.int64)])
"""``run`` the blocks for which it has held (0: it does not hold), or the bits of the last ones, the lowest the newest.

``first_ms`` is the time of the first tick of a streak, ``block`` the last block counted.
"""


def holds_of(holds: Sequence[Hold]) -> NDArray[np.void]:
    """HOLD of all rules."""
    return np.array([_row(hold) for hold in holds], dtype=HOLD)


def _row(hold: Hold) -> tuple[int, int, int, bool]:
    if isinstance(hold, OutOf):
        return BY_BLOCKS, hold.count, hold.of, hold.ticks
    return BY_BLOCKS if hold.ms is None else hold.ms, hold.blocks or 0, 0, False


def no_streaks(rules: int) -> NDArray[np.void]:
    """STREAK of all rules: nothing has held yet."""
    return np.full(rules, np.array((0, 0, NEVER), dtype=STREAK))


@njit(cache=True, error_model="numpy")
def held(at_ms: int, block: int, hold: Any, streak: Any) -> bool:
    """Counts this tick, at which the condition holds, and says whether it has held for long enough."""
    if hold["of"] > 0:
        shift(block, 1, hold, streak)
        return bool(ones(streak["run"]) >= hold["blocks"])
    if streak["run"] == 0:
        streak["run"] = 1
        streak["first_ms"] = at_ms
    elif block > streak["block"]:
        streak["run"] += 1
    streak["block"] = block
    if hold["ms"] == BY_BLOCKS:
        return bool(streak["run"] >= hold["blocks"])
    return bool(at_ms - streak["first_ms"] >= hold["ms"])


@njit(cache=True, error_model="numpy")
def missed(block: int, hold: Any, streak: Any) -> None:
    """This tick is one at which the condition does not hold, or nobody can tell."""
    if hold["of"] > 0:
        shift(block, 0, hold, streak)
    else:
        streak["run"] = 0


@njit(cache=True, error_model="numpy")
def shift(block: int, bit: int, hold: Any, streak: Any) -> None:
    """The newest bit: a new one where this is a new block (or each tick counts), else in place of the last."""
    bits = streak["run"]
    if hold["ticks"] == 1 or block > streak["block"]:
        bits = (bits << 1) & ((1 << hold["of"]) - 1)
    else:
        bits &= ~1
    streak["run"] = bits | bit
    streak["block"] = block


@njit(cache=True, error_model="numpy")
def ones(bits: int) -> int:
    """How many bits are set."""
    count = 0
    while bits != 0:
        bits &= bits - 1
        count += 1
    return count
