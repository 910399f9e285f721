"""What an incident that is open still waits for: actions that ended without their effect."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from keeper.app.cli.output import Output
from keeper.domain.decision import IncidentPhase
from keeper.domain.outcome import OutcomeKind
from keeper.domain.record import Json, Record, RecordKind, RecordQuery

LOOKED_AT = 1000
AS_MEANT = frozenset({OutcomeKind.INCLUDED.value, OutcomeKind.SUPERSEDED.value, OutcomeKind.DRY_RUN.value})
"""Endings after which the effect is there, or was not meant to be."""

Page = Callable[[RecordQuery], Sequence[Record]]


def not_done(page: Page, since: int) -> tuple[Record, ...]:
    """The newest outcome of each action of each open incident, where it is not one of AS_MEANT; in the order of the log.

    ``since`` is the number of the keeper's last start: what was open before it is opened anew by whatever still trips.
    """
    newest: dict[str | None, Record] = {}
    for record in page(RecordQuery(kinds=(RecordKind.INCIDENT,), newest_first=True, limit=LOOKED_AT)):
        if record.seq > since:
            newest.setdefault(record.market, record)
    found = []
    for opened in newest.values():
        if opened.body["phase"] == IncidentPhase.OPENED.value:
            found += _of_incident(page, opened)
    return tuple(sorted(found, key=lambda record: record.seq))


def _of_incident(page: Page, opened: Record) -> list[Record]:
    query = RecordQuery(
        market=opened.market,
        incident=opened.incident,
        kinds=(RecordKind.OUTCOME,),
        newest_first=True,
        limit=LOOKED_AT,
    )
    endings: dict[str | None, Record] = {}
    for record in page(query):
        endings.setdefault(record.action, record)
    return [record for record in endings.values() if record.seq > opened.seq and record.body["kind"] not in AS_MEANT]


def document(record: Record) -> dict[str, Json]:
    """For machines."""
    said = {key: record.body[key] for key in ("kind", "reason", "message", "remedy")}
    return {"market": record.market, "action": record.action, "incident": record.incident, "at": record.at, **said}


def show(output: Output, record: Record) -> None:
    """For people: which action, why, and what to do."""
    body = record.body
    ending = f"{body['kind']} ({body['reason']}) at {record.at}: {body['message']}"
    output.say(f"NOT DONE: {record.action} on {record.market}, incident {record.incident}: {ending}", "bold red")
    if body["remedy"]:
        output.say(f"  -> {body['remedy']}")
