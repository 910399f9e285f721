"""The peer ``bare-numpy`` of ``tick``: the same signals and rules as array operations over all markets, and nothing around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from keeper.domain.units import Span
from keeper.engine.spec import EngineSpec
from keeper.rules.spec import Condition, Group, RuleSpec
from keeper.signals.bank import Floats

if TYPE_CHECKING:
    from bench.tick import Prices


class Volatility:
    """The squares of the closed intervals in a ring, summed anew when one closes."""

    def __init__(self, markets: int, sampling_ms: int, window_ms: int) -> None:
        self._sampling_ms, self._samples = sampling_ms, window_ms // sampling_ms
        self._ring = np.zeros((self._samples - 1, markets))
        self._sum = np.zeros(markets)
        self._interval = self._first = -1
        self._base: Floats | None = None
        self._price = np.zeros(markets)

    def step(self, at_ms: int, spot: Floats) -> Floats | None:
        interval = at_ms // self._sampling_ms
        if self._interval < 0:
            self._interval = self._first = interval
        elif interval > self._interval:
            if self._base is not None:
                self._ring[interval % (self._samples - 1)] = np.log(self._price / self._base) ** 2
                self._sum = self._ring.sum(axis=0)
            self._base, self._interval = self._price, interval
        self._price = spot
        if self._base is None or interval - self._first < self._samples:
            return None
        value: Floats = np.sqrt(self._sum + np.log(spot / self._base) ** 2)
        return value


def _when(rule: RuleSpec) -> Condition | Group:
    return rule.when


def _clear(rule: RuleSpec) -> Condition | Group:
    return rule.clear


def _blocks(condition: Condition) -> int:
    return (condition.hold.blocks or 0) if isinstance(condition.hold, Span) else 0


class NumpyRules:
    """All markets at once."""

    def __init__(self, spec: EngineSpec) -> None:
        markets, first = len(spec.markets), spec.markets[0]
        self._signals = [
            Volatility(markets, one.window("sampling").ms or 1, one.window("window").ms or 1)
            for one in first.signals
            if one.kind == "realised-volatility"
        ]
        names = [one.name for one in first.signals]
        whens, clears = ([one for rule in first.rules for one in side(rule).members] for side in (_when, _clear))
        self._of = [names.index(when.signal) for when in whens]
        self._trip, self._clear = ([float(one.fixed) for one in side] for side in (whens, clears))
        self._trip_blocks, self._clear_blocks = ([_blocks(one) for one in side] for side in (whens, clears))
        self._tripped = np.zeros((len(first.rules), markets), dtype=bool)
        self._streak = np.zeros((len(first.rules), markets), dtype=np.int64)
        self._new: NDArray[np.bool_] = np.zeros((len(first.rules), markets), dtype=bool)

    def tick(self, prices: Prices) -> None:
        share = (prices.oracle - prices.spot) / prices.spot
        values: list[Floats | None] = [np.abs(share), share, -share]
        values += [signal.step(prices.at_ms, prices.spot) for signal in self._signals]
        for rule, signal in enumerate(self._of):
            value = values[signal]
            if value is None:
                continue
            up, streak = self._tripped[rule], self._streak[rule]
            true = np.where(up, value < self._clear[rule], value > self._trip[rule])
            streak = np.where(true, streak + 1, 0)
            turns = true & (streak >= np.where(up, self._clear_blocks[rule], self._trip_blocks[rule]))
            self._new[rule] = turns & ~up
            self._tripped[rule] = up ^ turns
            self._streak[rule] = np.where(turns, 0, streak)

    def trips(self) -> set[tuple[int, int]]:
        """What the last tick tripped: (market, rule)."""
        return {(int(market), int(rule)) for rule, market in zip(*np.nonzero(self._new), strict=True)}
