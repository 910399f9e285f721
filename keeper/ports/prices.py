"""Sources of observations. Those on the chain are read all together; the others are polled on their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.domain.evm import CallResult
from keeper.domain.observation import Observation


class ChainSource(Protocol):
    """A source that is read at a block: it says which calls it needs and what their answers mean."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""

    def calls(self) -> Sequence[Call]:
        """The calls of one observation; the same each time, encoded once."""

    def decode(self, results: Sequence[CallResult], block: BlockStamp, received_ms: int) -> Observation:
        """The observation. Never raises: hostile bytes become a quality with a reason."""


@runtime_checkable
class RemembersReads(Protocol):
    """A source at a block whose observations depend on earlier ones."""

    def disown(self, after: int, through: int) -> None:
        """What it read at blocks after ``after`` and up to ``through`` is disputed: it goes on as if it had not remembered it."""


class FeedSource(Protocol):
    """A source off the chain."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""

    @property
    def interval_ms(self) -> int:
        """How often to ask."""

    async def poll(self) -> Observation:
        """Ask once. Never raises for what the other side does: no answer, a refusal or nonsense is an observation with that quality."""

    async def close(self) -> None:
        """Let go of connections. Safe to call twice."""
