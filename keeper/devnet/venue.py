"""What a local exchange answers: the shape of Binance's spot REST API (markets, 24-hour ticker, one-minute bars), and what it does when it is broken.

No sockets here.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qs, urlsplit

_DAY_MS = 86_400_000
_MINUTE_MS = 60_000
_QUOTES = ("USDT", "USDC", "USD", "EUR", "BTC", "ETH")
_MAX_BARS = 1_000
# Best bid and ask lie this far from the last price.
_HALF_SPREAD = Decimal("0.0001")
DEFAULT_VOLUME = Decimal(25_000)


class FaultKind(StrEnum):
    SLOW = "slow"
    """Answers correctly, after ``delay_s``."""
    HANG = "hang"
    """Takes the request and never answers."""
    HTTP_500 = "http-500"
    RATE_LIMITED = "rate-limited"
    """HTTP 429 with Retry-After ``retry_after_s``."""
    MALFORMED = "malformed"
    """HTTP 200 with half of a JSON document."""
    WRONG_TYPE = "wrong-type"
    """``lastPrice`` is ``value``, whatever that is."""
    STALE = "stale"
    """``closeTime`` is ``age_ms`` ago, and stays there while time goes on."""
    SILENT = "silent"
    """Closes the connection without a byte."""
    ABSURD = "absurd"
    """The price is multiplied by ``factor``, on next to no volume: one bad print."""


@dataclass(frozen=True, slots=True)
class Fault:
    """``symbol`` None means all of them; ``times`` is how many answers it spoils (None: until ``heal``)."""

    kind: FaultKind
    symbol: str | None = None
    times: int | None = None
    delay_s: float = 1.0
    retry_after_s: int = 7
    value: Any = None
    age_ms: int = 600_000
    factor: Decimal = Decimal(10)


@dataclass(frozen=True, slots=True)
class Quote:
    """``last`` in dollars, ``volume`` of the last 24 hours in units of the base asset.

    Trading goes on evenly, until ``silent_since_ms`` if that is given.
    """

    symbol: str
    last: Decimal
    volume: Decimal = DEFAULT_VOLUME
    silent_since_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """``body`` None: the connection is closed without an answer. ``hang``: nothing is sent and it stays open."""

    status: int = 200
    body: bytes | None = b""
    headers: tuple[tuple[str, str], ...] = ()
    delay_s: float = 0.0
    hang: bool = False


class Venue:
    """Quotes, faults, and the reply to each request. Safe to use from many threads. ``now_ms`` gives milliseconds since 1970 UTC."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._lock = threading.Lock()
        self._quotes: dict[str, Quote] = {}
        self._faults: list[tuple[Fault, int | None, int]] = []  # fault, answers left, when it began
        self._requests = 0

    @property
    def requests(self) -> int:
        """How many requests there were, answered or not."""
        with self._lock:
            return self._requests

    def set_price(self, symbol: str, price: Decimal, volume: Decimal = DEFAULT_VOLUME) -> None:
        """From now on the symbol trades at this price. Raises ValueError for what is not a price."""
        if not price.is_finite() or price <= 0:
            raise ValueError(f"{price} is not a price")
        with self._lock:
            self._quotes[symbol] = Quote(symbol, price, volume)

    def stop_trading(self, symbol: str) -> None:
        """From now on nothing is traded: bars are without volume, the ticker repeats itself. KeyError for an unknown symbol."""
        with self._lock:
            self._quotes[symbol] = replace(self._quotes[symbol], silent_since_ms=self._now_ms())

    def inject(self, fault: Fault) -> None:
        """Breaks the exchange. Of several faults that fit a request, the newest counts."""
        with self._lock:
            self._faults.append((fault, fault.times, self._now_ms()))

    def heal(self) -> None:
        """Takes all faults away."""
        with self._lock:
            self._faults.clear()

    def reply(self, target: str) -> Reply:
        """The answer to ``GET target``."""
        url = urlsplit(target)
        with self._lock:
            self._requests += 1
            if url.path == "/api/v3/ping":
                return _json(200, {})
            if url.path == "/api/v3/time":
                return _json(200, {"serverTime": self._now_ms()})
            if url.path == "/api/v3/exchangeInfo":
                return _json(200, {"timezone": "UTC", "symbols": [market(symbol) for symbol in self._quotes]})
            query = parse_qs(url.query, keep_blank_values=True)
            if url.path == "/api/v3/klines":
                return self._klines(query)
            if url.path != "/api/v3/ticker/24hr":
                return _json(404, {"code": -1000, "msg": "Not found."})
            wanted = query.get("symbol")
            if wanted is None:
                return _json(200, [ticker(quote, self._now_ms()) for quote in self._quotes.values()])
            quote = self._quotes.get(wanted[0])
            if quote is None:
                return _json(400, {"code": -1121, "msg": "Invalid symbol."})
            taken = self._take_fault(quote.symbol)
            if taken is None:
                return _json(200, ticker(quote, self._now_ms()))
            return _spoiled(quote, taken[0], now_ms=self._now_ms(), since_ms=taken[1])

    def _klines(self, query: Mapping[str, Sequence[str]]) -> Reply:
        """One-minute bars. Faults spoil the ticker, and the price of the bars only where the price itself is the fault."""
        quote = self._quotes.get(query.get("symbol", [""])[0])
        if quote is None:
            return _json(400, {"code": -1121, "msg": "Invalid symbol."})
        if query.get("interval") != ["1m"]:
            return _json(400, {"code": -1120, "msg": "Invalid interval."})
        count = min(int(query.get("limit", ["500"])[0]), _MAX_BARS)
        return _json(200, klines(quote, self._now_ms(), count))

    def _take_fault(self, symbol: str) -> tuple[Fault, int] | None:
        """The newest fault for this symbol and when it began, one answer of it used up."""
        for index in reversed(range(len(self._faults))):
            fault, left, since_ms = self._faults[index]
            if fault.symbol not in (None, symbol):
                continue
            if left is not None:
                self._faults[index] = (fault, left - 1, since_ms)
                if left <= 1:
                    del self._faults[index]
            return fault, since_ms
        return None


