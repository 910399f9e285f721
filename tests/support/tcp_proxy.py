"""A TCP proxy that stands for the way between two machines: it can be broken, and it can swallow everything without a word."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

CHUNK_BYTES = 1 << 16
Upstream = tuple[str, int] | Path


class TcpProxy:
    """``async with TcpProxy(("127.0.0.1", 8545)) as proxy``; clients connect to ``proxy.port`` of ``host``. ``upstream`` may be a socket's path.

    ``cut``: nothing passes in either direction until ``heal``, and nobody hears of it: connections stay open, even where one side has closed
    its end, new ones are taken and lead nowhere. What was sent meanwhile arrives after ``heal``, as TCP sends it again.
    ``cut(up=True)`` or ``cut(down=True)`` stops one direction alone: to the upstream, or from it.
    ``lose``: every connection breaks, and new ones are refused, until ``heal``.
    """

    def __init__(self, upstream: Upstream, *, host: str = "127.0.0.1") -> None:
        self._upstream = upstream
        self._host = host
        self._server: asyncio.Server | None = None
        self._held: socket.socket | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._up = asyncio.Event()
        self._down = asyncio.Event()
        self._up.set()
        self._down.set()

    async def __aenter__(self) -> Self:
        # bound and never listening: while connections are refused nobody else is given the port
        self._held = socket.socket()
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._held.bind((self._host, 0))
        await self.heal()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.lose()
        assert self._held is not None
        self._held.close()

    @property
    def port(self) -> int:
        assert self._held is not None, "it begins with `async with`"
        return int(self._held.getsockname()[1])

    @property
    def passes(self) -> bool:
        """Whether it lets everything through now."""
        return self._server is not None and self._up.is_set() and self._down.is_set()

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._serving)

    def cut(self, *, up: bool = False, down: bool = False) -> None:
        """Both directions where neither is named."""
        both = not up and not down
        if up or both:
            self._up.clear()
        if down or both:
            self._down.clear()

    async def heal(self) -> None:
        """Everything passes again."""
        self._up.set()
        self._down.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._taken, self._host, self.port, reuse_port=True)

    async def lose(self) -> None:
        """Safe to call twice."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for writer in self._writers:
            writer.transport.abort()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _taken(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self._writers.add(writer)
        # A cancelled handler would be told to the event loop as an error; here it is how a connection is lost.
        with suppress(OSError, asyncio.CancelledError):
            await self._serve(reader, writer)
        self._serving.discard(task)
        self._writers.discard(writer)
        writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._up.wait()
        far_reader, far_writer = await self._connect()
        self._writers.add(far_writer)
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(_pump(reader, far_writer, self._up))
                pumps.create_task(_pump(far_reader, writer, self._down))
        except* OSError:
            pass  # one side has broken it: so it is for the other
        finally:
            self._writers.discard(far_writer)
            far_writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._upstream, Path):
            return await asyncio.open_unix_connection(self._upstream)
        return await asyncio.open_connection(*self._upstream)


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, passes: asyncio.Event) -> None:
    while data := await source.read(CHUNK_BYTES):
        await passes.wait()
        target.write(data)
        await target.drain()
    await passes.wait()
    # The end of one direction is the end of both: neither HTTP nor PostgreSQL goes on with half a connection.
    await target.drain()
    target.close()
    raise ConnectionResetError
