"""One connection to a node: web3's persistent providers, with their listener replaced.

web3 8 waits for an answer by polling a cache on every turn of the event loop; a request in flight when the socket closes cleanly waits
for its whole time-out; a full subscription queue stops the reading of answers; an error answer that comes too late ends the listener;
frames of more than 1 MiB close the connection; addresses with keys are logged. Here each request has a future that the listener
resolves, every way in which a connection can end fails all of them at once, and nothing is logged. Connecting, framing and
``AsyncWeb3`` on top of it stay web3's. Its own ``subscribe`` gets no messages: use ``subscribe`` of this class.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import orjson
from web3 import AsyncIPCProvider, WebSocketProvider
from web3.providers.persistent import PersistentConnectionProvider
from web3.types import RPCEndpoint, RPCRequest, RPCResponse
from websockets.exceptions import WebSocketException

from keeper.adapters.chain.batches import Batches, Request, are_answers, encoded, encoded_batch, ordered
from keeper.domain.errors import MalformedAnswer, OutsideError, Unreachable
from keeper.domain.nesting import too_deep
from keeper.domain.text import shown

MAX_MESSAGE_BYTES = 32 * 1024 * 1024
SILENT = logging.Logger("keeper.node", level=logging.CRITICAL + 1)
"""web3 and websockets log addresses (which may hold keys) and every frame: nothing of that is let out."""
_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)

Notifications = asyncio.Queue[object]
"""What a subscription announced, in order; an OutsideError is the last item."""


class Link(PersistentConnectionProvider):
    """Requests by future, subscriptions by queue. One life: opened once, closed once, never reopened."""

    logger = SILENT

    def __init__(self, *, request_timeout_s: float, **kwargs: Any) -> None:
        super().__init__(request_timeout=request_timeout_s, **kwargs)
        self.requests_made = 0
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._batches = Batches()
        self._subscribing: set[int] = set()
        self._subscriptions: dict[str, Notifications] = {}
        self._ended: OutsideError | None = None

    @property
    def alive(self) -> bool:
        """Whether requests may still be answered."""
        return self._ended is None and self._message_listener_task is not None

    async def open(self, timeout_s: float) -> None:
        """Connects, once and without retry. Raises Unreachable."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._provider_specific_connect()
        except TimeoutError:
            raise Unreachable(f"no connection within {timeout_s:g} s", remedy="is this the node's address?") from None
        except (OSError, EOFError, WebSocketException, ValueError) as error:
            raise Unreachable(why(error), remedy="is the node running, and is this its address?") from None
        self._message_listener_task = asyncio.create_task(self._message_listener(), name="node-link")

    async def request(self, method: str, params: str) -> dict[str, Any]:
        """The answer to ``method`` with ``params`` (a JSON list, encoded already). Raises Unreachable, MalformedAnswer."""
        number = next(self.request_counter)
        body = encoded(number, method, params).encode("ascii")
        return await self._exchange(number, body, subscribes=method == "eth_subscribe")

    async def batch(self, requests: Sequence[Request]) -> list[dict[str, Any]]:
        """The answers to all requests, sent as one message. Raises BatchRefused, Unreachable, MalformedAnswer."""
        if self._ended is not None:
            raise _again(self._ended)
        numbers = [next(self.request_counter) for _ in requests]
        future = self._batches.expect(numbers)
        self.requests_made += 1
        try:
            async with asyncio.timeout(self.request_timeout):
                await self.socket_send(encoded_batch(numbers, requests).encode("ascii"))
                return ordered(numbers, await future)
        except TimeoutError:
            raise Unreachable(f"no answer within {self.request_timeout:g} s") from None
        finally:
            self._batches.forget(numbers)
            _look_at(future)

    async def subscribe(self, what: str) -> tuple[str, Notifications, dict[str, Any]]:
        """``eth_subscribe``: (id, queue, answer); the id is empty when the node refused, and the answer says why."""
        answer = await self.request("eth_subscribe", json.dumps([what]))
        name = answer.get("result")
        if not isinstance(name, str) or name not in self._subscriptions:
            return "", asyncio.Queue(), answer
        return name, self._subscriptions[name], answer

    async def unsubscribe(self, name: str) -> None:
        """Stops a subscription, as far as the other side still listens."""
        self._subscriptions.pop(name, None)
        if self.alive:
            with contextlib.suppress(OutsideError, TimeoutError):
                async with asyncio.timeout(1.0):
                    await self.request("eth_unsubscribe", json.dumps([name]))

    async def disconnect(self) -> None:
        """Ends the connection and everything that waits for it. Safe to call twice."""
        self._end(Unreachable("the connection was closed"))
        task, self._message_listener_task = self._message_listener_task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        with contextlib.suppress(OSError, EOFError, WebSocketException):
            await self._provider_specific_disconnect()

    # -- what web3 calls -------------------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """As ``open`` with the request time-out, for ``async with AsyncWeb3(link)``."""
        await self.open(self.request_timeout)

    async def send_request(self, method: RPCEndpoint, params: Any) -> RPCRequest:
        """web3's first half of a request; its answer is fetched by ``recv_for_request``."""
        request = self.form_request(method, params)
        number = int(str(request["id"]))
        self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self.request_timeout):
                await self.socket_send(self.encode_rpc_dict(request))
        except TimeoutError:
            raise Unreachable(f"nothing could be sent within {self.request_timeout:g} s") from None
        return request

    async def recv_for_request(self, rpc_request: RPCRequest) -> RPCResponse:
        """web3's second half of a request."""
        number = int(str(rpc_request["id"]))
        try:
            async with asyncio.timeout(self.request_timeout):
                return await self._waiting[number]  # type: ignore[return-value]
        except TimeoutError:
            raise Unreachable(f"no answer within {self.request_timeout:g} s") from None
        finally:
            self._forget(number)

    # -- requests --------------------------------------------------------------------------------------------------------------

    async def _exchange(self, number: int, body: bytes, *, subscribes: bool = False) -> dict[str, Any]:
        if self._ended is not None:
            raise _again(self._ended)
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        if subscribes:
            self._subscribing.add(number)
        self.requests_made += 1
        try:
            async with asyncio.timeout(self.request_timeout):  # one for both: the second costs as much as the sending
                await self.socket_send(body)
                return await future
        except TimeoutError:
            raise Unreachable(f"no answer within {self.request_timeout:g} s") from None
        finally:
            self._forget(number)

    def _forget(self, number: int) -> None:
        self._waiting.pop(number, None)
        self._subscribing.discard(number)

    # -- the listener ----------------------------------------------------------------------------------------------------------

    async def _message_listener(self) -> None:
        try:
            loop = asyncio.get_running_loop()
            while True:
                self._dispatch(decoded(await self._next_message()))
                # three turns later: a head reaches its reader in the second, and what that asks takes the acknowledgement along
                loop.call_soon(loop.call_soon, loop.call_soon, self._acknowledge)
        except OutsideError as error:
            self._end(error)
        except (OSError, EOFError, WebSocketException) as error:
            self._end(Unreachable(why(error)))

    @abstractmethod
    async def _next_message(self) -> bytes | str:
        """The next frame, as it came. Raises OutsideError, or what the transport raises when it ends."""

    def _acknowledge(self) -> None:
        """Lets the other side know at once that the message came, where its next one may wait for that."""

    def _dispatch(self, message: object) -> None:
        if isinstance(message, list) and (self._batches.settle(message) or are_answers(message)):
            return
        if not isinstance(message, dict):
            raise MalformedAnswer(f"the node sent {shown(message)}")
        if message.get("method") == "eth_subscription":
            params = message.get("params")
            name = params.get("subscription") if isinstance(params, dict) else None
            queue = self._subscriptions.get(name) if isinstance(name, str) else None
            if queue is not None:
                queue.put_nowait(params.get("result"))  # type: ignore[union-attr]
            return
        if self._batches.settle_single(message):
            return
        number = message.get("id")
        if number is None and "error" in message:
            # the node could not read a request and cannot say which one: whoever waits would wait in vain
            raise MalformedAnswer(f"the node sent an error for no request: {shown(message['error'])}")
        future = self._waiting.get(number) if isinstance(number, int) else None
        if future is None or future.done():
            return  # too late, or not asked for
        name = message.get("result")
        if number in self._subscribing and isinstance(name, str):
            self._subscriptions[name] = (
                asyncio.Queue()
            )  # before the next frame: it may be the first announcement already
        future.set_result(message)

    def _end(self, error: OutsideError) -> None:
        if self._ended is not None:
            return
        self._ended = error
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(_again(error))
        self._batches.fail(lambda: _again(error))
        for queue in self._subscriptions.values():
            queue.put_nowait(_again(error))


