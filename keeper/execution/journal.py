"""The records that an action leaves, step by step. The store applies them to the journal (see ``keeper.ports.audit``).

Amounts in wei and times in ms are decimal text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from keeper.domain.adjustment import adjustment_body
from keeper.domain.builder_words import in_one_line
from keeper.domain.circuit_breaker import breaker_name, evidence_of
from keeper.domain.evm import Receipt
from keeper.domain.intent import Attempt, Intent
from keeper.domain.outcome import Outcome
from keeper.domain.record import Draft, Json, RecordKind
from keeper.execution.planner import ArmedAction
from keeper.execution.purse import Withheld
from keeper.ports.route import Answer, Submission, SubmissionKind

ACCEPTED = frozenset({SubmissionKind.ACCEPTED, SubmissionKind.KNOWN})


class FallbackReason(StrEnum):
    REFUSED = "refused"
    """No builder takes it."""
    NOT_INCLUDED = "not-included"
    """Builders took it, and so many blocks came without it."""
    NEEDED = "needed"
    """A later nonce of the same key is public, or has to be, and nothing lands before this one."""
    CONFIGURED = "configured"
    """The configuration has an open way for the action now."""


@dataclass(frozen=True, slots=True)
class Fallback:
    """Why what was for builders alone is sent publicly too. ``blocks`` is how many blocks have come since it was first sent to them."""

    reason: FallbackReason
    blocks: int
    detail: str = ""

    @classmethod
    def read(cls, body: Json) -> Fallback | None:
        """From ``fallback`` of a broadcast record; None for what this version does not know."""
        if not isinstance(body, Mapping) or str(body.get("reason")) not in tuple(FallbackReason):
            return None
        return cls(FallbackReason(str(body["reason"])), int(str(body.get("blocks", 0))))

    @property
    def message(self) -> str:
        """One line."""
        if self.reason is FallbackReason.REFUSED:
            return "sent publicly, since no builder takes it" + (f" ({self.detail})" if self.detail else "")
        if self.reason is FallbackReason.NEEDED:
            return "sent publicly, since what is public of the same key cannot land before it"
        if self.reason is FallbackReason.CONFIGURED:
            return "sent publicly, since the configuration says so now"
        plural = "" if self.blocks == 1 else "s"
        return f"sent publicly, since {self.blocks} block{plural} came without it"


def intent_draft(intent: Intent, armed: ArmedAction, sender: str | None, block: int | None = None) -> Draft:
    """The action, written down before anything of it is sent. ``block`` is the number of the newest block, where somebody knows it."""
    action = armed.action
    body: dict[str, Json] = {
        "kind": action.kind.value,
        "call": action.call.signature,
        "args": list(action.call.args),
        "to": intent.to,
        "data": intent.data,
        "sender": sender,
        "route": action.route,
        "effect_call": action.effect.read.signature,
        "effect_before": intent.effect_before,
        "effect_expected": action.effect.expect,
        "expires_ms": str(intent.expires_ms),
    }
    if block is not None:
        body["block"] = block
    if action.adjustment is not None and armed.adjusted is not None:
        body["adjustment"] = adjustment_body(action.adjustment, armed.adjusted)
    if action.breaker is not None:
        trip = action.breaker
        body["breaker"] = {"contract": trip.contract, "id": trip.id, "name": breaker_name(trip.id)}
        body["evidence"] = "0x" + evidence_of(armed.call.data).hex()
    return _draft(RecordKind.INTENT, intent, intent.created_ms, body)


def attempt_draft(intent: Intent, attempt: Attempt) -> Draft:
    """A signed transaction, before it is sent."""
    body: dict[str, Json] = {
        "number": attempt.number,
        "chain_id": attempt.chain_id,
        "sender": attempt.sender,
        "nonce": attempt.nonce,
        "max_fee_wei": str(attempt.max_fee_wei),
        "priority_fee_wei": str(attempt.priority_fee_wei),
        "gas_limit": attempt.gas_limit,
        "to": attempt.to,
        "data": attempt.data,
        "tx_hash": attempt.tx_hash,
        "raw": attempt.raw,
    }
    return _draft(RecordKind.ATTEMPT, intent, attempt.signed_ms, body)


def broadcast_draft(
    intent: Intent, attempt: Attempt, route: str, submission: Submission, block: int, at_ms: int, *, public: bool
) -> Draft:
    """What the route answered. ``block`` is the number of the newest block; not ``public``: the route leads to builders alone."""
    body: dict[str, Json] = {
        "tx_hash": attempt.tx_hash,
        "route": route,
        "public": public,
        "accepted": submission.kind in ACCEPTED,
        "answer": submission.kind.value,
        "message": submission.message,
        "block": block,
        "answers": _answers(submission.answers),
    }
    return _draft(RecordKind.BROADCAST, intent, at_ms, body)


def fallback_draft(
    intent: Intent,
    attempt: Attempt,
    route: str,
    fallback: Fallback,
    submission: Submission | None,
    block: int,
    at_ms: int,
) -> Draft:
    """From now on it may be sent publicly, by ``route``. ``submission`` is what builders said last. Written before anything is public."""
    body: dict[str, Json] = {
        "tx_hash": attempt.tx_hash,
        "route": route,
        "public": True,
        "accepted": False,
        "answer": "fallback",
        "message": fallback.message,
        "block": block,
        "answers": _answers(submission.answers if submission is not None else ()),
        "fallback": {"reason": fallback.reason.value, "blocks": fallback.blocks},
    }
    return _draft(RecordKind.BROADCAST, intent, at_ms, body)


def withheld_draft(intent: Intent, attempt: Attempt, route: str, withheld: Withheld, block: int, at_ms: int) -> Draft:
    """No more is offered than this attempt does, or nobody takes it: it is only sent again."""
    body: dict[str, Json] = {
        "tx_hash": attempt.tx_hash,
        "route": route,
        "accepted": False,
        "answer": "nobody-takes-it" if withheld.nobody else "no-more-offered",
        "message": withheld.message,
        "block": block,
        "withheld": True,
    }
    return _draft(RecordKind.BROADCAST, intent, at_ms, body)


def withdrawn_draft(intent: Intent, attempt: Attempt, route: str, answers: Sequence[Answer], at_ms: int) -> Draft:
    """Builders were asked to forget what they had accepted of an intent that ended without being mined. Written after its end."""
    body: dict[str, Json] = {
        "tx_hash": attempt.tx_hash,
        "route": route,
        "accepted": False,
        "answer": "withdrawn",
        "message": "builders were asked to forget it",
        "answers": _answers(answers),
        "withdrawn": True,
    }
    return _draft(RecordKind.BROADCAST, intent, at_ms, body)


def late_draft(
    intent: Intent, attempt: Attempt, route: str, answers: Sequence[Answer], block: int, at_ms: int
) -> Draft:
    """Builders answered after the submission's own answer was given. Moves nothing; it may be written after the end. ``taken``: one took it."""
    body: dict[str, Json] = {
        "tx_hash": attempt.tx_hash,
        "route": route,
        "public": False,
        "accepted": False,
        "answer": "late",
        "message": f"answered late: {in_one_line((one.to, one.kind.value, one.message) for one in answers)}",
        "block": block,
        "answers": _answers(answers),
        "taken": any(each.kind in ACCEPTED for each in answers),
        "late": True,
    }
    return _draft(RecordKind.BROADCAST, intent, at_ms, body)


