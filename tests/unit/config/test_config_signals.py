"""Signals are checked against whatever the registry holds: here one with kinds of our own."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from keeper.config import Config, loads
from keeper.config.schema import json_schema
from keeper.domain.errors import ConfigurationError, Problem
from keeper.domain.units import Unit
from keeper.signals import registry
from keeper.signals.spec import Param, ParamProblem, ParamType, ParamValue, SignalKind

pytestmark = pytest.mark.unit

TEXT = """\
keeper: {{name: demo}}
chain: {{id: 1, endpoints: [{{url: "ws://h", role: primary}}]}}
sources:
  price: {{kind: chainlink, address: "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419", unit: price, max_age: 1h}}
  other: {{kind: chainlink, address: "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419", unit: price, max_age: 1h}}
  held: {{kind: chainlink, address: "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419", unit: amount, max_age: 1h}}
markets:
  M:
    signals: {{s: {signal}}}
    rules: {{r: {{when: {{signal: s, above: {above}}}, clear: {{below: {below}}}, severity: info, actions: [stop]}}}}
actions:
  stop:
    kind: pause
    target: "0x000000000000000000000000000000000000dEaD"
    call: stop()
    read: {{call: "stopped()(bool)", expect: "true"}}
"""


def no_three(params: Mapping[str, ParamValue]) -> tuple[ParamProblem, ...]:
    return (ParamProblem("count", "three is unlucky", "take four"),) if params.get("count") == 3 else ()


def kind(name: str, output: Unit, *params: Param, accepts: frozenset[Unit] = frozenset({Unit.PRICE})) -> SignalKind:
    return SignalKind(name, "A summary.", params, output, accepts, formula="f", module="none", check=no_three)


OF = Param("of", ParamType.SOURCE, "The source.")
KINDS = {
    one.kind: one
    for one in (
        kind(
            "full",
            Unit.RATIO,
            OF,
            Param("and", ParamType.SOURCE, "Another."),
            Param("count", ParamType.COUNT, "How many.", minimum=2),
            Param(
                "share", ParamType.RATIO, "A share.", required=False, default=Decimal("0.5"), minimum=Decimal("0.01")
            ),
            Param("word", ParamType.CHOICE, "A word.", required=False, choices=("red", "blue")),
            accepts=frozenset({Unit.PRICE, Unit.AMOUNT}),
        ),
        *(kind(f"gives-{unit}", unit, OF) for unit in Unit),
    )
}


@pytest.fixture(autouse=True)
def _registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "SIGNALS", KINDS)


def config(signal: str, above: str = "2%", below: str = "1%") -> Config:
    text = TEXT.format(signal=signal, above=above, below=below)
    return loads(text.encode(), folder=Path("/somewhere"), environ={})


def problem(signal: str, above: str = "2%", below: str = "1%") -> Problem:
    with pytest.raises(ConfigurationError) as caught:
        config(signal, above, below)
    assert len(caught.value.problems) == 1, caught.value.problems
    return caught.value.problems[0]


def test_signal__every_parameter__typed_with_defaults_and_sources_apart() -> None:
    spec = config("{kind: full, of: price, and: other, count: 2, word: red}").engine.markets[0].signals[0]
    assert (spec.name, spec.kind, spec.sources) == ("s", "full", ("price", "other"))
    assert spec.params == (("count", 2), ("share", Decimal("0.5")), ("word", "red"))


def test_signal__parameter_without_default_left_out__is_not_there() -> None:
    spec = config("{kind: full, of: price, and: other, count: 2}").engine.markets[0].signals[0]
    assert [name for name, _ in spec.params] == ["count", "share"]


def test_signal__share_at_its_minimum__is_taken() -> None:
    spec = config("{kind: full, of: price, and: other, count: 2, share: 1%}").engine.markets[0].signals[0]
    assert spec.param("share") == Decimal("0.01")


@pytest.mark.parametrize(
    ("signal", "key", "message", "hint"),
    [
        ("{kind: full, of: price, and: other, count: 1}", "count", "too small", "from 2"),
        ("{kind: full, of: price, and: other, count: 3}", "count", "three is unlucky", "take four"),
        ("{kind: full, of: price, and: other, count: 2, share: 99bps}", "share", "too small", "at least 1%"),
        ("{kind: full, of: price, and: other, count: 2, share: 0.5}", "share", "not a share", "2% or 50bps"),
        ("{kind: full, of: price, and: other, count: 2, word: green}", "word", "not one of the words", "blue, red"),
        ("{kind: full, of: price, and: held, count: 2}", "and", "the same unit", "not amount"),
        ("{kind: full, of: price, and: price, count: 2}", "and", "the same one as of", "different"),
        ("{kind: full, of: price, and: other, cuont: 2, count: 2}", "cuont", "unknown key", "did you mean count?"),
        ("{kind: gives-ratio, of: held}", "of", "this source gives: amount", "made for: price"),
    ],
)
def test_signal__parameter_that_does_not_fit__is_told_at_its_place(
    signal: str, key: str, message: str, hint: str
) -> None:
    found = problem(signal)
    assert found.path == f"markets.M.signals.s.{key}"
    assert message in found.message
    assert hint in found.hint


@pytest.mark.parametrize(
    ("unit", "above", "below", "threshold"),
    [
        ("ratio", "2%", "1%", "0.02"),
        ("ratio", "50bps", "-1%", "0.005"),
        ("volatility", "6%", "3%", "0.06"),
        ("price", "1500.5", "1500", "1500.5"),
        ("amount", '"250000"', "-1", "250000"),
        ("count", "3", "2", "3"),
        ("flag", "0.5", "0.4", "0.5"),
        ("seconds", "90s", "1m", "90"),
        ("seconds", "250ms", "0s", "0.25"),
    ],
)
def test_threshold__in_the_unit_of_the_signal__is_taken(unit: str, above: str, below: str, threshold: str) -> None:
    rule = config(f"{{kind: gives-{unit}, of: price}}", above, below).engine.markets[0].rules[0]
    assert rule.first.threshold == Decimal(threshold)


@pytest.mark.parametrize(
    ("unit", "above", "below", "message"),
    [
        ("ratio", "0.02", "1%", "not a share"),
        ("volatility", "2", "1%", "not a share"),
        ("price", "2%", "1", "not a plain number"),
        ("price", "1e6", "1", "not a plain number"),
        ("price", "1" * 31, "1", "too large"),
        ("seconds", "90", "1s", "not a duration"),
        ("seconds", "3 blocks", "1s", "a time is needed"),
        ("count", ".nan", "1", "not a plain number"),
        ("count", "[3]", "1", "a single value"),
    ],
)
def test_threshold__in_another_unit__is_refused(unit: str, above: str, below: str, message: str) -> None:
    found = problem(f"{{kind: gives-{unit}, of: price}}", above, below)
    assert found.path == "markets.M.rules.r.when.above"
    assert message in found.message


def test_schema__kinds_of_signals__are_those_of_the_registry() -> None:
    text = str(json_schema())
    assert all(f"'const': '{name}'" in text for name in KINDS)
    assert "realised" not in text
