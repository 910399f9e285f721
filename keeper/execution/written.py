"""What earlier steps and earlier runs wrote down, read back from the log. All raise StoreUnavailable."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from keeper.domain.evm import Receipt
from keeper.domain.intent import Intent, IntentState
from keeper.domain.outcome import Outcome, OutcomeKind, Reason
from keeper.domain.record import Record, RecordKind, RecordQuery
from keeper.execution.fees import Fees
from keeper.execution.planner import ArmedAction
from keeper.execution.trail import Trail
from keeper.execution.work import Work
from keeper.ports.audit import AuditStore

NEWEST_OF_ACTION = 50
"""An intent's own records are among the newest of its action on its market: no second one is open beside it."""
NEWEST_ATTEMPTS = 1_000
PAGE = 500


async def take_up(store: AuditStore, armed: Mapping[tuple[str, str], ArmedAction], intent: Intent) -> Work:
    """An open intent as the journal has it. A configuration that has another call for the action now cannot judge this one."""
    now = armed.get((intent.market, intent.action))
    if now is not None:
        now = now.at(intent.effect_before)
    if now is not None:
        now = now.as_written(intent.to, bytes.fromhex(intent.data.removeprefix("0x")))
    mined = await receipt_of(store, intent) if intent.state is IntentState.MINED else None
    # A first attempt is written down before its simulation has answered; any later step says that the gate had let the call through.
    first = intent.state is IntentState.SIGNED and len(intent.attempts) == 1
    cleared = now is None or not (first or intent.state is IntentState.OPEN)
    opened = await _newest(store, intent, RecordKind.INTENT)
    # Made of a current value: without the action nobody can tell whether it is still right.
    blind = now is None and opened is not None and "adjustment" in opened.body
    trail = await _trail(store, intent, opened)
    return Work(intent, now, mined=mined, cleared=cleared, blind=blind, trail=trail)


async def _trail(store: AuditStore, intent: Intent, opened: Record | None) -> Trail:
    """Which ways the intent went."""
    trail = Trail(str(opened.body.get("route", "")) if opened is not None else "")
    block = opened.body.get("block") if opened is not None else None
    if intent.attempts and isinstance(
        block, int
    ):  # it may have been sent, by a run that was killed before anybody answered
        trail.first_block = block
    after = opened.seq if opened is not None else 0
    while opened is not None:
        query = RecordQuery(
            market=intent.market, action=intent.action, kinds=(RecordKind.BROADCAST,), after=after, limit=PAGE
        )
        page = await store.page(query)
        for record in page:
            if record.intent == intent.id:
                trail.note(record.body)
        if len(page) < PAGE:
            break
        after = page[-1].seq
    return trail


async def paid(store: AuditStore, since_ms: int) -> dict[str, tuple[Receipt, int]]:
    """The transactions of ours that were mined since then and still are, by hash, each with the time at which it was written down in ms."""
    found: dict[str, tuple[Receipt, int]] = {}
    after = 0
    while True:
        query = RecordQuery(kinds=(RecordKind.RECEIPT,), since_ms=since_ms, after=after, limit=PAGE)
        page = await store.page(query)
        for record in page:
            if "gone" in record.body:
                found.pop(str(record.body["tx_hash"]), None)
            else:
                found[str(record.body["tx_hash"])] = (_receipt(record), _ms(record.at))
        if len(page) < PAGE:
            return found
        after = page[-1].seq


async def receipt_of(store: AuditStore, intent: Intent) -> Receipt | None:
    """The receipt that the intent was last mined by, as it was written down."""
    record = await _newest(store, intent, RecordKind.RECEIPT)
    return None if record is None or "gone" in record.body else _receipt(record)


def _receipt(record: Record) -> Receipt:
    body = record.body
    return Receipt(
        tx_hash=str(body["tx_hash"]),
        status=int(str(body["status"])),
        block_number=int(str(body["block"])),
        block_hash=str(body["block_hash"]),
        gas_used=int(str(body["gas_used"])),
        effective_gas_price_wei=int(str(body["effective_gas_price_wei"])),
    )


async def outcome_of(store: AuditStore, intent: Intent) -> Outcome | None:
    """How the intent ended, as it was written down."""
    record = await _newest(store, intent, RecordKind.OUTCOME)
    if record is None:
        return None
    body = record.body
    return Outcome(
        OutcomeKind(str(body["kind"])),
        Reason(str(body["reason"])),
        str(body["message"]),
        str(body["remedy"]),
        tx_hash=None if body["tx_hash"] is None else str(body["tx_hash"]),
        block=None if body["block"] is None else int(str(body["block"])),
    )


async def offers(store: AuditStore, chain_id: int, sender: str) -> set[tuple[int, Fees]]:
    """(nonce, fees) of the newest attempts of this sender: no two attempts may agree in both."""
    query = RecordQuery(kinds=(RecordKind.ATTEMPT,), newest_first=True, limit=NEWEST_ATTEMPTS)
    found = set()
    for record in await store.page(query):
        body = record.body
        if (body["sender"], body["chain_id"]) == (sender, chain_id):
            fees = Fees(int(str(body["max_fee_wei"])), int(str(body["priority_fee_wei"])))
            found.add((int(str(body["nonce"])), fees))
    return found


def _ms(at: str) -> int:
    return (datetime.fromisoformat(at) - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)


async def _newest(store: AuditStore, intent: Intent, kind: RecordKind) -> Record | None:
    query = RecordQuery(
        market=intent.market, action=intent.action, kinds=(kind,), newest_first=True, limit=NEWEST_OF_ACTION
    )
    return next((record for record in await store.page(query) if record.intent == intent.id), None)
