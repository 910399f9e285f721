"""Sources that say what a test or a rehearsal tells them to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.domain.evm import CallResult
from keeper.domain.observation import Observation, Quality
from keeper.domain.units import Unit
from keeper.ports.clock import Clock


class MemoryChainSource:
    """A ChainSource without calls: its value is set from outside."""

    def __init__(self, name: str, value: Decimal | None = None, *, unit: Unit = Unit.PRICE) -> None:
        self._name = name
        self._unit = unit
        self.value = value

    @property
    def name(self) -> str:
        return self._name

    def calls(self) -> Sequence[Call]:
        return ()

    def decode(self, results: Sequence[CallResult], block: BlockStamp, received_ms: int) -> Observation:
        if results:
            return self._without(Quality.MALFORMED, f"{len(results)} answers to no calls", block, received_ms)
        if self.value is None:
            return self._without(Quality.MISSING, "no value was set", block, received_ms)
        return Observation(self._name, self.value, self._unit, received_ms, block.timestamp_s * 1000, block)

    def _without(self, quality: Quality, reason: str, block: BlockStamp, received_ms: int) -> Observation:
        return Observation(self._name, None, self._unit, received_ms, block=block, quality=quality, reason=reason)


class MemoryFeed:
    """A FeedSource that gives these values one after the other, the last one again and again; None is an observation that is MISSING."""

    def __init__(
        self,
        name: str,
        values: Iterable[Decimal | None],
        *,
        clock: Clock,
        unit: Unit = Unit.PRICE,
        interval_ms: int = 1000,
    ) -> None:
        self._name = name
        self._values = list(values)
        self._clock = clock
        self._unit = unit
        self._interval_ms = interval_ms
        self.polls = 0

    @property
    def name(self) -> str:
        return self._name

    @property
    def interval_ms(self) -> int:
        return self._interval_ms

    async def poll(self) -> Observation:
        now_ms = self._clock.now_ms()
        value = self._values[min(self.polls, len(self._values) - 1)] if self._values else None
        self.polls += 1
        if value is None:
            return Observation(self._name, None, self._unit, now_ms, quality=Quality.MISSING, reason="no value was set")
        return Observation(self._name, value, self._unit, now_ms, now_ms)

    async def close(self) -> None:
        """Nothing to let go of."""
