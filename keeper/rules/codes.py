"""What rules say and remember, as numbers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
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


AT_ONCE = 256
"""Codes that are looked at together."""


@njit(cache=True, error_model="numpy")
def all_are(codes: Bytes, code: int) -> bool:
    """Whether all of them are this one."""
    odd = np.int8(0)
    for tick in range(len(codes)):
        odd = np.int8(odd | (codes[tick] ^ np.int8(code)))
    return bool(odd == 0)


@njit(cache=True, nogil=True, error_model="numpy")
def reasons_seen(reasons: Bytes) -> Ints:
    """The reasons (rules x ticks) that each rule has at any tick, as a set of bits."""
    found = np.zeros(len(reasons), dtype=np.int64)
    for rule in range(len(reasons)):
        for begin in range(0, reasons.shape[1], AT_ONCE):
            part = reasons[rule, begin : begin + AT_ONCE]
            found[rule] |= 1 << part[0]
            if not all_are(part, part[0]):
                for tick in range(len(part)):
                    found[rule] |= 1 << part[tick]
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def turns_of(states: Bytes, up: bool) -> Ints:
    """The ticks at which a rule trips or is clear again, one after the other; ``up``: it is tripped before the first."""
    found, count, was = np.empty(AT_ONCE, dtype=np.int64), 0, up
    for begin in range(0, len(states), AT_ONCE):
        part = states[begin : begin + AT_ONCE]
        if all_are(part, TRIPPED if was else CLEAR):
            continue
        if count + len(part) > len(found):
            found = np.concatenate((found, np.empty_like(found)))
        for tick in range(len(part)):
            if (part[tick] >= TRIPPED) != was:
                was = not was
                found[count] = begin + tick
                count += 1
    return found[:count]
