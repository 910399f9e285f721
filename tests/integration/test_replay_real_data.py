"""``keeper replay`` on what markets really did: the guards over columns say at every minute what the venues' own guards say bar by bar.

The data are not part of the repository; without them these tests are skipped.
"""

from __future__ import annotations

import csv
import functools
import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from keeper.app.replay.files import read
from keeper.app.replay.tracks import track_of
from keeper.config import Config, loads
from keeper.config.model import ExchangeSource
from keeper.domain.block import BlockStamp
from keeper.domain.decision import IncidentPhase
from keeper.domain.observation import Observation, Quality
from keeper.domain.snapshot import Snapshot
from keeper.domain.units import Unit
from keeper.domain.venue import BAR_MS, Bar, Guards, Quote, judge
from keeper.engine import compile_engine
from keeper.engine.grade import grade
from keeper.engine.history import observation
from tests.support.keeper_process import in_process

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not DATA.is_dir(),
        reason=f"NOT CHECKED ON REAL DATA: there is no folder {DATA.parent.name}/{DATA.name} beside the repository",
    ),
]

KNOWN = 20
"""So many bars of a venue reach beyond the volume's window of 15 minutes."""
QUIET, RUN = "control_2023-03-01_09_1m_multivenue.csv.gz", "usdc_depeg_2023-03-10_13_1m.csv.gz"
PLACES = {
    "usdc-kraken": ("kraken", "USDCUSD"),
    "usdc-usdt-binanceus": ("binance_us", "USDCUSDT"),
    "usdt-coinbase": ("coinbase", "USDTUSD"),
}
SOURCE = """
  {name}: {{kind: exchange, symbol: {symbol}, venues: [{venue}], min_venues: 1, min_volume: 10000, volume_window: 15m, every: 5s,
    timeout: 3s, max_age: 5m}}"""
CONFIG = f"""
keeper: {{name: t, mode: shadow}}
chain: {{id: 1, endpoints: [{{url: "ws://127.0.0.1:1", role: primary}}], confirmations: 2}}
sources:{SOURCE.format(name="usdc-kraken", symbol="USDC/USD", venue="kraken")}
{SOURCE.format(name="usdc-usdt-binanceus", symbol="USDC/USDT", venue="binanceus")}
{SOURCE.format(name="usdt-coinbase", symbol="USDT/USD", venue="coinbase")}
  one: {{kind: constant, value: 1, unit: price}}
  usdc-binanceus: {{kind: derived, how: product, of: [usdc-usdt-binanceus, usdt-coinbase]}}
  usdc: {{kind: derived, how: median, of: [usdc-kraken, usdc-binanceus], min_fresh: 1, outlier: 5%}}
actions: {{}}
markets:
  USDC:
    signals: {{discount: {{kind: divergence, of: usdc, against: one, side: below}}}}
    rules: {{depeg: {{when: {{signal: discount, above: 1%, for: 5m}}, clear: {{below: 50bps, for: 1h}}, severity: info, actions: []}}}}
"""


