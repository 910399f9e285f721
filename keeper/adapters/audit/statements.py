"""The store's statements as plain SQL: on the hot path there is nothing to compile."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

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


class Statements:
    """Of one kind of database; ``marker`` is the driver's placeholder."""

    head: Final = "SELECT seq, hash FROM records ORDER BY seq DESC LIMIT 1"
    open_intents: Final = (
        f"SELECT {', '.join(_JOINED)} FROM intents AS i LEFT JOIN attempts AS a ON a.intent = i.id "  # noqa: S608
        "WHERE i.state <> 'done' ORDER BY i.seq, a.number"
    )

    def __init__(self, marker: str) -> None:
        one, postgres = marker, marker == "%s"
        of_intents = f"SELECT {', '.join(INTENT_COLUMNS)} FROM intents WHERE"  # noqa: S608
        of_attempts = f"SELECT {', '.join(ATTEMPT_COLUMNS)} FROM attempts WHERE"  # noqa: S608
        self.marker: Final = marker
        self._postgres: Final = postgres
        self.insert_record: Final = _insert("records", COLUMNS, one)
        self.insert_intent: Final = _insert("intents", INTENT_COLUMNS, one)
        self.insert_attempt: Final = _insert("attempts", ATTEMPT_COLUMNS, one)
        self.insert_checkpoint: Final = _insert("checkpoints", CHECKPOINT_COLUMNS, one)
        keep = _insert("evidence", EVIDENCE_COLUMNS, one)
        # The same content is kept once. In SQLite the triggers come before ON CONFLICT, and refuse.
        once = "SELECT ?1, ?2, ?3, ?4, ?5 WHERE NOT EXISTS (SELECT 1 FROM evidence WHERE hash = ?1)"
        self.keep_evidence: Final = (
            f"{keep} ON CONFLICT (hash) DO NOTHING" if postgres else f"{keep.partition('VALUES')[0]}{once}"
        )
        self.intent: Final = f"{of_intents} id = {one}"
        self.open_intent: Final = f"{of_intents} market = {one} AND action = {one} AND state <> 'done'"
        self.attempts: Final = f"{of_attempts} intent = {one}"
        self.attempt_by_hash: Final = f"{of_attempts} tx_hash = {one}"
        self.attempt_by_nonce: Final = (
            f"{of_attempts} chain_id = {one} AND sender = {one} AND nonce = {one} "
            f"AND max_fee_wei = {one} AND priority_fee_wei = {one}"
        )
        self.attempt_questions: Final = frozenset({self.attempts, self.attempt_by_hash, self.attempt_by_nonce})
        # in PostgreSQL the keeper's role may not UPDATE: this one change is a function's
        self.set_state: Final = (
            f"SELECT set_intent_state({one}, {one})"
            if postgres
            else f"UPDATE intents SET state = {one} WHERE id = {one}"  # noqa: S608
        )

    def state_values(self, intent: str, state: str) -> tuple[str, str]:
        """The values of ``set_state`` in its order."""
        return (intent, state) if self._postgres else (state, intent)


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
        intent = intent_of(row[:width])
        intent = found.setdefault(intent.id, intent)
        if row[width] is not None:
            found[intent.id] = replace(intent, attempts=(*intent.attempts, attempt_of(row[width:])))
    return list(found.values())


def intent_of(row: Sequence[object]) -> Intent:
    """A row of ``intents``; its attempts are elsewhere."""
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


def attempt_of(row: Sequence[object]) -> Attempt:
    """A row of ``attempts``."""
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
