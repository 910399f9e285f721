"""Everything the engine is built from: plain values that the configuration compiles to."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.action import ActionKind
from keeper.domain.units import Unit
from keeper.rules.spec import RuleSpec
from keeper.signals.spec import SignalSpec


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """``max_age_ms``: an observation whose own time (else the time it was received) is longer ago at the tick is STALE; None: never."""

    name: str
    unit: Unit
    max_age_ms: int | None = None


@dataclass(frozen=True, slots=True)
class MarketSpec:
    name: str
    signals: tuple[SignalSpec, ...]
    rules: tuple[RuleSpec, ...]


@dataclass(frozen=True, slots=True)
class ActionPolicy:
    """``cooldown_ms``: how long after an action worked it is not decided again on the same market; ``retry_ms``: the same after it failed."""

    name: str
    kind: ActionKind
    cooldown_ms: int
    retry_ms: int


@dataclass(frozen=True, slots=True)
class EngineSpec:
    sources: tuple[SourceSpec, ...]
    markets: tuple[MarketSpec, ...]
    actions: tuple[ActionPolicy, ...]
