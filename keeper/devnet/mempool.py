"""A public node whose transaction pool is as strict as geth's: JSON-RPC over HTTP and WebSocket, in front of anvil, which is not.

Replacements need 10 % more on both fee fields, what is known is refused as known, what offers less than the base fee waits instead of being
refused, and a sender must be able to pay for all that it has there. Everything else passes as it is, subscriptions too. Every signed transaction
that ever came is written down.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import WSMsgType, web

from keeper.devnet.anvil import quantity
from keeper.devnet.pool import Pool, as_pending
from keeper.devnet.pool_rules import FEE_CAP_WEI, PoolRefusal, RawTransaction, read_raw
from keeper.devnet.rpc import RpcClient
from keeper.domain.address import keccak256
from keeper.domain.errors import KeeperError, Refused

Message = dict[str, Any]
_HOST = "127.0.0.1"
_RETRY_S = 0.02
_SEND = "eth_sendRawTransaction"
_MINES = frozenset({"evm_mine", "anvil_mine", "hardhat_mine"})
_OTHER_WAYS_IN = frozenset({"eth_sendRawTransactionSync", "eth_sendRawTransactionConditional"})
_NO_SUCH_METHOD = -32601


@dataclass(slots=True)
class Arrival:
    """A signed transaction that came: from now on it is public, taken or not. ``tx_hash`` is empty for what is no hex."""

    tx_hash: str
    raw: str
    at_ms: int
    block: int
    """The newest block when it came."""
    answer: str | None = None
    """Its hash when it was taken, else why not; None as long as it has no answer."""


class Mempool:
    """``async with Mempool(node.http_url, clock.now_ms) as public``; its addresses are ``public.http_url`` and ``public.ws_url``.

    ``now_ms`` gives milliseconds since 1970 UTC. ``port`` 0: a free one. ``fee_cap_wei``: no transaction may cost more in fees, 0 for no
    such cap. It lives in the loop that it was started in: whoever blocks that loop blocks it too.
    Faults: ``go_down``, ``hang``, ``lose_answers``, ``swallow``, ``drop``; ``come_up`` and ``heal`` end them.
    """

    def __init__(
        self, node_url: str, now_ms: Callable[[], int], *, port: int = 0, fee_cap_wei: int = FEE_CAP_WEI
    ) -> None:
        self.arrivals: list[Arrival] = []
        """Everything that came, the oldest first; what came twice is there twice."""
        self._node_url = node_url
        self._now_ms = now_ms
        self._port = port
        self._rpc = RpcClient(node_url)
        self._pool = Pool(self._rpc, fee_cap_wei)
        self._newest = 0
        self._following: asyncio.Task[None] | None = None
        self._subscribed = asyncio.Event()
        self._http: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None
        self._open: set[asyncio.Transport] = set()
        self._passing = asyncio.Event()
        self._passing.set()
        self._answers_to_lose = 0
        self._to_swallow = 0

    async def __aenter__(self) -> Self:
        """Raises Unreachable when the node does not answer, OSError for a port that is taken."""
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None), trust_env=False)
        try:
            self._newest = quantity(await self._rpc.call("eth_blockNumber"))
            self._following = asyncio.create_task(self._follow())
            await self._subscribed.wait()
            await self.come_up()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.go_down()
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        await self._rpc.close()
        if self._http is not None:
            await self._http.close()

    @property
    def http_url(self) -> str:
        return f"http://{_HOST}:{self._port}"

    @property
    def ws_url(self) -> str:
        return f"ws://{_HOST}:{self._port}"

    @property
    def pending(self) -> tuple[RawTransaction, ...]:
        """What is in the pool, by the newest block that was looked at; see ``settled``."""
        return self._pool.pending

    @property
    def waiting(self) -> frozenset[str]:
        """The hashes of those in the pool that wait for a lower base fee."""
        return self._pool.waiting

    def seen(self, tx_hash: str) -> Arrival | None:
        """When this transaction first became public; None: nobody has sent it here."""
        return next((one for one in self.arrivals if one.tx_hash == tx_hash.lower()), None)

    async def settled(self) -> None:
        """Returns once the newest block is taken into account. Blocks that are mined through it need no such wait."""
        await self._pool.follow()

    async def drop(self, tx_hash: str) -> bool:
        """Takes it out of the pool, without a word to anybody. False when it is not there."""
        return await self._pool.drop(tx_hash) is not None

    async def go_down(self) -> None:
        """Connections break, new ones are refused; the pool stays as it is. Safe to call twice."""
        runner, self._runner = self._runner, None
        for transport in tuple(self._open):
            transport.abort()
        if runner is not None:
            await runner.cleanup()

    async def come_up(self) -> None:
        """Answers again, on the same port. Raises OSError when somebody else took it."""
        if self._runner is not None:
            return
        application = web.Application(client_max_size=0)
        application.router.add_route("*", "/{path:.*}", self._serve)
        runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.01)
        await runner.setup()
        bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((_HOST, self._port))
            self._port = bound.getsockname()[1]
            await web.SockSite(runner, bound).start()
        except BaseException:
            bound.close()
            await runner.cleanup()
            raise
        self._runner = runner

    def hang(self) -> None:
        """Connections stay, and nothing passes any more until ``heal``; then it all does."""
        self._passing.clear()

    def lose_answers(self, times: int = 1) -> None:
        """The next so many transactions are taken as always, and the connection breaks before the answer."""
        self._answers_to_lose = times

    def swallow(self, times: int = 1) -> None:
        """The next so many transactions are answered with their hash, and forgotten."""
        self._to_swallow = times

    def heal(self) -> None:
        """Takes all faults away but ``go_down``."""
        self._answers_to_lose = self._to_swallow = 0
        self._passing.set()

    # ------------------------------------------------------------------------------------------------ what comes

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        transport = request.transport
        assert isinstance(transport, asyncio.Transport)
        self._open.add(transport)
        try:
            if web.WebSocketResponse().can_prepare(request):
                return await self._serve_socket(request)
            body = await request.read()
            answer = await self._answer(body)
            await self._passing.wait()
            return web.Response(body=answer, content_type="application/json")
        except _AnswerLost:
            transport.abort()
            return web.Response()
        finally:
            self._open.discard(transport)

    async def _serve_socket(self, request: web.Request) -> web.StreamResponse:
        client = web.WebSocketResponse(max_msg_size=0, compress=False)
        await client.prepare(request)
        assert self._http is not None
        try:
            async with self._http.ws_connect(self._node_url, max_msg_size=0, compress=0) as node:
                pumps = [asyncio.create_task(self._ask(client, node)), asyncio.create_task(self._tell(node, client))]
                try:
                    await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for pump in pumps:
                        pump.cancel()
                    ends = await asyncio.gather(*pumps, return_exceptions=True)
        except aiohttp.ClientError as error:
            raise _AnswerLost from error
        if any(isinstance(end, Exception) for end in ends) or not client.closed:
            raise _AnswerLost  # the node went away, or an answer is to be lost
        return client

    async def _ask(self, client: web.WebSocketResponse, node: aiohttp.ClientWebSocketResponse) -> None:
        async for frame in client:
            if frame.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            body = frame.data if isinstance(frame.data, bytes) else frame.data.encode()
            mine = await self._mine(body)
            if mine is None:
                await self._passing.wait()
                await node.send_str(body.decode())
            else:
                await self._passing.wait()
                await client.send_str(mine.decode())

    async def _tell(self, node: aiohttp.ClientWebSocketResponse, client: web.WebSocketResponse) -> None:
        async for frame in node:
            if frame.type is not WSMsgType.TEXT:
                return
            await self._passing.wait()
            await client.send_str(frame.data)

    # ------------------------------------------------------------------------------------------------ what it says

    async def _answer(self, body: bytes) -> bytes:
        mine = await self._mine(body)
        if mine is not None:
            return mine
        await self._passing.wait()
        return await self._pass(body)

    async def _pass(self, body: bytes) -> bytes:
        assert self._http is not None
        try:
            async with self._http.post(
                self._node_url, data=body, headers={"content-type": "application/json"}
            ) as answer:
                return await answer.read()
        except aiohttp.ClientError as error:
            raise _AnswerLost from error

    async def _mine(self, body: bytes) -> bytes | None:
        """The answer to a body that holds something of its own; None when it may pass as it is."""
        try:
            said = json.loads(body)
        except ValueError:
            return None
        messages = said if isinstance(said, list) else [said]
        if not any(isinstance(one, dict) and self._concerns(one) for one in messages):
            return None
        answers = [await self._one(one) for one in messages]
        return json.dumps(answers if isinstance(said, list) else answers[0]).encode()

    @staticmethod
    def _concerns(message: Message) -> bool:
        method = message.get("method")
        if method == "eth_getTransactionCount":
            return _params(message)[1:] == ["pending"]
        return method in {_SEND, "eth_getTransactionByHash"} or method in _OTHER_WAYS_IN or method in _MINES

    async def _one(self, message: Message) -> Any:
        method = message.get("method") if isinstance(message, dict) else None
        if method == _SEND:
            return await self._send(message)
        if method in _OTHER_WAYS_IN:
            return _error(message, f"the method {method} does not exist/is not available", _NO_SUCH_METHOD)
        await self._passing.wait()
        if method in _MINES:
            with contextlib.suppress(KeeperError):
                await self._pool.follow()
        answer = json.loads(await self._pass(json.dumps(message).encode()))
        if method == "eth_getTransactionByHash" and answer.get("result", "") is None:
            wanted = str([*_params(message), ""][0]).lower()
            found = next((one for one in self.pending if one.tx_hash == wanted), None)
            answer["result"] = None if found is None else as_pending(found)
        if method == "eth_getTransactionCount" and isinstance(answer.get("result"), str):
            address = str(_params(message)[0])
            answer["result"] = hex(await self._pool.pending_nonce(address, quantity(answer["result"])))
        return answer

    async def _send(self, message: Message) -> Message:
        """The moment it came is written down before anything else: it is public, whatever becomes of it."""
        raw = [*_params(message), None][0]
        arrival = Arrival(_hash_of(raw), str(raw), self._now_ms(), self._newest)
        self.arrivals.append(arrival)
        try:
            if self._passing.is_set():  # of a hanging node nobody learns its block
                arrival.block = max(self._newest, quantity(await self._rpc.call("eth_blockNumber")))
            await self._passing.wait()
            transaction = read_raw(raw)
            if self._to_swallow > 0:
                self._to_swallow -= 1
                arrival.answer = arrival.tx_hash
            elif transaction is None:
                arrival.answer = str(await self._rpc.call(_SEND, *_params(message)))
            else:
                arrival.answer = await self._pool.add(transaction)
        except (PoolRefusal, Refused) as refusal:
            arrival.answer = refusal.message.removeprefix(f"{_SEND}: ")
            answer = _error(message, arrival.answer, refusal.code)
        except KeeperError as error:
            raise _AnswerLost from error
        else:
            answer = {"jsonrpc": "2.0", "id": message.get("id"), "result": arrival.answer}
        if self._answers_to_lose > 0:
            self._answers_to_lose -= 1
            raise _AnswerLost
        return answer

    # ------------------------------------------------------------------------------------------------ the node's blocks

    async def _follow(self) -> None:
        assert self._http is not None
        subscribe = {"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}
        while True:
            with contextlib.suppress(aiohttp.ClientError, KeeperError, ConnectionError):
                async with self._http.ws_connect(self._node_url, max_msg_size=0, compress=0) as node:
                    await node.send_json(subscribe)
                    async for frame in node:
                        if frame.type is not WSMsgType.TEXT:
                            break
                        said = json.loads(frame.data)
                        if "params" in said:
                            self._newest = quantity(said["params"]["result"]["number"])
                        await self._pool.follow()
                        self._subscribed.set()
            await asyncio.sleep(_RETRY_S)


class _AnswerLost(Exception):
    """Nothing can be said: the connection breaks."""


def _params(message: Message) -> list[Any]:
    params = message.get("params")
    return params if isinstance(params, list) else []


def _error(message: Message, words: str, code: int) -> Message:
    return {"jsonrpc": "2.0", "id": message.get("id"), "error": {"code": code, "message": words}}


def _hash_of(raw: object) -> str:
    try:
        return "0x" + keccak256(bytes.fromhex(str(raw).removeprefix("0x"))).hex()
    except ValueError:
        return ""
