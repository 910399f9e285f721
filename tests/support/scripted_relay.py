"""A builder that answers what a test says, without any socket: what it was sent is kept as the bytes that came."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from keeper.adapters.routes.relay_client import Builder, RelayClient
from keeper.adapters.signing.local import LocalSigner
from keeper.domain.intent import Attempt
from tests.support.chain_stage import CELL, sender, signed, write

IDENTITY_KEY = bytes.fromhex("22" * 32)
IDENTITY = LocalSigner(IDENTITY_KEY).address
RAW, HASH = signed(write(5), 0)
BUNDLE_HASH = "0x" + "be" * 32
URL = "https://builder.example/secret-path-1234?key=hidden-key-5678"


def attempt(intent: str = "i", number: int = 1, nonce: int = 0) -> Attempt:
    raw, tx_hash = signed(write(number), nonce)
    return Attempt(intent, number, 31337, sender(), nonce, 10**10, 10**9, 100_000, CELL, "0x", tx_hash, raw, 0)


def identity() -> LocalSigner:
    return LocalSigner(IDENTITY_KEY)


class QuickClock:
    """A millisecond goes by with every look at it; whoever sleeps is woken at once, and how long is kept."""

    def __init__(self) -> None:
        self._ms = 0
        self.slept_s: list[float] = []

    def now_ms(self) -> int:
        return 1_700_000_000_000 + self._ms

    def monotonic_ms(self) -> float:
        self._ms += 1
        return float(self._ms)

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        await asyncio.sleep(0)


@dataclass(frozen=True, slots=True)
class Posted:
    """``document`` is the body as JSON; None where nothing was posted (GET)."""

    verb: str
    url: str
    headers: dict[str, str]
    body: bytes
    document: Any

    @property
    def method(self) -> str:
        return str(self.document["method"])

    @property
    def params(self) -> Any:
        (one,) = self.document["params"]
        return one


Reply = httpx.Response | Exception
Script = Callable[[Posted], Reply | Awaitable[Reply]]


def result(value: object, status: int = 200) -> Script:
    """An answer with this result and the id of the request."""
    return lambda posted: httpx.Response(status, json={"jsonrpc": "2.0", "id": posted.document["id"], "result": value})


def says(status: int, body: object, **headers: str) -> Script:
    """This answer, as JSON, or as it is where it is bytes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda _: httpx.Response(status, content=content, headers=headers)


def fails(error: Exception) -> Script:
    return lambda _: error


def usual(posted: Posted) -> httpx.Response:
    """What a builder answers to everything that is right."""
    answers: dict[str, object] = {
        "eth_sendBundle": {"bundleHash": BUNDLE_HASH},
        "eth_sendPrivateTransaction": 200,
        "eth_cancelBundle": 200,
        "eth_cancelPrivateTransaction": True,
    }
    return httpx.Response(200, json={"id": posted.document["id"], "result": answers[posted.method]})


@dataclass
class ScriptedRelay:
    """``scripts`` are used one after another, the last one for all that follow; ``posted`` has every request with a body, ``got`` the others."""

    scripts: list[Script] = field(default_factory=lambda: [usual])
    posted: list[Posted] = field(default_factory=list)
    got: list[Posted] = field(default_factory=list)
    on_get: Script = field(default_factory=lambda: says(405, b"POST only"))

    @property
    def methods(self) -> list[str]:
        return [one.method for one in self.posted]

    def client(self, name: str = "one", *, timeout_ms: int = 60_000, **settings: Any) -> RelayClient:
        self.clock = QuickClock()
        builder = Builder(name, **{"url": URL, **settings})
        transport = httpx.MockTransport(self._handle)
        return RelayClient(builder, identity(), self.clock, timeout_ms=timeout_ms, transport=transport)

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        headers = dict(request.headers)
        if request.method == "GET":
            posted = Posted("GET", str(request.url), headers, body, None)
            self.got.append(posted)
            script = self.on_get
        else:
            posted = Posted(request.method, str(request.url), headers, body, json.loads(body))
            self.posted.append(posted)
            script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        reply = script(posted)
        if isinstance(reply, Awaitable):
            reply = await reply
        if isinstance(reply, Exception):
            raise reply
        if not reply.is_stream_consumed:
            return reply
        return httpx.Response(reply.status_code, headers=reply.headers, content=_in_parts(reply.content))


async def _in_parts(content: bytes) -> AsyncIterator[bytes]:
    """As it comes over a connection, and not read beforehand."""
    for begin in range(0, len(content), 4096):
        yield content[begin : begin + 4096]
