"""A database that is taken away from everybody for a while."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from urllib.parse import urlsplit

from keeper.adapters.audit.location import sqlite_file


def away(url: str) -> AbstractContextManager[None]:
    """SQLite: somebody else holds the write lock. PostgreSQL: every connection is cut, and no new one is let in."""
    path = sqlite_file(url)
    return _held(str(path)) if path is not None else _shut(url)


@contextmanager
def _held(path: str) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def _shut(url: str) -> Iterator[None]:
    import psycopg

    parts = urlsplit(url)
    name = parts.path.removeprefix("/")
    server = parts._replace(scheme="postgresql", path="/postgres").geturl()
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
        connection.execute(b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            yield
        finally:
            connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())
