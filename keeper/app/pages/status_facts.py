"""What the log adds to the page of the status: open intents, incidents, breakers on the chain, what waits for the council, and how far it goes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from keeper.adapters.audit.reading import page_sync
from keeper.adapters.audit.times import from_iso
from keeper.app.cli import on_contract, proposals
from keeper.app.council.ledger import Proposed
from keeper.app.parts import Parts
from keeper.domain.decision import IncidentPhase
from keeper.domain.errors import AuditError, UnitError
from keeper.domain.intent import Intent
from keeper.domain.record import Record, RecordKind, RecordQuery

INCIDENT_RECORDS: Final = 100
INCIDENTS: Final = 5
"""Closed ones that are shown; of open ones all that were found."""


@dataclass(frozen=True, slots=True)
class Incident:
    """``closed_ms`` None: it is open."""

    id: str
    market: str
    rule: str
    opened_ms: int | None
    closed_ms: int | None


@dataclass(frozen=True, slots=True)
class Facts:
    """``trouble``: why the log could not be read. ``head`` is its last record, ``checkpoint`` (the record that the newest one covers, when)."""

    intents: Sequence[Intent] = ()
    incidents: Sequence[Incident] = ()
    turns: Sequence[Record] = ()
    proposed: Sequence[Proposed] = ()
    head: Record | None = None
    checkpoint: tuple[int, int] | None = None
    signs: bool = False
    """Whether checkpoints are made at all."""
    trouble: str = ""


NOTHING: Final = Facts()
Page = Callable[[RecordQuery], Sequence[Record]]


async def read_facts(parts: Parts) -> Facts:
    """Never raises for what the database does. The records are read in a thread, by a connection that can only read."""
    url = parts.config.audit.url.reveal()

    def page(query: RecordQuery) -> Sequence[Record]:
        return page_sync(url, query)

    try:
        intents = await parts.edges.store.open_intents()
        newest = await parts.signing.book.newest() if parts.signing is not None else None
        incidents, turns, proposed, head = await asyncio.to_thread(_of_records, page)
    except (AuditError, UnitError) as error:
        return Facts(trouble=error.message)
    except (KeyError, TypeError, ValueError):
        return Facts(trouble="a record is not as the keeper writes it")
    checkpoint = (newest.checkpoint.seq, from_iso(newest.checkpoint.at)) if newest is not None else None
    return Facts(intents, incidents, turns, proposed, head, checkpoint, parts.signing is not None)


def _of_records(
    page: Page,
) -> tuple[Sequence[Incident], Sequence[Record], Sequence[Proposed], Record | None]:
    told = page(RecordQuery(kinds=(RecordKind.INCIDENT,), newest_first=True, limit=INCIDENT_RECORDS))
    head = next(iter(page(RecordQuery(newest_first=True, limit=1))), None)
    return incidents_of(told), on_contract.newest_turns(page), proposals.open_in(page), head


def incidents_of(newest_first: Sequence[Record]) -> tuple[Incident, ...]:
    """Open ones first, then the last ones that ended; each newest first."""
    found: dict[str, Incident] = {}
    for record in reversed(newest_first):
        name, at_ms = record.incident or "", from_iso(record.at)
        before = found.pop(name, None)
        if record.body["phase"] == IncidentPhase.OPENED.value:
            verdict = record.body.get("verdict")
            rule = str(verdict.get("rule", "")) if isinstance(verdict, dict) else ""
            found[name] = Incident(name, record.market or "", rule, at_ms, None)
        else:
            rule, opened_ms = (before.rule, before.opened_ms) if before else ("", None)
            found[name] = Incident(name, record.market or "", rule, opened_ms, at_ms)
    latest = list(reversed(found.values()))
    ended = [one for one in latest if one.closed_ms is not None]
    return (*(one for one in latest if one.closed_ms is None), *ended[:INCIDENTS])
