"""What the engine of one configuration remembers, for the engine of the next: after a reload, and after a restart with a changed configuration.

The whole of it is written down right behind the configuration that goes on with it, as a state of the last tick. So a later start, a replay and an
auditor go on from there, and need not know how it was carried over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keeper.adapters.audit.evidence import pack
from keeper.config.model import Config
from keeper.domain.block import BlockStamp
from keeper.domain.evidence import KEY
from keeper.domain.record import Draft, Json, RecordKind
from keeper.engine import Engine, EngineState
from keeper.engine.carry import Carried, Meanings
from keeper.engine.retelling import CARRIED

NAMED = 50
"""So many names are recorded of what begins anew; more are counted."""


@dataclass(frozen=True, slots=True)
class Last:
    """The newest tick of a state: the block, and when it was evaluated."""

    block: str
    number: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Before:
    """What a service leaves to the one after it in the same process. ``newest`` is the block that it evaluated last.

    ``state`` None: it was cut off within a tick, and what it remembers is to be taken from the log.
    """

    config: Config
    engine: Engine
    state: EngineState | None
    last: Last | None
    newest: BlockStamp | None


def meanings(config: Config) -> Meanings:
    """What the names of a configuration stand for: sources as they are written down, actions by what they call and read."""
    document = config.public().get("sources")
    written = document if isinstance(document, Mapping) else {}
    actions = {
        (one.market, one.name): repr((one.kind, one.call, one.effect, one.adjustment, one.breaker))
        for one in config.actions
    }
    return Meanings({name: repr(one) for name, one in written.items()}, actions)


def carry(old: Engine, state: EngineState, was: Config, engine: Engine, now: Config) -> tuple[EngineState, Carried]:
    """Raises nothing: what is not the same begins anew."""
    return engine.take_over(old, state, meanings(was), meanings(now))


def said(carried: Carried, previous: str, ticks: int, at_ms: int) -> dict[str, Json]:
    """For the record of the start. ``previous`` is the hash of the configuration before, ``ticks`` how many were decided again to know it."""
    begun: list[Json] = [*carried.begun[:NAMED]]
    return {
        "from": CARRIED,
        "record": previous,
        "ticks": ticks,
        "recalled": [],
        "at_ms": str(at_ms),
        "kept": len(carried.kept),
        "begun": begun,
        "begun_count": len(carried.begun),
        "gone": len(carried.gone),
    }


def record(engine: Engine, state: EngineState, bound_to: str, last: Last) -> Draft:
    """The whole state, as of its last tick. Raises DraftRefused for one that is too large."""
    evidence = pack({"memento": engine.save(state).body()})
    body: dict[str, Json] = {"for": bound_to, "block": last.block, "number": last.number, KEY: evidence.hash}
    return Draft(RecordKind.STATE, body, last.at_ms, evidence=evidence)
