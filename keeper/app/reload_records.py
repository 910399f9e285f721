"""A wish for a reload, and what came of it, as records of the log: they are of the job ``reload``."""

from __future__ import annotations

from keeper.domain.record import Draft, Record, RecordKind

JOB = "reload"
ASKED, APPLIED, REFUSED = "asked", "applied", "refused"


def asked(at_ms: int, by: str, config_hash: str) -> Draft:
    """``by`` is the user of the machine who wants it; ``config_hash`` is of the file as it was checked there."""
    body = {"job": JOB, "state": ASKED, "message": "a reload is asked for", "by": by, "hash": config_hash}
    return Draft(RecordKind.JOB, dict(body), at_ms)


def answer(at_ms: int, state: str, of: int, message: str, previous: str, config_hash: str) -> Draft:
    """``of`` is the record of the wish (0: a signal), ``previous`` the hash of what runs, ``config_hash`` of what takes over (empty: nothing)."""
    return Draft(
        RecordKind.JOB,
        {"job": JOB, "state": state, "message": message, "of": of, "previous": previous, "hash": config_hash},
        at_ms,
    )


def is_asked(record: Record) -> bool:
    """Whether it is a wish."""
    return record.body.get("job") == JOB and record.body.get("state") == ASKED


def is_answer(record: Record, of: int) -> bool:
    """Whether it answers this wish, or a later one that was answered with it."""
    answered = record.body.get("of")
    return record.body.get("job") == JOB and isinstance(answered, int) and answered >= of
