"""Every endpoint followed all the time: its heads heard, its losses noticed, its connection made again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from keeper.adapters.chain.selection import Selection
from keeper.domain.block import BlockStamp
from keeper.domain.chain_events import ChainEvent, DownReason
from keeper.domain.errors import OutsideError, Unreachable, WrongChain
from keeper.ports.chain import AccountReader, BlockReader, Broadcaster, ChainReader
from keeper.ports.clock import Clock

Work = Callable[[], Coroutine[Any, Any, None]]

BACKOFF_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Pauses between attempts to follow an endpoint again."""
TRIAL_S = 1.0
"""Pauses between trials of an endpoint whose requests fail."""
WATCH_S = 0.1
"""How often the passing of time is looked at: it decides about lag and return."""


class Node(ChainReader, BlockReader, AccountReader, Broadcaster, Protocol):
    """One endpoint with everything it can do."""


@dataclass(frozen=True, slots=True)
class Member:
    """``name`` is short and holds no address (``primary-1``)."""

    name: str
    node: Node


class Listener:
    """One consumer of heads: what the endpoint in use has announced and was not taken yet."""

    def __init__(self) -> None:
        self.waiting: list[BlockStamp] = []
        self.changed = asyncio.Event()

    def hear(self, block: BlockStamp) -> None:
        self.waiting.append(block)
        self.changed.set()

    def start_over(self, newest: BlockStamp | None) -> None:
        self.waiting = [newest] if newest is not None else []
        self.changed.set()

    def take(self) -> tuple[BlockStamp, dict[str, BlockStamp]]:
        """The newest, and those before it, by hash."""
        *passed, newest = self.waiting
        self.waiting = []
        return newest, {block.hash: block for block in passed}


