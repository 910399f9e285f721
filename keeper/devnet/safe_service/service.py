"""The running service: its own thread with its own loop, so that clients which block may be called from wherever it was opened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Self

from keeper.devnet.rpc import RpcClient
from keeper.devnet.safe_service.app import build_app
from keeper.devnet.safe_service.book import Book
from keeper.devnet.safe_service.chain import Chain
from keeper.devnet.safe_service.desk import Desk
from keeper.devnet.safe_service.faults import Alter, Document, Fault
from keeper.devnet.safe_service.gate import Gate
from keeper.devnet.safe_service.watcher import Watcher
from keeper.devnet.serving import HOST, Server, done_in, own_loop


class SafeService:
    """Use it as ``async with SafeService.open(...) as service``.

    ``alter`` may be set to anything of ``faults`` (or any function): it changes each document of a transaction as it goes out. ``asked`` are the
    requests so far, as ``GET /api/..``. ``book`` is what it knows; look at it, but let requests change it.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, port: int, gate: Gate, watcher: Watcher, book: Book, alters: list[Alter]
    ) -> None:
        self.book = book
        self._loop = loop
        self._port = port
        self._gate = gate
        self._watcher = watcher
        self._alters = alters
        self._server: Server | None = None

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        node_url: str,
        chain_id: int,
        now_ms: Callable[[], int],
        *,
        port: int = 0,
        api_key: str | None = None,
        index_delay_s: float = 0.6,
        poll_s: float = 0.05,
        from_block: int = 0,
    ) -> AsyncIterator[Self]:
        """Answers on loopback until the block ends.

        ``now_ms`` gives milliseconds since 1970 UTC and is called from another thread. ``port`` 0: a free one. ``index_delay_s``: from the moment
        a block is seen to the mark of what it executes. ``from_block``: where reading of the chain begins. Raises OSError for a port that is taken.
        """
        async with own_loop("devnet-safe-service") as loop:
            building = cls._build(node_url, chain_id, now_ms, port, api_key, index_delay_s, poll_s, from_block)
            rpc, self = await done_in(loop, building)
            try:
                yield self
            finally:
                await done_in(loop, self._close(rpc))

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``, without a slash at its end."""
        return f"http://{HOST}:{self._port}"

    @property
    def asked(self) -> list[str]:
        return self._gate.asked

    @property
    def alter(self) -> Alter | None:
        """How it lies; None: it does not."""
        return self._alters[0] if self._alters else None

    @alter.setter
    def alter(self, value: Alter | None) -> None:
        self._alters[:] = [] if value is None else [value]

    @property
    def index_delay_s(self) -> float:
        """From the moment a block is seen to the mark of what it executes; may be changed while it runs."""
        return self._watcher.delay_s

    @index_delay_s.setter
    def index_delay_s(self, seconds: float) -> None:
        self._watcher.delay_s = seconds

    def inject(self, fault: Fault) -> None:
        """Breaks it: see ``FaultKind``. Of several faults that fit a request, the newest counts."""
        self._gate.inject(fault)

    def heal(self) -> None:
        """Takes all faults and lies away; a request that hangs goes on hanging."""
        self._gate.heal()
        self.alter = None

    async def caught_up(self) -> None:
        """Waits until everything up to the newest block is marked, the delay included."""
        await done_in(self._loop, self._watcher.caught_up())

    async def go_down(self) -> None:
        """Connections are refused, open ones are closed. What it knows stays, and it goes on following the chain. Safe to call twice."""
        await done_in(self._loop, self._stop())

    async def come_up(self) -> None:
        """Answers again, on the same port. Raises OSError when somebody else took it."""
        await done_in(self._loop, self._start())

    @classmethod
    async def _build(
        cls,
        node_url: str,
        chain_id: int,
        now_ms: Callable[[], int],
        port: int,
        api_key: str | None,
        index_delay_s: float,
        poll_s: float,
        from_block: int,
    ) -> tuple[RpcClient, Self]:
        rpc, book = RpcClient(node_url), Book()
        chain = Chain(rpc, chain_id)
        alters: list[Alter] = []

        def alter(document: Document) -> Document:
            for one in alters:
                document = one(document)
            return document

        gate = Gate(build_app(Desk(book, chain, now_ms), alter), api_key)
        watcher = Watcher(chain, book, now_ms, delay_s=index_delay_s, poll_s=poll_s, from_block=from_block)
        self = cls(asyncio.get_running_loop(), port, gate, watcher, book, alters)
        try:
            await self._start()
        except BaseException:
            await rpc.close()
            raise
        watcher.start()
        return rpc, self

    async def _start(self) -> None:
        if self._server is None:
            server = Server(self._gate, self._port)
            await server.start()
            self._port, self._server = server.port, server

    async def _stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            self._gate.closing.set()
            await server.stop()
            self._gate.closing = asyncio.Event()

    async def _close(self, rpc: RpcClient) -> None:
        try:
            await self._stop()
            await self._watcher.stop()
        finally:
            await rpc.close()
