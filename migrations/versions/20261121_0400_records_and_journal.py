"""The audit log (records) and the journal (intents, attempts), append-only by triggers.

Revision 0001, the first, 2026-11-21 04:00 UTC. What stands here is frozen: the models may move on, this may not.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_SQLITE_TRIGGERS = (
    (
        "CREATE TRIGGER records_no_update BEFORE UPDATE ON records BEGIN SELECT RAISE(ABORT, 'records are "
        "append-only: no UPDATE'); END"
    ),
    (
        "CREATE TRIGGER records_no_delete BEFORE DELETE ON records BEGIN SELECT RAISE(ABORT, 'records are "
        "append-only: no DELETE'); END"
    ),
    (
        "CREATE TRIGGER records_in_order BEFORE INSERT ON records WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), "
        "0) + 1 FROM records) OR (NEW.seq > 1 AND NEW.prev_hash IS NOT (SELECT hash FROM records WHERE seq = "
        "NEW.seq - 1)) BEGIN SELECT RAISE(ABORT, 'records are append-only: the row does not follow the last one'); "
        "END"
    ),
    (
        "CREATE TRIGGER intents_only_state BEFORE UPDATE ON intents WHEN OLD.state = 'done' OR NEW.id IS NOT "
        "OLD.id OR NEW.seq IS NOT OLD.seq OR NEW.market IS NOT OLD.market OR NEW.action IS NOT OLD.action OR "
        "NEW.incident IS NOT OLD.incident OR NEW.created_at IS NOT OLD.created_at OR NEW.expires_at IS NOT "
        "OLD.expires_at OR NEW.to_address IS NOT OLD.to_address OR NEW.data IS NOT OLD.data OR NEW.effect_before "
        "IS NOT OLD.effect_before BEGIN SELECT RAISE(ABORT, 'of an intent only the state may change, until it is "
        "done'); END"
    ),
    (
        "CREATE TRIGGER intents_no_delete BEFORE DELETE ON intents BEGIN SELECT RAISE(ABORT, 'intents are kept: no "
        "DELETE'); END"
    ),
    (
        "CREATE TRIGGER intents_no_replace BEFORE INSERT ON intents BEGIN SELECT RAISE(ABORT, 'UNIQUE constraint "
        "failed: intents.market, intents.action') WHERE EXISTS (SELECT 1 FROM intents WHERE market = NEW.market "
        "AND action = NEW.action AND state <> 'done'); SELECT RAISE(ABORT, 'UNIQUE constraint failed: intents.id') "
        "WHERE EXISTS (SELECT 1 FROM intents WHERE id = NEW.id OR seq = NEW.seq); END"
    ),
    (
        "CREATE TRIGGER attempts_no_update BEFORE UPDATE ON attempts BEGIN SELECT RAISE(ABORT, 'attempts are "
        "append-only: no UPDATE'); END"
    ),
    (
        "CREATE TRIGGER attempts_no_delete BEFORE DELETE ON attempts BEGIN SELECT RAISE(ABORT, 'attempts are "
        "append-only: no DELETE'); END"
    ),
    (
        "CREATE TRIGGER attempts_no_replace BEFORE INSERT ON attempts WHEN EXISTS (SELECT 1 FROM attempts WHERE "
        "(intent = NEW.intent AND number = NEW.number) OR seq = NEW.seq OR tx_hash = NEW.tx_hash OR (chain_id = "
        "NEW.chain_id AND sender = NEW.sender AND nonce = NEW.nonce AND max_fee_wei = NEW.max_fee_wei AND "
        "priority_fee_wei = NEW.priority_fee_wei)) BEGIN SELECT RAISE(ABORT, 'UNIQUE constraint failed: "
        "attempts'); END"
    ),
)


def upgrade() -> None:
    _records()
    _intents()
    _attempts()
    if op.get_bind().dialect.name == "sqlite":
        for statement in _SQLITE_TRIGGERS:
            op.execute(sa.text(statement))


def downgrade() -> None:
    raise RuntimeError("an audit log is not taken apart: restore a copy of the database instead")


def _records() -> None:
    op.create_table(
        "records",
        sa.Column("seq", _SEQ, autoincrement=False, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("market", sa.Text),
        sa.Column("action", sa.Text),
        sa.Column("incident", sa.Text),
        sa.Column("intent", sa.Text),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("prev_hash", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_records"),
    )
    op.create_index("ix_records_at", "records", ["at"])
    op.create_index("ix_records_kind_seq", "records", ["kind", "seq"])
    for column in ("market", "action", "incident"):
        where = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"ix_records_{column}_seq", "records", [column, "seq"], sqlite_where=where, postgresql_where=where
        )


def _intents() -> None:
    op.create_table(
        "intents",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("seq", _SEQ, nullable=False),
        sa.Column("market", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("incident", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("expires_at", sa.Text, nullable=False),
        sa.Column("to_address", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("effect_before", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_intents"),
        sa.UniqueConstraint("seq", name="uq_intents_seq"),
        sa.CheckConstraint("state IN ('open', 'signed', 'submitted', 'mined', 'done')", name=op.f("ck_intents_state")),
        sa.ForeignKeyConstraint(["seq"], ["records.seq"], name="fk_intents_seq_records"),
    )
    where = sa.text("state <> 'done'")
    op.create_index(
        "uq_intents_one_open", "intents", ["market", "action"], unique=True, sqlite_where=where, postgresql_where=where
    )


def _attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("intent", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("seq", _SEQ, nullable=False),
        sa.Column("chain_id", sa.BigInteger, nullable=False),
        sa.Column("sender", sa.Text, nullable=False),
        sa.Column("nonce", sa.BigInteger, nullable=False),
        sa.Column("max_fee_wei", sa.Text, nullable=False),
        sa.Column("priority_fee_wei", sa.Text, nullable=False),
        sa.Column("gas_limit", sa.BigInteger, nullable=False),
        sa.Column("to_address", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("tx_hash", sa.Text, nullable=False),
        sa.Column("raw", sa.Text, nullable=False),
        sa.Column("signed_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("intent", "number", name="pk_attempts"),
        sa.UniqueConstraint("seq", name="uq_attempts_seq"),
        sa.UniqueConstraint("tx_hash", name="uq_attempts_tx_hash"),
        sa.UniqueConstraint(
            "chain_id",
            "sender",
            "nonce",
            "max_fee_wei",
            "priority_fee_wei",
            name="uq_attempts_chain_id_sender_nonce_max_fee_wei_priority_fee_wei",
        ),
        sa.ForeignKeyConstraint(["intent"], ["intents.id"], name="fk_attempts_intent_intents"),
        sa.ForeignKeyConstraint(["seq"], ["records.seq"], name="fk_attempts_seq_records"),
    )
