"""Prices of a Uniswap v3 pool: from the square root that it holds, and from ticks.

Source: the whitepaper of Uniswap v3 (section 6) and OracleLibrary of @uniswap/v3-periphery. A price here is raw: units of one token per unit of the
other, without their decimals.

How exact: a spot price is the square of a whole number, rounded once to 40 digits. A price of a tick is 1.0001**tick to 40 digits; the contract's
own square root for that tick (TickMath, Q64.96) differs from the root of this by at most one unit of 2**-96 and 2**-60 of itself (1e-18).
"""

from __future__ import annotations

from decimal import Decimal

from keeper.adapters.prices.ratio import power, product, ratio, root

Q96 = 1 << 96
MAX_TICK = 887_272
MIN_SQRT_PRICE = 4_295_128_739
MAX_SQRT_PRICE = 1_461_446_703_485_210_103_287_273_052_203_988_822_378_723_970_342
TICK_BASE = Decimal("1.0001")


def spot_price(sqrt_price_x96: int, *, inverted: bool = False) -> Decimal:
    """token1 per token0 (``inverted``: token0 per token1), raw. Raises ZeroDivisionError for an inverted zero."""
    square, one = sqrt_price_x96 * sqrt_price_x96, Q96 * Q96
    return ratio(one, square) if inverted else ratio(square, one)


def mean_tick(older: int, newer: int, window_s: int) -> int:
    """The mean tick between two values of ``tickCumulative`` that are ``window_s`` apart, rounded down as OracleLibrary.consult does.

    The counter is an int56 that may run over: the difference is taken modulo 2**56.
    """
    difference = (newer - older + (1 << 55)) % (1 << 56) - (1 << 55)
    return difference // window_s


def tick_price(tick: int, *, inverted: bool = False) -> Decimal:
    """1.0001**tick: token1 per token0 (``inverted``: token0 per token1), raw."""
    return power(TICK_BASE, -tick if inverted else tick)


def mean_liquidity(older: int, newer: int, window_s: int) -> int | None:
    """The harmonic mean of the liquidity between two values of ``secondsPerLiquidityCumulativeX128`` (a uint160 that may run over).

    None where the counter did not move, which no pool does.
    """
    difference = (newer - older) % (1 << 160)
    return (window_s << 128) // difference if difference else None


def virtual_reserve(liquidity: int, price: Decimal) -> Decimal:
    """How much of the quote token (raw) a pool without ranges would hold to be as deep as this one is here: L * sqrt(quote per base)."""
    return product(Decimal(liquidity), root(price))
