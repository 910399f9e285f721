"""The engine over history: the same compiled steps and rules as live, with many ticks on the board at once.

What differs from live is only how observations come in: as columns, so that plain sources are graded by the array. Sources that are made of
others, or that need others, go through the very objects that grade and derive live, one tick after the other. Signals and rules are stepped by
the same compiled loops, so both ways agree to the last bit; a test holds them against each other.

Markets are independent of each other until something is decided, so each is swept alone: its arrays stay small, and several threads may work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from keeper.domain.observation import WITHOUT_VALUE, Observation, Quality
from keeper.engine.derive import Deriver
from keeper.engine.gate import Gates
from keeper.engine.grade import BITS, FOREVER, Grader
from keeper.engine.kernel import Kernel
from keeper.engine.spec import EngineSpec, MarketSpec, SourceSpec
from keeper.rules import threshold
from keeper.rules.threshold import NOT_ENOUGH_DATA, NOT_USABLE, TRIPPED
from keeper.signals.bank import NEVER, NO_INPUT, READY, Board, Bytes, Floats, Ints, empty_board

CHUNK = 16_384
"""Ticks on the board at once: few enough to stay near the processor, many enough to make the calls cheap."""

QUALITIES = tuple(Quality)
OK, STALE, MISSING = (QUALITIES.index(one) for one in (Quality.OK, Quality.STALE, Quality.MISSING))
_BITS: Ints = np.array([BITS[quality] for quality in QUALITIES], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Track:
    """What one source said over time, a place for each time that it said something.

    ``known_ms`` is when it could be known, ascending; ``own_ms`` the source's own time of it; ``values`` (NaN where there is none) and
    ``quality`` (positions in ``QUALITIES``) what it was. The last of several at one time counts.
    """

    known_ms: Ints
    own_ms: Ints
    values: Floats
    quality: Bytes


@dataclass(frozen=True, slots=True)
class Trip:
    """One rule, from the tick at which it tripped to the one at which it was clear again (None: it never was)."""

    rule: str
    at_ms: int
    signal: str
    observed: float
    threshold: float
    cleared_ms: int | None = None


@dataclass(slots=True)
class MarketRun:
    """What became of one market. ``held`` counts the ticks at which some rule could not be judged, by what was wrong (a quality, or ``warming``)."""

    market: str
    ticks: int = 0
    trips: list[Trip] = field(default_factory=list)
    held: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Ticks:
    """When the engine looks: ``at_ms`` never decreasing, and the block of each."""

    at_ms: Ints
    block: Ints


def sweep(spec: EngineSpec, market: MarketSpec, tracks: Mapping[str, Track], ticks: Ticks) -> MarketRun:
    """One market over all ticks. A source without a track is MISSING throughout. The spec must have been checked."""
    return Sweeper(spec, market, tracks).run(ticks)


class Sweeper:
    """One market, with the sources behind it."""

    def __init__(self, spec: EngineSpec, market: MarketSpec, tracks: Mapping[str, Track]) -> None:
        self._spec = _alone(spec, market)
        self._kernel = Kernel(self._spec)
        self._wiring = self._kernel.wiring
        self._memory = self._kernel.fresh()
        self._columns = _columns_of(self._spec.sources, tracks)
        self._market = MarketRun(market.name)
        self._open: dict[int, Trip] = {}

    def run(self, ticks: Ticks) -> MarketRun:
        """Everything from the first tick to the last."""
        board = empty_board(self._wiring.rows, min(CHUNK, len(ticks.at_ms)))
        codes = threshold.blank(len(self._wiring.rules), len(board.at_ms))
        for first in range(0, len(ticks.at_ms), CHUNK):
            here = slice(first, first + CHUNK)
            count = len(ticks.at_ms[here])
            if count < len(board.at_ms):
                board = empty_board(self._wiring.rows, count)
                codes = threshold.blank(len(self._wiring.rules), count)
            board.at_ms[:], board.block[:] = ticks.at_ms[here], ticks.block[here]
            qualities = self._fill(board)
            before = self._memory.rules.state.copy()
            self._kernel.run(board, self._memory, codes)
            self._note(board, codes, before, qualities)
            self._market.ticks += count
        self._market.trips += [trip for _, trip in sorted(self._open.items())]
        self._market.trips.sort(key=lambda trip: trip.at_ms)
        return self._market

    def _fill(self, board: Board) -> Bytes:
        """Writes the sources, and returns the quality of each at each tick (sources x ticks)."""
        sources = len(self._spec.sources)
        qualities = np.full((sources, len(board.at_ms)), MISSING, dtype=np.int8)
        self._columns.read(board, qualities)
        for row, (source, accepts) in enumerate(self._wiring.other_sources, start=sources):
            good = _BITS[qualities[source]] & accepts != 0
            board.values[row] = np.where(good, board.values[source], np.nan)
            board.own_ms[row] = board.own_ms[source]
        board.values[:sources][qualities != OK] = np.nan
        first = self._wiring.first_signal
        board.status[:first] = np.where(np.isnan(board.values[:first]), NO_INPUT, READY)
        return qualities

    def _note(self, board: Board, codes: threshold.Codes, before: Bytes, qualities: Bytes) -> None:
        up = codes.state >= TRIPPED
        was = np.concatenate(((before >= TRIPPED)[:, None], up[:, :-1]), axis=1)
        for rule, tick in sorted(zip(*np.nonzero(up != was), strict=True), key=lambda pair: int(pair[1])):
            at_ms = int(board.at_ms[tick])
            if up[rule, tick]:
                self._open[int(rule)] = self._trip(int(rule), int(tick), at_ms, board)
            else:
                self._market.trips.append(replace(self._open.pop(int(rule)), cleared_ms=at_ms))
        self._hold(codes, qualities)

    def _trip(self, rule: int, tick: int, at_ms: int, board: Board) -> Trip:
        row = self._wiring.rules[rule]
        value = float(board.values[self._wiring.signals[row.signals[0]].row, tick])
        return Trip(row.rule.name, at_ms, row.rule.when.signal, value, float(row.rule.when.threshold))

    def _hold(self, codes: threshold.Codes, qualities: Bytes) -> None:
        """Counts the ticks at which some rule was held, each once, by the worst that stands in its way."""
        held = codes.reason == NOT_USABLE
        blind = held.any(axis=0)
        if warming := int(np.count_nonzero((codes.reason == NOT_ENOUGH_DATA).any(axis=0) & ~blind)):
            self._market.held["warming"] += warming
        if not blind.any():
            return
        behind = np.zeros((len(self._spec.sources), held.shape[1]), dtype=bool)
        for rule, row in enumerate(self._wiring.rules):
            for signal in row.signals:
                behind[list(self._wiring.signals[signal].evidence)] |= held[rule]
        worst = np.where(behind, qualities, OK).max(axis=0)[blind]
        for code, count in zip(*np.unique(worst, return_counts=True), strict=True):
            self._market.held["not-a-number" if code == OK else str(QUALITIES[code])] += int(count)


class _Columns:
    """All sources of one market, tick by tick, whatever they are made of."""

    def __init__(self, sources: Sequence[SourceSpec], tracks: Mapping[str, Track]) -> None:
        self._plain = [
            (place, source, tracks[source.name])
            for place, source in enumerate(sources)
            if source.derived is None and source.needs is None and source.name in tracks
        ]

    def read(self, board: Board, qualities: Bytes) -> None:
        for place, source, track in self._plain:
            _align(source, track, board.at_ms, board.values[place], board.own_ms[place], qualities[place])


class _Derived(_Columns):
    """The same where some sources are made of others or need others: through the objects that do it live, one tick after the other."""

    def __init__(self, sources: Sequence[SourceSpec], tracks: Mapping[str, Track]) -> None:
        self._sources = sources
        self._tracks = [(source, tracks[source.name]) for source in sources if source.name in tracks]
        self._next = [0] * len(self._tracks)
        self._latest: dict[str, Observation] = {}
        self._grader, self._gates, self._deriver = Grader(sources), Gates(sources), Deriver(sources)
        self._grades, self._gated = self._grader.initial_state(), self._gates.initial_state()
        self._made = self._deriver.initial_state()

    def read(self, board: Board, qualities: Bytes) -> None:
        for tick, at in enumerate(board.at_ms):
            at_ms = int(at)
            self._advance(at_ms)
            self._grader.grade_all(self._grades, self._latest, at_ms)
            self._gates.gate_all(self._gated, self._grades)
            self._deriver.derive_all(self._made, self._grades, at_ms)
            board.values[: len(self._sources), tick] = self._grades.any_values
            board.own_ms[: len(self._sources), tick] = self._grades.own_ms
            qualities[:, tick] = _PLACE_OF_BIT[self._grades.bits]

    def _advance(self, at_ms: int) -> None:
        for index, (source, track) in enumerate(self._tracks):
            place = self._next[index]
            end = int(np.searchsorted(track.known_ms[place:], at_ms, side="right")) + place
            if end > place:
                self._next[index] = end
                self._latest[source.name] = observation(source, track, end - 1)


def observation(source: SourceSpec, track: Track, place: int) -> Observation:
    """What the source said there, as live."""
    quality = QUALITIES[track.quality[place]]
    value = float(track.values[place])
    return Observation(
        source=source.name,
        value=None if quality in WITHOUT_VALUE else Decimal(repr(value)),
        unit=source.unit,
        received_ms=int(track.known_ms[place]),
        at_ms=int(track.own_ms[place]),
        quality=quality,
        reason="" if quality is Quality.OK else "as recorded",
    )


def _columns_of(sources: Sequence[SourceSpec], tracks: Mapping[str, Track]) -> _Columns:
    derived = any(source.derived is not None or source.needs is not None for source in sources)
    return _Derived(sources, tracks) if derived else _Columns(sources, tracks)


def _align(source: SourceSpec, track: Track, at_ms: Ints, values: Floats, own_ms: Ints, quality: Bytes) -> None:
    """What the track says at these ticks: the last that was known, STALE when it is too old."""
    place = np.searchsorted(track.known_ms, at_ms, side="right") - 1
    known = place >= 0
    quality[:] = np.where(known, track.quality[place], MISSING)
    values[:] = np.where(known, track.values[place], np.nan)
    valued = ~np.isnan(values)
    own_ms[:] = np.where(valued, track.own_ms[place], NEVER)
    if source.max_age_ms is not None:
        limit = min(source.max_age_ms, FOREVER)
        quality[valued & (at_ms - own_ms > limit)] = STALE


def sources_behind(spec: EngineSpec, market: MarketSpec) -> tuple[str, ...]:
    """The sources that the signals of this market are made of, in the order of the configuration."""
    specs = {source.name: source for source in spec.sources}
    waiting = [name for signal in market.signals for name in signal.sources if name in specs]
    needed: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            source = specs[name]
            waiting += [*(source.derived.of if source.derived else ()), *filter(None, [source.needs])]
    return tuple(source.name for source in spec.sources if source.name in needed)


def _alone(spec: EngineSpec, market: MarketSpec) -> EngineSpec:
    """The spec of this market only, with the sources behind it."""
    needed = sources_behind(spec, market)
    return EngineSpec(tuple(source for source in spec.sources if source.name in needed), (market,), spec.actions)


_PLACE_OF_BIT: NDArray[np.int8] = np.zeros(1 << len(QUALITIES), dtype=np.int8)
for _place, _quality in enumerate(QUALITIES):
    _PLACE_OF_BIT[BITS[_quality]] = _place


def ticks_of(tracks: Iterator[Track] | Sequence[Track], block_ms: int) -> Ticks:
    """One tick at every time that something was known, at blocks of this length."""
    times: list[Ints] = []
    for track in tracks:
        if not times or times[0] is not track.known_ms:
            times.append(track.known_ms)
    at_ms = np.unique(np.concatenate(times)) if len(times) > 1 else np.unique(times[0])
    return Ticks(at_ms, at_ms // block_ms)
