"""The price of a Uniswap v3 pool: now (``slot0``), or its geometric mean over a window (``observe``).

Source: IUniswapV3PoolState and IUniswapV3PoolDerivedState of @uniswap/v3-core. Only the first fields of ``slot0`` are read, those that forks have
kept. Both tokens stand in the configuration, so that their order and their decimals are read at the same block as the price, and none of
it is assumed. A spot price is what one transaction can make it: hold it against others, never trust it alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from keeper.adapters.prices.chain_answer import NoValue, answered, whole
from keeper.adapters.prices.ratio import shifted
from keeper.adapters.prices.scale import MAX_DECIMALS
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
from keeper.domain.abi import describe_revert, encode_call, parse_signature
from keeper.domain.abi_codec import decode_values
from keeper.domain.action import Call, FunctionCall
from keeper.domain.address import checksum_address, parse_address
from keeper.domain.block import BlockStamp
from keeper.domain.errors import MalformedAnswer, UnitError
from keeper.domain.evm import CallResult
from keeper.domain.observation import Observation, Quality
from keeper.domain.units import Unit, plain

TOKEN0, TOKEN1, DECIMALS = "token0()(address)", "token1()(address)", "decimals()(uint8)"
SLOT0 = "slot0()(uint160,int24,uint16,uint16)"
LIQUIDITY = "liquidity()(uint128)"
OBSERVE = bytes.fromhex("883bdbfd")
"""``observe(uint32[])``; lists are not in the keeper's ABI, so this one call is written out."""
MAX_WINDOW_S = 7 * 86_400
WORD = 32


class UniswapV3Source:
    """PRICE: how much of ``quote`` one ``base`` costs. It has no time of its own: it is the chain's state at the block."""

    def __init__(
        self,
        name: str,
        pool: str,
        base: str,
        quote: str,
        *,
        window_s: int | None = None,
        min_liquidity: Decimal = Decimal(0),
    ) -> None:
        """``window_s`` None is the spot price, else the mean over so many seconds. ``min_liquidity`` counts whole quote tokens: the reserve
        that a pool without ranges would need to be as deep at this price. Raises UnitError for what does not fit."""
        if window_s is not None and not 1 <= window_s <= MAX_WINDOW_S:
            raise UnitError(f"a window of {window_s} s", remedy=f"1 s to {MAX_WINDOW_S} s")
        if not (min_liquidity.is_finite() and min_liquidity >= 0):
            raise UnitError("a liquidity is never negative", remedy="write an amount of the quote token")
        self._name = name
        self._window_s = window_s
        self._min_liquidity = min_liquidity
        self._base, self._quote = (checksum_address(parse_address(token)) for token in (base, quote))
        if self._base == self._quote:
            raise UnitError("base and quote are the same token", remedy="write the pool's two tokens")
        views = [(pool, TOKEN0), (pool, TOKEN1), (base, DECIMALS), (quote, DECIMALS), (pool, SLOT0), (pool, LIQUIDITY)]
        self._functions = [parse_signature(signature) for _, signature in views]
        calls = [encode_call(FunctionCall(target, signature)) for target, signature in views]
        if window_s is not None:
            calls.append(Call(calls[0].to, OBSERVE + _words(WORD, 2, window_s, 0)))
        self._calls = tuple(calls)

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._name

    def calls(self) -> Sequence[Call]:
        """The pool's tokens, their decimals, slot0 and liquidity; with a window also observe([window, 0])."""
        return self._calls

    def decode(self, results: Sequence[CallResult], block: BlockStamp, received_ms: int) -> Observation:
        """MISSING: no pool there, not initialised, or its memory does not reach back over the window. MALFORMED: other tokens than configured,
        numbers that no pool has. THIN: less liquidity than asked for, or none; the value is given all the same."""
        try:
            value, quality, reason = self._read(results)
        except NoValue as why:
            return Observation(
                self._name, None, Unit.PRICE, received_ms, block=block, quality=why.quality, reason=why.reason
            )
        return Observation(self._name, value, Unit.PRICE, received_ms, block=block, quality=quality, reason=reason)

    def _read(self, results: Sequence[CallResult]) -> tuple[Decimal, Quality, str]:
        if len(results) != len(self._calls):
            raise NoValue(Quality.MALFORMED, f"{len(results)} answers to {len(self._calls)} calls")
        answers = [answered(function, result) for function, result in zip(self._functions, results, strict=False)]
        inverted = self._is_inverted(answers[0][0], answers[1][0])
        base_decimals, quote_decimals = _decimals(answers[2][0]), _decimals(answers[3][0])
        sqrt_price, cardinality, liquidity = whole(answers[4][0]), whole(answers[4][3]), whole(answers[5][0])
        if sqrt_price == 0:
            raise NoValue(Quality.MISSING, "the pool was never given a price")
        if not MIN_SQRT_PRICE <= sqrt_price <= MAX_SQRT_PRICE:
            raise NoValue(Quality.MALFORMED, f"sqrtPriceX96 {sqrt_price} lies outside of what a pool can hold")
        if self._window_s is None:
            price = spot_price(sqrt_price, inverted=inverted)
        else:
            tick, mean = _means(results[6], self._window_s, cardinality)
            price, liquidity = tick_price(tick, inverted=inverted), min(liquidity, mean)
        value = shifted(price, base_decimals - quote_decimals)
        depth = shifted(virtual_reserve(liquidity, price), -quote_decimals)
        if liquidity == 0:
            return value, Quality.THIN, "there is no liquidity at this price"
        if depth < self._min_liquidity:
            shown = plain(depth.quantize(Decimal("0.01"))) if depth < 10**20 else "much"
            needed = plain(self._min_liquidity)
            return value, Quality.THIN, f"the liquidity is worth {shown} quote tokens, {needed} are needed"
        return value, Quality.OK, ""

    def _is_inverted(self, token0: object, token1: object) -> bool:
        if (token0, token1) == (self._base, self._quote):
            return False
        if (token0, token1) == (self._quote, self._base):
            return True
        raise NoValue(Quality.MALFORMED, f"the pool trades {token0} and {token1}, not base and quote as configured")


