"""Heads that do not follow from what is known: does the node itself have them, and does any other?"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Coroutine, Sequence
from typing import Protocol

from keeper.domain.block import BlockStamp
from keeper.domain.errors import OutsideError
from keeper.ports.chain import BlockReader
from keeper.ports.clock import Clock

REMEMBERED = 1024
PATIENCE_S = 1.0
"""So long a node has to show the blocks before its head, and another one to know it: blocks travel, and a provider has many machines."""
PAUSE_S = 0.1
"""Between two questions."""
MAX_JUMP = 8
"""So many blocks at once are plausible at any time ..."""
MAX_PER_S = 4
"""... and so many more for each second since the last head."""
WALK = 8
"""So many of the blocks before a head its node must have."""


class HasNode(Protocol):
    @property
    def node(self) -> BlockReader:
        """The endpoint."""


class Vetting:
    """``believable`` costs nothing and is all that a head of a calm chain needs; ``doubt`` asks."""

    def __init__(self, members: Sequence[HasNode], clock: Clock) -> None:
        self._members = members
        self._clock = clock
        self._known: OrderedDict[str, int] = OrderedDict()
        self._highest = -1
        self._highest_at_ms = 0.0

    def believable(self, head: BlockStamp, before: BlockStamp | None) -> bool:
        """Whether it follows ``before``, the node's last head, or another node has announced it. Without other nodes there is nobody to ask."""
        if before is not None and head.parent_hash == before.hash and head.number == before.number + 1:
            return True
        return len(self._members) == 1 or not self._known or head.hash in self._known

    def believed(self, head: BlockStamp) -> None:
        """This head is taken for true."""
        self._known[head.hash] = head.number
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        if head.number > self._highest:
            self._highest, self._highest_at_ms = head.number, self._clock.monotonic_ms()

    async def doubt(self, place: int, head: BlockStamp, others: Sequence[int]) -> str:
        """Why this head of the node at ``place`` is not to be believed; empty when it is.

        It is when the node has the block and those before it, and the number is no absurd jump; or when another node has the block.
        Where no other node answers at all, nobody can say that it is not there.
        """
        if not others:
            return ""
        denied: set[int] = set()
        asks = [self._known_by(other, head, denied) for other in others]
        if not self._absurd(head):
            asks.append(self._shown_by(place, head))
        if await self._one_ends(asks) or not denied:
            return ""
        return f"it announces block {head.number} ({head.hash}), which no other endpoint knows"

    def _absurd(self, head: BlockStamp) -> bool:
        seconds = (self._clock.monotonic_ms() - self._highest_at_ms) / 1000
        return head.number - self._highest > MAX_JUMP + MAX_PER_S * seconds

    async def _known_by(self, other: int, head: BlockStamp, denied: set[int]) -> None:
        """Ends when this node has the block; notes when it says that it does not."""
        while True:
            try:
                if await self._members[other].node.block_of(head.hash) is not None:
                    return
                denied.add(other)
            except OutsideError:
                pass
            await self._clock.sleep(PAUSE_S)

    async def _shown_by(self, place: int, head: BlockStamp) -> None:
        """Ends when the node gives the block and those before it, back to one that is known."""
        while True:
            try:
                if await self._has_chain(self._members[place].node, head):
                    return
            except OutsideError:
                pass
            await self._clock.sleep(PAUSE_S)

    async def _has_chain(self, node: BlockReader, head: BlockStamp) -> bool:
        if await node.block_of(head.hash) is None:
            return False
        child = head
        for _ in range(WALK):
            if child.parent_hash in self._known or child.number <= 0:
                return True
            parent = await node.block_of(child.parent_hash)
            if parent is None or parent.hash != child.parent_hash or parent.number != child.number - 1:
                return False
            child = parent
        return True

    async def _one_ends(self, asks: Sequence[Coroutine[None, None, None]]) -> bool:
        """Whether one of them ends within the patience. None of them runs on afterwards."""
        return await within(self._clock, PATIENCE_S, _first(asks))


async def within(clock: Clock, seconds: float, work: Coroutine[None, None, None]) -> bool:
    """Whether the work ends in this time of the clock; it is cancelled when not. Raises what it raises."""
    task, end = asyncio.ensure_future(work), asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({task, end}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        return task.done()
    finally:
        task.cancel()
        end.cancel()
        await asyncio.gather(task, end, return_exceptions=True)


async def _first(asks: Sequence[Coroutine[None, None, None]]) -> None:
    """Ends with the first of them."""
    tasks = [asyncio.ensure_future(ask) for ask in asks]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
