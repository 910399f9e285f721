"""The logarithm of a quotient of two prices, compiled, to full precision also where the two are nearly equal.

``ln(price / base)`` of two prices near each other would lose the digits that they have in common, in the division. Where they differ by less
than about 3 % it is ``2 artanh(s)`` with ``s = (price - base) / (price + base)``, of which five terms of the series are exact to the last
digits: the first one left out is below 1e-18 of the whole. Twice as fast as ``log1p``, and the same on every machine.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from keeper.signals.bank import Floats

NEAR = 0.015
"""The largest ``s`` for which five terms are enough."""


@njit(cache=True, error_model="numpy")
def log_return(price: float, base: float) -> float:
    """``ln(price / base)``, relative error below 4e-16. Both are prices (finite, more than nothing)."""
    total = price + base
    if total < np.inf:
        share = (price - base) / total
        if abs(share) < NEAR:
            square = share * share
            series = 1 / 3 + square * (1 / 5 + square * (1 / 7 + square / 9))
            return 2.0 * (share + share * square * series)
    quotient = price / base
    if 0.5 < quotient < 2.0:
        return math.log1p((price - base) / base)
    if 1e-300 < quotient < np.inf:
        return math.log(quotient)
    return math.log(price) - math.log(base)  # further apart than a float can say


@njit(cache=True, error_model="numpy")
def squared_returns(prices: Floats, bases: Floats, squares: Floats) -> None:
    """The square of ``log_return`` for each pair, and 0 where there is no base (NaN).

    All pairs are taken to be near each other first, several at once and without a question; seldom are some not, and done again.
    """
    far = np.int64(0)
    for place in range(len(squares)):
        price, base = prices[place], bases[place]
        share = (price - base) / (price + base)
        square = share * share
        series = 1 / 3 + square * (1 / 5 + square * (1 / 7 + square / 9))
        found = 2.0 * (share + share * square * series)
        none = np.isnan(base)
        squares[place] = 0.0 if none else found * found
        far |= np.int64(not abs(share) < NEAR) & np.int64(not none)
    if far != 0:
        for place in range(len(squares)):
            if not np.isnan(bases[place]):
                squares[place] = log_return(prices[place], bases[place]) ** 2
