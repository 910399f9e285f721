"""What lies in a Safe's queue: a transaction, who proposed it and who has confirmed it, as a service says. None of it is believed unchecked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from keeper.domain.safe import SafeTransaction


class Level(StrEnum):
    """How loudly something about a proposal is to be said."""

    ALARM = "alarm"
    """Do not sign before you know why: the service contradicts us, or whoever executes this can take the Safe over."""
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Confirmation:
    """One owner's word under a safeTxHash.

    ``signature`` as it stands in ``execTransaction``: r, s, v (v of 31 and 32 by eth_sign; 0 for a contract's, with its bytes behind; 1 for a
    hash approved on chain). ``at_ms`` is when the service heard of it, None where nobody knows.
    """

    owner: str
    signature: bytes
    at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Queued:
    """A proposal as a service tells it.

    ``claimed_hash`` is the service's word for the safeTxHash (0x and 64 digits, lower case), to be held against ``transaction.hash_text``.
    ``proposer`` is the owner in whose name it was proposed, ``delegate`` who did it for them (None: the owner). ``origin`` is the proposer's note.
    """

    transaction: SafeTransaction
    claimed_hash: str
    confirmations: tuple[Confirmation, ...] = ()
    proposer: str | None = None
    delegate: str | None = None
    origin: str = ""
    submitted_ms: int | None = None
    executed: bool = False
    executed_tx: str | None = None


@dataclass(frozen=True, slots=True)
class SafeState:
    """What the chain says of a Safe at a block. ``guard`` and ``fallback`` are ZERO_ADDRESS where there is none.

    ``modules`` can make it do anything without its owners; at most the first page of them is known.
    """

    chain_id: int
    safe: str
    version: str
    owners: tuple[str, ...]
    threshold: int
    nonce: int
    modules: tuple[str, ...]
    guard: str
    fallback: str
    block: int


@dataclass(frozen=True, slots=True)
class ServedSafe:
    """What a service says of a Safe: its own index, which may lag behind SafeState. ``nonce`` is the next one."""

    owners: tuple[str, ...]
    threshold: int
    nonce: int


@dataclass(frozen=True, slots=True)
class Delegate:
    """Who may propose in an owner's name; ``safe`` None: for every Safe of that owner."""

    delegate: str
    delegator: str
    label: str
    safe: str | None
