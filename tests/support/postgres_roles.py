"""Roles of the tests' PostgreSQL server, and connections as one of them."""

from __future__ import annotations

import itertools
import os
from typing import Any

import psycopg

_NUMBERS = itertools.count(1)


def connected(url: str, role: str | None = None) -> psycopg.Connection[Any]:
    """A connection that commits each statement."""
    address = as_role(url, role) if role else url
    return psycopg.connect(address.replace("postgresql+psycopg://", "postgresql://"), autocommit=True)


def as_role(url: str, role: str) -> str:
    """The same database for another role; the server of the tests asks nobody for a password."""
    scheme, rest = url.split("://", 1)
    return f"{scheme}://{role}@{rest.partition('@')[2]}"


def login(url: str, *member_of: str, options: str = "") -> str:
    """A new role that may log in and is a member of these; its name."""
    name = f"login_{os.getpid()}_{next(_NUMBERS)}"
    with connected(url) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN {options}")
        for role in member_of:
            connection.execute(f"GRANT {role} TO {name}")
    return name
