"""HIS: the engine over arrays gives what it gives tick by tick, to the last bit."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.domain.block import BlockStamp
from keeper.domain.observation import Quality
from keeper.domain.snapshot import Snapshot
from keeper.domain.units import Span, Unit
from keeper.domain.verdict import RuleState, Verdict, VerdictReason
from keeper.engine import compile_engine
from keeper.engine import history as histories
from keeper.engine.groups import groups_of
from keeper.engine.history import (
    QUALITIES,
    MarketRun,
    Ticks,
    Track,
    Trip,
    observation,
    sources_with_data,
    sweep,
)
from keeper.engine.spec import Derivation, EngineSpec, How, MarketSpec, SourceSpec
from keeper.signals.bank import Floats
from keeper.signals.spec import SignalSpec
from tests.support.engine_world import divergence, market, rule, spec, volatility

pytestmark = pytest.mark.property

UP = (RuleState.TRIPPED, RuleState.CLEARING)
BLOCK_MS = 12_000
PLAIN = (SourceSpec("oracle", Unit.PRICE, 60_000), SourceSpec("spot", Unit.PRICE))
DERIVED = (
    SourceSpec("up", Unit.FLAG),
    SourceSpec("oracle", Unit.PRICE, 60_000, needs="up"),
    SourceSpec("a", Unit.PRICE, 45_000),
    SourceSpec("b", Unit.PRICE),
    SourceSpec("spot", Unit.PRICE, derived=Derivation(How.MEDIAN, ("a", "b"), 1, Decimal("0.02"))),
)
RULES = (
    rule("wide", clear_hold=Span(blocks=2)),
    rule("slow", above="0.01", clear="0.005", hold=Span(ms=30_000)),
    rule("wild", "vol", above="0.02", clear="0.015", hold=Span(blocks=2)),
)
MARKET = market(signals=(divergence(), volatility()), rules=RULES)
SIDE_BY_SIDE = 5
"""Markets: more than are taken in one loop, so that some are and one is not."""


@st.composite
def tracks(draw: st.DrawFn, source: SourceSpec) -> Track:
    """What one source says over some minutes: prices near 100 (a flag: 0 or 1), some of them old, thin or none at all."""
    steps = draw(st.lists(st.integers(0, 25_000), min_size=0, max_size=40))
    known = np.cumsum(np.array([draw(st.integers(0, 30_000)), *steps], dtype=np.int64))
    value = st.sampled_from([0.0, 1.0]) if source.unit is Unit.FLAG else st.floats(95, 105)
    qualities = st.sampled_from([Quality.OK] * 6 + [Quality.THIN, Quality.MALFORMED])
    said = draw(st.lists(st.tuples(value, qualities, st.integers(0, 50_000)), min_size=len(known), max_size=len(known)))
    return Track(
        known_ms=known,
        own_ms=known - np.array([late for _, _, late in said], dtype=np.int64),
        values=np.array([math.nan if quality is Quality.MALFORMED else value for value, quality, _ in said]),
        quality=np.array([QUALITIES.index(quality) for _, quality, _ in said], dtype=np.int8),
    )


def tick_by_tick(engine_spec: EngineSpec, said: dict[str, Track], ticks: Ticks) -> MarketRun:
    """The same, by the engine as it runs live."""
    engine = compile_engine(engine_spec)
    state, found = engine.initial_state(), MarketRun("M")
    sources = {source.name: source for source in engine_spec.sources}
    open_trips: dict[str, Trip] = {}
    before: tuple[Verdict, ...] = ()
    for at_ms, block in zip(ticks.at_ms.tolist(), ticks.block.tolist(), strict=True):
        latest = {}
        for name, track in said.items():
            place = int(np.searchsorted(track.known_ms, at_ms, side="right")) - 1
            if place >= 0:
                latest[name] = observation(sources[name], track, place)
        state, tick = engine.tick(state, Snapshot(BlockStamp(block, "", "", 0), at_ms, latest))
        was = {one.rule: one.state in UP for one in before}
        for verdict in tick.verdicts:
            if verdict.state in UP and not was.get(verdict.rule, False):
                open_trips[verdict.rule] = Trip(verdict.rule, at_ms, verdict.signal, verdict.value, verdict.threshold)
            elif verdict.state not in UP and was.get(verdict.rule, False):
                one = open_trips.pop(verdict.rule)
                found.trips.append(Trip(one.rule, one.at_ms, one.signal, one.observed, one.threshold, at_ms))
        before = tick.verdicts
        found.ticks += 1
        seen = sources_with_data(engine_spec.sources, said)
        told = [one for one in tick.verdicts if "spot" in seen and (one.rule == "wild" or "oracle" in seen)]
        if any(verdict.reason is VerdictReason.NO_INPUT for verdict in told):
            found.held["blind"] += 1
        elif any(verdict.reason is VerdictReason.WARMING for verdict in told):
            found.held["warming"] += 1
    found.trips += open_trips.values()
    return found


def in_order(trips: list[Trip]) -> list[tuple[int, str, str, str, int | None]]:
    return sorted((one.at_ms, one.rule, one.observed.hex(), one.threshold.hex(), one.cleared_ms or 0) for one in trips)


@pytest.mark.parametrize("sources", [PLAIN, DERIVED], ids=["plain", "derived"])
@pytest.mark.parametrize("chunk", [7, 16_384])
def test_his_1__over_arrays__equals_tick_by_tick(
    sources: tuple[SourceSpec, ...], chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(histories, "CHUNK", chunk)
    engine_spec = spec([MARKET], sources)

    @settings(max_examples=60, deadline=None)
    @given(data=st.data())
    def holds(data: st.DataObject) -> None:
        said = {
            one.name: data.draw(tracks(one)) for one in sources if one.derived is None and data.draw(st.integers(0, 9))
        }
        if not said:
            return
        ticks = histories.ticks_of(list(said.values()), BLOCK_MS)
        (ours,), theirs = sweep(engine_spec, [MARKET], said, ticks), tick_by_tick(engine_spec, said, ticks)
        assert in_order(ours.trips) == in_order(theirs.trips)
        assert ours.ticks == theirs.ticks
        assert ours.held["warming"] == theirs.held["warming"]
        assert sum(ours.held.values()) == sum(theirs.held.values())

    holds()


def z_market(number: int) -> MarketSpec:
    """A market with a half-life of its own, on a price of its own and an oracle that all share."""
    half_life = Span(ms=(2 + number) * BLOCK_MS)
    params = (("half_life", half_life), ("sampling", Span(ms=BLOCK_MS)), ("direction", "either"), ("floor", Decimal(0)))
    signals = (divergence(against=f"spot-{number}"), SignalSpec("z", "ewma-z-score", (f"spot-{number}",), params))
    return market(f"M{number}", signals, (rule("wide"), rule("far", "z", above="2.5", clear="1")))


def walk(seed: int, ticks: int, odd: int) -> Floats:
    """Prices near 100, one of every so many not there (0: all are)."""
    chance = np.random.default_rng(seed)
    prices = 100 * np.exp(np.cumsum(chance.normal(0, 0.003, ticks)))
    if odd:
        prices[chance.integers(0, ticks, ticks // odd)] = np.nan
    return prices


@pytest.mark.parametrize("chunk", [700, 16_384])
def test_his_1__several_markets_together__equal_each_alone(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histories, "CHUNK", chunk)
    markets = [z_market(number) for number in range(SIDE_BY_SIDE)]
    names = ["oracle", *(f"spot-{number}" for number in range(SIDE_BY_SIDE))]
    engine_spec = spec(markets, [SourceSpec(name, Unit.PRICE, 60_000) for name in names])

    @settings(max_examples=20, deadline=None)
    @given(
        ticks=st.integers(2, 2_500),
        odd=st.lists(st.sampled_from([0, 0, 0, 900, 30]), min_size=len(names), max_size=len(names)),
        seed=st.integers(0, 2**32 - 10),
    )
    def holds(ticks: int, odd: list[int], seed: int) -> None:
        at_ms = np.arange(ticks, dtype=np.int64) * BLOCK_MS
        said = {}
        for place, name in enumerate(names):
            values = walk(seed + place, ticks, odd[place])
            malformed = np.where(np.isnan(values), QUALITIES.index(Quality.MALFORMED), 0).astype(np.int8)
            said[name] = Track(at_ms, at_ms, values, malformed)
        looks = Ticks(at_ms, at_ms // BLOCK_MS)
        together = sweep(engine_spec, markets, said, looks)
        alone = [run for one in markets for run in sweep(engine_spec, [one], said, looks)]
        assert [run.market for run in together] == [one.name for one in markets]
        assert [in_order(run.trips) for run in together] == [in_order(run.trips) for run in alone]
        assert [(run.ticks, run.held) for run in together] == [(run.ticks, run.held) for run in alone]

    holds()


@pytest.mark.parametrize(
    ("markets", "jobs", "sizes"),
    [
        (1, 2, [1]),
        (2, 2, [1, 1]),
        (3, 2, [2, 1]),
        (8, 2, [4, 4]),
        (9, 2, [4, 4, 1]),
        (12, 2, [4, 4, 2, 2]),
        (5, 1, [4, 1]),
    ],
)
def test_his_1__groups__share_the_markets_out_in_their_order(markets: int, jobs: int, sizes: list[int]) -> None:
    plain = spec([market(f"M{number}", MARKET.signals, RULES) for number in range(markets)], PLAIN)
    groups = groups_of(plain, jobs)
    assert [len(group) for group in groups] == sizes
    assert [one for group in groups for one in group] == list(plain.markets)
    derived = spec(plain.markets, DERIVED)
    assert [len(group) for group in groups_of(derived, jobs)] == [1] * markets
