"""A node that is connected and makes no blocks: noticed by the time that goes by without one, sooner where other nodes have newer ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from statistics import median

from keeper.app.faults import Faults
from keeper.domain.block import BlockStamp
from keeper.domain.verdict import Severity
from keeper.ports.clock import Clock

FLOOR_S = 30.0
MISSED = 5
"""So many block times without a block are a fault, and never less than the floor: single slots are missed on any chain."""
BEHIND_FLOOR_S = 5.0
BEHIND_MISSED = 2
"""The same where others are ahead: then it is not the chain that stands still."""
REMEMBERED = 15
LOOK_S = 1.0


class Pulse:
    """``beat`` with each block; ``watch`` looks at the time until cancelled. The fault ``heads`` ends with the next block."""

    def __init__(self, clock: Clock, faults: Faults, elsewhere: Callable[[], int] = lambda: -1, ahead: int = 3) -> None:
        """``elsewhere`` gives the newest block of other endpoints (-1: none); ``ahead`` by so many blocks counts."""
        self._clock = clock
        self._faults = faults
        self._elsewhere = elsewhere
        self._ahead = ahead
        self._last: BlockStamp | None = None
        self._heard_ms = 0.0
        self._times_s: deque[float] = deque(maxlen=REMEMBERED)

    @property
    def limit_s(self) -> float:
        """So long may pass without a block. The block time is the median of the newest ones, by the blocks' own times."""
        block_time_s = median(self._times_s) if self._times_s else 0.0
        if self._is_behind:
            return max(BEHIND_FLOOR_S, BEHIND_MISSED * block_time_s)
        return max(FLOOR_S, MISSED * block_time_s)

    @property
    def _is_behind(self) -> bool:
        return self._last is not None and self._elsewhere() >= self._last.number + self._ahead

    def beat(self, block: BlockStamp) -> None:
        """A new block is here."""
        self._heard_ms = self._clock.monotonic_ms()
        last, self._last = self._last, block
        if last is not None and block.number > last.number:
            self._times_s.append((block.timestamp_s - last.timestamp_s) / (block.number - last.number))
        self._faults.up("heads", f"block {block.number}")

    async def watch(self) -> None:
        """The time before the first block counts from here."""
        self._heard_ms = self._clock.monotonic_ms()
        while True:
            await self._clock.sleep(LOOK_S)
            silent_s = (self._clock.monotonic_ms() - self._heard_ms) / 1000
            # heads that are down for another reason are told with that one
            if silent_s >= self.limit_s and all(fault.part != "heads" for fault in self._faults.current):
                self._stalled(silent_s)

    def _stalled(self, silent_s: float) -> None:
        newest = f"; the newest is {self._last.number}" if self._last is not None else ""
        message = f"the connection stands, but there is no new block for {silent_s:.0f} s{newest}"
        if self._is_behind:
            message += f", and another endpoint has block {self._elsewhere()}: nothing is watched meanwhile"
        remedy = "compare the node with a block explorer; give a second primary, so that there is one to change to"
        self._faults.down("heads", "stalled", message, remedy, severity=Severity.CRITICAL)
