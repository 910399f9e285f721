"""The hash of a decision that a breaker contract is told, so that its event and the log tie each other down."""

from __future__ import annotations

import hashlib

from keeper.adapters.audit.canonical import canonical
from keeper.adapters.audit.times import to_iso
from keeper.domain.record import Draft, Record


def evidence_hash(decision: Draft | Record) -> bytes:
    """sha256 of the RFC 8785 form of ``{"action", "at", "body", "incident", "kind", "market"}`` of the record: 32 bytes.

    Its place in the log (number, previous hash) is left out, because it is not known before the record is written. Raises DraftRefused
    for a body that has no such form.
    """
    at = decision.at if isinstance(decision, Record) else to_iso(decision.at_ms)
    text = canonical(
        {
            "action": decision.action,
            "at": at,
            "body": dict(decision.body),
            "incident": decision.incident,
            "kind": decision.kind.value,
            "market": decision.market,
        }
    )
    return hashlib.sha256(text.encode()).digest()
