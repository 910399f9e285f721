"""Evidence beside the records, what of it was archived, and checkpoints.

Revision 0002, 2026-11-21 19:30 UTC. What stands here is frozen: the models may move on, this may not.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    where = sa.text("intent IS NOT NULL")
    op.create_index("ix_records_intent_seq", "records", ["intent", "seq"], sqlite_where=where, postgresql_where=where)
    _evidence()
    _archived()
    _checkpoints()
    database = op.get_bind()
    for statement in statements(database.dialect.name):
        database.exec_driver_sql(statement, execution_options={"no_parameters": True})


def statements(dialect: str) -> list[str]:
    """What is written in the database's own SQL: letter by letter as it stands in the file."""
    text = (Path(__file__).parents[1] / "sql" / f"{revision}.{dialect}.sql").read_text()
    return [statement.strip() for statement in text.split("\n-- next\n")]


def downgrade() -> None:
    raise RuntimeError("an audit log is not taken apart: restore a copy of the database instead")


def _hash(table: str, column: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(
        f"length({column}) = 66 AND substr({column}, 1, 2) = '0x'", name=op.f(f"ck_{table}_{column}")
    )


def _evidence() -> None:
    op.create_table(
        "evidence",
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("seq", _SEQ, nullable=False),
        sa.Column("encoding", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("packed", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_evidence"),
        _hash("evidence", "hash"),
        sa.CheckConstraint("size > 0 AND length(packed) > 0", name=op.f("ck_evidence_size")),
        sa.ForeignKeyConstraint(["seq"], ["records.seq"], name="fk_evidence_seq_records"),
    )
    op.create_index("ix_evidence_seq", "evidence", ["seq"])


def _archived() -> None:
    op.create_table(
        "archived",
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("seq", _SEQ, nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_archived"),
        _hash("archived", "hash"),
        sa.ForeignKeyConstraint(["seq"], ["records.seq"], name="fk_archived_seq_records"),
    )


def _checkpoints() -> None:
    op.create_table(
        "checkpoints",
        sa.Column("number", _SEQ, autoincrement=False, nullable=False),
        sa.Column("seq", _SEQ, nullable=False),
        sa.Column("head", sa.Text, nullable=False),
        sa.Column("genesis", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("keeper", sa.Text, nullable=False),
        sa.Column("chain_id", sa.BigInteger, nullable=False),
        sa.Column("signer", sa.Text, nullable=False),
        sa.Column("prev", sa.Text, nullable=False),
        sa.Column("signature", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_checkpoints"),
        _hash("checkpoints", "head"),
        _hash("checkpoints", "genesis"),
        sa.CheckConstraint("length(signature) = 132", name=op.f("ck_checkpoints_signature")),
        sa.CheckConstraint("length(prev) = CASE number WHEN 1 THEN 0 ELSE 132 END", name=op.f("ck_checkpoints_prev")),
        sa.ForeignKeyConstraint(["seq"], ["records.seq"], name="fk_checkpoints_seq_records"),
    )
