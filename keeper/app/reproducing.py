"""The decisions of one incident, made again from what the log holds of their making: the same engine, and whether it says the same.

Only the stretch of the log is fed that they were made from: from the state before them, or the start, to the last of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from keeper import __version__
from keeper.adapters.audit.canonical import canonical
from keeper.adapters.audit.times import from_iso
from keeper.app.archive_reading import ArchiveReading
from keeper.app.recorded_engine import Engines, NoEngine
from keeper.app.replay.recorded import as_resolved, resolved
from keeper.app.stretch import OWN, Base, after, bases, carried_state, newest_before
from keeper.domain.record import Record, RecordKind, RecordQuery
from keeper.engine import Engine
from keeper.engine.evidence import tick_body
from keeper.engine.memento import Refusal
from keeper.engine.retelling import RESTORED, EvidenceMissing, NotTold, Retelling, Told, key_of, was_carried


class Verdict(StrEnum):
    SAME = "same"
    DIFFERS = "differs"
    CANNOT = "cannot-be-recomputed"


@dataclass(frozen=True, slots=True)
class Difference:
    """``field`` as a path, ``verdict.value``; what is not there is None."""

    field: str
    recorded: Any
    now: Any


@dataclass(slots=True)
class Line:
    """One decision, or the beginning or the end of the incident. ``recorded`` is the body of record ``seq``; None (and 0): the engine makes it now,
    and the log does not have it, then ``now`` is what it makes. ``why`` in words, where it is not the same.
    """

    seq: int
    kind: RecordKind
    recorded: Mapping[str, Any] | None
    now: Mapping[str, Any] | None = None
    verdict: Verdict = Verdict.CANNOT
    why: str = ""
    differences: list[Difference] = field(default_factory=list)

    @property
    def body(self) -> Mapping[str, Any]:
        """What there is of it."""
        return self.recorded or self.now or {}


@dataclass(slots=True)
class OtherTick:
    """A tick of the stretch whose record says something else than comes out of what was seen."""

    seq: int
    block: int
    differences: list[Difference]


@dataclass(slots=True)
class Reproduction:
    """``base`` is what was gone on from; ``ticks`` how many were decided again. ``obstacle``: why it went no further."""

    incident: str
    lines: list[Line]
    base: Base | None = None
    start: Record | None = None
    configuration: Record | None = None
    engine_from: str = ""
    ticks: int = 0
    other_ticks: list[OtherTick] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    obstacle: str = ""

    @property
    def ok(self) -> bool:
        return not self.other_ticks and all(line.verdict is Verdict.SAME for line in self.lines)


def reproduce(reading: ArchiveReading, incident: str, own: Sequence[Record], engines: Engines) -> Reproduction:
    """``own`` are the records of the incident, at least one. Raises StoreUnavailable."""
    done = Reproduction(incident, [Line(record.seq, record.kind, as_resolved(record.body)) for record in own])
    first = own[0]
    done.start = newest_before(reading.page, RecordKind.START, first.seq)
    done.configuration = newest_before(reading.page, RecordKind.CONFIGURATION, first.seq)
    if done.start is None or done.configuration is None:
        done.obstacle = (
            "the log does not say with which configuration it was decided: it begins later than the incident"
        )
        return _given_up(done)
    built = engines(done.configuration, done.start)
    if isinstance(built, NoEngine):
        done.obstacle = built.why
        return _given_up(done)
    done.engine_from = built.origin
    version = done.start.body.get("version")
    if version != __version__:
        done.remarks.append(f"decided by version {version} of the keeper; this is version {__version__}")
    if built.remark:
        done.remarks.append(built.remark)
    walk = _Walk(reading, done, built.engine, engines)
    if not walk.goes_on_from(first):
        return _given_up(done)
    walk.run(own[-1])
    return done


class _Walk:
    def __init__(self, reading: ArchiveReading, done: Reproduction, engine: Engine, engines: Engines) -> None:
        self._reading = reading
        self._done = done
        self._engine = engine
        self._engines = engines
        self._retelling = Retelling(engine, engine.initial_state())
        self._now: dict[str, Mapping[str, Any]] = {}
        self._times: set[int] = set()

    def goes_on_from(self, first: Record) -> bool:
        """Finds what the engine went on from."""
        done = self._done
        for base in bases(self._reading.page, first):
            if base.state is None:
                if not self._begins_with_its_own(base):
                    return False
                done.base = base
                return True
            if "memento" not in base.state.body:
                done.remarks.append(self._reading.why_missing(base.state) + "; an earlier state is gone on from")
                continue
            state = self._engine.load(base.state.body["memento"])
            if isinstance(state, Refusal):
                done.remarks.append(f"the state of record {base.state.seq} is not used: {state.message}")
                continue
            done.base = base
            self._retelling = Retelling(self._engine, state)
            return True
        done.obstacle = (
            "the windows of its signals began before this log: neither a state nor a start from nothing is before it"
        )
        return False

    def run(self, last: Record) -> None:
        done, last_ms = self._done, from_iso(last.at)
        assert done.base is not None, "found before"
        fresh: Record | None = None
        carried: Record | None = None
        for record in after(self._reading.page, done.base, RecordKind.CONFIGURATION):
            if record.kind is RecordKind.CONFIGURATION:
                if fresh is not None and not self._other_engine(record, fresh):
                    break
                if carried is not None and not self._goes_on_carried(record, carried):
                    break
                carried = None
                continue
            carried = record if record.kind is RecordKind.START and was_carried(record.body) else carried
            fresh = record if record.kind is RecordKind.START and not record.body.get(RESTORED) else None
            try:
                told = self._retelling.take(record)
            except EvidenceMissing as error:
                done.obstacle = self._reading.why_missing(error.record)
                break
            except NotTold as error:
                done.obstacle = str(error)
                break
            if told is not None:
                if record.seq > last.seq and told.tick.at_ms > last_ms:
                    break
                self._note(record, told)
        self._compare()

    def _begins_with_its_own(self, base: Base) -> bool:
        """A start from nothing had the configuration behind it, which another may have taken over from before the incident."""
        start = newest_before(self._reading.page, RecordKind.START, base.seq + 1)
        behind = self._reading.page(RecordQuery(kinds=(RecordKind.CONFIGURATION,), after=base.seq, limit=1))
        if start is None or not behind:
            return True
        return self._other_engine(behind[0], start)

    def _goes_on_carried(self, configuration: Record, start: Record) -> bool:
        """Another configuration took over what this one remembered, and wrote down what it went on with."""
        done = self._done
        built = self._engines(configuration, start)
        if isinstance(built, NoEngine):
            done.obstacle = built.why
            return False
        state = carried_state(self._reading.page, start)
        if state is None or "memento" not in state.body:
            done.obstacle = (
                f"the log has no state behind record {start.seq}" if state is None else self._reading.why_missing(state)
            )
            return False
        found = built.engine.load(state.body["memento"])
        if isinstance(found, Refusal):
            done.obstacle = f"the state of record {state.seq} cannot be gone on from: {found.message}"
            return False
        self._engine = built.engine
        self._retelling.go_on_with(built.engine, found)
        return True

    def _other_engine(self, configuration: Record, start: Record) -> bool:
        """The keeper was started anew with another configuration, and remembered nothing."""
        assert self._done.configuration is not None, "found before"
        if configuration.body.get("hash") == self._done.configuration.body.get("hash"):
            return True
        built = self._engines(configuration, start)
        if isinstance(built, NoEngine):
            self._done.obstacle = built.why
            return False
        self._engine = built.engine
        self._retelling = Retelling(self._engine, self._engine.initial_state())
        return True

    def _note(self, record: Record, told: Told) -> None:
        done = self._done
        done.ticks += 1
        self._times.add(told.tick.at_ms)
        for key, body in resolved(told.tick).items():
            if done.incident in (body.get("incident"), body.get("id")):
                self._now[key] = body
        if not told.same:
            again = tick_body(told.tick)
            recorded = {name: record.body.get(name) for name in again if name in record.body}
            now = {name: again[name] for name in recorded}
            done.other_ticks.append(OtherTick(record.seq, told.tick.block.number, differences(recorded, now)))

    def _compare(self) -> None:
        done = self._done
        for line in done.lines:
            line.now = self._now.pop(key_of(line.kind, line.body), None)
            if line.now is None:
                line.verdict, line.why = self._not_made(line)
            elif canonical(line.now) == canonical(line.body):
                line.verdict = Verdict.SAME
            else:
                line.verdict, line.why = Verdict.DIFFERS, "decided differently"
                line.differences = differences(line.body, line.now)
        for key, body in self._now.items():
            kind = next(kind for kind in OWN if key.startswith(f"{kind} "))
            done.lines.append(Line(0, kind, None, body, Verdict.DIFFERS, "the log has no record of it"))

    def _not_made(self, line: Line) -> tuple[Verdict, str]:
        if self._done.obstacle:
            return Verdict.CANNOT, self._done.obstacle
        if int(str(line.body["at_ms"])) not in self._times:
            return Verdict.CANNOT, "the keeper was ended before it recorded the block that this was decided at"
        return Verdict.DIFFERS, "not decided now"


def differences(recorded: Any, now: Any) -> list[Difference]:
    """Every leaf that differs, by its path."""
    return list(_differences("", recorded, now))


def _differences(path: str, recorded: Any, now: Any) -> Iterator[Difference]:
    if isinstance(recorded, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys((*recorded, *now)):
            yield from _differences(f"{path}.{key}" if path else str(key), recorded.get(key), now.get(key))
    elif isinstance(recorded, list) and isinstance(now, list) and len(recorded) == len(now):
        for place, (one, other) in enumerate(zip(recorded, now, strict=True)):
            yield from _differences(f"{path}[{_name(one, place)}]", one, other)
    elif recorded != now:
        yield Difference(path, recorded, now)


def _name(item: Any, place: int) -> str:
    """A signal, an observation or a verdict by what it is called."""
    if isinstance(item, Mapping):
        for key in ("source", "name", "rule"):
            if isinstance(item.get(key), str):
                return str(item[key])
    return str(place)


def _given_up(done: Reproduction) -> Reproduction:
    for line in done.lines:
        line.verdict, line.why = Verdict.CANNOT, done.obstacle
    return done
