"""What can be asked of the service and what it checks before it says yes. HTTP stands in another file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keeper.devnet.safe_service.answers import SIGNATURE_BYTES, Answer, Fields
from keeper.devnet.safe_service.book import EOA, ETH_SIGN, Book, DelegateEntry, Entry, Signed, stored_origin
from keeper.devnet.safe_service.chain import Chain, SafeFacts
from keeper.devnet.safe_service.signatures import is_valid, parse_signatures
from keeper.devnet.safe_service.typed import delegate_hashes, delete_hashes
from keeper.domain.safe import ZERO_ADDRESS, Operation, SafeTransaction

_ORIGIN_CHARS = 200
_LABEL_CHARS = 50


class Desk:
    """Every method raises Answer for a no."""

    def __init__(self, book: Book, chain: Chain, now_ms: Callable[[], int]) -> None:
        self.book = book
        self.chain = chain
        self.now_ms = now_ms

    async def facts(self, safe: str) -> SafeFacts:
        """404 for what is no Safe."""
        found = await self.chain.facts(safe)
        if found is None:
            raise Answer(404, {"detail": "No SafeContract matches the given query."})
        self.book.safes.add(safe)
        return found

    def entry(self, safe_tx_hash: str) -> Entry:
        """404 when it is not known."""
        found = self.book.entries.get(safe_tx_hash)
        if found is None:
            raise Answer(404, {"detail": "No MultisigTransaction matches the given query."})
        return found

    async def propose(self, safe: str, document: Any) -> None:
        """422 for a no."""
        fields = Fields(document)
        transaction, claimed = self._transaction(safe, fields)
        sender = fields.address("sender")
        signature = fields.data("signature")
        origin = fields.text("origin", _ORIGIN_CHARS, required=False)
        if signature and len(signature) < SIGNATURE_BYTES:
            fields.data("signature", least=SIGNATURE_BYTES)
        fields.check(422)
        owners = await self.chain.owners(safe)
        if owners is None:
            raise _no(422, f"Safe={safe} does not exist or it's still not indexed")
        self.book.safes.add(safe)
        if transaction.hash != claimed:
            raise _no(
                422,
                f"Contract-transaction-hash={transaction.hash_text} does not match provided contract-tx-hash=0x{claimed.hex()}",
            )
        self._check_nonce(transaction)
        signed = await self._proposers(transaction, owners, sender, signature)
        self._enter(transaction, owners, sender, signed, stored_origin(origin))

    async def confirm(self, safe_tx_hash: str, document: Any) -> None:
        """400 for a no, 404 for an unknown transaction."""
        fields = Fields(document)
        signature = fields.data("signature", required=True, least=SIGNATURE_BYTES)
        fields.check(400)
        entry = self.entry(safe_tx_hash)
        if entry.execution is not None:
            raise _field(400, f"Transaction with safe-tx-hash={safe_tx_hash} was already executed")
        transaction = entry.transaction
        owners = await self.chain.owners(transaction.safe) or ()
        signed = parse_signatures(signature, transaction.hash)
        seen: set[str] = set()
        for one in signed:
            if one.owner not in owners:
                raise _field(400, f"Signer={one.owner} is not an owner. Current owners={list(owners)}")
            if not await self._holds(one, transaction):
                raise _field(400, f"Signature=0x{one.signature.hex()} for owner={one.owner} is not valid")
            if one.owner in seen:
                raise _field(400, f"Signature for owner={one.owner} is duplicated")
            seen.add(one.owner)
        entry.confirm(signed, self.now_ms())
        entry.trusted = True

    def delete(self, safe_tx_hash: str, document: Any) -> None:
        """400 for a no, 404 for an unknown transaction. By the proposer, or the delegate who proposed it and still is one."""
        fields = Fields(document)
        said = fields.data("safeTxHash", required=True)
        signature = fields.data("signature", required=True, least=SIGNATURE_BYTES)
        fields.check(400)
        entry = self.entry(safe_tx_hash)
        if "0x" + said.hex() != safe_tx_hash:
            raise _no(400, "safeTxHash does not match the one of the address")
        if entry.execution is not None:
            raise _no(400, "Executed transactions cannot be deleted")
        if entry.proposer is None:
            raise _no(400, "Old transactions without proposer cannot be deleted")
        safe = entry.transaction.safe
        for digest in delete_hashes(safe, entry.transaction.hash, self.chain.chain_id, self.now_ms()):
            signed = parse_signatures(signature, digest)
            if len(signed) != 1:
                raise _no(400, f"1 owner signature was expected, {len(signed)} received")
            if signed[0].kind not in (EOA, ETH_SIGN):
                raise _no(400, "Only EOA and ETH_SIGN signatures are supported")
            signer = signed[0].owner
            still = entry.delegate == signer and signer in self.book.delegates_of(safe, [entry.proposer])
            if signer == entry.proposer or still:
                del self.book.entries[safe_tx_hash]
                return
        raise _no(400, "Provided signer is not the proposer or the delegate user who proposed the transaction")

    async def add_delegate(self, document: Any) -> DelegateEntry:
        """400 for a no."""
        fields = Fields(document)
        safe, delegator = fields.optional_address("safe"), fields.address("delegator")
        delegate = fields.address("delegate")
        label = fields.text("label", _LABEL_CHARS) or ""
        signature = fields.data("signature", required=True, least=SIGNATURE_BYTES)
        fields.check(400)
        await self._check_delegator(safe, delegator)
        if not await self._signed_for_delegate(delegate, signature, (delegator,)):
            raise _no(400, f"Signature does not match provided delegator={delegator}")
        entry = DelegateEntry(safe, delegate, delegator, label)
        self.book.delegates[(safe, delegate, delegator)] = entry
        return entry

    async def remove_delegate(self, delegate: str, document: Any) -> None:
        """400 for a no, 404 when there is none. Without a Safe all of this pair go."""
        fields = Fields(document)
        safe, delegator = fields.optional_address("safe"), fields.address("delegator")
        signature = fields.data("signature", required=True, least=SIGNATURE_BYTES)
        fields.check(400)
        await self._check_delegator(safe, delegator)
        if not await self._signed_for_delegate(delegate, signature, (delegator, delegate)):
            raise _no(400, f"Signature does not match provided delegate={delegate} or delegator={delegator}")
        gone = [
            key for key in self.book.delegates if key[1:] == (delegate, delegator) and (safe is None or key[0] == safe)
        ]
        if not gone:
            raise Answer(404, {"detail": "Not found."})
        for key in gone:
            del self.book.delegates[key]

    def _transaction(self, safe: str, fields: Fields) -> tuple[SafeTransaction, bytes]:
        to, data, claimed = (
            fields.address("to"),
            fields.data("data"),
            fields.data("contractTransactionHash", required=True),
        )
        value, operation, nonce = fields.number("value"), fields.number("operation", 1), fields.number("nonce")
        transaction = SafeTransaction(
            self.chain.chain_id,
            safe,
            nonce,
            to,
            data,
            value,
            Operation(operation),
            fields.number("safeTxGas"),
            fields.number("baseGas"),
            fields.number("gasPrice"),
            fields.optional_address("gasToken") or ZERO_ADDRESS,
            fields.optional_address("refundReceiver") or ZERO_ADDRESS,
        )
        return transaction, claimed

    def _check_nonce(self, transaction: SafeTransaction) -> None:
        used = self.book.executed_at(transaction.safe, transaction.nonce)
        if used is None or used.execution is None:
            return
        where = f"executed in tx-hash={used.execution.tx_hash}"
        if used.transaction.hash == transaction.hash:
            raise _no(
                422, f"Tx with safe-tx-hash={transaction.hash_text} for safe={transaction.safe} was already {where}"
            )
        raise _no(422, f"Tx with nonce={transaction.nonce} for safe={transaction.safe} already {where}")

    async def _proposers(
        self, transaction: SafeTransaction, owners: tuple[str, ...], sender: str, signature: bytes
    ) -> list[Signed]:
        delegates = self.book.delegates_of(transaction.safe, owners)
        allowed = {*owners, *delegates}
        who = f"is not an owner or delegate. Current owners={list(owners)}. Delegates={sorted(delegates)}"
        if sender not in allowed:
            raise _no(422, f"Sender={sender} {who}")
        signed = parse_signatures(signature, transaction.hash)
        for number, one in enumerate(signed):
            if not await self._holds(one, transaction):
                raise _no(422, f"Signature=0x{one.signature.hex()} for owner={one.owner} is not valid")
            if one.owner in delegates and len(signed) > 1:
                raise _no(422, "Just one signature is expected if using delegates")
            if one.owner not in allowed:
                raise _no(422, f"Signer={one.owner} {who}")
            if one.owner in [other.owner for other in signed[:number]]:
                raise _no(422, f"Signature for owner={one.owner} is duplicated")
        if signed and sender not in [one.owner for one in signed]:
            calculated = [one.owner for one in signed]
            raise _no(422, f"Signature does not match sender={sender}. Calculated owners={calculated}")
        return signed

    def _enter(
        self, transaction: SafeTransaction, owners: tuple[str, ...], sender: str, signed: list[Signed], origin: Any
    ) -> None:
        now_ms = self.now_ms()
        key = transaction.hash_text
        entry = self.book.entries.get(key)
        if entry is None:
            is_owner = sender in owners
            proposer = sender if is_owner else self.book.delegates_of(transaction.safe, owners)[sender]
            delegate = None if is_owner else sender
            entry = Entry(transaction, proposer, delegate, origin, bool(signed), now_ms, now_ms)
            self.book.entries[key] = entry
            self.book.bind_approvals(entry, now_ms)
        elif signed and not entry.trusted:
            entry.origin, entry.trusted = origin, True
        entry.confirm([one for one in signed if one.owner in owners], now_ms)

    async def _holds(self, signed: Signed, transaction: SafeTransaction) -> bool:
        preimage = b"\x19\x01" + transaction.domain_hash + transaction.message_hash
        return await is_valid(self.chain.rpc, signed, transaction.hash, transaction.safe, preimage)

    async def _check_delegator(self, safe: str | None, delegator: str) -> None:
        if safe is None:
            return
        owners = await self.chain.owners(safe)
        if owners is None:
            raise _no(400, f"Safe={safe} does not exist or it's still not indexed")
        self.book.safes.add(safe)
        if delegator not in owners:
            raise _no(400, f"Provided delegator={delegator} is not an owner of Safe={safe}")

    async def _signed_for_delegate(self, delegate: str, signature: bytes, allowed: tuple[str, ...]) -> bool:
        for digest in delegate_hashes(delegate, self.chain.chain_id, self.now_ms()):
            signed = parse_signatures(signature, digest)
            if len(signed) != 1:
                raise _no(400, "More than one signatures detected, just one is expected")
            if signed[0].owner in allowed and await is_valid(self.chain.rpc, signed[0], digest, signed[0].owner):
                return True
        return False


def _no(status: int, why: str) -> Answer:
    return Answer(status, {"nonFieldErrors": [why]})


def _field(status: int, why: str) -> Answer:
    return Answer(status, {"signature": [why]})