class WebSocketLink(Link, WebSocketProvider):
    """A link over ``ws://`` or ``wss://``. No proxy is taken from the environment, no compression is used."""

    logger = SILENT

    def __init__(self, url: str, *, request_timeout_s: float) -> None:
        super().__init__(
            request_timeout_s=request_timeout_s,
            endpoint_uri=url,
            websocket_kwargs={
                "logger": SILENT,
                "proxy": None,
                "compression": None,
                "max_size": MAX_MESSAGE_BYTES,
                "ping_interval": 10,
                "ping_timeout": 10,
                "close_timeout": 1,
            },
        )
        self._socket: socket.socket | None = None

    async def socket_send(self, request_data: bytes) -> None:
        if self._ws is None:
            raise Unreachable("there is no connection")
        try:
            await self._ws.send(request_data, text=True)
        except (OSError, WebSocketException) as error:
            raise Unreachable(why(error)) from None

    async def _provider_specific_connect(self) -> None:
        await super()._provider_specific_connect()
        self._socket = self._ws.transport.get_extra_info("socket") if self._ws is not None else None
        self._acknowledge()

    async def _next_message(self) -> bytes | str:
        if self._ws is None:
            raise Unreachable("there is no connection")
        return await self._ws.recv()

    def _acknowledge(self) -> None:
        # A node with Nagle's algorithm holds the next head until the last segment is acknowledged, which Linux delays by up to 40 ms.
        # The option does not stick: it is set again after each message.
        if _QUICKACK is not None and self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)


