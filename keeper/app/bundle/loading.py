"""A bundle read back into a database of its own: so it is checked by the same code that checks a log, and can be asked with SQL."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy import create_engine

from keeper.adapters.audit.canonical import canonical
from keeper.adapters.audit.errors import DraftRefused
from keeper.adapters.audit.evidence import pack
from keeper.adapters.audit.finding import Finding
from keeper.adapters.audit.head import HEAD
from keeper.adapters.audit.journal import Change, Opened, Signed, attempt_row, intent_row, moved
from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.models import SQLITE_TRIGGERS, metadata, version_table
from keeper.adapters.audit.pages import COLUMNS
from keeper.adapters.audit.record_check import meaning
from keeper.adapters.audit.statements import CHECKPOINT_COLUMNS, EVIDENCE_COLUMNS, Statements
from keeper.app.bundle import layout
from keeper.domain.checkpoint import from_document
from keeper.domain.errors import AuditError, InvalidTransition
from keeper.domain.intent import IntentState
from keeper.domain.record import GENESIS, RecordKind

LONGEST_LINE: Final = 256 * 1024 * 1024
"""Bytes. What is longer was not written by a keeper."""
_SQL: Final = Statements("?")
_EVIDENCE: Final = f"INSERT INTO evidence ({', '.join(EVIDENCE_COLUMNS)}) VALUES (?, ?, ?, ?, ?)"  # noqa: S608


class BundleBroken(AuditError):
    """A file of the bundle is missing, or a line of it is not what a bundle holds."""


@dataclass(slots=True)
class Loaded:
    """What the lines hold: how many of each file, and what stands in them. ``archives``: the files that records of archives name."""

    records: int = 0
    head: str = GENESIS
    genesis: str = GENESIS
    evidence: int = 0
    archived: int = 0
    checkpoints: int = 0
    signer: str | None = None
    keeper: str | None = None
    chain_id: int | None = None
    archives: set[str] = field(default_factory=set)


def load(folder: Path, database: Path) -> Loaded:
    """Everything into a new SQLite file, as it stands in the lines: whether it holds together, ``verify`` says. Raises BundleBroken, OSError."""
    found = Loaded()
    engine = create_engine(sqlite_url(database))
    try:
        metadata.create_all(engine)
        version_table.metadata.create_all(engine)
    finally:
        engine.dispose()
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        for name in SQLITE_TRIGGERS:  # they would refuse what is broken without saying what it is
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("BEGIN")
        _load_records(connection, folder, found)
        _load_beside(connection, folder, found)
        connection.execute("INSERT INTO alembic_version VALUES (?)", (HEAD,))
        for statement in SQLITE_TRIGGERS.values():
            connection.execute(statement)
        connection.execute("COMMIT")
    return found


def lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number, object) of each line. Raises BundleBroken for one that is no object in the form of RFC 8785."""
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(LONGEST_LINE):
                number += 1
                yield number, _object(path, number, line)
    except FileNotFoundError:
        raise BundleBroken(f"{path.name} is missing") from None


