"""Who is told what of a tick: alerts, what is held by limits or people, breakers that were turned."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.app.telling import Telling
from keeper.domain.action import ActionKind
from keeper.domain.intervention import Intervention
from keeper.domain.outcome import OutcomeKind
from keeper.domain.verdict import Severity
from keeper.engine.engine import compile_engine
from keeper.engine.spec import ActionPolicy, EngineSpec, Limits
from keeper.ports.notifier import Notice
from tests.support.engine_world import market, outcome, rule, run, snapshot, spec
from tests.support.office import off, on, taken_back

pytestmark = pytest.mark.unit

APART, SAME = {"oracle": "100", "spot": "110"}, {"oracle": "100", "spot": "100"}
BLOCK_MS = 12_000


def world(*actions: str, severity: Severity = Severity.WARNING, limits: Limits | None = None) -> EngineSpec:
    rules = [rule(actions=actions, severity=severity)]
    policies = [ActionPolicy("pause", ActionKind.PAUSE, 0, 0)]
    return replace(spec([market(rules=rules)], actions=policies), limits=limits or Limits())


def told(world: EngineSpec, *blocks: tuple[dict[str, str], list[Intervention]]) -> list[Notice]:
    """An action that is decided fails before the next block."""
    notices: list[Notice] = []
    telling = Telling(notices.append)
    shots = [
        replace(
            snapshot(number, prices, outcomes=[outcome(OutcomeKind.INCLUDED, number * BLOCK_MS)]),
            interventions=tuple(did),
        )
        for number, (prices, did) in enumerate(blocks, 1)
    ]
    for tick in run(compile_engine(world), shots):
        telling.of(tick)
    return notices


def test_telling__alert__is_told_with_the_rule_s_severity_once() -> None:
    (notice,) = told(world("alert"), (APART, []), (APART, []), (APART, []))
    assert (notice.title, notice.severity) == ("M: wide tripped", Severity.WARNING)
    assert "threshold 0.02" in notice.body
    assert "incident M@1" in notice.body


def test_telling__budget_spent__is_critical_and_told_once_in_an_incident() -> None:
    day = world("pause", limits=Limits(actions_per_day=1))
    notices = told(day, (APART, []), (SAME, []), (APART, []), (APART, []), (SAME, []), (APART, []))
    assert [(one.title, one.severity) for one in notices] == [("M: pause is HELD (budget)", Severity.CRITICAL)] * 2
    assert "act by hand" in notices[0].body
    assert notices[0].key != notices[1].key


@pytest.mark.parametrize("severity", [Severity.CRITICAL, Severity.WARNING])
def test_telling__switched_off__is_told_with_the_rule_s_severity_and_the_breaker(severity: Severity) -> None:
    notices = told(world("pause", severity=severity), (SAME, [off("M")]), (APART, []), (APART, []))
    assert [(one.title, one.severity) for one in notices] == [
        ("M: disarmed, was armed", Severity.WARNING),
        ("M: pause is HELD (switched-off)", severity),
    ]


def test_telling__off_on_off_in_one_incident__holding_is_told_once_breakers_each_time() -> None:
    notices = told(
        world("pause"), (APART, [off()]), (APART, [on(at_ms=2 * BLOCK_MS)]), (APART, [off(at_ms=3 * BLOCK_MS)])
    )
    assert [one.title for one in notices].count("M: pause is HELD (switched-off)") == 1
    assert [one.title for one in notices if "was" in one.title] == [
        "M: disarmed, was armed",
        "M: armed, was disarmed",
        "M: tripped, was armed",
        "M: disarmed, was tripped",
    ]


def test_telling__locked__says_until_when_and_how_to_end_it() -> None:
    locking = world("pause", limits=Limits(lock_ms=3_600_000))
    notices = told(locking, (APART, []), (APART, [taken_back(2 * BLOCK_MS)]))
    assert [one.title for one in notices] == ["M: locked, was tripped", "M: pause is HELD (locked)"]
    assert "by hand\nuntil 1970-01-01T01:00:24.000Z" in notices[0].body
    assert "keeper switch CONFIG on --market M" in notices[1].body
