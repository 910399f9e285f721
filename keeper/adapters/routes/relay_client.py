"""One block builder or relay: JSON-RPC over HTTP, signed by a key of its own.

The header is ``<address>:0x<signature>``. What is signed (EIP-191) is a text of 66 characters: ``0x`` and the hex of keccak256 over exactly the bytes
that are posted. Flashbots' relay and BuilderNet ask for this header; others ignore it.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import ssl
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import httpx

from keeper.adapters import retry_after
from keeper.adapters.routes.relay_answers import (
    CANCEL_BUNDLE,
    CANCEL_PRIVATE,
    SEND_BUNDLE,
    SEND_PRIVATE,
    Heard,
    judged,
    presentable,
    proven,
    state_in,
    take_apart,
)
from keeper.adapters.routes.relay_figures import BuilderFigures, Tally
from keeper.adapters.routes.resolving import ResolvingTransport
from keeper.domain.address import keccak256
from keeper.domain.errors import SigningError, UnitError
from keeper.domain.redact import redact_url, secret_parts
from keeper.ports.clock import Clock
from keeper.ports.route import Answer, SubmissionKind
from keeper.ports.signer import IdentitySigner

MAX_BODY_BYTES: Final = 64 * 1024
CONNECTIONS: Final = 3
"""As many requests go to one builder at once: two bundles and a private transaction."""
RETRY_AFTER_MS: Final = 200
KEPT_ALIVE_S: Final = 60.0
"""Longer, and something in between may have dropped an idle connection in silence: then the first answer would be waited for in vain."""
HINTS: Final = ("hash",)
"""All that searchers are told of a private transaction. Some relays take an empty list as their default, which shares logs too."""

for _noisy in ("httpx", "httpcore"):
    # they log whole addresses, which may hold keys, at INFO and DEBUG
    logging.getLogger(_noisy).setLevel(logging.WARNING)


class Cancelling(StrEnum):
    """How a builder is asked to forget a bundle."""

    METHOD = "method"
    """``eth_cancelBundle`` with its ``replacementUuid``."""
    EMPTY = "empty"
    """The same ``replacementUuid`` again, without transactions."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Builder:
    """``header`` names the one that carries our signature (empty: none is sent); ``status`` is the base URL that answers ``/tx/HASH``, or None.

    ``private_transactions``: it takes ``eth_sendPrivateTransaction`` as well as bundles.
    """

    name: str
    url: str = field(repr=False)
    header: str = "X-Flashbots-Signature"
    private_transactions: bool = False
    cancel: Cancelling = Cancelling.METHOD
    status: str | None = field(default=None, repr=False)