def _answers(answers: Sequence[Answer]) -> list[Json]:
    return [
        {
            "to": each.to,
            "method": each.method,
            "answer": each.kind.value,
            "message": each.message,
            "ms": f"{each.ms:.3f}",
        }
        for each in answers
    ]


def receipt_draft(intent: Intent, receipt: Receipt, at_ms: int) -> Draft:
    """The transaction is in a block."""
    body: dict[str, Json] = {
        "tx_hash": receipt.tx_hash,
        "status": receipt.status,
        "block": receipt.block_number,
        "block_hash": receipt.block_hash,
        "gas_used": receipt.gas_used,
        "effective_gas_price_wei": str(receipt.effective_gas_price_wei),
    }
    return _draft(RecordKind.RECEIPT, intent, at_ms, body)


def receipt_gone_draft(intent: Intent, tx_hash: str, at_ms: int) -> Draft:
    """A reorganisation took the receipt away."""
    return _draft(RecordKind.RECEIPT, intent, at_ms, {"tx_hash": tx_hash, "gone": True})


def effect_draft(intent: Intent, armed: ArmedAction, after: str, block: int, at_ms: int) -> Draft:
    """What the view answered at the receipt's block."""
    effect = armed.action.effect
    body: dict[str, Json] = {
        "contract": effect.read.target,
        "call": effect.read.signature,
        "args": list(effect.read.args),
        "before": intent.effect_before,
        "after": after,
        "expected": effect.expect,
        "block": block,
        "verified": armed.in_effect(after),
    }
    return _draft(RecordKind.EFFECT, intent, at_ms, body)


def outcome_draft(intent: Intent, outcome: Outcome, at_ms: int, timeline_ms: Mapping[str, float]) -> Draft:
    """The end of the intent, with the time of each stage since the head was announced."""
    body: dict[str, Json] = {
        "kind": outcome.kind.value,
        "reason": outcome.reason.value,
        "message": outcome.message,
        "remedy": outcome.remedy,
        "tx_hash": outcome.tx_hash,
        "block": outcome.block,
        "timeline_ms": {stage: f"{ms:.3f}" for stage, ms in timeline_ms.items()},
    }
    return _draft(RecordKind.OUTCOME, intent, at_ms, body)


def _draft(kind: RecordKind, intent: Intent, at_ms: int, body: dict[str, Json]) -> Draft:
    return Draft(
        kind=kind,
        body=body,
        at_ms=at_ms,
        market=intent.market,
        action=intent.action,
        incident=intent.incident,
        intent=intent.id,
    )
