"""What the engine must know of earlier runs: what was done lately, and what is still on its way."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from keeper.adapters.audit.times import from_iso
from keeper.domain.outcome import OutcomeKind
from keeper.domain.record import RecordKind, RecordQuery
from keeper.domain.snapshot import ActionOutcome
from keeper.execution.work import Work
from keeper.ports.audit import AuditStore

NEWEST_OUTCOMES = 1_000
"""A cooldown that began before this many outcomes of one protocol is over."""


async def outcomes(
    store: AuditStore, armed: Collection[tuple[str, str]], open_works: Iterable[Work], now_ms: int, *, live: bool
) -> list[ActionOutcome]:
    """The newest outcome of every armed (market, action), and what is open as submitted: so that a restart forgets no cooldown.

    A live run does not count what a dry run did. Raises StoreUnavailable.
    """
    found: dict[tuple[str, str], ActionOutcome] = {}
    query = RecordQuery(kinds=(RecordKind.OUTCOME,), newest_first=True, limit=NEWEST_OUTCOMES)
    for record in await store.page(query):
        kind = OutcomeKind(str(record.body["kind"]))
        key = record.market or "", record.action or ""
        if key in armed and key not in found and not (live and kind is OutcomeKind.DRY_RUN):
            found[key] = ActionOutcome(*key, kind, str(record.body["reason"]), from_iso(record.at))
    for work in open_works:
        if work.key in armed:
            found[work.key] = ActionOutcome(*work.key, OutcomeKind.SUBMITTED, "taken-up", now_ms)
    return list(found.values())
