"""The questions that API and pages ask of the log, each bounded: pages by keyset, nothing counted, nothing skipped over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from keeper.adapters.audit.times import from_iso
from keeper.domain.record import GENESIS, Record, RecordKind, RecordQuery
from keeper.ports.log_reader import LogReader

Document = dict[str, Any]

OPENED: Final = "opened"
CLOSED: Final = "closed"
OWN_MAX: Final = 500
"""Records of one incident that a list looks at."""
_LOOKED_AT: Final = 1_000
"""Records of the kind incident that one page of openings may pass over."""
_OF_ACTION: Final = (RecordKind.OUTCOME, RecordKind.RECEIPT, RecordKind.EFFECT)
PERCENTILES: Final = (50, 90, 99)


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of something; ``last`` is the number to go on from, None where nothing comes after."""

    items: Sequence[Document]
    last: int | None


def record_document(record: Record) -> Document:
    return {
        "seq": record.seq,
        "at": record.at,
        "kind": record.kind.value,
        "market": record.market,
        "action": record.action,
        "incident": record.incident,
        "intent": record.intent,
        "body": record.body,
        "prev_hash": record.prev_hash,
        "hash": record.hash,
    }


async def incidents(reader: LogReader, query: RecordQuery) -> Listed:
    """``query`` is of openings: its kinds are set here. One page holds fewer where many records had to be passed over."""
    opened, last = await _openings(reader, query)
    return Listed([await _incident(reader, one) for one in opened], last)


async def _openings(reader: LogReader, query: RecordQuery) -> tuple[list[Record], int | None]:
    opened: list[Record] = []
    after, looked_at = query.after, 0
    while looked_at < _LOOKED_AT:
        sheet = await reader.sheet(_with(query, after, min(query.limit * 2, 200)))
        for each in sheet.records:
            if len(opened) == query.limit:
                return opened, opened[-1].seq
            after = each.seq
            if each.body.get("phase") == OPENED and each.incident:
                opened.append(each)
        looked_at += len(sheet.records) + len(sheet.damaged)
        if not sheet.more:
            return opened, None
        after = sheet.end
    return opened, after


def _with(query: RecordQuery, after: int, limit: int) -> RecordQuery:
    return RecordQuery(
        market=query.market,
        kinds=(RecordKind.INCIDENT,),
        since_ms=query.since_ms,
        until_ms=query.until_ms,
        after=after,
        limit=limit,
        newest_first=query.newest_first,
    )


async def _incident(reader: LogReader, opening: Record) -> Document:
    kinds = (RecordKind.INCIDENT, RecordKind.INTENT, RecordKind.OUTCOME, RecordKind.EFFECT)
    sheet = await reader.sheet(RecordQuery(incident=opening.incident, kinds=kinds, limit=OWN_MAX))
    own = sheet.records
    closings = [one for one in own if one.kind is RecordKind.INCIDENT and one.body.get("phase") == CLOSED]
    effects = [one for one in own if one.kind is RecordKind.EFFECT]
    outcomes = Counter(str(one.body.get("kind")) for one in own if one.kind is RecordKind.OUTCOME)
    closed_at = closings[-1].at if closings else None
    verdict = opening.body.get("verdict")
    said = verdict if isinstance(verdict, dict) else {}
    return {
        "id": opening.incident,
        "market": opening.market,
        "rule": _text(said.get("rule")),
        "signal": _text(said.get("signal")),
        "severity": _text(said.get("severity")),
        "state": CLOSED if closings else "open",
        "opened_at": opening.at,
        "closed_at": closed_at,
        "opened_seq": opening.seq,
        "lasted_ms": _between(opening.at, closed_at),
        "actions": sum(one.kind is RecordKind.INTENT for one in own),
        "outcomes": dict(outcomes),
        "first_effect_ms": _between(opening.at, effects[0].at if effects else None),
    }


async def actions(reader: LogReader, query: RecordQuery) -> Listed:
    """``query`` is of intents: their kind is its only one. What became of each is read from its incident's records."""
    sheet = await reader.sheet(query)
    followed: dict[str, list[Record]] = {}
    for each in sheet.records:
        if each.incident and each.incident not in followed:
            later = await reader.sheet(RecordQuery(incident=each.incident, kinds=_OF_ACTION, after=0, limit=OWN_MAX))
            followed[each.incident] = list(later.records)
    items = [
        _action(each, [one for one in followed.get(each.incident or "", ()) if one.intent == each.intent])
        for each in sheet.records
    ]
    return Listed(items, sheet.end if sheet.more else None)


def _action(intent: Record, later: Sequence[Record]) -> Document:
    outcome = next((one for one in later if one.kind is RecordKind.OUTCOME), None)
    mined = [one for one in later if one.kind is RecordKind.RECEIPT and not one.body.get("gone")]
    said = outcome.body if outcome else {}
    receipt = mined[-1].body if mined else {}
    stages = said.get("timeline_ms")
    return {
        "intent": intent.intent,
        "seq": intent.seq,
        "at": intent.at,
        "market": intent.market,
        "action": intent.action,
        "incident": intent.incident,
        "call": _text(intent.body.get("call")),
        "to": _text(intent.body.get("to")),
        "route": _text(intent.body.get("route")),
        "outcome": _text(said.get("kind")),
        "reason": _text(said.get("reason")),
        "ended_at": outcome.at if outcome else None,
        "tx_hash": _text(receipt.get("tx_hash")) or _text(said.get("tx_hash")),
        "block": _whole(receipt.get("block")),
        "timeline_ms": {
            str(stage): text
            for stage, text in (stages.items() if isinstance(stages, dict) else ())
            if isinstance(text, str) and _decimal(text) is not None
        },
    }


def percentiles(items: Sequence[Document]) -> list[Document]:
    """Nearest rank: ``value[ceil(p / 100 * n) - 1]`` of the sorted values, for each stage; the earliest stage first."""
    stages: dict[str, list[Decimal]] = {}
    for item in items:
        for stage, text in item["timeline_ms"].items():
            value = _decimal(text)
            if value is not None:
                stages.setdefault(stage, []).append(value)
    found = []
    for values in stages.values():
        values.sort()
    for stage, values in sorted(stages.items(), key=lambda each: (each[1][(len(each[1]) - 1) // 2], each[0])):
        count = len(values)
        ranks = {f"p{p}_ms": f"{values[-(-p * count // 100) - 1]:f}" for p in PERCENTILES}
        found.append({"stage": stage, "count": count, **ranks, "max_ms": f"{values[-1]:f}"})
    return found


async def verification(reader: LogReader) -> Document:
    newest = await reader.page(RecordQuery(kinds=(RecordKind.VERIFICATION,), newest_first=True, limit=1))
    last = await reader.page(RecordQuery(newest_first=True, limit=1))
    found = newest[0] if newest else None
    return {
        "seq": found.seq if found else None,
        "at": found.at if found else None,
        "verdict": found.body if found else None,
        "head_seq": last[0].seq if last else 0,
        "head": last[0].hash if last else GENESIS,
    }


def _between(since: str, until: str | None) -> str | None:
    try:
        return None if until is None else str(from_iso(until) - from_iso(since))
    except ValueError:
        return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: object) -> int | None:
    return value if type(value) is int else None


def _decimal(text: str) -> Decimal | None:
    try:
        value = Decimal(text) if len(text) <= 40 else None
    except InvalidOperation:
        return None
    return value if value is not None and value.is_finite() and abs(value.adjusted()) < 20 else None
