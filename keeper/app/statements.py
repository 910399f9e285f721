"""What nodes say of each other, for people and for the log."""

from __future__ import annotations

from collections.abc import Sequence

from keeper.domain.record import Json
from keeper.domain.testimony import Difference, QuorumPolicy, Statement, Testimony, Word


def difference_text(difference: Difference, subjects: Sequence[str]) -> str:
    """``source:oracle is 0x01 there and 0x02 here``; ``subjects`` names what each call is about."""
    return f"{_subject(difference, subjects)} is {difference.theirs} there and {difference.ours} at the endpoint in use"


def statement_text(statement: Statement, subjects: Sequence[str], deadline_ms: int) -> str:
    """One endpoint's word in words; one that agrees after the deadline does not count."""
    if statement.word is Word.SILENT:
        return f"{statement.endpoint} is silent ({statement.silence}): {statement.message}"
    if statement.word is Word.AGREES:
        late = statement.took_ms > deadline_ms
        after = f" too late: after {statement.took_ms:.0f} ms, `deadline` is {deadline_ms} ms" if late else ""
        return f"{statement.endpoint} agrees{after}"
    told = "; ".join(difference_text(difference, subjects) for difference in statement.differences)
    return f"{statement.endpoint} disagrees: {told}"


def count_text(testimony: Testimony, policy: QuorumPolicy) -> str:
    """How many agree, soon enough."""
    agreeing = testimony.agreeing_within(policy.deadline_ms)
    return (
        f"{agreeing} of {testimony.of} endpoints agree about block {testimony.block.number}, {policy.agree} are needed"
    )


def testimony_body(testimony: Testimony, policy: QuorumPolicy, subjects: Sequence[str]) -> dict[str, Json]:
    """Everything that was said, for the record of the decision."""
    return {
        "block": testimony.block.number,
        "block_hash": testimony.block.hash,
        "agreeing": testimony.agreeing,
        "of": testimony.of,
        "needed": policy.agree,
        "deadline_ms": policy.deadline_ms,
        "met": policy.met_by(testimony),
        "otherwise": str(policy.otherwise),
        "statements": [_statement_body(statement, subjects) for statement in testimony.statements],
    }


def _statement_body(statement: Statement, subjects: Sequence[str]) -> dict[str, Json]:
    return {
        "endpoint": statement.endpoint,
        "word": str(statement.word),
        "silence": str(statement.silence) if statement.silence is not None else None,
        "message": statement.message,
        "behind": statement.behind,
        "differences": [
            {"about": _subject(one, subjects), "call": one.call, "ours": one.ours, "theirs": one.theirs}
            for one in statement.differences
        ],
    }


def _subject(difference: Difference, subjects: Sequence[str]) -> str:
    if difference.call is None:
        return "the block's hash"
    return subjects[difference.call] if difference.call < len(subjects) else f"call {difference.call}"
