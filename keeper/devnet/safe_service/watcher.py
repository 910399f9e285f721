"""Follows the chain: marks what Safes have executed, some time after it is in a block, and unmarks it when that block is gone."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from keeper.devnet.safe_service.book import Book
from keeper.devnet.safe_service.chain import Chain, Found
from keeper.devnet.safe_service.signatures import parse_signatures
from keeper.domain.errors import OutsideError

REORG_BLOCKS = 64
"""So many of the newest blocks are read again with each block; when an older one has changed, everything is."""

_AWAITED_S = 0.005
"""How often the node is asked while somebody waits."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """The whole state of the chain at a head, and when it was seen, in seconds of the loop's clock."""

    head: tuple[int, str]
    safes: frozenset[str]
    at_s: float
    found: Found


class Watcher:
    """``delay_s``: from a block to its mark; may be changed while it runs. ``poll_s``: how often the node is asked."""

    def __init__(
        self, chain: Chain, book: Book, now_ms: Callable[[], int], *, delay_s: float, poll_s: float, from_block: int
    ) -> None:
        self.delay_s = delay_s
        self.poll_s = poll_s
        self._chain = chain
        self._book = book
        self._now_ms = now_ms
        self._from_block = from_block
        self._waiting: deque[_Seen] = deque()
        self._last: _Seen | None = None
        self._applied: _Seen | None = None
        self._settled = Found({}, ())
        self._anchor: tuple[int, str] | None = None
        self._awaited = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins in the running loop."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Ends it. Raises what it died of, if it did."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def caught_up(self) -> None:
        """Waits until everything up to the newest block is marked. Raises as the node does, and what the watching died of."""
        while True:
            if self._task is not None and self._task.done():
                await self._task
            head = await self._chain.head()
            if not self._book.safes:
                return
            applied = self._applied
            if applied is not None and applied.head == head and applied.safes == self._book.safes:
                return
            self._awaited.set()
            await asyncio.sleep(_AWAITED_S)

    async def _run(self) -> None:
        """Until it is cancelled. A node that does not answer is asked again."""
        while True:
            with contextlib.suppress(OutsideError):
                await self._look()
            self._apply_due()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.poll_s):
                    await self._awaited.wait()
            self._awaited.clear()

    async def _look(self) -> None:
        safes = frozenset(self._book.safes)
        if not safes:
            return
        head = await self._chain.head()
        if self._last is not None and (self._last.head, self._last.safes) == (head, safes):
            return
        if self._last is None or self._last.safes != safes or not await self._anchor_holds(head[0]):
            self._anchor, self._settled = None, Found({}, ())
        first = self._from_block if self._anchor is None else self._anchor[0] + 1
        newest = await self._chain.found(safes, first, head[0])
        whole = Found(self._settled.executions | newest.executions, self._settled.approvals + newest.approvals)
        self._last = _Seen(head, safes, asyncio.get_running_loop().time(), whole)
        self._waiting.append(self._last)
        await self._move_anchor(head[0], whole)

    async def _anchor_holds(self, head: int) -> bool:
        if self._anchor is None:
            return True
        number, block_hash = self._anchor
        return head >= number and await self._chain.block_hash(number) == block_hash

    async def _move_anchor(self, head: int, whole: Found) -> None:
        number = head - REORG_BLOCKS
        # moved seldom: approvals are not told with their block, so they are settled all at once
        if number < self._from_block or (self._anchor is not None and number < self._anchor[0] + REORG_BLOCKS):
            return
        block_hash = await self._chain.block_hash(number)
        if block_hash is not None:
            settled = await self._chain.found(self._last.safes if self._last else (), self._from_block, number)
            self._anchor, self._settled = (number, block_hash), settled

    def _apply_due(self) -> None:
        now_s = asyncio.get_running_loop().time()
        due: _Seen | None = None
        while self._waiting and self._waiting[0].at_s + self.delay_s <= now_s:
            due = self._waiting.popleft()
        if due is None:
            return
        now_ms = self._now_ms()
        for execution in self._book.apply(due.found.executions, now_ms):
            entry = self._book.entries[execution.safe_tx_hash]
            signed = parse_signatures(execution.signatures, bytes.fromhex(execution.safe_tx_hash[2:]))
            entry.confirm(signed, now_ms)
        self._book.approvals = due.found.approvals
        for entry in self._book.entries.values():
            self._book.bind_approvals(entry, now_ms)
        self._applied = due
