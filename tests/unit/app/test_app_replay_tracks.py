"""What a source would have said: the guards over columns are those of a live venue, minute by minute."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from keeper.app.replay.files import Series
from keeper.app.replay.tracks import track_of
from keeper.config.model import ExchangeSource, HttpSource, TimeUnit, VenueConfig
from keeper.config.secret import Secret
from keeper.domain.consensus import Member, consensus
from keeper.domain.observation import Observation, Quality
from keeper.domain.units import Unit
from keeper.domain.venue import BAR_MS, Bar, Guards, Quote, judge
from keeper.engine.grade import grade
from keeper.engine.history import QUALITIES, Track, observation
from keeper.engine.spec import SourceSpec

pytestmark = pytest.mark.unit

T0 = 1_678_500_000_000
MAX_AGE_MS = 300_000
WINDOW_MS = 5 * BAR_MS


def exchange(min_volume: str | None = "1000", venues: int = 1, min_venues: int = 1) -> ExchangeSource:
    return ExchangeSource(
        name="spot",
        unit=Unit.PRICE,
        max_age_ms=MAX_AGE_MS,
        venues=tuple(VenueConfig(f"venue{number}", "A/B", None, "") for number in range(venues)),
        min_venues=min_venues,
        outlier=Decimal("0.01"),
        min_volume=None if min_volume is None else Decimal(min_volume),
        volume_window_ms=WINDOW_MS,
        max_spread=None,
        every_ms=5_000,
        timeout_ms=3_000,
        stream=False,
    )


def series(bars: Sequence[Bar]) -> Series:
    return Series(
        np.array([bar.open_ms + BAR_MS for bar in bars], dtype=np.int64),
        np.array([float(bar.close) for bar in bars]),
        np.array([float(bar.volume) for bar in bars]),
    )


def rows(values: Sequence[float], volumes: Sequence[float] | None = None) -> Series:
    known = T0 + BAR_MS * np.arange(len(values), dtype=np.int64)
    return Series(known, np.array(values), None if volumes is None else np.array(volumes))


def random_bars(seed: int, minutes: int = 400) -> list[Bar]:
    """Quiet and busy hours, gaps, minutes without trade, and now and then a price that is none."""
    source = random.Random(seed)
    bars, busy = [], 1.0
    for minute in range(minutes):
        if source.random() < 0.05:
            busy = source.choice([0.0, 0.0, 0.2, 1.0, 3.0])
        if source.random() < (0.6 if busy == 0.2 else 0.05):
            continue
        volume = Decimal(0) if source.random() < 0.2 else Decimal(round(source.random() * 300 * busy)) / 100
        close = Decimal(-1) if source.random() < 0.01 else Decimal(round(source.gauss(100_00, 20))) / 100
        bars.append(Bar(T0 + minute * BAR_MS, close, volume))
    return bars


def said(source: ExchangeSource, track: Track, now_ms: int) -> Observation:
    """What the engine makes of the track at this time."""
    spec = SourceSpec(source.name, Unit.PRICE, source.max_age_ms)
    place = int(np.searchsorted(track.known_ms, now_ms, side="right")) - 1
    return grade(spec, observation(spec, track, place) if place >= 0 else None, now_ms)


def live(source: ExchangeSource, bars: Sequence[Bar], now_ms: int) -> Member:
    """The same by the code that runs live, from the bars that were over by then."""
    over = [bar for bar in bars if bar.open_ms + BAR_MS <= now_ms]
    if not over:
        return Member("0", None, Quality.MISSING)
    guards = Guards(source.max_age_ms, source.min_volume, source.volume_window_ms)
    reaching = [bar for bar in over if bar.open_ms + BAR_MS > now_ms - source.volume_window_ms]
    if source.min_volume is None:
        return judge("0", Quote(over[-1].close, over[-1].open_ms + BAR_MS), None, guards, now_ms)
    return judge("0", Quote(over[-1].close), reaching, guards, now_ms)


def agree(ours: Observation, theirs: Member) -> bool:
    value = None if theirs.value is None else float(theirs.value)
    return ours.quality is theirs.quality and (None if ours.value is None else float(ours.value)) == value


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("min_volume", ["100", "501.5", "1000", None])
def test_one_venue__minute_by_minute_and_between__is_judged_as_live(seed: int, min_volume: str | None) -> None:
    source, bars = exchange(min_volume), random_bars(seed)
    track = track_of(source, [series(bars)])
    seen = set()
    for now_ms in range(T0, T0 + 420 * BAR_MS, BAR_MS // 2):
        ours, theirs = said(source, track, now_ms), live(source, bars, now_ms)
        assert agree(ours, theirs), (now_ms - T0, ours, theirs)
        seen.add(ours.quality)
    wanted = {Quality.OK, Quality.MALFORMED, Quality.MISSING, Quality.STALE}
    assert seen >= wanted if min_volume is None else seen & {Quality.THIN, Quality.STALE}, seen


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("min_volume", ["501.5", None])
@pytest.mark.parametrize(("venues", "min_venues"), [(2, 1), (2, 2), (3, 2)])
def test_several_venues__minute_by_minute__are_combined_as_live(
    seed: int, min_volume: str | None, venues: int, min_venues: int
) -> None:
    source = exchange(min_volume, venues, min_venues)
    bars = [random_bars(100 * seed + number, 250) for number in range(venues)]
    track = track_of(source, [series(one) for one in bars])
    for now_ms in range(T0 + BAR_MS, T0 + 270 * BAR_MS, BAR_MS):
        members = [live(source, one, now_ms) for one in bars]
        found = consensus(members, min_venues, source.outlier)
        ours = said(source, track, now_ms)
        assert agree(ours, Member("", found.value, found.quality)), (now_ms - T0, ours, found)


@pytest.mark.parametrize(("volume", "quality"), [(2.0, Quality.OK), (1.99, Quality.THIN)])
def test_volume_of_the_window__both_sides(volume: float, quality: Quality) -> None:
    """Five bars of 2 at a price of 100 are exactly 1000."""
    track = track_of(exchange(), [rows([100.0] * 5, [volume] * 5)])
    assert QUALITIES[track.quality[4]] is quality


def test_volume__of_tidy_rows__is_counted_as_that_of_bars() -> None:
    track = track_of(exchange("100"), [rows([100.0, 100.0], [0.5, 0.5])])
    assert [QUALITIES[code] for code in track.quality[:2]] == [Quality.THIN, Quality.OK]


@pytest.mark.parametrize("volumes", [[1e300, 1e300], [1e290, 1.0], [float("nan"), 1e305]])
def test_volume__of_no_sensible_size__neither_fails_nor_stays(volumes: list[float]) -> None:
    calm = [1.0] * 10
    track = track_of(exchange("150"), [rows([1e300, 1e290, *([100.0] * 10)], [*volumes, *calm])])
    last = {QUALITIES[code] for code in track.quality[track.known_ms == T0 + 11 * BAR_MS].tolist()}
    assert last == {Quality.OK}, "500 of 150 were traded since"


def test_volume__not_known_and_asked_for__is_thin() -> None:
    track = track_of(exchange(), [rows([1.0, 2.0])])
    assert {QUALITIES[code] for code in track.quality} == {Quality.THIN}


def test_volume__not_asked_for__does_not_matter() -> None:
    """As live: without min_volume the venue's bars are not even read."""
    with_zero = track_of(exchange(None), [rows([1.0, 2.0], [0.0, 0.0])])
    assert {QUALITIES[code] for code in with_zero.quality} == {Quality.OK}
    assert (with_zero.own_ms == with_zero.known_ms).all()


