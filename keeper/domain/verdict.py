"""A rule's answer, with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RuleState(StrEnum):
    CLEAR = "clear"
    PENDING = "pending"
    """Beyond the threshold, not yet for long enough."""
    TRIPPED = "tripped"
    CLEARING = "clearing"
    """Tripped and back inside, not yet for long enough."""


class VerdictReason(StrEnum):
    INSIDE = "inside-threshold"
    BREACHED = "breached"
    PERSISTING = "breached-not-long-enough"
    STILL_TRIPPED = "still-tripped"
    RECOVERING = "recovering-not-long-enough"
    RECOVERED = "recovered"
    WARMING = "not-enough-data"
    NO_INPUT = "input-not-usable"
    BLIND = "input-not-usable-counts-as-breach"
    """The rule says that not being able to see is itself a breach: pending or tripped by that."""


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule says at one tick.

    ``value`` and ``threshold`` are in the signal's unit; ``headroom`` is the share of the threshold that is left before it trips
    (1 = far, 0 = at it, negative = beyond; NaN without a value); ``since_ms`` and ``since_block`` say when the state began.
    """

    market: str
    rule: str
    signal: str
    state: RuleState
    reason: VerdictReason
    value: float
    threshold: float
    headroom: float
    since_ms: int
    since_block: int
    severity: Severity
