"""Replicas of one keeper: who leads, who is there, and the rules of when the lead is taken and given up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

BLIND_BLOCKS: Final = 2
"""A replica that is so many blocks behind what another one sees does not see the chain well enough to lead."""


class Role(StrEnum):
    LEADER = "leader"
    STANDBY = "standby"
    STOPPED = "stopped"
    """It ended on its own will."""


class Why(StrEnum):
    """How a lead was taken."""

    FREE = "free"
    """Nobody led: the first start, or the one before stopped or gave it up."""
    EXPIRED = "expired"
    """It was not renewed in time."""
    SESSION_ENDED = "session-ended"
    """The holder's connection to the database ended, as it does when a process is killed."""


@dataclass(frozen=True, slots=True)
class Acting:
    """What a replica acts by: ``markets`` is a hash of all that decides, ``sender`` the address of its key. ``process`` is of each process alone."""

    markets: str = ""
    sender: str = ""
    process: str = ""

    def __str__(self) -> str:
        return " ".join(each or "-" for each in (self.markets, self.sender, self.process))


def acting_of(text: str) -> Acting:
    """What ``str`` of one says; of anything else its first word."""
    words = ["" if each == "-" else each for each in text.split(" ")]
    return Acting(*words[:3])


@dataclass(frozen=True, slots=True)
class Replica:
    """``fence`` 0: it does not lead. ``seen`` and ``evaluated`` are numbers of blocks (0: none yet); ``heard_ms`` is how long ago it was heard of.

    ``config`` is ``Acting`` as text.
    """

    name: str
    role: Role
    fence: int
    seen: int
    evaluated: int
    heard_ms: int
    version: str
    config: str

    def lives(self, length_ms: int) -> bool:
        """Whether it was heard of within the length of a lease, and has not said that it ends."""
        return self.role is not Role.STOPPED and self.heard_ms <= length_ms


@dataclass(frozen=True, slots=True)
class Lease:
    """The lead as the database has it. ``holder`` empty: nobody. ``since_ms`` (since 1970) and ``left_ms`` by the database's clock.

    ``before``, ``why`` and ``silent_ms`` say from whom and how it was taken, and for how long nothing had been heard of them.
    ``ended``: the holder's connection to the database has ended.
    """

    fence: int
    holder: str
    since_ms: int
    left_ms: int
    before: str
    why: Why
    silent_ms: int
    ended: bool = False


def sees_enough(seen: int, others: Iterable[Replica]) -> bool:
    """Whether who has seen block ``seen`` may lead: nobody who lives sees ``BLIND_BLOCKS`` further."""
    return all(other.seen - seen < BLIND_BLOCKS for other in others)


def must_yield(evaluated_before: int, evaluated: int, others: Iterable[Replica]) -> bool:
    """Whether a leader gives the lead up: nothing was evaluated since it last asked, and somebody who lives sees ``BLIND_BLOCKS`` further."""
    return evaluated <= evaluated_before and not sees_enough(evaluated, others)


def unlike(mine: Acting, version: str, other: Replica) -> tuple[str, ...]:
    """In what another replica differs that should be the same everywhere, in words; what one of the two has not said yet is no difference."""
    its, found = acting_of(other.config), list[str]()
    if its.markets and mine.markets and its.markets != mine.markets:
        found.append("another configuration")
    if its.markets and mine.markets and its.sender != mine.sender:
        found.append(f"another key ({its.sender or 'none'})")
    if other.version != version:
        found.append(f"another version ({other.version})")
    return tuple(found)
