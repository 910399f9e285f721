"""The textbook's entries for the kinds of keeper/signals/kinds/changes.py that are newer than the book."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from itertools import pairwise

from hypothesis import strategies as st

from keeper.domain.signal import SignalStatus
from keeper.domain.units import Span
from keeper.signals.spec import SignalSpec
from tests.property.reference import DIGITS, NOTHING, WARMING, Reference, is_price, ln
from tests.support.statistics import Input, Output, spec_of

HIGHEST = Decimal(1_000_000)
ZERO, ONE = Decimal(0), Decimal(1)
DAY = Span(ms=86_400_000)


@dataclass(frozen=True)
class Path:
    """The last value of each interval since the last gap longer than ``limit``, and all that were seen in it; ``length`` intervals are a window."""

    last: Mapping[int, float]
    seen: Mapping[int, Sequence[float]]
    length: int

    @property
    def now(self) -> int:
        return max(self.last)

    @property
    def first(self) -> int:
        return min(self.last)

    def at(self, interval: int) -> float:
        """The value of this interval: the last one up to its end."""
        return self.last[max(j for j in self.last if j <= interval)]

    def moves(self) -> list[tuple[int, int, Decimal]]:
        """(interval, how many since the sample before, log return) of every sample but the first."""
        return [(j, j - q, ln(self.last[j]) - ln(self.last[q])) for q, j in pairwise(self.last)]


def path_of(
    spec: SignalSpec,
    ticks: Sequence[Input],
    window: str = "window",
    good: Callable[[float], bool] = is_price,
    limit: int = 1,
    more: int = 0,
) -> Path | None:
    """This history cut into the intervals of ``window``; ``limit`` windows and ``more`` intervals are the longest gap. None: no input now."""
    if not good(ticks[-1][1][0]):
        return None
    span, each = spec.window(window), spec.window("sampling")
    numbered = [(at, block, value) for block, (at, (value,)) in enumerate(ticks) if good(value)]
    if span.ms is not None and each.ms is not None:
        length, places = span.ms // each.ms, [at // each.ms for at, _, _ in numbered]
    elif span.blocks is not None and each.blocks is not None:
        length, places = span.blocks // each.blocks, [block // each.blocks for _, block, _ in numbered]
    else:
        length, places = span.samples or 0, list(range(len(numbered)))
    start = 0
    for index, (earlier, later) in enumerate(pairwise(places)):
        if later - earlier > limit * length + more:
            start = index + 1
    seen: dict[int, list[float]] = {}
    for place, (_, _, value) in list(zip(places, numbered, strict=True))[start:]:
        seen.setdefault(place, []).append(value)
    return Path({j: values[-1] for j, values in seen.items()}, seen, length)


def directed(value: Decimal, spec: SignalSpec) -> float:
    return float({"either": abs(value), "up": value, "down": -value}[spec.word("direction")])


def score(distance: Decimal, deviation: Decimal, floor: Decimal) -> Decimal:
    least = max(deviation, floor)
    if distance == 0:
        return ZERO
    if least == 0:
        return HIGHEST.copy_sign(distance)
    return max(-HIGHEST, min(HIGHEST, distance / least))


def kept(path: Path, intervals: int) -> Decimal:
    """What is left of a weight after so many intervals."""
    return Decimal(2) ** (-Decimal(intervals) / path.length)


def number(spec: SignalSpec, name: str) -> Decimal:
    return Decimal(spec.number(name))


def ewma_volatility_of(spec: SignalSpec, ticks: Sequence[Input]) -> Output:
    path = path_of(spec, ticks, "half_life", limit=10)
    if path is None:
        return NOTHING
    if path.now - path.first < path.length:
        return WARMING
    with localcontext(DIGITS):
        variance = variance_of(path, path.now)
        annual = spec.word("annualised") == "yes"
        scale = Decimal(365 * 86_400_000) / (spec.window("sampling").ms or 1) if annual else ONE
        return SignalStatus.READY, float((variance * scale).sqrt())


def variance_of(path: Path, until: int) -> Decimal:
    """The weighted mean of the squares of all returns up to this sample, a return over k intervals as k returns of equal squares."""
    squares = weights = ZERO
    for j, intervals, move in path.moves():
        if j <= until:
            weight = kept(path, until - j) - kept(path, until - j + intervals)
            squares += weight * move**2 / intervals
            weights += weight
    return squares / weights


def return_of(spec: SignalSpec, ticks: Sequence[Input]) -> Output:
    path = path_of(spec, ticks)
    if path is None:
        return NOTHING
    if path.now - path.first < path.length:
        return WARMING
    with localcontext(DIGITS):
        then = path.at(path.now - path.length)
        return SignalStatus.READY, directed(Decimal(path.last[path.now]) / Decimal(then) - 1, spec)


def drawdown_of(spec: SignalSpec, ticks: Sequence[Input]) -> Output:
    path = path_of(spec, ticks)
    if path is None:
        return NOTHING
    with localcontext(DIGITS):
        within = [j for j in range(path.now - path.length + 1, path.now + 1) if j >= path.first]
        highest = max(max(path.seen.get(j, [path.at(j)])) for j in within)
        return SignalStatus.READY, float(1 - Decimal(path.last[path.now]) / Decimal(highest))


def z_score_of(spec: SignalSpec, ticks: Sequence[Input]) -> Output:
    path = path_of(spec, ticks, good=math.isfinite)
    if path is None:
        return NOTHING
    if path.now - path.first < path.length:
        return WARMING
    with localcontext(DIGITS):
        window = [Decimal(path.at(j)) for j in range(path.now - path.length, path.now)]
        mean = sum(window, ZERO) / len(window)
        deviation = (sum(((one - mean) ** 2 for one in window), ZERO) / (len(window) - 1)).sqrt()
        if len(set(window)) == 1:  # a mean of equal values may be off in its 40th digit
            mean, deviation = window[0], ZERO
        found = score(Decimal(path.last[path.now]) - mean, deviation, number(spec, "floor") * abs(mean))
        return SignalStatus.READY, directed(found, spec)


def ewma_z_score_of(spec: SignalSpec, ticks: Sequence[Input]) -> Output:
    path = path_of(spec, ticks, "half_life", good=math.isfinite, limit=10)
    if path is None:
        return NOTHING
    if path.now - path.first < path.length:
        return WARMING
    with localcontext(DIGITS):
        before = weighted(path, path.now)
        mean = mean_of(before)
        variance = mean_of([(weight, (one - mean) ** 2) for weight, one in before])
        found = score(Decimal(path.last[path.now]) - mean, variance.sqrt(), number(spec, "floor") * abs(mean))
        return SignalStatus.READY, directed(found, spec)


def weighted(path: Path, until: int) -> list[tuple[Decimal, Decimal]]:
    """(weight, value) of each interval before this one."""
    return [(kept(path, until - 1 - j), Decimal(path.at(j))) for j in range(path.first, until)]


def mean_of(weights: Sequence[tuple[Decimal, Decimal]]) -> Decimal:
    return sum((weight * one for weight, one in weights), ZERO) / sum((weight for weight, _ in weights), ZERO)


def cusum_of(spec: SignalSpec, ticks: Sequence[Input]) -> Output:
    path = path_of(spec, ticks, "half_life", limit=10)
    if path is None:
        return NOTHING
    up = down = None
    with localcontext(DIGITS):
        drift, ceiling = number(spec, "drift"), number(spec, "ceiling")
        for j, intervals, move in path.moves():
            if j - path.first < path.length or j - intervals == path.first:
                continue
            z = score(move, variance_of(path, j - intervals).sqrt(), number(spec, "floor"))
            up = min(ceiling, max(ZERO, (up or ZERO) + z - intervals * drift))
            down = min(ceiling, max(ZERO, (down or ZERO) - z - intervals * drift))
    if up is None or down is None:
        return WARMING
    return SignalStatus.READY, float({"either": max(up, down), "up": up, "down": down}[spec.word("direction")])


def page_hinkley_of(spec: SignalSpec, ticks: Sequence[Input]) -> Output:
    path = path_of(spec, ticks, "half_life", limit=10)
    if path is None:
        return NOTHING
    if path.now - path.first < path.length:
        return WARMING
    with localcontext(DIGITS):
        d, delta = kept(path, 1), number(spec, "delta")
        up = down = ZERO
        total, weight = ZERO, ZERO
        for j in range(path.first, path.now + 1):
            price = Decimal(path.at(j))
            if j - path.first >= path.length:
                share = min(HIGHEST, price / (total / weight) - 1)
                up = min(HIGHEST, max(ZERO, d * up + share - delta))
                down = max(ZERO, d * down - share - delta)
            total, weight = d * total + price, d * weight + 1
    return SignalStatus.READY, float({"either": max(up, down), "up": up, "down": down}[spec.word("direction")])


def volatility_ratio_of(spec: SignalSpec, ticks: Sequence[Input]) -> Output:
    baseline, each = spec.window("baseline"), spec.window("sampling")
    more = baseline.samples or (baseline.ms or baseline.blocks or 0) // (each.ms or each.blocks or 1)
    path = path_of(spec, ticks, more=more)
    if path is None:
        return NOTHING
    if path.now - path.first < path.length + more:
        return WARMING
    with localcontext(DIGITS):
        edge = path.now - path.length
        short = sum((move**2 for j, _, move in path.moves() if j > edge), ZERO) / path.length
        long = sum((move**2 for j, _, move in path.moves() if edge - more < j <= edge), ZERO) / more
        return SignalStatus.READY, float(score(short.sqrt(), long.sqrt(), number(spec, "floor")))


def quantile_of(spec: SignalSpec, ticks: Sequence[Input]) -> Output:
    path = path_of(spec, ticks, good=math.isfinite)
    if path is None:
        return NOTHING
    if path.now - path.first < path.length:
        return WARMING
    window = sorted(path.at(j) for j in range(path.now - path.length, path.now))
    share = spec.param("q")
    assert isinstance(share, Decimal)
    return SignalStatus.READY, next(
        one for one in window if sum(other <= one for other in window) >= share * len(window)
    )


@st.composite
def cuts(draw: st.DrawFn, name: str = "window", least: int = 2) -> dict[str, Span]:
    """A window of this name of a few intervals: of time, of blocks or of samples."""
    count = draw(st.integers(least, 9))
    each = draw(
        st.sampled_from([Span(ms=1), Span(ms=7), Span(ms=60_000), DAY, Span(blocks=1), Span(blocks=3), Span(samples=1)])
    )
    return {name: times(each, count), "sampling": each}


def times(span: Span, count: int) -> Span:
    if span.ms is not None:
        return Span(ms=span.ms * count)
    return Span(blocks=span.blocks * count) if span.blocks is not None else Span(samples=count)


def drawn(
    kind: str, cut: st.SearchStrategy[dict[str, Span]], **params: Sequence[object]
) -> st.SearchStrategy[SignalSpec]:
    """Signals of this kind: a cut, and one of each parameter's values."""
    others = st.fixed_dictionaries({name: st.sampled_from(list(values)) for name, values in params.items()})
    return st.builds(lambda cut, others: spec_of(kind, **cut, **others), cut, others)


