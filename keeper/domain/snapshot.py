"""Everything one tick is decided from. Whatever is not in here cannot influence a decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from keeper.domain.block import BlockStamp
from keeper.domain.intervention import Intervention
from keeper.domain.observation import Observation
from keeper.domain.outcome import OutcomeKind


@dataclass(frozen=True, slots=True)
class ActionOutcome:
    """What became of an action since the last tick: how the engine learns of it."""

    market: str
    action: str
    kind: OutcomeKind
    reason: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One tick's input.

    ``at_ms`` is the keeper's time of the tick (milliseconds UTC, never before the previous tick's), ``observations``
    maps the names of the sources to their latest observation, ``outcomes`` are what actions came to since the last tick.
    ``disputed_ms`` are pairs of times (after, through): what was read from the chain at earlier ticks after the one and up to the other turned out
    since the last tick to be one node's word alone. ``interventions`` are what people did to what the keeper may do, since the last tick, in order.
    """

    block: BlockStamp
    at_ms: int
    observations: Mapping[str, Observation]
    outcomes: tuple[ActionOutcome, ...] = field(default=())
    disputed_ms: tuple[tuple[int, int], ...] = ()
    interventions: tuple[Intervention, ...] = ()