class Following:
    """What is known of all endpoints. ``selection`` decides who is listened to; ``report`` hears what changes. Primaries come first."""

    def __init__(
        self,
        members: Sequence[Member],
        selection: Selection,
        primaries: int,
        *,
        chain_id: int,
        clock: Clock,
        report: Callable[[ChainEvent], None],
    ) -> None:
        self.newest: list[BlockStamp | None] = [None] * len(members)
        self._members = members
        self._selection = selection
        self._primaries = primaries
        self._chain_id = chain_id
        self._clock = clock
        self._report = report
        self._listeners: set[Listener] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._started = False
        self._closed = False
        self._heard_active = 0
        self._why = ""
        self._attempts = [0] * len(members)
        self._attempted = asyncio.Event()
        self._hurry = asyncio.Event()
        self._bug: BaseException | None = None
        self._dead: list[tuple[Work, str]] = []

    # -- for the fleet ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begins, with the first use."""
        if self._started or self._closed:
            return
        self._started = True
        for index, member in enumerate(self._members):
            self._spawn(partial(self._follow, index), f"follow-{member.name}")
        self._spawn(self._watch, "fleet-watch")

    def listen(self) -> Listener:
        """A new listener, which hears the newest block first if there is one already."""
        self._bug, dead, self._dead = None, self._dead, []
        for work, name in dead:
            self._spawn(work, name)
        listener = Listener()
        listener.start_over(self.newest[self._selection.active])
        self._listeners.add(listener)
        return listener

    def stop_listening(self, listener: Listener) -> None:
        self._listeners.discard(listener)

    async def next_heads(self, listener: Listener) -> tuple[BlockStamp, dict[str, BlockStamp]]:
        """The newest head that the listener has not taken, and those before it, by hash. Raises Unreachable when no primary has a connection."""
        while not listener.waiting:
            if self._bug is not None:
                raise self._bug
            if self._closed:
                raise Unreachable("this fleet is closed")
            if self._selection.all_lost:
                raise Unreachable(
                    self._why, remedy="the keeper connects again by itself; check the nodes if this lasts"
                )
            listener.changed.clear()
            await listener.changed.wait()
        return listener.take()

    async def reconnect(self) -> None:
        """When no primary has a connection: one attempt with each of them, at once."""
        before = self._attempts[: self._primaries]
        if self._selection.all_lost:
            self._hurry.set()
            self._hurry = asyncio.Event()
        while self._selection.all_lost and not self._closed and self._bug is None:
            if all(now > then for now, then in zip(self._attempts, before, strict=False)):
                return
            self._attempted.clear()
            await self._attempted.wait()

    def struck(self, index: int, why: str, *, fatal: bool, read: bool = False) -> None:
        """A request to this endpoint failed; ``fatal``: there was no answer at all."""
        was_failing = self._selection.is_failing(index)
        self._tell(self._selection.struck(index, why, self._clock.monotonic_ms(), fatal=fatal, read=read))
        if self._selection.is_failing(index) and not was_failing:
            self._spawn(partial(self._try, index), f"trial-{self._members[index].name}")

    async def close(self) -> None:
        """Ends everything; whoever listens gets Unreachable. Safe to call twice."""
        self._closed = True
        self._wake()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- inside ----------------------------------------------------------------------------------------------------------------

    async def _try(self, index: int) -> None:
        """Asks an endpoint whose requests fail until it answers."""
        while self._selection.is_failing(index):
            await self._clock.sleep(TRIAL_S)
            try:
                await self._members[index].node.head()
            except OutsideError:
                continue
            self._tell(self._selection.tried(index, self._clock.monotonic_ms()))

    def _spawn(self, work: Work, name: str) -> None:
        if self._closed:
            return
        task = asyncio.create_task(work(), name=name)
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, work))

    def _ended(self, work: Work, task: asyncio.Task[None]) -> None:
        """A task that dies of a bug must not die in silence: the listeners get its exception, and it is done again for the next listener."""
        self._tasks.discard(task)
        if not task.cancelled() and (bug := task.exception()) is not None:
            self._bug = bug
            self._dead.append((work, task.get_name()))
            self._wake()

    async def _follow(self, index: int) -> None:
        """Every head of one endpoint, across lost connections."""
        node = self._members[index].node
        wait = 0
        while True:
            try:
                served = await node.chain_id()
                if served != self._chain_id:
                    raise WrongChain(f"it serves chain {served}, and the configuration says {self._chain_id}")
                self._heard(index, await node.head(), first=True)
                async for block in node.heads():
                    wait = 0
                    self._heard(index, block)
                raise Unreachable("the heads ended")
            except OutsideError as error:
                reason = DownReason.WRONG_CHAIN if isinstance(error, WrongChain) else DownReason.LOST
                self._lost(index, reason, error.message)
            await self._pause(BACKOFF_S[min(wait, len(BACKOFF_S) - 1)])
            wait += 1

    async def _pause(self, seconds: float) -> None:
        """So long, or until somebody wants heads and there is no connection."""
        waits = [asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(_set(self._hurry))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep(WATCH_S)
            self._tell(self._selection.passed(self._clock.monotonic_ms()))

    def _heard(self, index: int, block: BlockStamp, *, first: bool = False) -> None:
        now_ms = self._clock.monotonic_ms()
        self._attempts[index] += first
        self.newest[index] = block
        if index == self._selection.active:
            for listener in self._listeners:
                listener.hear(block)
        change = self._selection.connected if first else self._selection.announced
        self._tell(change(index, block.number, now_ms))
        self._attempted.set()

    def _lost(self, index: int, reason: DownReason, why: str) -> None:
        self._why = why
        self._attempts[index] += 1
        self.newest[index] = None
        self._tell(self._selection.lost(index, reason, why, self._clock.monotonic_ms()))
        self._attempted.set()
        if self._selection.all_lost:
            self._wake()

    def _wake(self) -> None:
        """Every listener looks again at how things stand."""
        self._attempted.set()
        for listener in self._listeners:
            listener.changed.set()

    def _tell(self, events: Sequence[ChainEvent]) -> None:
        """Reports, and lets the listeners hear the endpoint in use when that has changed."""
        for event in events:
            self._report(event)
        if self._selection.active != self._heard_active:
            self._heard_active = self._selection.active
            for listener in self._listeners:
                listener.start_over(self.newest[self._heard_active])


async def _set(event: asyncio.Event) -> None:
    await event.wait()
