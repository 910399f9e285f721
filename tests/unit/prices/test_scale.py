"""Whole numbers with decimals."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest

from keeper.adapters.prices.scale import MAX_DECIMALS, scaled

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("number", "decimals", "text"),
    [(0, 0, "0"), (0, 5, "0.00000"), (1, 0, "1"), (-15, 1, "-1.5"), (10**30, 18, "1" + "0" * 12 + "." + "0" * 18)],
)
def test_scaled__number_and_decimals__is_exact(number: int, decimals: int, text: str) -> None:
    assert str(scaled(number, decimals)) == text


def test_scaled__poor_context__does_not_round() -> None:
    with localcontext() as context:
        context.prec = 2
        assert str(scaled(123_456_789, 4)) == "12345.6789"


@pytest.mark.parametrize("decimals", [-1, MAX_DECIMALS + 1])
def test_scaled__decimals_without_sense__are_refused(decimals: int) -> None:
    with pytest.raises(ValueError, match="decimals"):
        scaled(1, decimals)


def test_scaled__most_decimals__are_taken() -> None:
    assert scaled(1, MAX_DECIMALS) == Decimal(10) ** -MAX_DECIMALS
