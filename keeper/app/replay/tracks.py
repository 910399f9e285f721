"""From series to what each source would have said, with the guards of the configuration.

A price that is zero or less, and what is no number of a sensible size, is MALFORMED; a row without a number is MISSING. An exchange with
``min_volume`` is held to it as live: own time is that of the last trade (the end of the last bar with volume), THIN is too little volume in
quote currency within the window, STALE is nothing traded in it. Without ``min_volume`` nobody asks for volume, live or here. Bars hold no
bid and ask, so the spread is not asked. Of several venues the median of those that agree is taken; where fewer are given than the
configuration asks for, all of them must agree.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from keeper.app.replay.files import Series
from keeper.config.model import ExchangeSource, Source
from keeper.domain.consensus import BADNESS, Member, consensus
from keeper.domain.observation import Quality
from keeper.domain.units import Unit
from keeper.engine.history import MISSING, OK, QUALITIES, STALE, Track
from keeper.signals.bank import Bytes, Floats, Ints

MALFORMED, THIN = (QUALITIES.index(one) for one in (Quality.MALFORMED, Quality.THIN))
SCALE = 10**8
"""Volumes are summed as whole numbers of hundred-millionths, which neither drift nor round."""
MOST = 1e299
"""More than this was never traded; it keeps absurd numbers out of sums that have no end."""


def track_of(source: Source, series: Sequence[Series]) -> Track:
    """What the source said over time."""
    if not isinstance(source, ExchangeSource):
        return _plain(source, series[0])
    venues = [_guarded(source, one) for one in series]
    return venues[0] if len(venues) == 1 else _median(source, venues)


def _qualities(source: Source, values: Floats) -> Bytes:
    quality = np.where(np.isnan(values), MISSING, OK).astype(np.int8)
    quality[np.isinf(values)] = MALFORMED
    if source.unit is Unit.PRICE:
        quality[values <= 0] = MALFORMED
    return quality


def _valued(values: Floats, quality: Bytes) -> Floats:
    return np.where((quality == MISSING) | (quality == MALFORMED), np.nan, values)


def _plain(source: Source, series: Series) -> Track:
    quality = _qualities(source, series.values)
    if not (quality != OK).any():
        return Track(series.known_ms, series.known_ms, series.values, quality)
    return Track(series.known_ms, series.known_ms, _valued(series.values, quality), quality)


def _guarded(source: ExchangeSource, series: Series) -> Track:
    """One venue. Its volume is looked at when a bar ends, and when one leaves the window."""
    if source.min_volume is None:
        return _plain(source, series)
    base = _qualities(source, series.values)
    if series.volumes is None:
        base[base == OK] = THIN  # nobody knows what was traded
        return Track(series.known_ms, series.known_ms, _valued(series.values, base), base)
    traded = np.nan_to_num(series.volumes) > 0
    last_trade: Ints = np.maximum.accumulate(np.where(traded, series.known_ms, np.iinfo(np.int64).min))
    known, place, enough, lately = _volumes(source.min_volume, source.volume_window_ms, series, traded)
    quality = base[place]
    quality[(quality == OK) & ~enough] = THIN
    quality[((quality == OK) | (quality == THIN)) & ~lately] = STALE
    values = _valued(series.values[place], quality)
    own_ms = np.where(lately, last_trade[place], series.known_ms[place])
    return Track(known, own_ms, values, quality)


def _volumes(
    min_volume: Decimal, window_ms: int, series: Series, traded: NDArray[np.bool_]
) -> tuple[Ints, Ints, NDArray[np.bool_], NDArray[np.bool_]]:
    """At each time that something changes: (the time, the bar that was the last, whether enough was traded, whether anything was)."""
    needed = min_volume * SCALE
    ends = series.known_ms.tolist()
    with np.errstate(over="ignore", invalid="ignore"):
        quoted = np.nan_to_num(np.clip(series.values * np.asarray(series.volumes), -MOST, MOST))
    amounts = [round(amount * SCALE) for amount in quoted.tolist()]
    sold = traded.tolist()
    leaving: deque[int] = deque()
    known: list[int] = []
    place: list[int] = []
    enough: list[bool] = []
    lately: list[bool] = []
    total = trades = 0

    def note(at_ms: int, bar: int) -> None:
        known.append(at_ms)
        place.append(bar)
        enough.append(total >= needed)
        lately.append(trades > 0)

    def leave_until(at_ms: int, bar: int) -> None:
        nonlocal total, trades
        while leaving and ends[leaving[0]] + window_ms <= at_ms:
            gone_ms = ends[leaving[0]] + window_ms
            while leaving and ends[leaving[0]] + window_ms == gone_ms:
                gone = leaving.popleft()
                total -= amounts[gone]
                trades -= sold[gone]
            if gone_ms < at_ms:
                note(gone_ms, bar)

    for bar, end in enumerate(ends):
        leave_until(end, bar - 1)
        leaving.append(bar)
        total += amounts[bar]
        trades += sold[bar]
        note(end, bar)
    if ends:
        leave_until(ends[-1] + window_ms + 1, len(ends) - 1)
    return np.array(known, dtype=np.int64), np.array(place, dtype=np.int64), np.array(enough), np.array(lately)


def _median(source: ExchangeSource, venues: Sequence[Track]) -> Track:
    """The consensus of several venues, whenever one of them says something new or becomes too old."""
    times = np.unique(
        np.concatenate([time for one in venues for time in (one.known_ms, _ageing(one, source.max_age_ms))])
    )
    at_least = min(source.min_venues, len(venues))
    places = [np.searchsorted(one.known_ms, times, side="right") - 1 for one in venues]
    own = times.copy()
    values = np.full(len(times), np.nan)
    quality = np.full(len(times), MISSING, dtype=np.int8)
    for tick, now in enumerate(times.tolist()):
        members = [
            _member(str(number), track, int(place[tick]), now, source.max_age_ms)
            for number, (track, place) in enumerate(zip(venues, places, strict=True))
        ]
        found = consensus(members, at_least, source.outlier)
        quality[tick] = QUALITIES.index(found.quality)
        if found.value is not None:
            values[tick] = float(found.value)
            own[tick] = _supported_since(found.kept, source.min_venues, now)
    return Track(times, own, values, quality)


def _supported_since(kept: Sequence[Member], min_venues: int, now_ms: int) -> int:
    """The time that ``min_venues`` venues are not older than, as live."""
    times = sorted((one.at_ms for one in kept if one.at_ms is not None), reverse=True)
    return times[min(min_venues, len(times)) - 1] if times else now_ms


def _ageing(track: Track, max_age_ms: int) -> Ints:
    """When what it said last becomes too old, before it says something else."""
    too_old = track.own_ms + max_age_ms + 1
    later = np.append(track.known_ms[1:], np.iinfo(np.int64).max)
    return too_old[(too_old > track.known_ms) & (too_old < later)]


def _member(name: str, track: Track, place: int, now_ms: int, max_age_ms: int) -> Member:
    if place < 0:
        return Member(name, None, Quality.MISSING, "nothing yet")
    quality, value = QUALITIES[track.quality[place]], float(track.values[place])
    if value != value:
        return Member(name, None, quality, "as recorded")
    at_ms = int(track.own_ms[place])
    if now_ms - at_ms > max_age_ms and BADNESS.index(quality) < BADNESS.index(Quality.STALE):
        quality = Quality.STALE
    return Member(name, Decimal(repr(value)), quality, "", at_ms)
