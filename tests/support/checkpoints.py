"""Checkpoints signed for tests, without the job that makes them."""

from __future__ import annotations

from collections.abc import Sequence

from eth_account import Account
from eth_account.messages import encode_defunct

from keeper.adapters.audit.times import to_iso
from keeper.domain.checkpoint import Checkpoint, SignedCheckpoint, message
from keeper.domain.record import Record
from tests.support.audit_log import T0

KEY = "0x" + "11" * 32
OTHER_KEY = "0x" + "22" * 32


def address_of(key: str = KEY) -> str:
    return str(Account.from_key(key).address)


def signed(checkpoint: Checkpoint, key: str = KEY) -> SignedCheckpoint:
    """Signed by the key, whatever the checkpoint says."""
    signature = Account.from_key(key).sign_message(encode_defunct(text=message(checkpoint))).signature
    return SignedCheckpoint(checkpoint, "0x" + bytes(signature).hex())


def checkpoints_of(hashes: Sequence[str], seqs: Sequence[int], key: str = KEY) -> list[SignedCheckpoint]:
    """One for each of ``seqs``; ``hashes`` are those of all records from the first on."""
    found: list[SignedCheckpoint] = []
    for number, seq in enumerate(seqs, 1):
        one = Checkpoint(
            number=number,
            seq=seq,
            head=hashes[seq - 1],
            genesis=hashes[0],
            at=to_iso(T0 + number * 600_000),
            keeper="keeper-1",
            chain_id=31337,
            signer=address_of(key),
            prev=found[-1].signature if found else "",
        )
        found.append(signed(one, key))
    return found


def hashes(records: Sequence[Record]) -> list[str]:
    return [record.hash for record in records]
