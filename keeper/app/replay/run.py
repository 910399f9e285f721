"""One replay: which tracks, which ticks, all markets side by side."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from keeper.app.replay.files import Data, Place
from keeper.app.replay.tracks import track_of
from keeper.config.model import Config, ConstantSource, DerivedSource
from keeper.engine.history import MarketRun, Ticks, Track, sweep, ticks_of

Said = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Replay:
    """``seconds`` is the engine's part, without reading the files; ``silent`` are the sources without data."""

    runs: tuple[MarketRun, ...]
    tracks: Mapping[str, Track]
    ticks: Ticks
    seconds: float
    silent: tuple[str, ...]

    @property
    def first_ms(self) -> int:
        return int(self.ticks.at_ms[0])

    @property
    def last_ms(self) -> int:
        return int(self.ticks.at_ms[-1])


def replay(
    config: Config, data: Data, places: Mapping[str, Sequence[Place]], block_ms: int, jobs: int | None, say: Said
) -> Replay:
    """Every market over all the data. ``places`` is what ``mapping.places_of`` found."""
    tracks = {
        source.name: track_of(source, [data.series[place] for place in places[source.name]])
        for source in config.sources
        if source.name in places
    }
    ticks = ticks_of(list(tracks.values()), block_ms)
    named = {source.name for source in config.sources if not isinstance(source, DerivedSource | ConstantSource)}
    markets = config.engine.markets
    begin = time.perf_counter()
    runs: list[MarketRun] = []
    with ThreadPoolExecutor(max_workers=jobs or os.cpu_count()) as pool:
        for number, run in enumerate(pool.map(lambda market: sweep(config.engine, market, tracks, ticks), markets), 1):
            runs.append(run)
            say(f"{number}/{len(markets)} markets")
    seconds = time.perf_counter() - begin
    return Replay(tuple(runs), tracks, ticks, seconds, tuple(sorted(named - set(tracks))))
