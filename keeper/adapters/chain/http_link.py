"""A node over plain HTTP: one POST for each request, heads by polling. For nodes that offer nothing better."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import httpx
from web3.providers.async_base import AsyncJSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from keeper.adapters.chain.batches import BatchRefused, Request, encoded, encoded_batch, ordered
from keeper.adapters.chain.link import MAX_MESSAGE_BYTES, SILENT, Link, Notifications, decoded, open_link
from keeper.adapters.chain.polling import LATEST, Poller
from keeper.domain.errors import MalformedAnswer, Refused, Unreachable
from keeper.domain.text import shown

T = TypeVar("T")

MAX_CONNECTIONS = 16
_BUSY = frozenset({429, 502, 503, 504})
"""The node, or what stands before it, has too much to do: smaller messages would not help."""

for _noisy in ("httpx", "httpcore"):
    # they log whole addresses, which may hold keys, at INFO and DEBUG
    logging.getLogger(_noisy).setLevel(logging.WARNING)


class HttpLink(AsyncJSONBaseProvider):
    """The same requests and subscriptions as a ``Link``. No proxy is taken from the environment, redirects are not followed, nothing is logged."""

    logger = SILENT

    def __init__(
        self, url: str, *, request_timeout_s: float, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        super().__init__()
        self.requests_made = 0
        self._url = url
        self._timeout_s = request_timeout_s
        self._numbers = itertools.count()
        self._running: set[asyncio.Task[Any]] = set()
        self._polls: dict[str, tuple[asyncio.Task[None], Notifications]] = {}
        self._closed = False
        self._client = httpx.AsyncClient(
            # compressed answers are not asked for: a small one can unpack to gigabytes
            headers={"content-type": "application/json", "accept-encoding": "identity", "user-agent": "keeper"},
            timeout=None,  # noqa: S113 - the whole answer has a time limit, see _within
            limits=httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS),
            transport=transport,
            trust_env=False,
            follow_redirects=False,
        )

    @property
    def alive(self) -> bool:
        """Whether requests may still be answered; a lost connection is made again with the next request."""
        return not self._closed

    async def open(self, timeout_s: float) -> None:
        """Nothing: a connection is made with the first request."""

    async def request(self, method: str, params: str) -> dict[str, Any]:
        """The answer to ``method`` with ``params`` (a JSON list, encoded already). Raises Unreachable, Refused (HTTP), MalformedAnswer."""
        number = next(self._numbers)
        answer = await self._within(self._post(encoded(number, method, params)))
        if not isinstance(answer, dict):
            raise MalformedAnswer(f"the node sent {shown(answer)}")
        if answer.get("id") != number and not (answer.get("id") is None and "error" in answer):
            raise MalformedAnswer("the node answered another request than this one")
        return answer

    async def batch(self, requests: Sequence[Request]) -> list[dict[str, Any]]:
        """The answers to all requests, sent as one message. Raises BatchRefused, Unreachable, Refused (HTTP), MalformedAnswer."""
        numbers = [next(self._numbers) for _ in requests]
        try:
            answer = await self._within(self._post(encoded_batch(numbers, requests)))
        except Refused as error:
            if error.code in _BUSY:
                raise
            raise BatchRefused(error.message, code=error.code) from None
        return ordered(numbers, answer)

    async def subscribe(self, what: str) -> tuple[str, Notifications, dict[str, Any]]:
        """New heads by polling: (id, queue, answer); the id is empty when the node refused, and the answer says why."""
        queue: Notifications = asyncio.Queue()
        answer = await self.request(*LATEST)
        if what != "newHeads" or not isinstance(answer.get("result"), dict):
            return "", queue, answer
        poller = Poller(self.request, self.batch, queue)
        poller.begin(answer["result"])
        if self._closed:
            raise Unreachable("the connection was closed")
        name = f"poll-{next(self._numbers)}"
        self._polls[name] = (asyncio.create_task(poller.run(), name="node-poll"), queue)
        return name, queue, answer

    async def unsubscribe(self, name: str) -> None:
        """Stops the polling."""
        task, _ = self._polls.pop(name, (None, None))
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def disconnect(self) -> None:
        """Ends the connections and everything that waits for them. Safe to call twice."""
        self._closed = True
        polls = list(self._polls.values())
        self._polls.clear()
        for task, queue in polls:
            task.cancel()
            queue.put_nowait(Unreachable("the connection was closed"))
        running = list(self._running)
        for request in running:
            request.cancel()
        await asyncio.gather(*(task for task, _ in polls), *running, return_exceptions=True)
        await self._client.aclose()

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """What web3 calls."""
        return await self.request(str(method), json.dumps(params))  # type: ignore[return-value]

    # -- inside ----------------------------------------------------------------------------------------------------------------

    async def _within(self, sending: Coroutine[Any, Any, T]) -> T:
        """The answer within the time limit. Raises Unreachable, also when the link is closed meanwhile."""
        if self._closed:
            sending.close()
            raise Unreachable("the connection was closed")
        self.requests_made += 1
        task = asyncio.ensure_future(sending)
        self._running.add(task)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await task
        except TimeoutError:
            raise Unreachable(f"no answer within {self._timeout_s:g} s") from None
        except asyncio.CancelledError:
            if self.alive or _cancelled_from_outside():
                raise
            raise Unreachable("the connection was closed") from None
        finally:
            self._running.discard(task)

    async def _post(self, body: str) -> object:
        try:
            async with self._client.stream("POST", self._url, content=body.encode("ascii")) as response:
                content = await _content(response)
                return _document(response.status_code, content)
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError) as error:
            raise Unreachable(_cause(error), remedy="is the node running, and is this its address?") from None


def _cancelled_from_outside() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _content(response: httpx.Response) -> bytes:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise MalformedAnswer("the node sent a compressed answer that was not asked for")
    content = bytearray()
    async for part in response.aiter_raw():
        content += part
        if len(content) > MAX_MESSAGE_BYTES:
            raise MalformedAnswer(f"the node sent a message of more than {MAX_MESSAGE_BYTES} bytes")
    return bytes(content)


def _document(status: int, content: bytes) -> object:
    """The JSON-RPC answer; some nodes send their error answers with another status than 200."""
    if status == httpx.codes.OK:
        return decoded(content)
    with contextlib.suppress(MalformedAnswer):
        document = decoded(content)
        if status not in _BUSY and isinstance(document, dict) and isinstance(document.get("error"), dict):
            return document
    what = ", a redirect, which is not followed" if 300 <= status < 400 else ""
    raise Refused(f"the node answered HTTP {status}{what}", code=status)


def _cause(error: BaseException) -> str:
    """The cause in words that hold no address."""
    if isinstance(error, httpx.ConnectError):
        return "no connection"
    return f"the connection failed ({type(error).__name__})"


Connection = Link | HttpLink


def open_connection(url: str, request_timeout_s: float) -> Connection:
    """The connection that fits the address; it is not open yet."""
    if url.startswith(("http://", "https://")):
        return HttpLink(url, request_timeout_s=request_timeout_s)
    return open_link(url, request_timeout_s)
