"""Which series is which source: by hand, by name, by venue and symbol; and what cannot be told."""

from __future__ import annotations

from decimal import Decimal

import pytest

from keeper.app.replay.files import Place
from keeper.app.replay.mapping import places_of
from keeper.config.model import ConstantSource, DerivedSource, ExchangeSource, HttpSource, Source, TimeUnit, VenueConfig
from keeper.config.secret import Secret
from keeper.domain.errors import ConfigurationError, Problem
from keeper.domain.units import Unit

pytestmark = pytest.mark.unit


def http(name: str) -> HttpSource:
    return HttpSource(name, Unit.PRICE, 1_000, Secret(""), "", "v", None, TimeUnit("ms"), 1_000, 1_000, ())


def exchange(name: str, *venues: tuple[str, str]) -> ExchangeSource:
    said = tuple(VenueConfig(venue, symbol, None, "") for venue, symbol in venues)
    return ExchangeSource(name, Unit.PRICE, 1_000, said, 1, None, None, 60_000, None, 1_000, 1_000, stream=False)


SOURCES: tuple[Source, ...] = (
    http("oracle"),
    exchange("spot", ("binanceus", "USDC/USD"), ("kraken", "USDC/USD")),
    DerivedSource("mid", Unit.PRICE, "median", ("oracle", "spot"), 1, None, None),
    ConstantSource("one", Unit.PRICE, Decimal(1)),
)


def places(given: list[str], *there: Place) -> dict[str, tuple[Place, ...]]:
    return places_of(SOURCES, given, dict.fromkeys(there))


def wrong(given: list[str], *there: Place) -> tuple[Problem, ...]:
    with pytest.raises(ConfigurationError) as caught:
        places(given, *there)
    return caught.value.problems


def test_places__own_name__is_enough() -> None:
    assert places([], ("", "oracle"), ("", "spot")) == {"oracle": (("", "oracle"),), "spot": (("", "spot"),)}


def test_places__venues_of_the_source__are_found_however_they_are_written() -> None:
    there = (("Binance_US", "USDCUSD"), ("kraken", "usdc-usd"), ("kraken", "USDC/USDT"))
    assert places([], *there) == {"spot": there[:2]}


def test_places__given_by_hand__comes_first() -> None:
    there = (("", "oracle"), ("chainlink", "ETH/USD"))
    assert places(["oracle=chainlink:ETH/USD"], *there) == {"oracle": (("chainlink", "ETH/USD"),)}
    assert places([" oracle = ETHUSD "], ("", "ETH/USD")) == {"oracle": (("", "ETH/USD"),)}


def test_places__several_venues_by_hand__are_in_their_order() -> None:
    there = (("a", "X"), ("b", "X"))
    assert places(["spot=b:X,a:X"], *there) == {"spot": (("b", "X"), ("a", "X"))}


def test_places__exact_name__is_taken_among_similar_ones() -> None:
    there = (("binance_us", "X"), ("binanceus", "X"))
    assert places(["spot=binanceus:X"], *there) == {"spot": (("binanceus", "X"),)}


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ("oracle", "this is no mapping", "--map SOURCE=VENUE:SYMBOL"),
        ("oracle=", "this is no mapping", "--map SOURCE=VENUE:SYMBOL"),
        ("=a:X", "no source has this name", "one of: oracle, spot"),
        ("orcale=a:X", "no source has this name", "did you mean oracle?"),
        ("mid=a:X", "this source is made of others, or a constant", "one of: oracle, spot"),
        ("one=a:X", "this source is made of others, or a constant", "one of: oracle, spot"),
        ("oracle=a:Z", "the files hold no a:Z", "did you mean a:X?"),
        ("oracle=BINANCEUS:Y", "BINANCEUS:Y may be each of binance_us:Y, binanceus:Y", "write it as the file does"),
        (
            "oracle=a:X,b:X",
            "only a source of kind exchange has several venues, and oracle is of another",
            "map it to one",
        ),
        ("spot=a:X,a:X", "one venue would have two votes", "--map SOURCE"),
        ("oracle=\x1b[2J:X", "the files hold no \\x1b[2J:X", ""),
    ],
)
def test_places__what_cannot_be_told__is_an_error_with_a_remedy(given: str, message: str, hint: str) -> None:
    (problem,) = wrong([given], ("a", "X"), ("b", "X"), ("binance_us", "Y"), ("binanceus", "Y"))
    assert problem.message == message
    assert problem.hint.startswith(hint)
    assert problem.found.isprintable()


def test_places__one_source_twice__is_an_error() -> None:
    assert wrong(["spot=a:X", "spot=b:X"], ("a", "X"), ("b", "X"))[0].message == "the source spot is mapped twice"


def test_places__no_source_has_data__names_what_there_is() -> None:
    many = [("venue", f"S{number:02d}") for number in range(12)]
    (problem,) = wrong([], *many)
    assert "venue:S00, " in problem.message
    assert problem.message.endswith(" and 2 more")


def test_places__no_rows_at_all__says_so() -> None:
    assert wrong([])[0].message == "the files hold no rows"
