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
    SUPPRESSED = "breached-but-suppressed"
    """Beyond the threshold while one of the rule's suppressors is true."""
    OFF_SCHEDULE = "off-schedule"
    """Outside of the hours in which the rule may trip."""


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule says at one tick.

    ``signal``, ``value`` and ``threshold`` are those of the condition that decides: the only one, or of a group the one that the group's
    truth hangs on. ``value`` and ``threshold`` are in the signal's unit, NaN where there is none; ``headroom`` is the share of the
    threshold that is left before it trips (1 = far, 0 = at it, negative = beyond; NaN without a value); ``since_ms`` and
    ``since_block`` say when the state began.
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
