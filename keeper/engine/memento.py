"""The state of an engine written down, and taken up again by another of the same spec.

Only what a tick depends on is written: caches (what a source said last, gates, what was derived) are made anew by the next tick, which gives the
same bits. What is read is checked as if somebody had put it there to do harm: names, types, shapes, and numbers that compiled code relies on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from keeper.decisions.recall import Places, problem_of
from keeper.decisions.state import DeskState
from keeper.domain.record import Json
from keeper.engine.arrays import Arrays, packed, unpack
from keeper.engine.bounds import problem_of_bank
from keeper.engine.derivation import How
from keeper.engine.derive import CHANGES
from keeper.engine.grade import FOREVER, MAX_MAGNITUDE
from keeper.engine.kernel import Kernel, Memory
from keeper.engine.plain import NotPlain, from_plain, to_plain
from keeper.engine.spec import EngineSpec
from keeper.rules.codes import CLEAR, INSIDE, REASONS, STATES, STILL_TRIPPED, TRIPPED
from keeper.rules.persistence import STREAK
from keeper.signals.bank import NEVER, arrays_of

VERSION = "3"
"""Of what is written. To be raised when a statistic, a rule or the desk comes to mean something else by the same numbers."""

Changes = dict[str, list[tuple[Decimal, int]]]


class RefusalReason(StrEnum):
    OTHER_VERSION = "other-version"
    """Written by a version that means something else by it."""
    OTHER_SPEC = "other-spec"
    """Sources, markets, rules or actions are others."""
    MALFORMED = "malformed"
    """Not what an engine of this spec can have written."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a state was not taken up."""

    reason: RefusalReason
    message: str


@dataclass(frozen=True, slots=True)
class Memento:
    """What was remembered at one moment, independent of the engine, which goes on.

    ``changes`` are those of sources that may be stuck (``DeriveState``), ``missing_since_ms`` since when a source is not in the snapshot.
    """

    spec: str
    at_ms: int
    memory: Arrays
    desk: Json
    changes: Changes
    missing_since_ms: dict[str, int]

    def body(self) -> dict[str, Json]:
        """As JSON. Takes the longer the more is remembered (50 MB/s), and may be done in another thread."""
        return {
            "version": VERSION,
            "spec": self.spec,
            "at_ms": str(self.at_ms),
            "memory": packed(self.memory),
            "desk": self.desk,
            "changes": to_plain(self.changes, Changes),
            "missing_since_ms": to_plain(self.missing_since_ms, dict[str, int]),
        }


@dataclass(frozen=True, slots=True)
class Remembered:
    """What was read, checked."""

    at_ms: int
    memory: Memory
    desk: DeskState
    changes: Changes
    missing_since_ms: dict[str, int]


def memory_arrays(memory: Memory) -> Arrays:
    """All of them, with their names."""
    found = [one for place, bank in enumerate(memory.banks) for one in arrays_of(bank, f"banks.{place}")]
    return [*found, *arrays_of(memory.rules, "rules")]


def desk_plain(desk: DeskState) -> Json:
    """What deciding remembers. Raises TypeError for a field without a plain form."""
    return to_plain(desk, DeskState)


def read(
    body: Mapping[str, Any], *, spec: EngineSpec, fingerprint: str, kernel: Kernel, desk: DeskState, places: Places
) -> Remembered | Refusal:
    """What was remembered, for an engine of this spec; ``desk`` is one that remembers nothing. Raises nothing that depends on ``body``."""
    if body.get("version") != VERSION:
        return Refusal(RefusalReason.OTHER_VERSION, "it was written by another version")
    if body.get("spec") != fingerprint:
        return Refusal(RefusalReason.OTHER_SPEC, "sources, markets, rules or actions were others")
    try:
        return _read(body, spec, kernel, desk, places)
    except (NotPlain, RecursionError) as error:
        return Refusal(RefusalReason.MALFORMED, str(error) or "nested too deep")


def _read(body: Mapping[str, Any], spec: EngineSpec, kernel: Kernel, fresh: DeskState, places: Places) -> Remembered:
    at_ms = from_plain(body.get("at_ms"), int, "at_ms")
    _demand(NEVER <= at_ms <= FOREVER, "at_ms: no time")
    memory = kernel.fresh()
    unpack(body.get("memory"), memory_arrays(memory))
    for place, (bank, own) in enumerate(zip(kernel.wiring.banks, memory.banks, strict=True)):
        if (problem := problem_of_bank(bank.params, own, f"memory.banks.{place}")) is not None:
            raise NotPlain(problem)
    _check_rules(memory, kernel)
    desk: DeskState = from_plain(body.get("desk"), DeskState, "desk")
    if (problem := problem_of(desk, fresh, places)) is not None:
        raise NotPlain(f"desk: {problem}")
    changes: Changes = from_plain(body.get("changes"), Changes, "changes")
    stuck = {one.name for one in spec.sources if one.derived is not None and one.derived.how is How.UNCHANGED}
    _demand(set(changes) <= stuck, "changes: of a source that is not there")
    for known in changes.values():
        _demand(len(known) <= CHANGES, "changes: too many")
        _demand(all(abs(value.adjusted()) <= MAX_MAGNITUDE for value, _ in known if value), "changes: no value")
    missing: dict[str, int] = from_plain(body.get("missing_since_ms"), dict[str, int], "missing_since_ms")
    plain = {one.name for one in spec.sources if one.derived is None}
    _demand(set(missing) <= plain, "missing_since_ms: of a source that is not there")
    return Remembered(at_ms, memory, desk, changes, missing)


def _check_rules(memory: Memory, kernel: Kernel) -> None:
    rules = memory.rules
    members = [len(row.rule.when.members) for row in kernel.wiring.rules]
    _demand(bool(((rules.state >= 0) & (rules.state < len(STATES))).all()), "memory.rules.state: no such state")
    _demand(bool(((rules.reason >= 0) & (rules.reason < len(REASONS))).all()), "memory.rules.reason: no such reason")
    # the short way takes a rule that says so for a clear or tripped one, without a look at its state
    _demand(bool((rules.state[rules.reason == INSIDE] == CLEAR).all()), "memory.rules.reason: not of this state")
    _demand(
        bool((rules.state[rules.reason == STILL_TRIPPED] == TRIPPED).all()), "memory.rules.reason: not of this state"
    )
    _demand(
        all(0 <= one < count for one, count in zip(rules.member.tolist(), members, strict=True)),
        "memory.rules.member: no such condition",
    )
    times = [rules.since_ms, rules.since_block]
    for streak in (rules.trip, rules.clear):
        times += [streak[name] for name in STREAK.names or () if name != "run"]
        _demand(bool((streak["run"] >= 0).all()), "memory.rules: a persistence of less than nothing")
    _demand(all(bool(((one >= NEVER) & (one <= FOREVER)).all()) for one in times), "memory.rules: no time")


def _demand(well: bool, message: str) -> None:
    if not well:
        raise NotPlain(message)
