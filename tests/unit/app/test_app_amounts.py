"""Numbers and times inside of texts, as people read them."""

from __future__ import annotations

import pytest

from keeper.app.pages.amounts import grouped, share, timed, with_share

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("9999", "9999"),
        ("10000", "10,000"),
        ("1000000000000 now -> 250000000000", "1,000,000,000,000 now -> 250,000,000,000"),
        ("12345.67890 USDC, 0.000123456", "12,345.67890 USDC, 0.000123456"),
        ("-20000.", "-20,000."),
        ("1,000,000", "1,000,000"),
        ("ETH-PERP@21044918, record 123456, block 21044918", "ETH-PERP@21044918, record 123456, block 21044918"),
        ("0x9965507000000000000000000000000000001234 00012345", "0x9965507000000000000000000000000000001234 00012345"),
    ],
)
def test_grouped__whole_numbers_from_five_digits_on__and_nothing_else(text: str, shown: str) -> None:
    assert grouped(text) == shown


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("1000000000000", "250000000000", "-75 %"),
        ("250000", "1000000", "+300 %"),
        ("3", "2", "-33.3 %"),
        ("10000", "1", "-99.9 %"),
        ("5", "0", "-100 %"),
        ("1", "99.99", "+9899 %"),
        ("1", "100", "x 100"),
        ("1", str(2**256 - 1), "x many"),
        ("100000", "100001", "less than 0.1 %"),
        ("5", "5", ""),
        ("0", "5", ""),
        ("-5", "5", ""),
        ("5", "-5", ""),
        ("500 WETH", "5000 WETH", ""),
        ("true", "false", ""),
        (None, "5", ""),
        ("5", None, ""),
        ("nan", "5", ""),
        ("1", "1e999999", ""),
        ("1", "9" * 81, ""),
    ],
)
def test_share__of_two_numbers__and_of_nothing_else(before: str | None, after: str | None, shown: str) -> None:
    assert share(before, after) == shown


def test_with_share__stands_behind_the_new_value() -> None:
    text = "limit of ETH-PERP: 1000000 now -> 250000 (1000000 before the incident)"
    assert with_share(text, "1000000", "250000") == (
        "limit of ETH-PERP: 1,000,000 now -> 250,000 (-75 %) (1,000,000 before the incident)"
    )
    assert with_share("limit -> 2500001", "1000000", "250000") == "limit -> 2,500,001"
    assert with_share("paused: false now -> true", "false", "true") == "paused: false now -> true"


def test_timed__says_when_that_is_and_leaves_what_is_no_time() -> None:
    assert timed("at 1970-01-02T00:00:00.000Z, or later", 3_600_000) == "at 1970-01-02 00:00:00 UTC (in 23 h), or later"
    assert timed("at 1970-13-02T00:00:00.000Z", 0) == "at 1970-13-02T00:00:00.000Z"
