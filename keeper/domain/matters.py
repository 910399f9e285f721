"""What notices are about, and how a receiver wants to be told of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from keeper.domain.verdict import Severity


class About(StrEnum):
    """The words that a receiver chooses by."""

    INCIDENTS = "incidents"
    """Markets: rules that trip, clear or cannot see, and breakers that turn."""
    ACTIONS = "actions"
    """What the keeper does about it, and what becomes of that."""
    FAULTS = "faults"
    """Parts of the keeper, nodes and sources that are down or came back."""
    COUNCIL = "council"
    """What waits for the owners of a Safe, and what they did."""
    DIGEST = "digest"
    """Regular reports."""


ABOUT: Final = {
    "alert": About.INCIDENTS,
    "blind": About.INCIDENTS,
    "breaker": About.INCIDENTS,
    "breaker-own": About.ACTIONS,
    "breaker-stranger": About.ACTIONS,
    "breaker-term": About.ACTIONS,
    "breaker-turn": About.ACTIONS,
    "budget": About.ACTIONS,
    "builders": About.ACTIONS,
    "comparison": About.DIGEST,
    "digest": About.DIGEST,
    "executed": About.COUNCIL,
    "expiry": About.ACTIONS,
    "fallback": About.ACTIONS,
    "fault": About.FAULTS,
    "former": About.COUNCIL,
    "gap": About.FAULTS,
    "held": About.ACTIONS,
    "incident": About.INCIDENTS,
    "moot": About.COUNCIL,
    "no-log": About.ACTIONS,
    "outcome": About.ACTIONS,
    "proposal": About.COUNCIL,
    "quorum": About.ACTIONS,
    "refused": About.ACTIONS,
    "replicas": About.FAULTS,
    "reorg": About.FAULTS,
    "waits": About.ACTIONS,
    "witness": About.FAULTS,
}
"""By the first part of a notice's key."""

EVERYBODY: Final = ("test", "watch")
"""Told whatever a receiver is about: that it can be reached, and that the keeper is dead. So is a key that nobody knows."""

LASTING: Final = ("fault", "incident")
"""Matters that end by themselves, and are said to have ended."""

RANK: Final = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}


def about_of(key: str) -> About | None:
    """None for a key of no known kind."""
    return ABOUT.get(key.partition("/")[0])


def is_lasting(key: str) -> bool:
    """Whether the matter of this key has an end that is told."""
    return key.partition("/")[0] in LASTING


@dataclass(frozen=True, slots=True)
class Escalation:
    """A critical matter that is neither over nor acknowledged is told ``after_ms``, and then every ``every_ms``, ``times`` times more."""

    after_ms: int = 0
    every_ms: int = 900_000
    times: int = 4


@dataclass(frozen=True, slots=True)
class Policy:
    """How one receiver is told. ``name`` empty: a name by its place in the list. ``about`` empty: everything.

    What comes within ``group_ms`` becomes one message; the same words are not told again within ``repeat_ms`` (0: always).
    """

    name: str = ""
    min_severity: Severity = Severity.INFO
    about: frozenset[About] = frozenset()
    group_ms: int = 0
    repeat_ms: int = 0
    escalate: Escalation | None = None

    def wants(self, key: str, severity: Severity) -> bool:
        """Whether this receiver is to hear of such a matter at all."""
        about = about_of(key)
        return RANK[severity] >= RANK[self.min_severity] and (not self.about or about is None or about in self.about)
