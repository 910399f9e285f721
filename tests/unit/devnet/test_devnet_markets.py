"""Names and prices of the demo's markets."""

from __future__ import annotations

from decimal import Decimal

import pytest

from keeper.devnet.markets import DEFAULT_MARKETS, demo_market, market_id, to_answer
from keeper.domain.errors import UnitError

pytestmark = pytest.mark.unit


def test_market_id__ascii_name__is_padded_to_the_right() -> None:
    assert market_id("ETH-PERP") == "0x4554482d50455250" + "00" * 24


@pytest.mark.parametrize("name", ["A", "x" * 32])
def test_market_id__shortest_and_longest_name__has_32_bytes(name: str) -> None:
    assert len(bytes.fromhex(market_id(name)[2:])) == 32


@pytest.mark.parametrize("name", ["", "x" * 33, "ΕΤΗ-PERP"])
def test_market_id__name_that_does_not_fit__raises(name: str) -> None:
    with pytest.raises(UnitError):
        market_id(name)


@pytest.mark.parametrize(
    ("price", "answer"),
    [
        (Decimal(3000), 300_000_000_000),
        (Decimal("0.00000001"), 1),
        (Decimal("-1.5"), -150_000_000),
        (Decimal("60123.45678901"), 6_012_345_678_901),
    ],
)
def test_to_answer__price_with_up_to_8_decimals__is_exact(price: Decimal, answer: int) -> None:
    assert to_answer(price) == answer


@pytest.mark.parametrize("price", ["0.000000001", "NaN", "Infinity"])
def test_to_answer__what_the_feed_cannot_hold__raises(price: str) -> None:
    with pytest.raises(UnitError):
        to_answer(Decimal(price))


def test_demo_market__known_names__have_distinct_symbols() -> None:
    symbols = {demo_market(name).symbol for name in DEFAULT_MARKETS}
    assert symbols == {"ETHUSDT", "BTCUSDT", "SOLUSDT"}


def test_demo_market__unknown_name__gets_a_symbol_and_a_price() -> None:
    market = demo_market("doge-PERP")
    assert (market.name, market.symbol, market.start_price) == ("doge-PERP", "DOGEUSDT", Decimal(100))
