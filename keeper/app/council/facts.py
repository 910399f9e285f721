"""What a proposal's record says beside the transaction: what changes, and what the state after it would be."""

from __future__ import annotations

from keeper.adapters.audit.times import from_iso
from keeper.app.council.matter import After, Change
from keeper.app.evidence_hash import evidence_hash
from keeper.domain.intent import Intent
from keeper.domain.record import Json, RecordKind, RecordQuery
from keeper.execution.work import Work
from keeper.ports.audit import AuditStore


def facts_of(work: Work, after: After) -> dict[str, Json]:
    """Of an action: the value now, and what is expected."""
    armed = work.armed
    assert armed is not None, "it was proposed"
    effect = armed.action.effect
    change = Change(
        effect.read.target, effect.read.signature, effect.read.args, work.intent.effect_before, effect.expect
    )
    return {"changes": [change_body(change)], "after": after_body(after)}


async def evidence_of(store: AuditStore, intent: Intent) -> str | None:
    """The hash of the decision that an intent rests on, as 0x and 64 digits; None where the log has none. Raises StoreUnavailable."""
    query = RecordQuery(
        intent.market, intent.action, intent.incident or None, (RecordKind.DECISION,), newest_first=True, limit=50
    )
    for record in await store.page(query):
        if record.body.get("kind") == "act" and from_iso(record.at) <= intent.created_ms:
            return "0x" + evidence_hash(record).hex()
    return None


def after_body(after: After) -> dict[str, Json]:
    """The joint check as it stands in a record."""
    kept: list[Json] = [
        {"name": one.name, "holds": one.holds, "before": one.before, "after": one.after, "text": one.text}
        for one in after.kept
    ]
    return {"goes_through": after.goes_through, "text": after.text, "block": after.block, "kept": kept}


def change_body(change: Change) -> dict[str, Json]:
    """One value as it stands in a record."""
    return {
        "contract": change.contract,
        "asked": change.asked,
        "args": list(change.args),
        "before": change.before,
        "after": change.after,
        "recorded": change.recorded,
        "text": change.text,
    }
