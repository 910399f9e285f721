"""The tables of the audit log and the journal. The migrations build the same schema; a test holds the two together.

Times are ISO 8601 UTC text with milliseconds, amounts in wei exact decimal text: both read well in plain SQL and are the same in
every database. ``intents`` and ``attempts`` repeat what the records say (``seq`` names the record), so that the journal can be asked;
``verify`` recomputes them. The views over all of it stand in ``views``.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
    text,
)

from keeper.adapters.audit.views import views

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

metadata = MetaData(naming_convention=NAMING)

# In SQLite only a column declared INTEGER is the row's own key, which makes pages by seq a walk along the table.
_SEQ = BigInteger().with_variant(Integer(), "sqlite")


def _hash(column: str) -> CheckConstraint:
    """SHA-256 as text, with 0x."""
    return CheckConstraint(f"length({column}) = 66 AND substr({column}, 1, 2) = '0x'", name=column)


def _partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


records = Table(
    "records",
    metadata,
    Column("seq", _SEQ, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("market", Text),
    Column("action", Text),
    Column("incident", Text),
    Column("intent", Text),
    Column("body", Text, nullable=False),
    Column("prev_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
    PrimaryKeyConstraint("seq"),
    Index(None, "kind", "seq"),
    Index(None, "at"),
    # most records are ticks, which have no action and no incident: they need not pay for these
    _partial("ix_records_market_seq", "market", "seq", where="market IS NOT NULL"),
    _partial("ix_records_action_seq", "action", "seq", where="action IS NOT NULL"),
    _partial("ix_records_incident_seq", "incident", "seq", where="incident IS NOT NULL"),
    _partial("ix_records_intent_seq", "intent", "seq", where="intent IS NOT NULL"),
)

intents = Table(
    "intents",
    metadata,
    Column("id", Text, nullable=False),
    Column("seq", _SEQ, ForeignKey("records.seq"), nullable=False),
    Column("market", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("incident", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
    Column("to_address", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("effect_before", Text, nullable=False),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("seq"),
    CheckConstraint("state IN ('open', 'signed', 'submitted', 'mined', 'done')", name="state"),
    # the lock: one open intent for an action on a market, whoever asks
    _partial("uq_intents_one_open", "market", "action", where="state <> 'done'", unique=True),
)

attempts = Table(
    "attempts",
    metadata,
    Column("intent", Text, ForeignKey("intents.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("seq", _SEQ, ForeignKey("records.seq"), nullable=False),
    Column("chain_id", BigInteger, nullable=False),
    Column("sender", Text, nullable=False),
    Column("nonce", BigInteger, nullable=False),
    Column("max_fee_wei", Text, nullable=False),
    Column("priority_fee_wei", Text, nullable=False),
    Column("gas_limit", BigInteger, nullable=False),
    Column("to_address", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("tx_hash", Text, nullable=False),
    Column("raw", Text, nullable=False),
    Column("signed_at", Text, nullable=False),
    PrimaryKeyConstraint("intent", "number"),
    UniqueConstraint("seq"),
    UniqueConstraint("tx_hash"),
    # the same fees at the same nonce are the same transaction: a second row would be a second count of one sending
    UniqueConstraint("chain_id", "sender", "nonce", "max_fee_wei", "priority_fee_wei"),
)

# What a record was made from, named by its hash in the record's body: so the chain holds it, and it may still move into an archive.
evidence = Table(
    "evidence",
    metadata,
    Column("hash", Text, nullable=False),
    Column("seq", _SEQ, ForeignKey("records.seq"), nullable=False),
    Column("encoding", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("packed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("hash"),
    _hash("hash"),
    CheckConstraint("size > 0 AND length(packed) > 0", name="size"),
    Index(None, "seq"),
)

# Evidence that is in a file now; a row here is what allows the row in ``evidence`` to go. ``seq`` is the record that names file and hash.
archived = Table(
    "archived",
    metadata,
    Column("hash", Text, nullable=False),
    Column("seq", _SEQ, ForeignKey("records.seq"), nullable=False),
    PrimaryKeyConstraint("hash"),
    _hash("hash"),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("number", BigInteger().with_variant(Integer(), "sqlite"), autoincrement=False),
    Column("seq", _SEQ, ForeignKey("records.seq"), nullable=False),
    Column("head", Text, nullable=False),
    Column("genesis", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("keeper", Text, nullable=False),
    Column("chain_id", BigInteger, nullable=False),
    Column("signer", Text, nullable=False),
    Column("prev", Text, nullable=False),
    Column("signature", Text, nullable=False),
    PrimaryKeyConstraint("number"),
    _hash("head"),
    _hash("genesis"),
    # 65 bytes; the first checkpoint has none before it
    CheckConstraint("length(signature) = 132", name="signature"),
    CheckConstraint("length(prev) = CASE number WHEN 1 THEN 0 ELSE 132 END", name="prev"),
)

# SQLite only. What one action waits for, in one row: its records come into their tables with the next commit (``ahead``, decision 11).
sqlite_metadata = MetaData(naming_convention=NAMING)

ahead = Table(
    "ahead",
    sqlite_metadata,
    Column("first", Integer, autoincrement=False),
    Column("prev_hash", Text, nullable=False),
    Column("hashes", Text, nullable=False),
    Column("intents", Text, nullable=False),
    Column("attempts", Text, nullable=False),
    Column("records", Text, nullable=False),
    PrimaryKeyConstraint("first"),
)

# The table alembic keeps; not in ``metadata`` because alembic makes it, but ``verify`` checks that it is what it should be.
version_table = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)

_FIXED_INTENT_COLUMNS = [column.name for column in intents.columns if column.name != "state"]

_OF_AHEAD = {
    "UNIQUE constraint failed: intents.market, intents.action": (
        "SELECT 1 FROM {from}json_each({row}.intents) AS one CROSS JOIN intents AS i WHERE i.market = json_extract(one.value, '$[1]') "
        "AND i.action = json_extract(one.value, '$[2]') AND i.state <> 'done'"
    ),
    "UNIQUE constraint failed: intents.id": (
        "SELECT 1 FROM {from}json_each({row}.intents) AS one CROSS JOIN intents AS i WHERE i.id = json_extract(one.value, '$[0]')"
    ),
    "UNIQUE constraint failed: attempts": (
        "SELECT 1 FROM {from}json_each({row}.attempts) AS one CROSS JOIN attempts AS a WHERE a.tx_hash = json_extract(one.value, '$[0]') "
        "OR (a.chain_id = json_extract(one.value, '$[1]') AND a.sender = json_extract(one.value, '$[2]') "
        "AND a.nonce = json_extract(one.value, '$[3]') AND a.max_fee_wei = json_extract(one.value, '$[4]') "
        "AND a.priority_fee_wei = json_extract(one.value, '$[5]'))"
    ),
}
"""What the tables would refuse of a row of ``ahead``, and how one looks for it."""

AHEAD_REFUSED: Final = " UNION ALL ".join(
    text.format_map({"from": "ahead, ", "row": "ahead"}) for text in _OF_AHEAD.values()
)
"""Finds something where the row that is there can never get into the tables."""

SQLITE_TRIGGERS: Final[dict[str, str]] = {
    "records_no_update": (
        "CREATE TRIGGER records_no_update BEFORE UPDATE ON records "
        "BEGIN SELECT RAISE(ABORT, 'records are append-only: no UPDATE'); END"
    ),
    "records_no_delete": (
        "CREATE TRIGGER records_no_delete BEFORE DELETE ON records "
        "BEGIN SELECT RAISE(ABORT, 'records are append-only: no DELETE'); END"
    ),
    # INSERT OR REPLACE deletes without firing DELETE triggers; and a row that does not continue the chain has no place here
    "records_in_order": (
        "CREATE TRIGGER records_in_order BEFORE INSERT ON records "
        "WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM records) "
        "OR (NEW.seq > 1 AND NEW.prev_hash IS NOT (SELECT hash FROM records WHERE seq = NEW.seq - 1)) "
        "OR EXISTS (SELECT 1 FROM ahead WHERE NEW.hash IS NOT json_extract(hashes, '$[' || (NEW.seq - first) || ']')) "
        "BEGIN SELECT RAISE(ABORT, 'records are append-only: the row does not follow the last one'); END"
    ),
    # what the tables would say to these rows, they say before an action rests on them
    "ahead_in_order": (
        "CREATE TRIGGER ahead_in_order BEFORE INSERT ON ahead BEGIN "  # noqa: S608 - no value is in it
        "SELECT RAISE(ABORT, 'ahead takes one row: first that one goes into its tables') WHERE EXISTS (SELECT 1 FROM ahead); "
        "SELECT RAISE(ABORT, 'records are append-only: the row does not follow the last one') "
        "WHERE NEW.first IS NOT (SELECT max(seq) + 1 FROM records) "
        "OR NEW.prev_hash IS NOT (SELECT hash FROM records WHERE seq = NEW.first - 1); "
        + "".join(
            f"SELECT RAISE(ABORT, '{why}') WHERE EXISTS ({text.format_map({'from': '', 'row': 'NEW'})}); "
            for why, text in _OF_AHEAD.items()
        )
        + "END"
    ),
    "ahead_no_update": (
        "CREATE TRIGGER ahead_no_update BEFORE UPDATE ON ahead "
        "BEGIN SELECT RAISE(ABORT, 'ahead is kept as it is: no UPDATE'); END"
    ),
    "ahead_no_delete": (
        "CREATE TRIGGER ahead_no_delete BEFORE DELETE ON ahead WHEN NOT EXISTS (SELECT 1 FROM records "
        "WHERE seq = OLD.first + json_array_length(OLD.hashes) - 1 "
        "AND hash = json_extract(OLD.hashes, '$[' || (json_array_length(OLD.hashes) - 1) || ']')) "
        "BEGIN SELECT RAISE(ABORT, 'ahead goes only when its records are in the log: no DELETE'); END"
    ),
    "intents_only_state": (
        "CREATE TRIGGER intents_only_state BEFORE UPDATE ON intents WHEN OLD.state = 'done' OR "
        + " OR ".join(f"NEW.{name} IS NOT OLD.{name}" for name in _FIXED_INTENT_COLUMNS)
        + " BEGIN SELECT RAISE(ABORT, 'of an intent only the state may change, until it is done'); END"
    ),
    "intents_no_delete": (
        "CREATE TRIGGER intents_no_delete BEFORE DELETE ON intents "
        "BEGIN SELECT RAISE(ABORT, 'intents are kept: no DELETE'); END"
    ),
    # the order of the two tests is the order of the answers: "open already" is the one that the caller can act on
    "intents_no_replace": (
        "CREATE TRIGGER intents_no_replace BEFORE INSERT ON intents BEGIN "
        "SELECT RAISE(ABORT, 'UNIQUE constraint failed: intents.market, intents.action') WHERE EXISTS "
        "(SELECT 1 FROM intents WHERE market = NEW.market AND action = NEW.action AND state <> 'done'); "
        "SELECT RAISE(ABORT, 'UNIQUE constraint failed: intents.id') WHERE EXISTS "
        "(SELECT 1 FROM intents WHERE id = NEW.id OR seq = NEW.seq); END"
    ),
    "attempts_no_update": (
        "CREATE TRIGGER attempts_no_update BEFORE UPDATE ON attempts "
        "BEGIN SELECT RAISE(ABORT, 'attempts are append-only: no UPDATE'); END"
    ),
    "attempts_no_delete": (
        "CREATE TRIGGER attempts_no_delete BEFORE DELETE ON attempts "
        "BEGIN SELECT RAISE(ABORT, 'attempts are append-only: no DELETE'); END"
    ),
    "attempts_no_replace": (
        "CREATE TRIGGER attempts_no_replace BEFORE INSERT ON attempts WHEN EXISTS (SELECT 1 FROM attempts "
        "WHERE (intent = NEW.intent AND number = NEW.number) OR seq = NEW.seq OR tx_hash = NEW.tx_hash "
        "OR (chain_id = NEW.chain_id AND sender = NEW.sender AND nonce = NEW.nonce "
        "AND max_fee_wei = NEW.max_fee_wei AND priority_fee_wei = NEW.priority_fee_wei)) "
        "BEGIN SELECT RAISE(ABORT, 'UNIQUE constraint failed: attempts'); END"
    ),
    "evidence_no_update": (
        "CREATE TRIGGER evidence_no_update BEFORE UPDATE ON evidence "
        "BEGIN SELECT RAISE(ABORT, 'evidence is kept as it is: no UPDATE'); END"
    ),
    "evidence_no_delete": (
        "CREATE TRIGGER evidence_no_delete BEFORE DELETE ON evidence "
        "WHEN NOT EXISTS (SELECT 1 FROM archived WHERE hash = OLD.hash) "
        "BEGIN SELECT RAISE(ABORT, 'evidence goes only when it is archived: no DELETE'); END"
    ),
    "evidence_no_replace": (
        "CREATE TRIGGER evidence_no_replace BEFORE INSERT ON evidence "
        "WHEN EXISTS (SELECT 1 FROM evidence WHERE hash = NEW.hash) "
        "BEGIN SELECT RAISE(ABORT, 'UNIQUE constraint failed: evidence.hash'); END"
    ),
    "archived_no_update": (
        "CREATE TRIGGER archived_no_update BEFORE UPDATE ON archived "
        "BEGIN SELECT RAISE(ABORT, 'archived is append-only: no UPDATE'); END"
    ),
    "archived_no_delete": (
        "CREATE TRIGGER archived_no_delete BEFORE DELETE ON archived "
        "BEGIN SELECT RAISE(ABORT, 'archived is append-only: no DELETE'); END"
    ),
    "archived_no_replace": (
        "CREATE TRIGGER archived_no_replace BEFORE INSERT ON archived "
        "WHEN EXISTS (SELECT 1 FROM archived WHERE hash = NEW.hash) "
        "BEGIN SELECT RAISE(ABORT, 'UNIQUE constraint failed: archived.hash'); END"
    ),
    "checkpoints_no_update": (
        "CREATE TRIGGER checkpoints_no_update BEFORE UPDATE ON checkpoints "
        "BEGIN SELECT RAISE(ABORT, 'checkpoints are append-only: no UPDATE'); END"
    ),
    "checkpoints_no_delete": (
        "CREATE TRIGGER checkpoints_no_delete BEFORE DELETE ON checkpoints "
        "BEGIN SELECT RAISE(ABORT, 'checkpoints are append-only: no DELETE'); END"
    ),
    "checkpoints_in_order": (
        "CREATE TRIGGER checkpoints_in_order BEFORE INSERT ON checkpoints "
        "WHEN NEW.number IS NOT (SELECT coalesce(max(number), 0) + 1 FROM checkpoints) "
        "BEGIN SELECT RAISE(ABORT, 'checkpoints are append-only: the row does not follow the last one'); END"
    ),
}
"""Name -> statement, for SQLite. What PostgreSQL has instead stands in ``postgres_ddl``."""


def _make_the_rest(target: MetaData, connection: Connection, **_: Any) -> None:
    if connection.dialect.name == "sqlite":
        sqlite_metadata.create_all(connection)
        for statement in (*SQLITE_TRIGGERS.values(), *views("sqlite").values()):
            connection.exec_driver_sql(statement)


event.listen(metadata, "after_create", _make_the_rest)
