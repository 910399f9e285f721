"""Combinations of signals as a textbook would write them: in fractions, with no thought of speed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from statistics import median

from hypothesis import strategies as st

from keeper.domain.signal import SignalStatus
from keeper.signals.spec import SignalSpec
from tests.property.reference import NOTHING, Reference
from tests.support.statistics import Input, Output


def of_all(formula: Callable[[list[Fraction]], Fraction]) -> Callable[[SignalSpec, Sequence[Input]], Output]:
    """The formula over the inputs of the last tick, where all are there."""

    def answer(_: SignalSpec, ticks: Sequence[Input]) -> Output:
        if not all(math.isfinite(one) for one in ticks[-1][1]):
            return NOTHING
        return SignalStatus.READY, float(formula([Fraction(one) for one in ticks[-1][1]]))

    return answer


def exact_sum(numbers: list[Fraction]) -> Fraction:
    return sum(numbers, Fraction(0))


def ratio_of(_: SignalSpec, ticks: Sequence[Input]) -> Output:
    of, to = ticks[-1][1]
    if not (math.isfinite(of) and math.isfinite(to)) or to == 0:
        return NOTHING
    return SignalStatus.READY, float(Fraction(of) / Fraction(to))


def several(kind: str) -> st.SearchStrategy[SignalSpec]:
    return st.integers(2, 6).map(lambda count: SignalSpec("all", kind, tuple(f"s{place}" for place in range(count))))


COMBINATIONS: dict[str, Reference] = {
    "sum": Reference(of_all(exact_sum), several("sum"), bound=2.3e-16, scale_free=False),
    "ratio": Reference(ratio_of, st.just(SignalSpec("share", "ratio", ("a", "b"))), bound=2.3e-16, scale_free=True),
    "min": Reference(of_all(min), several("min"), bound=0.0, scale_free=False),
    "max": Reference(of_all(max), several("max"), bound=0.0, scale_free=False),
    "median": Reference(of_all(median), several("median"), bound=1.2e-16, scale_free=False),
}
