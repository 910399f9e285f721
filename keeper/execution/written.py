"""What earlier steps and earlier runs wrote down, read back from the log. All raise StoreUnavailable."""

from __future__ import annotations

from collections.abc import Mapping

from keeper.domain.evm import Receipt
from keeper.domain.intent import Intent, IntentState
from keeper.domain.outcome import Outcome, OutcomeKind, Reason
from keeper.domain.record import Record, RecordKind, RecordQuery
from keeper.execution.fees import Fees
from keeper.execution.planner import ArmedAction
from keeper.execution.work import Work
from keeper.ports.audit import AuditStore

NEWEST_OF_ACTION = 50
"""An intent's own records are among the newest of its action on its market: no second one is open beside it."""
NEWEST_ATTEMPTS = 1_000


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
    return Work(intent, now, mined=mined, cleared=cleared, blind=now is None and await _adjusts(store, intent))


async def _adjusts(store: AuditStore, intent: Intent) -> bool:
    """Whether the call was made of a current value, as it was written down."""
    record = await _newest(store, intent, RecordKind.INTENT)
    return record is not None and "adjustment" in record.body


async def receipt_of(store: AuditStore, intent: Intent) -> Receipt | None:
    """The receipt that the intent was last mined by, as it was written down."""
    record = await _newest(store, intent, RecordKind.RECEIPT)
    if record is None or "gone" in record.body:
        return None
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


async def _newest(store: AuditStore, intent: Intent, kind: RecordKind) -> Record | None:
    query = RecordQuery(
        market=intent.market, action=intent.action, kinds=(kind,), newest_first=True, limit=NEWEST_OF_ACTION
    )
    return next((record for record in await store.page(query) if record.intent == intent.id), None)
