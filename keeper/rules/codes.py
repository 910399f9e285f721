"""What rules say and remember, as numbers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from keeper.domain.verdict import RuleState, VerdictReason
from keeper.signals.bank import Bytes, Floats, Ints

CLEAR, PENDING, TRIPPED, CLEARING = range(4)
STATES = (RuleState.CLEAR, RuleState.PENDING, RuleState.TRIPPED, RuleState.CLEARING)
"""The state of each code; codes from TRIPPED on are tripped."""

REASONS = tuple(VerdictReason)
"""The reason of each code."""
INSIDE = REASONS.index(VerdictReason.INSIDE)
BREACHED = REASONS.index(VerdictReason.BREACHED)
PERSISTING = REASONS.index(VerdictReason.PERSISTING)
STILL_TRIPPED = REASONS.index(VerdictReason.STILL_TRIPPED)
RECOVERING = REASONS.index(VerdictReason.RECOVERING)
RECOVERED = REASONS.index(VerdictReason.RECOVERED)
NOT_ENOUGH_DATA = REASONS.index(VerdictReason.WARMING)
NOT_USABLE = REASONS.index(VerdictReason.NO_INPUT)
NOT_USABLE_BREACH = REASONS.index(VerdictReason.BLIND)
SUPPRESSED = REASONS.index(VerdictReason.SUPPRESSED)
OFF_SCHEDULE = REASONS.index(VerdictReason.OFF_SCHEDULE)


class Said(NamedTuple):
    """What the verdicts say, per rule; ``member`` is the position of the deciding one in ``when``."""

    state: Bytes
    reason: Bytes
    member: Ints
    value: Floats
    threshold: Floats
    headroom: Floats
    since_ms: Ints
    since_block: Ints


class State(NamedTuple):
    """Per rule: the columns of ``Said``, and what has gathered of its persistences (``trip`` and ``clear``, STREAK)."""

    state: Bytes
    reason: Bytes
    member: Ints
    value: Floats
    threshold: Floats
    headroom: Floats
    since_ms: Ints
    since_block: Ints
    trip: NDArray[np.void]
    clear: NDArray[np.void]


class Codes(NamedTuple):
    """``state`` and ``reason`` (rules x ticks) of every rule at every tick of a board."""

    state: Bytes
    reason: Bytes


def blank(rules: int, ticks: int) -> Codes:
    """Room for the codes of so many ticks."""
    return Codes(np.zeros((rules, ticks), dtype=np.int8), np.zeros((rules, ticks), dtype=np.int8))
