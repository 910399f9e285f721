"""``replay``: a year of minutes over many markets, against the same rules in polars and in pandas.

Three rules a market: realised volatility over an hour, divergence of oracle and spot, and an exponentially weighted z-score of the spot
price, each with hysteresis; after a trip that led to something the market is left alone for an hour (cooldown). All sides get the same
arrays in memory, markets one after the other or side by side as each can, and must find the same trips.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from multiprocessing import get_context

import numpy as np
import pandas as pd
import polars as pl

from bench.contestant import Broken
from bench.options import Options
from bench.result import Bar, Ratio, Result, Want, median
from keeper.domain.action import ActionKind
from keeper.domain.units import NO_SPAN, Span, Unit
from keeper.domain.verdict import Severity
from keeper.engine.groups import groups_of
from keeper.engine.history import Ticks, Track, sweep
from keeper.engine.spec import ActionPolicy, EngineSpec, MarketSpec, SourceSpec
from keeper.rules.spec import Condition, RuleSpec, Side
from keeper.signals.bank import Floats, Ints
from keeper.signals.spec import SignalSpec

MARKETS = 100
MINUTES = 525_600
SEED = 20_260_102
START_MS = 1_672_531_200_000
WINDOW, HALF_LIFE, COOLDOWN_MS = 60, 60, 3_600_000
RULES = (("volatility", "0.011", "0.009"), ("divergence", "0.0042", "0.002"), ("z", "7", "2"))
"""(signal and rule, trips above, clears below)."""

Trip = tuple[int, str]
"""(time in ms, rule)."""


@dataclass(frozen=True, slots=True)
class Year:
    """``oracle`` and ``spot`` hold a row a market; ``at_ms`` is common to all."""

    at_ms: Ints
    oracle: Floats
    spot: Floats

    def until(self, ticks: int) -> Year:
        """Its beginning."""
        return Year(self.at_ms[:ticks], self.oracle[:, :ticks], self.spot[:, :ticks])


def replay(options: Options) -> Sequence[Result]:
    """Each side over the whole year, in turn; then ours over half of it."""
    markets = options.count(MARKETS)
    minutes = MINUTES if markets >= 10 else 20_000
    _compiled_elsewhere()
    year = _year(markets, minutes)
    rows = markets * minutes
    data_mb = (year.at_ms.nbytes + year.oracle.nbytes + year.spot.nbytes) / 1e6
    _ours(year.until(500))  # loads the compiled code
    rounds = 3 if markets >= 10 else 1
    times: dict[str, list[float]] = {"ours": [], "polars": [], "pandas": [], "half": []}
    sides: dict[str, Callable[[Year], list[list[Trip]]]] = {"ours": _ours, "polars": _polars, "pandas": _pandas}
    peak_mb = 0.0
    found: dict[str, list[list[Trip]]] = {}
    for _ in range(rounds):
        for name, side in sides.items():
            begin = time.perf_counter()
            found[name] = side(year)
            times[name].append(time.perf_counter() - begin)
            peak_mb = peak_mb or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        begin = time.perf_counter()
        _ours(year.until(minutes // 2))
        times["half"].append(time.perf_counter() - begin)
    if not found["ours"] == found["polars"] == found["pandas"]:
        raise Broken("the sides do not find the same trips")
    trips = sum(map(len, found["ours"]))
    seconds = {name: median(taken) for name, taken in times.items()}
    for name in sides:
        options.say(f"  {name:<8} {seconds[name]:.3f} s  {seconds[name] / rows * 1e9:.1f} ns per row")
    options.say(
        f"  {rows / 1e6:.1f} million rows, {markets} markets, {os.cpu_count()} processors; {trips} trips, the same on all sides"
    )
    options.say(f"  the data are {data_mb:.0f} MB; the process had at most {peak_mb:.0f} MB when ours was done")
    at_least = Want.AT_LEAST
    return [
        Result(
            "replay", seconds["ours"], seconds["polars"], "polars", "s", Ratio.PEER_BY_OURS, Bar(8, at_least), rounds
        ),
        Result(
            "replay", seconds["ours"], seconds["pandas"], "pandas", "s", Ratio.PEER_BY_OURS, Bar(10, at_least), rounds
        ),
        Result("replay-memory", peak_mb, data_mb, "data", "MB", Ratio.OURS_BY_PEER, Bar(1.5, Want.AT_MOST), 1),
        Result(
            "replay-rows",
            seconds["ours"],
            seconds["half"],
            "half-the-rows",
            "s",
            Ratio.OURS_BY_PEER,
            Bar(2.2, Want.AT_MOST),
            rounds,
        ),
    ]


def _compiled_elsewhere() -> None:
    """Fills the cache of compiled code in a process of its own: the compiler's memory is not that of a replay."""
    child = get_context("spawn").Process(target=_little)
    child.start()
    child.join()
    if child.exitcode:
        raise Broken("a small replay, in a process of its own, failed")


def _little() -> None:
    _ours(_year(8, 500))


def _year(markets: int, minutes: int) -> Year:
    """Seeded walks with a quiet day and a wild one, and an oracle that follows."""
    at_ms = START_MS + 60_000 * np.arange(minutes, dtype=np.int64)
    oracle, spot = np.empty((markets, minutes)), np.empty((markets, minutes))
    for market in range(markets):
        chance = np.random.default_rng(SEED + market)
        wild = 1 + (np.sin(np.arange(minutes) / 7_000 + market) > 0.97) * 2.0
        spot[market] = 100 * np.exp(np.cumsum(chance.normal(0, 0.0006, minutes) * wild))
        oracle[market] = spot[market] * (1 + chance.normal(0, 0.0009, minutes))
    return Year(at_ms, oracle, spot)