def with_year(spec: SignalSpec) -> st.SearchStrategy[SignalSpec]:
    words = (
        ("no", "yes") if spec.window("sampling") == DAY else ("no",)
    )  # of shorter ones rounding would show in a year
    return st.sampled_from(
        [SignalSpec(spec.name, spec.kind, spec.sources, (*spec.params, ("annualised", word))) for word in words]
    )


def with_baseline(spec: SignalSpec) -> st.SearchStrategy[SignalSpec]:
    each = spec.window("sampling")
    return st.integers(2, 12).map(
        lambda count: SignalSpec(spec.name, spec.kind, spec.sources, (*spec.params, ("baseline", times(each, count))))
    )


WAYS = ("either", "up", "down")
FLOORS = (Decimal(0), Decimal("0.0001"))

CHANGES: dict[str, Reference] = {
    "ewma-volatility": Reference(
        ewma_volatility_of, drawn("ewma-volatility", cuts("half_life")).flatmap(with_year), bound=1e-13, scale_free=True
    ),
    "volatility-ratio": Reference(
        volatility_ratio_of,
        drawn("volatility-ratio", cuts(), floor=FLOORS).flatmap(with_baseline),
        bound=1e-13,
        scale_free=False,  # small returns of rounded prices: see the unit test
    ),
    "return": Reference(return_of, drawn("return", cuts(), direction=WAYS), bound=3.4e-16, scale_free=True),
    "drawdown": Reference(drawdown_of, drawn("drawdown", cuts()), bound=3.4e-16, scale_free=True),
    "z-score": Reference(
        z_score_of, drawn("z-score", cuts(), direction=WAYS, floor=FLOORS), bound=1e-13, margin=1e-13, scale_free=False
    ),
    "ewma-z-score": Reference(
        ewma_z_score_of,
        drawn("ewma-z-score", cuts("half_life"), direction=WAYS, floor=(Decimal("0.0001"), Decimal("0.01"))),
        bound=1e-10,
        margin=1e-11,
        scale_free=False,
    ),
    "cusum": Reference(
        cusum_of,
        drawn(
            "cusum",
            cuts("half_life"),
            direction=WAYS,
            floor=FLOORS,
            drift=(Decimal("0.5"), Decimal("0.01")),
            ceiling=(Decimal(100), Decimal(5)),
        ),
        bound=1e-12,
        margin=1e-11,
        scale_free=False,
    ),
    "page-hinkley": Reference(
        page_hinkley_of,
        drawn("page-hinkley", cuts("half_life"), direction=WAYS, delta=(Decimal(0), Decimal("0.001"), Decimal("0.1"))),
        bound=1e-11,
        margin=1e-9,
        scale_free=True,
    ),
    "quantile": Reference(
        quantile_of,
        drawn("quantile", cuts(least=1), q=[Decimal(one) for one in ("0", "0.1", "0.25", "0.5", "0.9", "1")]),
        bound=0.0,
        scale_free=False,
    ),
}
