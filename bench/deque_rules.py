"""The peer of ``tick``: the same signals and rules in plain Python, a market object each, with a deque and a running sum for the window."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping

from keeper.domain.observation import Observation, Quality
from keeper.engine.spec import MarketSpec, SourceSpec
from keeper.rules.spec import RuleSpec, Side
from keeper.signals.spec import SignalSpec


class Divergence:
    def __init__(self, spec: SignalSpec) -> None:
        self.sources = spec.sources
        self._side = str(spec.param("side"))

    def step(self, at_ms: int, prices: Mapping[str, float]) -> float | None:
        of, against = prices[self.sources[0]], prices[self.sources[1]]
        share = (of - against) / against
        if self._side == "either":
            return abs(share)
        return share if self._side == "above" else -share


class Volatility:
    """Realised volatility in O(1): a closed interval adds its squared return and the one that leaves the window is taken away."""

    def __init__(self, spec: SignalSpec) -> None:
        self.sources = spec.sources
        self._sampling_ms = int(spec.param("sampling"))
        self._samples = int(spec.param("window")) // self._sampling_ms
        self._squares: deque[float] = deque()
        self._sum = 0.0
        self._interval: int | None = None
        self._first = 0
        self._base: float | None = None
        self._price = 0.0

    def step(self, at_ms: int, prices: Mapping[str, float]) -> float | None:
        price = prices[self.sources[0]]
        interval = at_ms // self._sampling_ms
        if self._interval is None:
            self._interval = self._first = interval
        elif interval > self._interval:
            self._close()
            self._interval = interval
        self._price = price
        if self._base is None or interval - self._first < self._samples:
            return None
        return math.sqrt(max(0.0, self._sum) + math.log(price / self._base) ** 2)

    def _close(self) -> None:
        if self._base is not None:
            square = math.log(self._price / self._base) ** 2
            self._squares.append(square)
            self._sum += square
            if len(self._squares) > self._samples - 1:
                self._sum -= self._squares.popleft()
        self._base = self._price


class Rule:
    """Threshold, persistence in blocks, hysteresis. ``step`` returns True at the tick at which it trips."""

    def __init__(self, spec: RuleSpec) -> None:
        self._signal = spec.when.signal
        self._above = spec.when.side is Side.ABOVE
        self._trip, self._clear = float(spec.when.threshold), float(spec.clear.threshold)
        self._trip_blocks, self._clear_blocks = spec.when.hold.blocks or 0, spec.clear.hold.blocks or 0
        self._streak = 0
        self.tripped = False

    def step(self, values: Mapping[str, float | None]) -> bool:
        value = values[self._signal]
        if value is None:
            self._streak = 0
            return False
        above = self._above is not self.tripped
        threshold = self._clear if self.tripped else self._trip
        if not (value > threshold if above else value < threshold):
            self._streak = 0
            return False
        self._streak += 1
        if self._streak < (self._clear_blocks if self.tripped else self._trip_blocks):
            return False
        self._streak = 0
        self.tripped = not self.tripped
        return self.tripped


class Market:
    def __init__(self, spec: MarketSpec) -> None:
        self.name = spec.name
        self._signals = {
            one.name: Divergence(one) if one.kind == "divergence" else Volatility(one) for one in spec.signals
        }
        self._rules = [(one.name, Rule(one)) for one in spec.rules]

    def step(self, at_ms: int, prices: Mapping[str, float]) -> list[str]:
        """The names of the rules that trip at this tick."""
        values = {name: signal.step(at_ms, prices) for name, signal in self._signals.items()}
        return [name for name, rule in self._rules if rule.step(values)]


class Markets:
    """All markets; the same snapshots go in as into the engine."""

    def __init__(self, sources: tuple[SourceSpec, ...], markets: tuple[MarketSpec, ...]) -> None:
        self._max_age_ms = {source.name: source.max_age_ms for source in sources}
        self._markets = [Market(spec) for spec in markets]

    def tick(self, at_ms: int, observations: Mapping[str, Observation]) -> list[tuple[str, str]]:
        """(market, rule) of every rule that trips at this tick."""
        prices = {name: self._usable(name, said, at_ms) for name, said in observations.items()}
        return [(market.name, rule) for market in self._markets for rule in market.step(at_ms, prices)]

    def _usable(self, name: str, said: Observation, at_ms: int) -> float:
        """The price; the samples are all good, so anything else is a mistake in the benchmark."""
        limit = self._max_age_ms[name]
        since = said.received_ms if said.at_ms is None else said.at_ms
        if said.quality is not Quality.OK or said.value is None or (limit is not None and at_ms - since > limit):
            raise ValueError(f"{name} is not usable")
        return float(said.value)
