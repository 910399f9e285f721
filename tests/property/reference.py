"""What an entry of the textbook is, and what the entries have in common."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from functools import lru_cache

from hypothesis import strategies as st

from keeper.domain.signal import SignalStatus
from keeper.signals.spec import SignalSpec
from tests.support.statistics import Input, Output

DIGITS = Context(prec=40)
NOTHING = (SignalStatus.NO_INPUT, math.nan)
WARMING = (SignalStatus.WARMING, math.nan)


@dataclass(frozen=True)
class Reference:
    """``formula`` gives the last answer of a history; ``specs`` draws signals; ``bound`` is the largest relative error allowed.

    ``scale_free``: the value must not change when all inputs are multiplied by one number. ``own_times``: the formula takes, after the
    history, the own time of the inputs at each tick. ``margin`` is the largest absolute error allowed, for values that are differences.
    """

    formula: Callable[..., Output]
    specs: st.SearchStrategy[SignalSpec]
    bound: float
    scale_free: bool
    own_times: bool = False
    margin: float = 0.0

    def answer(self, spec: SignalSpec, ticks: Sequence[Input], own_ms: Sequence[int] | None) -> Output:
        """The last answer of this history."""
        return self.formula(spec, ticks, own_ms) if self.own_times else self.formula(spec, ticks)


def is_price(value: float) -> bool:
    return math.isfinite(value) and value > 0


@lru_cache(maxsize=100_000)
def ln(value: float) -> Decimal:
    with localcontext(DIGITS):
        return Decimal(value).ln()
