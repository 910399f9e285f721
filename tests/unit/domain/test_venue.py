"""What stands behind a venue's price: age, volume and spread, both sides of each bound."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from keeper.domain.observation import Quality
from keeper.domain.venue import BAR_MS, FUTURE_TOLERANCE_MS, Bar, Guards, Quote, judge, traded

pytestmark = pytest.mark.unit

NOW = 1_000 * BAR_MS
FREE = Guards(max_age_ms=300_000)
GUARDS = Guards(max_age_ms=300_000, min_volume=Decimal(1000), window_ms=5 * BAR_MS, max_spread=Decimal("0.01"))
QUOTE = Quote(Decimal(2), NOW, Decimal("1.99"), Decimal("2.01"))


def bar(minutes_ago: int, volume: str = "100", close: str = "2") -> Bar:
    """The bar that ended so many minutes ago; 0: the one in progress would be -1."""
    return Bar(NOW - (minutes_ago + 1) * BAR_MS, Decimal(close), Decimal(volume))


BUSY = [bar(ago) for ago in range(20)]


def test_judge__nothing_asked__is_ok_with_its_time() -> None:
    said = judge("kraken", Quote(Decimal(2), NOW - 5), None, FREE, NOW)
    assert (said.name, said.value, said.quality, said.reason, said.at_ms) == (
        "kraken",
        Decimal(2),
        Quality.OK,
        "",
        NOW - 5,
    )


def test_judge__no_time_known__is_not_stale() -> None:
    said = judge("kraken", Quote(Decimal(2)), None, FREE, NOW)
    assert (said.quality, said.at_ms) == (Quality.OK, None)


@pytest.mark.parametrize(("age_ms", "quality"), [(300_000, Quality.OK), (300_001, Quality.STALE)])
def test_judge__age_of_the_ticker__both_sides(age_ms: int, quality: Quality) -> None:
    said = judge("kraken", Quote(Decimal(2), NOW - age_ms), None, FREE, NOW)
    assert (said.quality, said.value) == (quality, Decimal(2))


@pytest.mark.parametrize(("minutes", "quality"), [(5, Quality.OK), (6, Quality.STALE)])
def test_judge__last_trade_by_the_bars__both_sides_whatever_the_ticker_says(minutes: int, quality: Quality) -> None:
    bars = [bar(ago, "0") for ago in range(minutes)] + [bar(minutes)]
    said = judge("kraken", QUOTE, bars, FREE, NOW)
    assert (said.quality, said.at_ms) == (quality, NOW - minutes * BAR_MS)


def test_judge__old_ticker_beside_new_bars__is_stale() -> None:
    assert judge("kraken", replace(QUOTE, at_ms=NOW - 300_001), BUSY, FREE, NOW).quality is Quality.STALE


def test_judge__bar_in_progress_with_volume__is_now() -> None:
    said = judge("kraken", Quote(Decimal(2)), [bar(-1)], FREE, NOW + 1)
    assert (said.quality, said.at_ms) == (Quality.OK, NOW + 1)


@pytest.mark.parametrize("bars", [[], [bar(0, "0"), bar(1, "0")]])
def test_judge__no_volume_in_any_bar__is_stale(bars: list[Bar]) -> None:
    said = judge("kraken", QUOTE, bars, FREE, NOW)
    assert (said.quality, said.reason) == (Quality.STALE, "nothing traded lately")


@pytest.mark.parametrize(
    ("quote", "bars"),
    [
        (Quote(Decimal(2), NOW + FUTURE_TOLERANCE_MS + 1), None),
        (Quote(Decimal(2)), [bar(-4)]),
        (Quote(Decimal(2), NOW - 10), [bar(-4)]),
    ],
)
def test_judge__time_in_the_future__is_malformed(quote: Quote, bars: list[Bar] | None) -> None:
    said = judge("kraken", quote, bars, FREE, NOW)
    assert (said.quality, said.value) == (Quality.MALFORMED, None)
    assert judge("kraken", Quote(Decimal(2), NOW + FUTURE_TOLERANCE_MS), None, FREE, NOW).quality is Quality.OK


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "Infinity"])
def test_judge__what_is_no_price__is_malformed(price: str) -> None:
    said = judge("kraken", Quote(Decimal(price)), None, FREE, NOW)
    assert (said.quality, said.value) == (Quality.MALFORMED, None)


@pytest.mark.parametrize(
    ("volume", "quality"), [("100", Quality.OK), ("99.999", Quality.THIN), ("0.0001", Quality.THIN)]
)
def test_judge__volume_of_the_window__both_sides(volume: str, quality: Quality) -> None:
    """Five bars of 100 at a price of 2 are exactly 1000."""
    said = judge("kraken", QUOTE, [bar(ago, volume) for ago in range(5)], GUARDS, NOW)
    assert said.quality is quality
    assert ("1000 needed" in said.reason) == (quality is Quality.THIN)


def test_judge__volume_before_the_window__does_not_count() -> None:
    assert judge("kraken", QUOTE, [bar(0, "1"), bar(5, "999999")], GUARDS, NOW).quality is Quality.THIN


def test_judge__the_print_of_212_on_a_venue_of_a_quarter_million_a_day__is_thin() -> None:
    earlier = [bar(ago, "1000") for ago in range(30, 280)]
    said = judge("binanceus", QUOTE, [bar(0, "212", "0.8997"), *earlier], GUARDS, NOW)
    assert said.quality is Quality.THIN


@pytest.mark.parametrize(
    ("bid", "ask", "quality"),
    [
        ("1.99", "2.01", Quality.OK),  # exactly 1 %
        ("1.9899", "2.01", Quality.WIDE),
        ("2", "2", Quality.OK),
        ("2.01", "1.99", Quality.WIDE),
        ("0", "2", Quality.WIDE),
        (None, "2", Quality.WIDE),
        ("2", None, Quality.WIDE),
    ],
)
def test_judge__spread__both_sides(bid: str | None, ask: str | None, quality: Quality) -> None:
    quote = Quote(Decimal(2), NOW, Decimal(bid) if bid else None, Decimal(ask) if ask else None)
    said = judge("kraken", quote, BUSY, GUARDS, NOW)
    assert (said.quality, bool(said.reason)) == (quality, quality is not Quality.OK)


def test_judge__thin_wide_and_stale__is_the_worst_and_names_all() -> None:
    said = judge("kraken", Quote(Decimal(2), NOW - 10**6), [], GUARDS, NOW)
    assert said.quality is Quality.STALE
    assert all(word in said.reason for word in ("ago", "traded in 5m", "no bid and ask", "nothing traded"))


@pytest.mark.parametrize(("since", "expected"), [(NOW - 1, 200), (NOW - BAR_MS, 200), (NOW - BAR_MS - 1, 400)])
def test_traded__bars_that_end_after__are_counted(since: int, expected: int) -> None:
    assert traded([bar(0), bar(1)], since) == expected
