"""The audit log and the journal in one store: SQLAlchemy (SQLite, PostgreSQL), and in memory."""