def slowly(name: str, config: Config) -> Iterator[Snapshot]:
    """One snapshot at the end of each minute, from the bars of each venue that were over by then, by the code that runs live."""
    bars = _bars(name)
    sources = [one for one in config.sources if isinstance(one, ExchangeSource)]
    first = min(bars[PLACES[one.name]][0].open_ms for one in sources) + BAR_MS
    last = max(bars[PLACES[one.name]][-1].open_ms for one in sources) + BAR_MS
    over = dict.fromkeys(PLACES, 0)
    for number, now_ms in enumerate(range(first, last + 1, BAR_MS), start=1):
        said = {}
        for source in sources:
            own = bars[PLACES[source.name]]
            while over[source.name] < len(own) and own[over[source.name]].open_ms + BAR_MS <= now_ms:
                over[source.name] += 1
            if known := own[max(0, over[source.name] - KNOWN) : over[source.name]]:
                said[source.name] = _judged(source, known, now_ms)
        yield Snapshot(BlockStamp(number, hex(number), hex(number - 1), now_ms // 1000), now_ms, said)


def _bars(name: str) -> dict[tuple[str, str], list[Bar]]:
    """The bars of each (venue, symbol) of ``PLACES``, oldest first. Bars without a volume (mid prices) are left out."""
    found, wanted = defaultdict(list), set(PLACES.values())
    with gzip.open(DATA / name, "rt", encoding="utf-8") as file:
        rows = csv.reader(file)
        title = next(rows)
        at, venue, symbol, close, volume = map(title.index, ("timestamp_utc", "venue", "symbol", "close", "volume"))
        for row in rows:
            place = row[venue], row[symbol]
            if row[volume] and place in wanted:
                open_ms = int(datetime.fromisoformat(row[at]).timestamp()) * 1000
                found[place].append(Bar(open_ms, Decimal(row[close]), Decimal(row[volume])))
    return found


def _judged(source: ExchangeSource, known: list[Bar], now_ms: int) -> Observation:
    guards = Guards(source.max_age_ms, source.min_volume, source.volume_window_ms)
    window = [bar for bar in known if bar.open_ms + BAR_MS > now_ms - source.volume_window_ms]
    said = judge(source.name, Quote(known[-1].close), window, guards, now_ms)
    return Observation(
        source.name, said.value, Unit.PRICE, now_ms, said.at_ms, quality=said.quality, reason=said.reason
    )


@pytest.fixture(scope="module")
def config() -> Config:
    return loads(CONFIG.encode(), folder=Path("/somewhere"), environ={})


@pytest.fixture(scope="module")
def lived(config: Config) -> Callable[[str], Sequence[Snapshot]]:
    """``slowly`` of a file, once for all tests: a snapshot does not change."""
    return functools.cache(lambda name: tuple(slowly(name, config)))


@pytest.mark.parametrize("name", [QUIET, RUN])
def test_guards__at_every_minute__are_those_of_the_venues(
    name: str, config: Config, lived: Callable[[str], Sequence[Snapshot]]
) -> None:
    data = read([DATA / name])
    sources = [one for one in config.sources if isinstance(one, ExchangeSource)]
    tracks = {one.name: track_of(one, [data.series[PLACES[one.name]]]) for one in sources}
    specs = {one.name: one for one in config.engine.sources}
    differing, seen = [], Counter[Quality]()
    for shot in lived(name):
        for source, track in tracks.items():
            place = int(np.searchsorted(track.known_ms, shot.at_ms, side="right")) - 1
            ours = grade(specs[source], observation(specs[source], track, place) if place >= 0 else None, shot.at_ms)
            theirs = grade(specs[source], shot.observations.get(source), shot.at_ms)
            seen[ours.quality] += 1
            if (ours.quality, _float(ours.value)) != (theirs.quality, _float(theirs.value)):
                differing.append((source, shot.at_ms, ours, theirs))
    assert differing == []
    assert min(seen[Quality.OK], seen[Quality.THIN], seen[Quality.STALE]) > 100, seen


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


@pytest.mark.parametrize("name", [QUIET, RUN])
def test_replay__of_a_file__trips_when_the_live_engine_does(
    name: str, config: Config, lived: Callable[[str], Sequence[Snapshot]], tmp_path: Path
) -> None:
    path = tmp_path / "keeper.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    done = in_process("--json", "replay", path, DATA / name)
    assert done.code == 0, done.err
    (market,) = json.loads(done.out)["markets"].values()
    assert [trip["at"] for trip in market["trips"]] == list(_live(config, lived(name)))
    assert (len(market["trips"]) > 0) is (name == RUN)


def _live(config: Config, shots: Sequence[Snapshot]) -> Iterator[str]:
    engine = compile_engine(config.engine)
    state = engine.initial_state()
    for shot in shots:
        state, tick = engine.tick(state, shot)
        for event in tick.incidents:
            if event.phase is IncidentPhase.OPENED:
                yield str(np.datetime64(event.at_ms, "ms")) + "Z"
