"""What a rule needs, and what it does without: through the whole engine, both sides of each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.domain.observation import Observation, Quality
from keeper.domain.signal import SignalStatus
from keeper.domain.units import Span
from keeper.domain.verdict import RuleState, Severity, VerdictReason
from keeper.engine.engine import compile_engine
from keeper.engine.evidence import tick_body, verdict_body
from keeper.engine.tick import Tick
from keeper.rules.spec import RuleSpec, Without
from tests.support.engine_world import market, price, rule, run, snapshot, spec

pytestmark = pytest.mark.unit

OK_WIDE = frozenset({Quality.OK, Quality.WIDE})


def graded(value: str, quality: Quality) -> Observation:
    return replace(price("spot", value), quality=quality, reason="so it said")


def ticks(rules: list[RuleSpec], *spots: Observation | str | None) -> list[Tick]:
    engine = compile_engine(spec([market(rules=rules)]))
    return run(engine, [snapshot(block, {"oracle": "100", "spot": spot}) for block, spot in enumerate(spots, start=1)])


def states(found: list[Tick]) -> list[list[RuleState]]:
    return [[verdict.state for verdict in tick.verdicts] for tick in found]


@pytest.mark.parametrize("quality", [one for one in Quality if one not in (Quality.MISSING, Quality.MALFORMED)])
@pytest.mark.parametrize(
    "needs", [frozenset({Quality.OK}), OK_WIDE, frozenset(Quality) - {Quality.MISSING, Quality.MALFORMED}]
)
def test_needs__each_quality__trips_when_it_is_among_them(quality: Quality, needs: frozenset[Quality]) -> None:
    tick = ticks([replace(rule(), needs=needs)], graded("90", quality))[0]
    tripped = quality in needs
    assert [one.state for one in tick.verdicts] == [RuleState.TRIPPED if tripped else RuleState.CLEAR]
    assert tick.counts["hold:input-not-usable"] == (0 if tripped else 1)
    assert tick.signals[0].status is (SignalStatus.READY if tripped else SignalStatus.NO_INPUT)
    assert tick.signals[0].name == "gap"


def test_needs__two_rules_on_one_signal__each_goes_by_its_own() -> None:
    strict, broad = rule("strict"), replace(rule("broad", severity=Severity.INFO), needs=OK_WIDE)
    found = ticks([strict, broad], graded("90", Quality.WIDE), "90")
    assert states(found) == [[RuleState.CLEAR, RuleState.TRIPPED], [RuleState.TRIPPED, RuleState.TRIPPED]]
    first = found[0]
    assert [(one.name, one.status) for one in first.signals] == [
        ("gap", SignalStatus.NO_INPUT),
        ("gap (ok, wide)", SignalStatus.READY),
    ]
    assert {one.verdict.rule: [signal.name for signal in one.signals] for one in first.decisions} == {
        "strict": ["gap"],
        "broad": ["gap (ok, wide)"],
    }
    assert {verdict.signal for verdict in first.verdicts} == {"gap"}


def test_needs__accepted_but_too_old__is_stale_and_not_accepted() -> None:
    one = spec([market(rules=[replace(rule(), needs=OK_WIDE)])])
    aged = replace(one, sources=tuple(replace(source, max_age_ms=5_000) for source in one.sources))
    said = {"oracle": price("oracle", "100", 12_000), "spot": replace(graded("90", Quality.WIDE), received_ms=12_000)}
    found = run(compile_engine(aged), [snapshot(1, said, at_ms=17_000), snapshot(2, said, at_ms=17_001)])
    assert [tick.verdicts[0].reason for tick in found] == [VerdictReason.BREACHED, VerdictReason.NO_INPUT]


def test_without_hold__input_gone__is_held_recorded_once_and_counted_each_time() -> None:
    found = ticks([rule()], None, None, "100")
    assert [[str(one.reason) for one in tick.decisions] for tick in found] == [["input-not-usable"], [], []]
    assert [tick.counts["hold:input-not-usable"] for tick in found] == [1, 1, 0]


def test_without_alert__input_gone__is_a_hold_that_people_are_told_of() -> None:
    found = ticks([replace(rule(), without=Without.ALERT)], None, None, "100", None)
    assert [[str(one.reason) for one in tick.decisions] for tick in found] == [
        ["input-not-usable-alert"],
        [],
        [],
        ["input-not-usable-alert"],
    ]
    assert [tick.counts["hold:input-not-usable-alert"] for tick in found] == [1, 1, 0, 1]
    assert [one.source for one in found[0].decisions[0].observations] == ["oracle", "spot"]
    assert not found[0].incidents


def test_without_trip__input_gone__opens_an_incident_after_the_persistence() -> None:
    found = ticks([replace(rule(hold=Span(blocks=2)), without=Without.TRIP)], "100", None, None)
    assert states(found) == [[RuleState.CLEAR], [RuleState.PENDING], [RuleState.TRIPPED]]
    assert [len(tick.incidents) for tick in found] == [0, 0, 1]
    act = found[2].decisions[0]
    assert (str(act.kind), act.action, act.verdict.reason) == ("act", "pause", VerdictReason.BLIND)
    body = verdict_body(act.verdict)
    assert (body["value"], body["reason"]) == ("nan", "input-not-usable-counts-as-breach")
    assert tick_body(found[2])["counts"]["hold:input-not-usable"] == 0  # type: ignore[index, call-overload]


def test_without_trip__unaccepted_quality__counts_as_a_breach_too() -> None:
    found = ticks([replace(rule(), without=Without.TRIP)], graded("100", Quality.DISAGREE))
    assert found[0].verdicts[0].reason is VerdictReason.BLIND
