"""CUSUM: what is summed, how it falls back, ceiling, floor, gaps, warm-up. Half-life of 2 samples, 10 s each; prices are powers of two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

import pytest

from keeper.domain.signal import SignalStatus
from keeper.domain.units import Span
from keeper.signals.registry import SIGNALS
from keeper.signals.spec import ParamValue
from tests.support.statistics import NAN, Input, Output, drive, spec_of

pytestmark = pytest.mark.unit

READY, WARMING, NO_INPUT = SignalStatus.READY, SignalStatus.WARMING, SignalStatus.NO_INPUT
D = 2**-0.5


def prices(*powers: float) -> list[Input]:
    """Two to these powers, one in the middle of each interval; NaN for none. Returns are then whole numbers of ln 2."""
    return [(place * 10_000 + 5_000, (2.0**power,)) for place, power in enumerate(powers)]


def run(
    ticks: Sequence[Input],
    direction: str = "up",
    drift: str = "0.5",
    ceiling: str = "100",
    floor: str = "0",
) -> list[Output]:
    params: dict[str, ParamValue] = {"half_life": Span(ms=20_000), "sampling": Span(ms=10_000), "direction": direction}
    numbers = {"drift": Decimal(drift), "ceiling": Decimal(ceiling), "floor": Decimal(floor)}
    return drive(spec_of("cusum", **params, **numbers), ticks)


def value(*powers: float, direction: str = "up") -> float:
    status, found = run(prices(*powers), direction)[-1]
    assert status is READY
    return found


def test_cusum__returns_of_the_usual_size__add_up_less_the_drift() -> None:
    # every return is one ln 2, and so is its volatility: z is 1
    assert [round(found, 9) for _, found in run(prices(0, 1, 2, 3, 4))[2:]] == [0.5, 1.0, 1.5]


def test_cusum__the_other_way__is_not_summed() -> None:
    assert value(0, 1, 2, 3, direction="down") == 0.0
    assert value(0, -1, -2, -3, direction="down") == pytest.approx(1.0, rel=1e-14)
    assert value(0, -1, -2, -3, direction="up") == 0.0


def test_cusum__either__is_the_greater_one() -> None:
    assert value(0, -1, -2, -3, direction="either") == value(0, -1, -2, -3, direction="down")
    assert value(0, 1, 2, 3, direction="either") == value(0, 1, 2, 3, direction="up")


def test_cusum__calm__falls_back_by_the_drift_to_nothing() -> None:
    answers = run(prices(0, 1, 2, 3, 3, 3, 3, 3))
    assert [round(found, 9) for _, found in answers[3:]] == [1.0, 0.5, 0.0, 0.0, 0.0]


def test_cusum__return_in_progress__is_held_against_what_was_usual_before_it() -> None:
    answers = run([*prices(0, 1, 2, 3), (36_000, (2.0**12,)), (37_000, (2.0**3,))])
    assert answers[4][1] == pytest.approx(0.5 + 10 - 0.5, rel=1e-13)
    assert answers[5] == answers[3]


@pytest.mark.parametrize(("ceiling", "expected"), [("9.9", 9.9), ("10.1", 10.0)])
def test_cusum__ceiling__is_the_most(ceiling: str, expected: float) -> None:
    answers = run([*prices(0, 1, 2, 12)], ceiling=ceiling)
    assert answers[-1][1] == pytest.approx(expected, rel=1e-13)


def test_cusum__gap__counts_as_if_it_had_been_spread_over_it() -> None:
    assert value(0, 1, 2, NAN, NAN, 5) == pytest.approx(value(0, 1, 2, 3, 4, 5), rel=1e-13)


def test_cusum__gap__boundary_is_ten_half_lives() -> None:
    assert run([*prices(0, 1, 2, 3), (230_000, (8.0,))])[-1][0] is READY
    assert run([*prices(0, 1, 2, 3), (240_000, (8.0,))])[-1][0] is WARMING


def test_cusum__warm_up__ready_exactly_after_a_half_life() -> None:
    ticks: list[Input] = [(0, (1.0,)), (10_000, (2.0,)), (19_999, (2.0,)), (20_000, (4.0,))]
    assert [status for status, _ in run(ticks)] == [WARMING, WARMING, WARMING, READY]


def test_cusum__half_life_without_a_return__is_still_warming() -> None:
    assert [status for status, _ in run(prices(0, NAN, NAN, 1, 2))] == [WARMING, NO_INPUT, NO_INPUT, WARMING, READY]


def test_cusum__nothing_moved_before__goes_to_the_ceiling_unless_there_is_a_floor() -> None:
    still = [(place * 10_000, (1.0,)) for place in range(4)]
    moved: list[Input] = [*still, (40_000, (math.exp(0.001),))]
    assert run(still)[-1] == (READY, 0.0)
    assert run(moved)[-1] == (READY, 100.0)
    assert run(moved, floor="0.0001")[-1][1] == pytest.approx(9.5, rel=1e-9)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.inf, NAN])
def test_cusum__price_that_is_none__no_input_and_nothing_lost(bad: float) -> None:
    answers = run([*prices(0, 1, 2, 3), (36_000, (bad,)), (37_000, (8.0,))])
    assert answers[4][0] is NO_INPUT
    assert answers[5] == answers[3]


@pytest.mark.parametrize(
    ("half_life", "sampling"), [(Span(blocks=2), Span(blocks=1)), (Span(samples=2), Span(samples=1))]
)
def test_cusum__blocks_and_samples__are_the_same_as_time(half_life: Span, sampling: Span) -> None:
    numbers = {"drift": Decimal("0.5"), "ceiling": Decimal(100), "floor": Decimal(0)}
    spec = spec_of("cusum", half_life=half_life, sampling=sampling, direction="up", **numbers)
    assert drive(spec, [(0, one) for _, one in prices(0, 1, 2, 3)])[-1] == run(prices(0, 1, 2, 3))[-1]


@pytest.mark.parametrize(
    ("name", "number", "wrong"),
    [("drift", "0", True), ("drift", "0.01", False), ("ceiling", "0", True), ("ceiling", "1", False)],
)
def test_cusum__check__what_must_be_more_than_nothing(name: str, number: str, wrong: bool) -> None:
    params: dict[str, ParamValue] = {
        "half_life": Span(ms=2),
        "sampling": Span(ms=1),
        "drift": Decimal(1),
        "ceiling": Decimal(9),
    }
    found = SIGNALS["cusum"].check({**params, name: Decimal(number)})
    assert [problem.param for problem in found] == ([name] if wrong else [])
