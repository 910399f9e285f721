"""One replay: which tracks, which ticks, all markets side by side."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from keeper.app.replay.files import Data, Place
from keeper.app.replay.tracks import track_of
from keeper.config.model import Config, ConstantSource, DerivedSource, ExchangeSource, Source
from keeper.domain.units import Unit
from keeper.engine.groups import groups_of, sources_behind
from keeper.engine.history import OK, QUALITIES, MarketRun, Ticks, Track, sweep, ticks_of
from keeper.engine.spec import EngineSpec

Said = Callable[[str], None]
RAW_FROM = 1e7
"""A median of whole numbers from here on is no price, but the number that a contract keeps it as."""


@dataclass(frozen=True, slots=True)
class Replay:
    """``seconds`` is the engine's part, without reading the files; ``silent`` are the sources without data.

    ``short_of_venues`` are those with data of fewer venues than they ask for live: (how many, of how many); ``unscaled`` those whose values
    look like a contract's raw whole numbers; ``bad_values`` the qualities of each one's values that were no good: (how many, the time of the
    first). ``longest_gap`` is the longest time without any row, in milliseconds from and to.

    ``spans`` are the first and the last time that the sources behind a market said something; a market without any is not in it.
    """

    runs: tuple[MarketRun, ...]
    tracks: Mapping[str, Track]
    ticks: Ticks
    seconds: float
    silent: tuple[str, ...]
    short_of_venues: Mapping[str, tuple[int, int]]
    unscaled: tuple[str, ...]
    bad_values: Mapping[str, Mapping[str, tuple[int, int]]]
    longest_gap: tuple[int, int]
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
        runs=tuple(runs),
        tracks=tracks,
        ticks=ticks,
        seconds=seconds,
        silent=tuple(sorted(named - set(tracks))),
        short_of_venues=_short_of_venues(config, places),
        unscaled=tuple(
            sorted(one.name for one in config.sources if one.name in tracks and _looks_raw(one, tracks[one.name]))
        ),
        bad_values={name: found for name, track in sorted(tracks.items()) if (found := _bad_values(track))},
        longest_gap=_longest_gap(ticks),
        spans=_spans(config.engine, tracks),
    )


def _short_of_venues(config: Config, places: Mapping[str, Sequence[Place]]) -> dict[str, tuple[int, int]]:
    return {
        source.name: (len(places[source.name]), source.min_venues)
        for source in config.sources
        if isinstance(source, ExchangeSource) and len(places.get(source.name, ())) in range(1, source.min_venues)
    }


def _bad_values(track: Track) -> dict[str, tuple[int, int]]:
    if not (track.quality != OK).any():
        return {}
    codes, first, counts = np.unique(track.quality, return_index=True, return_counts=True)
    found = zip(codes.tolist(), first.tolist(), counts.tolist(), strict=True)
    return {str(QUALITIES[code]): (count, int(track.known_ms[place])) for code, place, count in found if code != OK}


def _looks_raw(source: Source, track: Track) -> bool:
    """Prices, all of them whole and large: what a contract answers before it is divided by 10 to the power of its decimals."""
    good = track.values[np.isfinite(track.values)]
    if source.unit is not Unit.PRICE or not len(good):
        return False
    return bool((good == np.floor(good)).all()) and float(np.median(good)) >= RAW_FROM


def _longest_gap(ticks: Ticks) -> tuple[int, int]:
    """The longest time between two ticks, from one to the other."""
    place = int(np.argmax(np.diff(ticks.at_ms))) if len(ticks.at_ms) > 1 else 0
    return int(ticks.at_ms[place]), int(ticks.at_ms[min(place + 1, len(ticks.at_ms) - 1)])


def _spans(spec: EngineSpec, tracks: Mapping[str, Track]) -> dict[str, tuple[int, int]]:
    spans = {}
    for market in spec.markets:
        own = [tracks[name].known_ms for name in sources_behind(spec, market) if name in tracks]
        if own:
            spans[market.name] = (min(int(times[0]) for times in own), max(int(times[-1]) for times in own))
    return spans
