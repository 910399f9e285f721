"""Every kind of signal as a textbook would write it: the whole history at once, in 40 digits, with no thought of speed.

A kind that is registered and has no entry here fails a test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction
from statistics import median

from hypothesis import strategies as st

from keeper.domain.signal import SignalStatus
from keeper.signals.spec import SignalSpec
from tests.property.reference import DIGITS, NOTHING, WARMING, Reference, is_price
from tests.property.textbook_changes import CHANGES, cuts, drawn, path_of, with_year
from tests.property.textbook_combinations import COMBINATIONS
from tests.property.textbook_levels import LEVELS
from tests.support.engine_world import divergence
from tests.support.statistics import Input, Output


def divergence_of(spec: SignalSpec, ticks: Sequence[Input]) -> Output:
    of, *against = ticks[-1][1]
    good = [Fraction(one) for one in against if is_price(one)]
    if not is_price(of) or 2 * len(good) <= len(against):
        return NOTHING
    with localcontext(DIGITS):
        middle = Decimal(float(median(good)))  # a price as any other: a float
        share = Decimal(of) / middle - 1
        share = {"either": abs(share), "above": share, "below": -share}[str(spec.param("side"))]
    return SignalStatus.READY, float(share)


def realised_volatility_of(spec: SignalSpec, ticks: Sequence[Input]) -> Output:
    path = path_of(spec, ticks)
    if path is None:
        return NOTHING
    if path.now - path.first < path.length:
        return WARMING
    with localcontext(DIGITS):
        squares = [move**2 for j, _, move in path.moves() if j > path.now - path.length]
        annual = spec.word("annualised") == "yes"
        scale = Decimal(365 * 86_400_000) / (spec.window("window").ms or 1) if annual else Decimal(1)
        return SignalStatus.READY, float((sum(squares, Decimal(0)) * scale).sqrt())


TEXTBOOK: dict[str, Reference] = {
    **LEVELS,
    "divergence": Reference(
        divergence_of,
        st.builds(
            lambda side, more: replace(divergence(side=side), sources=("oracle", "spot", "b", "c", "d")[: 2 + more]),
            st.sampled_from(("either", "above", "below")),
            st.integers(0, 3),
        ),
        bound=3.4e-16,
        scale_free=True,
    ),
    "realised-volatility": Reference(
        realised_volatility_of,
        drawn("realised-volatility", cuts()).flatmap(with_year),
        bound=1e-14,
        scale_free=True,
    ),
    **CHANGES,
    **COMBINATIONS,
}
