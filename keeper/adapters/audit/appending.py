"""What one append asks of the database and what it then writes: the same for every database that speaks SQL.

Under the lock the rows that the drafts concern are read into a journal in memory, and its rules decide; the constraints of the tables
stand behind it for whoever writes without the lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from keeper.adapters.audit.chaining import Ready, chain
from keeper.adapters.audit.journal import Change, Opened, Signed, attempt_row, intent_row
from keeper.adapters.audit.memory_journal import MemoryJournal
from keeper.adapters.audit.statements import Statements, attempt_of, intent_of, record_values
from keeper.domain.intent import Attempt, Intent
from keeper.domain.record import Record

Question = tuple[str, tuple[str | int, ...]]
"""A SELECT and its bound values."""


@dataclass(frozen=True, slots=True)
class Before:
    """The end of the chain, and of the journal what the drafts concern."""

    seq: int
    head: str
    journal: MemoryJournal


def questions(ready: Sequence[Ready], sql: Statements) -> list[Question]:
    """What must be known of the journal; the same is asked once."""
    found = [one for item in ready if item.change is not None for one in _asked(item.change, sql)]
    return list(dict.fromkeys(found))


def journal_of(asked: Sequence[Question], answers: Iterable[Iterable[Sequence[Any]]], sql: Statements) -> MemoryJournal:
    """The answers as a journal; ``answers`` in the order of the questions."""
    journal = MemoryJournal()
    attempts: dict[tuple[str, int], Attempt] = {}
    intents: dict[str, Intent] = {}
    for (statement, _), rows in zip(asked, answers, strict=True):
        for row in rows:
            if statement in sql.attempt_questions:
                attempt = attempt_of(row)
                attempts[attempt.intent, attempt.number] = attempt
            else:
                intent = intent_of(row)
                intents[intent.id] = intent
    for _, attempt in sorted(attempts.items()):
        journal.hold(attempt)
        if attempt.intent in intents:
            intent = intents[attempt.intent]
            intents[attempt.intent] = replace(intent, attempts=(*intent.attempts, attempt))
    journal.intents |= intents
    return journal


def planned(ready: Sequence[Ready], before: Before, sql: Statements) -> tuple[list[Record], list[Question]]:
    """The records, and every statement that stores them with what they change; ``before.journal`` has changed with it.

    Raises IntentAlreadyOpen, InvalidTransition: then nothing may be written.
    """
    records = chain(ready, before.seq, before.head)
    writes: list[Question] = []
    for record, item in zip(records, ready, strict=True):
        if item.change is not None:
            writes += _changed(before.journal, item.change, record.seq, sql)
        evidence = item.draft.evidence
        if evidence is not None:
            writes.append(
                (sql.keep_evidence, (evidence.hash, record.seq, evidence.encoding, evidence.size, evidence.packed))  # type: ignore[arg-type]
            )
    return records, writes


def rows_of(records: Sequence[Record], ready: Sequence[Ready]) -> list[tuple[str | int | None, ...]]:
    """The rows of ``records``."""
    return [record_values(record, item.body) for record, item in zip(records, ready, strict=True)]


def _changed(journal: MemoryJournal, change: Change, seq: int, sql: Statements) -> Iterator[Question]:
    key = _intent_of(change)
    before = journal.intents.get(key)
    journal.apply(change)
    if isinstance(change, Opened):
        yield sql.insert_intent, intent_row(change.intent, seq)
        return
    if isinstance(change, Signed):
        yield sql.insert_attempt, attempt_row(change.attempt, seq)
    state = journal.intents[key].state
    if before is not None and state is not before.state:
        yield sql.set_state, sql.state_values(key, str(state))


def _asked(change: Change, sql: Statements) -> Iterator[Question]:
    yield sql.intent, (_intent_of(change),)
    if isinstance(change, Opened):
        yield sql.open_intent, (change.intent.market, change.intent.action)
        return
    yield sql.attempts, (_intent_of(change),)
    if isinstance(change, Signed):
        one = change.attempt
        yield sql.attempt_by_hash, (one.tx_hash,)
        fees = (str(one.max_fee_wei), str(one.priority_fee_wei))
        yield sql.attempt_by_nonce, (one.chain_id, one.sender, one.nonce, *fees)


def _intent_of(change: Change) -> str:
    if isinstance(change, Opened):
        return change.intent.id
    return change.attempt.intent if isinstance(change, Signed) else change.intent
