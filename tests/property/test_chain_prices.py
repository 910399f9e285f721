"""Sources on the chain over their whole range: exact decimals, inversion, means, and bytes that nobody would send."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.prices.chainlink import ChainlinkSource
from keeper.adapters.prices.erc4626 import Erc4626Source
from keeper.adapters.prices.pyth import MAX_EXPONENT, PythSource
from keeper.adapters.prices.ratio import exceeds_share, power, product, ratio, root, shifted
from keeper.adapters.prices.sequencer import SequencerUptimeSource
from keeper.adapters.prices.tick_math import (
    MAX_SQRT_PRICE,
    MAX_TICK,
    MIN_SQRT_PRICE,
    mean_liquidity,
    mean_tick,
    spot_price,
    tick_price,
    virtual_reserve,
)
from keeper.adapters.prices.uniswap_v3 import UniswapV3Source
from keeper.domain.block import BlockStamp
from keeper.domain.evm import CallResult
from keeper.domain.observation import WITHOUT_VALUE, Observation, Quality
from keeper.domain.units import Unit
from keeper.ports.prices import ChainSource
from tests.support.pool_answers import POOL, TOKEN0, TOKEN1, observed, pool_answers
from tests.support.source_fakes import BLOCK, RECEIVED_MS, ROUND_TYPES, T, returned

pytestmark = pytest.mark.property

BOUND = Fraction(1, 10**39)
"""Forty digits, rounded once: at most half a unit of the last one, which is 5e-40 of the value."""

sqrt_prices = st.one_of(
    st.integers(MIN_SQRT_PRICE, MAX_SQRT_PRICE), st.integers(32, 160).map(lambda bits: min(1 << bits, MAX_SQRT_PRICE))
).filter(lambda root: root >= MIN_SQRT_PRICE)
ticks = st.integers(-MAX_TICK, MAX_TICK)
token_decimals = st.integers(0, 36)
whole_numbers = st.one_of(st.integers(1, 2**256 - 1), st.integers(0, 255).map(lambda bits: 1 << bits))


def near(seen: Decimal, exact: Fraction, bound: Fraction = BOUND) -> bool:
    return abs(Fraction(seen) - exact) <= abs(exact) * bound


@given(whole_numbers, whole_numbers)
def test_ratio__any_two__is_right_to_forty_digits_and_so_is_its_inverse(first: int, second: int) -> None:
    assert near(ratio(first, second), Fraction(first, second))
    assert near(product(ratio(first, second), ratio(second, first)), Fraction(1), 3 * BOUND)


@given(st.integers(1, 10**30), st.integers(0, 36))
def test_ratio__that_is_a_decimal__is_exact(number: int, places: int) -> None:
    assert Fraction(ratio(number, 10**places)) == Fraction(number, 10**places)


@given(whole_numbers, st.integers(-60, 60))
def test_root__squared__is_the_value_again(number: int, places: int) -> None:
    value = shifted(ratio(number, 1), places)
    assert near(product(root(value), root(value)), Fraction(value), 3 * BOUND)


@given(st.integers(0, 2**64), st.integers(1, 2**63), st.decimals("0.000001", "2", places=6))
def test_share__exceeded_or_not__is_what_fractions_say(part: int, whole: int, share: Decimal) -> None:
    assert exceeds_share(part, whole, share) == (Fraction(part, whole) > Fraction(share))


@given(st.integers(1, 2**63 - 1), st.integers(-MAX_EXPONENT, MAX_EXPONENT), st.integers(0, 2**64 - 1))
def test_pyth__any_price__is_exactly_price_times_ten_to_the_exponent(price: int, exponent: int, conf: int) -> None:
    source = PythSource("s", POOL, "0x" + "11" * 32, max_confidence=Decimal("0.05"))
    raw = returned(["int64", "uint64", "int32", "uint256"], price, conf, exponent, T)
    seen = source.decode([raw], BLOCK, RECEIVED_MS)
    check(seen)
    assert seen.value is not None
    assert Fraction(seen.value) == price * Fraction(10) ** exponent
    assert (seen.quality is Quality.WIDE) == (Fraction(conf, price) > Fraction(1, 20))


@given(sqrt_prices, token_decimals, token_decimals)
def test_pool__any_spot_price__is_right_in_both_directions(sqrt_price: int, of_token0: int, of_token1: int) -> None:
    exact = Fraction(sqrt_price**2, 2**192) * Fraction(10) ** (of_token0 - of_token1)
    for base, expected in ((TOKEN0, exact), (TOKEN1, 1 / exact)):
        quote = TOKEN1 if base == TOKEN0 else TOKEN0
        answers = pool_answers(sqrt_price, base=base, decimals=(of_token0, of_token1))
        seen = UniswapV3Source("s", POOL, base, quote).decode(answers, BLOCK, RECEIVED_MS)
        check(seen)
        assert seen.value is not None
        assert near(seen.value, expected)


@given(ticks)
def test_tick__its_price__grows_by_one_part_in_ten_thousand_and_inverts(tick: int) -> None:
    price = tick_price(tick)
    assert near(product(price, tick_price(tick, inverted=True)), Fraction(1), 3 * BOUND)
    assert near(tick_price(tick + 1), Fraction(price) * Fraction(10_001, 10_000), 3 * BOUND)
    with localcontext() as context:
        context.prec = 100
        exact = (Decimal("1.0001").ln() * tick).exp()
        assert abs(price - exact) <= exact * Decimal("1e-39")


@given(ticks, st.integers(1, 7 * 86_400), st.integers(-(2**55), 2**55 - 1))
def test_mean_tick__of_a_pool_that_stood_still__is_its_tick_even_when_the_counter_runs_over(
    tick: int, window_s: int, older: int
) -> None:
    newer = (older + tick * window_s + 2**55) % 2**56 - 2**55
    assert mean_tick(older, newer, window_s) == tick


@given(st.lists(st.tuples(ticks, st.integers(1, 10_000)), min_size=1, max_size=5), st.booleans())
def test_twap__of_a_pool_that_moved__lies_within_one_tick_of_the_geometric_mean(
    path: list[tuple[int, int]], inverted: bool
) -> None:
    window_s = sum(seconds for _, seconds in path)
    total = sum(tick * seconds for tick, seconds in path)
    base, quote = (TOKEN1, TOKEN0) if inverted else (TOKEN0, TOKEN1)
    answers = [*pool_answers(1 << 96, base=base), observed((0, total), (0, window_s << 64))]
    seen = UniswapV3Source("s", POOL, base, quote, window_s=window_s).decode(answers, BLOCK, RECEIVED_MS)
    check(seen)
    assert seen.value is not None
    lowest = min(tick for tick, _ in path)
    highest = max(tick for tick, _ in path)
    ends = sorted(tick_price(tick, inverted=inverted) for tick in (lowest, highest))
    assert ends[0] <= seen.value <= ends[1]
    mean = total // window_s
    assert seen.value == tick_price(mean, inverted=inverted)


@given(st.integers(1, 2**128 - 1), st.integers(1, 7 * 86_400), st.integers(0, 2**160 - 1))
def test_mean_liquidity__that_did_not_change__is_itself(liquidity: int, window_s: int, older: int) -> None:
    # the pool rounds each step down, so the mean comes out a little higher
    step = (window_s << 128) // liquidity
    mean = mean_liquidity(older, (older + step) % 2**160, window_s)
    assert mean is not None
    assert 0 <= mean - liquidity <= 1 + liquidity // (step or 1) + 1


@given(sqrt_prices, st.integers(1, 2**128 - 1))
def test_virtual_reserves__multiplied__are_the_liquidity_squared(sqrt_price: int, liquidity: int) -> None:
    one = virtual_reserve(liquidity, spot_price(sqrt_price))
    other = virtual_reserve(liquidity, spot_price(sqrt_price, inverted=True))
    assert near(product(one, other), Fraction(liquidity**2), 10 * BOUND)


@given(st.integers(1, 10**60), token_decimals, token_decimals)
def test_vault__any_rate__is_assets_over_shares_exactly(assets: int, of_share: int, of_asset: int) -> None:
    answers = [
        returned(["uint256"], assets),
        returned(["uint8"], of_share),
        returned(["address"], TOKEN0),
        returned(["uint8"], of_asset),
    ]
    seen = Erc4626Source("s", POOL, TOKEN0).decode(answers, BLOCK, RECEIVED_MS)
    check(seen)
    assert seen.value is not None
    assert Fraction(seen.value) == Fraction(assets, 10**of_asset) / Fraction(10**24, 10**of_share)


@given(
    st.lists(st.tuples(st.integers(1, 10**30), st.integers(0, 10**7)), min_size=1, max_size=8),
    st.decimals("0.0001", "0.5", places=4),
)
def test_vault__growth__a_good_rate_never_lies_further_above_an_earlier_good_one_than_the_days_allow(
    path: list[tuple[int, int]], cap: Decimal
) -> None:
    source = Erc4626Source("s", POOL, TOKEN0, max_growth_per_day=cap)
    at_s, good = T, []
    for assets, seconds in path:
        at_s += seconds
        answers = [
            returned(["uint256"], assets),
            returned(["uint8"], 18),
            returned(["address"], TOKEN0),
            returned(["uint8"], 18),
        ]
        seen = source.decode(answers, BlockStamp(1, BLOCK.hash, BLOCK.parent_hash, at_s), RECEIVED_MS)
        check(seen)
        assert seen.quality in (Quality.OK, Quality.CLAMPED)
        if seen.quality is Quality.OK and seen.value is not None:
            good.append((at_s, Fraction(seen.value)))
    for (earlier_s, earlier), (later_s, later) in pairwise(good):
        # the anchor is at most as high as the last good rate; it may be a day older, and the day that has begun counts whole
        days = (later_s - earlier_s) // 86_400 + 2
        assert later <= earlier * (1 + Fraction(cap) * days) * (1 + 2 * BOUND)


words = st.one_of(
    st.integers(0, 2**256 - 1),
    st.integers(0, 300),
    st.integers(0, 255).map(lambda bits: 1 << bits),
    st.just(2**256 - 1),
).map(lambda number: number.to_bytes(32, "big"))
hostile = st.one_of(st.binary(max_size=300), st.lists(words, max_size=10).map(b"".join))
hostile_results = st.builds(CallResult, st.booleans(), hostile)


def fresh() -> list[ChainSource]:
    return [
        ChainlinkSource("s", POOL, heartbeat_ms=60_000, bounds=(Decimal(1), Decimal(2)), read_bounds=True),
        PythSource("s", POOL, "0x" + "11" * 32),
        UniswapV3Source("s", POOL, TOKEN0, TOKEN1, min_liquidity=Decimal(1)),
        UniswapV3Source("s", POOL, TOKEN1, TOKEN0, window_s=60, min_liquidity=Decimal("1e30")),
        Erc4626Source("s", POOL, TOKEN0, max_growth_per_day=Decimal("0.01")),
        SequencerUptimeSource("s", POOL),
    ]


def good_answers() -> list[list[CallResult]]:
    """Answers that each of ``fresh`` takes, so that one hostile answer among good ones reaches the code behind the decoding."""
    decimals, address = returned(["uint8"], 18), returned(["address"], TOKEN0)
    limits = [returned(["int192"], 1), returned(["int192"], 10**30)]
    twap = [*pool_answers(1 << 96, base=TOKEN1), observed((0, 0), (0, 1 << 100))]
    return [
        [returned(ROUND_TYPES, 7, 10**18, T, T, 7), decimals, *limits],
        [returned(["int64", "uint64", "int32", "uint256"], 5, 0, -1, T)],
        pool_answers(1 << 96),
        twap,
        [returned(["uint256"], 10**24), decimals, address, decimals],
        [returned(ROUND_TYPES, 7, 0, 1, 1, 7)],
    ]


def check(seen: Observation) -> None:
    assert (seen.value is None) == (seen.quality in WITHOUT_VALUE)
    assert bool(seen.reason) == (seen.quality is not Quality.OK)
    assert seen.value is None or seen.value.is_finite()
    assert seen.reason.isprintable()
    assert len(seen.reason) < 1_000
    assert seen.value is None or seen.unit is not Unit.PRICE or seen.value > 0
    assert seen.value is None or seen.unit is not Unit.FLAG or seen.value in (0, 1)


@given(st.lists(hostile_results, max_size=8), st.integers(0, 2**64))
def test_sources__hostile_answers__are_an_observation(results: list[CallResult], timestamp_s: int) -> None:
    block = BlockStamp(1, BLOCK.hash, BLOCK.parent_hash, timestamp_s)
    for source in fresh():
        check(source.decode(results, block, RECEIVED_MS))


@given(st.data())
def test_sources__one_hostile_answer_among_good_ones__is_an_observation(data: st.DataObject) -> None:
    for source, good in zip(fresh(), good_answers(), strict=True):
        place = data.draw(st.integers(0, len(good) - 1))
        bad = data.draw(hostile_results)
        for answers in ([*good[:place], bad, *good[place + 1 :]], good):
            check(source.decode(answers, BLOCK, RECEIVED_MS))


def test_sources__their_good_answers__are_good() -> None:
    """Else the test above would prove nothing."""
    qualities = [
        source.decode(good, BLOCK, RECEIVED_MS).quality for source, good in zip(fresh(), good_answers(), strict=True)
    ]
    assert [quality in WITHOUT_VALUE for quality in qualities] == [False] * 6


@given(ticks)
def test_power__of_any_tick__does_not_hang_on_the_current_context(tick: int) -> None:
    with localcontext() as context:
        context.prec = 3
        narrow = (tick_price(tick), ratio(tick + 10**6, 7), root(Decimal(3)), power(Decimal("1.5"), -3))
    assert narrow == (tick_price(tick), ratio(tick + 10**6, 7), root(Decimal(3)), power(Decimal("1.5"), -3))
