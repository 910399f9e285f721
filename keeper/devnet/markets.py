"""The markets of the demo: their names on the chain and on the exchange, and where their prices begin."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from keeper.domain.errors import UnitError

PRICE_DECIMALS = 8
"""Of the price feeds and of the exchange's texts alike, so that one price is exactly the same on both."""


@dataclass(frozen=True, slots=True)
class DemoMarket:
    """``name`` is the market's on the chain, ``symbol`` the exchange's, ``start_price`` in dollars."""

    name: str
    symbol: str
    start_price: Decimal


_KNOWN = {
    market.name: market
    for market in (
        DemoMarket("ETH-PERP", "ETHUSDT", Decimal(3000)),
        DemoMarket("BTC-PERP", "BTCUSDT", Decimal(60000)),
        DemoMarket("SOL-PERP", "SOLUSDT", Decimal(150)),
    )
}

DEFAULT_MARKETS = tuple(_KNOWN)


def demo_market(name: str) -> DemoMarket:
    """The market of this name; one that is not among the demo's begins at 100 dollars."""
    return _KNOWN.get(name) or DemoMarket(name, name.split("-")[0].upper() + "USDT", Decimal(100))


def market_id(name: str) -> str:
    """The bytes32 that names the market on the chain: ASCII, zeros to the right, as 0x-prefixed hex. Raises UnitError."""
    raw = name.encode("ascii", "replace")
    if not raw or len(raw) > 32 or not name.isascii():
        raise UnitError(f"{name!r:.60} is not a market's name", remedy="1 to 32 ASCII characters")
    return "0x" + raw.ljust(32, b"\0").hex()


def to_answer(price: Decimal) -> int:
    """Dollars as the feed's integer. Raises UnitError when the price has more than 8 decimals or is not a number."""
    if not price.is_finite():
        raise UnitError(f"{price} is not a price")
    scaled = price.scaleb(PRICE_DECIMALS)
    if scaled != scaled.to_integral_value():
        raise UnitError(f"{price} has more than {PRICE_DECIMALS} decimals", remedy="round it first")
    return int(scaled)
