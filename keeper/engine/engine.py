"""The engine: compiled once from its spec, driven by snapshots.

One tick: grade the observations, derive what is made of others, step every kind of signal over all its slots, judge all rules,
decide. Nothing but the snapshot and the state goes in, so the same snapshots give the same ticks, byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

from keeper.decisions.breaker import BreakerState
from keeper.decisions.desk import Desk, DeskRule, Judged
from keeper.decisions.recall import Decided, Happened, Places, recall
from keeper.decisions.standing import Standing
from keeper.decisions.state import DeskState
from keeper.domain.block import BlockStamp
from keeper.domain.errors import ConfigurationError
from keeper.domain.intervention import Intervention
from keeper.domain.snapshot import Snapshot
from keeper.engine.carry import Carried, Definitions, Meanings, carry_desk, carry_memory
from keeper.engine.check import problems_of
from keeper.engine.derive import Deriver, DeriveState
from keeper.engine.fingerprint import fingerprint
from keeper.engine.gate import Gates, GateState
from keeper.engine.grade import Grader, GradeState
from keeper.engine.kernel import Kernel, Memory
from keeper.engine.memento import Memento, Refusal, RefusalReason, desk_plain, memory_arrays, read
from keeper.engine.spec import EngineSpec
from keeper.engine.tick import Table, Tick
from keeper.rules import codes as rule_codes
from keeper.rules import threshold
from keeper.rules.spec import Without
from keeper.signals.bank import Board, empty_board

LONG_AGO = -(2**62)


@dataclass(slots=True)
class EngineState:
    """Everything that a tick depends on besides its snapshot. Moved into ``Engine.tick`` and out of it again: do not use it in between."""

    at_ms: int
    grades: GradeState
    gates: GateState
    derived: DeriveState
    memory: Memory
    board: Board
    codes: rule_codes.Codes
    desk: DeskState

    def copy(self) -> EngineState:
        """An independent state that goes on from the same point."""
        return deepcopy(self)


class Engine:
    """Immutable; made by ``compile_engine``. Its states are independent of each other, so one engine can drive several runs."""

    def __init__(self, spec: EngineSpec) -> None:
        self.spec = spec
        self.fingerprint = fingerprint(spec)
        self._kernel = Kernel(spec)
        self._grader = Grader(spec.sources)
        self._gates = Gates(spec.sources)
        self._deriver = Deriver(spec.sources)
        desk_rules = [
            DeskRule(rule.name, index, rule.severity, rule.actions, alerts=rule.without is Without.ALERT)
            for index, market in enumerate(spec.markets)
            for rule in market.rules
        ]
        self._desk = Desk([market.name for market in spec.markets], desk_rules, spec.actions, spec.limits)
        self._places = Places(
            {market.name: index for index, market in enumerate(spec.markets)},
            {(spec.markets[rule.market].name, rule.name): index for index, rule in enumerate(desk_rules)},
            frozenset(action.name for action in spec.actions),
        )

    def initial_state(self) -> EngineState:
        """Nothing seen, every rule clear, every breaker armed."""
        wiring = self._kernel.wiring
        return EngineState(
            at_ms=LONG_AGO,
            grades=self._grader.initial_state(),
            gates=self._gates.initial_state(),
            derived=self._deriver.initial_state(),
            memory=self._kernel.fresh(),
            board=empty_board(wiring.rows, ticks=1),
            codes=rule_codes.blank(len(wiring.rules), ticks=1),
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
        self._deriver.derive_all(state.derived, state.grades, at_ms, snapshot.disputed_ms)
        board = state.board
        board.at_ms[0], board.block[0] = at_ms, block
        wiring, rules = self._kernel.wiring, state.memory.rules
        wiring.read(state.grades, board)
        before = rules.state.copy()
        self._kernel.run(board, state.memory, state.codes)
        judged = Judged(rules.state, rules.reason, rules.state != before)
        first = wiring.first_signal
        table = Table(
            wiring=wiring,
            graded=tuple(state.grades.graded),
            values=board.values[first:, 0].copy(),
            status=board.status[first:, 0].copy(),
            rules=threshold.said(rules),
        )
        resolution = self._desk.decide(
            state.desk, judged, table, snapshot.outcomes, at_ms, block, snapshot.interventions
        )
        tick = Tick(
            at_ms=at_ms,
            block=snapshot.block,
            observations=table.graded,
            decisions=resolution.decisions,
            incidents=resolution.incidents,
            turns=resolution.breakers,
            counts=resolution.counts,
            breakers=self._desk.breakers(state.desk),
            table=table,
        )
        return state, tick

    def save(self, state: EngineState) -> Memento:
        """What ``state`` is at this moment, as a copy."""
        return Memento(
            spec=self.fingerprint,
            at_ms=state.at_ms,
            memory=[(name, array.copy()) for name, array in memory_arrays(state.memory)],
            desk=desk_plain(state.desk),
            changes={name: list(known) for name, known in state.derived.changes.items()},
            missing_since_ms=self._grader.missing_since_ms(state.grades),
        )

    def load(self, body: object) -> EngineState | Refusal:
        """The state that was saved with this body by an engine of the same spec, which goes on as that one would. Raises nothing."""
        if not isinstance(body, Mapping):
            return Refusal(RefusalReason.MALFORMED, "not an object")
        state = self.initial_state()
        found = read(
            body,
            spec=self.spec,
            fingerprint=self.fingerprint,
            kernel=self._kernel,
            desk=state.desk,
            places=self._places,
        )
        if isinstance(found, Refusal):
            return found
        state.at_ms = found.at_ms
        state.memory = found.memory
        state.desk = found.desk
        state.derived.changes = found.changes
        self._grader.missing(state.grades, found.missing_since_ms)
        return state

    def take_over(self, old: Engine, state: EngineState, was: Meanings, now: Meanings) -> tuple[EngineState, Carried]:
        """What ``state`` of an engine of another spec is here (``keeper.engine.carry``), and what of it goes on. Leaves ``state`` as it is.

        ``was`` and ``now`` say what the sources and actions of either spec stand for.
        """
        then, here, fresh = Definitions(old.spec, was), Definitions(self.spec, now), self.initial_state()
        carried = carry_memory(old._kernel, state.memory, then, self._kernel, fresh.memory, here)
        rules = frozenset(key for key, one in here.rules.items() if then.rules.get(key) == one)
        actions = frozenset(key for key, one in now.actions.items() if was.actions.get(key) == one)
        carry_desk(state.desk, old._places, fresh.desk, self._places, rules, actions)
        same = [name for name, one in here.sources.items() if then.sources.get(name) == one]
        fresh.at_ms = state.at_ms
        fresh.derived.changes = {name: list(known) for name, known in state.derived.changes.items() if name in same}
        missing = old._grader.missing_since_ms(state.grades)
        self._grader.missing(fresh.grades, {name: since for name, since in missing.items() if name in same})
        return fresh, carried

    def recall(self, state: EngineState, happened: Sequence[Happened], decided: Sequence[Decided]) -> None:
        """Takes in what was decided at ticks after the last one of ``state`` that were not recorded; changes it in place.

        Their time has been: a clock that was set back in the meantime does not take it back.
        """
        state.at_ms = max([state.at_ms, *(one.at_ms for one in decided)])
        recall(state.desk, happened, decided, self._places)

    def standings(self, state: EngineState) -> dict[tuple[str, str], Standing]:
        """How every action stands that was ever decided, by (market, action)."""
        names = [market.name for market in self.spec.markets]
        return {(names[market], action): one for (market, action), one in state.desk.standings.items()}

    def open_incidents(self, state: EngineState) -> dict[str, str]:
        """The id of the open incident of each market that has one."""
        return {self.spec.markets[market].name: incident for market, incident in state.desk.incidents.items()}

    def breakers(self, state: EngineState) -> dict[str, BreakerState]:
        """The breaker of every market by its name."""
        return self._desk.breakers(state.desk)

    def switched_off(self, state: EngineState) -> tuple[Intervention, ...]:
        """The switches that are off."""
        return state.desk.off

    def warm_up(self) -> None:
        """Compiles, or loads from the cache, all that a tick needs, by a tick nobody sees. To be called before the first real one."""
        nothing = BlockStamp(number=0, hash="", parent_hash="", timestamp_s=0)
        self.tick(self.initial_state(), Snapshot(block=nothing, at_ms=0, observations={}))


def compile_engine(spec: EngineSpec) -> Engine:
    """The engine of this spec. Raises ConfigurationError with every problem when the spec is impossible."""
    if problems := problems_of(spec):
        raise ConfigurationError(problems)
    return Engine(spec)
