"""What is configured about deciding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from keeper.domain.action import ActionKind

PAUSES: Final = frozenset({ActionKind.PAUSE, ActionKind.PAUSE_ALL})


@dataclass(frozen=True, slots=True)
class ActionPolicy:
    """``cooldown_ms``: how long after an action worked it is not decided again on the same market; ``retry_ms``: the same after it failed.

    ``needs_rules``: at least so many rules of the market must ask for it at one tick.
    """

    name: str
    kind: ActionKind
    cooldown_ms: int
    retry_ms: int
    needs_rules: int = 1


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds all actions together; None: no bound.

    ``actions_per_day`` counts over all markets, ``actions_per_market_per_day`` on each, both over the last 24 hours. ``exempt``: actions of these
    kinds that a critical rule asks for are counted and never held by a budget. ``lock_ms``: how long a market is locked after people took back
    what was done.
    """

    actions_per_day: int | None = None
    actions_per_market_per_day: int | None = None
    exempt: frozenset[ActionKind] = PAUSES
    lock_ms: int | None = None


NO_LIMITS: Final = Limits()
