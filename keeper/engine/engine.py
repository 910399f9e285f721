"""The engine: compiled once from its spec, driven by snapshots.

One tick: grade the observations, derive what is made of others, step every kind of signal over all its slots, judge all rules,
decide. Nothing but the snapshot and the state goes in, so the same snapshots give the same ticks, byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np

from keeper.decisions.desk import Desk, DeskRule, DeskState, Judged
from keeper.domain.block import BlockStamp
from keeper.domain.errors import ConfigurationError
from keeper.domain.observation import Quality
from keeper.domain.snapshot import Snapshot
from keeper.engine.check import problems_of
from keeper.engine.derive import Deriver, DeriveState
from keeper.engine.gate import Gates, GateState
from keeper.engine.grade import BITS, Grader, GradeState
from keeper.engine.spec import EngineSpec
from keeper.engine.tick import Rows, RuleRow, SignalRow, Table, Tick
from keeper.rules import threshold
from keeper.rules.spec import ONLY_OK, Without
from keeper.signals.bank import Bytes, Feed, Floats, Ints, Out, Statistic, fresh_out, load
from keeper.signals.registry import SIGNALS
from keeper.signals.spec import SignalSpec

LONG_AGO = -(2**62)


@dataclass(frozen=True, slots=True)
class Bank:
    """All slots of one kind.

    ``inputs`` are the positions of their sources (slots x sources), ``positions`` those of the signals; ``accepts`` are the qualities that each slot
    takes, None where all take OK alone.
    """

    statistic: Statistic
    params: Any
    inputs: Ints
    positions: Ints
    accepts: Ints | None


@dataclass(slots=True)
class EngineState:
    """Everything that a tick depends on besides its snapshot. Moved into ``Engine.tick`` and out of it again: do not use it in between."""

    at_ms: int
    grades: GradeState
    gates: GateState
    derived: DeriveState
    banks: list[tuple[Any, Out]]
    values: Floats
    status: Bytes
    rules: threshold.State
    desk: DeskState

    def copy(self) -> EngineState:
        """An independent state that goes on from the same point."""
        return deepcopy(self)


class Engine:
    """Immutable; made by ``compile_engine``. Its states are independent of each other, so one engine can drive several runs."""

    def __init__(self, spec: EngineSpec) -> None:
        self._rows = _rows_of(spec)
        self._grader = Grader(spec.sources)
        self._gates = Gates(spec.sources)
        self._deriver = Deriver(spec.sources)
        self._banks = _banks_of(spec, self._rows)
        self._rules = threshold.prepare([(row.rule, row.signal) for row in self._rows.rules])
        desk_rules = [
            DeskRule(rule.name, index, rule.severity, rule.actions, alerts=rule.without is Without.ALERT)
            for index, market in enumerate(spec.markets)
            for rule in market.rules
        ]
        self._desk = Desk([market.name for market in spec.markets], desk_rules, spec.actions)

    def initial_state(self) -> EngineState:
        """Nothing seen, every rule clear, every breaker armed."""
        signals = len(self._rows.signals)
        values, status = fresh_out(signals)
        return EngineState(
            at_ms=LONG_AGO,
            grades=self._grader.initial_state(),
            gates=self._gates.initial_state(),
            derived=self._deriver.initial_state(),
            banks=[(bank.statistic.allocate(bank.params), fresh_out(len(bank.positions))) for bank in self._banks],
            values=values,
            status=status,
            rules=threshold.allocate(self._rules),
            desk=self._desk.initial_state(),
        )

    def tick(self, state: EngineState, snapshot: Snapshot) -> tuple[EngineState, Tick]:
        """One tick. ``state`` is consumed: it is changed in place, and only the returned one may be used from here on.

        A snapshot from before the last one counts as of the last one's time, because time does not go back. Block numbers may.
        Raises nothing that depends on what sources or chains say.
        """
        at_ms = max(snapshot.at_ms, state.at_ms)
        block = snapshot.block.number
        state.at_ms = at_ms
        self._grader.grade_all(state.grades, snapshot.observations, at_ms)
        self._gates.gate_all(state.gates, state.grades)
        self._deriver.derive_all(state.derived, state.grades, at_ms)
        for bank, (memory, out) in zip(self._banks, state.banks, strict=True):
            inputs = state.grades.usable(bank.inputs, bank.accepts)
            bank.statistic.step(Feed(at_ms, block, inputs), bank.params, memory, out)
            state.values[bank.positions] = out.values
            state.status[bank.positions] = out.status
        before = state.rules.state.copy()
        threshold.judge(at_ms, block, state.values, state.status, self._rules, state.rules)
        judged = Judged(state.rules.state, state.rules.reason, state.rules.state != before)
        table = Table(
            rows=self._rows,
            graded=tuple(state.grades.graded),
            values=state.values.copy(),
            status=state.status.copy(),
            rules=threshold.State._make(column.copy() for column in state.rules),
        )
        resolution = self._desk.decide(state.desk, judged, table, snapshot.outcomes, at_ms, block)
        tick = Tick(
            at_ms=at_ms,
            block=snapshot.block,
            observations=table.graded,
            decisions=resolution.decisions,
            incidents=resolution.incidents,
            counts=resolution.counts,
            breakers=self._desk.breakers(state.desk),
            table=table,
        )
        return state, tick

    def warm_up(self) -> None:
        """Compiles, or loads from the cache, all that a tick needs, by a tick nobody sees. To be called before the first real one."""
        nothing = BlockStamp(number=0, hash="", parent_hash="", timestamp_s=0)
        self.tick(self.initial_state(), Snapshot(block=nothing, at_ms=0, observations={}))


def compile_engine(spec: EngineSpec) -> Engine:
    """The engine of this spec. Raises ConfigurationError with every problem when the spec is impossible."""
    if problems := problems_of(spec):
        raise ConfigurationError(problems)
    return Engine(spec)


def _rows_of(spec: EngineSpec) -> Rows:
    source_at = {source.name: index for index, source in enumerate(spec.sources)}
    behind = {
        source.name: (*(source.derived.of if source.derived else ()), *filter(None, [source.needs]))
        for source in spec.sources
    }
    signals: list[SignalRow] = []
    positions: dict[tuple[str, str, frozenset[Quality]], int] = {}
    for market in spec.markets:
        for signal in market.signals:
            # one slot for each set of qualities that rules ask for: one slot has one history
            asked = dict.fromkeys(rule.needs for rule in market.rules if rule.when.signal == signal.name)
            for needs in asked or (ONLY_OK,):
                positions[market.name, signal.name, needs] = len(signals)
                row = SignalRow(
                    market=market.name,
                    of=signal.name,
                    name=_name_of(signal, needs, alone=len(asked) < 2),
                    unit=SIGNALS[signal.kind].output,
                    inputs=signal.sources,
                    sources=tuple(source_at[source] for source in signal.sources),
                    evidence=tuple(source_at[source] for source in _made_of(signal.sources, behind)),
                    accepts=sum(BITS[quality] for quality in needs),
                )
                signals.append(row)
    rules = tuple(
        RuleRow(market.name, rule, positions[market.name, rule.when.signal, rule.needs])
        for market in spec.markets
        for rule in market.rules
    )
    return Rows(tuple(signals), rules)


def _name_of(signal: SignalSpec, needs: frozenset[Quality], *, alone: bool) -> str:
    """Its name; with the qualities where rules need it in different ones."""
    if alone or needs == ONLY_OK:
        return signal.name
    return f"{signal.name} ({', '.join(quality for quality in Quality if quality in needs)})"


def _made_of(names: Sequence[str], behind: Mapping[str, Sequence[str]]) -> list[str]:
    """These sources, and behind each the ones that it is derived from or needs; each once."""
    found: dict[str, None] = {}
    waiting = list(reversed(names))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = None
            waiting += reversed(behind.get(name, ()))
    return list(found)


def _banks_of(spec: EngineSpec, rows: Rows) -> tuple[Bank, ...]:
    configured = {(market.name, signal.name): signal for market in spec.markets for signal in market.signals}
    by_kind: dict[str, list[tuple[int, SignalSpec]]] = {}
    for position, row in enumerate(rows.signals):
        signal = configured[row.market, row.of]
        by_kind.setdefault(signal.kind, []).append((position, signal))
    return tuple(_bank(kind, slots, rows) for kind, slots in by_kind.items())


def _bank(kind: str, slots: Sequence[tuple[int, SignalSpec]], rows: Rows) -> Bank:
    statistic = load(SIGNALS[kind])
    accepts = np.array([rows.signals[position].accepts for position, _ in slots], dtype=np.int64)
    return Bank(
        statistic=statistic,
        params=statistic.prepare([signal for _, signal in slots]),
        inputs=np.array([rows.signals[position].sources for position, _ in slots], dtype=np.int64),
        positions=np.array([position for position, _ in slots], dtype=np.int64),
        accepts=None if np.all(accepts == BITS[Quality.OK]) else accepts,
    )