class RelayClient:
    """Asks one builder. No method raises for what the other side does: every answer, and none, is an ``Answer`` without secrets."""

    def __init__(
        self,
        builder: Builder,
        identity: IdentitySigner,
        clock: Clock,
        *,
        timeout_ms: int,
        transport: httpx.AsyncBaseTransport | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """``timeout_ms`` is for a whole answer; what fails in passing is asked once more, so a request ends within twice that time and a little.

        Raises UnitError for an address that is not http.
        """
        for url in (builder.url, builder.status):
            _check_url(url)
        self.builder = builder
        self._identity = identity
        self._clock = clock
        self._timeout_ms = timeout_ms
        self._numbers = itertools.count(1)
        self._tally = Tally(builder.name)
        self._secrets = (*secret_parts(builder.url), *secret_parts(builder.status or ""))
        self._client = httpx.AsyncClient(
            # compressed answers are not asked for: a small one can unpack to gigabytes
            headers={"accept": "application/json", "accept-encoding": "identity", "user-agent": "keeper"},
            timeout=None,  # noqa: S113 - the whole answer has a time limit, see _fetch
            transport=transport or ResolvingTransport(_connecting(tls), clock.monotonic_ms),
            trust_env=False,
            follow_redirects=False,
        )

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self.builder.name

    @property
    def shown(self) -> str:
        """Its address without secrets."""
        return redact_url(self.builder.url)

    @property
    def figures(self) -> BuilderFigures:
        """What it did so far."""
        return self._tally.figures

    async def send_bundle(
        self, raws: Sequence[str], block: int, replacement: str, *, wanted: Callable[[], bool] = lambda: True
    ) -> Answer:
        """These signed transactions, in this order and all or none, for this one block. ``replacement`` is a UUID of version 4.

        ``wanted`` is asked before it is sent a second time: by then another one may have been put in its place.
        """
        bundle = {"txs": list(raws), "blockNumber": hex(block), "replacementUuid": replacement}
        return await self._send(SEND_BUNDLE, bundle, about=f"block {block}", wanted=wanted)

    async def send_private(self, raw: str, tx_hash: str, last_block: int) -> Answer:
        """One transaction, which the builder tries for itself until ``last_block``."""
        preferences = {"fast": True, "privacy": {"hints": list(HINTS)}}
        wanted = {"tx": raw, "maxBlockNumber": hex(last_block), "preferences": preferences}
        return await self._send(SEND_PRIVATE, wanted, about=f"until block {last_block}", tx_hash=tx_hash)

    async def cancel_bundle(self, replacement: str, block: int) -> Answer:
        """Forget it, in the builder's own way. REFUSED where it has none."""
        if self.builder.cancel is Cancelling.NONE:
            return Answer(self.name, CANCEL_BUNDLE, SubmissionKind.REFUSED, "it has no way to cancel a bundle")
        method, params = self._cancellation(replacement)
        if method == SEND_BUNDLE:
            params["blockNumber"] = hex(block)
        return await self._send(method, params, about=f"block {block}", purpose=CANCEL_BUNDLE)

    async def cancel_private(self, tx_hash: str) -> Answer:
        """Try it no more."""
        return await self._send(CANCEL_PRIVATE, {"txHash": tx_hash}, about=tx_hash)

    async def prove(self) -> Answer:
        """Whether it takes our signature: a bundle that nobody ever sent is cancelled, which costs nothing and moves nothing.

        ACCEPTED: the signature is taken, whatever it says of the bundle.
        """
        method, params = self._cancellation(str(uuid.uuid4()))
        began_ms = self._clock.monotonic_ms()
        return self._answer(
            method, *proven(await self._ask(method, params), signed=bool(self.builder.header)), began_ms
        )

    async def warm(self) -> None:
        """Opens the connections that a submission uses, or keeps them open: a TLS handshake then costs no time when time counts."""
        await asyncio.gather(*(self._fetch("GET", self.builder.url, b"", {}, 0) for _ in range(CONNECTIONS)))

    async def status(self, tx_hash: str) -> str:
        """The builder's word for a private transaction (INCLUDED, PENDING, FAILED, CANCELLED); empty where it cannot be asked or has none."""
        if self.builder.status is None:
            return ""
        base = httpx.URL(self.builder.status)
        url = base.copy_with(path=base.path.rstrip("/") + f"/tx/{tx_hash}")
        heard = await self._fetch("GET", url, b"", {}, 0)
        return state_in(heard.result) if isinstance(heard.result, bytes) else ""

    async def close(self) -> None:
        """Lets go of connections. Safe to call twice."""
        await self._client.aclose()

    # -- inside ----------------------------------------------------------------------------------------------------------------

    def _cancellation(self, replacement: str) -> tuple[str, dict[str, object]]:
        """A bundle without transactions can move nothing either, where there is no other way to ask."""
        if self.builder.cancel is Cancelling.METHOD:
            return CANCEL_BUNDLE, {"replacementUuid": replacement}
        if self.builder.cancel is Cancelling.EMPTY:
            return SEND_BUNDLE, {"txs": [], "replacementUuid": replacement}
        return SEND_BUNDLE, {"txs": []}

    async def _send(
        self,
        method: str,
        params: Mapping[str, object],
        *,
        about: str,
        tx_hash: str = "",
        purpose: str = "",
        wanted: Callable[[], bool] = lambda: True,
    ) -> Answer:
        """``purpose`` is the method whose work it is meant to do, where that is another one."""
        began_ms = self._clock.monotonic_ms()
        kind, message = judged(purpose or method, await self._ask(method, params, wanted), tx_hash)
        return self._answer(method, kind, f"{about}: {message}", began_ms)

    def _answer(self, method: str, kind: SubmissionKind, message: str, began_ms: float) -> Answer:
        took_ms = self._clock.monotonic_ms() - began_ms
        self._tally.add(method, kind, took_ms)
        return Answer(self.name, method, kind, presentable(message, *self._secrets), took_ms)

    async def _ask(self, method: str, params: Mapping[str, object], wanted: Callable[[], bool] = lambda: True) -> Heard:
        number = next(self._numbers)
        document = {"jsonrpc": "2.0", "id": number, "method": method, "params": [params]}
        body = json.dumps(document, separators=(",", ":")).encode("ascii")
        try:
            headers = {"content-type": "application/json"} | await self._signed(body)
        except SigningError as error:
            return Heard(0, nonsense=error.message)
        heard = await self._posted(body, headers, number)
        wait_ms = heard.wait_ms or 0
        if not heard.passing or wait_ms > self._timeout_ms:
            return heard
        await self._clock.sleep(max(wait_ms, RETRY_AFTER_MS) / 1000)
        if not wanted() or self._client.is_closed:
            return heard
        self._tally.retried += 1
        return await self._posted(body, headers, number)

    async def _signed(self, body: bytes) -> dict[str, str]:
        """The header for exactly these bytes."""
        if not self.builder.header:
            return {}
        signature = await self._identity.sign_text("0x" + keccak256(body).hex())
        return {self.builder.header: f"{self._identity.address}:{signature}"}

    async def _posted(self, body: bytes, headers: Mapping[str, str], number: int) -> Heard:
        return await self._fetch("POST", self.builder.url, body, headers, number)

    async def _fetch(
        self, verb: str, url: str | httpx.URL, body: bytes, headers: Mapping[str, str], number: int
    ) -> Heard:
        """With ``number`` 0 the result is the body as it is. Never raises for what the other side does."""
        if self._client.is_closed:
            return Heard(0, nonsense="this connection is closed")
        try:
            async with (
                asyncio.timeout(self._timeout_ms / 1000),
                self._client.stream(verb, url, content=body or None, headers=dict(headers)) as response,
            ):
                return await _read(response, number, self._clock)
        except TimeoutError:
            return Heard(0, nonsense=f"no answer within {self._timeout_ms} ms")
        except httpx.ConnectError:
            return Heard(0, nonsense="no connection")
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError, ValueError, RuntimeError) as error:
            return Heard(0, nonsense=f"the connection failed ({type(error).__name__})")