def _object(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
        if isinstance(value, dict) and line == canonical(value).encode() + b"\n":
            return value
    except (ValueError, RecursionError, DraftRefused):
        pass
    raise BundleBroken(f"{path.name}, line {number}: not an object in the form of RFC 8785")


def _load_records(connection: sqlite3.Connection, folder: Path, found: Loaded) -> None:
    journal = _Journal(connection)
    path = folder / layout.RECORDS
    for number, line in lines(path):
        if line.keys() != set(COLUMNS) or not isinstance(line["body"], dict):
            raise BundleBroken(f"{path.name}, line {number}: not the columns of a record")
        body = canonical(line["body"])
        _insert(
            connection, _SQL.insert_record, [body if name == "body" else line[name] for name in COLUMNS], path, number
        )
        _take(found, line)
        words = [line[name] for name in ("at", "kind", "market", "action", "incident", "intent")]
        if all(word is None or isinstance(word, str) for word in words) and None not in words[:2]:
            journal.take(line["seq"], words, body)


def _take(found: Loaded, line: dict[str, Any]) -> None:
    body = line["body"]
    found.records += 1
    found.head = str(line["hash"])
    if found.records == 1:
        found.genesis = found.head
    if line["kind"] == RecordKind.ARCHIVE.value:
        found.archives.add(str(body.get("file")))
    if line["kind"] == RecordKind.START.value:
        name, chain_id = body.get("name"), body.get("chain_id")
        found.keeper = name if isinstance(name, str) else None
        found.chain_id = chain_id if type(chain_id) is int else None


def _load_beside(connection: sqlite3.Connection, folder: Path, found: Loaded) -> None:
    path = folder / layout.EVIDENCE
    for number, line in lines(path):
        if line.keys() != {"content", *EVIDENCE_COLUMNS} - {"packed"} or not isinstance(line["content"], dict):
            raise BundleBroken(f"{path.name}, line {number}: not the columns of evidence")
        found.evidence += 1
        try:
            packed = pack(line["content"])
        except DraftRefused as error:
            raise BundleBroken(f"{path.name}, line {number}: {error.message}") from None
        values = {**line, "packed": packed.packed, "encoding": packed.encoding}
        _insert(connection, _EVIDENCE, [values[name] for name in EVIDENCE_COLUMNS], path, number)
    path = folder / layout.ARCHIVED
    for number, line in lines(path):
        if line.keys() != {"hash", "seq"}:
            raise BundleBroken(f"{path.name}, line {number}: not the columns of archived evidence")
        found.archived += 1
        _insert(connection, "INSERT INTO archived (hash, seq) VALUES (?, ?)", [line["hash"], line["seq"]], path, number)
    path = folder / layout.CHECKPOINTS
    for number, line in lines(path):
        if line.keys() != set(CHECKPOINT_COLUMNS):
            raise BundleBroken(f"{path.name}, line {number}: not the columns of a checkpoint")
        try:
            signed = from_document(line)
        except ValueError as error:
            raise BundleBroken(f"{path.name}, line {number}: {error}") from None
        found.checkpoints += 1
        found.signer = signed.checkpoint.signer
        _insert(connection, _SQL.insert_checkpoint, [line[name] for name in CHECKPOINT_COLUMNS], path, number)


def _insert(connection: sqlite3.Connection, sql: str, values: list[Any], path: Path, number: int) -> None:
    try:
        # SQLite would take a word of JSON for the number 1
        if any(isinstance(value, bool) for value in values):
            raise sqlite3.InterfaceError
        connection.execute(sql, values)
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError, OverflowError):
        raise BundleBroken(
            f"{path.name}, line {number}: a row like this cannot be in a log, or is there twice"
        ) from None


class _Journal:
    """The rows of intents and attempts that the records make. Where a record breaks the rules, ``verify`` names it: here it is left out."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._states: dict[str, IntentState] = {}
        self._hashes: dict[str, set[str]] = {}

    def take(self, seq: int, words: list[Any], body: str) -> None:
        at, kind, market, action, incident, intent = words
        try:
            change = meaning(seq, at, kind, market, action, incident, intent, body)
            if change is not None:
                self._apply(seq, change)
        except (Finding, InvalidTransition, sqlite3.IntegrityError):
            return

    def _apply(self, seq: int, change: Change) -> None:
        if isinstance(change, Opened):
            self._connection.execute(_SQL.insert_intent, intent_row(change.intent, seq))
            self._states[change.intent.id] = change.intent.state
            self._hashes[change.intent.id] = set()
            return
        intent = change.attempt.intent if isinstance(change, Signed) else change.intent
        known = self._hashes.get(intent, set())
        state = moved(self._states.get(intent), change, not isinstance(change, Signed) and change.tx_hash in known)
        if isinstance(change, Signed):
            self._connection.execute(_SQL.insert_attempt, attempt_row(change.attempt, seq))
            known.add(change.attempt.tx_hash)
        self._states[intent] = state
        self._connection.execute(_SQL.set_state, (str(state), intent))
