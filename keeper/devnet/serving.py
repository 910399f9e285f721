"""What the stand-ins of services share: an HTTP server on loopback, and a thread with a loop of its own for it.

Clients that block may then be called from wherever the service was opened.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, MutableMapping
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import uvicorn
from starlette.requests import Request
from starlette.responses import Response

HOST: Final = "127.0.0.1"
_STARTED_POLL_S = 0.005
_T = TypeVar("_T")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
"""An ASGI application."""


async def nobody_left(request: Request, error: Exception) -> Response:
    """Who asked was killed in the middle of asking, which is no fault of the server: for ``ClientDisconnect``."""
    return Response(status_code=400)


class Server:
    """One life of an HTTP server, on a socket bound beforehand: a port of zero becomes a number before anybody asks for it.

    Raises OSError for a port that is taken.
    """

    def __init__(self, app: App, port: int) -> None:
        # the protocol is named, or asyncio leaves Nagle's algorithm on and each answer takes 40 ms
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((HOST, port))
        except BaseException:
            self._socket.close()
            raise
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(app, http="h11", ws="none", lifespan="off", log_config=None, access_log=False)
        self._uvicorn = uvicorn.Server(config)
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._serving = asyncio.create_task(self._uvicorn.serve(sockets=[self._socket]))
        while not self._uvicorn.started and not self._serving.done():  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(_STARTED_POLL_S)

    async def stop(self) -> None:
        self._uvicorn.should_exit = True
        if self._serving is not None:
            await self._serving


@asynccontextmanager
async def own_loop(name: str) -> AsyncIterator[asyncio.AbstractEventLoop]:
    """A loop that runs in a thread of this name until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name=name)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        await asyncio.to_thread(thread.join)
        loop.close()


async def done_in(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, _T]) -> _T:
    """The result of work that is done in another loop."""
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))
