"""Several nodes as one: heads and reads from the best primary, each block once and in order, whatever the nodes do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from keeper.adapters.chain.asking import first_answer
from keeper.adapters.chain.ballot import MAJORITY
from keeper.adapters.chain.following import Following, Member, Node, Trial, ask_head
from keeper.adapters.chain.selection import Patience, Selection
from keeper.adapters.chain.trail import Plan, Trail
from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.domain.chain_events import ChainEvent, DownReason
from keeper.domain.errors import OutsideError, Refused
from keeper.domain.evm import CallResult, Receipt, Simulation
from keeper.domain.rehearsal import Rehearsal
from keeper.domain.testimony import Silence, Testimony, Word
from keeper.ports.chain import PoolReader, RehearsingReader
from keeper.ports.clock import Clock

__all__ = ["Fleet", "FleetPolicy", "Member", "Node"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FleetPolicy:
    """``backfill``: so many missed blocks are fetched at most. ``slow_ms``: a request that takes longer is sent to the next primary too."""

    backfill: int = 64
    patience: Patience = field(default_factory=Patience)
    slow_ms: int = 500


class Fleet:
    """ChainReader, BlockReader, AccountReader and Broadcaster over all primaries; the first is the preferred one.

    ``verifiers`` are only followed, as a measure of who lags. ``report`` is told what happens and must not block. Every primary is followed all the
    time, so that changing costs nothing. Background work starts with the first use and ends with ``close``.
    """

    def __init__(
        self,
        primaries: Sequence[Member],
        verifiers: Sequence[Member] = (),
        *,
        chain_id: int,
        clock: Clock,
        report: Callable[[ChainEvent], None],
        policy: FleetPolicy | None = None,
    ) -> None:
        self._policy = policy or FleetPolicy()
        self._members = (*primaries, *verifiers)
        self._chain_id = chain_id
        self._report = report
        names = [member.name for member in self._members]
        self._selection = Selection(names[: len(primaries)], names[len(primaries) :], self._policy.patience)
        self._following = Following(
            self._members, self._selection, len(primaries), chain_id=chain_id, clock=clock, report=report
        )
        self._trail: Trail | None = Trail(backfill=self._policy.backfill)
        self._read_from = "", 0

    @property
    def active(self) -> str:
        """The name of the endpoint that heads and reads come from."""
        return self._members[self._selection.active].name

    @property
    def newest_elsewhere(self) -> int:
        """The newest block that another endpoint has announced; -1 where there is none."""
        return self._selection.newest_elsewhere

    # -- ChainReader -----------------------------------------------------------------------------------------------------------

    async def chain_id(self) -> int:
        """The chain that the endpoint in use serves; a primary of another chain is passed over as long as one serves the right chain."""

        async def right(node: Node) -> int:
            served = await node.chain_id()
            if served != self._chain_id:
                raise _OtherChain(f"it serves chain {served}", code=served)
            return served

        try:
            return await self._ask(right, refusal_is_final=False)
        except _OtherChain as error:
            return error.code

    async def head(self) -> BlockStamp:
        """The newest block of the endpoint in use."""
        return await self._ask(lambda node: node.head())

    def go_on_from(self, block: BlockStamp) -> None:
        """The first listener gets what comes after this block, as if another one had ended there. Before anybody listens."""
        if self._trail is not None:
            self._trail.take(block)

    async def heads(self) -> AsyncGenerator[BlockStamp]:
        """Each new block once, in order; a listener that is slow gets the newest. Raises Unreachable when no primary has a connection.

        Called again, it goes on where the last listener ended, so that nothing is missed in between.
        """
        self._following.start()
        listener = self._following.listen()
        resumed, self._trail = self._trail, None
        trail = resumed or Trail(backfill=self._policy.backfill)
        report = self._report if resumed is not None else _ignore  # two listeners, one report
        try:
            await self._following.reconnect()
            while True:
                head, passed = await self._following.next_heads(listener)
                if trail.last is None:
                    trail.take(head)  # heads from now on: this one was there before
                    continue
                plan = await trail.plan(head, passed, self)
                if plan.steps and self._selection.all_lost:
                    continue  # what is missing can be fetched when a node is back
                for block in _walk(trail, plan, report):
                    yield block
        finally:
            self._following.stop_listening(listener)
            if resumed is not None:
                self._trail = resumed

    async def read(self, calls: Sequence[Call], block: BlockStamp) -> Sequence[CallResult]:
        """All answers at this block. It is pinned by its hash, so that it does not matter which node answers."""
        if not calls:
            return ()
        return await self._ask(
            lambda node: node.read(calls, block), refusal_is_final=False, pinned=block, trial=_read_anew(calls)
        )

    async def read_and_rehearse(
        self, calls: Sequence[Call], rehearsals: Sequence[Rehearsal], block: BlockStamp
    ) -> tuple[Sequence[CallResult], Sequence[Simulation | None]]:
        """As ``read``, with what is rehearsed in the same message."""

        async def both(node: Node) -> tuple[Sequence[CallResult], Sequence[Simulation | None]]:
            if isinstance(node, RehearsingReader):
                return await node.read_and_rehearse(calls, rehearsals, block)
            return await node.read(calls, block), [None] * len(rehearsals)

        return await self._ask(both, refusal_is_final=False, pinned=block, trial=_read_anew(calls))

    async def close(self) -> None:
        """Lets go of all nodes. Safe to call twice."""
        await self._following.close()
        await asyncio.gather(*(member.node.close() for member in self._members), return_exceptions=True)

    # -- BlockReader, AccountReader, Broadcaster -------------------------------------------------------------------------------

    async def blocks(self, first: int, last: int) -> Sequence[BlockStamp]:
        """Headers by number."""
        return await self._ask(lambda node: node.blocks(first, last))

    async def block_of(self, block_hash: str) -> BlockStamp | None:
        """A header by hash."""
        return await self._ask(lambda node: node.block_of(block_hash))

    async def simulate(self, call: Call, sender: str, block: BlockStamp | None = None) -> Simulation:
        """As one node does; at a given block, any node's answer will do."""

        async def again(node: Node) -> object:
            return await node.simulate(call, sender, await node.head())

        return await self._ask(
            lambda node: node.simulate(call, sender, block), refusal_is_final=block is None, pinned=block, trial=again
        )

    async def account(self, address: str) -> tuple[int, int]:
        """(nonce, balance in wei)."""
        return await self._ask(lambda node: node.account(address))

    async def pending_nonce(self, address: str) -> int:
        """As one node has it. Raises Refused where no node looks into a pool."""

        async def ask(node: Node) -> int:
            if not isinstance(node, PoolReader):
                raise Refused("this node shows no pool")
            return await node.pending_nonce(address)

        return await self._ask(ask)

    async def gas(self, call: Call, sender: str) -> int:
        """The estimate of the gas limit."""
        return await self._ask(lambda node: node.gas(call, sender))

    async def receipt(self, tx_hash: str) -> Receipt | None:
        """The receipt, or None."""
        return await self._ask(lambda node: node.receipt(tx_hash))

    async def priority_fee_wei(self) -> int:
        """The suggested priority fee."""
        return await self._ask(lambda node: node.priority_fee_wei())

    async def send_raw(self, raw: str) -> str:
        """Sends through the endpoint in use; through the next one where that does not answer (the same bytes have the same effect)."""
        return await self._ask(lambda node: node.send_raw(raw), trial=ask_head)

    # -- what the verify endpoints said ----------------------------------------------------------------------------------------

    def weigh(self, testimony: Testimony, calls: Sequence[Call]) -> None:
        """A comparison at a block: who could not answer it fails, and a primary that all contradict in the same way is not believed."""
        for statement in testimony.statements:
            index = self._place(statement.endpoint)
            if statement.word is not Word.SILENT:
                self._selection.answered(index, read=True)
            elif statement.silence not in (Silence.BEHIND, Silence.NOT_NEEDED):
                trial = _read_anew(calls) if calls else ask_head
                self._following.struck(index, statement.message, fatal=False, read=True, weight=2, trial=trial)
        against = testimony.against
        block_hash, reader = self._read_from
        if len(against) >= MAJORITY and testimony.agreeing == 1 and block_hash == testimony.block.hash:
            names = " and ".join(against)
            why = f"at block {testimony.block.number} {names} contradict it, each in the same way"
            self._following.rejected(reader, DownReason.OUTVOTED, why)

    def _place(self, name: str) -> int:
        return next(place for place, member in enumerate(self._members) if member.name == name)

    # -- asking ----------------------------------------------------------------------------------------------------------------

    async def _ask(
        self,
        ask: Callable[[Node], Coroutine[Any, Any, T]],
        *,
        refusal_is_final: bool = True,
        pinned: BlockStamp | None = None,
        trial: Trial | None = None,
    ) -> T:
        """The answer of the first primary that gives one. Raises the error of the one in use when none does.

        ``pinned`` is the block that is asked about; ``trial`` asks the same of a node that failed, and is ``ask`` itself where that can be repeated.
        """
        self._following.start()
        question = _Question(ask, refusal_is_final, pinned, trial or _repeated(ask, refusal_is_final))
        order = self._selection.order()
        if len(order) == 1:
            return await self._one(order[0], question)
        asks = [lambda index=index: self._one(index, question) for index in order]
        return await first_answer(
            asks,
            slow_s=self._policy.slow_ms / 1000,
            is_final=lambda error: refusal_is_final and isinstance(error, Refused),
            on_slow=lambda place: self._following.struck(
                order[place],
                f"no answer within {self._policy.slow_ms} ms",
                fatal=False,
                read=not refusal_is_final,
                trial=question.trial,
            ),
        )

    async def _one(self, index: int, question: _Question[T]) -> T:
        try:
            answer = await question.ask(self._members[index].node)
        except Refused as error:
            if question.pinned is not None:
                self._following.refused(index, question.pinned, error.message, question.trial)
            elif not question.refusal_is_final:
                self._following.struck(index, error.message, fatal=False, read=True, trial=question.trial)
            raise
        except OutsideError as error:
            self._following.struck(index, error.message, fatal=True, trial=question.trial)
            raise
        self._selection.answered(index, read=not question.refusal_is_final)
        if question.pinned is not None:
            self._read_from = question.pinned.hash, index
        return answer


