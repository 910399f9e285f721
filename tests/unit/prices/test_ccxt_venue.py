"""What a venue says through ccxt, without a socket: hostile tickers, hostile bars, addresses that are moved, streams that break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import ccxt
import pytest
import pytest_asyncio

from keeper.adapters.prices.ccxt_venue import STREAM_SILENCE_MS, CcxtVenue, moved
from keeper.adapters.prices.chain_answer import NoValue
from keeper.adapters.prices.exchange import VenueSettings
from keeper.domain.observation import Quality
from keeper.domain.venue import Bar, Quote
from tests.support.source_fakes import ManualClock

pytestmark = pytest.mark.unit

TICKER = {"last": "2.5", "bid": "2.4", "ask": "2.6", "timestamp": 1_700_000_000_000}


class Client:
    """Stands in for ccxt's; each answer is given as it is, or raised."""

    def __init__(self) -> None:
        self.has: dict[str, object] = {"fetchOHLCV": True}
        self.ticker: Any = TICKER
        self.bars: Any = [[1_700_000_000_000, "1", "2", "1", "2.5", "100"]]
        self.markets: Any = {}
        self.stream: asyncio.Queue[Any] = asyncio.Queue()
        self.last_response_headers: dict[str, str] | None = None
        self.headers: dict[str, str] = {}
        self.timeout = 0.0
        self.asked: list[str] = []

    def _answer(self, what: str, answer: Any) -> Any:
        self.asked.append(what)
        if isinstance(answer, Exception):
            self.last_response_headers = self.headers
            raise answer
        return answer

    async def load_markets(self) -> Any:
        return self._answer("markets", self.markets)

    async def fetch_ticker(self, symbol: str) -> Any:
        return self._answer("ticker", self.ticker)

    async def fetch_ohlcv(self, symbol: str, frame: str, limit: int) -> Any:
        return self._answer("bars", self.bars)

    async def watch_ticker(self, symbol: str) -> Any:
        return self._answer("stream", await self.stream.get())

    async def close(self) -> None:
        self.asked.append("close")


