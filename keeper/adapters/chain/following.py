"""Every endpoint followed all the time: its heads heard, its losses noticed, its connection made again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from keeper.adapters.chain.ballot import Ballot, Dispute
from keeper.adapters.chain.listener import Listener
from keeper.adapters.chain.selection import Selection
from keeper.adapters.chain.vetting import Vetting, within
from keeper.domain.block import BlockStamp
from keeper.domain.chain_events import ChainEvent, DownReason
from keeper.domain.errors import OutsideError, Refused, Unreachable, WrongChain
from keeper.ports.chain import AccountReader, BlockReader, Broadcaster, ChainReader
from keeper.ports.clock import Clock

Work = Callable[[], Coroutine[Any, Any, None]]

BACKOFF_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Pauses between attempts to follow an endpoint again."""
TRIAL_S = 1.0
"""Pauses between trials of an endpoint whose requests fail."""
WATCH_S = 0.1
"""How often the passing of time is looked at: it decides about lag and return."""
QUIET_MS = 500
"""A node that for so long has not announced a block that another one has is asked for its newest block ..."""
PROBE_S = 1.0
"""... and has so long to answer. A node that was stopped keeps its connection, and would be noticed by nothing else for many blocks."""
CHECKS_S = (0.0, 0.2, 0.5)
"""When a node that refused to read at a block is asked whether it has that block: it may be about to arrive."""


class Node(ChainReader, BlockReader, AccountReader, Broadcaster, Protocol):
    """One endpoint with everything it can do."""


@dataclass(frozen=True, slots=True)
class Member:
    """``name`` is short and holds no address (``primary-1``)."""

    name: str
    node: Node


Trial = Callable[[Node], Coroutine[Any, Any, object]]
"""A request of the kind that failed: an endpoint is well again when it answers that, not when it answers something else."""


