"""The engine over history: the same compiled steps and rules as live, with many ticks on the board at once.

What differs from live is only how observations come in: as columns, so that plain sources are graded by the array. Sources that are made of
others, or that need others, go through the very objects that grade and derive live, one tick after the other. Signals and rules are stepped by
the same compiled loops, so both ways agree to the last bit; a test holds them against each other.

Markets are independent of each other until something is decided, so a few are swept at a time: the arrays stay small, and several threads may
work. A few and not one, because statistics whose every step waits for the one before it take those of several markets in one loop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from keeper.domain.observation import WITHOUT_VALUE, Observation, Quality
from keeper.engine.derivation import How, in_order
from keeper.engine.derive import Deriver
from keeper.engine.gate import Gates
from keeper.engine.grade import BITS, FOREVER, Grader
from keeper.engine.groups import alone, is_made_of_others
from keeper.engine.kernel import Kernel
from keeper.engine.spec import EngineSpec, MarketSpec, SourceSpec
from keeper.rules import codes as rule_codes
from keeper.rules.codes import INSIDE, NOT_ENOUGH_DATA, NOT_USABLE, TRIPPED, reasons_seen, turns_of
from keeper.signals.bank import NEVER, NO_INPUT, READY, Board, Bytes, Floats, Ints, empty_board
from keeper.signals.registry import SIGNALS

CHUNK = 16_384
"""Ticks on the board at once: few enough to take little memory, many enough to make the calls cheap."""

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
    """What became of one market. ``held`` counts the ticks at which some rule could not be judged, by what was wrong (a quality, or
    ``warming``); a rule that needs a source without any data is not counted, but named in ``never_judged`` (None: nobody looked)."""

    market: str
    ticks: int = 0
    trips: list[Trip] = field(default_factory=list)
    held: Counter[str] = field(default_factory=Counter)
    never_judged: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Ticks:
    """When the engine looks: ``at_ms`` never decreasing, and the block of each. Raises ValueError where these are not as many."""

    at_ms: Ints
    block: Ints

    def __post_init__(self) -> None:
        if len(self.at_ms) != len(self.block):
            raise ValueError(f"{len(self.at_ms)} times and {len(self.block)} blocks")


def sweep(
    spec: EngineSpec, markets: Sequence[MarketSpec], tracks: Mapping[str, Track], ticks: Ticks
) -> list[MarketRun]:
    """These markets over all ticks. A source without a track is MISSING throughout. The spec must have been checked."""
    return Sweeper(spec, markets, tracks).run(ticks)


class Sweeper:
    """A few markets, with the sources behind them."""

    def __init__(self, spec: EngineSpec, markets: Sequence[MarketSpec], tracks: Mapping[str, Track]) -> None:
        self._spec = alone(spec, markets)
        self._kernel = Kernel(self._spec)
        self._wiring = self._kernel.wiring
        self._memory = self._kernel.fresh()
        self._tracks = tracks
        self._runs = [MarketRun(market.name) for market in markets]
        self._market_of = [place for place, market in enumerate(markets) for _ in market.rules]
        self._open: dict[int, Trip] = {}
        self._all_ready: set[int] = set()  # the rows of sources whose status on the board is READY throughout
        judged = self._not_blind()
        rules = [[rule for rule, of in enumerate(self._market_of) if of == place] for place in range(len(markets))]
        self._seeing = [[rule for rule in own if rule in judged] for own in rules]
        for run, own in zip(self._runs, rules, strict=True):
            run.never_judged = tuple(self._wiring.rules[rule].rule.name for rule in own if rule not in judged)

    def _not_blind(self) -> set[int]:
        """The rules that can be judged at all, given which sources have data; one that never can would hide why the others were held.

        The kernel itself says so, at one tick at which everything that can be seen is.
        """
        board = empty_board(self._wiring.rows, 1)
        board.at_ms[0] = board.block[0] = 0
        seen = sources_with_data(self._spec.sources, self._tracks)
        rows = [row for row, source in enumerate(self._spec.sources) if source.name in seen]
        others = enumerate(self._wiring.other_sources, start=len(self._spec.sources))
        rows += [row for row, (source, _) in others if self._spec.sources[source].name in seen]
        board.values[rows], board.status[rows], board.own_ms[rows] = 1.0, READY, 0
        codes = rule_codes.blank(len(self._wiring.rules), 1)
        self._kernel.run(board, self._kernel.fresh(), codes)
        return {rule for rule, reason in enumerate(codes.reason[:, 0]) if reason != NOT_USABLE}

    def run(self, ticks: Ticks) -> list[MarketRun]:
        """Everything from the first tick to the last."""
        timed = any(SIGNALS[row.spec.kind].timed for row in self._wiring.signals)
        columns = _columns_of(self._spec.sources, self._tracks, ticks, timed=timed)
        at_ms, block = np.require(ticks.at_ms, np.int64, ["C", "W"]), np.require(ticks.block, np.int64, ["C", "W"])
        board = codes = None
        for first in range(0, len(at_ms), CHUNK):
            here = slice(first, min(first + CHUNK, len(at_ms)))
            count = here.stop - here.start
            if board is None or codes is None or count != len(board.at_ms):
                board = self._unwritten_board(count, timed=timed)
                codes = rule_codes.blank(len(self._wiring.rules), count)
                self._all_ready.clear()
            board = board._replace(at_ms=at_ms[here], block=block[here])
            qualities = columns.read(board, here)
            self._others(board, qualities)
            before = self._memory.rules.state.copy()
            self._kernel.run(board, self._memory, codes)
            seen = reasons_seen(codes.reason).tolist()
            self._note(board, codes, before, seen)
            for place, run in enumerate(self._runs):
                self._hold(run, self._seeing[place], codes, qualities, seen)
                run.ticks += count
        for rule, trip in sorted(self._open.items()):
            self._runs[self._market_of[rule]].trips.append(trip)
        for run in self._runs:
            run.trips.sort(key=lambda trip: trip.at_ms)
        return self._runs

    def _unwritten_board(self, ticks: int, *, timed: bool) -> Board:
        """As ``empty_board``, but only what nobody writes before it is read is filled: pages that are not touched cost nothing."""
        shape = self._wiring.rows, ticks
        board = empty_board(0, 0)._replace(
            values=np.empty(shape),
            status=np.full(shape, NO_INPUT, dtype=np.int8),
            own_ms=np.empty(shape, dtype=np.int64),
        )
        if timed:
            board.own_ms.fill(NEVER)
        for row, source in enumerate(self._spec.sources):
            if source.name not in self._tracks:
                board.values[row].fill(np.nan)
        return board

    def _others(self, board: Board, qualities: Sequence[Bytes | None]) -> None:
        """The rows of sources that are needed in other qualities than OK alone, then those of OK alone; ``values`` hold every quality so far."""
        sources = len(qualities)
        for row, (source, accepts) in enumerate(self._wiring.other_sources, start=sources):
            quality = qualities[source]
            good = _BITS[OK if quality is None else quality] & accepts != 0
            board.values[row] = np.where(good, board.values[source], np.nan)
            board.own_ms[row] = board.own_ms[source]
            board.status[row] = np.where(np.isnan(board.values[row]), NO_INPUT, READY)
        for row, quality in enumerate(qualities):
            if quality is not None and quality.any():
                board.values[row][quality != OK] = np.nan
                board.status[row] = np.where(np.isnan(board.values[row]), NO_INPUT, READY)
                self._all_ready.discard(row)
            elif row not in self._all_ready:
                board.status[row] = READY
                self._all_ready.add(row)

    def _note(self, board: Board, codes: rule_codes.Codes, before: Bytes, seen: Sequence[int]) -> None:
        """The trips that begin and end at these ticks; ``seen`` are the reasons of each rule."""
        turns: list[tuple[int, int]] = []
        for rule, reasons in enumerate(seen):
            if reasons != 1 << INSIDE or before[rule] >= TRIPPED:  # else clear throughout, as nearly always
                found = turns_of(codes.state[rule], bool(before[rule] >= TRIPPED))
                turns += [(tick, rule) for tick in found.tolist()]
        for tick, rule in sorted(turns):
            at_ms = int(board.at_ms[tick])
            if rule in self._open:
                self._runs[self._market_of[rule]].trips.append(replace(self._open.pop(rule), cleared_ms=at_ms))
            else:
                self._open[rule] = self._trip(rule, tick, at_ms, board)

    def _trip(self, rule: int, tick: int, at_ms: int, board: Board) -> Trip:
        row = self._wiring.rules[rule]
        member, value, level = self._kernel.shown(rule, tick, board)
        return Trip(row.rule.name, at_ms, row.rule.when.members[member].signal, value, level)

    def _hold(
        self,
        run: MarketRun,
        seeing: Sequence[int],
        codes: rule_codes.Codes,
        qualities: Sequence[Bytes | None],
        seen: Sequence[int],
    ) -> None:
        """Counts the ticks at which some rule of a market (``seeing``) was held, each once, by the worst that stands in its way."""
        held = [(rule, codes.reason[rule] == NOT_USABLE) for rule in seeing if seen[rule] & 1 << NOT_USABLE]
        blind = np.logical_or.reduce([ticks for _, ticks in held]) if held else None
        warming = [codes.reason[rule] == NOT_ENOUGH_DATA for rule in seeing if seen[rule] & 1 << NOT_ENOUGH_DATA]
        if warming:
            early = np.logical_or.reduce(warming)
            if count := int(np.count_nonzero(early if blind is None else early & ~blind)):
                run.held["warming"] += count
        if blind is None:
            return
        worst = np.full(len(blind), OK, dtype=np.int8)
        for rule, ticks in held:
            for signal in self._wiring.rules[rule].signals:
                for source in self._wiring.signals[signal].evidence:
                    quality = qualities[source]
                    if quality is not None:
                        np.maximum(worst, np.where(ticks, quality, OK), out=worst)
        for code, count in zip(*np.unique(worst[blind], return_counts=True), strict=True):
            run.held["not-a-number" if code == OK else str(QUALITIES[code])] += int(count)


class _Columns:
    """All sources of some markets, tick by tick."""

    def __init__(
        self, sources: Sequence[SourceSpec], tracks: Mapping[str, Track], ticks: Ticks, *, timed: bool
    ) -> None:
        """``timed``: some signal looks at own times, so they must be on the board."""
        self._sources, self._timed = sources, timed
        self._missing: Bytes = np.full(min(CHUNK, len(ticks.at_ms)), MISSING, dtype=np.int8)
        self._plain = [
            (place, source, track, _same(track.known_ms, ticks.at_ms), not track.quality.any())
            for place, source in enumerate(sources)
            if (track := tracks.get(source.name)) is not None
        ]

    def read(self, board: Board, here: slice) -> list[Bytes | None]:
        """Writes values of every quality and own times, and gives the quality of each source at each tick; None: OK throughout."""
        qualities: list[Bytes | None] = [self._missing[: len(board.at_ms)]] * len(self._sources)
        for place, source, track, at_every_tick, good in self._plain:
            values, own_ms = board.values[place], board.own_ms[place]
            if not at_every_tick:
                qualities[place] = _align(source, track, board.at_ms, values, own_ms)
            elif track.own_ms is track.known_ms and not self._timed:  # never too old, and nobody asks for its time
                values[:], qualities[place] = track.values[here], None if good else track.quality[here]
            else:
                qualities[place] = _copy(source, track, here, board.at_ms, values, own_ms)
        return qualities


class _Derived(_Columns):
    """The same where some sources are made of others or need others: through the objects that do it live, one tick after the other."""

    def __init__(
        self, sources: Sequence[SourceSpec], tracks: Mapping[str, Track], ticks: Ticks, *, timed: bool
    ) -> None:
        super().__init__(sources, {}, ticks, timed=timed)
        self._tracks = [(source, tracks[source.name]) for source in sources if source.name in tracks]
        self._next = [0] * len(self._tracks)
        self._latest: dict[str, Observation] = {}
        self._grader, self._gates, self._deriver = Grader(sources), Gates(sources), Deriver(sources)
        self._grades, self._gated = self._grader.initial_state(), self._gates.initial_state()
        self._made = self._deriver.initial_state()

    def read(self, board: Board, here: slice) -> list[Bytes | None]:
        qualities = np.empty((len(self._sources), len(board.at_ms)), dtype=np.int8)
        for tick, at in enumerate(board.at_ms):
            at_ms = int(at)
            self._advance(at_ms)
            self._grader.grade_all(self._grades, self._latest, at_ms)
            self._gates.gate_all(self._gated, self._grades)
            self._deriver.derive_all(self._made, self._grades, at_ms)
            board.values[: len(self._sources), tick] = self._grades.any_values
            board.own_ms[: len(self._sources), tick] = self._grades.own_ms
            qualities[:, tick] = _PLACE_OF_BIT[self._grades.bits]
        return list(qualities)

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


def _columns_of(sources: Sequence[SourceSpec], tracks: Mapping[str, Track], ticks: Ticks, *, timed: bool) -> _Columns:
    slow = any(map(is_made_of_others, sources))
    return (_Derived if slow else _Columns)(sources, tracks, ticks, timed=timed)


def _same(one: Ints, other: Ints) -> bool:
    return one is other or np.array_equal(one, other)


def _copy(source: SourceSpec, track: Track, here: slice, at_ms: Ints, values: Floats, own_ms: Ints) -> Bytes:
    """What a track says that has something at each of these ticks."""
    values[:], quality = track.values[here], track.quality[here]
    own_ms[:] = track.own_ms[here]
    return _aged(source, at_ms, values, own_ms, quality, fresh=track.own_ms is track.known_ms)


def _align(source: SourceSpec, track: Track, at_ms: Ints, values: Floats, own_ms: Ints) -> Bytes:
    """What the track says at these ticks: the last that was known."""
    place = np.searchsorted(track.known_ms, at_ms, side="right") - 1
    known = place >= 0
    quality = np.where(known, track.quality[place], MISSING).astype(np.int8)
    values[:] = np.where(known, track.values[place], np.nan)
    own_ms[:] = track.own_ms[place]
    return _aged(source, at_ms, values, own_ms, quality, fresh=False)


def _aged(source: SourceSpec, at_ms: Ints, values: Floats, own_ms: Ints, quality: Bytes, *, fresh: bool) -> Bytes:
    """The same qualities, with STALE where something is too old; what has no value has no time. ``fresh``: everything is of its tick."""
    without = np.isnan(values)
    if without.any():
        own_ms[without] = NEVER
    if fresh or source.max_age_ms is None:
        return quality
    old = ~without & (at_ms - own_ms > min(source.max_age_ms, FOREVER))
    return np.where(old, np.int8(STALE), quality) if old.any() else quality


def sources_with_data(sources: Sequence[SourceSpec], tracks: Mapping[str, Track]) -> set[str]:
    """Those that can ever have a value, given these tracks."""
    specs = {source.name: source for source in sources}
    seen: set[str] = set()
    members = {source.name: source.derived.of for source in sources if source.derived is not None}
    for source in sources:
        if source.derived is None and source.name in tracks and (source.needs is None or source.needs in tracks):
            seen.add(source.name)
    for name in in_order(members):
        derived = specs[name].derived
        assert derived is not None
        enough = derived.at_least if derived.how is How.MEDIAN else len(derived.of)
        if sum(of in seen for of in derived.of) >= enough:
            seen.add(name)
    return seen


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
