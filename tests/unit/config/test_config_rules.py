"""Rules as they are written: groups, thresholds that follow another signal, k of n, suppressors, schedules."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from keeper.config.schema import json_schema
from keeper.domain.units import NO_SPAN, Span
from keeper.rules.spec import DAY_MS, Condition, Group, Mode, Moving, OutOf, RuleSpec, Schedule, Share, Side
from tests.unit.config.test_config_schema import document, fits

if TYPE_CHECKING:
    from tests.unit.config.conftest import Break, Load

pytestmark = pytest.mark.unit

RULE = "markets.ETH-PERP.rules.oracle-divergence"
WHEN = "when: {signal: divergence, above: 2%, for: 2 blocks}"
CLEAR = "clear: {below: 1%, for: 5 blocks}"
SEVERITY = "severity: critical"
MEMBERS = "[{signal: divergence, above: 2%}, {signal: volatility, above: 3%}]"
BACK = "clear: {all: [{signal: divergence, below: 1%}, {signal: volatility, below: 1%}], for: 10 blocks}"
DIVERGENCE = Condition("divergence", Side.ABOVE, Decimal("0.02"))
VOLATILITY = Condition("volatility", Side.ABOVE, Decimal("0.03"))


def first(load_good: Load, *edits: tuple[str, str]) -> RuleSpec:
    return load_good(*edits).engine.markets[0].rules[0]


@pytest.mark.parametrize(
    ("text", "group"),
    [
        (f"{{all: {MEMBERS}, for: 30s}}", Group(Mode.ALL, (DIVERGENCE, VOLATILITY), Span(ms=30_000))),
        (f"{{any: {MEMBERS}}}", Group(Mode.ANY, (DIVERGENCE, VOLATILITY))),
        (
            f"{{at_least: 2, of: {MEMBERS}, for: 3 of 5 ticks}}",
            Group(Mode.AT_LEAST, (DIVERGENCE, VOLATILITY), OutOf(3, 5, ticks=True), 2),
        ),
    ],
)
def test_groups__each_mode__as_written(load_good: Load, good: str, text: str, group: Group) -> None:
    rule = first(load_good, (WHEN, f"when: {text}"), (CLEAR, BACK))
    assert rule.when == group
    assert rule.clear == Group(
        Mode.ALL,
        (
            Condition("divergence", Side.BELOW, Decimal("0.01")),
            Condition("volatility", Side.BELOW, Decimal("0.01")),
        ),
        Span(blocks=10),
    )
    assert fits(document(good.replace(WHEN, f"when: {text}").replace(CLEAR, BACK)), json_schema())


@pytest.mark.parametrize(
    ("text", "hold"),
    [
        ("3 of 5 blocks", OutOf(3, 5)),
        ("1 of 1 block", OutOf(1, 1)),
        ("62 of 62 ticks", OutOf(62, 62, ticks=True)),
        ("2 blocks", Span(blocks=2)),
        ("30s", Span(ms=30_000)),
    ],
)
def test_for__each_way__as_written(load_good: Load, good: str, text: str, hold: object) -> None:
    edit = ("for: 2 blocks", f"for: {text}")
    assert first(load_good, edit).when.hold == hold
    assert fits(document(good.replace(*edit)), json_schema())


@pytest.mark.parametrize(
    "text", ["0 of 5 blocks", "6 of 5 blocks", "3 of 63 ticks", "3 of 5", "3 of 5 samples", "three of 5 blocks"]
)
def test_for__k_of_n_that_cannot_be__is_refused(broken: Break, text: str) -> None:
    (problem,) = broken(("for: 2 blocks", f"for: {text}"))
    assert problem.path == f"{RULE}.when.for"


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("{base: 1%, plus: 0.5, of: volatility}", Moving("volatility", Decimal("0.5"), Decimal("0.01"), converts=True)),
        (
            '{base: 1%, plus: "-2", of: volatility, at_least: 50bps, at_most: 5%}',
            Moving("volatility", Decimal(-2), Decimal("0.01"), Decimal("0.005"), Decimal("0.05"), converts=True),
        ),
    ],
)
def test_threshold__that_follows_another_signal__as_written(
    load_good: Load, good: str, text: str, level: Moving
) -> None:
    edits = ((WHEN, f"when: {{signal: divergence, above: {text}}}"), (CLEAR, "clear: {below: {share: 50%}}"))
    rule = first(load_good, *edits)
    assert rule.when == Condition("divergence", Side.ABOVE, level)
    assert rule.clear == Condition("divergence", Side.BELOW, Share(Decimal("0.5")))
    assert rule.signals == ("divergence", "volatility")
    assert fits(document(good.replace(*edits[0]).replace(*edits[1])), json_schema())


def test_threshold__multiple_of_a_signal_of_the_same_unit__as_written(load_good: Load) -> None:
    usual = "      usual: {kind: realised-volatility, of: eth-spot, window: 1h}\n"
    edits = (
        ("      volatility: {", f"{usual}      volatility: {{"),
        ("above: 300bps, for: 30s", "above: {times: 3, of: usual, at_least: 1%}"),
        ("clear: {signal: volatility, below: 1%}", "clear: {below: {times: 2, of: usual}}"),
    )
    rule = load_good(*edits).engine.markets[0].rules[1]
    assert rule.first.threshold == Moving("usual", Decimal(3), at_least=Decimal("0.01"))
    assert rule.clear == Condition("volatility", Side.BELOW, Moving("usual", Decimal(2)))


def test_unless__conditions__as_written(load_good: Load, good: str) -> None:
    edit = (SEVERITY, f"{SEVERITY}\n        unless: [{{signal: volatility, above: 9%}}]")
    rule = first(load_good, edit)
    assert rule.unless == (Condition("volatility", Side.ABOVE, Decimal("0.09"), NO_SPAN),)
    assert fits(document(good.replace(*edit)), json_schema())


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        ("{days: [mon, sun]}", Schedule(frozenset({0, 6}))),
        ("{from: 08:30, to: 20:00}", Schedule(frozenset(range(7)), 30_600_000, 72_000_000)),
        ('{days: [fri], from: "22:00", to: "06:00"}', Schedule(frozenset({4}), 79_200_000, 21_600_000)),
        ("{days: [fri], from: 22:00}", Schedule(frozenset({4}), 79_200_000, DAY_MS)),
        ("{to: 24:00}", Schedule(frozenset(range(7)))),
    ],
)
def test_schedule__as_written(load_good: Load, good: str, text: str, schedule: Schedule) -> None:
    edit = (SEVERITY, f"{SEVERITY}\n        schedule: {text}")
    assert first(load_good, edit).schedule == schedule
    assert fits(document(good.replace(*edit)), json_schema())


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("{}", "schedule"),
        ("{days: []}", "schedule.days"),
        ("{days: [mon, mon]}", "schedule.days[1]"),
        ("{from: 24:00}", "schedule"),
        ("{to: 00:00}", "schedule"),
        ("{from: 25:00}", "schedule.from"),
        ("{from: 8:00}", "schedule.from"),
        ("{to: 12:60}", "schedule.to"),
    ],
)
def test_schedule__that_cannot_be__is_refused(broken: Break, text: str, place: str) -> None:
    (problem,) = broken((SEVERITY, f"{SEVERITY}\n        schedule: {text}"))
    assert (problem.path, problem.line) == (f"{RULE}.{place}", 42)


@pytest.mark.parametrize(
    ("when", "clear", "place"),
    [
        ("{all: [{signal: divergence, above: 2%}, {signal: mood, above: 1}]}", BACK, "when.all[1].signal"),
        ("{all: [{above: 2%}, {signal: volatility, above: 3%}]}", BACK, "when.all[0].signal"),
        ("{all: 2}", BACK, "when.all"),
        (f"{{all: {MEMBERS}, any: {MEMBERS}}}", BACK, "when.any"),
        (f"{{all: {MEMBERS}, signal: divergence}}", BACK, "when.signal"),
        (f"{{of: {MEMBERS}}}", BACK, "when.at_least"),
        ("{at_least: 2}", BACK, "when.of"),
        (f"{{at_least: 0, of: {MEMBERS}}}", BACK, "when.at_least"),
        (f"{{all: {MEMBERS}}}", "clear: {below: 1%}", "clear.signal"),
        ("{signal: divergence, above: {share: 50%}}", CLEAR, "when.above.share"),
        ("{signal: divergence, above: {plus: 2, of: volatility}}", CLEAR, "when.above.base"),
        ("{signal: divergence, above: {base: 2, plus: 2, of: volatility}}", CLEAR, "when.above.base"),
        ("{signal: divergence, above: {times: 2%, of: volatility}}", CLEAR, "when.above.times"),
        ("{signal: divergence, above: {}}", CLEAR, "when.above.of"),
        ("{signal: divergence, above: [2%]}", CLEAR, "when.above"),
    ],
)
def test_conditions__that_cannot_be__are_told_at_their_place(broken: Break, when: str, clear: str, place: str) -> None:
    problems = broken((WHEN, f"when: {when}"), (CLEAR, clear))
    assert problems[0].path == f"{RULE}.{place}"


@pytest.mark.parametrize("text", ["[]", "3", "[{signal: volatility}]"])
def test_unless__that_cannot_be__is_refused(broken: Break, text: str) -> None:
    (problem,) = broken((SEVERITY, f"{SEVERITY}\n        unless: {text}"))
    assert problem.path.startswith(f"{RULE}.unless")
