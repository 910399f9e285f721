"""What a proposal's record says beside the transaction: what changes, and what the state after it would be."""

from __future__ import annotations

from keeper.app.council.matter import After, Change
from keeper.domain.record import Json
from keeper.execution.work import Work


def facts_of(work: Work, after: After) -> dict[str, Json]:
    """Of an action: the value now, and what is expected."""
    armed = work.armed
    assert armed is not None, "it was proposed"
    effect = armed.action.effect
    change = Change(
        effect.read.target, effect.read.signature, effect.read.args, work.intent.effect_before, effect.expect
    )
    return {"changes": [change_body(change)], "after": after_body(after)}


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
