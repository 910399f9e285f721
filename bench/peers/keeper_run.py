"""This keeper as ``keeper run`` runs it, with two additions: it looks at a head only when it is its turn, and it notes when its edges are used.

Everything between a head and the node's answer is the keeper's own code: wiring, service, executor, the SQLite file, the signer, the public route.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import replace
from typing import TypeVar

from bench.peers.arrivals import Arrivals
from bench.peers.talk import commands, say
from keeper.app import event_loop
from keeper.app.cli import logs
from keeper.app.huge_pages import collapse
from keeper.app.observer import Observer
from keeper.app.parts import Parts
from keeper.app.service import Service
from keeper.app.wiring import build
from keeper.config import load
from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.domain.evm import CallResult, Receipt, SignedTransaction, Simulation, UnsignedTransaction
from keeper.domain.intent import Attempt, Intent
from keeper.domain.outcome import Outcome
from keeper.domain.readiness import ActionReadiness
from keeper.domain.record import Draft, Record, RecordQuery
from keeper.domain.rehearsal import Rehearsal
from keeper.engine import Tick
from keeper.execution.edges import Way
from keeper.execution.executor import Executor
from keeper.execution.work import Work
from keeper.ports.audit import AuditStore
from keeper.ports.chain import AccountReader, ChainReader, RehearsingReader
from keeper.ports.clock import Clock
from keeper.ports.route import Route, Submission
from keeper.ports.signer import Signer

T = TypeVar("T")

SIGN_ON_THE_PATH = "sign-on-the-path"


class Spans:
    """When each use of an edge began and ended, since the last head (monotonic milliseconds)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.found: list[tuple[str, float, float]] = []
        self._arrivals = Arrivals()
        self._arrivals.watch()

    def restart(self) -> None:
        """A new head; the first span is its way from the socket to here."""
        self.found[:] = [("announced", self._arrivals.newest_ms, self._clock.monotonic_ms())]

    async def around(self, name: str, work: Awaitable[T]) -> T:
        begin = self._clock.monotonic_ms()
        try:
            return await work
        finally:
            self.found.append((name, begin, self._clock.monotonic_ms()))


class Gate:
    """The chain as the keeper sees it: while it is shut, heads pass by unseen."""

    def __init__(self, inner: ChainReader, spans: Spans) -> None:
        self._inner = inner
        self._spans = spans
        self.is_open = False

    async def chain_id(self) -> int:
        return await self._inner.chain_id()

    async def head(self) -> BlockStamp:
        return await self._inner.head()

    async def heads(self) -> AsyncIterator[BlockStamp]:
        async for block in self._inner.heads():
            if self.is_open:
                self._spans.restart()
                yield block

    async def read(self, calls: Sequence[Call], block: BlockStamp) -> Sequence[CallResult]:
        return await self._inner.read(calls, block)

    async def read_and_rehearse(
        self, calls: Sequence[Call], rehearsals: Sequence[Rehearsal], block: BlockStamp
    ) -> tuple[Sequence[CallResult], Sequence[Simulation | None]]:
        assert isinstance(self._inner, RehearsingReader), "the fleet is one"
        return await self._inner.read_and_rehearse(calls, rehearsals, block)

    async def close(self) -> None:
        await self._inner.close()


class TimedAccounts:
    def __init__(self, inner: AccountReader, spans: Spans) -> None:
        self._inner = inner
        self._spans = spans

    async def simulate(self, call: Call, sender: str, block: BlockStamp | None = None) -> Simulation:
        return await self._spans.around("simulate", self._inner.simulate(call, sender, block))

    async def account(self, address: str) -> tuple[int, int]:
        return await self._inner.account(address)

    async def gas(self, call: Call, sender: str) -> int:
        return await self._inner.gas(call, sender)

    async def receipt(self, tx_hash: str) -> Receipt | None:
        return await self._inner.receipt(tx_hash)

    async def priority_fee_wei(self) -> int:
        return await self._inner.priority_fee_wei()