@pytest.mark.parametrize("asked", ["10", None])
def test_values__each_defect__has_its_quality(asked: str | None) -> None:
    track = track_of(exchange(asked), [rows([1.0, float("nan"), float("inf"), 0.0, -2.0], [100.0] * 5)])
    expected = [Quality.OK, Quality.MISSING, Quality.MALFORMED, Quality.MALFORMED, Quality.MALFORMED]
    assert [QUALITIES[code] for code in track.quality[:5]] == expected
    assert np.isnan(track.values[1:5]).all()


def test_values__that_are_no_prices__may_be_zero_or_negative() -> None:
    url = Secret("http://127.0.0.1")
    source = HttpSource("tvl", Unit.AMOUNT, 1_000, url, "", "value", None, TimeUnit("ms"), 1_000, 1_000, ())
    track = track_of(source, [rows([0.0, -1.0, float("inf")])])
    assert [QUALITIES[code] for code in track.quality] == [Quality.OK, Quality.OK, Quality.MALFORMED]


def test_several_venues__own_time__is_the_one_that_enough_are_not_older_than() -> None:
    """As live: of three good venues where two are asked for, the oldest does not make it old."""
    source = exchange(None, 3, 2)
    late = Series(np.array([T0 - 120_000], dtype=np.int64), np.array([1.0]), None)
    track = track_of(source, [rows([1.0]), rows([1.0]), late])
    place = int(np.flatnonzero(track.known_ms == T0)[0])
    assert track.own_ms[place] == T0


def test_several_venues__fewer_in_the_files_than_asked_for__must_all_agree() -> None:
    source = exchange(None, 3, 3)
    apart = track_of(source, [rows([1.0]), rows([2.0])])
    alike = track_of(replace(source), [rows([1.0]), rows([1.0])])
    assert QUALITIES[apart.quality[0]] is Quality.DISAGREE
    assert QUALITIES[alike.quality[0]] is Quality.OK
