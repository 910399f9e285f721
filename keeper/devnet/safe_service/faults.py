"""How the service can be broken: what it does instead of answering, and how it lies."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Document = dict[str, Any]
Alter = Callable[[Document], Document]
"""Makes another document of a transaction before it is given out. What the service itself knows stays as it is."""


class FaultKind(StrEnum):
    SLOW = "slow"
    """Answers correctly, after ``delay_s``."""
    HANG = "hang"
    """Takes the request and never answers."""
    HTTP_500 = "http-500"
    RATE_LIMITED = "rate-limited"
    """HTTP 429 with Retry-After ``retry_after_s``."""
    MALFORMED = "malformed"
    """HTTP 200 with half of a JSON document."""
    LOST = "lost"
    """Does what was asked and answers HTTP 500: whoever asked does not know that it was done."""


@dataclass(frozen=True, slots=True)
class Fault:
    """``method`` and ``path`` (a part of it) say which requests it meets; ``times`` how many of them (None: until ``heal``)."""

    kind: FaultKind
    times: int | None = None
    method: str = ""
    path: str = ""
    delay_s: float = 1.0
    retry_after_s: int = 7

    def meets(self, method: str, path: str) -> bool:
        return self.method in ("", method) and self.path in path


def field(name: str, value: Any) -> Alter:
    """Says something else in this field: ``field("to", "0x..")``, ``field("nonce", "7")``. Names are those of the service's answers."""

    def alter(document: Document) -> Document:
        return document | {name: value}

    return alter


def executed(transaction_hash: str = "0x" + 64 * "e") -> Alter:
    """Says that it is executed, by this transaction."""

    def alter(document: Document) -> Document:
        said = {"isExecuted": True, "isSuccessful": True, "transactionHash": transaction_hash, "blockNumber": 1}
        return document | said | {"executionDate": document["submissionDate"]}

    return alter


def not_executed(document: Document) -> Document:
    """Says that it is still to be executed."""
    said = {"isExecuted": False, "isSuccessful": None, "transactionHash": None, "blockNumber": None}
    return document | said | {"executionDate": None, "executor": None, "signatures": None}


def signature_of_another(signature: bytes) -> Alter:
    """Puts this signature under the name of the first who confirmed."""

    def alter(document: Document) -> Document:
        changed = deepcopy(document)
        for confirmation in changed["confirmations"][:1]:
            confirmation["signature"] = "0x" + signature.hex()
        return changed

    return alter


def confirmation_by(owner: str, signature: bytes) -> Alter:
    """Says that this one has confirmed too, whoever it is."""

    def alter(document: Document) -> Document:
        said = {
            "owner": owner,
            "submissionDate": document["submissionDate"],
            "transactionHash": None,
            "signature": "0x" + signature.hex(),
            "signatureType": "EOA",
        }
        return document | {"confirmations": [*document["confirmations"], said]}

    return alter


def confirmation_dropped(document: Document) -> Document:
    """Keeps the first confirmation to itself."""
    return document | {"confirmations": document["confirmations"][1:]}


TO = field("to", "0x" + 40 * "6")
VALUE = field("value", "1")
DATA = field("data", "0xdeadbeef")
OPERATION = field("operation", 1)
NONCE = field("nonce", "77")
SAFE_TX_GAS = field("safeTxGas", "1")
BASE_GAS = field("baseGas", "1")
GAS_PRICE = field("gasPrice", "1")
GAS_TOKEN = field("gasToken", "0x" + 40 * "7")
REFUND_RECEIVER = field("refundReceiver", "0x" + 40 * "8")
SAFE = field("safe", "0x" + 40 * "9")
SAFE_TX_HASH = field("safeTxHash", "0x" + 64 * "a")

FIELD_LIES: dict[str, Alter] = {
    "to": TO, "value": VALUE, "data": DATA, "operation": OPERATION, "nonce": NONCE, "safeTxGas": SAFE_TX_GAS, "baseGas": BASE_GAS,
    "gasPrice": GAS_PRICE, "gasToken": GAS_TOKEN, "refundReceiver": REFUND_RECEIVER, "safe": SAFE, "safeTxHash": SAFE_TX_HASH,
}  # fmt: skip
"""One lie for every field of which the safeTxHash is made, and for the hash itself."""