@dataclass(frozen=True, slots=True)
class _Question(Generic[T]):
    ask: Callable[[Node], Coroutine[Any, Any, T]]
    refusal_is_final: bool
    pinned: BlockStamp | None
    trial: Trial


def _repeated(ask: Callable[[Node], Coroutine[Any, Any, T]], refusal_is_final: bool) -> Trial:
    async def again(node: Node) -> object:
        try:
            return await ask(node)
        except Refused:
            if not refusal_is_final:
                raise
            return None  # an answer as well

    return again


def _read_anew(calls: Sequence[Call]) -> Trial:
    """The same calls at the node's own newest block: it may no longer have, or never have had, the one that was asked about."""

    async def again(node: Node) -> object:
        return await node.read(calls, await node.head())

    return again


class _OtherChain(Refused):
    """A node of another chain; ``code`` is that chain's id."""


def _ignore(_: ChainEvent) -> None:
    return


def _walk(trail: Trail, plan: Plan, report: Callable[[ChainEvent], None]) -> Iterator[BlockStamp]:
    """The blocks to give out. Each counts as taken when it is given, so that a listener who stops in the middle misses none."""
    for event in plan.events:
        report(event)
    if plan.anew:
        trail.begin_anew()
    for step in plan.steps:
        trail.take(step.block)
        if step.evaluate:
            yield step.block
