"""Pools of Uniswap v3: order of tokens, decimals, windows and depth."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest

from keeper.adapters.prices.tick_math import MAX_SQRT_PRICE, MAX_TICK, MIN_SQRT_PRICE, Q96
from keeper.adapters.prices.uniswap_v3 import MAX_WINDOW_S, UniswapV3Source
from keeper.domain.abi import parse_signature
from keeper.domain.errors import UnitError
from keeper.domain.evm import CallResult
from keeper.domain.observation import Observation, Quality
from keeper.domain.units import Unit
from tests.support.pool_answers import POOL, TOKEN0, TOKEN1, observed, pool_answers
from tests.support.source_fakes import BLOCK, RECEIVED_MS, returned

pytestmark = pytest.mark.unit

OLD = CallResult(
    False, bytes.fromhex("08c379a0") + (32).to_bytes(32, "big") + (3).to_bytes(32, "big") + b"OLD".ljust(32, b"\0")
)
REVERT = CallResult(False, b"")


def source(base: str = TOKEN0, *, window_s: int | None = None, min_liquidity: str = "0") -> UniswapV3Source:
    quote = TOKEN1 if base == TOKEN0 else TOKEN0
    return UniswapV3Source("pool", POOL, base, quote, window_s=window_s, min_liquidity=Decimal(min_liquidity))


def spot(sqrt_price: int, base: str = TOKEN0, *, decimals: tuple[int, int] = (18, 18)) -> Decimal | None:
    """The spot price of ``base``; ``decimals`` are those of token0 and token1."""
    return source(base).decode(pool_answers(sqrt_price, base=base, decimals=decimals), BLOCK, RECEIVED_MS).value


def twap(ticks: tuple[int, int], window_s: int = 600, base: str = TOKEN0) -> Observation:
    answers = [*pool_answers(Q96, base=base), observed(ticks, (0, window_s << 64))]
    return source(base, window_s=window_s).decode(answers, BLOCK, RECEIVED_MS)


def bare_power(exponent: int) -> Decimal:
    """1.0001**exponent by plain multiplication of Decimals with 100 digits."""
    with localcontext() as context:
        context.prec = 100
        value, factor = Decimal(1), Decimal("1.0001") if exponent >= 0 else 1 / Decimal("1.0001")
        for _ in range(abs(exponent)):
            value *= factor
        return +value


def close(seen: Decimal | None, exact: Decimal, bound: str = "1e-39") -> bool:
    with localcontext() as context:
        context.prec = 100
        return seen is not None and abs(seen - exact) <= exact * Decimal(bound)


def test_pool__good_answers__are_the_price_at_the_block() -> None:
    seen = source().decode(pool_answers(2 * Q96), BLOCK, RECEIVED_MS)
    assert seen == Observation("pool", Decimal(4), Unit.PRICE, RECEIVED_MS, None, BLOCK)


def test_pool__its_calls__ask_pool_and_tokens() -> None:
    subject = source(TOKEN1)
    names = ["token0()", "token1()", "decimals()", "decimals()", "slot0()", "liquidity()"]
    assert [call.data for call in subject.calls()] == [parse_signature(name).selector for name in names]
    assert [call.to for call in subject.calls()] == [POOL, POOL, TOKEN1, TOKEN0, POOL, POOL]
    assert subject.calls() is subject.calls()


def test_pool__with_a_window__asks_observe_with_both_ends() -> None:
    words = [32, 2, 600, 0]
    call = source(window_s=600).calls()[6]
    assert (call.to, call.data) == (POOL, bytes.fromhex("883bdbfd") + b"".join(w.to_bytes(32, "big") for w in words))


@pytest.mark.parametrize(
    ("base", "decimals", "value"),
    [
        (TOKEN0, (18, 18), "4"),
        (TOKEN1, (18, 18), "0.25"),
        (TOKEN0, (18, 6), "4000000000000"),
        (TOKEN1, (18, 6), "0.00000000000025"),
        (TOKEN0, (6, 18), "0.000000000004"),
        (TOKEN1, (6, 18), "250000000000"),
        (TOKEN0, (0, 77), "4E-77"),
        (TOKEN1, (0, 77), "2.5E+76"),
    ],
)
def test_spot__order_and_decimals__are_those_of_the_tokens(base: str, decimals: tuple[int, int], value: str) -> None:
    assert spot(2 * Q96, base, decimals=decimals) == Decimal(value)


def test_spot__usdc_and_weth_of_mainnet__is_the_price_of_ether() -> None:
    # token0 is USDC (6), token1 WETH (18): at 1 ETH = 2500 USDC a raw unit of USDC costs 4e8 raw units of WETH
    assert spot(20_000 * Q96, TOKEN1, decimals=(6, 18)) == 2500
    assert spot(20_000 * Q96, TOKEN0, decimals=(6, 18)) == Decimal("0.0004")


@pytest.mark.parametrize(
    "sqrt_price", [MIN_SQRT_PRICE, MAX_SQRT_PRICE, Q96 + 1, 79_228_162_514_264_337_593_543_950_337]
)
def test_spot__any_root__is_its_square_to_forty_digits(sqrt_price: int) -> None:
    with localcontext() as context:
        context.prec = 300
        exact = Decimal(sqrt_price) ** 2 / Decimal(2) ** 192
        assert close(spot(sqrt_price), exact)
        assert close(spot(sqrt_price, TOKEN1), 1 / exact)


@pytest.mark.parametrize(
    ("sqrt_price", "quality"),
    [
        (0, Quality.MISSING),
        (1, Quality.MALFORMED),
        (MIN_SQRT_PRICE - 1, Quality.MALFORMED),
        (MIN_SQRT_PRICE, Quality.OK),
        (MAX_SQRT_PRICE, Quality.OK),
        (MAX_SQRT_PRICE + 1, Quality.MALFORMED),
        (2**160 - 1, Quality.MALFORMED),
    ],
)
def test_spot__root_that_no_pool_holds__is_no_price(sqrt_price: int, quality: Quality) -> None:
    # so much liquidity that there is some depth even at the ends
    assert source().decode(pool_answers(sqrt_price), BLOCK, RECEIVED_MS).quality is quality


@pytest.mark.parametrize(
    ("ticks", "mean"),
    [((0, 0), 0), ((0, 6000), 10), ((0, 6599), 10), ((0, -6000), -10), ((0, -6001), -11), ((5_000, 4_999), -1)],
)
@pytest.mark.parametrize("base", [TOKEN0, TOKEN1])
def test_twap__mean_tick__is_rounded_down_whatever_the_order(ticks: tuple[int, int], mean: int, base: str) -> None:
    seen = twap(ticks, base=base)
    assert seen.quality is Quality.OK
    assert close(seen.value, bare_power(mean if base == TOKEN0 else -mean))


@pytest.mark.parametrize("tick", [1, -1, 887, -887, 20_000, -20_000])
def test_twap__power__is_right_to_forty_digits(tick: int) -> None:
    assert close(twap((0, tick * 600)).value, bare_power(tick))


@pytest.mark.parametrize("tick", [MAX_TICK, -MAX_TICK])
def test_twap__ends__are_prices_and_beyond_is_malformed(tick: int) -> None:
    beyond = tick + (1 if tick > 0 else -1)
    assert twap((0, tick * 600)).value is not None
    assert twap((0, beyond * 600)).quality is Quality.MALFORMED


def test_twap__counter_that_ran_over__is_the_difference_all_the_same() -> None:
    newest = 2**55 - 1
    assert twap((newest - 2999, -(2**55) + 3000)).value == twap((0, 6000)).value


@pytest.mark.parametrize(
    ("liquidity", "floor", "quality"),
    [
        (5 * 10**18, "10", Quality.OK),
        (5 * 10**18 - 1, "10", Quality.THIN),
        (5 * 10**18, "0", Quality.OK),
        (0, "0", Quality.THIN),
        (1, "0", Quality.OK),
    ],
)
def test_spot__depth__is_the_reserve_of_a_pool_without_ranges(liquidity: int, floor: str, quality: Quality) -> None:
    # at a price of 4 (18 decimals each) L = 5e18 stands for 10 of the quote token: y = L * sqrt(price)
    answers = pool_answers(2 * Q96, liquidity=liquidity)
    seen = source(min_liquidity=floor).decode(answers, BLOCK, RECEIVED_MS)
    assert (seen.quality, seen.value) == (quality, Decimal(4))
    assert bool(seen.reason) is (quality is Quality.THIN)


@pytest.mark.parametrize(("floor", "quality"), [("2.5", Quality.OK), ("2.500001", Quality.THIN)])
def test_spot__depth_the_other_way_round__counts_the_other_token(floor: str, quality: Quality) -> None:
    # x = L / sqrt(price) = 2.5 of token0, here with 6 decimals
    answers = pool_answers(2 * Q96, base=TOKEN1, liquidity=5 * 10**6, decimals=(6, 18))
    seen = source(TOKEN1, min_liquidity=floor).decode(answers, BLOCK, RECEIVED_MS)
    assert seen.quality is quality


@pytest.mark.parametrize(("now", "mean", "quality"), [(10, 10, "ok"), (9, 10, "thin"), (10, 9, "thin")])
def test_twap__depth__must_stand_now_and_over_the_window(now: int, mean: int, quality: str) -> None:
    answers = [
        *pool_answers(Q96, liquidity=now * 10**18),
        observed((0, 0), (7, 7 + (600 << 128) // (mean * 10**18))),
    ]
    assert source(window_s=600, min_liquidity="9.999").decode(answers, BLOCK, RECEIVED_MS).quality == quality


def test_thin__says_how_much_and_how_much_is_needed() -> None:
    seen = source(min_liquidity="1000").decode(pool_answers(Q96, liquidity=25 * 10**17), BLOCK, RECEIVED_MS)
    assert seen.reason == "the liquidity is worth 2.5 quote tokens, 1000 are needed"


def test_twap__window_beyond_the_pools_memory__is_missing_and_says_what_helps() -> None:
    answers = [*pool_answers(Q96, cardinality=3), OLD]
    seen = source(window_s=600).decode(answers, BLOCK, RECEIVED_MS)
    assert (seen.quality, seen.value) == (Quality.MISSING, None)
    assert "does not remember 600 s: it keeps 3 observations" in seen.reason


@pytest.mark.parametrize(
    ("observe", "quality", "says"),
    [
        (REVERT, Quality.MISSING, "observe(uint32[]) reverted without a reason"),
        (CallResult(True, b""), Quality.MISSING, "answered nothing"),
        (CallResult(True, bytes(256)), Quality.MALFORMED, "two lists of two"),
        (observed((0, 0), (5, 5)), Quality.MALFORMED, "what no pool does"),
        (CallResult(True, observed((0, 0), (0, 1)).data[:-1]), Quality.MALFORMED, "two lists of two"),
        (CallResult(True, b"\xff" * 256), Quality.MALFORMED, "two lists of two"),
        (observed((2**55, 0), (0, 1)), Quality.MALFORMED, "int56"),
        (observed((0, 0), (0, 2**160)), Quality.MALFORMED, "uint160"),
    ],
)
def test_twap__bad_answer_of_observe__is_a_quality_with_a_reason(
    observe: CallResult, quality: Quality, says: str
) -> None:
    seen = source(window_s=600).decode([*pool_answers(Q96), observe], BLOCK, RECEIVED_MS)
    assert (seen.quality, seen.value) == (quality, None)
    assert says in seen.reason


@pytest.mark.parametrize(
    ("place", "bad", "quality", "says"),
    [
        (0, returned(["address"], TOKEN1), Quality.MALFORMED, "not base and quote"),
        (1, returned(["address"], POOL), Quality.MALFORMED, "not base and quote"),
        (0, REVERT, Quality.MISSING, "token0() reverted"),
        (2, returned(["uint8"], 78), Quality.MALFORMED, "78 decimals"),
        (3, returned(["uint8"], 255), Quality.MALFORMED, "255 decimals"),
        (3, returned(["uint256"], 256), Quality.MALFORMED, "uint8"),
        (4, CallResult(True, b""), Quality.MISSING, "is there a contract"),
        (4, CallResult(True, bytes(127)), Quality.MALFORMED, "127 bytes"),
        (5, returned(["uint256"], 2**128), Quality.MALFORMED, "uint128"),
        (5, REVERT, Quality.MISSING, "liquidity() reverted"),
    ],
)
def test_pool__bad_answers__are_qualities_with_a_reason(
    place: int, bad: CallResult, quality: Quality, says: str
) -> None:
    answers = pool_answers(Q96)
    seen = source().decode([*answers[:place], bad, *answers[place + 1 :]], BLOCK, RECEIVED_MS)
    assert (seen.quality, seen.value) == (quality, None)
    assert says in seen.reason


def test_pool__another_number_of_answers__is_malformed() -> None:
    assert source().decode(pool_answers(Q96)[:5], BLOCK, RECEIVED_MS).quality is Quality.MALFORMED
    assert source(window_s=1).decode(pool_answers(Q96), BLOCK, RECEIVED_MS).quality is Quality.MALFORMED


@pytest.mark.parametrize(
    ("pool", "base", "quote", "window_s", "floor"),
    [
        (POOL.lower(), TOKEN0, TOKEN1, None, "0"),
        (POOL, TOKEN0.lower(), TOKEN1, None, "0"),
        (POOL, TOKEN0, TOKEN0, None, "0"),
        (POOL, TOKEN0, TOKEN1, 0, "0"),
        (POOL, TOKEN0, TOKEN1, MAX_WINDOW_S + 1, "0"),
        (POOL, TOKEN0, TOKEN1, None, "-1"),
        (POOL, TOKEN0, TOKEN1, None, "NaN"),
    ],
)
def test_pool__that_cannot_work__is_refused_when_it_is_built(
    pool: str, base: str, quote: str, window_s: int | None, floor: str
) -> None:
    with pytest.raises(UnitError):
        UniswapV3Source("x", pool, base, quote, window_s=window_s, min_liquidity=Decimal(floor))


@pytest.mark.parametrize("window_s", [1, MAX_WINDOW_S])
def test_pool__windows_at_the_ends__are_taken(window_s: int) -> None:
    assert len(source(window_s=window_s).calls()) == 7
