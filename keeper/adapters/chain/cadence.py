"""How often to ask a node for its newest block: a fraction of the block time that was seen."""

from __future__ import annotations

from collections import deque

from keeper.domain.block import BlockStamp

FRACTION = 8
"""A new block is seen after a sixteenth of the block time on average; eight requests are made for each block."""
MIN_INTERVAL_S = 0.05
MAX_INTERVAL_S = 2.0
FIRST_INTERVAL_S = 0.25
"""Before two blocks were seen."""
_REMEMBERED = 16
"""Blocks state whole seconds: over sixteen of them the average is good enough also for chains with several blocks a second."""


class Cadence:
    """The block time by the blocks' own clocks, and the pause between two requests that follows from it."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)

    def saw(self, block: BlockStamp) -> None:
        """A new block; one that is not higher than the last means another branch, and the count begins anew."""
        if self._seen and block.number <= self._seen[-1][0]:
            self._seen.clear()
        self._seen.append((block.number, block.timestamp_s))

    @property
    def interval_s(self) -> float:
        """Seconds to wait before the next request."""
        if len(self._seen) < 2:
            return FIRST_INTERVAL_S
        (first, began_s), (last, ended_s) = self._seen[0], self._seen[-1]
        # integers first: what a node claims may be too large for a float
        hundredths_s = 100 * (ended_s - began_s) // ((last - first) * FRACTION)
        return max(MIN_INTERVAL_S, min(hundredths_s, int(100 * MAX_INTERVAL_S)) / 100)