def _connecting(tls: ssl.SSLContext | None) -> httpx.AsyncBaseTransport:
    limits = httpx.Limits(max_keepalive_connections=CONNECTIONS, keepalive_expiry=KEPT_ALIVE_S)
    return httpx.AsyncHTTPTransport(verify=tls if tls is not None else True, trust_env=False, limits=limits)


async def _read(response: httpx.Response, number: int, clock: Clock) -> Heard:
    status = response.status_code
    if 300 <= status < 400:
        return Heard(status, nonsense="a redirect, which is not followed")
    if response.headers.get("content-encoding", "identity") != "identity":
        return Heard(status, nonsense="a compressed answer that was not asked for")
    content = bytearray()
    async for part in response.aiter_raw():
        content += part
        if len(content) > MAX_BODY_BYTES:
            return Heard(status, nonsense=f"an answer of more than {MAX_BODY_BYTES // 1024} KiB")
    if number == 0:
        return Heard(status, result=bytes(content))
    heard = take_apart(status, bytes(content), number)
    asked = response.headers.get("retry-after")
    if asked is None or not heard.passing:
        return heard
    return Heard(
        status, heard.result, heard.words, heard.code, heard.nonsense, retry_after.wait_ms(asked, clock.now_ms())
    )


def _check_url(url: str | None) -> None:
    if url is None:
        return
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        parts = httpx.URL("")
    if parts.scheme not in ("http", "https") or not parts.host:
        raise UnitError(f"{redact_url(url)} is not an http address", remedy="write https://host/path")
