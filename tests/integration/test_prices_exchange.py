"""Venues through the real ccxt, against local exchanges with every fault they know, by REST and by WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from keeper.adapters.clock import SystemClock
from keeper.adapters.prices.exchange import ExchangeSource, VenueSettings
from keeper.app.wiring import open_sources
from keeper.config import loads
from keeper.config.model import ExchangeSource as ExchangeConfig
from keeper.config.template import template
from keeper.devnet.exchange import Exchange
from keeper.devnet.venue import Fault, FaultKind
from keeper.domain.observation import Observation, Quality
from keeper.domain.venue import Guards
from tests.support.ticker_stream import TickerStream

pytestmark = pytest.mark.integration

CLOCK = SystemClock()
PRICE = Decimal("0.99912345")
GUARDS = Guards(max_age_ms=120_000, min_volume=Decimal(10_000), window_ms=5 * 60_000, max_spread=Decimal("0.01"))


@pytest.fixture
def venues() -> Iterator[tuple[Exchange, Exchange]]:
    """Two exchanges that trade ten million USDC a day."""
    with Exchange(CLOCK.now_ms) as one, Exchange(CLOCK.now_ms) as two:
        for venue in (one, two):
            venue.set_price("USDCUSDT", PRICE, volume=Decimal(10_000_000))
        yield one, two


Venues = tuple[Exchange, Exchange]


@asynccontextmanager
async def source(
    venues: Venues, guards: Guards = GUARDS, timeout_ms: int = 10_000, **more: Any
) -> AsyncIterator[ExchangeSource]:
    settings = [
        VenueSettings(name, "USDC/USDT", url=venue.url, timeout_ms=timeout_ms, bars=7)
        for name, venue in zip(("binance", "binanceus"), venues, strict=True)
    ]
    made = ExchangeSource("usdc", settings, guards, clock=CLOCK, **more)
    try:
        yield made
    finally:
        await made.close()


async def polled(venues: Venues, **more: Any) -> Observation:
    async with source(venues, **more) as made:
        return await made.poll()


async def test_exchange__two_venues__their_median_to_the_last_digit(venues: Venues) -> None:
    venues[1].set_price("USDCUSDT", PRICE + Decimal("0.00000002"), volume=Decimal(10_000_000))
    seen = await polled(venues)
    assert (seen.quality, seen.value) == (Quality.OK, PRICE + Decimal("0.00000001"))
    assert seen.at_ms is not None
    assert abs(seen.received_ms - seen.at_ms) < 120_000
    assert "binance 0.999123, binanceus 0.999123" in seen.reason


async def test_exchange__polled_again__asks_for_ticker_and_bars_only(venues: Venues) -> None:
    async with source(venues) as made:
        await made.poll()
        before = venues[0].requests
        venues[0].set_price("USDCUSDT", PRICE * 2, volume=Decimal(10_000_000))
        assert (await made.poll()).value == (PRICE + PRICE * 2) / 2
        assert venues[0].requests == before + 2


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault(FaultKind.HTTP_500), "binance is missing (refused"),
        (Fault(FaultKind.RATE_LIMITED, retry_after_s=60), "binance is missing (asked to wait 60 s)"),
        (Fault(FaultKind.MALFORMED), "binance is malformed"),
        (Fault(FaultKind.SILENT), "binance is missing (cannot be reached"),
        (Fault(FaultKind.STALE, age_ms=600_000), "binance is stale (last traded 60"),
        (Fault(FaultKind.WRONG_TYPE, value="abc"), "binance is malformed"),
        (Fault(FaultKind.WRONG_TYPE, value=-1), "binance is malformed"),
        (Fault(FaultKind.ABSURD), "binance is disagree (9.99123 is too far away)"),
    ],
)
async def test_exchange__one_venue_at_fault__the_other_counts_where_one_is_enough(
    venues: Venues, fault: Fault, says: str
) -> None:
    venues[0].inject(fault)
    if fault.kind is FaultKind.ABSURD:
        seen = await polled(venues, outlier=Decimal("0.02"))
        assert seen.quality is Quality.DISAGREE, "one against one: nobody can say who lies"
        assert "more than 2% apart: binance 9.99123, binanceus 0.999123" in seen.reason
        return
    seen = await polled(venues, min_venues=1)
    assert (seen.quality, seen.value) == (Quality.OK, PRICE), seen.reason
    assert says in seen.reason
    assert venues[0].url not in seen.reason
    both = await polled(venues)
    assert both.quality is not Quality.OK


async def test_exchange__rate_limited__is_left_alone_until_then(venues: Venues) -> None:
    async with source(venues, min_venues=1) as made:
        await made.poll()
        venues[0].inject(Fault(FaultKind.RATE_LIMITED, retry_after_s=60, times=1))
        await made.poll()
        before = venues[0].requests
        for _ in range(3):
            assert "asked to wait" in (await made.poll()).reason
        assert venues[0].requests == before


async def test_exchange__venue_that_hangs__is_missing_in_time_and_heals(venues: Venues) -> None:
    async with source(venues, min_venues=1) as made:
        await made.poll()
    venues[0].inject(Fault(FaultKind.HANG, times=1))
    async with source(venues, min_venues=1, timeout_ms=1_500) as made:
        for _ in range(20):
            seen = await made.poll()
            if "no answer within 1500 ms" in seen.reason or "in time" in seen.reason:
                break
        assert "binance is missing" in seen.reason
        assert (seen.quality, seen.value) == (Quality.OK, PRICE)
        assert "is missing" not in (await made.poll()).reason


async def test_exchange__little_volume__is_thin_and_says_how_little(venues: Venues) -> None:
    venues[0].set_price("USDCUSDT", Decimal("0.8997"), volume=Decimal(200_000))
    seen = await polled(venues)
    assert seen.quality is Quality.THIN
    assert "binance is thin (" in seen.reason
    assert "10000 needed" in seen.reason


async def test_exchange__symbol_that_is_not_traded__is_missing(venues: Venues) -> None:
    settings = [VenueSettings("binance", "NOPE/USDT", url=venues[0].url, timeout_ms=10_000)]
    made = ExchangeSource("usdc", settings, GUARDS, clock=CLOCK, min_venues=1)
    seen = await made.poll()
    await made.close()
    assert "does not trade NOPE/USDT" in seen.reason


async def test_exchange__nobody_there__is_missing(venues: Venues) -> None:
    venues[0].stop()
    assert "binance is missing (cannot be reached" in (await polled(venues)).reason


async def test_exchange__stream__brings_the_price_and_rest_takes_over_when_it_breaks(venues: Venues) -> None:
    import ccxt.pro

    async with TickerStream() as stream:
        made = ExchangeSource(
            "usdc",
            [
                VenueSettings(
                    "binance", "USDC/USDT", url=venues[0].url, timeout_ms=20_000, bars=7, spread=True, stream=True
                )
            ],
            GUARDS,
            clock=CLOCK,
            min_venues=1,
        )
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(ccxt.pro, "binance", _streaming_from(stream.url))
                assert (await made.poll()).value == PRICE  # by REST: the stream has said nothing yet
                await asyncio.wait_for(stream.subscribed.wait(), 20)
                await stream.say("USDCUSDT", "0.98765432", CLOCK.now_ms())
                await _until(made, Decimal("0.98765432"))
                await stream.drop()
                await _until(made, PRICE)
                await asyncio.wait_for(stream.subscribed.wait(), 20)
                await stream.say("USDCUSDT", "0.97", CLOCK.now_ms())
                await _until(made, Decimal("0.97"))
        finally:
            await made.close()


def _streaming_from(url: str) -> Any:
    """ccxt's own class, its streams elsewhere than its REST addresses."""
    import ccxt.pro

    class Streaming(ccxt.pro.binance):  # type: ignore[misc]
        def watch_ticker(self, symbol: str, *rest: Any) -> Any:
            self.urls["api"]["ws"]["spot"] = url.replace("http", "ws") + "/ws"
            return super().watch_ticker(symbol, *rest)

    Streaming.__name__ = "binance"
    return Streaming


