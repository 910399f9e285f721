"""Count: the level's edge, the window's edges by time, blocks and samples, gaps, and inputs that are none."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest

from keeper.domain.signal import SignalStatus
from keeper.domain.units import Span, Unit
from keeper.signals import count
from keeper.signals.registry import SIGNALS
from keeper.signals.spec import SignalSpec
from tests.support.statistics import NAN, Input, Output, drive, spec_of

pytestmark = pytest.mark.unit

READY, WARMING, NO_INPUT = SignalStatus.READY, SignalStatus.WARMING, SignalStatus.NO_INPUT


def above(level: str, window: Span, sampling: Span, side: str = "above") -> SignalSpec:
    return spec_of("count", window=window, sampling=sampling, level=Decimal(level), side=side)


TIME = above("2", Span(ms=40_000), Span(ms=10_000))
BLOCKS = above("2", Span(blocks=3), Span(blocks=1))
SAMPLES = above("2", Span(samples=3), Span(samples=1))


def inputs(*values: float) -> list[Input]:
    """One value in the middle of each interval."""
    return [(place * 10_000 + 5_000, (value,)) for place, value in enumerate(values)]


def ready(answers: list[Output]) -> list[float]:
    return [value for status, value in answers if status is READY]


def test_count__all_beyond__is_the_number_of_intervals_and_never_more() -> None:
    answers = drive(TIME, inputs(*[3.0] * 9))
    assert [status for status, _ in answers[:5]] == [WARMING, WARMING, WARMING, WARMING, READY]
    assert ready(answers) == [4.0] * 5


@pytest.mark.parametrize(
    ("side", "value", "counts"),
    [
        ("above", 2.0, 0.0),
        ("above", math.nextafter(2.0, 3.0), 4.0),
        ("above", math.nextafter(2.0, 1.0), 0.0),
        ("below", 2.0, 0.0),
        ("below", math.nextafter(2.0, 1.0), 4.0),
        ("below", math.nextafter(2.0, 3.0), 0.0),
    ],
)
def test_count__at_the_level__strictly_beyond_counts(side: str, value: float, counts: float) -> None:
    spec = above("2", Span(ms=40_000), Span(ms=10_000), side)
    assert drive(spec, inputs(*[value] * 5))[-1] == (READY, counts)


def test_count__excursion__leaves_the_window_with_its_interval() -> None:
    assert ready(drive(TIME, inputs(0.0, 3.0, 0.0, 0.0, 0.0, 0.0))) == [1.0, 0.0]
    assert ready(drive(TIME, inputs(3.0, 0.0, 0.0, 0.0, 0.0))) == [0.0]


def test_count__several_ticks_in_an_interval__its_last_value_counts_once() -> None:
    ticks = [*inputs(0.0, 0.0, 0.0, 0.0), (40_000, (3.0,)), (41_000, (3.0,)), (49_999, (1.0,)), (49_999, (9.0,))]
    assert ready(drive(TIME, ticks)) == [1.0, 1.0, 0.0, 1.0]


def test_count__interval_without_a_value__was_not_beyond() -> None:
    assert ready(drive(TIME, inputs(3.0, 3.0, NAN, NAN, 3.0))) == [2.0]


@pytest.mark.parametrize("bad", [NAN, math.inf, -math.inf])
def test_count__input_that_is_no_number__no_input_and_nothing_lost(bad: float) -> None:
    answers = drive(TIME, [*inputs(3.0, 3.0, 3.0, 3.0, 3.0), (46_000, (bad,)), (47_000, (3.0,))])
    assert answers[5][0] is NO_INPUT
    assert answers[6] == answers[4] == (READY, 4.0)


def test_count__gap_longer_than_the_window__boundary_is_one_interval() -> None:
    warm = inputs(*[3.0] * 5)
    assert drive(TIME, [*warm, (80_000, (3.0,))])[-1] == (READY, 1.0)  # interval 4 to 8: exactly the window
    anew = drive(TIME, [*warm, (90_000, (3.0,)), (129_999, (3.0,)), (130_000, (0.0,))])
    assert [status for status, _ in anew[-3:]] == [WARMING, WARMING, READY]
    assert anew[-1][1] == 1.0  # interval 12; 9 has just left


def test_count__window_of_blocks__a_second_tick_at_a_block_adds_nothing() -> None:
    ticks: list[Input] = [(place, (3.0,)) for place in range(6)]
    answers = drive(BLOCKS, ticks, blocks=[5, 6, 7, 8, 8, 7])
    assert [status for status, _ in answers[:4]] == [WARMING, WARMING, WARMING, READY]
    assert ready(answers) == [3.0, 3.0, 3.0]


def test_count__window_of_samples__counts_ticks_with_an_input() -> None:
    answers = drive(SAMPLES, [(0, (value,)) for value in (3.0, 3.0, NAN, 1.0, 3.0, 1.0, 1.0, 1.0)])
    assert [status for status, _ in answers[:5]] == [WARMING, WARMING, NO_INPUT, WARMING, READY]
    assert ready(answers) == [2.0, 1.0, 1.0, 0.0]


def test_count__interpreted__says_the_same_as_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = [*inputs(3.0, 2.0, NAN, 0.0, 16.0, 1.0, 17.0, 3.0), (200_000, (1.0,)), (240_000, (3.0,))]
    compiled = drive(TIME, ticks)
    for name in ("look", "counted", "one", "step"):
        monkeypatch.setattr(count, name, getattr(count, name).py_func)
    interpreted = drive(TIME, ticks)
    assert [status for status, _ in interpreted] == [status for status, _ in compiled]
    np.testing.assert_array_equal([value for _, value in interpreted], [value for _, value in compiled])


def test_count__units__of_anything_a_count() -> None:
    assert SIGNALS["count"].accepts == frozenset(Unit)
    assert SIGNALS["count"].output is Unit.COUNT
