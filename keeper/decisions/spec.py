"""What is configured about deciding."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.action import ActionKind


@dataclass(frozen=True, slots=True)
class ActionPolicy:
    """``cooldown_ms``: how long after an action worked it is not decided again on the same market; ``retry_ms``: the same after it failed."""

    name: str
    kind: ActionKind
    cooldown_ms: int
    retry_ms: int
