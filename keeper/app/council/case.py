"""One proposal that is followed, and what is known when it is looked at."""

from __future__ import annotations

from dataclasses import dataclass, field

from keeper.app.council.ledger import Proposed
from keeper.domain.block import BlockStamp
from keeper.domain.proposal import Confirmation, SafeState
from keeper.execution.work import Work
from keeper.ports.council import QueuePage


@dataclass(slots=True)
class Case:
    """``work`` is the intent that the proposal is for; None for what people proposed. ``evidence`` is the hash of the decision's record.

    ``counting`` are the signatures that count, as last seen. ``missing_since_ms`` is when the service was first found not to have it (monotonic).
    """

    work: Work | None
    proposed: Proposed | None = None
    evidence: str | None = None
    counting: tuple[Confirmation, ...] = ()
    alarm: str = ""
    """How what the service says of it contradicts what we compute; empty: it does not."""
    missing_since_ms: float | None = None
    trouble: str = ""
    unexplained_at: int | None = None
    """The block at which its nonce was used, and the nodes did not say by what."""
    gap_at: int | None = None
    """The block at which nothing had a nonce before its own."""
    forwarded: set[str] = field(default_factory=set)
    """Owners whose signatures the service was given from the proposal's file."""
    asked: bool = False
    """Owners were asked to sign, by this run or an earlier one."""
    deadline_ms: float = 0.0
    """Before this (monotonic) its time is not over, whatever the machine's clock says: it may have been set forward."""
    former_told: bool = False
    """People were told of signatures that are older than the proposal."""
    over: bool = False
    """The incident that it was made for has ended."""

    @property
    def signers(self) -> tuple[str, ...]:
        return tuple(one.owner for one in self.counting)


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known at one head. ``page`` None: the service did not answer, or there is none."""

    block: BlockStamp
    state: SafeState
    page: QueuePage | None
