"""The engine: compiled once from its spec, driven by snapshots.

One tick: grade the observations, step every kind of signal over all its slots, judge all rules, decide. Nothing but the snapshot
and the state goes in, so the same snapshots give the same ticks, byte for byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np

from keeper.decisions.desk import Desk, DeskRule, DeskState, Judged
from keeper.domain.block import BlockStamp
from keeper.domain.errors import ConfigurationError
from keeper.domain.snapshot import Snapshot
from keeper.engine.check import problems_of
from keeper.engine.grade import Grader, GradeState
from keeper.engine.spec import EngineSpec
from keeper.engine.tick import Rows, RuleRow, SignalRow, Table, Tick
from keeper.rules import threshold
from keeper.signals.bank import Bytes, Feed, Floats, Ints, Out, Statistic, fresh_out, load
from keeper.signals.registry import SIGNALS
from keeper.signals.spec import SignalSpec

LONG_AGO = -(2**62)


@dataclass(frozen=True, slots=True)
class Bank:
    """All slots of one kind: ``inputs`` are the positions of their sources (slots x sources), ``positions`` those of the signals."""

    statistic: Statistic
    params: Any
    inputs: Ints
    positions: Ints


@dataclass(slots=True)
class EngineState:
    """Everything that a tick depends on besides its snapshot. Moved into ``Engine.tick`` and out of it again: do not use it in between."""

    at_ms: int
    grades: GradeState
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
        self._banks = _banks_of(spec, self._rows)
        self._rules = threshold.prepare([(row.rule, row.signal) for row in self._rows.rules])
        desk_rules = [
            DeskRule(rule.name, index, rule.severity, rule.actions)
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
        for bank, (memory, out) in zip(self._banks, state.banks, strict=True):
            bank.statistic.step(Feed(at_ms, block, state.grades.values[bank.inputs]), bank.params, memory, out)
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
    signals = tuple(
        SignalRow(
            market=market.name,
            name=signal.name,
            unit=SIGNALS[signal.kind].output,
            inputs=signal.sources,
            sources=tuple(source_at[source] for source in signal.sources),
        )
        for market in spec.markets
        for signal in market.signals
    )
    positions = {(row.market, row.name): index for index, row in enumerate(signals)}
    rules = tuple(
        RuleRow(market.name, rule, positions[market.name, rule.when.signal])
        for market in spec.markets
        for rule in market.rules
    )
    return Rows(signals, rules)


def _banks_of(spec: EngineSpec, rows: Rows) -> tuple[Bank, ...]:
    by_kind: dict[str, list[tuple[int, SignalSpec]]] = {}
    flat = (signal for market in spec.markets for signal in market.signals)
    for position, signal in enumerate(flat):
        by_kind.setdefault(signal.kind, []).append((position, signal))
    return tuple(_bank(kind, slots, rows) for kind, slots in by_kind.items())


def _bank(kind: str, slots: Sequence[tuple[int, SignalSpec]], rows: Rows) -> Bank:
    statistic = load(SIGNALS[kind])
    return Bank(
        statistic=statistic,
        params=statistic.prepare([signal for _, signal in slots]),
        inputs=np.array([rows.signals[position].sources for position, _ in slots], dtype=np.int64),
        positions=np.array([position for position, _ in slots], dtype=np.int64),
    )
