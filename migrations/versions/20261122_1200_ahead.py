"""What an action waits for is written in one row first: SQLite only, where each table and index that a commit touches is a page to write.

Revision 0004, 2026-11-22 12:00 UTC. What stands here is frozen: the models may move on, this may not.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    database = op.get_bind()
    if database.dialect.name != "sqlite":
        return
    op.create_table(
        "ahead",
        sa.Column("first", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("prev_hash", sa.Text, nullable=False),
        sa.Column("hashes", sa.Text, nullable=False),
        sa.Column("intents", sa.Text, nullable=False),
        sa.Column("attempts", sa.Text, nullable=False),
        sa.Column("records", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("first", name="pk_ahead"),
    )
    text = (Path(__file__).parents[1] / "sql" / f"{revision}.sqlite.sql").read_text()
    for statement in text.split("\n-- next\n"):
        database.exec_driver_sql(statement.strip(), execution_options={"no_parameters": True})


def downgrade() -> None:
    raise RuntimeError("an audit log is not taken apart: restore a copy of the database instead")
