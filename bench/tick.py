"""``tick``: one evaluation of 1,000 markets with 10 rules each, against the same rules in plain Python, in river, and as a bare numpy pass.

All sides get the same prices, each in the form that it is fast with (arrays or lists; making them is not timed), and must trip the same rules at the
same ticks. Ours is the kernel that the engine runs at each block: the prices are written onto its board, all signals are stepped, all rules judged.
What the engine does around it, for people and for the log, depends on what is observed and decided anew; ``tick-observations`` shows the whole of
``engine.tick`` where every observation of every market is new, which is the worst case.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Protocol

import numpy as np

from bench.contestant import Broken
from bench.deque_rules import Markets
from bench.numpy_rules import NumpyRules
from bench.options import Options
from bench.result import Bar, Ratio, Result, Want, median, quantile, shown, spread
from bench.river_rules import RiverRules
from keeper.domain.action import ActionKind
from keeper.domain.block import BlockStamp
from keeper.domain.observation import Observation
from keeper.domain.snapshot import Snapshot
from keeper.domain.units import Span, Unit
from keeper.domain.verdict import Severity
from keeper.engine import compile_engine
from keeper.engine.kernel import Kernel
from keeper.engine.spec import ActionPolicy, EngineSpec, MarketSpec, SourceSpec
from keeper.rules import codes as rule_codes
from keeper.rules.codes import TRIPPED
from keeper.rules.spec import Condition, RuleSpec, Side
from keeper.signals.bank import READY, Floats, empty_board
from keeper.signals.spec import ParamValue, SignalSpec

MARKETS = 1_000
SCALES = (10, 100, 1_000, 10_000)
SEED = 20_260_101
BLOCK_MS = 12_000
SAMPLING_MS = BLOCK_MS
"""A sample a block, so that every tick closes an interval of every window: no tick has less to do than another."""
START_MS = 1_700_000_000_000
STRETCH = 20
"""So many ticks one side, then the other: after a side that fills all caches only the first of them is measured cold."""
WARM_UP = 15 * 60_000 // BLOCK_MS + 2
"""Ticks until every window is full."""
SHOCKED = 40
"""One market in this many has a shock at each shocked tick."""

SIGNALS: tuple[tuple[str, str, int], ...] = (
    ("apart", "either", 0),
    ("above", "above", 0),
    ("below", "below", 0),
    ("vol-5m", "", 5 * 60_000),
    ("vol-10m", "", 10 * 60_000),
    ("vol-15m", "", 15 * 60_000),
)
RULES: tuple[tuple[str, str, str, str, int], ...] = (
    # name, signal, trips above, clears below, blocks
    ("apart-1", "apart", "0.01", "0.005", 1),
    ("apart-2", "apart", "0.02", "0.01", 2),
    ("apart-5", "apart", "0.05", "0.02", 1),
    ("above-2", "above", "0.02", "0.01", 2),
    ("below-2", "below", "0.02", "0.01", 2),
    ("vol-5-low", "vol-5m", "0.03", "0.02", 1),
    ("vol-5-high", "vol-5m", "0.08", "0.05", 2),
    ("vol-10-low", "vol-10m", "0.04", "0.03", 1),
    ("vol-10-high", "vol-10m", "0.09", "0.06", 1),
    ("vol-15", "vol-15m", "0.06", "0.04", 2),
)

Trips = set[tuple[int, int]]
"""(market, rule) of every rule that trips at this tick, by position."""


@dataclass(frozen=True, slots=True)
class Prices:
    """One tick: a price per market, as arrays and as lists."""

    number: int
    oracle: Floats
    spot: Floats
    oracle_list: list[float]
    spot_list: list[float]

    @property
    def at_ms(self) -> int:
        return START_MS + self.number * BLOCK_MS


class Contestant(Protocol):
    def tick(self, prices: Prices) -> None:
        """The whole evaluation; this is what is timed."""

    def trips(self) -> Trips:
        """What the last tick tripped."""


class Ours:
    """The kernel of the engine."""

    def __init__(self, spec: EngineSpec) -> None:
        self._kernel = Kernel(spec)
        self._memory = self._kernel.fresh()
        self._board = empty_board(self._kernel.wiring.rows, ticks=1)
        self._codes = rule_codes.blank(len(self._kernel.wiring.rules), ticks=1)
        self._before = self._codes.state.copy()
        self._sources = 2 * len(spec.markets)

    def tick(self, prices: Prices) -> None:
        board = self._board
        board.at_ms[0], board.block[0] = prices.at_ms, prices.number
        board.values[0 : self._sources : 2, 0] = prices.oracle
        board.values[1 : self._sources : 2, 0] = prices.spot
        board.status[: self._sources, 0] = READY
        self._before[:] = self._codes.state
        self._kernel.run(board, self._memory, self._codes)

    def trips(self) -> Trips:
        up = (self._codes.state >= TRIPPED) & (self._before < TRIPPED)
        return {divmod(int(rule), len(RULES)) for rule in np.flatnonzero(up[:, 0])}


def tick(options: Options) -> Sequence[Result]:
    """All sides in turn; then the engine as a whole, and the cost per market of 10 to 10,000 of them."""
    ticks = options.count(600)
    spec = spec_of(MARKETS)
    sides: dict[str, Contestant] = {
        "ours": Ours(spec),
        "bare-numpy": NumpyRules(spec),
        "python-deque": Markets(spec),
        "river": RiverRules(spec),
    }
    times, trips = _in_turn(sides, ticks)
    for name, taken in times.items():
        options.say(f"  {name:<14} {spread(taken, 'us')}  {shown(median(taken) / MARKETS)} us per market")
    options.say(f"  {MARKETS} markets x {len(RULES)} rules; {trips} trips, the same on all sides")
    ours = times["ours"]
    whole = _observed(options.count(40))
    options.say(f"  engine.tick    {spread(whole, 'us')}  with {2 * MARKETS} new observations a tick")
    scales = SCALES if ticks >= 100 else SCALES[:2]
    per_market = {count: _alone(count, ticks) for count in scales}
    options.say("  us per market  " + ", ".join(f"{count}: {shown(cost)}" for count, cost in per_market.items()))
    few, many = per_market[scales[0]], per_market[scales[-1]]
    at_least, at_most = Want.AT_LEAST, Want.AT_MOST

    def against(name: str, kind: Ratio, bar: Bar | None) -> Result:
        return Result("tick", median(ours), median(times[name]), name, "us", kind, bar, ticks)

    return [
        against("python-deque", Ratio.PEER_BY_OURS, Bar(30, at_least)),
        against("river", Ratio.PEER_BY_OURS, Bar(100, at_least)),
        against("bare-numpy", Ratio.OURS_BY_PEER, Bar(2, at_most)),
        Result("tick-p99", quantile(ours, 0.99), median(ours), "p50", "us", Ratio.OURS_BY_PEER, Bar(3, at_most), ticks),
        Result("tick-scale", many, few, "10-markets", "us", Ratio.OURS_BY_PEER, Bar(1, at_most), ticks),
        Result(
            "tick-observations",
            median(whole),
            median(times["python-deque"]),
            "python-deque",
            "us",
            Ratio.PEER_BY_OURS,
            None,
            ticks,
        ),
    ]


def _in_turn(sides: dict[str, Contestant], ticks: int) -> tuple[dict[str, list[float]], int]:
    """Each side a stretch of ticks at a time, then the next side the same ones."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    warm_up = WARM_UP if ticks > 10 else 0
    trips, prices = 0, samples(MARKETS, ticks + warm_up)
    while stretch := list(islice(prices, STRETCH)):
        found: dict[str, list[Trips]] = {}
        for name, side in sides.items():
            found[name] = []
            for one in stretch:
                begin = time.perf_counter()
                side.tick(one)
                taken = time.perf_counter() - begin
                found[name].append(side.trips())
                if one.number > warm_up:
                    times[name].append(taken * 1e6)
        if any(own != found["ours"] for own in found.values()):
            raise Broken(f"ticks from {stretch[0].number} on: the sides do not trip the same rules")
        trips += sum(map(len, found["ours"]))
    return times, trips


