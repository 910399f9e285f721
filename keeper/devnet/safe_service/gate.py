"""What stands before the service: the key that is asked for, a record of what was asked, and faults."""

from __future__ import annotations

import asyncio
import hmac
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import replace
from typing import Any

from keeper.devnet.safe_service.faults import Fault, FaultKind

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[_Message, _Receive, _Send], Awaitable[None]]


class Gate:
    """An ASGI application around another. ``inject`` and ``heal`` may be called from any thread."""

    def __init__(self, app: _App, api_key: str | None) -> None:
        self._app = app
        self._key = None if api_key is None else f"Bearer {api_key}".encode()
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self.asked: list[str] = []
        self.closing = asyncio.Event()

    def inject(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def heal(self) -> None:
        with self._lock:
            self._faults.clear()

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http":
            return
        query = scope["query_string"].decode("latin-1")
        self.asked.append(f"{scope['method']} {scope['path']}" + (f"?{query}" if query else ""))
        if self._key is not None and not hmac.compare_digest(_authorization(scope), self._key):
            await _answer(send, 401, b'{"message":"Unauthorized"}')
            return
        fault = self._take(scope["method"], scope["path"])
        if fault is None:
            await self._app(scope, receive, send)
        else:
            await self._break(fault, scope, receive, send)

    async def _break(self, fault: Fault, scope: _Message, receive: _Receive, send: _Send) -> None:
        match fault.kind:
            case FaultKind.HANG:
                await self.closing.wait()
                await _answer(send, 503, b"{}")
            case FaultKind.SLOW:
                await self._wait(fault.delay_s)
                await self._app(scope, receive, send)
            case FaultKind.HTTP_500:
                await _answer(send, 500, b'{"exception":"InternalServerError"}')
            case FaultKind.RATE_LIMITED:
                after = (b"retry-after", str(fault.retry_after_s).encode())
                await _answer(send, 429, b'{"detail":"Request was throttled."}', after)
            case FaultKind.MALFORMED:
                await _answer(send, 200, b'{"count": 1, "results": [{"safe": ')
            case FaultKind.LOST:
                await self._app(scope, receive, _nowhere)
                await _answer(send, 500, b'{"exception":"InternalServerError"}')

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.closing.wait()
        except TimeoutError:
            pass

    def _take(self, method: str, path: str) -> Fault | None:
        """The newest that fits; one that is used up is gone."""
        with self._lock:
            for number in reversed(range(len(self._faults))):
                fault = self._faults[number]
                if not fault.meets(method, path):
                    continue
                if fault.times is not None:
                    if fault.times <= 1:
                        del self._faults[number]
                    else:
                        self._faults[number] = replace(fault, times=fault.times - 1)
                return fault
        return None


def _authorization(scope: _Message) -> bytes:
    return next((bytes(value) for name, value in scope["headers"] if name == b"authorization"), b"")


async def _answer(send: _Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    fixed = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": body})


async def _nowhere(_: _Message) -> None:
    return None
