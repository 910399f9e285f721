"""What the engine must know of earlier runs: what was done lately, and what is still on its way."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from keeper.adapters.audit.times import from_iso
from keeper.decisions.standing import Phase, Standing
from keeper.domain.outcome import OutcomeKind
from keeper.domain.record import RecordKind, RecordQuery
from keeper.domain.snapshot import ActionOutcome
from keeper.execution.work import Work
from keeper.ports.audit import AuditStore

NEWEST_OUTCOMES = 1_000
"""A cooldown that began before this many outcomes of one protocol is over."""

NOT_CARRIED_OUT = "not-carried-out"
"""Decided before the keeper was ended, and never written down as an intent."""


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


async def endings(
    store: AuditStore, standings: Mapping[tuple[str, str], Standing], open_works: Iterable[Work], now_ms: int
) -> list[ActionOutcome]:
    """What an engine that was restored has not heard yet: how what it thinks is on its way has ended. Raises StoreUnavailable.

    What was decided and neither ended nor is open came to nothing. What is open and not known to be on its way is told as submitted.
    """
    on_its_way = {key: one for key, one in standings.items() if one.phase is Phase.IN_FLIGHT}
    still_open = {work.key for work in open_works}
    found = [
        ActionOutcome(*key, OutcomeKind.SUBMITTED, "taken-up", now_ms) for key in sorted(still_open - on_its_way.keys())
    ]
    for key, standing in on_its_way.items():
        if key not in still_open:
            found.append(await _ending(store, key, standing, now_ms))
    return found


@dataclass(frozen=True, slots=True)
class Done:
    """An action that worked, as its outcome says; ``tx_hash`` and ``block`` None where it needed no transaction."""

    key: tuple[str, str]
    tx_hash: str | None
    block: int | None


async def done(
    store: AuditStore, standings: Mapping[tuple[str, str], Standing], incidents: Mapping[str, str]
) -> list[Done]:
    """What worked in the incidents (by market) that are still open, also what the engine has not heard of yet. Raises StoreUnavailable."""
    found = []
    for (market, action), standing in standings.items():
        incident = incidents.get(market)
        if incident is None or standing.phase not in (Phase.WORKED, Phase.IN_FLIGHT) or standing.incident != incident:
            continue
        query = RecordQuery(
            market=market,
            action=action,
            incident=incident,
            kinds=(RecordKind.OUTCOME,),
            since_ms=standing.since_ms if standing.phase is Phase.IN_FLIGHT else None,
            newest_first=True,
            limit=1,
        )
        for record in await store.page(query):
            body = record.body
            if OutcomeKind(str(body["kind"])) in (OutcomeKind.INCLUDED, OutcomeKind.SUPERSEDED):
                tx_hash, block = body["tx_hash"], body["block"]
                found.append(
                    Done(
                        (market, action),
                        tx_hash if isinstance(tx_hash, str) else None,
                        block if isinstance(block, int) else None,
                    )
                )
    return found


async def _ending(store: AuditStore, key: tuple[str, str], standing: Standing, now_ms: int) -> ActionOutcome:
    market, action = key
    query = RecordQuery(
        market=market,
        action=action,
        kinds=(RecordKind.OUTCOME,),
        since_ms=standing.since_ms,
        newest_first=True,
        limit=1,
    )
    for record in await store.page(query):
        body = record.body
        return ActionOutcome(market, action, OutcomeKind(str(body["kind"])), str(body["reason"]), from_iso(record.at))
    return ActionOutcome(market, action, OutcomeKind.FAILED, NOT_CARRIED_OUT, now_ms)
