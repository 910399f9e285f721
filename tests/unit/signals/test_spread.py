"""Spread: open, closed and crossed books, and prices that are none."""

from __future__ import annotations

import math

import pytest

from keeper.domain.signal import SignalStatus
from tests.support.statistics import NAN, Output, drive, spec_of

pytestmark = pytest.mark.unit


def at(bid: float, ask: float) -> Output:
    return drive(spec_of("spread", "bid", "ask"), [(0, (bid, ask))])[0]


@pytest.mark.parametrize(
    ("bid", "ask", "value"),
    [(99.0, 101.0, 0.02), (100.0, 100.0, 0.0), (101.0, 99.0, -0.02), (1.0, 3.0, 1.0), (1.0, 1.0 + 2**-52, 2**-52)],
)
def test_spread__bid_and_ask__share_of_their_middle(bid: float, ask: float, value: float) -> None:
    status, found = at(bid, ask)
    assert status is SignalStatus.READY
    assert found == pytest.approx(value, rel=3.4e-16, abs=0.0)


def test_spread__prices_far_apart__stays_below_two() -> None:
    assert at(1e-300, 1e300) == (SignalStatus.READY, 2.0)
    assert at(1e300, 1e-300) == (SignalStatus.READY, -2.0)


@pytest.mark.parametrize("bad", [NAN, 0.0, -1.0, math.inf])
@pytest.mark.parametrize("position", [0, 1])
def test_spread__input_that_is_no_price__no_input(bad: float, position: int) -> None:
    inputs = [100.0, 100.0]
    inputs[position] = bad
    status, value = at(*inputs)
    assert status is SignalStatus.NO_INPUT
    assert math.isnan(value)


def test_spread__sum_beyond_every_float__no_input_rather_than_zero() -> None:
    assert at(0.8e308, 0.9e308)[0] is SignalStatus.READY
    assert at(1.0e308, 0.9e308)[0] is SignalStatus.NO_INPUT
