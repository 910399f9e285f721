"""Z-score: mean and deviation of the window before, constant windows, direction, floor, gaps, digits. Window of 4 samples, 10 s each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from statistics import mean, stdev

import pytest

from keeper.domain.signal import SignalStatus
from keeper.domain.units import Span
from keeper.signals.scores import HIGHEST
from tests.support.statistics import NAN, Input, Output, drive, spec_of

pytestmark = pytest.mark.unit

READY, WARMING, NO_INPUT = SignalStatus.READY, SignalStatus.WARMING, SignalStatus.NO_INPUT


def values(*found: float) -> list[Input]:
    """One value in the middle of each interval; NaN for none."""
    return [(place * 10_000 + 5_000, (value,)) for place, value in enumerate(found)]


def run(ticks: Sequence[Input], direction: str = "up", floor: str = "0") -> list[Output]:
    cut = {"window": Span(ms=40_000), "sampling": Span(ms=10_000)}
    return drive(spec_of("z-score", **cut, direction=direction, floor=Decimal(floor)), ticks)


def test_z_score__full_window__is_the_distance_in_sample_deviations() -> None:
    status, value = run(values(1, 2, 4, 7, 9))[-1]
    assert status is READY
    assert value == pytest.approx((9 - mean([1, 2, 4, 7])) / stdev([1, 2, 4, 7]), rel=1e-14)


def test_z_score__warm_up__ready_exactly_when_the_window_is_full() -> None:
    answers = run([(0, (1.0,)), (39_999, (2.0,)), (40_000, (4.0,))])
    assert [status for status, _ in answers] == [WARMING, WARMING, READY]


def test_z_score__latest_value__does_not_soften_itself() -> None:
    answers = run([*values(1, 2, 1, 2), (41_000, (100.0,)), (42_000, (1.5,))])
    assert answers[4][1] == pytest.approx(98.5 / stdev([1, 2, 1, 2]), rel=1e-14)
    assert answers[5] == (READY, 0.0)


@pytest.mark.parametrize(("direction", "sign"), [("up", -1), ("down", 1), ("either", 1)])
def test_z_score__direction__sign_is_the_way_that_counts(direction: str, sign: int) -> None:
    plain = run(values(1, 2, 4, 7, 0))[-1][1]
    assert run(values(1, 2, 4, 7, 0), direction)[-1] == (READY, sign * abs(plain))


@pytest.mark.parametrize(("now", "value"), [(0.1, 0.0), (0.2, HIGHEST), (0.0, -HIGHEST)])
def test_z_score__constant_window_and_no_floor__nothing_or_the_highest(now: float, value: float) -> None:
    assert run(values(0.1, 0.1, 0.1, 0.1, now))[-1] == (READY, value)


def test_z_score__constant_window__moves_are_counted_in_floors() -> None:
    status, value = run(values(5, 5, 5, 5, 5.01), floor="0.0001")[-1]
    assert status is READY
    assert value == pytest.approx(20, rel=1e-9)


def test_z_score__deviation_against_the_floor__the_greater_one_counts() -> None:
    just = stdev([9, 11, 9, 11]) / 10
    path = values(9, 11, 9, 11, 12)
    assert run(path, floor=str(just * 0.999))[-1] == run(path)[-1]
    assert run(path, floor=str(just * 1.001))[-1][1] == pytest.approx(run(path)[-1][1] / 1.001, rel=1e-12)


def test_z_score__beyond_measure__is_the_highest() -> None:
    assert run(values(1, 1 + 1e-15, 1, 1, 1e9))[-1] == (READY, HIGHEST)


def test_z_score__large_values_near_each_other__keep_their_digits() -> None:
    near, far = run(values(1, 2, 4, 7, 9))[-1], run(values(*(2.0**52 + one for one in (1, 2, 4, 7, 9))))[-1]
    assert far[1] == pytest.approx(near[1], rel=1e-14)


def test_z_score__negative_and_zero__are_values() -> None:
    assert run(values(-1, 0, 1, 0, 0))[-1] == (READY, 0.0)


@pytest.mark.parametrize("bad", [math.inf, -math.inf, NAN, 1e150, -1e150])
def test_z_score__not_a_number_to_square__no_input_and_nothing_lost(bad: float) -> None:
    answers = run([*values(1, 2, 4, 7, 9), (46_000, (bad,)), (46_000, (9.0,))])
    assert answers[5][0] is NO_INPUT
    assert answers[6] == answers[4]


def test_z_score__largest_numbers__stay_finite() -> None:
    large = 9.9e149
    status, value = run(values(large, -large, large, -large, large))[-1]
    assert status is READY
    assert value == pytest.approx(1 / stdev([1, -1, 1, -1]), rel=1e-14)


def test_z_score__gap__the_value_before_it_counts_in_each_interval() -> None:
    assert run(values(1, 3, NAN, NAN, 5))[-1] == run(values(1, 3, 3, 3, 5))[-1]


def test_z_score__gap__boundary_is_one_interval() -> None:
    warm = values(1, 2, 4, 7, 9)
    assert run([*warm, (80_000, (4.0,))])[-1][0] is READY
    assert run([*warm, (90_000, (4.0,))])[-1][0] is WARMING


def test_z_score__scaled_by_a_power_of_two__does_not_change() -> None:
    path = values(1.1, 1.2, 1.15, 1.12, 1.19, 1.21)
    scaled = [(at, (value * 2**40,)) for at, (value,) in path]
    assert run(scaled, floor="0.0001")[4:] == run(path, floor="0.0001")[4:]


@pytest.mark.parametrize(("window", "sampling"), [(Span(blocks=4), Span(blocks=1)), (Span(samples=4), Span(samples=1))])
def test_z_score__blocks_and_samples__are_the_same_as_time(window: Span, sampling: Span) -> None:
    spec = spec_of("z-score", window=window, sampling=sampling, direction="up", floor=Decimal(0))
    assert drive(spec, [(0, one) for _, one in values(1, 2, 4, 7, 9)])[-1] == run(values(1, 2, 4, 7, 9))[-1]
