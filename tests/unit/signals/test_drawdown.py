"""Drawdown: every price counts, when a peak leaves, gaps, bad prices. Window of 4 samples, 10 s each."""

from __future__ import annotations

import math

import numpy as np
import pytest

from keeper.domain.signal import SignalStatus
from keeper.domain.units import Span
from keeper.signals import drawdown
from tests.support.statistics import NAN, Input, Output, drive, spec_of

pytestmark = pytest.mark.unit

READY, NO_INPUT = SignalStatus.READY, SignalStatus.NO_INPUT
SPEC = spec_of("drawdown", window=Span(ms=40_000), sampling=Span(ms=10_000))


def prices(*values: float) -> list[Input]:
    """One price in the middle of each interval; NaN for none."""
    return [(place * 10_000 + 5_000, (value,)) for place, value in enumerate(values)]


def run(*values: float) -> list[Output]:
    return drive(SPEC, prices(*values))


def test_drawdown__first_price__is_ready_and_nothing() -> None:
    assert run(5.0) == [(READY, 0.0)]


def test_drawdown__fall_within_the_first_interval__is_seen() -> None:
    assert drive(SPEC, [(0, (10.0,)), (1, (20.0,)), (2, (15.0,))])[-1] == (READY, 0.25)


def test_drawdown__spike_within_an_interval__counts_though_another_price_is_its_last() -> None:
    ticks: list[Input] = [(0, (10.0,)), (5_000, (20.0,)), (9_000, (10.0,)), (39_999, (10.0,)), (40_000, (10.0,))]
    assert [value for _, value in drive(SPEC, ticks)] == [0.0, 0.0, 0.5, 0.5, 0.0]


def test_drawdown__peak_at_the_windows_edge__counts_until_its_interval_is_left_behind() -> None:
    assert [value for _, value in run(16, 8, 8, 8, 4)] == [0.0, 0.5, 0.5, 0.5, 0.5]
    assert run(16, 8, 8, 4, 4, 4)[-1] == (READY, 0.5)


def test_drawdown__rising__is_nothing_throughout() -> None:
    assert {value for _, value in run(1, 2, 3, 4, 5, 6, 7)} == {0.0}


def test_drawdown__equal_times__the_highest_counts() -> None:
    assert drive(SPEC, [(0, (10.0,)), (0, (40.0,)), (0, (10.0,))])[-1] == (READY, 0.75)


def test_drawdown__after_a_gap__the_price_before_it_is_the_peak() -> None:
    assert run(10, NAN, NAN, NAN, 5)[-1] == (READY, 0.5)
    assert run(10, 10, NAN, NAN, NAN, 5, 5, 5)[-1] == (READY, 0.5)  # it stood until interval 4
    assert run(10, 10, NAN, NAN, NAN, 5, 5, 5, 5)[-1] == (READY, 0.0)


def test_drawdown__gap__boundary_is_one_interval() -> None:
    assert drive(SPEC, [(0, (10.0,)), (40_000, (5.0,))])[-1] == (READY, 0.5)
    assert drive(SPEC, [(0, (10.0,)), (50_000, (5.0,))])[-1] == (READY, 0.0)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.inf, NAN])
def test_drawdown__price_that_is_none__no_input_and_no_peak(bad: float) -> None:
    answers = run(10, bad, 5)
    assert answers[1][0] is NO_INPUT
    assert answers[2] == (READY, 0.5)


@pytest.mark.parametrize(("window", "sampling"), [(Span(blocks=4), Span(blocks=1)), (Span(samples=4), Span(samples=1))])
def test_drawdown__blocks_and_samples__are_cut_by_them(window: Span, sampling: Span) -> None:
    spec = spec_of("drawdown", window=window, sampling=sampling)
    answers = drive(spec, [(0, (price,)) for price in (16.0, 8.0, 8.0, 8.0, 4.0)])
    assert [value for _, value in answers] == [0.0, 0.5, 0.5, 0.5, 0.5]
    assert drive(spec, [(0, (price,)) for price in (16.0, 4.0, 4.0, 4.0, 4.0)])[-1] == (READY, 0.0)


def test_drawdown__long_random_path__is_that_of_the_plain_description(monkeypatch: pytest.MonkeyPatch) -> None:
    path = np.random.default_rng(4).random(300) + 0.5
    for name in ("see", "one", "step"):
        monkeypatch.setattr(drawdown, name, getattr(drawdown, name).py_func)
    answers = run(*path)
    for place, (_, value) in enumerate(answers):
        highest = path[max(0, place - 3) : place + 1].max()
        assert value == (highest - path[place]) / highest
