"""One trading venue through ccxt: its ticker by REST or WebSocket, its one-minute bars by REST.

ccxt is told to leave numbers as text. What a venue itself sends as a JSON number passes through a float and comes out as its shortest
text, which is exact for prices of up to 15 digits.

What ccxt may raise is a long list: it works on what a stranger sends, and a field that is missing is a KeyError there. So ``FAULTS`` is
wide, and everything in it is the venue's quality here. Messages of ccxt are never passed on: they hold whole addresses and answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import re
import ssl
from collections.abc import Awaitable, Mapping
from decimal import Decimal
from typing import Any

import aiohttp
import ccxt
import ccxt.async_support
import certifi

from keeper.adapters.prices.chain_answer import NoValue
from keeper.adapters.prices.exchange import Reading, VenueSettings
from keeper.adapters.prices.json_value import NotAValue, number_of
from keeper.adapters.retry_after import wait_ms
from keeper.domain.observation import Quality
from keeper.domain.venue import Bar, Quote
from keeper.ports.clock import Clock

logging.getLogger("ccxt").setLevel(logging.CRITICAL)  # it logs whole addresses and answers

MAX_BODY_BYTES = 64 * 1024 * 1024
"""The list of all markets of a large venue is some 20 MB."""
MARKETS_TIMEOUT_S = 30.0
STREAM_SILENCE_MS = 10_000
"""A stream that has said nothing for so long is asked by REST: a quiet market and a dead connection look the same."""
STREAM_RETRY_S = (1.0, 2.0, 5.0, 15.0)

FAULTS = (
    ccxt.BaseError,
    aiohttp.ClientError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
_PLACE = re.compile(r"^(https?|wss?)://[^/]+")


class BoundedResponse(aiohttp.ClientResponse):
    """An answer that is given up when it is too long."""

    async def read(self) -> bytes:
        if self._body is None:
            body = bytearray()
            async for part in self.content.iter_chunked(1 << 16):
                body += part
                if len(body) > MAX_BODY_BYTES:
                    self.close()
                    raise aiohttp.ClientPayloadError("the answer is too long")
            self._body = bytes(body)
        return self._body


class CcxtVenue:
    """To be used in one event loop. Asks nothing while the venue has asked to wait."""

    def __init__(self, settings: VenueSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._client: Any = None
        self._session: aiohttp.ClientSession | None = None
        self._markets: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._streamed: tuple[Mapping[str, Any], float] | None = None
        self._not_before_ms = float("-inf")
        self._closed = False

    async def read(self) -> Reading:
        """The newest quote, and the bars when they are wanted. Raises NoValue."""
        if self._closed:
            raise NoValue(Quality.MISSING, "this venue is closed")
        left_ms = self._not_before_ms - self._clock.monotonic_ms()
        if left_ms > 0:
            raise NoValue(Quality.MISSING, f"asked to wait: {left_ms / 1000:.1f} s are left")
        try:
            await self._ready()
            ticker = self._from_stream()
            if ticker is None:
                ticker = await self._asked(self._client.fetch_ticker(self._settings.symbol))
            quote = _quote(ticker)
            bars = await self._bars() if self._settings.bars else None
        except NotAValue as error:
            raise NoValue(Quality.MALFORMED, str(error)) from None
        except FAULTS as error:
            raise self._fault(error) from None
        return Reading(quote, bars)

    async def close(self) -> None:
        """Ends the stream and lets go of connections. Safe to call twice."""
        self._closed = True
        for task in (self._markets, self._watching):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
                _failed(task)  # looks at its error, so that nobody complains that it was not looked at
        client, self._client = self._client, None
        session, self._session = self._session, None
        if client is not None:
            with contextlib.suppress(*FAULTS):
                await client.close()
        if session is not None:
            await session.close()

    async def _ready(self) -> None:
        """Knows the venue's markets, and watches when it should. The markets go on loading when the caller's time is up."""
        if self._client is None:
            self._open()
        if self._markets is None or (self._markets.done() and _failed(self._markets)):
            self._markets = asyncio.create_task(self._load_markets())
        await asyncio.shield(self._markets)
        if self._settings.stream and self._watching is None:
            self._watching = asyncio.create_task(self._watch())

    def _open(self) -> None:
        package = "ccxt.pro" if self._settings.stream else "ccxt.async_support"
        made = getattr(importlib.import_module(package), self._settings.name)
        # A pooled connection per venue; the context with ccxt's own list of authorities, as ccxt itself does it.
        context = ssl.create_default_context(cafile=certifi.where())
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context), response_class=BoundedResponse, trust_env=False
        )
        self._client = made(
            {
                "session": self._session,
                "enableRateLimit": False,  # `every` and Retry-After pace it; a queue would only make answers old
                "timeout": self._settings.timeout_ms,
                "timeout_on_exit": 0,
            }
        )
        wanted = self._client.options.get("fetchMarkets")
        if ":" not in self._settings.symbol and isinstance(wanted, dict) and "types" in wanted:
            wanted["types"] = ["spot"]  # the lists of futures are as long again
        for method in ("watchTicker", "watchTickers"):
            stream = self._client.options.get(method)
            if isinstance(stream, dict) and stream.get("name") == "miniTicker":
                stream["name"] = "ticker"  # the small one has no bid and ask
        self._client.number = str
        self._client.has = {**self._client.has, "fetchCurrencies": False}  # some venues want a key for those
        if self._settings.url is not None:
            self._client.urls = {**self._client.urls, "api": moved(self._client.urls["api"], self._settings.url)}

    async def _load_markets(self) -> None:
        self._client.timeout = MARKETS_TIMEOUT_S * 1000
        try:
            async with asyncio.timeout(MARKETS_TIMEOUT_S):
                await self._asked(self._client.load_markets())
        finally:
            if self._client is not None:
                self._client.timeout = self._settings.timeout_ms

    async def _asked(self, answer: Awaitable[Any]) -> Any:
        """The answer; the headers that stand at the client afterwards are its own."""
        self._client.last_response_headers = None
        return await answer

    async def _bars(self) -> tuple[Bar, ...]:
        if not self._client.has.get("fetchOHLCV"):
            raise NoValue(Quality.MISSING, "offers no one-minute bars to count volume by")
        rows = await self._asked(self._client.fetch_ohlcv(self._settings.symbol, "1m", limit=self._settings.bars))
        return tuple(_bar(row) for row in rows)

    def _from_stream(self) -> Mapping[str, Any] | None:
        if self._streamed is None:
            return None
        ticker, said_ms = self._streamed
        if self._settings.spread and (ticker.get("bid") is None or ticker.get("ask") is None):
            return None  # some streams leave out what REST gives
        return ticker if self._clock.monotonic_ms() - said_ms <= STREAM_SILENCE_MS else None

    async def _watch(self) -> None:
        """Keeps the newest ticker of the stream until cancelled; connects again after a while when it breaks."""
        tries = 0
        while True:
            try:
                ticker = await self._client.watch_ticker(self._settings.symbol)
                self._streamed, tries = (ticker, self._clock.monotonic_ms()), 0
            except FAULTS:
                self._streamed = None  # read() asks by REST meanwhile
                await self._clock.sleep(STREAM_RETRY_S[min(tries, len(STREAM_RETRY_S) - 1)])
                tries += 1

    def _fault(self, error: Exception) -> NoValue:
        client = self._client
        headers = {
            str(key).lower(): str(value)
            for key, value in (getattr(client, "last_response_headers", None) or {}).items()
        }
        limited = isinstance(error, ccxt.RateLimitExceeded | ccxt.DDoSProtection)
        if limited or (isinstance(error, ccxt.ExchangeNotAvailable) and "retry-after" in headers):
            wait = wait_ms(headers.get("retry-after"), self._clock.now_ms())
            self._not_before_ms = self._clock.monotonic_ms() + wait
            return NoValue(Quality.MISSING, f"asked to wait {wait / 1000:g} s")
        match error:
            case ccxt.RequestTimeout() | TimeoutError():
                return NoValue(Quality.MISSING, "did not answer in time")
            case ccxt.BadSymbol():
                return NoValue(Quality.MISSING, f"does not trade {self._settings.symbol}")
            case ccxt.NetworkError() | aiohttp.ClientError() | OSError():
                return NoValue(Quality.MISSING, f"cannot be reached ({type(error).__name__})")
            case ccxt.BaseError():
                return NoValue(Quality.MISSING, f"refused ({type(error).__name__})")
            case _:
                return NoValue(Quality.MALFORMED, f"an answer that makes no sense ({type(error).__name__})")


def moved(urls: Any, base: str) -> Any:
    """ccxt's addresses (a text, or texts nested in mappings) with scheme and host of ``base``; a WebSocket stays one."""
    if isinstance(urls, Mapping):
        return {key: moved(value, base) for key, value in urls.items()}
    if not isinstance(urls, str):
        return urls
    place = base.rstrip("/")
    if urls.startswith("ws"):
        place = re.sub(r"^http", "ws", place)
    return _PLACE.sub(lambda _: place, urls)


def _failed(task: asyncio.Task[None]) -> bool:
    return task.cancelled() or task.exception() is not None


def _quote(ticker: Mapping[str, Any]) -> Quote:
    at_ms = ticker.get("timestamp")
    return Quote(
        last=number_of(ticker.get("last"), "last"),
        at_ms=at_ms if isinstance(at_ms, int) else None,
        bid=_maybe(ticker.get("bid"), "bid"),
        ask=_maybe(ticker.get("ask"), "ask"),
    )


def _maybe(found: object, name: str) -> Decimal | None:
    return None if found is None else number_of(found, name)


def _bar(row: Any) -> Bar:
    open_ms, *_, close, volume = row
    if not isinstance(open_ms, int):
        raise NotAValue("a bar without a time")
    return Bar(open_ms, number_of(close, "close"), number_of(volume, "volume"))
