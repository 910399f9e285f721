"""Runs the migrations on the connection that ``keeper.adapters.audit.migrate`` hands over; it owns the transaction."""

from __future__ import annotations

from alembic import context

from keeper.adapters.audit.models import metadata

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("migrate with: keeper db CONFIG upgrade (alembic itself is used only to write a new revision)")

context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=False)
context.run_migrations()
