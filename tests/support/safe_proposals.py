"""Proposals for tests: a Safe that exists nowhere, owners with public test keys, and what a service says of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from eth_account import Account as Signer
from eth_account.messages import encode_defunct

from keeper.adapters.signing.local import LocalSigner
from keeper.domain.safe import SafeTransaction
from tests.support.orders import KEYS

CHAIN_ID = 31337
SAFE = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
OTHER_SAFE = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"
TARGET = "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0"
OWNERS = tuple(LocalSigner(key).address for key in KEYS[:3])
"""In the order of their keys."""
KEEPER = LocalSigner(KEYS[3]).address
"""A key that is no owner."""
NOW_MS = 1_763_740_800_000
PAUSE = SafeTransaction(CHAIN_ID, SAFE, 7, TARGET, b"\x84\x56\xcb\x59")


def proposal(**changed: Any) -> SafeTransaction:
    """PAUSE with other fields."""
    return replace(PAUSE, **changed)


def signature(number: int, digest: bytes) -> bytes:
    """Of owner 0, 1 or 2, or of the keeper (3), over the digest itself."""
    return bytes(Signer.unsafe_sign_hash(digest, KEYS[number]).signature)


def message_signature(number: int, digest: bytes) -> bytes:
    """The same as a wallet makes it by eth_sign, with v as a Safe wants it."""
    made = bytes(Signer.sign_message(encode_defunct(digest), KEYS[number]).signature)
    return made[:64] + bytes([made[64] + 4])


def told(transaction: SafeTransaction = PAUSE, **changed: Any) -> dict[str, Any]:
    """What version 2 of the service says of it; other fields as given."""
    return {
        "safe": transaction.safe,
        "to": transaction.to,
        "value": str(transaction.value),
        "data": "0x" + transaction.data.hex() if transaction.data else None,
        "operation": int(transaction.operation),
        "gasToken": transaction.gas_token,
        "safeTxGas": str(transaction.safe_tx_gas),
        "baseGas": str(transaction.base_gas),
        "gasPrice": str(transaction.gas_price),
        "refundReceiver": transaction.refund_receiver,
        "nonce": str(transaction.nonce),
        "executionDate": None,
        "submissionDate": "2025-11-21T16:00:00.123456Z",
        "modified": "2025-11-21T16:00:00.123456Z",
        "blockNumber": None,
        "transactionHash": None,
        "safeTxHash": transaction.hash_text,
        "proposer": OWNERS[0],
        "proposedByDelegate": KEEPER,
        "executor": None,
        "isExecuted": False,
        "isSuccessful": None,
        "origin": '{"name": "keeper"}',
        "dataDecoded": None,
        "confirmationsRequired": 2,
        "confirmations": [confirmation(0, transaction)],
        "trusted": True,
        "signatures": None,
    } | changed


def confirmation(number: int, transaction: SafeTransaction = PAUSE) -> dict[str, Any]:
    """What the service says of the owner's confirmation."""
    return {
        "owner": OWNERS[number],
        "submissionDate": "2025-11-21T16:01:00Z",
        "transactionHash": None,
        "signature": "0x" + signature(number, transaction.hash).hex(),
        "signatureType": "EOA",
    }
