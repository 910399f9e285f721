"""Page-Hinkley: what is summed, how it falls back, gaps, warm-up. Half-life of 2 samples, 10 s each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

import pytest

from keeper.domain.signal import SignalStatus
from keeper.domain.units import Span
from keeper.signals.scores import HIGHEST
from tests.support.statistics import NAN, Input, Output, drive, is_near, spec_of

pytestmark = pytest.mark.unit

READY, WARMING, NO_INPUT = SignalStatus.READY, SignalStatus.WARMING, SignalStatus.NO_INPUT
D = 2**-0.5


def prices(*values: float) -> list[Input]:
    """One price in the middle of each interval; NaN for none."""
    return [(place * 10_000 + 5_000, (value,)) for place, value in enumerate(values)]


def run(ticks: Sequence[Input], direction: str = "up", delta: str = "0") -> list[Output]:
    cut = {"half_life": Span(ms=20_000), "sampling": Span(ms=10_000)}
    return drive(spec_of("page-hinkley", **cut, direction=direction, delta=Decimal(delta)), ticks)


def test_page_hinkley__first_shift__is_the_share_beyond_the_mean() -> None:
    assert is_near(run(prices(10, 10, 12))[-1], 0.2, rel=1e-15)


def test_page_hinkley__shift_that_stays__adds_up_as_the_mean_follows() -> None:
    mean = (12 + 10 * D + 10 * D**2) / (1 + D + D**2)
    assert run(prices(10, 10, 12, 12))[-1][1] == pytest.approx(D * 0.2 + 12 / mean - 1, rel=1e-14)


@pytest.mark.parametrize(("delta", "value"), [("0.19", 0.01), ("0.21", 0.0)])
def test_page_hinkley__tolerance__only_what_is_beyond_counts(delta: str, value: float) -> None:
    assert is_near(run(prices(10, 10, 12), delta=delta)[-1], value, abs=1e-15)


def test_page_hinkley__direction__each_has_a_sum_of_its_own() -> None:
    path = prices(10, 10, 8)
    assert run(path, "up")[-1] == (READY, 0.0)
    assert run(path, "down")[-1] == run(path, "either")[-1]
    assert is_near(run(path, "down")[-1], 0.2, rel=1e-15)


def test_page_hinkley__shift_that_stays_for_long__is_the_new_level() -> None:
    assert run(prices(10, 10, *[12.0] * 80))[-1][1] < 1e-6


def test_page_hinkley__price_in_progress__is_not_yet_in_mean_or_sum() -> None:
    answers = run([*prices(10, 10, 12), (26_000, (30.0,)), (27_000, (12.0,))])
    assert is_near(answers[3], 2.0, rel=1e-15)
    assert answers[4] == answers[2]


def test_page_hinkley__gap__the_price_before_it_counts_in_each_interval() -> None:
    assert run(prices(10, 10, 12, NAN, NAN, 12))[-1] == run(prices(10, 10, 12, 12, 12, 12))[-1]


def test_page_hinkley__gap__boundary_is_ten_half_lives() -> None:
    assert run([*prices(1, 1, 1, 1), (230_000, (8.0,))])[-1][0] is READY
    assert run([*prices(1, 1, 1, 1), (240_000, (8.0,))])[-1][0] is WARMING


def test_page_hinkley__warm_up__ready_exactly_after_a_half_life_and_nothing_summed_before() -> None:
    answers = run([(0, (1.0,)), (10_000, (9.0,)), (19_999, (1.0,)), (20_000, (1.0,))])
    assert [status for status, _ in answers] == [WARMING, WARMING, WARMING, READY]
    assert answers[-1] == (READY, 0.0)


def test_page_hinkley__beyond_measure__is_the_highest() -> None:
    assert run(prices(1e-300, 1e-300, 1e300))[-1] == (READY, HIGHEST)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.inf, NAN])
def test_page_hinkley__price_that_is_none__no_input_and_nothing_lost(bad: float) -> None:
    answers = run([*prices(10, 10, 12), (26_000, (bad,)), (27_000, (12.0,))])
    assert answers[3][0] is NO_INPUT
    assert answers[4] == answers[2]


@pytest.mark.parametrize(
    ("half_life", "sampling"), [(Span(blocks=2), Span(blocks=1)), (Span(samples=2), Span(samples=1))]
)
def test_page_hinkley__blocks_and_samples__are_the_same_as_time(half_life: Span, sampling: Span) -> None:
    spec = spec_of("page-hinkley", half_life=half_life, sampling=sampling, direction="up", delta=Decimal(0))
    path = prices(10, 10, 12, 11, 13)
    assert drive(spec, [(0, one) for _, one in path])[-1] == run(path)[-1]
