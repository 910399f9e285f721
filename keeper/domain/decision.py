"""What the keeper resolved to do, or not to do, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from keeper.domain.observation import Observation
from keeper.domain.signal import SignalValue
from keeper.domain.verdict import Verdict


class DecisionKind(StrEnum):
    ACT = "act"
    HOLD = "hold"
    """A rule could not be judged: its inputs are not usable."""
    DECLINED = "declined"
    """A rule tripped, and something forbids the action."""


class DecisionReason(StrEnum):
    TRIPPED = "tripped"
    RETRY = "retry-after-failure"
    COOLDOWN = "cooldown"
    IN_EFFECT = "already-done"
    IN_FLIGHT = "already-in-flight"
    NO_INPUT = "input-not-usable"
    NO_INPUT_ALERT = "input-not-usable-alert"
    """The same, and the rule asks that people are told, with its severity."""
    WARMING = "not-enough-data"
    NO_QUORUM = "no-quorum"
    """Too few nodes say the same as the one in use."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision about one action on one market.

    ``id`` is unique and reproducible: incident, action and block. ``action`` is empty for a hold. ``evidence`` is everything it was
    derived from: the verdict, the signal and the observations, as they were in the snapshot.
    """

    id: str
    kind: DecisionKind
    reason: DecisionReason
    market: str
    action: str
    incident: str
    verdict: Verdict
    signals: tuple[SignalValue, ...]
    observations: tuple[Observation, ...]
    at_ms: int
    block: int


class IncidentPhase(StrEnum):
    OPENED = "opened"
    CLOSED = "closed"
    """Every rule of the market is clear again. What was paused stays paused until the council lifts it."""


@dataclass(frozen=True, slots=True)
class IncidentEvent:
    """An incident of one market begins or ends; ``verdict`` is the one that made it so."""

    id: str
    market: str
    phase: IncidentPhase
    verdict: Verdict
    at_ms: int
    block: int