def _after_cooldown(trips: Sequence[Trip]) -> list[Trip]:
    """Those that are not within the cooldown of the one before that counted."""
    kept: list[Trip] = []
    for trip in sorted(trips):
        if not kept or trip[0] - kept[-1][0] >= COOLDOWN_MS:
            kept.append(trip)
    return kept


def _spec(markets: int) -> EngineSpec:
    cut = (("window", Span(ms=WINDOW * 60_000)), ("sampling", Span(ms=60_000)), ("annualised", "no"))
    fade = (
        ("half_life", Span(ms=HALF_LIFE * 60_000)),
        ("sampling", Span(ms=60_000)),
        ("direction", "either"),
        ("floor", Decimal(0)),
    )
    rules = tuple(
        RuleSpec(
            name,
            Condition(name, Side.ABOVE, Decimal(above), NO_SPAN),
            Condition(name, Side.BELOW, Decimal(below), NO_SPAN),
            Severity.WARNING,
            ("pause",),
        )
        for name, above, below in RULES
    )
    names = [f"M{number:03d}" for number in range(markets)]
    specs = tuple(
        MarketSpec(
            name,
            (
                SignalSpec("volatility", "realised-volatility", (f"{name}-spot",), cut),
                SignalSpec("divergence", "divergence", (f"{name}-oracle", f"{name}-spot"), (("side", "either"),)),
                SignalSpec("z", "ewma-z-score", (f"{name}-spot",), fade),
            ),
            rules,
        )
        for name in names
    )
    sources = tuple(SourceSpec(f"{name}-{one}", Unit.PRICE, 120_000) for name in names for one in ("oracle", "spot"))
    return EngineSpec(sources, specs, (ActionPolicy("pause", ActionKind.PAUSE, COOLDOWN_MS, 30_000),))


def _ours(year: Year) -> list[list[Trip]]:
    spec = _spec(len(year.spot))
    good = np.zeros(len(year.at_ms), dtype=np.int8)
    tracks = {}
    for place, market in enumerate(spec.markets):
        for name, values in (("oracle", year.oracle), ("spot", year.spot)):
            tracks[f"{market.name}-{name}"] = Track(year.at_ms, year.at_ms, values[place], good)
    ticks = Ticks(year.at_ms, year.at_ms // 12_000)
    jobs = os.cpu_count() or 1
    with ThreadPoolExecutor(jobs) as pool:
        swept = list(pool.map(lambda group: sweep(spec, group, tracks, ticks), groups_of(spec, jobs)))
    runs = [run for group in swept for run in group]
    return [_after_cooldown([(trip.at_ms, trip.rule) for trip in run.trips]) for run in runs]


def _polars(year: Year) -> list[list[Trip]]:
    spot, oracle = pl.col("spot"), pl.col("oracle")
    alpha = 1 - 2 ** (-1 / HALF_LIFE)
    mean, deviation = (
        spot.ewm_mean(alpha=alpha, adjust=True).shift(1),
        spot.ewm_std(alpha=alpha, adjust=True, bias=True).shift(1),
    )
    signals = {
        "volatility": (spot / spot.shift(1)).log().pow(2).rolling_sum(WINDOW).sqrt(),
        "divergence": ((oracle - spot) / spot).abs(),
        "z": pl.when(pl.int_range(pl.len()) >= HALF_LIFE).then((spot - mean).abs() / deviation),
    }
    up = {
        name: pl.when(signals[name] > float(above)).then(1).when(signals[name] < float(below)).then(0).forward_fill()
        for name, above, below in RULES
    }
    trips = [((state == 1) & (state.shift(1).fill_null(0) == 0)).alias(name) for name, state in up.items()]
    found = []
    for market in range(len(year.spot)):
        frame = pl.DataFrame({"at": year.at_ms, "oracle": year.oracle[market], "spot": year.spot[market]})
        flags = frame.lazy().select("at", *trips).filter(pl.any_horizontal(*up)).collect()
        told = [(at, name) for name in up for at in flags.filter(pl.col(name))["at"].to_list()]
        found.append(_after_cooldown(told))
    return found


def _pandas(year: Year) -> list[list[Trip]]:
    alpha = 1 - 2 ** (-1 / HALF_LIFE)
    found = []
    for market in range(len(year.spot)):
        spot, oracle = pd.Series(year.spot[market]), pd.Series(year.oracle[market])
        fading = spot.ewm(alpha=alpha, adjust=True)
        z = (spot - fading.mean().shift(1)).abs() / fading.std(bias=True).shift(1)
        z.iloc[:HALF_LIFE] = np.nan
        signals = {
            "volatility": np.sqrt((np.log(spot / spot.shift(1)) ** 2).rolling(WINDOW).sum()),
            "divergence": ((oracle - spot) / spot).abs(),
            "z": z,
        }
        told = []
        for name, above, below in RULES:
            value = signals[name]
            state = pd.Series(np.nan, index=value.index)
            state[value < float(below)] = 0.0
            state[value > float(above)] = 1.0
            state = state.ffill().fillna(0.0)
            places = np.flatnonzero((state == 1) & (state.shift(1, fill_value=0.0) == 0))
            told += [(int(at), name) for at in year.at_ms[places]]
        found.append(_after_cooldown(told))
    return found