async def ask_head(node: Node) -> object:
    """The trial where nothing else is to be asked."""
    return await node.head()


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
        self._vetting = Vetting(members, clock)
        self._ballot = Ballot(len(members))
        pair = [member.name for member in members] if len(members) == primaries == 2 else None
        self._dispute = Dispute(self._ballot, pair) if pair else None
        self._doubted: list[list[BlockStamp]] = [[] for _ in members]
        self._fresh = [True] * len(members)
        self._probing: set[int] = set()
        self._checking: set[int] = set()
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

    def struck(
        self, index: int, why: str, *, fatal: bool, trial: Trial = ask_head, read: bool = False, weight: int = 1
    ) -> None:
        """A request to this endpoint failed; ``fatal``: there was no answer at all. ``trial`` is asked until it is answered."""
        was_failing = self._selection.is_failing(index)
        now_ms = self._clock.monotonic_ms()
        self._tell(self._selection.struck(index, why, now_ms, fatal=fatal, read=read, weight=weight))
        if self._selection.is_failing(index) and not was_failing:
            self._spawn(partial(self._try, index, trial), f"trial-{self._members[index].name}")

    def refused(self, index: int, block: BlockStamp, why: str, trial: Trial) -> None:
        """It refused to read at this block: a failure if it has the block. Found out beside, because the next node is asked at once."""
        if index not in self._checking:
            self._checking.add(index)
            self._spawn(partial(self._check, index, block, why, trial), f"check-{self._members[index].name}")

    def rejected(self, index: int, reason: DownReason, why: str) -> None:
        """What this endpoint says is not believed."""
        self._tell(self._selection.rejected(index, reason, why, self._clock.monotonic_ms()))

    async def close(self) -> None:
        """Ends everything; whoever listens gets Unreachable. Safe to call twice."""
        self._closed = True
        self._wake()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- inside ----------------------------------------------------------------------------------------------------------------

    async def _try(self, index: int, trial: Trial) -> None:
        """Asks an endpoint whose requests fail until it answers."""
        while self._selection.is_failing(index):
            await self._clock.sleep(TRIAL_S)
            try:
                await trial(self._members[index].node)
            except OutsideError:
                continue
            self._tell(self._selection.tried(index, self._clock.monotonic_ms()))

    async def _check(self, index: int, block: BlockStamp, why: str, trial: Trial) -> None:
        """Who refuses to read at a block that it has fails. Who does not have it is not to blame, except for having announced it."""
        try:
            for seconds in CHECKS_S:
                if seconds:
                    await self._clock.sleep(seconds)
                try:
                    found = await self._members[index].node.block_of(block.hash)
                except OutsideError:
                    self.struck(index, why, fatal=False, read=True, trial=trial)
                    return
                if found is not None:
                    if not seconds:
                        self.struck(index, why, fatal=False, read=True, trial=trial)
                    return
            if self._ballot.has_announced(index, block) and len(self._members) > 1:
                self.rejected(
                    index, DownReason.UNKNOWN_BLOCKS, f"it announced block {block.number} ({block.hash}) and has it not"
                )
        finally:
            self._checking.discard(index)

    async def _probe(self, index: int) -> None:
        """Asks a quiet endpoint for its newest block: who does not answer has stopped, who does may have lost the subscription."""
        try:
            if not await within(self._clock, PROBE_S, self._ask_newest(index)):
                self.struck(index, f"it is behind the others and gave no answer within {PROBE_S:g} s", fatal=True)
        except OutsideError as error:
            self.struck(index, error.message, fatal=not isinstance(error, Refused))
        finally:
            self._probing.discard(index)

    async def _ask_newest(self, index: int) -> None:
        block = await self._members[index].node.head()
        known = self.newest[index]
        if known is not None and block.number > known.number:
            self._heard(index, block)

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
                    if index == self._selection.active and self._follows(index, block):
                        now_ms = self._announce(index, block)
                        # whoever waits for the block asks for its reads first: one turn to ask, one until that is in the socket
                        await asyncio.sleep(0)
                        await asyncio.sleep(0)
                        self._count(index, block, now_ms)
                    else:
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
            now_ms = self._clock.monotonic_ms()
            self._tell(self._selection.passed(now_ms))
            if self._dispute is not None:
                active = self._selection.active
                both_up = bool(self._selection.others_up(active))
                self._tell(self._dispute.look(active, now_ms, both_up=both_up))
            for index in self._selection.quiet(now_ms, QUIET_MS):
                if index not in self._probing:
                    self._probing.add(index)
                    self._spawn(partial(self._probe, index), f"probe-{self._members[index].name}")

    def _heard(self, index: int, block: BlockStamp, *, first: bool = False) -> None:
        """A head is taken at once when it follows from what is known, as nearly all do; else after a doubt, and later ones after it."""
        if first:
            self._doubted[index].clear()
            self._fresh[index], self.newest[index] = True, None
        if self._follows(index, block):
            self._believe(index, block)
            return
        doubted = self._doubted[index]
        doubted.append(block)
        if len(doubted) == 1:
            self._spawn(partial(self._doubt, index, block), f"doubt-{self._members[index].name}")

    def _follows(self, index: int, block: BlockStamp) -> bool:
        return not self._doubted[index] and self._vetting.believable(block, self.newest[index])

    async def _doubt(self, index: int, block: BlockStamp) -> None:
        """Until every head that waits is believed; one that is not takes those after it along."""
        self._selection.doubted(index, in_doubt=True)
        try:
            await self._settle(index, block)
        finally:
            self._selection.doubted(index, in_doubt=bool(self._doubted[index]))

    async def _settle(self, index: int, block: BlockStamp) -> None:
        waiting = self._doubted[index]
        while waiting and waiting[0] is block:
            why = ""
            if not self._vetting.believable(block, self.newest[index]):
                why = await self._vetting.doubt(index, block, self._selection.others_up(index))
            if not waiting or waiting[0] is not block:
                return  # the connection was lost meanwhile, and began anew
            if why:
                waiting.clear()
                self.rejected(index, DownReason.UNKNOWN_BLOCKS, why)
                self._attempts[index] += self._fresh[index]
                self._attempted.set()
                return
            waiting.pop(0)
            self._believe(index, block)
            if waiting:
                block = waiting[0]

    def _believe(self, index: int, block: BlockStamp) -> None:
        self._count(index, block, self._announce(index, block))

    def _announce(self, index: int, block: BlockStamp) -> float:
        """Tells the listeners. When that was, for ``_count``."""
        now_ms = self._clock.monotonic_ms()
        self.newest[index] = block
        self._vetting.believed(block)
        if index == self._selection.active:
            for listener in self._listeners:
                listener.hear(block)
        return now_ms

    def _count(self, index: int, block: BlockStamp, now_ms: float) -> None:
        """What the block says of the endpoints."""
        first, self._fresh[index] = self._fresh[index], False
        self._attempts[index] += first
        change = self._selection.connected if first else self._selection.announced
        self._tell(change(index, block.number, now_ms, time_s=block.timestamp_s))
        for other, why in self._ballot.cast(index, block).items():
            if other < self._primaries:  # a verify endpoint that differs is told by the witness
                self.rejected(other, DownReason.OUTVOTED, why)
        self._attempted.set()

    def _lost(self, index: int, reason: DownReason, why: str) -> None:
        self._why = why
        self._attempts[index] += 1
        self.newest[index] = None
        self._doubted[index].clear()
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
