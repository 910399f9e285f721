"""Everything the engine is built from: plain values that the configuration compiles to."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.decisions.spec import NO_LIMITS, ActionPolicy, Limits
from keeper.domain.units import Unit
from keeper.engine.derivation import Derivation, How
from keeper.rules.spec import RuleSpec
from keeper.signals.spec import SignalSpec

__all__ = ["ActionPolicy", "Derivation", "EngineSpec", "How", "Limits", "MarketSpec", "SourceSpec"]


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """``max_age_ms``: an observation whose own time (else the time it was received) is longer ago at the tick is STALE; None: never.

    ``derived``: the source is not in the snapshot but made of others, which have ages of their own. ``needs``: the name of a FLAG
    source; while that is not OK and 1, this one is STALE.
    """

    name: str
    unit: Unit
    max_age_ms: int | None = None
    derived: Derivation | None = None
    needs: str | None = None


@dataclass(frozen=True, slots=True)
class MarketSpec:
    """Names are unique within their market; rules name signals of their own market only. The order of the rules is the ladder's."""

    name: str
    signals: tuple[SignalSpec, ...]
    rules: tuple[RuleSpec, ...]


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """``actions`` are the policies of all actions that rules name; each acts on the market of the rule that names it."""

    sources: tuple[SourceSpec, ...]
    markets: tuple[MarketSpec, ...]
    actions: tuple[ActionPolicy, ...]
    limits: Limits = NO_LIMITS
