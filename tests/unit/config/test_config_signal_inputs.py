"""What signals are made of: sources, other signals of the same market, one or several."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from keeper.config import Config, loads
from keeper.config.schema import json_schema
from keeper.domain.errors import ConfigurationError, Problem
from keeper.domain.units import Span, Unit
from keeper.engine import compile_engine
from keeper.signals import registry
from keeper.signals.spec import Param, ParamType, SignalKind

pytestmark = pytest.mark.unit

TEXT = """\
keeper: {{name: demo}}
chain: {{id: 1, endpoints: [{{url: "ws://h", role: primary}}]}}
sources:
  a: {{kind: constant, value: 1, unit: price}}
  b: {{kind: constant, value: 2, unit: price}}
  c: {{kind: constant, value: 3, unit: price}}
  held: {{kind: constant, value: 4, unit: amount}}
  both: {{kind: constant, value: 4, unit: price}}
  broken: {{kind: constant, value: none, unit: price}}
markets:
  M:
    signals:
{signals}
    rules: {{r: {{when: {{signal: s, above: {above}}}, clear: {{below: {below}}}, severity: info, actions: [stop]}}}}
actions:
  stop:
    kind: pause
    target: "0x000000000000000000000000000000000000dEaD"
    call: stop()
    read: {{call: "stopped()(bool)", expect: "true"}}
