"""What is made to look wrong, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.domain.evm import CallResult
from keeper.domain.observation import Observation, Quality
from keeper.ports.prices import ChainSource, FeedSource, RemembersReads

REASON = "changed by a drill"


@dataclass(frozen=True, slots=True)
class Breach:
    """``source`` says ``factor`` times what it says; with ``factor`` None it says nothing at all."""

    source: str
    factor: Decimal | None

    def of(self, seen: Observation) -> Observation:
        """What is observed instead."""
        if self.factor is None:
            return replace(seen, value=None, quality=Quality.MISSING, reason=REASON)
        return seen if seen.value is None else replace(seen, value=seen.value * self.factor)

    def __str__(self) -> str:
        if self.factor is None:
            return f"{self.source} falls silent"
        percent = (self.factor - 1) * 100
        return f"{self.source} {'rises' if percent > 0 else 'falls'} by {abs(percent).normalize():f}%"


class Injector:
    """The sources of a keeper, one of which can be changed while it runs. ``now`` None: all say what they see."""

    def __init__(self) -> None:
        self.now: Breach | None = None

    def chain(self, sources: Sequence[ChainSource]) -> list[ChainSource]:
        """The same sources, changed when the time has come."""
        return [_OnChain(each, self) for each in sources]

    def feeds(self, sources: Sequence[FeedSource]) -> list[FeedSource]:
        """The same."""
        return [_Feed(each, self) for each in sources]

    def seen(self, observation: Observation) -> Observation:
        """As it is, or as the breach has it."""
        breach = self.now
        return breach.of(observation) if breach is not None and breach.source == observation.source else observation


class _OnChain:
    def __init__(self, inner: ChainSource, injector: Injector) -> None:
        self._inner = inner
        self._injector = injector

    @property
    def name(self) -> str:
        return self._inner.name

    def calls(self) -> Sequence[Call]:
        return self._inner.calls()

    def decode(self, results: Sequence[CallResult], block: BlockStamp, received_ms: int) -> Observation:
        return self._injector.seen(self._inner.decode(results, block, received_ms))

    def disown(self, after: int, through: int) -> None:
        if isinstance(self._inner, RemembersReads):
            self._inner.disown(after, through)


class _Feed:
    def __init__(self, inner: FeedSource, injector: Injector) -> None:
        self._inner = inner
        self._injector = injector

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def interval_ms(self) -> int:
        return self._inner.interval_ms

    async def poll(self) -> Observation:
        return self._injector.seen(await self._inner.poll())

    async def close(self) -> None:
        await self._inner.close()
