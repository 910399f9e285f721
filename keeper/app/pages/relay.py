"""From the keeper's server to the log's own process and back, a piece at a time: the keeper only carries the bytes."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import Counter
from typing import Final

import httpx
from starlette.responses import HTMLResponse, Response
from starlette.types import Message, Receive, Scope, Send

from keeper.app.api.problems import problem_response
from keeper.app.pages import rendering
from keeper.app.pages.log_child import LogChild
from keeper.app.pages.log_orders import CLIENT
from keeper.app.pages.problem import PageProblem
from keeper.app.pages.settings import PageSettings

AT_ONCE: Final = 48
OF_ONE_CALLER: Final = 16
BODY_MAX: Final = 8 * 1024
SILENT_S: Final = 30.0
"""Longer than the other side takes for any question."""
AWAY: Final = PageProblem(
    503, "The process that answers for the log is not running now.", "ask again in a moment", retry_s=5
)
BUSY: Final = PageProblem(503, "Too many questions are being answered.", "ask again in a moment", retry_s=1)
TOO_LONG: Final = PageProblem(413, f"More than {BODY_MAX} bytes are not read.")
_OF_ONE_HOP: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te", b"trailer",
     b"transfer-encoding", b"upgrade", b"expect"}
)  # fmt: skip
_TIMEOUT: Final = {"connect": 5.0, "read": SILENT_S, "write": 5.0, "pool": 5.0}
_Headers = list[tuple[bytes, bytes]]


class Relay:
    """ASGI: requests go to ``child``, with the name of who asks. What they may read is judged there."""

    def __init__(self, child: LogChild, settings: PageSettings) -> None:
        self._child = child
        self._settings = settings
        self._transport: httpx.AsyncHTTPTransport | None = None
        self._callers: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        caller = client[0] if client else ""
        try:
            if self._callers[caller] >= OF_ONE_CALLER or self._callers.total() >= AT_ONCE:
                raise BUSY
            self._callers[caller] += 1
            try:
                await self._carried(scope, receive, send, caller)
            finally:
                self._callers[caller] -= 1
                if not self._callers[caller]:
                    del self._callers[caller]
        except PageProblem as problem:
            await self._refusal(scope, problem)(scope, receive, send)

    async def close(self) -> None:
        if self._transport is not None:
            await self._transport.aclose()

    async def _carried(self, scope: Scope, receive: Receive, send: Send, caller: str) -> None:
        """Until it is answered, or nobody waits any more."""
        body = await _body(receive)
        if self._child.away or not self._child.path:
            raise AWAY
        self._child.want()
        answering = asyncio.create_task(self._answer(scope, body, send, caller))
        leaving = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not answering.done():
                answering.cancel()
                with contextlib.suppress(asyncio.CancelledError, PageProblem):
                    await answering
        if not answering.cancelled():
            answering.result()

    async def _answer(self, scope: Scope, body: bytes, send: Send, caller: str) -> None:
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        headers = [one for one in _passed(scope["headers"]) if one[0] not in (b"content-length", CLIENT.encode())]
        request = httpx.Request(
            scope["method"],
            "http://keeper/",
            headers=[*headers, (CLIENT.encode(), caller.encode("ascii", "replace"))],
            content=body or None,
            extensions={"target": target, "timeout": _TIMEOUT},
        )
        try:
            answer = await self._way().handle_async_request(request)
        except httpx.TransportError:
            raise AWAY from None
        self._child.answered()
        try:
            start: Message = {"type": "http.response.start", "status": answer.status_code}
            await send({**start, "headers": _passed(answer.headers.raw)})
            assert isinstance(answer.stream, httpx.AsyncByteStream)
            with contextlib.suppress(httpx.TransportError):  # it ended within: the asker gets no end either
                async for part in answer.stream:
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await answer.aclose()

    def _way(self) -> httpx.AsyncHTTPTransport:
        """A connection for each request: none is there that the other side has left."""
        if self._transport is None:
            self._transport = httpx.AsyncHTTPTransport(
                verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),  # not used; the default one reads many files
                uds=self._child.path,
                limits=httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=0),
            )
        return self._transport

    def _refusal(self, scope: Scope, problem: PageProblem) -> Response:
        if scope["path"].startswith("/api"):
            return problem_response(problem)
        headers = {"Retry-After": str(problem.retry_s)} if problem.retry_s else {}
        html = rendering.page("problem.html", self._settings, problem=problem)
        return HTMLResponse(html, status_code=problem.status, headers=headers)


def _passed(headers: _Headers) -> _Headers:
    """Without those between two neighbours, and those that one of them calls so."""
    named = {
        word.strip().lower() for name, value in headers if name.lower() == b"connection" for word in value.split(b",")
    }
    return [(name.lower(), value) for name, value in headers if name.lower() not in _OF_ONE_HOP | named]


async def _body(receive: Receive) -> bytes:
    """Raises PageProblem where it is too long."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return body
        part: bytes = message.get("body", b"")
        body += part
        if len(body) > BODY_MAX:
            raise TOO_LONG
        if not message.get("more_body", False):
            return body


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