def _alone(markets: int, ticks: int) -> float:
    """Microseconds per market and tick."""
    side, taken = Ours(spec_of(markets)), []
    for prices in samples(markets, ticks + 20):
        begin = time.perf_counter()
        side.tick(prices)
        taken.append((time.perf_counter() - begin) * 1e6)
    return median(taken[20:]) / markets


def _observed(ticks: int) -> list[float]:
    """The whole of ``engine.tick``, in microseconds."""
    spec = spec_of(MARKETS)
    engine = compile_engine(spec)
    engine.warm_up()
    state, taken = engine.initial_state(), []
    for prices in samples(MARKETS, ticks):
        block = BlockStamp(prices.number, "", "", prices.at_ms // 1000)
        pairs = zip(spec.sources, np.column_stack((prices.oracle, prices.spot)).ravel().tolist(), strict=True)
        said = {
            source.name: Observation(source.name, Decimal(f"{value:.8f}"), Unit.PRICE, prices.at_ms, prices.at_ms - 100)
            for source, value in pairs
        }
        snapshot = Snapshot(block, prices.at_ms, said)
        begin = time.perf_counter()
        state, _ = engine.tick(state, snapshot)
        taken.append((time.perf_counter() - begin) * 1e6)
    return taken


def spec_of(markets: int) -> EngineSpec:
    """Two sources, six signals and ten rules for each market."""
    names = [f"M{number:05d}" for number in range(markets)]
    sources = [SourceSpec(f"{name}-{side}", Unit.PRICE, 60_000) for name in names for side in ("oracle", "spot")]
    policy = ActionPolicy("pause", ActionKind.PAUSE, 60_000, 30_000)
    return EngineSpec(tuple(sources), tuple(_market(name) for name in names), (policy,))


def _market(name: str) -> MarketSpec:
    signals = []
    for signal, side, window_ms in SIGNALS:
        if side:
            params: tuple[tuple[str, ParamValue], ...] = (("side", side),)
            signals.append(SignalSpec(signal, "divergence", (f"{name}-oracle", f"{name}-spot"), params))
        else:
            cut = (("window", Span(ms=window_ms)), ("sampling", Span(ms=SAMPLING_MS)))
            params = (*cut, ("annualised", "no"))
            signals.append(SignalSpec(signal, "realised-volatility", (f"{name}-spot",), params))
    rules = []
    for rule, signal, above, below, blocks in RULES:
        when = Condition(signal, Side.ABOVE, Decimal(above), Span(blocks=blocks))
        clear = Condition(signal, Side.BELOW, Decimal(below), Span(blocks=2))
        rules.append(RuleSpec(rule, when, clear, Severity.WARNING, ("pause",)))
    return MarketSpec(name, tuple(signals), tuple(rules))


def samples(markets: int, ticks: int) -> Iterator[Prices]:
    """Seeded prices: noise of 0.2 %, and every tenth tick a shock to some markets."""
    chance = np.random.default_rng(SEED)
    spot: Floats = 100.0 + np.arange(markets, dtype=np.float64)
    for number in range(1, ticks + 1):
        spot = spot * (1 + chance.normal(0, 0.002, markets))
        if number % 10 == 0:
            shocked = np.arange(markets) % SHOCKED == number // 10 % SHOCKED
            spot[shocked] *= 1 + chance.normal(0, 0.1, markets)[shocked]
        oracle: Floats = spot * (1 + chance.normal(0, 0.001 if number % 7 else 0.006, markets))
        yield Prices(number, oracle, spot, oracle.tolist(), spot.tolist())
