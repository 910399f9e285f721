"""Sources made of other sources, constants, and exchanges: what loads, and what is said of what does not."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from keeper.config.derived import OPTIONS, WORDS, derivation
from keeper.config.model import ConstantSource, DerivedSource, ExchangeSource, VenueConfig
from keeper.config.schema import json_schema
from keeper.domain.units import Unit
from keeper.engine.spec import Derivation, How, SourceSpec

if TYPE_CHECKING:
    from keeper.domain.errors import Problem
    from tests.unit.config.conftest import Break, Load

pytestmark = pytest.mark.unit

PLACE = "\nmarkets:\n"
ONE = "one: {kind: constant, value: 1, unit: price}"
EXCHANGE = "x: {kind: exchange, symbol: USDC/USD, venues: [kraken, bitstamp], max_age: 5m}"


def edit(*lines: str) -> tuple[str, str]:
    return PLACE, "\n" + "".join(f"  {line}\n" for line in lines) + "markets:\n"


def sources(load: Load, *lines: str) -> dict[str, Any]:
    return {source.name: source for source in load(edit(*lines)).sources}


def problem(broken: Break, *lines: str) -> Problem:
    found = broken(edit(*lines))
    assert len(found) == 1, found
    return found[0]


def test_words__are_those_of_the_engine() -> None:
    assert {*WORDS, "constant"} == {how.value for how in How}
    assert set(OPTIONS.values()) <= set(WORDS)


def test_constant__as_written(load_good: Load) -> None:
    found = sources(load_good, ONE, "least: {kind: constant, value: -0.25, unit: ratio}")
    assert found["one"] == ConstantSource("one", Unit.PRICE, Decimal(1))
    assert found["least"] == ConstantSource("least", Unit.RATIO, Decimal("-0.25"))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "d: {kind: derived, how: median, of: [eth-spot, eth-oracle, one], min_fresh: 3, outlier: 50bps}",
            DerivedSource("d", Unit.PRICE, "median", ("eth-spot", "eth-oracle", "one"), 3, Decimal("0.005"), None),
        ),
        (
            "d: {kind: derived, how: median, of: [eth-spot, one]}",
            DerivedSource("d", Unit.PRICE, "median", ("eth-spot", "one"), 2, Decimal("0.1"), None),
        ),
        (
            "d: {kind: derived, how: ratio, of: [eth-spot, one]}",
            DerivedSource("d", Unit.RATIO, "ratio", ("eth-spot", "one"), 1, None, None),
        ),
        (
            "d: {kind: derived, how: ratio, of: [eth-spot, one], unit: price}",
            DerivedSource("d", Unit.PRICE, "ratio", ("eth-spot", "one"), 1, None, None),
        ),
        (
            "d: {kind: derived, how: product, of: [eth-tvl, one]}",
            DerivedSource("d", Unit.AMOUNT, "product", ("eth-tvl", "one"), 1, None, None),
        ),
        (
            "d: {kind: derived, how: inverse, of: [one]}",
            DerivedSource("d", Unit.PRICE, "inverse", ("one",), 1, None, None),
        ),
        (
            "d: {kind: derived, how: unchanged, of: [eth-tvl], stuck_after: 2h}",
            DerivedSource("d", Unit.AMOUNT, "unchanged", ("eth-tvl",), 1, None, 7_200_000),
        ),
    ],
)
def test_derived__each_kind__loads_with_its_unit(load_good: Load, line: str, expected: DerivedSource) -> None:
    assert sources(load_good, ONE, line)["d"] == expected


def test_derived__written_before_its_members__loads_in_the_order_of_the_file(load_good: Load) -> None:
    lines = ["d: {kind: derived, how: inverse, of: [e]}", "e: {kind: derived, how: ratio, of: [eth-spot, one]}", ONE]
    found = sources(load_good, *lines)
    assert list(found)[-3:] == ["d", "e", "one"]
    assert found["d"].unit is Unit.RATIO


def test_derived__for_the_engine__says_how(load_good: Load) -> None:
    line = "d: {kind: derived, how: median, of: [eth-spot, one], outlier: 1%}"
    specs = {spec.name: spec for spec in load_good(edit(ONE, line)).engine.sources}
    made = Derivation(How.MEDIAN, ("eth-spot", "one"), 2, Decimal("0.01"))
    assert specs["d"] == SourceSpec("d", Unit.PRICE, None, derived=made)
    assert specs["one"] == SourceSpec("one", Unit.PRICE, None, derived=Derivation(How.CONSTANT, value=Decimal(1)))
    assert specs["eth-spot"].derived is None


def test_derivation__of_a_source_from_outside__is_none(load_good: Load) -> None:
    assert [derivation(source) for source in load_good().sources] == [None, None, None]


def test_derived__a_signal__may_be_of_it(load_good: Load) -> None:
    signal = ("{kind: divergence, of: eth-oracle, against: eth-spot}", "{kind: divergence, of: eth-oracle, against: m}")
    config = load_good(edit(ONE, "m: {kind: derived, how: median, of: [eth-spot, one]}"), signal)
    assert config.engine.markets[0].signals[0].sources == ("eth-oracle", "m")


@pytest.mark.parametrize(
    ("line", "path", "message", "hint"),
    [
        ("d: {kind: derived, how: mean, of: [eth-spot, one]}", "d.how", "not one of the words", "did you mean median?"),
        ("d: {kind: derived, how: median}", "d.of", "of is missing", "add of"),
        ("d: {kind: derived, how: median, of: [eth-spot]}", "d.of", "2 to 50", ""),
        ("d: {kind: derived, how: inverse, of: [eth-spot, one]}", "d.of", "exactly one", ""),
        ("d: {kind: derived, how: ratio, of: [eth-spot, eth-spott]}", "d.of[1]", "no source", "eth-spot?"),
        ("d: {kind: derived, how: ratio, of: [eth-spot, eth-spot]}", "d.of[1]", "named twice", "once"),
        ("d: {kind: derived, how: median, of: [eth-spot, eth-tvl]}", "d.of", "no median of these", "eth-tvl: amount"),
        ("d: {kind: derived, how: ratio, of: [eth-tvl, one]}", "d.of", "no ratio of these units", "one: price"),
        ("d: {kind: derived, how: ratio, of: [eth-spot, one], unit: flag}", "d.unit", "is not that", "ratio or price"),
        ("d: {kind: derived, how: median, of: [eth-spot, one], min_fresh: 3}", "d.min_fresh", "more than", "1 to 2"),
        ("d: {kind: derived, how: median, of: [eth-spot, one], min_fresh: 0}", "d.min_fresh", "too small", "1 to 50"),
        ("d: {kind: derived, how: median, of: [eth-spot, one], outlier: 0%}", "d.outlier", "more than zero", "leave"),
        ("d: {kind: derived, how: ratio, of: [eth-spot, one], outlier: 1%}", "d.outlier", "how: median", "leave it"),
        (
            "d: {kind: derived, how: median, of: [eth-spot, one], stuck_after: 1h}",
            "d.stuck_after",
            "unchanged",
            "leave",
        ),
        ("d: {kind: derived, how: unchanged, of: [eth-spot]}", "d.stuck_after", "stuck_after is missing", "add"),
        ("d: {kind: derived, how: median, of: [eth-spot, one], max_age: 1h}", "d.max_age", "unknown key", "one of"),
        ("d: {kind: derived, how: inverse, of: [d]}", "d.of", "in a circle", "d -> d"),
        ("d: {kind: constant, unit: price}", "d.value", "value is missing", "add value"),
        ("d: {kind: constant, unit: price, value: 1%}", "d.value", "not a plain number", "1500"),
    ],
)
def test_derived__broken__is_told_with_its_place(broken: Break, line: str, path: str, message: str, hint: str) -> None:
    found = problem(broken, ONE, line)
    assert found.path == f"sources.{path}"
    assert found.line == 32
    assert message in found.message
    assert hint in found.hint


def test_derived__in_a_circle__is_told_once_with_the_way_round(broken: Break) -> None:
    lines = [
        "a: {kind: derived, how: inverse, of: [b]}",
        "b: {kind: derived, how: inverse, of: [c]}",
        "c: {kind: derived, how: inverse, of: [a]}",
        "d: {kind: derived, how: inverse, of: [a]}",
    ]
    found = problem(broken, *lines)
    assert (found.path, found.line) == ("sources.a.of", 31)
    assert "in a circle" in found.message
    assert found.hint == "a -> b -> c -> a"


def test_derived__of_a_broken_source__is_not_blamed(broken: Break) -> None:
    lines = ["bad: {kind: constant, value: x, unit: price}", "d: {kind: derived, how: ratio, of: [bad, eth-spot]}"]
    assert problem(broken, *lines).path == "sources.bad.value"


def test_exchange__defaults(load_good: Load) -> None:
    assert sources(load_good, EXCHANGE)["x"] == ExchangeSource(
        name="x",
        unit=Unit.PRICE,
        max_age_ms=300_000,
        venues=(VenueConfig("kraken", "USDC/USD", None, ""), VenueConfig("bitstamp", "USDC/USD", None, "")),
        min_venues=2,
        outlier=Decimal("0.1"),
        min_volume=None,
        volume_window_ms=900_000,
        max_spread=None,
        every_ms=5_000,
        timeout_ms=3_000,
        stream=False,
    )


def test_exchange__everything_said__as_written(load_good: Load) -> None:
    venues = 'venues: [kraken, {venue: binanceus, symbol: USDC/USDT, url: "http://u:${EXCHANGE_KEY}@127.0.0.1:9/x"}]'
    more = "min_venues: 1, outlier: 2%, min_volume: 10000, volume_window: 5m, max_spread: 50bps"
    line = (
        f"x: {{kind: exchange, symbol: USDC/USD, {venues}, {more}, every: 2s, timeout: 1s, max_age: 90s, stream: true}}"
    )
    found = sources(load_good, line)["x"]
    assert [(venue.name, venue.symbol) for venue in found.venues] == [
        ("kraken", "USDC/USD"),
        ("binanceus", "USDC/USDT"),
    ]
    assert found.venues[1].url.reveal() == "http://u:exchange-key-77aa@127.0.0.1:9/x"
    assert "exchange-key" not in found.venues[1].shown
    assert (found.min_venues, found.outlier, found.min_volume) == (1, Decimal("0.02"), Decimal(10_000))
    assert (found.volume_window_ms, found.max_spread, found.stream) == (300_000, Decimal("0.005"), True)
    assert (found.every_ms, found.timeout_ms, found.max_age_ms) == (2_000, 1_000, 90_000)


@pytest.mark.parametrize(
    ("old", "new", "path", "message", "hint"),
    [
        ("kraken,", "krakn,", "venues[0]", "no venue of this name", "did you mean kraken?"),
        ("bitstamp]", "kraken]", "venues[1]", "named twice", "one vote"),
        ("[kraken, bitstamp]", "[kraken]", "min_venues", "2 must agree, and there are 1", "kind: derived"),
        ("[kraken, bitstamp]", "[]", "venues", "0 venues", "from 1 to 20"),
        ("[kraken, bitstamp]", "kraken", "venues", "a list is needed", ""),
        ("kraken,", "{symbol: A/B},", "venues[0].venue", "venue is missing", "add venue"),
        ("kraken,", "{venue: kraken, sybol: A/B},", "venues[0].sybol", "unknown key", "did you mean symbol?"),
        ("USDC/USD", "usdcusd", "symbol", "not a symbol", "ETH/USDT"),
        ("max_age: 5m", "max_age: 4s", "max_age", "shorter than every", "a few times"),
        ("max_age: 5m", "max_age: 5m, volume_window: 5m", "volume_window", "no volume is asked for", "min_volume"),
        ("max_age: 5m", "max_age: 5m, min_volume: 1, volume_window: 90s", "volume_window", "whole minutes", "15m"),
        ("max_age: 5m", "max_age: 5m, min_volume: 1, volume_window: 5h", "volume_window", "four hours", "15m"),
        ("max_age: 5m", "max_age: 5m, min_volume: 0", "min_volume", "more than zero", "leave it out"),
        ("max_age: 5m", "max_age: 5m, max_spread: -1%", "max_spread", "more than zero", "leave it out"),
        ("max_age: 5m", 'max_age: 5m, stream: "yes"', "stream", "neither true nor false", "without quotes"),
        ("max_age: 5m", "max_age: 5m, every: 100ms", "every", "too short", "500ms"),
    ],
)
def test_exchange__broken__is_told_with_its_place(
    broken: Break, old: str, new: str, path: str, message: str, hint: str
) -> None:
    assert EXCHANGE.count(old) == 1
    found = problem(broken, EXCHANGE.replace(old, new))
    assert (found.path, found.line) == (f"sources.x.{path}", 31)
    assert message in found.message
    assert hint in found.hint


@pytest.mark.parametrize("minutes", ["1m", "4h"])
def test_exchange__volume_window__both_ends_are_allowed(load_good: Load, minutes: str) -> None:
    line = EXCHANGE.replace("max_age: 5m", f"max_age: 5m, min_volume: 1, volume_window: {minutes}")
    assert sources(load_good, line)["x"].volume_window_ms in (60_000, 14_400_000)


@pytest.mark.parametrize("stream", ["", ", stream: true"])
def test_exchange__ccxt_is_not_installed__is_told_once_with_the_extra(
    broken: Break, monkeypatch: pytest.MonkeyPatch, stream: str
) -> None:
    monkeypatch.setattr("keeper.config.venues.known_venues", lambda package: frozenset())
    line = EXCHANGE[:-1] + stream + "}"
    found = problem(broken, line, "y" + line[1:])
    assert (found.path, found.message) == ("sources", "sources of kind exchange need ccxt, and it is not installed")
    assert found.line == 31
    assert "make setup-dev" in found.hint
    assert 'pip install "keeper[exchange]"' in found.hint


def test_exchange__ccxt_is_not_installed__what_else_is_wrong_is_still_told(
    broken: Break, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keeper.config.venues.known_venues", lambda package: frozenset())
    found = broken(edit(EXCHANGE.replace("bitstamp]", "kraken]")))
    assert [each.path for each in found] == ["sources", "sources.x.venues[1]"]


def test_exchange__outlier_with_one_venue__is_refused(broken: Break) -> None:
    line = EXCHANGE.replace("[kraken, bitstamp]", "[kraken], min_venues: 1, outlier: 1%")
    assert problem(broken, line).path == "sources.x.outlier"


def test_exchange__stream_of_a_venue_without_one__is_refused(broken: Break, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"pro": frozenset({"kraken"}), "async_support": frozenset({"kraken", "bitstamp"})}
    monkeypatch.setattr("keeper.config.venues.known_venues", known.__getitem__)
    found = problem(broken, EXCHANGE.replace("max_age: 5m", "max_age: 5m, stream: true"))
    assert (found.path, found.message) == ("sources.x.venues[1]", "ccxt offers no WebSocket for this venue")


def test_rule__needs_and_without__as_written(load_good: Load) -> None:
    rule = load_good(("severity: critical", "severity: critical\n        needs: [wide, ok]\n        without: trip"))
    first, second = rule.engine.markets[0].rules
    assert (sorted(first.needs), str(first.without)) == (["ok", "wide"], "trip")
    assert (sorted(second.needs), str(second.without)) == (["ok"], "hold")


@pytest.mark.parametrize(
    ("line", "path", "message", "hint"),
    [
        ("needs: [wide]", "needs", "ok is not among them", "add ok"),
        ("needs: []", "needs", "ok is not among them", "add ok"),
        ("needs: ok", "needs", "a list is needed", ""),
        ("needs: [ok, ok]", "needs[1]", "named twice", "once"),
        ("needs: [ok, missing]", "needs[1]", "not one of the words", "one of"),
        ("needs: [ok, stal]", "needs[1]", "not one of the words", "did you mean stale?"),
        ("without: tripp", "without", "not one of the words", "did you mean trip?"),
    ],
)
def test_rule__quality_policy_that_is_broken__is_told(
    broken: Break, line: str, path: str, message: str, hint: str
) -> None:
    found = broken(("severity: critical", f"severity: critical\n        {line}"))
    assert len(found) == 1
    assert found[0].path == f"markets.ETH-PERP.rules.oracle-divergence.{path}"
    assert message in found[0].message
    assert hint in found[0].hint


def test_schema__knows_the_new_kinds_and_keys() -> None:
    schema: Any = json_schema()
    kinds = {
        one["properties"]["kind"]["const"] for one in schema["properties"]["sources"]["additionalProperties"]["oneOf"]
    }
    assert {"exchange", "derived", "constant"} <= kinds
    rule = schema["properties"]["markets"]["additionalProperties"]["properties"]["rules"]["additionalProperties"]
    assert rule["properties"]["without"]["enum"] == ["hold", "trip", "alert"]
    assert rule["properties"]["without"]["default"] == "hold"
