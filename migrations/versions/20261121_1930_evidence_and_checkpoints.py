"""Evidence beside the records, what of it was archived, and checkpoints.

Revision 0002, 2026-11-21 19:30 UTC. What stands here is frozen: the models may move on, this may not.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_SQLITE_TRIGGERS = (
    (
        "CREATE TRIGGER evidence_no_update BEFORE UPDATE ON evidence "
        "BEGIN SELECT RAISE(ABORT, 'evidence is kept as it is: no UPDATE'); END"
    ),
    (
        "CREATE TRIGGER evidence_no_delete BEFORE DELETE ON evidence "
        "WHEN NOT EXISTS (SELECT 1 FROM archived WHERE hash = OLD.hash) "
        "BEGIN SELECT RAISE(ABORT, 'evidence goes only when it is archived: no DELETE'); END"
    ),
    (
        "CREATE TRIGGER evidence_no_replace BEFORE INSERT ON evidence "
        "WHEN EXISTS (SELECT 1 FROM evidence WHERE hash = NEW.hash) "
        "BEGIN SELECT RAISE(ABORT, 'UNIQUE constraint failed: evidence.hash'); END"
    ),
    (
        "CREATE TRIGGER archived_no_update BEFORE UPDATE ON archived "
        "BEGIN SELECT RAISE(ABORT, 'archived is append-only: no UPDATE'); END"
    ),
    (
        "CREATE TRIGGER archived_no_delete BEFORE DELETE ON archived "
        "BEGIN SELECT RAISE(ABORT, 'archived is append-only: no DELETE'); END"
    ),
    (
        "CREATE TRIGGER archived_no_replace BEFORE INSERT ON archived "
        "WHEN EXISTS (SELECT 1 FROM archived WHERE hash = NEW.hash) "
        "BEGIN SELECT RAISE(ABORT, 'UNIQUE constraint failed: archived.hash'); END"
    ),
    (
        "CREATE TRIGGER checkpoints_no_update BEFORE UPDATE ON checkpoints "
        "BEGIN SELECT RAISE(ABORT, 'checkpoints are append-only: no UPDATE'); END"
    ),
    (
        "CREATE TRIGGER checkpoints_no_delete BEFORE DELETE ON checkpoints "
        "BEGIN SELECT RAISE(ABORT, 'checkpoints are append-only: no DELETE'); END"
    ),
    (
        "CREATE TRIGGER checkpoints_in_order BEFORE INSERT ON checkpoints "
        "WHEN NEW.number IS NOT (SELECT coalesce(max(number), 0) + 1 FROM checkpoints) "
        "BEGIN SELECT RAISE(ABORT, 'checkpoints are append-only: the row does not follow the last one'); END"
    ),
)


def upgrade() -> None:
    _evidence()
    _archived()
    _checkpoints()
    if op.get_bind().dialect.name == "sqlite":
        for statement in _SQLITE_TRIGGERS:
            op.execute(sa.text(statement))


def downgrade() -> None:
    raise RuntimeError("an audit log is not taken apart: restore a copy of the database instead")


def _evidence() -> None:
    op.create_table(
        "evidence",
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("seq", _SEQ, nullable=False),
        sa.Column("encoding", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("packed", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_evidence"),
        sa.ForeignKeyConstraint(["seq"], ["records.seq"], name="fk_evidence_seq_records"),
    )
    op.create_index("ix_evidence_seq", "evidence", ["seq"])


def _archived() -> None:
    op.create_table(
        "archived",
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("seq", _SEQ, nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_archived"),
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
        sa.ForeignKeyConstraint(["seq"], ["records.seq"], name="fk_checkpoints_seq_records"),
    )
