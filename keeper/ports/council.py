"""Where the owners of a Safe leave what they sign: Safe's Transaction Service, or whatever stands in for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from keeper.domain.proposal import Delegate, Queued
from keeper.domain.safe import SafeTransaction


@dataclass(frozen=True, slots=True)
class Skipped:
    """A proposal that lies there and cannot be read; ``place`` is its safeTxHash or its place in the answer, ``why`` what is wrong with it."""

    place: str
    why: str


@dataclass(frozen=True, slots=True)
class QueuePage:
    """In the order of nonce and then of submission. What cannot be read is told, and hides nothing else.

    One entry for each claimed hash. ``whole`` False: more lies there, or may; those with the lowest nonces were read.
    """

    queued: tuple[Queued, ...]
    skipped: tuple[Skipped, ...] = ()
    whole: bool = True


class ProposalService(Protocol):
    """Trusted with nothing: what it says is told as it says it, and checked by whoever uses it.

    Every method raises Unreachable (no answer), Busy (HTTP 429 and 5xx; an Unreachable that may say when to come back), Refused (it says no,
    with its words) or MalformedAnswer (an answer that is not what the protocol says).
    """

    async def queue(self, safe: str, since_nonce: int) -> QueuePage:
        """Everything not executed whose nonce is ``since_nonce`` or higher, as far as it can be read in a few seconds."""

    async def find(self, safe_tx_hash: str) -> Queued | None:
        """The one with this hash, executed or not; None when the service does not know it."""

    async def propose(self, transaction: SafeTransaction, sender: str, signature: bytes, origin: str) -> None:
        """Leaves it there. ``sender`` is an owner, or a delegate of one; ``signature`` the sender's over the safeTxHash. Again changes nothing."""

    async def confirm(self, safe_tx_hash: str, signature: bytes) -> None:
        """Adds an owner's signature over the safeTxHash. Once more changes nothing."""

    async def withdraw(self, safe: str, safe_tx_hash: str, signature: bytes) -> None:
        """Takes a proposal back that the signer proposed; ``signature`` over the adapter's ``withdrawal_digest``, made within the hour."""


class DelegateBook(Protocol):
    """Who may propose in an owner's name. Raises as ProposalService does."""

    async def delegates(self, safe: str, owners: Sequence[str] = ()) -> Sequence[Delegate]:
        """Those of this Safe, and those that these owners have for all their Safes."""

    async def add(self, delegate: Delegate, signature: bytes) -> None:
        """``signature`` is the delegator's over the adapter's ``delegate_digest``, made within the hour."""

    async def remove(self, delegate: Delegate, signature: bytes) -> None:
        """``signature`` as for ``add``, the delegator's or the delegate's. Without a Safe all of this pair go."""
