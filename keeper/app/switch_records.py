"""A switch as a record of the log, and back."""

from __future__ import annotations

from keeper.adapters.audit.times import from_iso
from keeper.domain.intervention import Intervention, InterventionKind
from keeper.domain.record import Draft, Record, RecordKind

KINDS = {"off": InterventionKind.SWITCHED_OFF, "on": InterventionKind.SWITCHED_ON}


def record(switch: Intervention, by: str) -> Draft:
    """``by`` is the user of the machine who did it."""
    word = next(word for word, kind in KINDS.items() if kind is switch.kind)
    return Draft(
        RecordKind.SWITCH,
        {"state": word, "scope": switch.scope, "rule": switch.rule, "reason": switch.reason, "by": by},
        switch.at_ms,
        market=switch.market or None,
        action=switch.action or None,
    )


def switch_of(record: Record) -> Intervention:
    """What a record says. Raises KeyError for a body that is not of a switch."""
    body = record.body
    return Intervention(
        KINDS[str(body["state"])],
        from_iso(record.at),
        record.market or "",
        str(body["rule"]),
        record.action or "",
        str(body["reason"]),
        record.seq,
    )
