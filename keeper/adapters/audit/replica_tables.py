"""The tables of replicas: who leads, and who is there. PostgreSQL only, and no part of the log: what they said goes when it is old.

Times are milliseconds since 1970 by the clock of the database, which is the only one that all replicas share.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, Column, Integer, MetaData, PrimaryKeyConstraint, Table, Text

from keeper.adapters.audit.models import NAMING

replica_metadata: Final = MetaData(naming_convention=NAMING)

# One row, once anybody led. ``session`` is the server process that dies with the holder; ``before``, ``why`` and ``silent_ms`` say how it
# was taken: from whom, because it was free, its time was over or the session had ended, and how long nothing had been heard of them.
lease = Table(
    "lease",
    replica_metadata,
    Column("id", Integer, autoincrement=False),
    Column("fence", BigInteger, nullable=False),
    Column("holder", Text, nullable=False),
    Column("session", Integer, nullable=False),
    Column("since_ms", BigInteger, nullable=False),
    Column("renewed_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("before", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("silent_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("id"),
    CheckConstraint("id = 1", name="id"),
)

# ``fence`` 0: it does not lead. ``seen`` and ``evaluated`` are numbers of blocks, 0 for none yet.
replicas = Table(
    "replicas",
    replica_metadata,
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("seen", BigInteger, nullable=False),
    Column("evaluated", BigInteger, nullable=False),
    Column("heard_ms", BigInteger, nullable=False),
    Column("version", Text, nullable=False),
    Column("config", Text, nullable=False),
    PrimaryKeyConstraint("name"),
)
