"""The peer ``river`` of ``tick``: its rolling statistics for the windows, the rules in plain Python (river has none)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from river import stats, utils

from bench.deque_rules import Divergence, Rule
from keeper.engine.spec import EngineSpec, MarketSpec
from keeper.signals.spec import SignalSpec

if TYPE_CHECKING:
    from bench.tick import Prices


class RollingVolatility:
    """The squares of the closed intervals in a rolling sum of river's."""

    def __init__(self, spec: SignalSpec) -> None:
        self._sampling_ms = spec.window("sampling").ms or 1
        self._samples = (spec.window("window").ms or 1) // self._sampling_ms
        self._sum: Any = utils.Rolling(stats.Sum, window_size=self._samples - 1)
        self._interval: int | None = None
        self._first = 0
        self._base: float | None = None
        self._price = 0.0

    def step(self, at_ms: int, oracle: float, spot: float) -> float | None:
        interval = at_ms // self._sampling_ms
        if self._interval is None:
            self._interval = self._first = interval
        elif interval > self._interval:
            if self._base is not None:
                self._sum.update(math.log(self._price / self._base) ** 2)
            self._base = self._price
            self._interval = interval
        self._price = spot
        if self._base is None or interval - self._first < self._samples:
            return None
        return math.sqrt(max(0.0, self._sum.get()) + math.log(spot / self._base) ** 2)


class Market:
    def __init__(self, spec: MarketSpec) -> None:
        self._signals = {
            one.name: Divergence(one) if one.kind == "divergence" else RollingVolatility(one) for one in spec.signals
        }
        self._rules = [Rule(one) for one in spec.rules]

    def step(self, at_ms: int, oracle: float, spot: float) -> list[int]:
        """The rules that trip at this tick, by position."""
        values = {name: signal.step(at_ms, oracle, spot) for name, signal in self._signals.items()}
        return [place for place, rule in enumerate(self._rules) if rule.step(values)]


class RiverRules:
    """All markets, one after the other."""

    def __init__(self, spec: EngineSpec) -> None:
        self._markets = [Market(market) for market in spec.markets]
        self._found: set[tuple[int, int]] = set()

    def tick(self, prices: Prices) -> None:
        at_ms, found = prices.at_ms, set()
        for place, (market, oracle, spot) in enumerate(
            zip(self._markets, prices.oracle_list, prices.spot_list, strict=True)
        ):
            for rule in market.step(at_ms, oracle, spot):
                found.add((place, rule))
        self._found = found

    def trips(self) -> set[tuple[int, int]]:
        """What the last tick tripped: (market, rule)."""
        return self._found
