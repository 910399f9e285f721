"""The service's answers as JSON: names, and which numbers are text, as version 2 of its interface has them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from keeper.devnet.safe_service.book import Confirmed, DelegateEntry, Entry


def transaction_document(entry: Entry, threshold: int) -> dict[str, Any]:
    """One transaction. ``threshold`` is what the Safe wants now."""
    t, execution = entry.transaction, entry.execution
    return {
        "safe": t.safe,
        "to": t.to,
        "value": str(t.value),
        "data": "0x" + t.data.hex() if t.data else None,
        "operation": int(t.operation),
        "gasToken": t.gas_token,
        "safeTxGas": str(t.safe_tx_gas),
        "baseGas": str(t.base_gas),
        "gasPrice": str(t.gas_price),
        "refundReceiver": t.refund_receiver,
        "nonce": str(t.nonce),
        "executionDate": None if execution is None else _date(execution.at_ms),
        "submissionDate": _date(entry.created_ms),
        "modified": _date(entry.modified_ms),
        "blockNumber": None if execution is None else execution.block,
        "transactionHash": None if execution is None else execution.tx_hash,
        "safeTxHash": t.hash_text,
        "proposer": entry.proposer,
        "proposedByDelegate": entry.delegate,
        "executor": None if execution is None else execution.executor,
        "isExecuted": execution is not None,
        "isSuccessful": None if execution is None else execution.succeeded,
        "ethGasPrice": None if execution is None else str(execution.gas_price_wei),
        "maxFeePerGas": None,
        "maxPriorityFeePerGas": None,
        "gasUsed": None if execution is None else execution.gas_used,
        "fee": None if execution is None else str(execution.gas_used * execution.gas_price_wei),
        "origin": entry.origin if isinstance(entry.origin, str) else json.dumps(entry.origin),
        "dataDecoded": None,
        "confirmationsRequired": threshold,
        "confirmations": [confirmation_document(one) for one in entry.confirmations.values()],
        "trusted": entry.trusted,
        "signatures": None if execution is None or not execution.signatures else "0x" + execution.signatures.hex(),
    }


def confirmation_document(confirmed: Confirmed) -> dict[str, Any]:
    return {
        "owner": confirmed.signed.owner,
        "submissionDate": _date(confirmed.at_ms),
        "transactionHash": confirmed.approved_by_tx,
        "signature": "0x" + confirmed.signed.signature.hex(),
        "signatureType": confirmed.signed.kind,
    }


def delegate_document(one: DelegateEntry) -> dict[str, Any]:
    return {
        "safe": one.safe,
        "delegate": one.delegate,
        "delegator": one.delegator,
        "label": one.label,
        "expiryDate": None,
    }


def _date(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
