"""What the keeper resolved to do, or not to do, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from keeper.domain.observation import Observation
from keeper.domain.signal import SignalValue
from keeper.domain.verdict import Verdict

ALERT: Final = "alert"
"""The action that needs no contract: people are told."""


class DecisionKind(StrEnum):
    ACT = "act"
    ALERT = "alert"
    """A rule tripped, and people are told, once in an incident."""
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
    TAKEN_BACK = "taken-back"
    """It worked in this incident, and somebody undid it: the keeper does not argue."""
    STRONGER = "stronger-in-effect"
    """In this incident something further up the ladder is in effect."""
    NO_RULE_QUORUM = "no-rule-quorum"
    """Fewer rules of the market ask for it than the action needs."""
    BUDGET = "budget"
    """As many actions as the limits allow have been decided in the last 24 hours."""
    LOCKED = "locked"
    """People took back what was done; the market is theirs until the lock is over or an operator arms it."""
    LIFTED = "lifted"
    """The council lifted what was done in this incident."""
    SWITCHED_OFF = "switched-off"
    NO_INPUT = "input-not-usable"
    NO_INPUT_ALERT = "input-not-usable-alert"
    """The same, and the rule asks that people are told, with its severity."""
    WARMING = "not-enough-data"
    NO_QUORUM = "no-quorum"
    """Too few nodes say the same as the one in use."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision about one action on one market.

    ``id`` is unique and reproducible: incident, action and block. ``action`` is empty for a hold, ``alert`` for an alert.
    ``evidence`` is everything it was derived from: the verdict, the signal and the observations, as they were in the snapshot.
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


@dataclass(frozen=True, slots=True)
class BreakerEvent:
    """A market's breaker went from ``before`` to ``after`` by ``trigger``, by something else than the beginning or the end of an incident.

    ``reason`` is the words of whoever did it; ``until_ms`` is when a lock ends by itself, else 0.
    """

    market: str
    before: str
    after: str
    trigger: str
    reason: str
    incident: str
    at_ms: int
    block: int
    until_ms: int = 0


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
