"""Change: signs, the window's edges by time, blocks and samples, gaps, nothing to compare with, and what rounding may not do."""

from __future__ import annotations

import math

import numpy as np
import pytest

from keeper.domain.signal import SignalStatus
from keeper.domain.units import Span, Unit
from keeper.signals import change
from keeper.signals.registry import SIGNALS
from tests.support.statistics import NAN, Input, Output, drive, spec_of

pytestmark = pytest.mark.unit

READY, WARMING, NO_INPUT = SignalStatus.READY, SignalStatus.WARMING, SignalStatus.NO_INPUT
TIME = spec_of("change", window=Span(ms=40_000), sampling=Span(ms=10_000))
BLOCKS = spec_of("change", window=Span(blocks=4), sampling=Span(blocks=2))
SAMPLES = spec_of("change", window=Span(samples=2), sampling=Span(samples=1))


def amounts(*values: float) -> list[Input]:
    """One value in the middle of each interval."""
    return [(place * 10_000 + 5_000, (value,)) for place, value in enumerate(values)]


def last(*values: float) -> Output:
    return drive(TIME, amounts(*values))[-1]


@pytest.mark.parametrize(
    ("then", "now", "value"),
    [(100.0, 150.0, 0.5), (100.0, 50.0, -0.5), (8.0, 8.0, 0.0), (8.0, 0.0, -1.0), (-4.0, -2.0, 0.5), (-4.0, 4.0, 2.0)],
)
def test_change__then_and_now__share_of_what_it_was(then: float, now: float, value: float) -> None:
    assert last(then, 7.0, 0.0, -3.0, now) == (READY, value)


def test_change__warm_up__ready_exactly_when_the_window_is_full() -> None:
    ticks: list[Input] = [(0, (1.0,)), (39_999, (2.0,)), (40_000, (4.0,))]
    assert [status for status, _ in drive(TIME, ticks)] == [WARMING, WARMING, READY]
    assert drive(TIME, ticks)[-1] == (READY, 3.0)


def test_change__value_one_window_ago__is_the_last_of_its_interval() -> None:
    ticks: list[Input] = [(0, (1.0,)), (9_999, (2.0,)), (40_000, (4.0,)), (49_999, (8.0,)), (50_000, (8.0,))]
    assert [value for _, value in drive(TIME, ticks)[2:]] == [1.0, 3.0, 3.0]


def test_change__from_nothing__no_input_until_the_window_has_passed_it() -> None:
    answers = drive(TIME, amounts(0.0, 5.0, 5.0, 5.0, 5.0, 10.0))
    assert answers[4][0] is NO_INPUT
    assert answers[5] == (READY, 1.0)


def test_change__share_beyond_every_float__no_input_rather_than_infinity() -> None:
    assert last(1e-300, 1.0, 1.0, 1.0, 1e300)[0] is NO_INPUT
    assert last(-1e308, 1.0, 1.0, 1.0, 1e308)[0] is NO_INPUT


@pytest.mark.parametrize("bad", [NAN, math.inf, -math.inf])
def test_change__input_that_is_no_number__no_input_and_nothing_lost(bad: float) -> None:
    answers = drive(TIME, [*amounts(1.0, 1.0, 1.0, 1.0, 3.0), (46_000, (bad,)), (47_000, (3.0,))])
    assert answers[5][0] is NO_INPUT
    assert answers[6] == answers[4] == (READY, 2.0)


def test_change__interval_without_a_value__has_that_of_the_one_before() -> None:
    assert last(4.0, 2.0, NAN, NAN, 6.0, NAN, 6.0) == (READY, 2.0)  # interval 2 had none: that of 1


def test_change__gap_longer_than_the_window__boundary_is_one_interval() -> None:
    warm = amounts(1.0, 1.0, 1.0, 1.0, 2.0)
    assert drive(TIME, [*warm, (80_000, (6.0,))])[-1] == (READY, 2.0)  # interval 4 to 8: exactly the window
    assert drive(TIME, [*warm, (90_000, (6.0,))])[-1][0] is WARMING  # interval 4 to 9


def test_change__equal_times__the_last_value_counts() -> None:
    assert drive(TIME, [*amounts(1.0, 1.0, 1.0, 1.0), (40_000, (9.0,)), (40_000, (3.0,))])[-1] == (READY, 2.0)


def test_change__window_of_blocks__cut_into_whole_ones_and_reorganisations_stay_in_progress() -> None:
    ticks: list[Input] = [(place, (value,)) for place, value in enumerate((1.0, 2.0, 4.0, 8.0, 16.0, 32.0))]
    answers = drive(BLOCKS, ticks, blocks=[10, 11, 13, 14, 13, 16])
    assert [status for status, _ in answers] == [WARMING, WARMING, WARMING, READY, READY, READY]
    assert [value for _, value in answers[3:]] == [3.0, 7.0, 7.0]


def test_change__window_of_samples__counts_ticks_with_an_input() -> None:
    answers = drive(SAMPLES, [(0, (value,)) for value in (1.0, NAN, 2.0, 4.0, 10.0)])
    assert [status for status, _ in answers] == [WARMING, NO_INPUT, WARMING, READY, READY]
    assert [value for _, value in answers[3:]] == [3.0, 4.0]


def test_change__tiny_changes__keep_their_digits() -> None:
    assert last(1.0, 1.0, 1.0, 1.0, 1.0 + 2**-52) == (READY, 2**-52)


def test_change__interpreted__says_the_same_as_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = [*amounts(1.0, 2.0, NAN, 0.0, 16.0, 15.0, 17.0, 3.0), (200_000, (1.0,))]
    compiled = drive(TIME, ticks)
    for name in ("enter", "ago", "one", "step"):
        monkeypatch.setattr(change, name, getattr(change, name).py_func)
    interpreted = drive(TIME, ticks)
    assert [status for status, _ in interpreted] == [status for status, _ in compiled]
    np.testing.assert_array_equal([value for _, value in interpreted], [value for _, value in compiled])


def test_change__units__of_every_number_a_share() -> None:
    assert SIGNALS["change"].accepts == frozenset(Unit) - {Unit.FLAG}
    assert SIGNALS["change"].output is Unit.RATIO
