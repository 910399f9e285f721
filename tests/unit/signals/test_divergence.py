"""Divergence: each side, each kind of bad input, and the digits that matter."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from keeper.domain.signal import SignalStatus
from keeper.signals import divergence as statistic
from tests.support.engine_world import divergence
from tests.support.statistics import NAN, answers_of, board_of, drive, slots_of

pytestmark = pytest.mark.unit

READY, WARMING, NO_INPUT = SignalStatus.READY, SignalStatus.WARMING, SignalStatus.NO_INPUT


def at(side: str, of: float, against: float) -> tuple[SignalStatus, float]:
    return drive(divergence(side=side), [(0, (of, against))])[0]


@pytest.mark.parametrize(
    ("side", "of", "against", "value"),
    [
        ("either", 102.0, 100.0, 0.02),
        ("either", 98.0, 100.0, 0.02),
        ("either", 100.0, 100.0, 0.0),
        ("above", 102.0, 100.0, 0.02),
        ("above", 98.0, 100.0, -0.02),
        ("below", 98.0, 100.0, 0.02),
        ("below", 102.0, 100.0, -0.02),
        ("either", 1.0, 4.0, 0.75),
        ("either", 4.0, 1.0, 3.0),
        ("below", 1e-300, 1.0, 1.0),
    ],
)
def test_divergence__each_side__has_its_sign(side: str, of: float, against: float, value: float) -> None:
    assert at(side, of, against) == (SignalStatus.READY, value)


@pytest.mark.parametrize("bad", [NAN, 0.0, -0.0, -1.0, math.inf, -math.inf])
@pytest.mark.parametrize("position", [0, 1])
def test_divergence__input_that_is_no_price__no_input(bad: float, position: int) -> None:
    inputs = [100.0, 100.0]
    inputs[position] = bad
    status, value = at("either", *inputs)
    assert status is SignalStatus.NO_INPUT
    assert math.isnan(value)


def test_divergence__quotient_beyond_every_float__no_input_rather_than_infinity() -> None:
    assert at("either", 1e300, 1e-300)[0] is SignalStatus.NO_INPUT


def test_divergence__nearly_equal_prices__keeps_the_digits_of_the_difference() -> None:
    of, against = 1.0 + 2**-52, 1.0
    assert at("above", of, against) == (SignalStatus.READY, 2**-52)
    # the textbook form loses exactly this
    assert at("above", 3_000.000000001, 3_000.0)[1] == pytest.approx(1e-12 / 3, rel=1e-3)


def test_divergence__bad_then_good__remembers_nothing() -> None:
    answers = drive(divergence(), [(0, (NAN, 1.0)), (1, (1.5, 1.0)), (2, (NAN, 1.0)), (0, (1.25, 1.0))])
    assert [status for status, _ in answers] == [
        SignalStatus.NO_INPUT,
        SignalStatus.READY,
        SignalStatus.NO_INPUT,
        SignalStatus.READY,
    ]
    assert answers[3][1] == 0.25


def against(*others: float, of: float = 102.0, side: str = "either") -> tuple[SignalStatus, float]:
    names = tuple(f"spot-{place}" for place in range(len(others)))
    return drive(replace(divergence(side=side), sources=("oracle", *names)), [(0, (of, *others))])[0]


@pytest.mark.parametrize(
    ("others", "value"),
    [
        ((100.0,), 0.02),
        ((99.0, 101.0), 0.02),
        ((100.0, 1.0, 1e9), 0.02),
        ((100.0, NAN, 100.0), 0.02),
        ((NAN, 99.0, 101.0), 0.02),
        ((100.0, 100.0, NAN, -1.0, 100.0), 0.02),
    ],
)
def test_divergence__against_several__is_against_the_median_of_the_good_ones(
    others: tuple[float, ...], value: float
) -> None:
    assert against(*others) == (SignalStatus.READY, value)


@pytest.mark.parametrize(
    ("others", "status"),
    [
        ((100.0, NAN), SignalStatus.NO_INPUT),
        ((100.0, 0.0), SignalStatus.NO_INPUT),
        ((100.0, 100.0, NAN), SignalStatus.READY),
        ((100.0, NAN, NAN), SignalStatus.NO_INPUT),
        ((100.0, 100.0, NAN, NAN), SignalStatus.NO_INPUT),
        ((100.0, 100.0, 100.0, NAN), SignalStatus.READY),
        ((100.0, 100.0, NAN, NAN, math.inf), SignalStatus.NO_INPUT),
    ],
)
def test_divergence__against_several__more_than_half_must_be_good(
    others: tuple[float, ...], status: SignalStatus
) -> None:
    assert against(*others)[0] is status


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((READY, READY, WARMING), WARMING),
        ((READY, READY, READY), READY),
        ((WARMING, READY, READY), WARMING),
        ((WARMING, READY, NO_INPUT), NO_INPUT),
        ((NO_INPUT, READY, READY), NO_INPUT),
        ((READY, WARMING, WARMING), WARMING),
    ],
)
def test_divergence__inputs_that_warm_up__are_waited_for(
    statuses: tuple[SignalStatus, ...], expected: SignalStatus
) -> None:
    board = board_of([(0, [2.0 if status is READY else NAN for status in statuses])])
    board.status[:3, 0] = statuses
    params = statistic.prepare([replace(divergence(), sources=("oracle", "a", "b"))])
    statistic.step(board, slots_of(3), params, statistic.allocate(params))
    assert answers_of(board)[0][0] is expected
