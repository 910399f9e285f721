"""Gates: what a source is worth while another, which it needs, does not say 1."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pytest

from keeper.domain.observation import WITHOUT_VALUE, Observation, Quality
from keeper.domain.snapshot import Snapshot
from keeper.domain.units import Unit
from keeper.engine.check import problems_of
from keeper.engine.derivation import Derivation, How
from keeper.engine.engine import compile_engine
from keeper.engine.gate import Gates, gated
from keeper.engine.grade import Grader
from keeper.engine.spec import SourceSpec
from tests.support.engine_world import price, spec, stamp

pytestmark = pytest.mark.unit

ORACLE = SourceSpec("oracle", Unit.PRICE, max_age_ms=90_000, needs="sequencer")
SPOT = SourceSpec("spot", Unit.PRICE)
SEQUENCER = SourceSpec("sequencer", Unit.FLAG, max_age_ms=50_000)
IN_GRACE = "the sequencer came back a moment ago"


def flag(value: str, quality: Quality = Quality.OK, reason: str = "") -> Observation:
    return replace(price("sequencer", value), unit=Unit.FLAG, quality=quality, reason=reason)


UP, DOWN, GRACE = flag("1"), flag("0"), flag("1", Quality.STALE, IN_GRACE)
GONE = replace(flag("1", Quality.MISSING, "no answer"), value=None)


def test_gate__needed_source_up__leaves_everything_as_it_is() -> None:
    for quality in Quality:
        own = replace(price("oracle", "5"), quality=quality)
        assert gated(own, UP) is own


@pytest.mark.parametrize(
    ("needed", "reason"),
    [
        (DOWN, "sequencer is down"),
        (GRACE, f"needs sequencer: {IN_GRACE}"),
        (GONE, "needs sequencer: no answer"),
        (flag("2"), "sequencer is down"),
        (flag("0", Quality.STALE, "old"), "needs sequencer: old"),
    ],
)
def test_gate__needed_source_not_up__makes_a_good_value_stale_with_the_reason(needed: Observation, reason: str) -> None:
    own = price("oracle", "5")
    assert gated(own, needed) == replace(own, quality=Quality.STALE, reason=reason)


@pytest.mark.parametrize("quality", sorted(set(Quality) - WITHOUT_VALUE - {Quality.OK}))
def test_gate__other_defects__are_stale_too_and_still_told(quality: Quality) -> None:
    own = replace(price("oracle", "5"), quality=quality, reason="so it said")
    seen = gated(own, DOWN)
    assert (seen.quality, seen.value) == (Quality.STALE, Decimal(5))
    assert seen.reason == f"sequencer is down, and {quality} (so it said)"


@pytest.mark.parametrize("quality", sorted(WITHOUT_VALUE))
def test_gate__no_value__stays_what_it_is(quality: Quality) -> None:
    own = replace(price("oracle", "5"), value=None, quality=quality, reason="nothing there")
    assert gated(own, DOWN) is own


class Line:
    """Grader and gates one after the other, as in a tick."""

    def __init__(self, *sources: SourceSpec) -> None:
        self.grader, self.gates = Grader(sources), Gates(sources)
        self.grades, self.state = self.grader.initial_state(), self.gates.initial_state()

    def tick(self, said: Mapping[str, Observation], at_ms: int = 0) -> tuple[Quality, str, bool]:
        """Quality and reason of the oracle, and whether it feeds a signal."""
        self.grader.grade_all(self.grades, said, at_ms)
        self.gates.gate_all(self.state, self.grades)
        graded = self.grades.graded[0]
        usable = not math.isnan(self.grades.values[0])
        assert usable == (graded.quality is Quality.OK)
        return graded.quality, graded.reason, usable


@pytest.mark.parametrize("order", [(ORACLE, SEQUENCER, SPOT), (ORACLE, SPOT, SEQUENCER)])
def test_gates__same_observation__goes_and_comes_back_with_what_it_needs(order: tuple[SourceSpec, ...]) -> None:
    line, oracle = Line(*order), price("oracle", "5")
    seen = [line.tick({"oracle": oracle, "sequencer": needed}) for needed in (UP, UP, DOWN, DOWN, GRACE, UP)]
    assert [quality for quality, _, _ in seen] == [Quality.OK] * 2 + [Quality.STALE] * 3 + [Quality.OK]
    assert [reason for _, reason, _ in seen] == [
        "",
        "",
        "sequencer is down",
        "sequencer is down",
        f"needs sequencer: {IN_GRACE}",
        "",
    ]


def test_gates__reasons__do_not_pile_up() -> None:
    line, oracle = Line(ORACLE, SEQUENCER), price("oracle", "5")
    reasons = {line.tick({"oracle": oracle, "sequencer": flag("0")})[1] for _ in range(3)}
    assert reasons == {"sequencer is down"}


def test_gates__needed_source_gone_or_old__counts_as_not_up() -> None:
    line, oracle = Line(ORACLE, SEQUENCER), price("oracle", "5")
    assert line.tick({"oracle": oracle})[1] == "needs sequencer: not in the snapshot"
    assert line.tick({"oracle": oracle, "sequencer": UP}, at_ms=50_000)[0] is Quality.OK
    assert line.tick({"oracle": oracle, "sequencer": UP}, at_ms=50_001)[1] == "needs sequencer: older than 50s"


def test_gates__while_closed__the_own_age_is_still_watched() -> None:
    line, oracle = Line(ORACLE, replace(SEQUENCER, max_age_ms=None)), price("oracle", "5", at_ms=0)
    said = {"oracle": oracle, "sequencer": DOWN}
    assert line.tick(said, 90_000)[1] == "sequencer is down"
    assert line.tick(said, 90_001)[1] == "sequencer is down, and stale (older than 90s)"
    assert line.tick({"oracle": oracle, "sequencer": UP}, 90_002)[1] == "older than 90s"


def test_gates__new_value_while_closed__is_the_one_that_comes_back() -> None:
    line = Line(ORACLE, SEQUENCER)
    line.tick({"oracle": price("oracle", "5"), "sequencer": DOWN})
    newer = price("oracle", "6")
    line.tick({"oracle": newer, "sequencer": DOWN})
    line.tick({"oracle": newer, "sequencer": UP})
    assert line.grades.values[0] == 6


def test_engine__closed_gate__leaves_the_signals_without_input_and_what_is_derived_too() -> None:
    sources = [
        ORACLE,
        SPOT,
        SEQUENCER,
        SourceSpec("twice", Unit.PRICE, derived=Derivation(How.MEDIAN, ("oracle", "spot"), at_least=2)),
    ]
    engine = compile_engine(spec(sources=sources))
    state = engine.initial_state()
    prices = {name: price(name, "5") for name in ("oracle", "spot")}
    qualities = []
    for number, needed in enumerate((UP, DOWN, UP)):
        snapshot = Snapshot(stamp(number), 1000 * number, {**prices, "sequencer": needed})
        state, tick = engine.tick(state.copy(), snapshot)
        qualities.append([one.quality is Quality.OK for one in tick.observations])
    assert qualities == [[True, True, True, True], [False, True, True, False], [True, True, True, True]]


@pytest.mark.parametrize(
    ("sources", "says"),
    [
        ([replace(ORACLE, needs="rumour"), SPOT], "there is no such source"),
        ([replace(ORACLE, needs="oracle"), SPOT], "cannot need itself"),
        ([replace(ORACLE, needs="spot"), SPOT], "of unit price"),
        ([ORACLE, SPOT, replace(SEQUENCER, needs="other"), replace(SEQUENCER, name="other")], "cannot be needed"),
        (
            [ORACLE, SPOT, replace(SEQUENCER, derived=Derivation(How.CONSTANT, value=price("x", "1").value))],
            "cannot be needed",
        ),
        (
            [
                replace(ORACLE, derived=Derivation(How.INVERSE, ("spot",))),
                SPOT,
                SEQUENCER,
            ],
            "not the derived source itself",
        ),
    ],
)
def test_check__need_that_cannot_be_met__is_named_with_its_path(sources: list[SourceSpec], says: str) -> None:
    problems = [problem for problem in problems_of(spec(sources=sources)) if problem.path.endswith(".needs")]
    assert [(problem.path, says in problem.message) for problem in problems] == [("sources.oracle.needs", True)]


def test_check__sound_need__is_no_problem() -> None:
    assert problems_of(spec(sources=[ORACLE, SPOT, SEQUENCER])) == ()
