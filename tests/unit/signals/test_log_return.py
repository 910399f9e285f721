"""The logarithm of a quotient: any quotient, both sides of where the series ends, and prices that are nearly equal."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import pytest

from keeper.signals.log_return import NEAR, log_return

pytestmark = pytest.mark.unit


def exact(price: float, base: float) -> float:
    with localcontext() as context:
        context.prec = 50
        return float((Decimal(price) / Decimal(base)).ln())


@pytest.mark.parametrize("ratio", [1e-300, 0.5, 0.500001, 0.97, 0.9999, 1.0, 1.0001, 1.03, 1.031, 1.999999, 2.0, 1e300])
def test_log_return__any_ratio__is_the_logarithm(ratio: float) -> None:
    for function in (log_return, log_return.py_func):
        assert function(ratio * 1.37, 1.37) == pytest.approx(exact(ratio * 1.37, 1.37), rel=4e-16, abs=0.0)


@pytest.mark.parametrize("shift", [-1e-9, 0.0, 1e-9])
@pytest.mark.parametrize("side", [-1, 1])
def test_log_return__where_the_series_ends__both_sides_are_the_logarithm(side: int, shift: float) -> None:
    share = side * (NEAR + shift)
    price = 7.0 * (1 + share) / (1 - share)
    assert log_return(price, 7.0) == pytest.approx(exact(price, 7.0), rel=4e-16)


def test_log_return__nearly_equal__keeps_its_digits() -> None:
    price = math.nextafter(3.0, 4.0)
    assert log_return(price, 3.0) == pytest.approx(exact(price, 3.0), rel=4e-16)
    assert log_return(3.0, 3.0) == 0.0


@pytest.mark.parametrize(("price", "base", "value"), [(1e300, 1e-300, 600), (1e-300, 1e300, -600)])
def test_log_return__ratio_beyond_every_float__stays_finite(price: float, base: float, value: float) -> None:
    assert log_return(price, base) == pytest.approx(value * math.log(10), rel=1e-14)


def test_log_return__prices_whose_sum_is_beyond_every_float__are_still_compared() -> None:
    assert log_return(1.7e308, 1.6e308) == pytest.approx(math.log(17 / 16), rel=1e-14)