class TimedStore:
    def __init__(self, inner: AuditStore, spans: Spans) -> None:
        self._inner = inner
        self._spans = spans

    async def append(self, drafts: Sequence[Draft]) -> Sequence[Record]:
        kinds = "+".join(draft.kind.value for draft in drafts)
        return await self._spans.around(f"append {kinds}", self._inner.append(drafts))

    async def page(self, query: RecordQuery) -> Sequence[Record]:
        return await self._inner.page(query)

    async def head(self) -> tuple[int, str]:
        return await self._inner.head()

    async def open_intents(self) -> Sequence[Intent]:
        return await self._inner.open_intents()

    async def close(self) -> None:
        await self._inner.close()


class TimedSigner:
    def __init__(self, inner: Signer, spans: Spans) -> None:
        self._inner = inner
        self._spans = spans

    @property
    def address(self) -> str:
        return self._inner.address

    async def sign(self, transaction: UnsignedTransaction) -> SignedTransaction:
        return await self._spans.around("sign", self._inner.sign(transaction))


class TimedRoute:
    def __init__(self, inner: Route, spans: Spans) -> None:
        self._inner = inner
        self._spans = spans

    @property
    def name(self) -> str:
        return self._inner.name

    async def submit(self, attempt: Attempt, block: int) -> Submission:
        return await self._spans.around("submit", self._inner.submit(attempt, block))

    async def close(self) -> None:
        await self._inner.close()


class Reporter(Observer):
    """Tells the stage what happened, after it happened."""

    def __init__(self, spans: Spans) -> None:
        self._spans = spans
        self._trip_spans: list[tuple[str, float, float]] = []

    def ready(self, head: BlockStamp, sender: str | None) -> None:
        say("ready")

    def ticked(self, tick: Tick) -> None:
        if any(name == "submit" for name, _, _ in self._spans.found):
            self._trip_spans = list(self._spans.found)
        say("ticked", block=tick.block.number)

    def probed(self, readiness: Sequence[ActionReadiness]) -> None:
        blocks = {each.block for each in readiness}
        say("probed", block=blocks.pop() if len(blocks) == 1 else None)

    def ended(self, work: Work, outcome: Outcome) -> None:
        say(
            "ended",
            outcome=outcome.kind.value,
            message=outcome.message,
            tx_hash=outcome.tx_hash,
            marks=work.marks,
            spans=self._trip_spans,
        )


def instrumented(parts: Parts) -> tuple[Parts, Gate, Spans]:
    """The same parts with a gate before the heads and a watch beside the edges."""
    edges = parts.edges
    spans = Spans(edges.clock)
    gate = Gate(edges.chain, spans)
    timed = replace(
        edges,
        chain=gate,
        accounts=TimedAccounts(edges.accounts, spans),
        store=TimedStore(edges.store, spans),
        signer=TimedSigner(edges.signer, spans) if edges.signer else None,
        ways={name: Way(TimedRoute(way.open, spans)) for name, way in edges.ways.items() if way.open is not None},
    )
    return replace(parts, edges=timed), gate, spans


async def _sign_nothing(_: Executor) -> None:
    return


async def main(config: str, how: str = "") -> None:
    """``how`` SIGN_ON_THE_PATH: nothing is signed before its trip."""
    logs.set_up(0)
    if how == SIGN_ON_THE_PATH:
        Executor.sign_beforehand = _sign_nothing  # type: ignore[assignment,method-assign]
    parts, gate, spans = instrumented(await build(load(config)))
    gc.freeze()
    collapse()
    stop = asyncio.Event()
    try:
        service = asyncio.create_task(Service(parts, Reporter(spans)).run(stop))
        async for command in commands():
            gate.is_open = bool(command["open"])
            say("gate", open=gate.is_open)
        stop.set()
        await service
    finally:
        await parts.close()


if __name__ == "__main__":
    event_loop.run(main(*sys.argv[1:]))
