"""What happens between the keeper and its nodes, as values: for records, faults and counters."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from keeper.domain.testimony import Difference


class DownReason(StrEnum):
    LOST = "connection-lost"
    WRONG_CHAIN = "wrong-chain"
    NO_ANSWER = "requests-fail"
    """The connection stands, but requests time out or are refused again and again."""
    LAGGING = "lagging"
    """Its newest block stays behind what the others have."""
    UNKNOWN_BLOCKS = "unknown-blocks"
    """It announces blocks that neither it can show nor any other node knows."""
    OUTVOTED = "outvoted"
    """Two others or more say the same, and it says something else."""


class SwitchReason(StrEnum):
    DOWN = "down"
    LAGGING = "lagging"
    RETURNED = "better-one-is-well-again"


@dataclass(frozen=True, slots=True)
class EndpointDown:
    """``endpoint`` is its short name (``primary-1``); ``message`` holds the redacted address where there is one."""

    endpoint: str
    reason: DownReason
    message: str


@dataclass(frozen=True, slots=True)
class EndpointUp:
    endpoint: str
    message: str


@dataclass(frozen=True, slots=True)
class FailedOver:
    """Heads and reads come from ``to`` from now on."""

    origin: str
    to: str
    reason: SwitchReason


@dataclass(frozen=True, slots=True)
class Reorg:
    """The chain took another branch.

    ``depth`` counts the blocks that were given out and are no longer part of the chain; ``ancestor`` is the number of the last common block.
    None: it was not found, and ``depth`` is the least it can be. ``old_hash`` and ``new_hash`` are the two newest blocks.
    """

    depth: int
    ancestor: int | None
    old_hash: str
    new_hash: str
    old_number: int
    new_number: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Blocks ``first`` to ``last`` were missed and will not be evaluated; ``reason`` says why they could not be fetched."""

    first: int
    last: int
    reason: str

    @property
    def count(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Skipped:
    """Blocks ``first`` to ``last`` were announced and passed over, because a newer one was there before their turn came."""

    first: int
    last: int

    @property
    def count(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Backfilled:
    """Blocks ``first`` to ``last`` were missed, fetched afterwards, and are given out late, in order."""

    first: int
    last: int

    @property
    def count(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A verify endpoint gives another answer than the one in use.

    ``agreeing`` counts who says what the one in use says, that one included; ``alike`` who says what this endpoint says, this one included.
    Where neither is two or more, who of them is wrong is not known.
    """

    endpoint: str
    block: int
    differences: tuple[Difference, ...]
    in_use: str = "the endpoint in use"
    agreeing: int = 1
    alike: int = 1


@dataclass(frozen=True, slots=True)
class Agreement:
    """A verify endpoint that disagreed gives the same answers again."""

    endpoint: str
    block: int


ChainEvent = EndpointDown | EndpointUp | FailedOver | Reorg | Gap | Skipped | Backfilled | Disagreement | Agreement
