"""``tick``: one evaluation of 1,000 markets with 10 rules each, against the same rules in plain Python."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal

from bench.contestant import Broken
from bench.deque_rules import Markets
from bench.options import Options
from bench.result import Bar, Ratio, Result, Want, median, shown, spread
from keeper.domain.action import ActionKind
from keeper.domain.block import BlockStamp
from keeper.domain.observation import Observation
from keeper.domain.snapshot import Snapshot
from keeper.domain.units import Span, Unit
from keeper.domain.verdict import RuleState, Severity
from keeper.engine import Engine, EngineState, Tick, compile_engine
from keeper.engine.spec import ActionPolicy, EngineSpec, MarketSpec, SourceSpec
from keeper.rules.spec import Condition, RuleSpec, Side
from keeper.signals.spec import SignalSpec

MARKETS = 1_000
SEED = 20_260_101
BLOCK_MS = 12_000
SAMPLING_MS = 60_000
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


def tick(options: Options) -> Sequence[Result]:
    """Both get the same snapshots, in which every observation is new, and must trip the same rules at the same ticks."""
    ticks = options.count(120)
    spec = _spec(MARKETS)
    engine, peer = compile_engine(spec), Markets(spec.sources, spec.markets)
    engine.warm_up()
    ours_us, peer_us, trips = _in_turn(engine, peer, spec, ticks)
    options.say(f"  engine.tick        {spread(ours_us, 'us')}  {shown(median(ours_us) / MARKETS)} us per market")
    options.say(f"  Python, deque      {spread(peer_us, 'us')}  {shown(median(peer_us) / MARKETS)} us per market")
    options.say(
        f"  {MARKETS} markets x {len(RULES)} rules, {2 * MARKETS} new observations a tick; {trips} trips, the same on both sides"
    )
    bar = Bar(30, Want.AT_LEAST)
    return [Result("tick", median(ours_us), median(peer_us), "python-deque", "us", Ratio.PEER_BY_OURS, bar, ticks)]


def _in_turn(engine: Engine, peer: Markets, spec: EngineSpec, ticks: int) -> tuple[list[float], list[float], int]:
    samples = _Samples(spec)
    state = engine.initial_state()
    warm_up = 10 * SAMPLING_MS // BLOCK_MS if ticks > 10 else 0
    tripped: set[tuple[str, str]] = set()
    ours: list[float] = []
    theirs: list[float] = []
    trips = 0
    for number in range(1, ticks + warm_up + 1):
        snapshot = samples.snapshot(number)
        begin = time.perf_counter()
        state, result = _tick(engine, state, snapshot)
        middle = time.perf_counter()
        found = peer.tick(snapshot.at_ms, snapshot.observations)
        end = time.perf_counter()
        now = _tripped(result)
        if now - tripped != set(found):
            raise Broken(f"tick {number}: the two sides do not trip the same rules")
        trips += len(found)
        tripped = now
        if number > warm_up:
            ours.append((middle - begin) * 1e6)
            theirs.append((end - middle) * 1e6)
    return ours, theirs, trips


def _tick(engine: Engine, state: EngineState, snapshot: Snapshot) -> tuple[EngineState, Tick]:
    return engine.tick(state, snapshot)


def _tripped(result: Tick) -> set[tuple[str, str]]:
    up = (RuleState.TRIPPED, RuleState.CLEARING)
    return {(verdict.market, verdict.rule) for verdict in result.verdicts if verdict.state in up}


def _spec(markets: int) -> EngineSpec:
    names = [f"M{number:04d}" for number in range(markets)]
    sources = [SourceSpec(f"{name}-{side}", Unit.PRICE, 60_000) for name in names for side in ("oracle", "spot")]
    policy = ActionPolicy("pause", ActionKind.PAUSE, 60_000, 30_000)
    return EngineSpec(tuple(sources), tuple(_market(name) for name in names), (policy,))


def _market(name: str) -> MarketSpec:
    signals = []
    for signal, side, window_ms in SIGNALS:
        if side:
            params: tuple[tuple[str, int | str], ...] = (("side", side),)
            signals.append(SignalSpec(signal, "divergence", (f"{name}-oracle", f"{name}-spot"), params))
        else:
            params = (("window", window_ms), ("sampling", SAMPLING_MS))
            signals.append(SignalSpec(signal, "realised-volatility", (f"{name}-spot",), params))
    rules = []
    for rule, signal, above, below, blocks in RULES:
        when = Condition(signal, Side.ABOVE, Decimal(above), Span(blocks=blocks))
        clear = Condition(signal, Side.BELOW, Decimal(below), Span(blocks=2))
        rules.append(RuleSpec(rule, when, clear, Severity.WARNING, ("pause",)))
    return MarketSpec(name, tuple(signals), tuple(rules))


class _Samples:
    """Seeded prices: noise of half a per cent, and every tenth tick a shock to some markets."""

    def __init__(self, spec: EngineSpec) -> None:
        self._random = random.Random(SEED)
        self._names = [market.name for market in spec.markets]
        self._prices = [100.0 + number for number in range(len(self._names))]

    def snapshot(self, number: int) -> Snapshot:
        at_ms = 1_700_000_000_000 + number * BLOCK_MS
        block = BlockStamp(number, f"0x{number:064x}", f"0x{number - 1:064x}", at_ms // 1000)
        return Snapshot(block, at_ms, self._observations(number, at_ms))

    def _observations(self, number: int, at_ms: int) -> Mapping[str, Observation]:
        found: dict[str, Observation] = {}
        for index, name in enumerate(self._names):
            spot = self._prices[index] * (1 + self._random.gauss(0, 0.002))
            if number % 10 == 0 and index % SHOCKED == number // 10 % SHOCKED:
                spot *= 1 + self._random.gauss(0, 0.1)
            self._prices[index] = spot
            oracle = spot * (1 + self._random.gauss(0, 0.001 if number % 7 else 0.006))
            found[f"{name}-spot"] = _observation(f"{name}-spot", spot, at_ms)
            found[f"{name}-oracle"] = _observation(f"{name}-oracle", oracle, at_ms)
        return found


def _observation(source: str, price: float, at_ms: int) -> Observation:
    return Observation(source, Decimal(f"{price:.8f}"), Unit.PRICE, at_ms, at_ms - 100)
