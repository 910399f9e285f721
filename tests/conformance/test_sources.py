"""What every source must do: an observation that keeps its own rules, whatever the other side does."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import httpx
import pytest

from keeper.adapters.prices.chain_answer import NoValue
from keeper.adapters.prices.chainlink import ChainlinkSource
from keeper.adapters.prices.contract_call import ContractCallSource
from keeper.adapters.prices.erc4626 import Erc4626Source
from keeper.adapters.prices.exchange import ExchangeSource, Reading, VenueSettings
from keeper.adapters.prices.http import HttpSource
from keeper.adapters.prices.memory import MemoryChainSource, MemoryFeed
from keeper.adapters.prices.pyth import PythSource
from keeper.adapters.prices.sequencer import SequencerUptimeSource
from keeper.adapters.prices.tick_math import Q96
from keeper.adapters.prices.uniswap_v3 import UniswapV3Source
from keeper.domain.action import FunctionCall
from keeper.domain.evm import CallResult
from keeper.domain.observation import Observation, Quality
from keeper.domain.units import Unit
from keeper.domain.venue import Guards, Quote
from keeper.ports.clock import Clock
from keeper.ports.prices import ChainSource, FeedSource
from tests.support.pool_answers import TOKEN0, TOKEN1, observed, pool_answers
from tests.support.source_fakes import BLOCK, RECEIVED_MS, ROUND_TYPES, ManualClock, T, returned, round_data

pytestmark = pytest.mark.conformance

TARGET = "0xcA11bde05977b3631167028862bE2a173976CA11"
NAME = "the-source"
WITHOUT_VALUE = (Quality.MISSING, Quality.MALFORMED)


def chainlink() -> tuple[ChainSource, list[CallResult]]:
    return ChainlinkSource(NAME, TARGET), [round_data(5), returned(["uint8"], 0)]


def chainlink_with_bounds() -> tuple[ChainSource, list[CallResult]]:
    bounds = [returned(["int192"], 1), returned(["int192"], 9)]
    source = ChainlinkSource(NAME, TARGET, heartbeat_ms=60_000, read_bounds=True)
    return source, [round_data(5), returned(["uint8"], 0), *bounds]


def pyth() -> tuple[ChainSource, list[CallResult]]:
    return PythSource(NAME, TARGET, "0x" + "11" * 32), [returned(["int64", "uint64", "int32", "uint256"], 50, 0, -1, T)]


def pool_spot() -> tuple[ChainSource, list[CallResult]]:
    return UniswapV3Source(NAME, TARGET, TOKEN0, TOKEN1), pool_answers(2 * Q96)


def pool_twap() -> tuple[ChainSource, list[CallResult]]:
    source = UniswapV3Source(NAME, TARGET, TOKEN1, TOKEN0, window_s=60, min_liquidity=Decimal("0.1"))
    return source, [*pool_answers(Q96, base=TOKEN1), observed((7, 7), (0, 60 << 64))]


def vault() -> tuple[ChainSource, list[CallResult]]:
    eighteen = returned(["uint8"], 18)
    source = Erc4626Source(NAME, TARGET, TOKEN0, max_growth_per_day=Decimal("0.01"))
    return source, [returned(["uint256"], 5 * 10**24), eighteen, returned(["address"], TOKEN0), eighteen]


def sequencer() -> tuple[ChainSource, list[CallResult]]:
    return SequencerUptimeSource(NAME, TARGET), [returned(ROUND_TYPES, 1, 0, T - 86_400, T - 86_400, 1)]


def contract_call() -> tuple[ChainSource, list[CallResult]]:
    view = FunctionCall(TARGET, "f()(uint256)")
    return ContractCallSource(NAME, view, Unit.AMOUNT), [returned(["uint256"], 5)]


def in_memory() -> tuple[ChainSource, list[CallResult]]:
    return MemoryChainSource(NAME, Decimal(5)), []


GOOD = {pool_spot: Decimal(4), pool_twap: Decimal(1), sequencer: Decimal(1)}
"""What the good answers mean, where it is not 5: no pool has a price that is exactly 5."""
CHAIN_SOURCES = [
    chainlink,
    chainlink_with_bounds,
    contract_call,
    pyth,
    pool_spot,
    pool_twap,
    vault,
    sequencer,
    in_memory,
]
HOSTILE = [
    b"",
    b"\0",
    b"\xff" * 31,
    bytes(32),
    b"\xff" * 32,
    bytes(160),
    b"\xff" * 160,
    b"\x08\xc3\x79\xa0" + b"\xff" * 68,
]


def check(seen: Observation, *, composed: bool = False) -> None:
    """``composed``: made of several, so that the reason names them in any case."""
    assert seen.source == NAME
    assert (seen.value is None) == (seen.quality in WITHOUT_VALUE)
    assert bool(seen.reason) == (composed or seen.quality is not Quality.OK)
    assert seen.value is None or seen.value.is_finite()


@pytest.mark.parametrize("make", CHAIN_SOURCES)
def test_chain_source__its_calls__are_the_same_each_time(
    make: Callable[[], tuple[ChainSource, list[CallResult]]],
) -> None:
    source, _ = make()
    assert source.name == NAME
    assert list(source.calls()) == list(source.calls()) == list(make()[0].calls())


@pytest.mark.parametrize("make", CHAIN_SOURCES)
def test_chain_source__good_answers__are_an_observation_at_the_block(
    make: Callable[[], tuple[ChainSource, list[CallResult]]],
) -> None:
    source, good = make()
    assert len(good) == len(source.calls())
    seen = source.decode(good, BLOCK, RECEIVED_MS)
    check(seen)
    value = GOOD.get(make, Decimal(5))
    assert (seen.quality, seen.value, seen.block, seen.received_ms) == (Quality.OK, value, BLOCK, RECEIVED_MS)


@pytest.mark.parametrize("make", CHAIN_SOURCES)
@pytest.mark.parametrize("ok", [True, False])
@pytest.mark.parametrize("data", HOSTILE)
def test_chain_source__hostile_bytes_in_any_place__never_raise(
    make: Callable[[], tuple[ChainSource, list[CallResult]]], ok: bool, data: bytes
) -> None:
    source, good = make()
    for place in range(len(good)):
        answers = [*good[:place], CallResult(ok, data), *good[place + 1 :]]
        check(source.decode(answers, BLOCK, RECEIVED_MS))
    for count in range(8):
        check(source.decode([CallResult(ok, data)] * count, BLOCK, RECEIVED_MS))


def http_saying(body: bytes) -> FeedSource:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=httpx.ByteStream(body)))
    return HttpSource(
        NAME, "https://x.example/p", clock=ManualClock(), value_path="p", interval_ms=500, transport=transport
    )


class Stall:
    """A made-up venue of the exchange source."""

    def __init__(self, price: str | None) -> None:
        self.price = price

    async def read(self) -> Reading:
        if self.price is None:
            raise NoValue(Quality.MISSING, "gone")
        return Reading(Quote(Decimal(self.price)))

    async def close(self) -> None:
        """Nothing to let go of."""


def exchange_saying(price: str | None) -> FeedSource:
    async def open_venue(settings: VenueSettings, clock: Clock) -> Stall:
        return Stall(price)

    venues = [VenueSettings("a", "A/B"), VenueSettings("b", "A/B")]
    return ExchangeSource(NAME, venues, Guards(60_000), clock=ManualClock(), interval_ms=500, open_venue=open_venue)


def feed_with_a_value(kind: str) -> FeedSource:
    if kind == "exchange":
        return exchange_saying("5")
    if kind == "http":
        return http_saying(b'{"p": "5"}')
    return MemoryFeed(NAME, [Decimal(5)], clock=ManualClock(), interval_ms=500)


def feed_without(kind: str) -> FeedSource:
    if kind == "exchange":
        return exchange_saying(None)
    return http_saying(b"nope") if kind == "http" else MemoryFeed(NAME, [], clock=ManualClock())


FEEDS = ["http", "memory", "exchange"]


@pytest.mark.parametrize("kind", FEEDS)
async def test_feed__with_a_value__gives_it_each_time(kind: str) -> None:
    feed = feed_with_a_value(kind)
    assert (feed.name, feed.interval_ms) == (NAME, 500)
    for _ in range(2):
        seen = await feed.poll()
        check(seen, composed=kind == "exchange")
        assert (seen.quality, seen.value, seen.block, seen.received_ms) == (Quality.OK, Decimal(5), None, RECEIVED_MS)
    await feed.close()


@pytest.mark.parametrize("kind", FEEDS)
async def test_feed__without_a_value__says_why(kind: str) -> None:
    feed = feed_without(kind)
    seen = await feed.poll()
    check(seen)
    assert seen.value is None
    await feed.close()


@pytest.mark.parametrize("kind", FEEDS)
async def test_feed__closed__may_be_closed_again(kind: str) -> None:
    feed = feed_with_a_value(kind)
    await feed.close()
    await feed.close()
    check(await feed.poll())


async def test_memory_feed__its_script__is_followed_and_the_last_value_stays() -> None:
    feed = MemoryFeed(NAME, [Decimal(1), None, Decimal(3)], clock=ManualClock())
    assert [(await feed.poll()).value for _ in range(5)] == [1, None, 3, 3, 3]
    assert feed.polls == 5


def test_memory_source__without_a_value__is_missing() -> None:
    seen = MemoryChainSource(NAME).decode([], BLOCK, RECEIVED_MS)
    check(seen)
    assert seen.quality is Quality.MISSING
