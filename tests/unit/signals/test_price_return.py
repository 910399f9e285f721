"""Return: directions, the window's edges, gaps, bad prices. Window of 4 samples, 10 s each."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from keeper.domain.signal import SignalStatus
from keeper.domain.units import Span
from tests.support.statistics import NAN, Input, Output, drive, spec_of

pytestmark = pytest.mark.unit

READY, WARMING, NO_INPUT = SignalStatus.READY, SignalStatus.WARMING, SignalStatus.NO_INPUT


def prices(*values: float) -> list[Input]:
    """One price in the middle of each interval; NaN for none."""
    return [(place * 10_000 + 5_000, (value,)) for place, value in enumerate(values)]


def run(ticks: Sequence[Input], direction: str = "up") -> list[Output]:
    return drive(spec_of("return", window=Span(ms=40_000), sampling=Span(ms=10_000), direction=direction), ticks)


@pytest.mark.parametrize(
    ("direction", "now", "value"),
    [
        ("up", 150, 0.5),
        ("up", 50, -0.5),
        ("down", 50, 0.5),
        ("down", 150, -0.5),
        ("either", 50, 0.5),
        ("either", 150, 0.5),
    ],
)
def test_return__direction__sign_is_the_way_that_counts(direction: str, now: float, value: float) -> None:
    assert run(prices(100, 7, 7, 7, now), direction)[-1] == (READY, value)


def test_return__warm_up__ready_exactly_when_the_window_is_full() -> None:
    answers = run([(0, (1.0,)), (39_999, (2.0,)), (40_000, (4.0,))])
    assert [status for status, _ in answers[:2]] == [WARMING, WARMING]
    assert answers[2] == (READY, 3.0)


def test_return__gap_inside_the_window__the_price_before_it_stands() -> None:
    assert run(prices(1, 1, 2, NAN, NAN, NAN, 6, 6))[-1] == (READY, 2.0)  # interval 3 has that of interval 2


def test_return__gap__boundary_is_one_interval() -> None:
    warm = prices(1, 1, 1, 1, 2)
    assert run([*warm, (80_000, (4.0,))])[-1] == (READY, 1.0)
    assert run([*warm, (90_000, (4.0,))])[-1][0] is WARMING


@pytest.mark.parametrize("bad", [0.0, -1.0, math.inf, NAN])
def test_return__price_that_is_none__no_input_and_nothing_lost(bad: float) -> None:
    answers = run([*prices(1, 1, 1, 1, 2), (46_000, (bad,)), (46_000, (2.0,))])
    assert answers[5][0] is NO_INPUT
    assert answers[6] == answers[4] == (READY, 1.0)


def test_return__nearly_equal_prices__keep_their_digits() -> None:
    now = math.nextafter(3.0, 4.0)
    assert run(prices(3, 3, 3, 3, now))[-1] == (READY, (now - 3.0) / 3.0)


def test_return__quotient_beyond_every_float__is_no_input() -> None:
    assert run(prices(1e-300, 1, 1, 1, 1e300))[-1][0] is NO_INPUT
    assert run(prices(1e-300, 1, 1, 1, 1e7))[-1][0] is READY


def test_return__blocks__look_back_by_blocks() -> None:
    spec = spec_of("return", window=Span(blocks=3), sampling=Span(blocks=1), direction="up")
    assert drive(spec, [(0, (price,)) for price in (2.0, 9.0, 9.0, 3.0)])[-1] == (READY, 0.5)
