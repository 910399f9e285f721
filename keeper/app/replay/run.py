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
from keeper.engine.groups import groups_of
from keeper.engine.history import MarketRun, Ticks, Track, sources_behind, sweep, ticks_of
from keeper.engine.spec import EngineSpec

Said = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Replay:
    """``seconds`` is the engine's part, without reading the files; ``silent`` are the sources without data.

    ``spans`` are the first and the last time that the sources behind a market said something; a market without any is not in it.
    """

    runs: tuple[MarketRun, ...]
    tracks: Mapping[str, Track]
    ticks: Ticks
    seconds: float
    silent: tuple[str, ...]
    spans: Mapping[str, tuple[int, int]]

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
    threads = jobs or os.cpu_count() or 1
    pool = ThreadPoolExecutor(max_workers=threads)
    try:
        for swept in pool.map(
            lambda group: sweep(config.engine, group, tracks, ticks), groups_of(config.engine, threads)
        ):
            runs += swept
            say(f"{len(runs)}/{len(markets)} markets")
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C waits for the markets at hand, not for all of them
    seconds = time.perf_counter() - begin
    return Replay(
        tuple(runs), tracks, ticks, seconds, tuple(sorted(named - set(tracks))), _spans(config.engine, tracks)
    )


def _spans(spec: EngineSpec, tracks: Mapping[str, Track]) -> dict[str, tuple[int, int]]:
    spans = {}
    for market in spec.markets:
        own = [tracks[name].known_ms for name in sources_behind(spec, market) if name in tracks]
        if own:
            spans[market.name] = (min(int(times[0]) for times in own), max(int(times[-1]) for times in own))
    return spans
