"""A WebSocket proxy in front of a node, which loses, withholds and refuses what passes through it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

Message = dict[str, Any]
Frame = Message | list[Message]
"""A batch is one, too."""
LIMIT = 64 * 1024 * 1024


class Proxy:
    """``async with Proxy(node.ws_url) as proxy``; its address is ``proxy.url``.

    ``lose``: every connection breaks, and new ones are refused until ``restore``. ``hang``: connections stay and nothing passes any more,
    until ``restore``. ``lose_before`` / ``lose_after``: as ``lose``, at the moment when a request of this method comes: before the node gets it,
    or once the node has answered it, without that answer.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._server: Server | None = None
        self._port = 0
        self._open: set[ServerConnection] = set()
        self._passing = asyncio.Event()
        self._passing.set()
        self._before = ""
        self._after = ""
        self._fatal: set[int] = set()
        self._countdown = 0
        self._lose_before_it = True
        self.lost = asyncio.Event()
        self.requests: list[str] = []
        """The method of each message that came, in order; of a batch, those in it, each once, with ``+`` between."""

    async def __aenter__(self) -> Self:
        await self.restore()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._passing.set()
        await self.lose()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._port}"

    async def lose(self) -> None:
        server, self._server = self._server, None
        for connection in self._open:
            connection.transport.abort()
        if server is not None:
            server.close()
            await server.wait_closed()
        self.lost.set()

    async def restore(self) -> None:
        self._before = self._after = ""
        self._countdown = 0
        self._fatal.clear()  # the next connection counts its requests from the beginning
        self.lost.clear()
        self._passing.set()
        if self._server is None:
            self._server = await serve(
                self._serve, "127.0.0.1", self._port, max_size=LIMIT, compression=None, ping_interval=None
            )
            self._port = next(iter(self._server.sockets)).getsockname()[1]

    def hang(self) -> None:
        self._passing.clear()

    def lose_before(self, method: str) -> None:
        self._before = method

    def lose_after(self, method: str) -> None:
        self._after = method

    def lose_at(self, number: int, *, before: bool) -> None:
        """As ``lose_before`` / ``lose_after``, at the ``number``-th request from now on, whatever it is; the first is 1."""
        self._countdown = number
        self._lose_before_it = before

    async def _serve(self, client: ServerConnection) -> None:
        self._open.add(client)
        try:
            async with connect(self._upstream, max_size=LIMIT, compression=None, ping_interval=None) as node:
                pumps = [
                    asyncio.create_task(self._pump(client, node, self._request)),
                    asyncio.create_task(self._pump(node, client, self._answer)),
                ]
                try:
                    await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for pump in pumps:
                        pump.cancel()
                    await asyncio.gather(*pumps, return_exceptions=True)
        except (OSError, ConnectionClosed):
            pass
        finally:
            self._open.discard(client)
            client.transport.abort()

    async def _pump(
        self,
        source: ServerConnection | ClientConnection,
        target: ServerConnection | ClientConnection,
        passes: Callable[[Frame], bool],
    ) -> None:
        with suppress(ConnectionClosed):
            async for text in source:
                await self._passing.wait()
                if not passes(json.loads(text)):
                    self._ending = asyncio.create_task(self.lose())  # of its own: it waits for the end of this one
                    return
                await target.send(text)

    def _request(self, frame: Frame) -> bool:
        messages = frame if isinstance(frame, list) else [frame]
        method = "+".join(dict.fromkeys(str(message.get("method")) for message in messages))
        self.requests.append(method)
        self._countdown -= 1
        due = self._countdown == 0
        if method == self._after or (due and not self._lose_before_it):
            self._fatal.update(message["id"] for message in messages)
        return method != self._before and not (due and self._lose_before_it)

    def _answer(self, frame: Frame) -> bool:
        messages = frame if isinstance(frame, list) else [frame]
        return not any(message.get("id") in self._fatal for message in messages)
