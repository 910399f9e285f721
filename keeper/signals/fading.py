"""Weights that fade: how much of what was known is left after some intervals, compiled.

Definition. With a half-life of ``h`` intervals an interval's weight is multiplied by ``d = 2 ** (-1 / h)`` with each one that passes. After
``k`` intervals ``d**k`` is left, and the ``k`` intervals themselves have the weight ``1 - d**k``. Weights are divided by their sum, so that the
first values count no more than others of their age.

Gaps. After a gap of more than ten half-lives (less than a thousandth is left) what was known is no past any more: it starts anew.

Warm-up. One half-life: until the first value is ``h`` intervals back.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from keeper.signals.bank import Floats
from keeper.signals.ring import Cut
from keeper.signals.windows import FORGOTTEN

__all__ = ["FORGOTTEN", "Fade", "fade_of", "faded"]


class Fade(NamedTuple):
    """Per slot: ``rate`` of decay per interval (natural logarithm), and what one interval leaves (``kept``) and weighs (``gained``)."""

    rate: Floats
    kept: Floats
    gained: Floats


def fade_of(cut: Cut) -> Fade:
    """For half-lives cut into intervals."""
    rate = math.log(2) / cut.length
    return Fade(rate, np.exp(-rate), -np.expm1(-rate))


@njit(cache=True, error_model="numpy")
def faded(intervals: int, rate: float, kept: float, gained: float) -> tuple[float, float]:
    """(what is left after so many intervals, what they weigh)."""
    if intervals == 1:
        return kept, gained
    return math.exp(-rate * intervals), -math.expm1(-rate * intervals)
