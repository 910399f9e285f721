"""Whether an armed action would work right now, as the last probe found it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ReadinessState(StrEnum):
    """Only READY and SHARED may be shown as armed."""

    UNKNOWN = "unknown"
    """Not probed yet, or the node does not answer."""
    READY = "ready"
    """Simulated from the key that sends it, at the newest block: it would go through, and the key can pay for it."""
    SHARED = "shared"
    """It would go through once enough keepers, or enough owners of a Safe, have signed."""
    IN_EFFECT = "in-effect"
    """Nothing is left to do: the protocol is as the action would leave it."""
    RESTING = "resting"
    """The breaker rests, as the council has registered it; the action works again by itself."""
    HELD_BACK = "held-back"
    """The call would go through, and this keeper would not send it: switched off, locked, lifted by the council, or in shadow (``reason``)."""
    NOT_READY = "not-ready"
    """It would not work; ``reason`` and ``remedy`` say why and what to do."""


@dataclass(frozen=True, slots=True)
class ActionReadiness:
    """Of one action on one market. ``reason`` is a short code (``not-authorised``), ``block`` the block at which it was probed (None: never)."""

    market: str
    action: str
    state: ReadinessState
    reason: str = ""
    message: str = ""
    remedy: str = ""
    block: int | None = None

    @property
    def is_armed(self) -> bool:
        """It may be shown as armed."""
        return self.state in (ReadinessState.READY, ReadinessState.SHARED)
