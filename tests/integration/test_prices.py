"""Sources against real contracts on a real node, and against a real HTTP server with every fault it knows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from keeper.adapters.chain.node import NodeClient
from keeper.adapters.clock import SystemClock
from keeper.adapters.prices.chainlink import ChainlinkSource
from keeper.adapters.prices.contract_call import ContractCallSource
from keeper.adapters.prices.http import HttpSource
from keeper.devnet.exchange import Exchange
from keeper.devnet.venue import Fault, FaultKind
from keeper.devnet.world import World
from keeper.domain.action import FunctionCall
from keeper.domain.observation import Observation, Quality
from keeper.domain.units import Unit
from keeper.ports.prices import ChainSource

pytestmark = pytest.mark.integration

ETH = "ETH-PERP"


@pytest_asyncio.fixture
async def client(world: World) -> AsyncIterator[NodeClient]:
    made = NodeClient(world.node.ws_url, request_timeout_s=10)
    yield made
    await made.close()


async def observe(client: NodeClient, source: ChainSource) -> Observation:
    block = await client.head()
    return source.decode(await client.read(source.calls(), block), block, SystemClock().now_ms())


async def test_chainlink__real_feed__is_its_price_and_time(world: World, client: NodeClient) -> None:
    source = ChainlinkSource("oracle", world.feeds[ETH])
    await world.push_price(ETH, Decimal("2987.12345678"))
    seen = await observe(client, source)
    assert (seen.quality, seen.value) == (Quality.OK, Decimal("2987.12345678"))
    assert seen.block is not None
    assert seen.at_ms == seen.block.timestamp_s * 1000


async def test_chainlink__round_of_an_earlier_time__has_that_time(world: World, client: NodeClient) -> None:
    head = await client.head()
    await world.push_price(ETH, Decimal(3100), at_s=head.timestamp_s - 3600)
    seen = await observe(client, ChainlinkSource("oracle", world.feeds[ETH]))
    assert (seen.quality, seen.at_ms) == (Quality.OK, (head.timestamp_s - 3600) * 1000)


async def test_chainlink__address_without_a_contract__is_missing(world: World, client: NodeClient) -> None:
    seen = await observe(client, ChainlinkSource("oracle", world.keeper.address))
    assert (seen.quality, seen.value) == (Quality.MISSING, None)
    assert "contract" in seen.reason


async def test_chainlink__another_contract__is_missing_with_its_revert(world: World, client: NodeClient) -> None:
    seen = await observe(client, ChainlinkSource("oracle", world.token))
    assert seen.quality is Quality.MISSING
    assert "latestRoundData() reverted" in seen.reason


async def test_contract_call__state_of_the_protocol__is_followed(world: World, client: NodeClient) -> None:
    market = (world.market_id(ETH),)
    paused = ContractCallSource("p", FunctionCall(world.exchange, "paused(bytes32)(bool)", market), Unit.FLAG)
    limit_view = FunctionCall(world.exchange, "withdrawalLimit(bytes32)(uint256)", market)
    limit = ContractCallSource("l", limit_view, Unit.AMOUNT, decimals=6)
    assert (await observe(client, paused)).value == 0
    assert (await observe(client, limit)).value == Decimal(await world.withdrawal_limit(ETH)) / 10**6
    await world.transact(world.keeper, world.exchange, "pauseMarket(bytes32)", world.market_id(ETH))
    assert (await observe(client, paused)).value == 1


async def test_contract_call__market_that_is_not_there__is_missing_or_a_value_but_never_an_error(
    world: World, client: NodeClient
) -> None:
    view = FunctionCall(world.exchange, "withdrawalLimit(bytes32)(uint256)", ("0x" + "00" * 32,))
    seen = await observe(client, ContractCallSource("l", view, Unit.AMOUNT))
    assert seen.quality in (Quality.OK, Quality.MISSING)


def ticker(exchange: Exchange, symbol: str = "ETHUSDT", **changes: Any) -> HttpSource:
    arguments: dict[str, Any] = {"value_path": "lastPrice", "time_path": "closeTime", "timeout_ms": 5_000, **changes}
    return HttpSource("spot", exchange.ticker_url(symbol), clock=SystemClock(), **arguments)


async def poll(source: HttpSource) -> Observation:
    try:
        return await source.poll()
    finally:
        await source.close()


async def test_http__ticker__is_the_price_to_the_last_digit(exchange: Exchange) -> None:
    exchange.set_price("ETHUSDT", Decimal("2987.12345678"))
    seen = await poll(ticker(exchange))
    assert (seen.quality, seen.value) == (Quality.OK, Decimal("2987.12345678"))
    assert seen.at_ms is not None
    assert abs(seen.received_ms - seen.at_ms) < 60_000


async def test_http__polled_again__follows_the_price_on_one_connection(exchange: Exchange) -> None:
    source = ticker(exchange)
    for price in (Decimal(10), Decimal(11), Decimal(12)):
        exchange.set_price("ETHUSDT", price)
        assert (await source.poll()).value == price
    await source.close()
    assert exchange.requests == 3


@pytest.mark.parametrize(
    ("fault", "quality", "says"),
    [
        (Fault(FaultKind.HTTP_500), Quality.MISSING, "HTTP 500"),
        (Fault(FaultKind.RATE_LIMITED, retry_after_s=7), Quality.MISSING, "asked to wait 7 s"),
        (Fault(FaultKind.MALFORMED), Quality.MALFORMED, "not JSON"),
        (Fault(FaultKind.WRONG_TYPE, value=None), Quality.MALFORMED, "not a number"),
        (Fault(FaultKind.WRONG_TYPE, value="NaN"), Quality.MALFORMED, "not a number"),
        (Fault(FaultKind.WRONG_TYPE, value=float("inf")), Quality.MALFORMED, "Infinity"),
        (Fault(FaultKind.WRONG_TYPE, value=True), Quality.MALFORMED, "not a number"),
        (Fault(FaultKind.WRONG_TYPE, value=-1), Quality.MALFORMED, "negative"),
        (Fault(FaultKind.WRONG_TYPE, value="9" * 70_000), Quality.MALFORMED, "64 kB"),
        (Fault(FaultKind.SILENT), Quality.MISSING, "cannot be reached"),
    ],
)
async def test_http__fault__is_a_quality_with_a_reason(
    exchange: Exchange, fault: Fault, quality: Quality, says: str
) -> None:
    exchange.inject(fault)
    seen = await poll(ticker(exchange))
    assert (seen.quality, seen.value) == (quality, None)
    assert says in seen.reason
    assert "127.0.0.1" in seen.reason


async def test_http__exchange_that_hangs__is_missing_after_the_time_out(exchange: Exchange) -> None:
    exchange.inject(Fault(FaultKind.HANG, times=1))
    source = ticker(exchange, timeout_ms=200)
    assert (await source.poll()).quality is Quality.MISSING
    exchange.heal()
    healed = ticker(exchange)
    assert (await healed.poll()).quality is Quality.OK
    await source.close()
    await healed.close()


async def test_http__rate_limited__is_left_alone(exchange: Exchange) -> None:
    exchange.inject(Fault(FaultKind.RATE_LIMITED, retry_after_s=60, times=1))
    source = ticker(exchange)
    for _ in range(5):
        assert (await source.poll()).quality is Quality.MISSING
    await source.close()
    assert exchange.requests == 1


async def test_http__stale_ticker__is_ok_with_its_old_time(exchange: Exchange) -> None:
    exchange.inject(Fault(FaultKind.STALE, age_ms=600_000))
    seen = await poll(ticker(exchange))
    assert seen.quality is Quality.OK
    assert seen.at_ms is not None
    assert seen.received_ms - seen.at_ms >= 600_000


async def test_http__unknown_symbol_or_nobody_there__is_missing(exchange: Exchange) -> None:
    assert "HTTP 400" in (await poll(ticker(exchange, "NOPE"))).reason
    exchange.stop()
    seen = await poll(ticker(exchange))
    assert (seen.quality, "cannot be reached" in seen.reason) == (Quality.MISSING, True)
