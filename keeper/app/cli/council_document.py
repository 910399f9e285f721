"""A council's matter for machines: the fields of ``Matter``, amounts as text, times in ISO 8601, addresses in EIP-55."""

from __future__ import annotations

from collections.abc import Sequence

from keeper.adapters.audit.times import to_iso
from keeper.app.council.matter import Change, Chart, Decoded, Matter, Signed, Times
from keeper.domain.proposal import SafeState
from keeper.domain.safe import SafeTransaction

Document = dict[str, object]


def document(matter: Matter) -> Document:
    """Everything of it."""
    return {
        **brief(matter),
        "transaction": transaction_document(matter.transaction),
        "safe": state_document(matter.state),
        "why": list(matter.why),
        "changes": [change_document(change) for change in matter.changes],
        "decoded": _decoded(matter.decoded),
        "after": {
            "goes_through": matter.after.goes_through,
            "text": matter.after.text,
            "block": matter.after.block,
            "kept": [
                {"name": kept.name, "holds": kept.holds, "before": kept.before, "after": kept.after, "text": kept.text}
                for kept in matter.after.kept
            ],
        },
        "signed": _signed(matter.signed),
        "not_signed": [{"owner": one.owner, "name": one.name} for one in matter.not_signed],
        "remarks": [{"level": remark.level.value, "text": remark.text} for remark in matter.remarks],
        "pointless": matter.pointless,
        "times": _times(matter.times),
        "chart": _chart(matter.chart),
        "evidence": matter.evidence,
        "proposer": matter.proposer,
        "delegate": matter.delegate,
        "origin": matter.origin,
        "from_service": matter.from_service,
        "web_url": matter.web_url,
        "executed_tx": matter.executed_tx,
        "failed": matter.failed,
        "unsure": matter.unsure,
    }


def brief(matter: Matter) -> Document:
    """What a line of the queue says."""
    return {
        "hash": matter.hash,
        "nonce": matter.transaction.nonce,
        "standing": matter.standing.value,
        "title": matter.title,
        "market": matter.market,
        "action": matter.action,
        "incident": matter.incident,
        "threshold": matter.state.threshold,
        "missing": matter.missing,
        "alarms": [remark.text for remark in matter.alarms],
        "ours": matter.ours,
    }


def transaction_document(transaction: SafeTransaction) -> Document:
    """What is signed, and the three hashes over it, computed here."""
    return {
        "chain_id": transaction.chain_id,
        "safe": transaction.safe,
        "nonce": transaction.nonce,
        "to": transaction.to,
        "value_wei": str(transaction.value),
        "data": "0x" + transaction.data.hex(),
        "operation": transaction.operation.name.lower(),
        "safe_tx_gas": str(transaction.safe_tx_gas),
        "base_gas": str(transaction.base_gas),
        "gas_price_wei": str(transaction.gas_price),
        "gas_token": transaction.gas_token,
        "refund_receiver": transaction.refund_receiver,
        "domain_hash": "0x" + transaction.domain_hash.hex(),
        "message_hash": "0x" + transaction.message_hash.hex(),
        "safe_tx_hash": transaction.hash_text,
    }


def state_document(state: SafeState) -> Document:
    """The Safe as the chain has it."""
    return {
        "chain_id": state.chain_id,
        "address": state.safe,
        "version": state.version,
        "owners": list(state.owners),
        "threshold": state.threshold,
        "nonce": state.nonce,
        "modules": list(state.modules),
        "guard": state.guard,
        "fallback": state.fallback,
        "block": state.block,
    }


def change_document(change: Change) -> Document:
    return {
        "contract": change.contract,
        "call": change.asked,
        "args": list(change.args),
        "before": change.before,
        "after": change.after,
        "recorded": change.recorded,
        "text": change.text,
    }


def _decoded(call: Decoded) -> Document:
    return {
        "to": call.to,
        "contract_name": call.contract_name,
        "value_wei": str(call.value_wei),
        "delegatecall": call.delegatecall,
        "function": call.function,
        "args": [{"type": kind, "value": value} for kind, value in call.args],
        "data": call.data,
        "inner": [_decoded(inner) for inner in call.inner],
        "text": call.text,
    }


def _signed(signed: Sequence[Signed]) -> list[Document]:
    return [
        {"owner": one.owner, "name": one.name, "counts": one.counts, "why": one.why, "at": _iso(one.at_ms)}
        for one in signed
    ]


def _times(times: Times) -> Document:
    return {
        "proposed": _iso(times.proposed_ms),
        "paged": _iso(times.paged_ms),
        "seen": _iso(times.seen_ms),
        "first_signature": _iso(times.first_signature_ms),
        "threshold": _iso(times.threshold_ms),
        "executed": _iso(times.executed_ms),
        "moot": _iso(times.moot_ms),
        "moot_why": times.moot_why,
    }


def _chart(chart: Chart | None) -> Document | None:
    if chart is None:
        return None
    points = [{"at": _iso(point.at_ms), "value": point.value} for point in chart.points]
    return {"title": chart.title, "threshold": chart.threshold, "points": points}


def _iso(at_ms: int | None) -> str | None:
    return None if at_ms is None else to_iso(at_ms)
