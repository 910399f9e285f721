"""What happens in a run with replicas: all of it follows from the seed, but for who leads when it happens."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

LEASE_S = 2.0
BLOCK_S = 1.0
MOST_BETWEEN_TRIPS = 4
"""Blocks."""


class Kind(StrEnum):
    KILL = "kill -9"
    STOP = "SIGSTOP"
    """And SIGCONT when it is over."""
    NODE = "node cut"
    """Nothing passes between the keeper and its node, and neither hears of it."""
    DATABASE = "database cut"
    """The same between the keeper and the database."""
    ALL = "machine cut"
    """Both."""
    NODE_LOST = "node lost"
    """The connections to the node break, and new ones are refused."""
    DATABASE_LOST = "database lost"
    RESTART = "database restart"
    """Of the server, for everybody."""


class Whom(StrEnum):
    LEADER = "leader"
    STANDBY = "standby"


class Way(StrEnum):
    """Which direction of a cut way is stopped, as the keeper sees it."""

    BOTH = "both ways"
    OUT = "out"
    IN = "in"


CUTS = frozenset({Kind.NODE, Kind.DATABASE, Kind.ALL})
LOSSES = frozenset({Kind.NODE_LOST, Kind.DATABASE_LOST})


@dataclass(frozen=True, slots=True)
class Fault:
    """``at_s`` counts from the block of the first trip, ``length_s`` from there: until it is healed, or the killed one started again.

    ``length_s`` None: it stays dead. ``gently``: the server of the database lets what runs come to its end.
    """

    kind: Kind
    whom: Whom
    at_s: float
    length_s: float | None
    way: Way = Way.BOTH
    gently: bool = False

    def __str__(self) -> str:
        whom = "" if self.kind is Kind.RESTART else f" of the {self.whom}"
        way = f", {self.way}" if self.kind in CUTS else ""
        length = "for good" if self.length_s is None else f"for {self.length_s:.2f} s"
        return f"{self.kind}{whom}{way} at {self.at_s:+.3f} s {length}"


@dataclass(frozen=True, slots=True)
class Scenario:
    """``second_after``: so many blocks after the first market's trip the second one's comes."""

    seed: int
    faults: tuple[Fault, ...]
    second_after: int

    def __str__(self) -> str:
        return f"seed {self.seed}: {'; '.join(map(str, self.faults))}; second trip {self.second_after} blocks later"


def draw(seed: int) -> Scenario:
    """Seeds that follow each other go through all kinds and, for each kind, whom it hits; a third of the runs has a second fault."""
    lots = random.Random(seed)
    kinds, whom = tuple(Kind), (Whom.LEADER, Whom.LEADER, Whom.STANDBY)
    faults = [_fault(lots, kinds[seed % len(kinds)], whom[seed // len(kinds) % len(whom)], _moment(lots))]
    if lots.random() < 1 / 3:
        later = faults[0].at_s + lots.uniform(0.01, 2 * LEASE_S)
        faults.append(_fault(lots, lots.choice(kinds), lots.choice(whom), later))
    if sum(fault.kind is Kind.KILL for fault in faults) > 1:
        faults = [_started_again(lots, fault) for fault in faults]  # somebody must be left
    return Scenario(seed, tuple(faults), lots.randint(1, MOST_BETWEEN_TRIPS))


def _moment(lots: random.Random) -> float:
    """Most of what an action is made of happens within 100 ms of its block."""
    return lots.choice((lots.uniform(-1, 0), lots.uniform(0, 0.1), lots.uniform(0, 0.1), lots.uniform(0.1, 2)))


def _fault(lots: random.Random, kind: Kind, whom: Whom, at_s: float) -> Fault:
    length_s: float | None = lots.choice((lots.uniform(0.1, LEASE_S), lots.uniform(LEASE_S, 2.5 * LEASE_S)))
    if kind is Kind.KILL and lots.random() < 0.5:
        length_s = None
    if kind is Kind.RESTART:
        length_s = lots.uniform(0, LEASE_S)
    return Fault(kind, whom, at_s, length_s, lots.choice(tuple(Way)), gently=lots.random() < 0.5)


def _started_again(lots: random.Random, fault: Fault) -> Fault:
    if fault.kind is not Kind.KILL or fault.length_s is not None:
        return fault
    return Fault(fault.kind, fault.whom, fault.at_s, lots.uniform(0.1, LEASE_S))