def ticker(quote: Quote, close_time_ms: int) -> dict[str, Any]:
    """The 24-hour ticker of one symbol with the keys, types and decimals of Binance's ``GET /api/v3/ticker/24hr``."""
    last, volume = quote.last, quote.volume
    return {
        "symbol": quote.symbol,
        "priceChange": _text(Decimal(0)),
        "priceChangePercent": "0.000",
        "weightedAvgPrice": _text(last),
        "prevClosePrice": _text(last),
        "lastPrice": _text(last),
        "lastQty": _text(min(volume, Decimal(1))),
        "bidPrice": _text(last * (1 - _HALF_SPREAD)),
        "bidQty": _text(Decimal(12)),
        "askPrice": _text(last * (1 + _HALF_SPREAD)),
        "askQty": _text(Decimal(12)),
        "openPrice": _text(last),
        "highPrice": _text(last),
        "lowPrice": _text(last),
        "volume": _text(volume),
        "quoteVolume": _text(volume * last),
        "openTime": close_time_ms - _DAY_MS,
        "closeTime": close_time_ms,
        "firstId": 1,
        "lastId": 100_000,
        "count": 100_000,
    }


def market(symbol: str) -> dict[str, Any]:
    """One symbol with the keys of Binance's ``GET /api/v3/exchangeInfo`` that clients look at."""
    quote = next((name for name in _QUOTES if symbol.endswith(name) and symbol != name), "USDT")
    return {
        "symbol": symbol,
        "status": "TRADING",
        "baseAsset": symbol.removesuffix(quote),
        "baseAssetPrecision": 8,
        "quoteAsset": quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "MARKET"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.00000001", "maxPrice": "1000000", "tickSize": "0.00000001"},
            {"filterType": "LOT_SIZE", "minQty": "0.00000001", "maxQty": "900000", "stepSize": "0.00000001"},
        ],
        "permissions": ["SPOT"],
    }


def klines(quote: Quote, now_ms: int, count: int) -> list[list[Any]]:
    """The last ``count`` one-minute bars, the one in progress last, in the shape of ``GET /api/v3/klines``; the day's volume is spread evenly."""
    newest = now_ms // _MINUTE_MS * _MINUTE_MS
    rows = []
    for open_ms in range(newest - (count - 1) * _MINUTE_MS, newest + 1, _MINUTE_MS):
        silent = quote.silent_since_ms is not None and open_ms >= quote.silent_since_ms
        volume = Decimal(0) if silent else quote.volume * _MINUTE_MS / _DAY_MS
        price = _text(quote.last)
        end_ms = open_ms + _MINUTE_MS - 1
        half = _text(volume / 2)
        rows.append(
            [
                open_ms,
                price,
                price,
                price,
                price,
                _text(volume),
                end_ms,
                _text(volume * quote.last),
                10,
                half,
                half,
                "0",
            ]
        )
    return rows


def _spoiled(quote: Quote, fault: Fault, *, now_ms: int, since_ms: int) -> Reply:
    good = ticker(quote, now_ms)
    match fault.kind:
        case FaultKind.SLOW:
            return _json(200, good, delay_s=fault.delay_s)
        case FaultKind.HANG:
            return Reply(hang=True)
        case FaultKind.SILENT:
            return Reply(body=None)
        case FaultKind.HTTP_500:
            return _json(500, {"code": -1000, "msg": "An unknown error occurred while processing the request."})
        case FaultKind.RATE_LIMITED:
            reply = {"code": -1003, "msg": "Too many requests."}
            return _json(429, reply, headers=(("Retry-After", str(fault.retry_after_s)),))
        case FaultKind.MALFORMED:
            whole = json.dumps(good).encode()
            return Reply(200, whole[: len(whole) // 2])
        case FaultKind.WRONG_TYPE:
            return _json(200, {**good, "lastPrice": fault.value})
        case FaultKind.STALE:
            return _json(200, ticker(quote, since_ms - fault.age_ms))
        case FaultKind.ABSURD:
            return _json(200, ticker(Quote(quote.symbol, quote.last * fault.factor, Decimal("0.07")), now_ms))


def _text(value: Decimal) -> str:
    return f"{value:.8f}"


def _json(status: int, document: Any, *, headers: tuple[tuple[str, str], ...] = (), delay_s: float = 0.0) -> Reply:
    return Reply(status, json.dumps(document, separators=(",", ":")).encode(), headers, delay_s)