"""
GAP = "gap: {kind: divergence, of: a, against: b}"
MARKET = "markets.M.signals"


def config(*signals: str, above: str = "2%", below: str = "1%") -> Config:
    text = TEXT.format(signals="\n".join(f"      {line}" for line in signals), above=above, below=below)
    if "broken" not in "".join(signals):
        text = "\n".join(line for line in text.splitlines() if "broken:" not in line)
    return loads(text.encode(), folder=Path("/somewhere"), environ={})


def problems(*signals: str, above: str = "2%", below: str = "1%") -> list[Problem]:
    with pytest.raises(ConfigurationError) as caught:
        config(*signals, above=above, below=below)
    return list(caught.value.problems)


def problem(*signals: str) -> Problem:
    found = problems(*signals)
    assert len(found) == 1, found
    return found[0]


def test_signal__of_other_signals__in_the_order_of_the_list() -> None:
    found = config("s: {kind: max, of: [gap, other]}", GAP, "other: {kind: divergence, of: b, against: c}").engine
    assert found.markets[0].signals[0].sources == ("gap", "other")
    compile_engine(found)


def test_signal__of_a_signal_and_a_source__of_one_unit() -> None:
    found = config("s: {kind: ratio, of: a, to: high}", "high: {kind: max, of: [b, c]}").engine
    assert found.markets[0].signals[0].sources == ("a", "high")
    compile_engine(found)


@pytest.mark.parametrize(("above", "below"), [("2", "1"), ("1500.5", "0")])
def test_signal__unit_of_its_inputs__is_how_its_threshold_is_written(above: str, below: str) -> None:
    rule = config("s: {kind: max, of: [a, b]}", above=above, below=below).engine.markets[0].rules[0]
    assert rule.first.threshold == Decimal(above)


def test_signal__unit_from_two_steps_away__is_how_its_threshold_is_written() -> None:
    chain = ("s: {kind: max, of: [low, c]}", "low: {kind: min, of: [a, b]}")
    assert config(*chain, above="2", below="1")
    paths = [one.path for one in problems(*chain)]
    assert paths == ["markets.M.rules.r.clear.below", "markets.M.rules.r.when.above"]


def test_signal__against_one_or_several__is_a_name_or_a_list() -> None:
    for written, sources in (("b", ("a", "b")), ("[b]", ("a", "b")), ("[b, c]", ("a", "b", "c"))):
        found = config(f"s: {{kind: divergence, of: a, against: {written}}}").engine
        assert found.markets[0].signals[0].sources == sources


@pytest.mark.parametrize(
    ("signal", "key", "message", "hint"),
    [
        ("s: {kind: max, of: [gap, gpa]}", "s.of[1]", "no source has this name, and no signal", "did you mean gap?"),
        ("s: {kind: max, of: [gap, gap]}", "s.of[1]", "the same one as of[0]", "two different ones"),
        ("s: {kind: max, of: [gap]}", "s.of", "a max needs at least 2 sources", "[one, two]"),
        ("s: {kind: max, of: []}", "s.of", "a max needs at least 2 sources", "[one, two]"),
        ("s: {kind: max, of: gap}", "s.of", "a list is needed here", "[one, two]"),
        ("s: {kind: max, of: [gap, [b]]}", "s.of[1]", "a single value", ""),
        ("s: {kind: max, of: [gap, ~]}", "s.of[1]", "there is no value", ""),
        ("s: {kind: max, of: [gap, a]}", "s.of[1]", "must have the same unit", "ratio, not price"),
        ("s: {kind: divergence, of: a, against: [b, held]}", "s.against[1]", "this source gives: amount", "price"),
        ("s: {kind: divergence, of: a, against: [b, a]}", "s.against[1]", "the same one as of", "two different"),
        ("s: {kind: divergence, of: a, against: []}", "s.against", "at least 2 sources", "[one, two]"),
        ("s: {kind: divergence, of: a, against: gap}", "s.against", "this signal gives: ratio", "made for: price"),
        ("s: {kind: divergence, of: a, against: both}\n      both: {kind: min, of: [a, b]}", "s.against", "both have", "rename"),
        ("s: {kind: divergence, of: a, against: s}", "s.against", "in a circle", "s -> s"),
    ],
)  # fmt: skip
def test_signal__input_that_does_not_fit__is_told_at_its_place(signal: str, key: str, message: str, hint: str) -> None:
    found = problem(GAP, signal)
    assert found.path == f"{MARKET}.{key}"
    assert found.line is not None
    assert message in found.message
    assert hint in found.hint


def test_signal__that_looks_at_own_times__is_made_of_sources_alone() -> None:
    assert config("s: {kind: staleness, of: a}", above="2s", below="1s")
    found = problems(GAP, "s: {kind: staleness, of: gap}", above="2s", below="1s")
    assert [(one.path, one.hint) for one in found] == [(f"{MARKET}.s.of", "name a source")]


def test_signal__name_that_is_a_source_too__is_right_while_nothing_is_made_of_it() -> None:
    found = config(
        GAP,
        "s: {kind: max, of: [gap, other]}",
        "other: {kind: divergence, of: b, against: c}",
        "both: {kind: min, of: [a, b]}",
    )
    assert [one.name for one in found.engine.markets[0].signals] == ["gap", "s", "other", "both"]
    compile_engine(found.engine)


def test_signal__made_of_itself_through_others__is_told_once() -> None:
    found = problem("s: {kind: max, of: [t, u]}", "t: {kind: min, of: [u, gap]}", "u: {kind: max, of: [gap, s]}", GAP)
    assert found.path == f"{MARKET}.s.of[0]"
    assert "in a circle" in found.message
    assert found.hint == "s -> t -> u -> s"


def test_signal__two_circles__are_two_problems() -> None:
    found = problems(
        "s: {kind: ratio, of: s, to: gap}", "t: {kind: ratio, of: gap, to: u}", "u: {kind: ratio, of: gap, to: t}", GAP
    )
    assert [one.hint for one in found] == ["s -> s", "t -> u -> t"]


def test_signal__made_of_a_broken_one__is_not_complained_about() -> None:
    found = problem("s: {kind: max, of: [bad, gap]}", "bad: {kind: divergence, of: a, against: nowhere}", GAP)
    assert found.path == f"{MARKET}.bad.against"


def test_signal__made_of_one_that_no_kind_fits__is_not_complained_about() -> None:
    found = problem("s: {kind: max, of: [bad, gap]}", "bad: {kind: divergance, of: a}", GAP)
    assert found.path == f"{MARKET}.bad.kind"


def test_signal__made_of_a_broken_source__is_not_complained_about() -> None:
    found = problem("s: {kind: divergence, of: a, against: [b, broken]}")
    assert found.path == "sources.broken.value"


def test_signals__every_mistake__is_told_at_once() -> None:
    found = problems(
        "s: {kind: max, of: [gap, a]}", "t: {kind: ratio, of: nowhere, to: held}", "u: {kind: sum, of: [t]}", GAP
    )
    assert [one.path for one in found] == [f"{MARKET}.s.of[1]", f"{MARKET}.t.of", f"{MARKET}.u.of"]


OWN = SignalKind(
    "own",
    "A summary.",
    (
        Param("of", ParamType.SOURCE, "The source."),
        Param("window", ParamType.WINDOW, "How far back."),
        Param("usual", ParamType.WINDOW, "A stretch.", required=False, default=Span(samples=1), implied=True),
        Param("half_life", ParamType.WINDOW, "A stretch.", required=False, default=Span(blocks=5)),
        Param("factor", ParamType.NUMBER, "A number.", required=False, default=Decimal("2.50"), minimum=Decimal("0.5")),
        Param("any", ParamType.NUMBER, "A number.", required=False, default=Decimal(3)),
        Param("share", ParamType.RATIO, "A share.", required=False, default=Decimal("0.015")),
        Param("pause", ParamType.DURATION, "A time.", required=False, default=90_000),
    ),
    Unit.RATIO,
    frozenset({Unit.PRICE}),
    formula="f",
    module="none",
)  # fmt: skip


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "SIGNALS", {"own": OWN})


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("written", "span"),
    [
        ("1h", Span(ms=3_600_000)),
        ("1 ms", Span(ms=1)),
        ("30 blocks", Span(blocks=30)),
        ("1 block", Span(blocks=1)),
        ("20 samples", Span(samples=20)),
        ("1 sample", Span(samples=1)),
        ("366d", Span(ms=366 * 86_400_000)),
        ("1000000 blocks", Span(blocks=1_000_000)),
        ("1000000 samples", Span(samples=1_000_000)),
    ],
)
def test_window__time_blocks_or_samples__is_a_span(written: str, span: Span) -> None:
    spec = config(f"s: {{kind: own, of: a, window: {written}}}").engine.markets[0].signals[0]
    assert spec.window("window") == span
    assert spec.window("usual") == Span(samples=1)


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("60", "neither a time nor a number"),
        ("1.5 samples", "neither a time nor a number"),
        ("0.5 blocks", "neither a time nor a number"),
        ("forever", "neither a time nor a number"),
        ("-1h", "cannot be negative"),
        ("0s", "a window of nothing"),
        ("0 blocks", "a window of nothing"),
        ("0 samples", "a window of nothing"),
        ("367d", "too large"),
        ("1000001 blocks", "too large"),
        ("1000001 samples", "too large"),
    ],
)
def test_window__anything_else__is_refused_with_a_hint(written: str, message: str) -> None:
    found = problem(f"s: {{kind: own, of: a, window: {written}}}")
    assert (found.path, found.found) == (f"{MARKET}.s.window", written)
    assert message in found.message
    assert "samples" in found.hint


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(("written", "number"), [("0.5", "0.5"), ("3", "3"), ('"2.75"', "2.75")])
def test_number__plain__is_a_decimal(written: str, number: str) -> None:
    spec = config(f"s: {{kind: own, of: a, window: 1h, factor: {written}, any: -0.25}}").engine.markets[0].signals[0]
    assert spec.param("factor") == Decimal(number)
    assert spec.param("any") == Decimal("-0.25")


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("written", "message", "hint"),
    [
        ("0.49", "the number is too small", "at least 0.5"),
        ("2%", "not a plain number", "without a unit"),
        ("1e3", "not a plain number", "without a unit"),
    ],
)
def test_number__that_does_not_fit__is_refused(written: str, message: str, hint: str) -> None:
    found = problem(f"s: {{kind: own, of: a, window: 1h, factor: {written}}}")
    assert found.path == f"{MARKET}.s.factor"
    assert message in found.message
    assert hint in found.hint


def shapes() -> dict[str, Any]:
    schema: Any = json_schema()
    market = schema["properties"]["markets"]["additionalProperties"]
    several = market["properties"]["signals"]["additionalProperties"]["oneOf"]
    return {one["properties"]["kind"]["const"]: one for one in several}


@pytest.mark.usefixtures("own")
def test_schema__defaults__as_people_write_them_and_implied_ones_not_at_all() -> None:
    shown = {name: one.get("default") for name, one in shapes()["own"]["properties"].items()}
    assert shown == {
        "kind": None,
        "of": None,
        "window": None,
        "usual": None,
        "half_life": "5 blocks",
        "factor": "2.5",
        "any": "3",
        "share": "1.5%",
        "pause": "90s",
    }
    assert shapes()["own"]["required"] == ["kind", "of", "window"]


def test_schema__several_inputs__are_a_list_and_where_one_is_enough_also_a_name() -> None:
    of = shapes()["max"]["properties"]["of"]
    assert (of["type"], of["minItems"]) == ("array", 2)
    name, several = shapes()["divergence"]["properties"]["against"]["anyOf"]
    assert name["type"] == "string"
    assert (several["type"], several["minItems"]) == ("array", 1)
