"""The records that the service itself leaves: start, configuration, faults, the chain, jobs, verification, notification, stop."""

from __future__ import annotations

from collections.abc import Mapping

from keeper import __version__
from keeper.app.declared_order import ORDER, order_of
from keeper.domain.decision import BreakerEvent
from keeper.domain.record import Draft, Json, RecordKind
from keeper.engine.evidence import breaker_body


def start(
    at_ms: int, *, name: str, mode: str, chain_id: int, sender: str | None, state: Mapping[str, Json] | None = None
) -> Draft:
    """The service starts. ``sender`` is the address that will sign, if there is a key; ``state`` what it goes on from."""
    body: dict[str, Json] = {"version": __version__, "name": name, "mode": mode, "chain_id": chain_id, "sender": sender}
    body |= state or {}
    return Draft(RecordKind.START, body, at_ms)


def configuration(at_ms: int, config_hash: str, document: Mapping[str, Json], previous: str | None = None) -> Draft:
    """The configuration that everything after it was decided with, and the order of its names; no value of the environment is in it.

    ``previous`` is the hash of the one that it took over from, in the same process or at a restart.
    """
    body: dict[str, Json] = {"hash": config_hash, "document": dict(document), ORDER: order_of(document)}
    if previous is not None:
        body["previous"] = previous
    return Draft(RecordKind.CONFIGURATION, body, at_ms)


def fault(at_ms: int, part: str, *, down: bool, reason: str, message: str, remedy: str = "") -> Draft:
    """A part failed, or came back. ``part`` names it (``heads``, ``source:eth-spot``, ``readiness:ETH-PERP/pause-market``)."""
    body: dict[str, Json] = {
        "part": part,
        "state": "down" if down else "up",
        "reason": reason,
        "message": message,
        "remedy": remedy,
    }
    return Draft(RecordKind.FAULT, body, at_ms)


def chain(at_ms: int, event: str, details: Mapping[str, Json]) -> Draft:
    """``event``: failed-over, reorg, gap, backfilled or skipped; ``details`` as the event has them (``keeper.domain.chain_events``)."""
    return Draft(RecordKind.CHAIN, {"event": event, **details}, at_ms)


def job(at_ms: int, name: str, *, state: str, message: str) -> Draft:
    """A scheduled job failed, was missed, or works again."""
    return Draft(RecordKind.JOB, {"job": name, "state": state, "message": message}, at_ms)


def breaker(event: BreakerEvent) -> Draft:
    """A market's breaker was turned from outside."""
    return Draft(
        RecordKind.BREAKER, breaker_body(event), event.at_ms, market=event.market, incident=event.incident or None
    )


def verification(at_ms: int, *, ok: bool, records: int, head: str, problem: str) -> Draft:
    """The verdict on the chain of records up to here."""
    return Draft(RecordKind.VERIFICATION, {"ok": ok, "records": records, "head": head, "problem": problem}, at_ms)


def notification(at_ms: int, notifier: str, key: str, *, delivered: bool, message: str) -> Draft:
    """Somebody was told, or could not be."""
    body: dict[str, Json] = {"notifier": notifier, "key": key, "delivered": delivered, "message": message}
    return Draft(RecordKind.NOTIFICATION, body, at_ms)


def stop(at_ms: int, reason: str) -> Draft:
    """The service ends on its own will; a log without it was cut off."""
    return Draft(RecordKind.STOP, {"reason": reason}, at_ms)
