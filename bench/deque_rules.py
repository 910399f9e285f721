"""The peer of ``tick``: the same signals and rules in plain Python, a market object each, with a deque and a running sum for the window."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING

from keeper.engine.spec import EngineSpec, MarketSpec
from keeper.rules.spec import RuleSpec, Side
from keeper.signals.spec import SignalSpec

if TYPE_CHECKING:
    from bench.tick import Prices
from keeper.signals.windows import intervals_of


class Divergence:
    def __init__(self, spec: SignalSpec) -> None:
        self._side = str(spec.param("side"))

    def step(self, at_ms: int, oracle: float, spot: float) -> float | None:
        share = (oracle - spot) / spot
        if self._side == "either":
            return abs(share)
        return share if self._side == "above" else -share


class Volatility:
    """Realised volatility in O(1): a closed interval adds its squared return and the one that leaves the window is taken away."""

    def __init__(self, spec: SignalSpec) -> None:
        self._sampling_ms, self._samples = intervals_of(spec.window("window"), spec.window("sampling"))
        self._squares: deque[float] = deque()
        self._sum = 0.0
        self._interval: int | None = None
        self._first = 0
        self._base: float | None = None
        self._price = 0.0

    def step(self, at_ms: int, oracle: float, spot: float) -> float | None:
        price = spot
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
        trip, clear = spec.first, spec.clear.members[0]
        self._signal = trip.signal
        self._above = trip.side is Side.ABOVE
        self._trip, self._clear = float(trip.fixed), float(clear.fixed)
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
        self._signals = {
            one.name: Divergence(one) if one.kind == "divergence" else Volatility(one) for one in spec.signals
        }
        self._rules = [Rule(one) for one in spec.rules]

    def step(self, at_ms: int, oracle: float, spot: float) -> list[int]:
        """The rules that trip at this tick, by position."""
        values = {name: signal.step(at_ms, oracle, spot) for name, signal in self._signals.items()}
        return [place for place, rule in enumerate(self._rules) if rule.step(values)]


class Markets:
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