class Stage:
    """A venue over a stand-in."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.client = Client()
        self.venue = self.make()

    def make(self, **settings: Any) -> CcxtVenue:
        self.venue = CcxtVenue(VenueSettings("kraken", "A/B", **settings), self.clock)
        self.venue._client = self.client
        return self.venue

    async def fault(self) -> tuple[Quality, str]:
        with pytest.raises(NoValue) as caught:
            await self.venue.read()
        return caught.value.quality, caught.value.reason


@pytest_asyncio.fixture
async def stage() -> AsyncIterator[Stage]:
    made = Stage()
    yield made
    await made.venue.close()


async def test_read__ticker__is_exact_to_the_last_digit(stage: Stage) -> None:
    stage.client.ticker = {**TICKER, "last": "0.123456789012345678901234567890"}
    reading = await stage.venue.read()
    assert reading.quote == Quote(
        Decimal("0.123456789012345678901234567890"), 1_700_000_000_000, Decimal("2.4"), Decimal("2.6")
    )
    assert reading.bars is None
    assert stage.client.asked == ["markets", "ticker"]


async def test_read__bars_wanted__are_asked_for(stage: Stage) -> None:
    stage.make(bars=17)
    assert (await stage.venue.read()).bars == (Bar(1_700_000_000_000, Decimal("2.5"), Decimal(100)),)


async def test_read__bars_not_offered__is_missing(stage: Stage) -> None:
    stage.make(bars=17)
    stage.client.has = {}
    quality, reason = await stage.fault()
    assert (quality, "one-minute bars" in reason) == (Quality.MISSING, True)


@pytest.mark.parametrize("missing", [{"bid": None, "ask": None}, {"timestamp": None}, {"timestamp": "soon"}])
async def test_read__parts_that_are_not_given__are_none(stage: Stage, missing: dict[str, Any]) -> None:
    stage.client.ticker = {**TICKER, **missing}
    quote = (await stage.venue.read()).quote
    assert None in (quote.bid, quote.at_ms)


@pytest.mark.parametrize(
    "ticker",
    [
        None,
        [],
        "half",
        5,
        {},
        {**TICKER, "last": None},
        {**TICKER, "last": ""},
        {**TICKER, "last": "NaN"},
        {**TICKER, "last": "Infinity"},
        {**TICKER, "last": "-1"},
        {**TICKER, "last": 2.5},
        {**TICKER, "last": "9" * 100},
        {**TICKER, "last": "1e99"},
        {**TICKER, "last": {"a": 1}},
        {**TICKER, "bid": "x"},
    ],
)
async def test_read__hostile_ticker__is_malformed_and_never_raises_anything_else(stage: Stage, ticker: Any) -> None:
    stage.client.ticker = ticker
    assert (await stage.fault())[0] is Quality.MALFORMED


@pytest.mark.parametrize(
    "bars",
    [
        None,
        5,
        "bars",
        [None],
        [[]],
        [[1]],
        [[None, "1", "1", "1", "1", "1"]],
        [[1, "1", "1", "1", "x", "1"]],
        [[1, 1, 1, 1, "1", None]],
    ],
)
async def test_read__hostile_bars__are_malformed(stage: Stage, bars: Any) -> None:
    stage.make(bars=3)
    stage.client.bars = bars
    assert (await stage.fault())[0] is Quality.MALFORMED


@pytest.mark.parametrize(
    ("error", "quality", "says"),
    [
        (ccxt.RequestTimeout("secret https://x"), Quality.MISSING, "in time"),
        (ccxt.BadSymbol("secret"), Quality.MISSING, "does not trade A/B"),
        (ccxt.ExchangeNotAvailable("secret"), Quality.MISSING, "cannot be reached"),
        (ccxt.AuthenticationError("secret"), Quality.MISSING, "refused (AuthenticationError)"),
        (ConnectionResetError("secret"), Quality.MISSING, "cannot be reached"),
        (KeyError("secret"), Quality.MALFORMED, "makes no sense (KeyError)"),
        (RecursionError("secret"), Quality.MALFORMED, "makes no sense"),
        (ZeroDivisionError("secret"), Quality.MALFORMED, "makes no sense"),
    ],
)
@pytest.mark.parametrize("where", ["markets", "ticker"])
async def test_read__every_kind_of_failure__is_a_quality_and_passes_no_message_on(
    stage: Stage, error: Exception, quality: Quality, says: str, where: str
) -> None:
    setattr(stage.client, where, error)
    found, reason = await stage.fault()
    assert (found, says in reason, "secret" in reason) == (quality, True, False)


async def test_read__markets_failed__are_loaded_again_the_next_time(stage: Stage) -> None:
    stage.client.markets = ccxt.ExchangeNotAvailable("gone")
    await stage.fault()
    stage.client.markets = {}
    assert (await stage.venue.read()).quote.last == Decimal("2.5")
    assert stage.client.asked == ["markets", "markets", "ticker"]


@pytest.mark.parametrize(
    "error", [ccxt.RateLimitExceeded("x"), ccxt.DDoSProtection("x"), ccxt.ExchangeNotAvailable("x")]
)
async def test_read__told_to_wait__asks_nothing_until_then(stage: Stage, error: Exception) -> None:
    await stage.venue.read()
    stage.client.ticker, stage.client.headers = error, {"Retry-After": "7"}
    assert await stage.fault() == (Quality.MISSING, "asked to wait 7 s")
    asked, stage.client.ticker = len(stage.client.asked), TICKER
    stage.clock.advance(6_999)
    assert (await stage.fault())[1] == "asked to wait: 0.0 s are left"
    assert len(stage.client.asked) == asked
    stage.clock.advance(1)
    assert (await stage.venue.read()).quote.last == Decimal("2.5")


async def test_read__limited_without_saying_how_long__waits_all_the_same(stage: Stage) -> None:
    stage.client.ticker = ccxt.RateLimitExceeded("x")
    assert await stage.fault() == (Quality.MISSING, "asked to wait 10 s")


async def test_read__headers_of_an_earlier_answer__are_not_taken_for_this_one(stage: Stage) -> None:
    stage.client.last_response_headers = {"retry-after": "600"}
    stage.client.ticker = ccxt.ExchangeNotAvailable("refused")
    assert "cannot be reached" in (await stage.fault())[1]


async def test_close__twice__and_read_afterwards(stage: Stage) -> None:
    await stage.venue.read()
    await stage.venue.close()
    await stage.venue.close()
    assert stage.client.asked.count("close") == 1
    assert await stage.fault() == (Quality.MISSING, "this venue is closed")


async def settle(client: Client) -> None:
    """Until the stream has taken what was sent."""
    for _ in range(10):
        await asyncio.sleep(0)
    assert client.stream.empty()


async def test_stream__its_ticker__is_taken_without_asking(stage: Stage) -> None:
    stage.make(stream=True)
    await stage.venue.read()
    stage.client.stream.put_nowait({**TICKER, "last": "7"})
    await settle(stage.client)
    asked = stage.client.asked.count("ticker")
    assert (await stage.venue.read()).quote.last == Decimal(7)
    assert stage.client.asked.count("ticker") == asked


@pytest.mark.parametrize(("silence_ms", "last"), [(STREAM_SILENCE_MS, "7"), (STREAM_SILENCE_MS + 1, "2.5")])
async def test_stream__that_falls_silent__is_asked_by_rest(stage: Stage, silence_ms: int, last: str) -> None:
    stage.make(stream=True)
    await stage.venue.read()
    stage.client.stream.put_nowait({**TICKER, "last": "7"})
    await settle(stage.client)
    stage.clock.advance(silence_ms)
    assert (await stage.venue.read()).quote.last == Decimal(last)


@pytest.mark.parametrize(("spread", "last"), [(False, "7"), (True, "2.5")])
async def test_stream__without_bid_and_ask__is_asked_by_rest_where_they_are_needed(
    stage: Stage, spread: bool, last: str
) -> None:
    stage.make(stream=True, spread=spread)
    await stage.venue.read()
    stage.client.stream.put_nowait({"last": "7", "timestamp": 1_700_000_000_000})
    await settle(stage.client)
    assert (await stage.venue.read()).quote.last == Decimal(last)


async def test_stream__that_breaks__goes_on_by_rest_and_connects_again(stage: Stage) -> None:
    stage.make(stream=True)
    await stage.venue.read()
    stage.client.stream.put_nowait({**TICKER, "last": "7"})
    stage.client.stream.put_nowait(ccxt.NetworkError("gone"))
    await settle(stage.client)
    assert (await stage.venue.read()).quote.last == Decimal("2.5")
    stage.client.stream.put_nowait({**TICKER, "last": "8"})
    await settle(stage.client)
    assert (await stage.venue.read()).quote.last == Decimal(8)


async def test_stream__hostile_ticker__is_malformed(stage: Stage) -> None:
    stage.make(stream=True)
    await stage.venue.read()
    stage.client.stream.put_nowait({"last": "x"})
    await settle(stage.client)
    assert (await stage.fault())[0] is Quality.MALFORMED


@pytest.mark.parametrize(
    ("urls", "expected"),
    [
        ("https://api.x.com/v3", "http://127.0.0.1:5/v3"),
        ("https://{hostname}/v3", "http://127.0.0.1:5/v3"),
        ("wss://stream.x.com:9443/ws", "ws://127.0.0.1:5/ws"),
        (
            {"public": "https://a/1", "ws": {"spot": "wss://b/2"}},
            {"public": "http://127.0.0.1:5/1", "ws": {"spot": "ws://127.0.0.1:5/2"}},
        ),
        (None, None),
        ("not an address", "not an address"),
    ],
)
def test_moved__scheme_and_host__are_those_of_the_base(urls: Any, expected: Any) -> None:
    assert moved(urls, "http://127.0.0.1:5/") == expected


def test_moved__to_a_secure_base__streams_are_secure_too() -> None:
    assert moved("wss://b/2", "https://proxy") == "wss://proxy/2"
