"""The textbook's entries for the kinds of keeper/signals/kinds/levels.py."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from itertools import pairwise

from hypothesis import strategies as st

from keeper.domain.signal import SignalStatus
from keeper.domain.units import Span
from keeper.signals.bank import NEVER
from keeper.signals.spec import SignalSpec
from tests.property.reference import DIGITS, NOTHING, WARMING, Reference, is_price
from tests.support.statistics import Input, Output, spec_of

Seen = tuple[int, int, float]
"""(at_ms, block, what was seen)."""


@dataclass(frozen=True)
class Past:
    """``seen`` is the last of each interval since the last gap that was longer than the window; ``length`` intervals are a window."""

    seen: Mapping[int, float]
    length: int

    @property
    def now(self) -> int:
        return max(self.seen)

    @property
    def full(self) -> bool:
        return self.now - min(self.seen) >= self.length

    @property
    def within(self) -> list[float]:
        """What was seen in the window's intervals, the one in progress last."""
        return [one for j, one in self.seen.items() if j > self.now - self.length]

    @property
    def then(self) -> float:
        """The last that was seen up to the end of the interval one window ago."""
        return self.seen[max(j for j in self.seen if j <= self.now - self.length)]


def past_of(spec: SignalSpec, seen: Sequence[Seen]) -> Past:
    """This history, cut into the intervals of the signal's window."""
    window, sampling = spec.window("window"), spec.window("sampling")
    if window.ms is not None and sampling.ms is not None:
        length, places = window.ms // sampling.ms, [at // sampling.ms for at, _, _ in seen]
    elif window.blocks is not None and sampling.blocks is not None:
        length, places = window.blocks // sampling.blocks, [block // sampling.blocks for _, block, _ in seen]
    else:
        length, places = window.samples or 0, list(range(len(seen)))
    start = 0
    for index, (earlier, later) in enumerate(pairwise(places)):
        if later - earlier > length:
            start = index + 1
    return Past({j: one for j, (_, _, one) in list(zip(places, seen, strict=True))[start:]}, length)


def finite(ticks: Sequence[Input], lowest: float = -math.inf) -> list[Seen]:
    """The ticks at which the only input was a finite number of at least ``lowest``; their blocks are 0, 1, 2 ..."""
    numbered = [(at, block, value) for block, (at, (value,)) in enumerate(ticks)]
    return [one for one in numbered if math.isfinite(one[2]) and one[2] >= lowest]


def peg_deviation_of(spec: SignalSpec, ticks: Sequence[Input]) -> Output:
    (of,) = ticks[-1][1]
    if not is_price(of):
        return NOTHING
    with localcontext(DIGITS):
        share = Decimal(of) / Decimal(spec.number("target")) - 1
        share = {"either": abs(share), "above": share, "below": -share}[spec.word("side")]
    return SignalStatus.READY, float(share)


def spread_of(spec: SignalSpec, ticks: Sequence[Input]) -> Output:
    bid, ask = ticks[-1][1]
    if not (is_price(bid) and is_price(ask)):
        return NOTHING
    with localcontext(DIGITS):
        middle = (Decimal(bid) + Decimal(ask)) / 2
        return SignalStatus.READY, float((Decimal(ask) - Decimal(bid)) / middle)


def depth_of(spec: SignalSpec, ticks: Sequence[Input]) -> Output:
    (of,) = ticks[-1][1]
    if not (math.isfinite(of) and of >= 0):
        return NOTHING
    with localcontext(DIGITS):
        return SignalStatus.READY, float(Decimal(of) / Decimal(spec.number("floor")))


def staleness_of(spec: SignalSpec, ticks: Sequence[Input], own_ms: Sequence[int]) -> Output:
    if own_ms[-1] == NEVER:
        return NOTHING
    return SignalStatus.READY, float(Decimal(max(0, ticks[-1][0] - own_ms[-1])) / 1000)


def update_frequency_of(spec: SignalSpec, ticks: Sequence[Input], own_ms: Sequence[int]) -> Output:
    looks = [(at, block, own) for block, ((at, _), own) in enumerate(zip(ticks, own_ms, strict=True)) if own != NEVER]
    if own_ms[-1] == NEVER:
        return NOTHING
    past = past_of(spec, looks)
    if not past.full:
        return WARMING
    updates = [index for index, (earlier, later) in enumerate(pairwise(looks), start=1) if earlier[2] != later[2]]
    # where in time each of them is: the interval in progress when the history ended with it
    places = [past_of(spec, looks[: index + 1]).now for index in updates]
    return SignalStatus.READY, float(sum(place > past.now - past.length for place in places))