class IpcLink(Link, AsyncIPCProvider):
    """A link over a local socket file; messages end with a newline, as geth, reth and anvil send them."""

    logger = SILENT

    def __init__(self, path: str, *, request_timeout_s: float) -> None:
        super().__init__(request_timeout_s=request_timeout_s, ipc_path=path, read_buffer_limit=MAX_MESSAGE_BYTES)

    async def socket_send(self, request_data: bytes) -> None:
        if self._writer is None:
            raise Unreachable("there is no connection")
        try:
            self._writer.write(request_data + b"\n")
            await self._writer.drain()
        except OSError as error:
            raise Unreachable(why(error)) from None

    async def _next_message(self) -> bytes | str:
        if self._reader is None:
            raise Unreachable("there is no connection")
        try:
            line = await self._reader.readline()
        except ValueError:
            raise MalformedAnswer(f"the node sent a message of more than {MAX_MESSAGE_BYTES} bytes") from None
        if not line:
            raise Unreachable("the node closed the connection")
        return line


def open_link(url: str, request_timeout_s: float) -> Link:
    """The link that fits the address; it is not open yet."""
    if url.startswith(("ws://", "wss://")):
        return WebSocketLink(url, request_timeout_s=request_timeout_s)
    return IpcLink(url, request_timeout_s=request_timeout_s)


def decoded(message: bytes | str) -> object:
    """The JSON of a message. Raises MalformedAnswer, also for what is nested too deeply to be parsed safely."""
    try:
        text = message if isinstance(message, str) else message.decode("utf-8")
        if not too_deep(text):
            return _parsed(text)
    except ValueError:
        pass
    raise MalformedAnswer(f"the node sent {shown(message)}, not JSON")


def _parsed(text: str) -> object:
    """orjson takes half of the time; what it refuses (half of a surrogate pair in the words of a revert, say) may be JSON all the same."""
    try:
        return orjson.loads(text)
    except ValueError:
        return json.loads(text)


def _look_at(future: asyncio.Future[object]) -> None:
    """Fetches an exception that nobody waits for any more, so that it is not reported as forgotten."""
    if future.done() and not future.cancelled():
        future.exception()


def _again(error: OutsideError) -> OutsideError:
    """The same error as a new object: one exception object must not be raised in several tasks."""
    return type(error)(error.message, remedy=error.remedy)


def why(error: BaseException) -> str:
    """The cause in words that hold no address: the classes and codes of the errors, and the system's own words."""
    if isinstance(error, socket.gaierror):
        return "the name of the host is not known"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return f"the node answered HTTP {status} instead of a WebSocket"
    code = getattr(getattr(error, "rcvd", None), "code", None)
    return (
        f"the node closed the connection ({code})"
        if code is not None
        else f"the connection failed ({type(error).__name__})"
    )
