"""The rows of the demo: which rung a gauge shows, and how wide it gets."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from keeper.app.demo import table
from tests.support.demo_market import MARKET, verdicts

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("value", "rung"),
    [
        (0.0, "volatility-high"),
        (0.005, "volatility-high"),
        (0.0051, "volatility-high"),
        (0.07, "volatility-high"),
        (0.0701, "volatility-extreme"),
        (9.0, "volatility-extreme"),
        (math.nan, "volatility-high"),
    ],
)
def test_rung__on_both_sides_of_each_threshold__is_the_highest_it_is_beyond_else_the_lowest(
    value: float, rung: str
) -> None:
    ladder = verdicts(0.0, value)[1:]
    assert table.rung(ladder).rule == rung
    assert table.rung(ladder[::-1]).rule == rung, "whatever their order"


def test_row__every_case__fits_below_its_heading_in_80_columns() -> None:
    columns = table.columns(MARKET)
    heading = table.heading(columns)
    for divergence, volatility in ((0.0002, math.nan), (0.0592, 0.0141), (0.0, 0.1242), (0.9999, 0.9999)):
        row = table.row(12_345, Decimal("60000.5"), Decimal(3), columns, verdicts(divergence, volatility))
        assert len(row) < 80
    assert heading.split() == ["block", "oracle", "spot", "oracle-divergence", "volatility"]
    assert len(heading) < 80


def test_row__beyond_and_below__says_value_threshold_rule_and_how_much_is_used() -> None:
    columns = table.columns(MARKET)
    row = table.row(19, Decimal("2546.25"), None, columns, verdicts(0.01, 0.1242))
    assert " ".join(row.split()) == "19 2546.25 - 1.00 % of 2 % ██··· 12.42 % of 7 % █████ extreme"
    row = table.row(20, Decimal(1), Decimal(1), columns, verdicts(0.0, 0.004))
    assert row.endswith("0.40 % of 0.5 % ████· high")


def test_row__no_value_yet__says_so() -> None:
    assert "warming up" in table.row(1, None, None, table.columns(MARKET), verdicts(math.nan, 0.0))
