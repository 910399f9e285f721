"""Sources on the chain against the contracts that they are made for, on a real node."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from math import isqrt

import pytest
import pytest_asyncio

from keeper.adapters.chain.multicall import MULTICALL3
from keeper.adapters.chain.node import NodeClient
from keeper.adapters.prices.chainlink import ChainlinkSource
from keeper.adapters.prices.erc4626 import Erc4626Source
from keeper.adapters.prices.pyth import PythSource
from keeper.adapters.prices.sequencer import SequencerUptimeSource
from keeper.adapters.prices.tick_math import MAX_SQRT_PRICE, MAX_TICK, MIN_SQRT_PRICE, Q96, tick_price
from keeper.adapters.prices.uniswap_v3 import UniswapV3Source
from keeper.devnet.anvil import Anvil
from keeper.devnet.toolchain import load_artifact
from keeper.devnet.transactions import calldata
from keeper.domain.abi_codec import decode_values
from keeper.domain.address import keccak256
from keeper.domain.observation import Observation, Quality
from keeper.ports.prices import ChainSource
from tests.support.real_contracts import (
    AGGREGATOR,
    MULTICALL3_CODE_HASH,
    NOBODY,
    PROXY,
    Pool,
    Stand,
    multicall3_code,
    npm_artifact,
    put_pool,
    put_token,
    pyth_update,
)

pytestmark = pytest.mark.integration

COIN = 10**8
ROUND = "updateRoundData(uint80,int256,uint256,uint256)"
ETH = "0xff61491a931112ddf1bd8147cd1b641375f79f5825126d665480874634fd0ace"
USD = 10**6


@pytest_asyncio.fixture
async def stand(anvil: Anvil) -> Stand:
    """The node with Multicall3 as it is on mainnet."""
    await anvil.set_code(MULTICALL3, multicall3_code())
    return Stand(anvil)


@pytest_asyncio.fixture
async def client(stand: Stand) -> AsyncIterator[NodeClient]:
    made = NodeClient(stand.node.ws_url, request_timeout_s=10)
    yield made
    await made.close()


@pytest_asyncio.fixture
async def pool(stand: Stand) -> Pool:
    """At 2500 quote tokens for one base token."""
    made = await put_pool(stand)
    raw = Fraction(2500 * 10**6, 10**18)
    await stand.do(made.address, "initialize(uint160)", isqrt(int((1 / raw if made.inverted else raw) * Q96 * Q96)))
    return made


async def observe_all(client: NodeClient, sources: Sequence[ChainSource]) -> list[Observation]:
    """All of them at the newest block, in one read, as the keeper does it."""
    block = await client.head()
    results = await client.read([call for source in sources for call in source.calls()], block)
    seen, place = [], 0
    for source in sources:
        count = len(source.calls())
        seen.append(source.decode(results[place : place + count], block, block.timestamp_s * 1000))
        place += count
    return seen


async def observe(client: NodeClient, source: ChainSource) -> Observation:
    return (await observe_all(client, [source]))[0]


# ------------------------------------------------------------------------------------------------------------ Chainlink


async def test_chainlink__real_proxy_and_mock_aggregator__are_read_with_the_aggregators_decimals(
    stand: Stand, client: NodeClient
) -> None:
    aggregator = await stand.put(npm_artifact(AGGREGATOR), 8, 3000 * COIN)
    proxy = await stand.put(npm_artifact(PROXY), aggregator, NOBODY)
    now_s = await stand.time_s()
    await stand.do(aggregator, ROUND, 7, 2987 * COIN + 1, now_s - 100, now_s - 100)
    sources = [ChainlinkSource(name, at, read_bounds=True) for name, at in (("a", aggregator), ("p", proxy))]
    for seen in await observe_all(client, sources):
        assert (seen.quality, seen.reason, seen.value) == (Quality.OK, "", Decimal("2987.00000001"))
        assert seen.at_ms == (now_s - 100) * 1000


async def test_chainlink__proxy_that_gets_another_aggregator__is_followed_with_its_decimals(
    stand: Stand, client: NodeClient
) -> None:
    first = await stand.put(npm_artifact(AGGREGATOR), 8, 3000 * COIN)
    second = await stand.put(npm_artifact(AGGREGATOR), 18, 2999 * 10**18)
    proxy = await stand.put(npm_artifact(PROXY), first, NOBODY)
    source = ChainlinkSource("p", proxy, read_bounds=True)
    assert (await observe(client, source)).value == 3000
    await stand.do(proxy, "proposeAggregator(address)", second)
    await stand.do(proxy, "confirmAggregator(address)", second)
    seen = await observe(client, source)
    assert (seen.quality, seen.value) == (Quality.OK, Decimal(2999))


async def test_chainlink__heartbeat_of_a_mock_aggregator__passes_with_the_chains_time(
    stand: Stand, client: NodeClient
) -> None:
    aggregator = await stand.put(npm_artifact(AGGREGATOR), 8, 3000 * COIN)
    source = ChainlinkSource("a", aggregator, heartbeat_ms=3_600_000)
    began_s = await stand.time_s()
    qualities = []
    for after_s in (3_600, 3_601):
        await stand.wait_until(began_s + after_s)
        qualities.append((await observe(client, source)).quality)
    assert qualities == [Quality.OK, Quality.STALE]
    await stand.do(aggregator, "updateAnswer(int256)", 3001 * COIN)
    seen = await observe(client, source)
    assert (seen.quality, seen.value) == (Quality.OK, Decimal(3001))


@pytest.mark.parametrize("answer", [0, -1, -(2**255)])
async def test_chainlink__answer_of_zero_or_less__is_malformed(stand: Stand, client: NodeClient, answer: int) -> None:
    aggregator = await stand.put(npm_artifact(AGGREGATOR), 8, answer)
    seen = await observe(client, ChainlinkSource("a", aggregator))
    assert (seen.quality, seen.value) == (Quality.MALFORMED, None)


async def test_chainlink__round_without_a_time__is_missing(stand: Stand, client: NodeClient) -> None:
    aggregator = await stand.put(npm_artifact(AGGREGATOR), 8, 1)
    await stand.do(aggregator, ROUND, 9, 5, 0, 0)
    assert (await observe(client, ChainlinkSource("a", aggregator))).quality is Quality.MISSING


async def test_chainlink__price_beyond_the_aggregators_bounds__is_clamped_by_itself_and_through_a_proxy_by_configuration(
    stand: Stand, client: NodeClient
) -> None:
    feed = await stand.put(load_artifact("BoundedFeed", file="Feeds"), COIN // 10, 1000 * COIN)
    proxy = await stand.put(npm_artifact(PROXY), feed, NOBODY)
    sources = [
        ChainlinkSource("aggregator", feed, read_bounds=True),
        ChainlinkSource("proxy, bounds unknown", proxy, read_bounds=True),
        ChainlinkSource("proxy", proxy, bounds=(Decimal("0.1"), Decimal(1000))),
    ]
    qualities = []
    for number, price in enumerate((20 * COIN, COIN // 1000, 5000 * COIN), start=1):
        await stand.do(feed, "report(int256,uint80,uint80)", price, number, number)
        qualities.append([seen.quality for seen in await observe_all(client, sources)])
    clamped = [Quality.CLAMPED, Quality.OK, Quality.CLAMPED]
    assert qualities == [[Quality.OK] * 3, clamped, clamped]


async def test_chainlink__round_answered_in_an_earlier_one__is_stale(stand: Stand, client: NodeClient) -> None:
    feed = await stand.put(load_artifact("BoundedFeed", file="Feeds"), 1, 10**12)
    await stand.do(feed, "report(int256,uint80,uint80)", COIN, 8, 7)
    seen = await observe(client, ChainlinkSource("a", feed))
    assert (seen.quality, seen.value) == (Quality.STALE, Decimal(1))


async def test_sequencer__goes_down_and_comes_back__is_followed_through_the_grace_period(
    stand: Stand, client: NodeClient
) -> None:
    feed = await stand.put(npm_artifact(AGGREGATOR), 0, 0)
    source = SequencerUptimeSource("sequencer", feed, grace_ms=600_000)
    began_s = await stand.time_s()
    seen = []
    for after_s, status in ((601, None), (700, 1), (5_000, None), (5_100, 0), (5_700, None), (5_701, None)):
        if status is None:
            await stand.wait_until(began_s + after_s)
        else:
            await stand.do(feed, "updateAnswer(int256)", status, at_s=began_s + after_s)
        one = await observe(client, source)
        seen.append((one.quality, one.value))
    up, down, grace = (Quality.OK, Decimal(1)), (Quality.OK, Decimal(0)), (Quality.STALE, Decimal(1))
    assert seen == [up, down, down, grace, grace, up]


# ----------------------------------------------------------------------------------------------------------------- Pyth


async def test_pyth__mock__is_read_with_its_exponent_confidence_and_time(stand: Stand, client: NodeClient) -> None:
    pyth = await stand.put(load_artifact("MockPyth"), 60, 0)
    source = PythSource("eth", pyth, ETH, max_confidence=Decimal("0.01"))
    nothing = await observe(client, source)
    assert (nothing.quality, nothing.reason[:24]) == (Quality.MISSING, "there is no price 0xff61")
    now_s = await stand.time_s()
    updates = [
        ((298_712_345_678, 2_987_123_456, -8), Quality.OK, Decimal("2987.12345678")),
        ((298_712_345_678, 2_987_123_457, -8), Quality.WIDE, Decimal("2987.12345678")),
        ((3, 0, 2), Quality.OK, Decimal(300)),
        ((-3, 0, 2), Quality.MALFORMED, None),
        ((2**63 - 1, 0, -18), Quality.OK, Decimal("9.223372036854775807")),
        ((1, 0, 2**31 - 1), Quality.MALFORMED, None),
    ]
    for number, (price, quality, value) in enumerate(updates, start=-len(updates)):
        await stand.raw(pyth, pyth_update(ETH, *price, now_s + number))
        seen = await observe(client, source)
        assert (seen.quality, seen.value) == (quality, value)
        assert value is None or seen.at_ms == (now_s + number) * 1000


async def test_pyth__price_that_nobody_renews__keeps_its_time(stand: Stand, client: NodeClient) -> None:
    pyth = await stand.put(load_artifact("MockPyth"), 60, 0)
    now_s = await stand.time_s()
    await stand.raw(pyth, pyth_update(ETH, 5, 0, 0, now_s))
    await stand.wait_until(now_s + 86_400)
    seen = await observe(client, PythSource("eth", pyth, ETH))
    assert (seen.quality, seen.at_ms) == (Quality.OK, now_s * 1000)


# ------------------------------------------------------------------------------------------------------------- Uniswap


def priced(root: int, *, inverted: bool) -> Fraction:
    """Quote per base of a pool with 18 and 6 decimals, from first principles."""
    raw = Fraction(root * root, Q96 * Q96)
    return (1 / raw if inverted else raw) * 10**12


def of_tick(tick: int, *, inverted: bool) -> Fraction:
    with localcontext() as context:
        context.prec = 80
        return Fraction((Decimal("1.0001").ln() * (-tick if inverted else tick)).exp()) * 10**12


def same(seen: Decimal | None, exact: Fraction) -> bool:
    return seen is not None and abs(Fraction(seen) - exact) <= exact / 10**39


async def test_uniswap__real_swaps__move_spot_at_once_and_the_mean_as_computed(
    stand: Stand, client: NodeClient, pool: Pool
) -> None:
    await stand.do(pool.address, "increaseObservationCardinalityNext(uint16)", 20)
    began_s = await stand.time_s() + 1_000
    await pool.mint(10**17, at_s=began_s)
    path: list[tuple[int, int]] = [(began_s, (await pool.root_and_tick())[1])]
    for after_s, amount in ((100, 900_000 * USD), (250, 400_000 * USD), (700, 2_000_000 * USD)):
        await pool.buy_base(amount, at_s=began_s + after_s)
        path.append((began_s + after_s, (await pool.root_and_tick())[1]))
    now_s = began_s + 760
    await stand.wait_until(now_s)
    spot = UniswapV3Source("spot", pool.address, pool.base, pool.quote)
    means = {w: UniswapV3Source(f"{w}", pool.address, pool.base, pool.quote, window_s=w) for w in (30, 60, 300, 760)}
    seen, *averages = await observe_all(client, [spot, *means.values()])
    root, tick = await pool.root_and_tick()
    assert seen.quality is Quality.OK
    assert same(seen.value, priced(root, inverted=pool.inverted))
    assert len({tick for _, tick in path}) == 4
    for window_s, average in zip(means, averages, strict=True):
        from_s = now_s - window_s
        ends = [*(at_s for at_s, _ in path[1:]), now_s]
        total = sum(tick * max(0, end - max(at_s, from_s)) for (at_s, tick), end in zip(path, ends, strict=True))
        assert average.quality is Quality.OK
        assert same(average.value, of_tick(total // window_s, inverted=pool.inverted))
    # the price was driven up: the longer the window, the lower the mean; over the last minute it is the tick of now
    values = [average.value for average in averages if average.value is not None]
    assert values[0] == values[1] > values[2] > values[3]
    assert same(values[0], of_tick(tick, inverted=pool.inverted))
    assert seen.value is not None
    assert seen.value > values[2] * Decimal("1.1")


async def test_uniswap__both_directions__are_inverse(stand: Stand, client: NodeClient, pool: Pool) -> None:
    await pool.mint(10**17)
    await pool.buy_base(123_456 * USD)
    await stand.wait_until(await stand.time_s() + 60)
    for window_s in (None, 30):
        there = UniswapV3Source("there", pool.address, pool.base, pool.quote, window_s=window_s)
        back = UniswapV3Source("back", pool.address, pool.quote, pool.base, window_s=window_s)
        one, other = await observe_all(client, [there, back])
        assert one.value is not None
        assert other.value is not None
        assert 2500 < one.value < 4000
        assert abs(Fraction(one.value) * Fraction(other.value) - 1) < Fraction(1, 10**38)


async def test_uniswap__window_beyond_the_pools_memory__is_missing_until_it_is_old_enough(
    stand: Stand, client: NodeClient, pool: Pool
) -> None:
    source = UniswapV3Source("mean", pool.address, pool.base, pool.quote, window_s=600)
    await pool.mint(10**17)
    await pool.buy_base(1_000 * USD)
    seen = await observe(client, source)
    assert (seen.quality, seen.value) == (Quality.MISSING, None)
    assert "does not remember 600 s: it keeps 1 observations" in seen.reason
    traded_s = await stand.time_s()
    qualities = []
    for after_s in (599, 600):
        await stand.wait_until(traded_s + after_s)
        qualities.append((await observe(client, source)).quality)
    assert qualities == [Quality.MISSING, Quality.OK]


async def test_uniswap__pool_without_a_price__is_missing(stand: Stand, client: NodeClient) -> None:
    empty = await put_pool(stand)
    sources = [
        UniswapV3Source("spot", empty.address, empty.base, empty.quote),
        UniswapV3Source("mean", empty.address, empty.base, empty.quote, window_s=60),
    ]
    for seen in await observe_all(client, sources):
        assert (seen.quality, "never given a price" in seen.reason) == (Quality.MISSING, True)


async def test_uniswap__other_tokens_than_configured__is_malformed(
    stand: Stand, client: NodeClient, pool: Pool
) -> None:
    other = await put_token(stand, 6)
    seen = await observe(client, UniswapV3Source("x", pool.address, pool.base, other))
    assert (seen.quality, seen.value) == (Quality.MALFORMED, None)
    assert pool.quote in seen.reason


async def test_uniswap__liquidity_that_goes__is_thin_at_the_reserves_it_stands_for(
    stand: Stand, client: NodeClient, pool: Pool
) -> None:
    # L = sqrt(x * y) for the whole range: 1000 base and 2.5 million quote tokens
    liquidity = int(Decimal(1000 * 10**18 * 2_500_000 * 10**6).sqrt())
    await pool.mint(liquidity)
    low, high = (
        UniswapV3Source(floor, pool.address, pool.base, pool.quote, min_liquidity=Decimal(floor))
        for floor in ("2499999", "2500001")
    )
    assert [one.quality for one in await observe_all(client, [low, high])] == [Quality.OK, Quality.THIN]
    await pool.burn(liquidity // 2)
    thin = await observe(client, low)
    assert thin.quality is Quality.THIN
    assert thin.value is not None
    assert abs(thin.value - 2500) < Decimal("0.01")
    await pool.burn(liquidity - liquidity // 2)
    assert (await observe(client, low)).reason == "there is no liquidity at this price"


async def test_uniswap__liquidity_that_came_a_moment_ago__does_not_count_over_a_window(
    stand: Stand, client: NodeClient, pool: Pool
) -> None:
    await stand.do(pool.address, "increaseObservationCardinalityNext(uint16)", 20)
    began_s = await stand.time_s() + 1_000
    await pool.mint(10**14, at_s=began_s)
    await pool.mint(10**18, at_s=began_s + 599)
    await stand.wait_until(began_s + 600)
    spot, mean = (
        UniswapV3Source("x", pool.address, pool.base, pool.quote, window_s=window_s, min_liquidity=Decimal(10_000))
        for window_s in (None, 600)
    )
    assert [one.quality for one in await observe_all(client, [spot, mean])] == [Quality.OK, Quality.THIN]


async def test_tick_price__held_against_the_pools_own_tick_math__agrees_within_the_stated_bound(stand: Stand) -> None:
    """A pool initialised at a root tells the tick it counts it under: just above the root of a tick it is that tick, just below the one before.

    So this pins the contract's root of each tick from both sides.
    """
    fresh = await put_pool(stand)
    slot0 = calldata("slot0()")

    async def tick_at(root: int) -> int:
        _, answer = await stand.one_after_the_other(
            [(fresh.address, calldata("initialize(uint160)", root)), (fresh.address, slot0)]
        )
        return int(decode_values(("uint160", "int24"), answer)[1])

    steps = [1, 2, 60, 887, 12_345, 78_244, 201_234, 443_636, 700_001, MAX_TICK - 1]
    for tick in [0, *steps, *(-step for step in steps)]:
        with localcontext() as context:
            context.prec = 80
            root = int(tick_price(tick).sqrt() * Q96)
        margin = 1 + root // 2**60
        assert await tick_at(root + margin + 1) == tick
        if root - margin >= MIN_SQRT_PRICE:
            assert await tick_at(root - margin) == tick - 1
    assert await tick_at(MIN_SQRT_PRICE) == -MAX_TICK
    assert await tick_at(MAX_SQRT_PRICE - 1) == MAX_TICK - 1


# -------------------------------------------------------------------------------------------------------------- ERC-4626


async def test_vault__openzeppelins__is_the_rate_of_its_own_books(stand: Stand, client: NodeClient) -> None:
    asset = await put_token(stand, 6)
    vault = await stand.put(load_artifact("AnyVault", file="Vault"), asset, 12)
    source = Erc4626Source("rate", vault, asset, max_growth_per_day=Decimal("0.01"))
    assert (await observe(client, source)).value == 1
    await stand.do(asset, "mint(address,uint256)", stand.sender, 10**15)
    await stand.do(asset, "approve(address,uint256)", vault, 10**15)
    await stand.do(vault, "deposit(uint256,address)", 7_000_000 * USD, stand.sender)
    await stand.do(asset, "transfer(address,uint256)", vault, 23_456 * USD + 789)
    seen = await observe(client, source)
    books = (
        await stand.read(vault, "totalAssets()(uint256)") + 1,
        await stand.read(vault, "totalSupply()(uint256)") + 10**12,
    )
    assets = 10**24 * books[0] // books[1]
    assert (seen.quality, seen.value) == (Quality.OK, Decimal(assets).scaleb(-12))
    assert seen.value is not None
    assert Decimal("1.0033") < seen.value < Decimal("1.0034")


async def test_vault__rate_raised_by_a_gift__is_clamped_until_the_days_allow_it(
    stand: Stand, client: NodeClient
) -> None:
    asset = await put_token(stand, 18)
    vault = await stand.put(load_artifact("AnyVault", file="Vault"), asset, 0)
    source = Erc4626Source("rate", vault, asset, max_growth_per_day=Decimal("0.01"))
    await stand.do(asset, "mint(address,uint256)", stand.sender, 10**24)
    await stand.do(asset, "approve(address,uint256)", vault, 10**24)
    await stand.do(vault, "deposit(uint256,address)", 10**21, stand.sender)
    assert (await observe(client, source)).quality is Quality.OK
    began_s = await stand.time_s()
    await stand.do(asset, "transfer(address,uint256)", vault, 25 * 10**18)
    gift = await observe(client, source)
    assert (gift.quality, "1% a day" in gift.reason) == (Quality.CLAMPED, True)
    qualities = []
    for days in (1, 2):
        await stand.wait_until(began_s + days * 86_400)
        qualities.append((await observe(client, source)).quality)
    assert qualities == [Quality.CLAMPED, Quality.OK]


async def test_vault__of_another_asset_or_no_vault_at_all__is_said(stand: Stand, client: NodeClient) -> None:
    asset, other = await put_token(stand, 6), await put_token(stand, 6)
    vault = await stand.put(load_artifact("AnyVault", file="Vault"), asset, 0)
    sources = [Erc4626Source("x", vault, other), Erc4626Source("y", asset, other), Erc4626Source("z", NOBODY, asset)]
    seen = await observe_all(client, sources)
    assert [one.quality for one in seen] == [Quality.MALFORMED, Quality.MISSING, Quality.MISSING]
    assert asset in seen[0].reason


# ------------------------------------------------------------------------------------------------------------- all at once


async def test_multicall3__mainnets_code__answers_all_sources_in_one_request_as_single_calls_do(
    stand: Stand, client: NodeClient, pool: Pool
) -> None:
    code = str(await stand.node.rpc("eth_getCode", MULTICALL3, "latest"))
    assert keccak256(bytes.fromhex(code[2:])).hex() == MULTICALL3_CODE_HASH
    aggregator = await stand.put(npm_artifact(AGGREGATOR), 8, 3000 * COIN)
    pyth = await stand.put(load_artifact("MockPyth"), 60, 0)
    vault = await stand.put(load_artifact("AnyVault", file="Vault"), pool.quote, 12)
    await pool.mint(10**17)
    await stand.raw(pyth, pyth_update(ETH, 3001, 0, 0, await stand.time_s()))
    sources: list[ChainSource] = [
        ChainlinkSource("chainlink", aggregator, read_bounds=True),
        PythSource("pyth", pyth, ETH),
        UniswapV3Source("spot", pool.address, pool.base, pool.quote),
        UniswapV3Source("mean", pool.address, pool.base, pool.quote, window_s=1),
        Erc4626Source("vault", vault, pool.quote),
        SequencerUptimeSource("down", pyth),
    ]
    await stand.wait_until(await stand.time_s() + 10)
    block = await client.head()
    calls = [call for source in sources for call in source.calls()]
    await client.read(calls, block)
    before = client.requests_made
    await client.read(calls, block)
    assert client.requests_made == before + 1
    together = await observe_all(client, sources)
    assert [seen.quality for seen in together] == [Quality.OK] * 5 + [Quality.MISSING]
    await stand.node.set_code(MULTICALL3, "0x")
    await stand.node.mine()
    assert await stand.node.rpc("eth_getCode", MULTICALL3, "latest") == "0x"
    plain = NodeClient(stand.node.ws_url, request_timeout_s=10)
    apart = await observe_all(plain, sources)
    await plain.close()
    assert [(one.value, one.quality, one.reason) for one in apart] == [
        (one.value, one.quality, one.reason) for one in together
    ]
