"""What a keeper recorded, decided again: the same engine on the same snapshots, and whether it resolves the same.

A keeper that started again had forgotten, or took up, what its record says at that start; the replay does the same there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from keeper.adapters.audit.reading import page_sync
from keeper.app.archive_reading import ArchiveReading
from keeper.app.stretch import carried_state, pages
from keeper.domain.errors import StoreUnavailable
from keeper.domain.record import Record, RecordKind, RecordQuery
from keeper.domain.verdict import RuleState
from keeper.engine import Engine, EngineState, Tick
from keeper.engine.evidence import decision_body, incident_body
from keeper.engine.history import MarketRun, Trip
from keeper.engine.retelling import KINDS, EvidenceMissing, NotTold, Retelling, Told, key_of, was_carried

PAGE = 500
"""Ticks are large."""
WANTED = (*KINDS, RecordKind.CONFIGURATION)
UP = frozenset({RuleState.TRIPPED, RuleState.CLEARING})
ADDED = ("config_hash", "testimony", "disputed_block", "resolved", "not_done", "without_log")
"""What the record of a decision holds besides what the engine resolved."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A decision or an incident that is another one now. ``recorded`` or ``now`` None: there is none."""

    id: str
    recorded: Mapping[str, Any] | None
    now: Mapping[str, Any] | None


@dataclass(slots=True)
class Rerun:
    """``configurations`` are the hashes under which the ticks were recorded; ``resolved`` counts decisions and incidents.

    ``without_tick`` of them cannot be decided again: the keeper was killed before it could record what they were decided from.
    """

    runs: tuple[MarketRun, ...]
    configurations: set[str] = field(default_factory=set)
    ticks: int = 0
    resolved: int = 0
    without_tick: int = 0
    differences: list[Difference] = field(default_factory=list)
    first_ms: int = 0
    last_ms: int = 0


def rerun(engine: Engine, url: str, markets: tuple[str, ...], archive: Path | None = None) -> Rerun:
    """Every recorded tick through the engine; ``archive`` is the folder with evidence that the database has no more.

    Raises what reading the log raises, and StoreUnavailable for a record that is no tick, or whose evidence is not at hand.
    """
    reading = ArchiveReading(partial(page_sync, url), archive)
    done = Rerun(tuple(MarketRun(name) for name in markets))
    runs = {run.market: run for run in done.runs}
    retelling = Retelling(engine, engine.initial_state())
    now: dict[str, Mapping[str, Any]] = {}
    then: dict[str, Mapping[str, Any]] = {}
    trips: dict[tuple[str, str], Trip] = {}
    for record in pages(reading.page, RecordQuery(kinds=WANTED), PAGE):
        if record.kind is RecordKind.CONFIGURATION:
            done.configurations.add(str(record.body.get("hash")))
            continue
        told = _take(reading, retelling, record)
        _go_on_carried(reading, engine, retelling, record)
        if told is not None:
            now |= resolved(told.tick)
            _note(done, runs, trips, told.tick)
        elif record.kind is not RecordKind.START:
            then[key_of(record.kind, record.body)] = as_resolved(record.body)
    done.without_tick = len(retelling.recalled)
    for key in retelling.recalled:
        del then[key]
    for (market, _), trip in trips.items():
        runs[market].trips.append(trip)
    for run in done.runs:
        run.trips.sort(key=lambda trip: trip.at_ms)
    done.resolved = len(then)
    for key in dict.fromkeys((*then, *now)):
        if then.get(key) != now.get(key):
            done.differences.append(Difference(key, then.get(key), now.get(key)))
    return done


def _go_on_carried(reading: ArchiveReading, engine: Engine, retelling: Retelling, start: Record) -> None:
    """At a start that carried a state over: where the configuration that took over there is the one that is replayed, it goes on with what it
    was given. Any other goes on as it is.
    """
    if start.kind is not RecordKind.START or not was_carried(start.body):
        return
    state = carried_state(reading.page, start)
    found = engine.load(state.body.get("memento")) if state is not None else None
    if isinstance(found, EngineState):
        retelling.go_on_with(engine, found)


def _take(reading: ArchiveReading, retelling: Retelling, record: Record) -> Told | None:
    try:
        return retelling.take(record)
    except EvidenceMissing as error:
        raise StoreUnavailable(reading.why_missing(error.record)) from None
    except NotTold as error:
        raise StoreUnavailable(str(error), remedy="run: keeper audit CONFIG verify") from None


def resolved(tick: Tick) -> dict[str, Mapping[str, Any]]:
    """What a tick brings about, by ``key_of``."""
    found: dict[str, Mapping[str, Any]] = {}
    for decision in map(decision_body, tick.decisions):
        found[key_of(RecordKind.DECISION, decision)] = decision
    for incident in map(incident_body, tick.incidents):
        found[key_of(RecordKind.INCIDENT, incident)] = incident
    return found


def as_resolved(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the engine said, before endpoints were asked about it."""
    return {key: value for key, value in body.items() if key not in ADDED} | dict(body.get("resolved") or {})


def _note(done: Rerun, runs: Mapping[str, MarketRun], trips: dict[tuple[str, str], Trip], tick: Tick) -> None:
    done.first_ms = done.first_ms or tick.at_ms
    done.last_ms = tick.at_ms
    done.ticks += 1
    for run in runs.values():
        run.ticks += 1
    for verdict in tick.verdicts:
        key = verdict.market, verdict.rule
        if verdict.state in UP and key not in trips:
            trips[key] = Trip(verdict.rule, tick.at_ms, verdict.signal, verdict.value, verdict.threshold)
        elif verdict.state not in UP and key in trips:
            one = trips.pop(key)
            cleared = Trip(one.rule, one.at_ms, one.signal, one.observed, one.threshold, tick.at_ms)
            runs[verdict.market].trips.append(cleared)
    for decision in tick.decisions:
        if decision.kind == "hold":
            runs[decision.market].held[str(decision.reason)] += 1
