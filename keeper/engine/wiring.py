"""Where everything stands on the board: a row for each source, one more for each source that rules need in other qualities, and one for each signal.

A signal may be made of sources and of other signals of its market. Rules may need its inputs in different qualities; each set of qualities then gets
a slot of its own, all the way down to the sources, because one slot has one history.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keeper.domain.observation import Quality
from keeper.domain.units import Unit
from keeper.engine.derivation import in_order
from keeper.engine.grade import BITS, GradeState
from keeper.engine.spec import EngineSpec, MarketSpec
from keeper.rules.spec import ONLY_OK, RuleSpec
from keeper.signals.bank import NO_INPUT, NOWHERE, READY, Board, Ints, Slots, Statistic, load
from keeper.signals.registry import SIGNALS
from keeper.signals.spec import SignalSpec

Needs = frozenset[Quality]
_Wanted = tuple[MarketSpec, SignalSpec, Needs, bool]
"""A signal of a market, in these qualities, and whether in no others."""


@dataclass(frozen=True, slots=True)
class SignalRow:
    """What does not change about a signal.

    ``of`` is the name that it is configured under, ``name`` says the qualities too where rules need it in different ones; ``row`` is its place on
    the board, ``reads`` are those of its inputs; ``evidence`` are the positions of the sources behind it, and those that these
    are derived from or need; ``depth`` is 0 for a signal of sources alone, and one more than its deepest input otherwise.
    """

    market: str
    spec: SignalSpec
    name: str
    unit: Unit
    row: int
    reads: tuple[int, ...]
    evidence: tuple[int, ...]
    depth: int

    @property
    def of(self) -> str:
        return self.spec.name

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.spec.sources


@dataclass(frozen=True, slots=True)
class RuleRow:
    """What does not change about a rule; ``signals`` are the positions of its signals, in the order of ``rule.signals``."""

    market: str
    rule: RuleSpec
    signals: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bank:
    """All slots of one kind at one depth."""

    statistic: Statistic
    params: Any
    slots: Slots


class Wiring:
    """The rows of a spec that has been checked. Immutable."""

    def __init__(self, spec: EngineSpec) -> None:
        self._sources = {source.name: index for index, source in enumerate(spec.sources)}
        self._behind = {
            source.name: (*(source.derived.of if source.derived else ()), *filter(None, [source.needs]))
            for source in spec.sources
        }
        wanted = [
            (market, signal, needs, len(asked) < 2)
            for market in spec.markets
            for asked_of in [_needs_of(market)]
            for signal in market.signals
            for asked in [asked_of[signal.name]]
            for needs in asked
        ]
        self._graded = self._other_qualities(wanted)
        self.first_signal = len(spec.sources) + len(self._graded)
        self.positions: dict[tuple[str, str, Needs], int] = {
            (market.name, signal.name, needs): place for place, (market, signal, needs, _) in enumerate(wanted)
        }
        self.signals = tuple(self._signal_rows(spec, wanted))
        self.rules = tuple(
            RuleRow(market.name, rule, tuple(self.positions[market.name, name, rule.needs] for name in rule.signals))
            for market in spec.markets
            for rule in market.rules
        )
        self.rows = self.first_signal + len(self.signals)
        self.banks = self._banks()
        self._other_sources: Ints = np.array([source for source, _ in self._graded], dtype=np.int64)
        self._other_accepts: Ints = np.array(
            [sum(BITS[quality] for quality in needs) for _, needs in self._graded], dtype=np.int64
        )

    @property
    def other_sources(self) -> list[tuple[int, int]]:
        """The rows between the sources and the signals: (position of the source, the set of qualities that is taken as bits)."""
        return list(zip(self._other_sources.tolist(), self._other_accepts.tolist(), strict=True))

    def read(self, grades: GradeState, board: Board) -> None:
        """Writes what the sources are worth into the only tick of this board."""
        sources, first = len(self._sources), self.first_signal
        board.values[:sources, 0] = grades.values
        board.own_ms[:sources, 0] = grades.own_ms
        if len(self._other_sources):
            board.values[sources:first, 0] = grades.accepted(self._other_sources, self._other_accepts)
            board.own_ms[sources:first, 0] = grades.own_ms[self._other_sources]
        status = board.status[:first, 0]
        status.fill(READY)
        status[np.isnan(board.values[:first, 0])] = NO_INPUT

    def _other_qualities(self, wanted: Sequence[_Wanted]) -> dict[tuple[int, Needs], int]:
        """The rows of the sources that are needed in other qualities than OK alone."""
        found: dict[tuple[int, Needs], int] = {}
        for market, signal, needs, _ in wanted:
            own = {one.name for one in market.signals}
            for name in signal.sources:
                if needs != ONLY_OK and name not in own:
                    found.setdefault((self._sources[name], needs), len(self._sources) + len(found))
        return found

    def _signal_rows(self, spec: EngineSpec, wanted: Sequence[_Wanted]) -> Iterator[SignalRow]:
        units = {source.name: source.unit for source in spec.sources}
        known = {market.name: (units_of(market, units), _depths(market)) for market in spec.markets}
        for place, (market, signal, needs, alone) in enumerate(wanted):
            own_units, depths = known[market.name]
            yield SignalRow(
                market=market.name,
                spec=signal,
                name=_name_of(signal, needs, alone=alone),
                unit=own_units[signal.name],
                row=self.first_signal + place,
                reads=tuple(self._row_of(market, name, needs) for name in signal.sources),
                evidence=tuple(self._sources[source] for source in self._made_of(market, signal)),
                depth=depths[signal.name],
            )

    def _row_of(self, market: MarketSpec, name: str, needs: Needs) -> int:
        position = self.positions.get((market.name, name, needs))
        if position is not None:
            return self.first_signal + position
        source = self._sources[name]
        return source if needs == ONLY_OK else self._graded[source, needs]

    def _made_of(self, market: MarketSpec, signal: SignalSpec) -> list[str]:
        """The sources of this signal, and behind each the ones that it is derived from or needs; each once."""
        own = {one.name: one for one in market.signals}
        found: dict[str, None] = {}
        seen: set[str] = set()
        waiting = list(reversed(signal.sources))
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            if name in own:
                waiting += reversed(own[name].sources)
            else:
                found[name] = None
                waiting += reversed(self._behind.get(name, ()))
        return list(found)

    def _banks(self) -> tuple[Bank, ...]:
        by_kind: dict[tuple[int, str], list[int]] = {}
        for position, row in enumerate(self.signals):
            by_kind.setdefault((row.depth, row.spec.kind), []).append(position)
        return tuple(self._bank(kind, self._alike(slots)) for (_, kind), slots in sorted(by_kind.items()))

    def _alike(self, slots: Sequence[int]) -> list[int]:
        """Those of the same parameters one behind the other: what they do at the same tick then lies side by side in memory."""
        return sorted(slots, key=lambda slot: repr(self.signals[slot].spec.params))

    def _bank(self, kind: str, slots: Sequence[int]) -> Bank:
        statistic = load(SIGNALS[kind])
        widest = max(len(self.signals[slot].reads) for slot in slots)
        inputs = np.full((len(slots), widest), NOWHERE, dtype=np.int32)
        for index, slot in enumerate(slots):
            reads = self.signals[slot].reads
            inputs[index, : len(reads)] = reads
        rows = np.array([self.signals[slot].row for slot in slots], dtype=np.int32)
        params = statistic.prepare([self.signals[slot].spec for slot in slots])
        return Bank(statistic, params, Slots(rows, inputs))


def _needs_of(market: MarketSpec) -> dict[str, dict[Needs, None]]:
    """The sets of qualities in which each signal is needed, by its rules or by signals made of it; ONLY_OK where nobody asks."""
    inputs = inputs_among(market)
    found: dict[str, dict[Needs, None]] = {name: {} for name in inputs}

    def ask(name: str, needs: Needs) -> None:
        if needs not in found[name]:
            found[name][needs] = None
            for of in inputs[name]:
                ask(of, needs)

    for rule in market.rules:
        for name in rule.signals:
            ask(name, rule.needs)
    idle = [name for name, asked in found.items() if not asked]
    for name in idle:
        if not any(name in inputs[other] for other in idle):
            ask(name, ONLY_OK)
    return found


def inputs_among(market: MarketSpec) -> dict[str, tuple[str, ...]]:
    """Each signal of the market, with those of its inputs that are signals themselves."""
    own = {signal.name for signal in market.signals}
    return {signal.name: tuple(name for name in signal.sources if name in own) for signal in market.signals}


def units_of(market: MarketSpec, sources: Mapping[str, Unit]) -> dict[str, Unit]:
    """The unit of each signal of a market that has been checked."""
    specs = {signal.name: signal for signal in market.signals}
    units = dict(sources)
    for name in in_order(inputs_among(market)):
        signal = specs[name]
        units[name] = SIGNALS[signal.kind].unit_of([units[of] for of in signal.sources])
    return {name: units[name] for name in specs}


def _depths(market: MarketSpec) -> dict[str, int]:
    """How many signals stand between each one and the sources, at most."""
    inputs = inputs_among(market)
    depths: dict[str, int] = {}
    for name in in_order(inputs):
        depths[name] = max((depths[of] + 1 for of in inputs[name]), default=0)
    return depths


def _name_of(signal: SignalSpec, needs: Needs, *, alone: bool) -> str:
    """Its name; with the qualities where rules need it in different ones."""
    if alone or needs == ONLY_OK:
        return signal.name
    return f"{signal.name} ({', '.join(quality for quality in Quality if quality in needs)})"
