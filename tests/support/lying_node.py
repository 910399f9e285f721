"""A proxy in front of a real node, over WebSocket, with lies on request."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from websockets.asyncio.server import ServerConnection, serve

_SILENT = logging.Logger("lying node", level=logging.CRITICAL + 1)

Json = dict[str, Any]
Lie = Callable[[Json, Any], Any]
"""(request, true result) -> told result."""

FAKE_HASH = "0x" + "fa" * 32


@dataclass(slots=True)
class LyingNode:
    """Answers as the node at ``upstream`` does, after ``lie`` had a look. ``lag``: it knows nothing of the newest so many blocks; ``stays_at``:
    nothing of those after this number.

    ``batches`` False: it refuses batches as some nodes do. ``refuses``: methods that it answers with an error. ``forges``: each block from this
    number on has a hash of its own making, and the node stands by it in every answer. ``counts`` has the messages by method; a batch counts once,
    as ``batch``.
    """

    upstream: str
    lie: Lie = lambda _, result: result
    lag: int = 0
    stays_at: int | None = None
    batches: bool = True
    refuses: frozenset[str] = frozenset()
    forges: int | None = None
    url: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    _forged: dict[str, str] = field(default_factory=dict)
    _http: httpx.AsyncClient = field(
        default_factory=lambda: httpx.AsyncClient(timeout=10, trust_env=False, verify=False)
    )

    async def answer(self, message: Json | list[Json]) -> Json | list[Json]:
        if isinstance(message, list):
            self.counts["batch"] += 1
            if not self.batches:
                return {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "batches are not taken"}}
            return [await self._asked(one) for one in message]
        self.counts[message["method"]] += 1
        return await self._asked(message)

    async def _asked(self, request: Json) -> Json:
        if request["method"] in self.refuses:
            return {"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32005, "message": "limit exceeded"}}
        return await self._single(request)

    async def _single(self, request: Json) -> Json:
        method, params = request["method"], self._true(list(request.get("params", [])))
        if (self.lag or self.stays_at is not None) and method == "eth_getBlockByNumber":
            newest = max(0, await self._newest() - self.lag)
            newest = newest if self.stays_at is None else min(newest, self.stays_at)
            if params[0] == "latest":
                params[0] = hex(newest)
            elif int(params[0], 16) > newest:
                return {"jsonrpc": "2.0", "id": request["id"], "result": None}
        answer = await self._forward({**request, "params": params})
        if "result" in answer:
            result = answer["result"]
            if self.forges is not None and method.startswith("eth_getBlockBy") and result is not None:
                result = self._forge(result)
            answer["result"] = self.lie(request, result)
        return answer

    def _forge(self, header: Json) -> Json:
        told = {one: forged for forged, one in self._forged.items()}
        if int(header["number"], 16) < (self.forges or 0):
            return header
        forged = "0x" + header["hash"][:1:-1]
        self._forged[forged] = header["hash"]
        return {**header, "hash": forged, "parentHash": told.get(header["parentHash"], header["parentHash"])}

    def _true(self, params: list[Any]) -> list[Any]:
        text = json.dumps(params)
        for forged, true in self._forged.items():
            text = text.replace(forged, true)
        found: list[Any] = json.loads(text)
        return found

    async def _newest(self) -> int:
        answer = await self._forward({"jsonrpc": "2.0", "id": 0, "method": "eth_blockNumber", "params": []})
        return int(answer["result"], 16)

    async def _forward(self, request: Json) -> Json:
        response = await self._http.post(self.upstream, json=request)
        found: Json = response.json()
        return found

    async def serve(self, connection: ServerConnection) -> None:
        """Requests as they come; new heads by asking the node, because the proxy holds no subscription of its own."""
        announcing: asyncio.Task[None] | None = None
        try:
            async for message in connection:
                request = json.loads(message)
                if isinstance(request, dict) and request["method"] == "eth_subscribe":
                    await connection.send(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": "0x1"}))
                    announcing = asyncio.create_task(self._announce(connection))
                else:
                    await connection.send(json.dumps(await self.answer(request)))
        finally:
            if announcing is not None:
                announcing.cancel()
                await asyncio.gather(announcing, return_exceptions=True)

    async def _announce(self, connection: ServerConnection) -> None:
        latest = {"jsonrpc": "2.0", "id": 0, "method": "eth_getBlockByNumber", "params": ["latest", False]}
        told = (await self._single(latest))["result"]
        while True:
            await asyncio.sleep(0.02)
            header = (await self._single(latest))["result"]
            if header["hash"] != told["hash"]:
                told = header
                params = {"subscription": "0x1", "result": header}
                await connection.send(json.dumps({"jsonrpc": "2.0", "method": "eth_subscription", "params": params}))


@asynccontextmanager
async def lying_node(upstream: str) -> AsyncIterator[LyingNode]:
    """On loopback, on a free port. ``upstream`` is the HTTP address of a real node."""
    node = LyingNode(upstream)
    async with serve(node.serve, "127.0.0.1", 0, close_timeout=0.2, logger=_SILENT) as server:
        node.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield node
        await asyncio.sleep(0)
    await node._http.aclose()


def altered_value(request: Json, result: Any) -> Any:
    """One digit of what calls answer is another one: the last, so that the answer keeps its shape."""
    if request["method"] != "eth_call" or not result or result == "0x":
        return result
    return result[:-1] + ("0" if result[-1] != "0" else "1")


def altered_hash(request: Json, result: Any) -> Any:
    """Blocks have another hash."""
    if request["method"] != "eth_getBlockByNumber" or result is None:
        return result
    return {**result, "hash": FAKE_HASH}


EVERY_CALL = frozenset(
    {"eth_call", "eth_getBlockByNumber", "eth_getBlockByHash", "eth_chainId", "eth_getTransactionReceipt"}
)
"""What a keeper asks of a node that is not sent anything. Heads are announced all the same."""


def invented_head(ahead: int) -> Lie:
    """The newest block is one that does not exist, so many numbers above the true one, with invented hashes; all else is true."""

    def lie(request: Json, result: Any) -> Any:
        if request["method"] != "eth_getBlockByNumber" or request["params"][0] != "latest":
            return result
        number = hex(int(result["number"], 16) + ahead)
        backwards = result["hash"][:1:-1]
        return {**result, "number": number, "hash": "0x" + backwards, "parentHash": "0x" + backwards[1:] + backwards[0]}

    return lie
