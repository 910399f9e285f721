"""An incident as the log tells it: its records, a line each, in their order."""

from __future__ import annotations

import re
from dataclasses import dataclass

from keeper.adapters.audit.times import from_iso
from keeper.app.cli.summaries import summary
from keeper.domain.record import Record, RecordKind, RecordQuery
from keeper.domain.text import printable
from keeper.ports.audit import AuditStore

LINES_MAX = 200
"""More than a page that opens quickly on a phone; the command line shows the rest."""
_LINE_MAX = 500
_HASH = re.compile(r"0x[0-9a-f]{64}")
_PROPOSAL = "proposal"
_CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class IncidentLine:
    """One record. ``text`` is plain words, ``proposal`` the safeTxHash of the proposal that it is about."""

    seq: int
    at_ms: int
    kind: str
    text: str
    proposal: str | None = None


@dataclass(frozen=True, slots=True)
class IncidentStory:
    """``opened_ms`` and ``closed_ms`` are None where no record says so; ``more``: there are more records than lines."""

    id: str
    market: str | None
    opened_ms: int | None
    closed_ms: int | None
    lines: tuple[IncidentLine, ...]
    more: bool = False


async def incident_story(store: AuditStore, incident: str, lines_max: int = LINES_MAX) -> IncidentStory | None:
    """None when the log knows no incident of this name. Raises StoreUnavailable."""
    records = await store.page(RecordQuery(incident=incident, limit=lines_max + 1))
    if not records:
        return None
    shown = records[:lines_max]
    turns = [record for record in shown if record.kind is RecordKind.INCIDENT]
    if len(records) > lines_max:  # the end lies behind what is shown
        turns += await store.page(
            RecordQuery(incident=incident, kinds=(RecordKind.INCIDENT,), newest_first=True, limit=1)
        )
    opened = [record for record in turns if record.body.get("phase") != _CLOSED]
    closed = [record for record in turns if record.body.get("phase") == _CLOSED]
    return IncidentStory(
        id=incident,
        market=next((record.market for record in shown if record.market), None),
        opened_ms=from_iso(opened[0].at) if opened else None,
        closed_ms=from_iso(closed[-1].at) if closed else None,
        lines=tuple(_line(record) for record in shown),
        more=len(records) > lines_max,
    )


def _line(record: Record) -> IncidentLine:
    proposal = record.body.get("safe_tx_hash") if record.kind.value == _PROPOSAL else None
    known = isinstance(proposal, str) and _HASH.fullmatch(proposal) is not None
    return IncidentLine(
        seq=record.seq,
        at_ms=from_iso(record.at),
        kind=record.kind.value,
        text=printable(summary(record), _LINE_MAX),
        proposal=str(proposal) if known else None,
    )