def change_of(spec: SignalSpec, ticks: Sequence[Input]) -> Output:
    if not math.isfinite(ticks[-1][1][0]):
        return NOTHING
    past = past_of(spec, finite(ticks))
    if not past.full:
        return WARMING
    if past.then == 0:
        return NOTHING
    with localcontext(DIGITS):
        now, then = Decimal(past.seen[past.now]), Decimal(past.then)
        return SignalStatus.READY, float((now - then) / abs(then))


def outflow_of(spec: SignalSpec, ticks: Sequence[Input]) -> Output:
    if not (math.isfinite(ticks[-1][1][0]) and ticks[-1][1][0] >= 0):
        return NOTHING
    past = past_of(spec, finite(ticks, lowest=0.0))
    if not past.full:
        return WARMING
    base = past.then if spec.word("base") == "start" else max(past.then, *past.within)
    if base == 0:
        return NOTHING
    with localcontext(DIGITS):
        now, then = Decimal(past.seen[past.now]), Decimal(past.then)
        return SignalStatus.READY, float((then - now) / Decimal(base))


def growth_of(spec: SignalSpec, ticks: Sequence[Input]) -> Output:
    if not is_price(ticks[-1][1][0]):
        return NOTHING
    past = past_of(spec, [one for one in finite(ticks) if one[2] > 0])
    if not past.full:
        return WARMING
    with localcontext(DIGITS):
        now, then = Decimal(past.seen[past.now]), Decimal(past.then)
        return SignalStatus.READY, float((now / then - 1) / Decimal(spec.number("cap")))


def count_of(spec: SignalSpec, ticks: Sequence[Input]) -> Output:
    if not math.isfinite(ticks[-1][1][0]):
        return NOTHING
    past = past_of(spec, finite(ticks))
    if not past.full:
        return WARMING
    level, above = spec.number("level"), spec.word("side") == "above"
    return SignalStatus.READY, float(sum(value > level if above else value < level for value in past.within))


windows = st.one_of(
    st.builds(
        lambda length, ms: {"window": Span(ms=length * ms), "sampling": Span(ms=ms)},
        st.integers(2, 9),
        st.sampled_from([1, 7, 1_000, 60_000]),
    ),
    st.builds(
        lambda length, blocks: {"window": Span(blocks=length * blocks), "sampling": Span(blocks=blocks)},
        st.integers(2, 6),
        st.integers(1, 3),
    ),
    st.builds(lambda length: {"window": Span(samples=length), "sampling": Span(samples=1)}, st.integers(2, 9)),
)
sides = st.sampled_from(["either", "above", "below"])
numbers = st.decimals("0.001", "1000", places=3)

LEVELS: dict[str, Reference] = {
    "peg-deviation": Reference(
        peg_deviation_of,
        st.builds(lambda target, side: spec_of("peg-deviation", target=target, side=side), numbers, sides),
        bound=3.4e-16,
        scale_free=False,
    ),
    "spread": Reference(spread_of, st.just(spec_of("spread", "bid", "ask")), bound=4.5e-16, scale_free=True),
    "depth": Reference(
        depth_of, st.builds(lambda floor: spec_of("depth", floor=floor), numbers), bound=1.2e-16, scale_free=False
    ),
    "staleness": Reference(staleness_of, st.just(spec_of("staleness")), bound=0.0, scale_free=False, own_times=True),
    "update-frequency": Reference(
        update_frequency_of,
        st.builds(lambda window: spec_of("update-frequency", **window), windows),
        bound=0.0,
        scale_free=False,
        own_times=True,
    ),
    "change": Reference(
        change_of, st.builds(lambda window: spec_of("change", **window), windows), bound=3.4e-16, scale_free=True
    ),
    "outflow": Reference(
        outflow_of,
        st.builds(
            lambda window, base: spec_of("outflow", **window, base=base), windows, st.sampled_from(["start", "highest"])
        ),
        bound=3.4e-16,
        scale_free=True,
    ),
    "growth": Reference(
        growth_of,
        st.builds(
            lambda window, cap: spec_of("growth", **window, cap=cap), windows, st.decimals("0.01", "2", places=4)
        ),
        bound=4.5e-16,
        scale_free=True,
    ),
    "count": Reference(
        count_of,
        st.builds(
            lambda window, level, side: spec_of("count", **window, level=level, side=side),
            windows,
            st.sampled_from([Decimal(0), Decimal(1), Decimal("1.2")]),
            st.sampled_from(["above", "below"]),
        ),
        bound=0.0,
        scale_free=False,
    ),
}
