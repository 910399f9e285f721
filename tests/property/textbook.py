"""Every kind of signal as a textbook would write it: the whole history at once, in 40 digits, with no thought of speed.

A kind that is registered and has no entry here fails a test.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext
from itertools import pairwise

from hypothesis import strategies as st

from keeper.domain.signal import SignalStatus
from keeper.signals.spec import SignalSpec
from tests.property.reference import DIGITS, NOTHING, WARMING, Reference, is_price, ln
from tests.support.engine_world import divergence, volatility
from tests.support.statistics import Input, Output


def divergence_of(spec: SignalSpec, ticks: Sequence[Input]) -> Output:
    of, against = ticks[-1][1]
    if not (is_price(of) and is_price(against)):
        return NOTHING
    with localcontext(DIGITS):
        share = Decimal(of) / Decimal(against) - 1
        share = {"either": abs(share), "above": share, "below": -share}[str(spec.param("side"))]
    return SignalStatus.READY, float(share)


def realised_volatility_of(spec: SignalSpec, ticks: Sequence[Input]) -> Output:
    sampling = spec.whole("sampling")
    count = spec.whole("window") // sampling
    if not is_price(ticks[-1][1][0]):
        return NOTHING
    samples = {at // sampling: price for at, (price,) in ticks if is_price(price)}
    unbroken = list(samples)
    for index, (earlier, later) in enumerate(pairwise(samples)):
        if later - earlier > count:
            unbroken = list(samples)[index + 1 :]
    now = unbroken[-1]
    if now - unbroken[0] < count:
        return WARMING
    with localcontext(DIGITS):
        squares = [(ln(samples[j]) - ln(samples[q])) ** 2 for q, j in pairwise(unbroken) if j > now - count]
        return SignalStatus.READY, float(sum(squares, Decimal(0)).sqrt())


TEXTBOOK: dict[str, Reference] = {
    "divergence": Reference(
        divergence_of,
        st.sampled_from([divergence(side=side) for side in ("either", "above", "below")]),
        bound=3.4e-16,
        scale_free=True,
    ),
    "realised-volatility": Reference(
        realised_volatility_of,
        st.builds(
            lambda count, sampling: volatility(window_ms=count * sampling, sampling_ms=sampling),
            st.integers(2, 9),
            st.sampled_from([1, 7, 1_000, 60_000]),
        ),
        bound=1e-14,
        scale_free=True,
    ),
}
