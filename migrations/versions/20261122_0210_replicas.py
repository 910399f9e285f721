"""Who leads of several replicas, and who is there: PostgreSQL only, as only there can be several.

Revision 0003, 2026-11-22 02:10 UTC. What stands here is frozen: the models may move on, this may not.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    database = op.get_bind()
    if database.dialect.name != "postgresql":
        return
    text = (Path(__file__).parents[1] / "sql" / f"{revision}.postgresql.sql").read_text()
    for statement in text.split("\n-- next\n"):
        database.exec_driver_sql(statement.strip(), execution_options={"no_parameters": True})


def downgrade() -> None:
    raise RuntimeError("an audit log is not taken apart: restore a copy of the database instead")
