"""What a node means when it refuses a transaction. Nodes agree on no codes, only roughly on words.

Wordings of geth, erigon, reth, anvil, besu and nethermind (which writes one word: ``AlreadyKnown``). The first line that fits decides: a
wording that names two matters stands under the one that needs another answer.
"""

from __future__ import annotations

import re
from decimal import Decimal

from keeper.ports.route import SubmissionKind

WORDINGS: tuple[tuple[SubmissionKind, tuple[str, ...]], ...] = (
    (
        SubmissionKind.KNOWN,
        (
            "already known",
            "alreadyknown",
            "known transaction",
            "already imported",
            "already added",
            "existing tx with same hash",
        ),
    ),
    (
        SubmissionKind.NONCE_TOO_LOW,
        ("nonce too low", "nonce is too low", "oldnonce", "nonce below sender nonce", "ownnoncealreadyused"),
    ),
    (
        SubmissionKind.UNDERPRICED,
        (
            "underpriced",
            "replacement",
            "not replaced",
            "could not replace",
            "insufficient gas price to replace",
            "fee too low",
            "feetoolow",
            "feecap below chain minimum",
            "max fee per gas less than block base fee",
            "gas price below configured minimum",
            "gas price below minimum",
            "gas price supplied is too low",
        ),
    ),
    (
        SubmissionKind.INSUFFICIENT_FUNDS,
        ("insufficient funds", "insufficientfunds", "upfront cost exceeds account balance", "insufficient balance"),
    ),
    (
        SubmissionKind.OVER_CAP,
        ("exceeds the configured cap", "transaction fee cap exceeded", "tx feecap exceeded", "tx fee cap exceeded"),
    ),
    (
        SubmissionKind.INVALID,
        (
            "intrinsic gas",
            "insufficient gas for floor data gas cost",
            "exceeds block gas limit",
            "gaslimitexceeded",
            "transaction gas limit too high",
            "invalid chain id",
            "wrong chain id",
            "invalidtxchainid",
            "invalid sender",
            "invalid transaction signature",
            "invalidtxsignature",
            "invalid transaction v, r, s values",
            "transaction type not supported",
        ),
    ),
)
"""INVALID has only what is certain for good: a pause is given up for it. Whatever is in no line is tried again."""


_TABLE = tuple(
    (kind, re.compile("|".join(rf"(?<![a-z]){re.escape(wording)}" for wording in wordings)))
    for kind, wordings in WORDINGS
)
"""Each wording begins at the beginning of a word: an unknown transaction is not a known transaction."""


def classify(words: str) -> SubmissionKind:
    """The kind of a refusal in these words; REFUSED when they are not known."""
    text = " ".join(words.lower().replace("_", " ").split())
    for kind, pattern in _TABLE:
        if pattern.search(text):
            return kind
    return SubmissionKind.REFUSED


_CAP = re.compile(r"configured cap \((\d{1,30}(?:\.\d{1,18})?) (ether|wei)\)")
_WEI = {"ether": 10**18, "wei": 1}


def cap_wei(words: str) -> int | None:
    """The most that a node takes for one transaction, as a refusal OVER_CAP says it, rounded as geth rounds it; None where it says none."""
    found = _CAP.search(words.lower())
    return int(Decimal(found[1]) * _WEI[found[2]]) if found else None
