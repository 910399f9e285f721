"""Grading: which observations may feed a signal, and both sides of every age."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from keeper.domain.observation import WITHOUT_VALUE, Observation, Quality
from keeper.domain.units import Unit
from keeper.engine.grade import BITS, FOREVER, MAX_MAGNITUDE, Grader, grade
from keeper.engine.spec import SourceSpec
from keeper.signals.bank import NEVER
from tests.support.engine_world import price

pytestmark = pytest.mark.unit

SOURCE = SourceSpec("spot", Unit.PRICE, max_age_ms=90_000)


@pytest.mark.parametrize(("at_ms", "quality"), [(90_999, Quality.OK), (91_000, Quality.OK), (91_001, Quality.STALE)])
def test_grade__age_of_the_source__both_sides(at_ms: int, quality: Quality) -> None:
    graded = grade(SOURCE, price("spot", "5", received_ms=50_000, at_ms=1_000), at_ms)
    assert graded.quality is quality
    assert graded.value == 5
    assert ("90s" in graded.reason) == (quality is Quality.STALE)


@pytest.mark.parametrize(("at_ms", "quality"), [(140_000, Quality.OK), (140_001, Quality.STALE)])
def test_grade__source_gives_no_time__the_time_received_counts(at_ms: int, quality: Quality) -> None:
    assert grade(SOURCE, price("spot", "5", received_ms=50_000), at_ms).quality is quality


def test_grade__no_max_age__never_stale() -> None:
    assert grade(replace(SOURCE, max_age_ms=None), price("spot", "5"), 10**15).quality is Quality.OK


def test_grade__time_in_the_future__is_not_stale() -> None:
    assert grade(SOURCE, price("spot", "5", at_ms=10**12), 0).quality is Quality.OK


def test_grade__not_in_the_snapshot__missing_with_a_reason() -> None:
    assert grade(SOURCE, None, 7) == Observation(
        "spot", None, Unit.PRICE, 7, quality=Quality.MISSING, reason="not in the snapshot"
    )


VALUED = sorted(set(Quality) - {Quality.OK} - WITHOUT_VALUE)


@pytest.mark.parametrize("quality", VALUED)
def test_grade__quality_of_the_source__is_kept(quality: Quality) -> None:
    said = replace(price("spot", "5"), quality=quality, reason="so it said")
    assert grade(SOURCE, said, 90_000) is said


@pytest.mark.parametrize("quality", sorted(WITHOUT_VALUE))
def test_grade__quality_without_a_value__is_kept_at_any_age_and_has_none(quality: Quality) -> None:
    said = replace(price("spot", "5"), value=None, quality=quality, reason="so it said")
    assert grade(SOURCE, said, 10**9) is said
    assert grade(SOURCE, replace(said, value=Decimal(5)), 0) == said


@pytest.mark.parametrize("quality", VALUED)
def test_grade__another_quality_that_is_too_old__is_stale_and_says_both(quality: Quality) -> None:
    said = replace(price("spot", "5"), quality=quality, reason="so it said")
    graded = grade(SOURCE, said, 90_001)
    assert (graded.quality, graded.value) == (Quality.STALE, Decimal(5))
    assert graded.reason == "so it said" if quality is Quality.STALE else "90s" in graded.reason
    assert "so it said" in graded.reason


@pytest.mark.parametrize("quality", VALUED)
@pytest.mark.parametrize("text", ["NaN", "sNaN", "Infinity", "1E+301"])
def test_grade__another_quality_of_no_number__is_malformed(quality: Quality, text: str) -> None:
    graded = grade(SOURCE, replace(price("spot", text), quality=quality, reason="so it said"), 0)
    assert (graded.quality, graded.value) == (Quality.MALFORMED, None)


def test_grader__qualities_and_sets__usable_values_are_those_of_the_set() -> None:
    grader = Grader([SOURCE, replace(SOURCE, name="oracle")])
    state = grader.initial_state()
    wide = replace(price("oracle", "7"), quality=Quality.WIDE, reason="so it said")
    grader.grade_all(state, {"spot": price("spot", "5"), "oracle": wide}, 0)
    sources = np.array([0, 1, 1, 0])
    accepts = np.array([BITS[Quality.OK], BITS[Quality.OK], BITS[Quality.OK] | BITS[Quality.WIDE], BITS[Quality.STALE]])
    np.testing.assert_array_equal(state.accepted(sources, accepts), [5.0, math.nan, 7.0, math.nan])


def test_grader__wide_becomes_stale_when_its_time_is_up() -> None:
    grader = Grader([SOURCE])
    state = grader.initial_state()
    said = {"spot": replace(price("spot", "5", at_ms=0), quality=Quality.WIDE, reason="so it said")}
    qualities = []
    for at_ms in (0, 90_000, 90_001, 500_000):
        grader.grade_all(state, said, at_ms)
        qualities.append(state.graded[0].quality)
    assert qualities == [Quality.WIDE, Quality.WIDE, Quality.STALE, Quality.STALE]


@pytest.mark.parametrize("text", ["NaN", "sNaN", "Infinity", "-Infinity", "1E+301", "1E-301", "-1E+999999"])
def test_grade__number_that_is_none__malformed_without_a_value(text: str) -> None:
    graded = grade(SOURCE, price("spot", text), 0)
    assert (graded.quality, graded.value) == (Quality.MALFORMED, None)
    assert graded.reason


@pytest.mark.parametrize("text", ["0", "0E-999999", "-3", f"1E+{MAX_MAGNITUDE}", f"1E-{MAX_MAGNITUDE}"])
def test_grade__number_that_is_one__is_left_alone(text: str) -> None:
    said = price("spot", text)
    assert grade(SOURCE, said, 0) is said
    assert math.isfinite(float(Decimal(text)))


def test_grade__another_unit_than_configured__malformed() -> None:
    graded = grade(SOURCE, replace(price("spot", "5"), unit=Unit.AMOUNT), 0)
    assert (graded.quality, graded.value) == (Quality.MALFORMED, None)
    assert "amount" in graded.reason


def test_grade__good_quality_without_a_value__malformed() -> None:
    assert grade(SOURCE, replace(price("spot", "5"), value=None), 0).quality is Quality.MALFORMED


def test_grader__same_observation__becomes_stale_when_its_time_is_up() -> None:
    grader = Grader([SOURCE])
    state = grader.initial_state()
    said = {"spot": price("spot", "5", at_ms=0)}
    qualities = []
    for at_ms in (0, 90_000, 90_001, 500_000):
        grader.grade_all(state, said, at_ms)
        qualities.append((state.graded[0].quality, math.isnan(state.values[0])))
    assert qualities == [(Quality.OK, False), (Quality.OK, False), (Quality.STALE, True), (Quality.STALE, True)]


def test_grader__observation_comes_goes_and_comes_back__values_follow() -> None:
    grader = Grader([SOURCE, replace(SOURCE, name="oracle")])
    state = grader.initial_state()
    seen = []
    for said in ({}, {"spot": price("spot", "5")}, {}, {"spot": price("spot", "6.5")}):
        grader.grade_all(state, said, 0)
        seen.append(None if math.isnan(state.values[0]) else float(state.values[0]))
        assert math.isnan(state.values[1])
    assert seen == [None, 5.0, None, 6.5]


def test_grader__unknown_names__are_ignored() -> None:
    grader = Grader([SOURCE])
    state = grader.initial_state()
    grader.grade_all(state, {"stranger": price("stranger", "1")}, 0)
    assert [one.source for one in state.graded] == ["spot"]


@pytest.mark.parametrize(
    ("own_ms", "counts_as"), [(-(2**70), NEVER), (NEVER, NEVER), (FOREVER, FOREVER), (2**70, FOREVER)]
)
def test_grader__own_time_beyond_all_times__counts_as_the_last_one(own_ms: int, counts_as: int) -> None:
    grader = Grader([replace(SOURCE, max_age_ms=None)])
    state = grader.initial_state()
    grader.grade_all(state, {"spot": price("spot", "5", at_ms=own_ms)}, 1_000)
    assert state.own_ms[0] == counts_as
    assert state.values[0] == 5.0
