"""Impossible specs: each is named with its path, all at once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from keeper.domain.errors import ConfigurationError
from keeper.domain.observation import Quality
from keeper.domain.units import Span, Unit
from keeper.engine.check import problems_of
from keeper.engine.engine import compile_engine
from keeper.engine.spec import Derivation, EngineSpec, How, SourceSpec
from keeper.rules.spec import Condition, RuleSpec, Side
from keeper.signals.spec import SignalSpec
from tests.support.engine_world import divergence, market, policy, rule, spec, volatility

pytestmark = pytest.mark.unit

PRICE = SourceSpec("spot", Unit.PRICE)
ORACLE = SourceSpec("oracle", Unit.PRICE)


def with_signal(signal: SignalSpec) -> EngineSpec:
    return spec([market(signals=[signal], rules=[rule(signal=signal.name)])])


def with_rule(one: RuleSpec) -> EngineSpec:
    return spec([market(rules=[one])])


def clears_on(signal: str) -> RuleSpec:
    return replace(rule(), clear=Condition(signal, Side.BELOW, Decimal("0.01")))


def trips_above_clears(side: Side) -> RuleSpec:
    return replace(rule(), clear=Condition("gap", side, Decimal("0.01")))


def paths(one: EngineSpec) -> list[str]:
    return [problem.path for problem in problems_of(one)]


def test_check__sound_spec__has_no_problems() -> None:
    assert paths(spec()) == []
    assert paths(EngineSpec((), (), ())) == []


def with_source(how: How, *of: str, unit: Unit = Unit.PRICE, **more: object) -> EngineSpec:
    made = SourceSpec("d", unit, derived=Derivation(how, of, **more))  # type: ignore[arg-type]
    return spec(sources=[PRICE, ORACLE, SourceSpec("cap", Unit.AMOUNT), made])


@pytest.mark.parametrize(
    "sound",
    [
        with_source(How.MEDIAN, "spot", "oracle", at_least=2, outlier=Decimal("0.01")),
        with_source(How.RATIO, "spot", "oracle"),
        with_source(How.RATIO, "spot", "oracle", unit=Unit.RATIO),
        with_source(How.PRODUCT, "spot", "cap", unit=Unit.AMOUNT),
        with_source(How.INVERSE, "spot"),
        with_source(How.UNCHANGED, "cap", unit=Unit.AMOUNT, stuck_after_ms=1),
        with_source(How.CONSTANT, value=Decimal(0), unit=Unit.FLAG),
    ],
)
def test_check__sound_derived_source__has_no_problems(sound: EngineSpec) -> None:
    assert paths(sound) == []


@pytest.mark.parametrize(
    ("broken", "key"),
    [
        (with_source(How.RATIO, "spot", "rumour"), "of"),
        (with_source(How.RATIO, "spot", "spot"), "of"),
        (with_source(How.RATIO, "spot"), "of"),
        (with_source(How.MEDIAN), "of"),
        (with_source(How.INVERSE, "spot", "oracle"), "of"),
        (with_source(How.CONSTANT, "spot", value=Decimal(1)), "of"),
        (with_source(How.RATIO, "d", "spot"), "of"),
        (with_source(How.MEDIAN, "spot", "oracle", at_least=3), "min_fresh"),
        (with_source(How.MEDIAN, "spot", "oracle", at_least=0), "min_fresh"),
        (with_source(How.MEDIAN, "spot", "oracle", outlier=Decimal(0)), "outlier"),
        (with_source(How.UNCHANGED, "spot"), "stuck_after"),
        (with_source(How.UNCHANGED, "spot", stuck_after_ms=0), "stuck_after"),
        (with_source(How.CONSTANT), "value"),
        (with_source(How.CONSTANT, value=Decimal("NaN")), "value"),
        (with_source(How.RATIO, "spot", "cap"), "unit"),
        (with_source(How.INVERSE, "spot", unit=Unit.AMOUNT), "unit"),
    ],
)
def test_check__impossible_derived_source__is_named(broken: EngineSpec, key: str) -> None:
    assert f"sources.d.{key}" in paths(broken)
    with pytest.raises(ConfigurationError):
        compile_engine(broken)


def test_check__sources_made_of_each_other__are_named_once_with_the_way_round() -> None:
    one = SourceSpec("one", Unit.PRICE, derived=Derivation(How.INVERSE, ("two",)))
    two = SourceSpec("two", Unit.PRICE, derived=Derivation(How.INVERSE, ("one",)))
    problems = problems_of(spec(sources=[PRICE, ORACLE, one, two]))
    assert [(problem.path, problem.found) for problem in problems] == [("sources.one.of", "one -> two -> one")]


@pytest.mark.parametrize(
    "needs", [frozenset(), frozenset({Quality.OK, Quality.MISSING}), frozenset({Quality.MALFORMED})]
)
def test_check__rule_that_needs_what_has_no_value__is_named(needs: frozenset[Quality]) -> None:
    assert paths(with_rule(replace(rule(), needs=needs))) == ["markets.M.rules.wide.needs"]


@pytest.mark.parametrize(
    ("broken", "path"),
    [
        (spec(sources=[PRICE, ORACLE, PRICE]), "sources.spot"),
        (spec(sources=[ORACLE, replace(PRICE, max_age_ms=-1)]), "sources.spot.max_age"),
        (spec(actions=[policy(), policy()]), "actions.pause"),
        (spec(actions=[policy(cooldown_ms=-1)]), "actions.pause.cooldown"),
        (spec(actions=[policy(retry_ms=-1)]), "actions.pause.retry"),
        (spec([market(), market()]), "markets.M"),
        (spec([market(signals=[divergence(), divergence()])]), "markets.M.signals.gap"),
        (spec([market(rules=[rule(), rule()])]), "markets.M.rules.wide"),
        (with_signal(SignalSpec("gap", "astrology", ("spot",))), "markets.M.signals.gap.kind"),
        (with_signal(replace(divergence(), sources=("spot",))), "markets.M.signals.gap"),
        (with_signal(divergence(of="rumour")), "markets.M.signals.gap.of"),
        (with_signal(divergence(against="rumour")), "markets.M.signals.gap.against"),
        (with_signal(replace(divergence(), params=())), "markets.M.signals.gap.side"),
        (with_signal(divergence(side="sideways")), "markets.M.signals.gap.side"),
        (with_signal(replace(divergence(), params=(("side", "either"), ("hue", "red")))), "markets.M.signals.gap.hue"),
        (with_signal(volatility(window_ms=0)), "markets.M.signals.vol.window"),
        (with_signal(volatility(sampling_ms=0)), "markets.M.signals.vol.sampling"),
        (with_signal(volatility(window_ms=12_000)), "markets.M.signals.vol.window"),
        (
            with_signal(replace(volatility(), params=(("window", "1h"), ("sampling", Span(ms=1))))),
            "markets.M.signals.vol.window",
        ),
        (
            with_signal(replace(volatility(), params=(("window", 3_600_000), ("sampling", Span(ms=1))))),
            "markets.M.signals.vol.window",
        ),
        (with_rule(rule(signal="mood")), "markets.M.rules.wide"),
        (with_rule(clears_on("mood")), "markets.M.rules.wide.clear.signal"),
        (with_rule(trips_above_clears(Side.ABOVE)), "markets.M.rules.wide.clear.above"),
        (with_rule(rule(above="NaN")), "markets.M.rules.wide.when.above"),
        (with_rule(rule(clear="-Infinity")), "markets.M.rules.wide.clear.below"),
        (with_rule(rule(hold=Span(ms=-1))), "markets.M.rules.wide.when.for"),
        (with_rule(rule(clear_hold=Span(blocks=-1))), "markets.M.rules.wide.clear.for"),
        (with_rule(rule(actions=("dance",))), "markets.M.rules.wide.actions"),
        (with_rule(rule(actions=("pause", "pause"))), "markets.M.rules.wide.actions.pause"),
    ],
)
def test_check__one_thing_wrong__names_the_place(broken: EngineSpec, path: str) -> None:
    assert path in paths(broken)
    with pytest.raises(ConfigurationError):
        compile_engine(broken)


@pytest.mark.parametrize(("clear", "sound"), [("0.0199", True), ("0.02", False), ("0.03", False)])
def test_check__gap_above__both_sides(clear: str, sound: bool) -> None:
    assert (paths(with_rule(rule(above="0.02", clear=clear))) == []) is sound


@pytest.mark.parametrize(("clear", "sound"), [("0.0201", True), ("0.02", False), ("0.01", False)])
def test_check__gap_below__both_sides(clear: str, sound: bool) -> None:
    when = Condition("gap", Side.BELOW, Decimal("0.02"))
    turned = replace(rule(), when=when, clear=Condition("gap", Side.ABOVE, Decimal(clear)))
    assert (paths(with_rule(turned)) == []) is sound


def test_check__unit_that_the_kind_does_not_take__is_refused_and_named() -> None:
    broken = spec(sources=[ORACLE, replace(PRICE, unit=Unit.AMOUNT)])
    found = problems_of(broken)
    assert [problem.path for problem in found] == ["markets.M.signals.gap.against", "markets.M.signals.gap"]
    assert found[0].found == "amount"
    assert found[0].hint == "price"
    assert "same unit" in found[1].message


def test_compile__several_problems__all_at_once() -> None:
    broken = spec(
        [market(rules=[rule(signal="mood", actions=("dance",), hold=Span(ms=-1))])], actions=[policy(retry_ms=-1)]
    )
    with pytest.raises(ConfigurationError) as caught:
        compile_engine(broken)
    assert len(caught.value.problems) == 4
