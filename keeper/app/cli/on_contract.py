"""What the log says of breakers on the chain: which trip is in effect there until when, and which order still waits for signatures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from keeper.adapters.audit.times import to_iso
from keeper.domain.circuit_breaker import breaker_name, utc
from keeper.domain.decision import IncidentPhase
from keeper.domain.record import Json, Record, RecordKind, RecordQuery

LOOKED_AT = 1000
SIGNED = "signed"
"""The step of an order's record that has nothing but this key's signature."""
AGE_MS = 2 * 3_600_000
"""No deadline lies further ahead than half of it."""

Page = Callable[[RecordQuery], Sequence[Record]]


def newest_turns(page: Page) -> tuple[Record, ...]:
    """The newest record of each breaker on the chain, by market and name."""
    newest: dict[tuple[Json, Json], Record] = {}
    for record in page(RecordQuery(kinds=(RecordKind.BREAKER,), newest_first=True, limit=LOOKED_AT)):
        if "contract" in record.body:  # the others are about the keeper's own view of a market
            newest.setdefault((record.body["contract"], record.body["id"]), record)
    return tuple(sorted(newest.values(), key=lambda record: (record.market or "", str(record.body["name"]))))


def line(turn: Record, now_ms: int) -> str:
    """Such as ``breaker contract: pause ETH-PERP tripped until 2026-01-01 00:00:00 UTC``."""
    body = turn.body
    what, said = f"breaker contract: {body['name']}", str(body["after"])
    at_s, until_ms = int(str(body["at_ms"])) // 1000, _until_ms(turn)
    until = utc(until_ms // 1000) if until_ms is not None else ""
    if said == "tripped" and until_ms is not None:
        over = " (its end is due, and not in the log yet)" if until_ms <= now_ms else ""
        return f"{what} tripped until {until}{over}"
    if said == "ratified":
        return f"{what} ratified at {utc(at_s)}: its trip stays until the council lifts it"
    locked = f", locked until {until}" if until_ms is not None and until_ms > now_ms else ""
    return f"{what} {said} at {utc(at_s)}{locked}"


def documents(turns: Iterable[Record]) -> list[dict[str, Json]]:
    """For machines."""
    found = []
    for turn in turns:
        until_ms = _until_ms(turn)
        said = {key: turn.body[key] for key in ("contract", "id", "name", "nonce")}
        until = None if until_ms is None else to_iso(until_ms)
        found.append({"market": turn.market, **said, "state": turn.body["after"], "at": turn.at, "until": until})
    return found


def _until_ms(turn: Record) -> int | None:
    until = turn.body["until_ms"]
    return None if until is None else int(str(until))


# -- orders that wait ---------------------------------------------------------------------------------------------------------


def unfinished(page: Page, now_ms: int) -> tuple[Record, ...]:
    """The newest order that this key has signed for each breaker, where its deadline is ahead and nothing has come of it yet."""
    kinds = (RecordKind.ORDER, RecordKind.INTENT, RecordKind.OUTCOME, RecordKind.BREAKER, RecordKind.INCIDENT)
    ended: set[tuple[object, ...]] = set()
    found: dict[tuple[object, ...], Record] = {}
    for record in _newest_of(page, kinds, now_ms - AGE_MS):
        body = record.body
        place = ("breaker", body.get("contract"), body.get("breaker" if record.kind is RecordKind.ORDER else "id"))
        action = ("action", record.market, record.action)
        if record.kind is RecordKind.ORDER and body["step"] == SIGNED:
            ends = {place, ("incident", record.incident)} | ({action} if record.action else set())
            if not ended & ends and int(str(body["deadline_s"])) * 1000 > now_ms:
                found.setdefault(place, record)
        elif record.kind in (RecordKind.ORDER, RecordKind.BREAKER):
            if body.get("contract") is not None:
                ended.add(place)
        elif record.kind is not RecordKind.INCIDENT:
            ended.add(action)
        elif body["phase"] == IncidentPhase.CLOSED.value:
            ended.add(("incident", record.incident))
    return tuple(reversed(found.values()))


def _newest_of(page: Page, kinds: Iterable[RecordKind], since_ms: int) -> list[Record]:
    records = [
        record
        for kind in kinds
        for record in page(RecordQuery(kinds=(kind,), since_ms=since_ms, newest_first=True, limit=LOOKED_AT))
    ]
    return sorted(records, key=lambda record: record.seq, reverse=True)


def waiting_line(order: Record) -> str:
    """For people."""
    body = order.body
    name = breaker_name(str(body["breaker"]))
    what = f"{order.action} on {order.market}" if order.action else f"breaker {name}"
    return f"NOT DONE: {what} waits for signatures (order {body['digest']}, until {utc(int(str(body['deadline_s'])))})"


def waiting_document(order: Record) -> dict[str, Json]:
    """For machines."""
    body = order.body
    return {
        "market": order.market,
        "action": order.action,
        "incident": order.incident,
        "digest": body["digest"],
        "contract": body["contract"],
        "breaker": breaker_name(str(body["breaker"])),
        "until": to_iso(int(str(body["deadline_s"])) * 1000),
    }