def _decimals(value: object) -> int:
    if not isinstance(value, int) or value > MAX_DECIMALS:
        raise NoValue(Quality.MALFORMED, f"a token states {value} decimals")
    return value


def _means(result: CallResult, window_s: int, cardinality: int) -> tuple[int, int]:
    """(mean tick, mean liquidity) over the window. Raises NoValue."""
    if not result.ok and (why := describe_revert(result.data)) == "reverted: OLD":
        raise NoValue(
            Quality.MISSING,
            f"the pool does not remember {window_s} s: it keeps {cardinality} observations"
            " (increaseObservationCardinalityNext gives it more, a shorter window needs fewer)",
        )
    if not result.ok:
        raise NoValue(Quality.MISSING, f"observe(uint32[]) {why}")
    if not result.data:
        raise NoValue(Quality.MISSING, "observe(uint32[]) answered nothing: is there a pool at this address?")
    ticks, seconds = _pair(result.data, 0, "int56"), _pair(result.data, 1, "uint160")
    tick, liquidity = mean_tick(*ticks, window_s), mean_liquidity(*seconds, window_s)
    if abs(tick) > MAX_TICK or liquidity is None:
        raise NoValue(Quality.MALFORMED, "observe(uint32[]) answers what no pool does")
    return tick, liquidity


def _pair(data: bytes, place: int, kind: str) -> tuple[int, int]:
    """The list of two integers that the word at ``place`` points to."""
    start = int.from_bytes(data[place * WORD : (place + 1) * WORD], "big")
    end = start + 3 * WORD
    if start < 2 * WORD or end > len(data) or int.from_bytes(data[start : start + WORD], "big") != 2:
        raise NoValue(Quality.MALFORMED, "observe(uint32[]) does not answer two lists of two")
    try:
        older, newer = decode_values((kind, kind), data[start + WORD : end])
    except MalformedAnswer as error:
        raise NoValue(Quality.MALFORMED, f"observe(uint32[]): {error.message}") from None
    return whole(older), whole(newer)


def _words(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(WORD, "big") for number in numbers)