async def _until(made: ExchangeSource, value: Decimal) -> None:
    for _ in range(1_000):
        if (await made.poll()).value == value:
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"never {value}")


async def test_wiring__preset_with_moved_venues__opens_every_source(venues: Venues) -> None:
    """The shipped preset, its venue addresses replaced: what a configuration says arrives at the venue."""
    one = f'venues: [{{venue: binanceus, url: "{venues[0].url}"}}]'
    text = template("stablecoin-peg")[0].replace("venues: [binanceus, binance]", one)
    text = text.replace("    outlier: 1%             # for this and the rest as above\n", "")  # one has no others
    environ = {"KEEPER_RPC_URL": "ws://127.0.0.1:8545", "KEEPER_NOTIFY_URL": "json://127.0.0.1"}
    config = loads(text.encode(), folder=Path("/somewhere"), environ=environ)
    on_chain, feeds = open_sources(config.sources, CLOCK)
    assert [source.name for source in on_chain] == ["usdc-oracle", "usdt-oracle"]
    assert [feed.name for feed in feeds] == [one.name for one in config.sources if isinstance(one, ExchangeConfig)]
    feed = next(one for one in feeds if one.name == "usdc-usdt")
    seen = await feed.poll()
    for each in feeds:
        await each.close()
    assert (seen.quality, seen.value) == (Quality.OK, PRICE), seen.reason
