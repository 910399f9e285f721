"""The shipped preset for a stablecoin on what the markets really did: quiet on the thin print of 3 March 2023, awake on the run of 11 March.

The engine is driven by minute bars as it is live by blocks. The data are not part of the repository; without them these tests are skipped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from keeper.app.replay.files import read
from keeper.app.replay.tracks import track_of
from keeper.config import Config, loads
from keeper.config.model import ExchangeSource
from keeper.config.template import template
from keeper.domain.decision import DecisionKind, IncidentPhase
from keeper.domain.observation import Quality
from keeper.domain.snapshot import Snapshot
from keeper.engine import Tick, compile_engine
from keeper.engine.grade import grade
from keeper.engine.history import observation
from tests.support.keeper_process import in_process
from tests.support.market_history import DATA, Series, load, snapshots, unguarded

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not DATA.is_dir(),
        reason=f"NOT CHECKED ON REAL DATA: there is no folder {DATA.parent.name}/{DATA.name} beside the repository",
    ),
]

QUIET, RUN = "control_2023-03-01_09_1m_multivenue.csv.gz", "usdc_depeg_2023-03-10_13_1m.csv.gz"
PLACES = {
    "usdc-kraken": ("kraken", "USDCUSD"),
    "usdc-usdt-binanceus": ("binance_us", "USDCUSDT"),
    "usdt-coinbase": ("coinbase", "USDTUSD"),
    "btc-cryptocom": ("cryptocom", "BTCUSD"),
    "btc-usdc-bybit": ("bybit", "BTCUSDC"),
}
ENVIRON = {"KEEPER_RPC_URL": "ws://127.0.0.1:8545", "KEEPER_NOTIFY_URL": "json://127.0.0.1"}
PRINT = datetime(2023, 3, 3, 1, 48, tzinfo=UTC)
"""The end of the bar in which 212 USDC were traded at 0.8997 on Binance.US."""


def preset(*edits: tuple[str, str]) -> Config:
    text = template("stablecoin-peg")[0]
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return loads(text.encode(), folder=Path("/somewhere"), environ=ENVIRON)


def drive(config: Config, shots: Iterable[Snapshot]) -> list[Tick]:
    engine = compile_engine(config.engine)
    state, ticks = engine.initial_state(), []
    for shot in shots:
        state, tick = engine.tick(state, shot)
        ticks.append(tick)
    return ticks


def trips(ticks: Iterable[Tick]) -> list[datetime]:
    opened = (event.at_ms for tick in ticks for event in tick.incidents if event.phase is IncidentPhase.OPENED)
    return [datetime.fromtimestamp(at_ms / 1000, UTC) for at_ms in opened]


def at(ticks: Iterable[Tick], moment: datetime) -> Tick:
    return next(tick for tick in ticks if tick.at_ms == int(moment.timestamp()) * 1000)


@pytest.fixture(scope="module")
def quiet() -> Series:
    return load(QUIET)


@pytest.fixture(scope="module")
def run() -> Series:
    return load(RUN)


def test_thin_print_of_3_march__with_the_preset__no_trip(quiet: Series) -> None:
    config = preset()
    ticks = drive(config, snapshots(quiet, config, PLACES))
    assert len(ticks) > 12_900
    assert trips(ticks) == []
    seen = {one.source: one for one in at(ticks, PRINT).observations}
    print_ = seen["usdc-usdt-binanceus"]
    assert print_.quality is Quality.THIN, "the print itself was there, and told as what it is"
    assert str(print_.value) == "0.8997"
    assert seen["usdc-binanceus"].quality is Quality.THIN
    held = sum(tick.counts["hold:input-not-usable"] for tick in ticks)
    assert 0 < held < len(ticks) / 2, "most of the time the rule can see"


def test_thin_print_of_3_march__one_venue_without_guards__trips_a_week_early(quiet: Series) -> None:
    """The other side: what the guards are for."""
    config = unguarded(preset(("of: usdc, against", "of: usdc-usdt-binanceus, against")))
    first = trips(drive(config, snapshots(quiet, config, PLACES)))[0]
    assert PRINT < first < PRINT.replace(hour=2), first


def test_thin_print_of_3_march__strictly_two_venues_that_need_not_agree__trips_too(quiet: Series) -> None:
    """The median of two is their mean: a quorum alone does not help, the bound between them does."""
    two = ("of: [usdc-kraken, usdc-binanceus, usdc-bybit]", "of: [usdc-kraken, usdc-binanceus]")
    apart = unguarded(preset(two, ("outlier: 1% ", "outlier: 50% ")))
    assert trips(drive(apart, snapshots(quiet, apart, PLACES)))
    agreeing = unguarded(preset(two))
    assert trips(drive(agreeing, snapshots(quiet, agreeing, PLACES))) == []


def test_run_of_11_march__with_the_preset__trips_at_its_start_and_once(run: Series) -> None:
    config = preset()
    ticks = drive(config, snapshots(run, config, PLACES))
    found = trips(ticks)
    # Five minutes below 0.99: Binance.US at 02:03, Kraken at 03:14. The worst, 0.858 to 0.874, came after 07:15.
    assert datetime(2023, 3, 11, 1, 50, tzinfo=UTC) < found[0] < datetime(2023, 3, 11, 3, 20, tzinfo=UTC), found
    first = next(one for tick in ticks for one in tick.decisions if one.kind is DecisionKind.ACT)
    assert first.action == "pause-market"
    assert {"usdc", "dollar", "usdc-kraken", "btc-usdc-bybit"} <= {one.source for one in first.observations}
    assert not [one for one in found if one < datetime(2023, 3, 11, tzinfo=UTC)]


@pytest.mark.parametrize("liar", sorted(PLACES))
def test_run_of_11_march__one_venue_says_all_is_well__trips_all_the_same(run: Series, liar: str) -> None:
    """No single liar can hide it: one venue repeats its price of the evening before, on its real volume."""
    config = preset()
    series = dict(run)
    bars = series[PLACES[liar]]
    calm = bars[0].close
    series[PLACES[liar]] = [replace(bar, close=calm) for bar in bars]
    found = trips(drive(config, snapshots(series, config, PLACES)))
    assert found, liar
    assert found[0] < datetime(2023, 3, 11, 7, 15, tzinfo=UTC), (liar, found)


@pytest.mark.parametrize("liar", sorted(PLACES))
@pytest.mark.parametrize("factor", ["0.985", "0.9", "1000000"])
def test_quiet_days__one_venue_lies_on_real_volume__no_trip(quiet: Series, liar: str, factor: str) -> None:
    """No single liar can fake it: not by a little, not by ten per cent, not by a wrong decimal. Often only two ways are fresh."""
    config = preset()
    series = dict(quiet)
    series[PLACES[liar]] = [replace(bar, close=bar.close * Decimal(factor)) for bar in series[PLACES[liar]]]
    assert trips(drive(config, islice(snapshots(series, config, PLACES), 2_000))) == []


def test_preset__its_venues__are_each_used_once() -> None:
    """Otherwise one venue would have two votes of three."""
    names = [venue.name for one in preset().sources if isinstance(one, ExchangeSource) for venue in one.venues]
    assert len(names) == len(set(names)) == len(PLACES)


@pytest.mark.parametrize("name", [QUIET, RUN])
def test_replay_command__with_the_preset__says_what_the_engine_said_live(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same trips, and the same qualities of every source at every minute, as the venues' own guards give bar by bar."""
    for key, value in ENVIRON.items():
        monkeypatch.setenv(key, value)
    path = tmp_path / "keeper.yaml"
    path.write_text(template("stablecoin-peg")[0], encoding="utf-8")
    done = in_process("--json", "replay", path, DATA / name)
    assert done.code == 0, done.err
    document = json.loads(done.out)
    config = preset()
    series = load(name)
    slowly = drive(config, snapshots(series, config, PLACES))
    told = [trip["at"] for trip in document["markets"]["USDC-VAULT"]["trips"]]
    assert told == [one.isoformat(timespec="milliseconds").replace("+00:00", "Z") for one in trips(slowly)]

    data = read([DATA / name])
    tracks = {
        one.name: track_of(one, [data.series[PLACES[one.name]]])
        for one in config.sources
        if isinstance(one, ExchangeSource)
    }
    specs = {one.name: one for one in config.engine.sources}
    differing = []
    for shot in snapshots(series, config, PLACES):
        for source, track in tracks.items():
            place = int(np.searchsorted(track.known_ms, shot.at_ms, side="right")) - 1
            ours = grade(specs[source], observation(specs[source], track, place) if place >= 0 else None, shot.at_ms)
            theirs = grade(specs[source], shot.observations.get(source), shot.at_ms)
            if (ours.quality, _float(ours.value)) != (theirs.quality, _float(theirs.value)):
                differing.append((source, shot.at_ms, ours, theirs))
    assert differing == []


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
