"""A log told again to the engine, record by record: how a keeper goes on after a restart, and how an auditor decides again.

Both walk the same way, so that what a keeper goes on from is what an auditor finds. A start that took up an earlier run goes on from the state
that is there; any other begins with an engine that remembers nothing.

Decisions are written before the tick that they were made at. Those of a tick that was never recorded, because the keeper was killed in between, are
recalled: before the next tick that was, or where the next run begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keeper.decisions.recall import Decided, Happened
from keeper.domain.decision import DecisionKind, DecisionReason, IncidentPhase
from keeper.domain.evidence import KEY
from keeper.domain.record import Record, RecordKind
from keeper.engine.engine import Engine, EngineState
from keeper.engine.evidence import tick_body
from keeper.engine.recorded import snapshot_of
from keeper.engine.tick import Tick

KINDS = (RecordKind.START, RecordKind.INCIDENT, RecordKind.DECISION, RecordKind.TICK)
RESTORED = "restored"
"""In the body of a start: what was taken up; null when nothing was."""
CARRIED = "carried"
"""The ``from`` of what was taken up: the run before had another configuration, and the state that the keeper went on with is the next of the log."""


def was_carried(start: Mapping[str, Any]) -> bool:
    """Whether the body of a start says so."""
    restored = start.get(RESTORED)
    return isinstance(restored, Mapping) and restored.get("from") == CARRIED


class NotTold(ValueError):
    """A record is not one that a keeper writes; the message names it."""


class EvidenceMissing(NotTold):
    """What a tick was made of is not in its body, which only names it; ``evidence`` is its hash."""

    def __init__(self, record: Record, evidence: str) -> None:
        super().__init__(f"the evidence of record {record.seq} is not in the database")
        self.record = record
        self.evidence = evidence


@dataclass(frozen=True, slots=True)
class Told:
    """A tick again. ``same``: everything that was seen and judged is what the record says."""

    tick: Tick
    same: bool


class Retelling:
    """Goes on from ``state``. ``recalled`` counts the decisions and incidents that no recorded tick made."""

    def __init__(self, engine: Engine, state: EngineState) -> None:
        self._engine = engine
        self.state = state
        self.recalled: set[str] = set()
        self._waiting: dict[str, tuple[int, Happened | Decided]] = {}
        self._since_ms = state.at_ms
        self._made: set[str] = set()

    def take(self, record: Record) -> Told | None:
        """The next record of ``KINDS``, with its evidence in its body; what it was, when it was a tick. Raises NotTold."""
        try:
            match record.kind:
                case RecordKind.START:
                    self._start(record.body)
                case RecordKind.INCIDENT | RecordKind.DECISION:
                    self._wait(record)
                case RecordKind.TICK:
                    if KEY in record.body and "observations" not in record.body:
                        raise EvidenceMissing(record, str(record.body[KEY]))
                    return self._tick(record.body)
        except EvidenceMissing:
            raise
        except (ArithmeticError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise NotTold(f"record {record.seq} is no {record.kind} of a keeper: {type(error).__name__}") from None
        return None

    def _wait(self, record: Record) -> None:
        """For its tick; one that was written down late, after its tick, has been made."""
        read = _happened if record.kind is RecordKind.INCIDENT else _decided
        key, at_ms = key_of(record.kind, record.body), int(str(record.body["at_ms"]))
        fact = read(record.body)
        if key not in self._made and at_ms > self._since_ms:
            self._waiting[key] = at_ms, fact

    def go_on_with(self, engine: Engine, state: EngineState) -> None:
        """Another configuration took over, and this is what its engine was given."""
        self.recall()
        self._engine, self.state = engine, state
        self._since_ms = state.at_ms

    def named(self, body: Mapping[str, Any]) -> None:
        """A tick that is in ``state`` already made these."""
        for kind, name in ((RecordKind.DECISION, "decisions"), (RecordKind.INCIDENT, "incidents")):
            for one in body[name]:
                for key in (f"{kind} {one}", *(f"{kind} {one} {phase}" for phase in IncidentPhase)):
                    self._waiting.pop(key, None)

    def recall(self, before_ms: int | None = None) -> None:
        """Takes in what was decided (before that time) and is in no tick."""
        found = [key for key, (at_ms, _) in self._waiting.items() if before_ms is None or at_ms < before_ms]
        facts = [self._waiting.pop(key)[1] for key in found]
        self.recalled.update(found)
        happened = [one for one in facts if isinstance(one, Happened)]
        self._engine.recall(self.state, happened, [one for one in facts if isinstance(one, Decided)])

    def _start(self, body: Mapping[str, Any]) -> None:
        if body.get(RESTORED):
            self.recall()
        else:
            self._waiting.clear()
            self._made.clear()
            self.state = self._engine.initial_state()
            self._since_ms = self.state.at_ms

    def _tick(self, body: Mapping[str, Any]) -> Told:
        snapshot = snapshot_of(body)
        self.named(body)
        self.recall(before_ms=int(str(body["at_ms"])))
        self.state, tick = self._engine.tick(self.state, snapshot)
        self._made.update(f"{RecordKind.DECISION} {one.id}" for one in tick.decisions)
        self._made.update(f"{RecordKind.INCIDENT} {one.id} {one.phase}" for one in tick.incidents)
        again = tick_body(tick)
        return Told(tick, same=all(body.get(name, one) == one for name, one in again.items()))


def key_of(kind: RecordKind, body: Mapping[str, Any]) -> str:
    """An incident has one id for its beginning and its end."""
    return f"{kind} {body['id']}" + (f" {body['phase']}" if kind is RecordKind.INCIDENT else "")


def _happened(body: Mapping[str, Any]) -> Happened:
    return Happened(str(body["id"]), str(body["market"]), IncidentPhase(body["phase"]), int(body["block"]))


def _decided(body: Mapping[str, Any]) -> Decided:
    resolved = body.get("resolved") or body  # before other nodes were asked about it
    return Decided(
        id=str(body["id"]),
        kind=DecisionKind(resolved["kind"]),
        reason=DecisionReason(resolved["reason"]),
        market=str(body["market"]),
        rule=str(body["verdict"]["rule"]),
        action=str(body["action"]),
        incident=str(body["incident"]),
        at_ms=int(str(body["at_ms"])),
        block=int(body["block"]),
    )
