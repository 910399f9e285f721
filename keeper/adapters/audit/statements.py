"""The store's statements as plain SQL: on the hot path there is nothing to compile."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from keeper.adapters.audit.models import attempts, checkpoints, evidence, intents
from keeper.adapters.audit.pages import COLUMNS
from keeper.adapters.audit.times import from_iso
from keeper.domain.intent import Attempt, Intent, IntentState
from keeper.domain.record import Record

INTENT_COLUMNS = tuple(column.name for column in intents.columns)
ATTEMPT_COLUMNS = tuple(column.name for column in attempts.columns)
EVIDENCE_COLUMNS = tuple(column.name for column in evidence.columns)
CHECKPOINT_COLUMNS = tuple(column.name for column in checkpoints.columns)
_JOINED = [f"i.{name}" for name in INTENT_COLUMNS] + [f"a.{name}" for name in ATTEMPT_COLUMNS]


@dataclass(frozen=True)
class Statements:
    """``marker`` is the driver's placeholder."""

    marker: str
    insert_record: str = field(init=False)
    insert_intent: str = field(init=False)
    insert_attempt: str = field(init=False)
    insert_evidence: str = field(init=False)
    has_evidence: str = field(init=False)
    insert_checkpoint: str = field(init=False)
    state: str = field(init=False)
    set_state: str = field(init=False)
    knows: str = field(init=False)
    head: str = "SELECT seq, hash FROM records ORDER BY seq DESC LIMIT 1"
    open_intents: str = (
        f"SELECT {', '.join(_JOINED)} FROM intents AS i LEFT JOIN attempts AS a ON a.intent = i.id "  # noqa: S608
        "WHERE i.state <> 'done' ORDER BY i.seq, a.number"
    )

    def __post_init__(self) -> None:
        one = self.marker
        texts = {
            "insert_record": _insert("records", COLUMNS, one),
            "insert_intent": _insert("intents", INTENT_COLUMNS, one),
            "insert_attempt": _insert("attempts", ATTEMPT_COLUMNS, one),
            "insert_evidence": _insert("evidence", EVIDENCE_COLUMNS, one),
            "has_evidence": f"SELECT 1 FROM evidence WHERE hash = {one}",  # noqa: S608
            "insert_checkpoint": _insert("checkpoints", CHECKPOINT_COLUMNS, one),
            "state": f"SELECT state FROM intents WHERE id = {one}",  # noqa: S608
            "set_state": f"UPDATE intents SET state = {one} WHERE id = {one}",  # noqa: S608
            "knows": f"SELECT 1 FROM attempts WHERE intent = {one} AND tx_hash = {one}",  # noqa: S608
        }
        for name, text in texts.items():
            object.__setattr__(self, name, text)


def record_values(record: Record, body: str) -> tuple[str | int | None, ...]:
    """The columns of ``records`` in the order of COLUMNS; ``body`` is the canonical text."""
    return (
        record.seq,
        record.at,
        record.kind.value,
        record.market,
        record.action,
        record.incident,
        record.intent,
        body,
        record.prev_hash,
        record.hash,
    )


def open_intents(rows: Iterable[Sequence[object]]) -> list[Intent]:
    """The rows of ``Statements.open_intents`` as intents with their attempts in order."""
    found: dict[str, Intent] = {}
    width = len(INTENT_COLUMNS)
    for row in rows:
        intent = _intent(row[:width])
        intent = found.setdefault(intent.id, intent)
        if row[width] is not None:
            found[intent.id] = replace(intent, attempts=(*intent.attempts, _attempt(row[width:])))
    return list(found.values())


def _intent(row: Sequence[object]) -> Intent:
    value = dict(zip(INTENT_COLUMNS, row, strict=True))
    return Intent(
        id=str(value["id"]),
        market=str(value["market"]),
        action=str(value["action"]),
        incident=str(value["incident"]),
        state=IntentState(str(value["state"])),
        created_ms=from_iso(str(value["created_at"])),
        expires_ms=from_iso(str(value["expires_at"])),
        to=str(value["to_address"]),
        data=str(value["data"]),
        effect_before=str(value["effect_before"]),
    )


def _attempt(row: Sequence[object]) -> Attempt:
    value = {name: str(item) for name, item in zip(ATTEMPT_COLUMNS, row, strict=True)}
    return Attempt(
        intent=value["intent"],
        number=int(value["number"]),
        chain_id=int(value["chain_id"]),
        sender=value["sender"],
        nonce=int(value["nonce"]),
        max_fee_wei=int(value["max_fee_wei"]),
        priority_fee_wei=int(value["priority_fee_wei"]),
        gas_limit=int(value["gas_limit"]),
        to=value["to_address"],
        data=value["data"],
        tx_hash=value["tx_hash"],
        raw=value["raw"],
        signed_ms=from_iso(value["signed_at"]),
    )


def _insert(table: str, columns: Sequence[str], marker: str) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join([marker] * len(columns))})"  # noqa: S608
