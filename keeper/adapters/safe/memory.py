"""A Transaction Service in memory that forgets: for tests and rehearsals. It answers and refuses as the real one does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from keeper.adapters.safe.origin import check_proposal
from keeper.domain.council_words import Delegation, Withdrawal, hash_bytes, hour_of
from keeper.domain.errors import OutsideError, Refused, UnitError
from keeper.domain.proposal import Confirmation, Delegate, Queued
from keeper.domain.safe import SafeTransaction
from keeper.domain.safe_signatures import recover_owner
from keeper.ports.clock import Clock
from keeper.ports.council import QueuePage

INVALID = 422
"""HTTP status for a proposal that is not taken."""
BAD = 400
"""HTTP status for a confirmation, a delegate or a withdrawal that is not taken."""
UNKNOWN = 404


@dataclass(slots=True)
class KnownSafe:
    """What the chain says of a Safe; a test changes it at will. ``nonce`` is the next one."""

    owners: tuple[str, ...]
    nonce: int = 0


@dataclass(slots=True)
class _Entry:
    transaction: SafeTransaction
    proposer: str
    delegate: str | None
    origin: str
    submitted_ms: int
    number: int
    confirmations: dict[str, Confirmation] = field(default_factory=dict)
    executed: bool = False
    executed_tx: str | None = None

    def told(self) -> Queued:
        return Queued(
            transaction=self.transaction,
            claimed_hash=self.transaction.hash_text,
            confirmations=tuple(self.confirmations.values()),
            proposer=self.proposer,
            delegate=self.delegate,
            origin=self.origin,
            submitted_ms=self.submitted_ms,
            executed=self.executed,
            executed_tx=self.executed_tx,
        )


class MemoryProposalService:
    """Implements ``keeper.ports.council.ProposalService`` and ``DelegateBook``; several keepers may hold the same object.

    ``safes`` is what it knows of the chain. While ``fault`` is set, every question raises it: Unreachable() for a service that is down,
    Busy(retry_after_s=3) for one that limits, Refused(code=403) for one that says no. Signatures of contracts are refused: there is no chain to ask.
    """

    def __init__(self, chain_id: int, *, clock: Clock) -> None:
        self.safes: dict[str, KnownSafe] = {}
        self.fault: OutsideError | None = None
        self._chain_id = chain_id
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._delegates: dict[tuple[str | None, str, str], Delegate] = {}
        self._count = 0

    def execute(self, safe_tx_hash: str, executed_tx: str) -> None:
        """The chain has carried it out, and the service has seen it: its nonce is used."""
        entry = self._entries[safe_tx_hash]
        entry.executed, entry.executed_tx = True, executed_tx
        safe = self.safes[entry.transaction.safe]
        safe.nonce = max(safe.nonce, entry.transaction.nonce + 1)

    async def queue(self, safe: str, since_nonce: int) -> QueuePage:
        self._check()
        found = [
            one
            for one in self._entries.values()
            if one.transaction.safe == safe and not one.executed and one.transaction.nonce >= since_nonce
        ]
        found.sort(key=lambda one: (one.transaction.nonce, one.submitted_ms, one.number))
        return QueuePage(tuple(one.told() for one in found))

    async def find(self, safe_tx_hash: str) -> Queued | None:
        hash_bytes(safe_tx_hash)
        self._check()
        entry = self._entries.get(safe_tx_hash)
        return None if entry is None else entry.told()

    async def propose(self, transaction: SafeTransaction, sender: str, signature: bytes, origin: str) -> None:
        check_proposal(transaction, self._chain_id, origin)
        self._check()
        safe = self.safes.get(transaction.safe)
        if safe is None:
            raise _refused(INVALID, f"there is no Safe {transaction.safe} on chain {self._chain_id}")
        if transaction.nonce < safe.nonce:
            raise _refused(INVALID, f"Tx with nonce={transaction.nonce} for safe={transaction.safe} already executed")
        owner = self._in_whose_name(sender, transaction.safe, safe)
        if _signer(transaction.hash, signature, INVALID) != sender:
            raise _refused(INVALID, f"Signature does not match sender={sender}")
        entry = self._entries.get(transaction.hash_text)
        if entry is None:
            self._count += 1
            by = None if owner == sender else sender
            entry = _Entry(transaction, owner, by, origin, self._clock.now_ms(), self._count)
            self._entries[transaction.hash_text] = entry
        if sender in safe.owners:
            self._confirmed(entry, sender, signature)

    async def confirm(self, safe_tx_hash: str, signature: bytes) -> None:
        hash_bytes(safe_tx_hash)
        self._check()
        entry = self._known(safe_tx_hash)
        if entry.executed:
            raise _refused(BAD, f"Transaction with safe-tx-hash={safe_tx_hash} was already executed")
        signer = _signer(entry.transaction.hash, signature, BAD)
        if signer not in self.safes[entry.transaction.safe].owners:
            raise _refused(BAD, f"Signer={signer} is not an owner")
        self._confirmed(entry, signer, signature)

    async def withdraw(self, safe: str, safe_tx_hash: str, signature: bytes) -> None:
        hash_bytes(safe_tx_hash)
        self._check()
        entry = self._known(safe_tx_hash)
        if entry.executed:
            raise _refused(BAD, "Executed transactions cannot be deleted")
        digests = [
            Withdrawal(self._chain_id, entry.transaction.safe, safe_tx_hash, hour).hash for hour in self._hours()
        ]
        may = {entry.proposer}
        if entry.delegate is not None and self._is_delegate(entry.delegate, entry.transaction.safe, {entry.proposer}):
            may.add(entry.delegate)
        if not may & {_signer(digest, signature, BAD) for digest in digests}:
            raise _refused(BAD, "Provided signer is not the proposer or the delegate user who proposed the transaction")
        del self._entries[safe_tx_hash]

    async def delegates(self, safe: str, owners: Sequence[str] = ()) -> Sequence[Delegate]:
        self._check()
        known = self._delegates.values()
        return tuple(one for one in known if one.safe == safe or (one.safe is None and one.delegator in owners))

    async def add(self, delegate: Delegate, signature: bytes) -> None:
        self._check()
        if delegate.safe is not None and delegate.safe not in self.safes:
            raise _refused(BAD, f"Safe={delegate.safe} does not exist or it's still not indexed")
        if delegate.safe is not None and delegate.delegator not in self.safes[delegate.safe].owners:
            raise _refused(BAD, f"Provided delegator={delegate.delegator} is not an owner of Safe={delegate.safe}")
        self._check_permit(delegate, signature, {delegate.delegator})
        self._delegates[delegate.safe, delegate.delegate, delegate.delegator] = delegate

    async def remove(self, delegate: Delegate, signature: bytes) -> None:
        self._check()
        self._check_permit(delegate, signature, {delegate.delegator, delegate.delegate})
        pair = delegate.delegate, delegate.delegator
        gone = [key for key in self._delegates if key[1:] == pair and delegate.safe in (None, key[0])]
        if not gone:
            raise _refused(UNKNOWN, "Not found.")
        for key in gone:
            del self._delegates[key]

    async def close(self) -> None:
        """Nothing: there is no connection."""

    # -- inside ----------------------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        if self.fault is not None:
            raise self.fault

    def _known(self, safe_tx_hash: str) -> _Entry:
        entry = self._entries.get(safe_tx_hash)
        if entry is None:
            raise _refused(UNKNOWN, f"Multisig transaction with safe-tx-hash={safe_tx_hash} was not found")
        return entry

    def _in_whose_name(self, sender: str, address: str, safe: KnownSafe) -> str:
        """The owner. Raises Refused for a sender that is neither an owner nor the delegate of one."""
        if sender in safe.owners:
            return sender
        owner = self._is_delegate(sender, address, set(safe.owners))
        if owner is None:
            raise _refused(INVALID, f"Sender={sender} is not an owner or delegate")
        return owner

    def _is_delegate(self, sender: str, safe: str, owners: set[str]) -> str | None:
        """Of which of these owners, the first of them; None: of none."""
        for one in self._delegates.values():
            if one.delegate == sender and one.safe in (None, safe) and one.delegator in owners:
                return one.delegator
        return None

    def _confirmed(self, entry: _Entry, owner: str, signature: bytes) -> None:
        entry.confirmations.setdefault(owner, Confirmation(owner, signature, self._clock.now_ms()))

    def _hours(self) -> tuple[int, int]:
        """This hour and the one before: signatures of both are good."""
        now_ms = self._clock.now_ms()
        return hour_of(now_ms), hour_of(now_ms) - 1

    def _check_permit(self, delegate: Delegate, signature: bytes, may: set[str]) -> None:
        digests = [Delegation(self._chain_id, delegate.delegate, hour).hash for hour in self._hours()]
        if not may & {_signer(digest, signature, BAD) for digest in digests}:
            raise _refused(BAD, f"Signature does not match provided delegator={delegate.delegator}")


def _signer(digest: bytes, signature: bytes, code: int) -> str:
    try:
        return recover_owner(digest, signature)
    except UnitError as error:
        raise _refused(code, error.message) from None


def _refused(code: int, words: str) -> Refused:
    return Refused(f"the Safe service refuses (HTTP {code}): {words}", code=code, data=words)
