"""What PostgreSQL says, in the keeper's words: short, with a remedy, without a value or the password."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

from keeper.adapters.audit.postgres import database_errors, unavailable
from keeper.domain.errors import StoreUnavailable

pytestmark = pytest.mark.unit

URL = "postgresql+psycopg://keeper:open%20sesame@h/d"


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (errors.LockNotAvailable("lock timeout"), "another process holds the log"),
        (errors.QueryCanceled("statement timeout"), "overloaded"),
        (errors.ReadOnlySqlTransaction("read-only"), "standby"),
        (errors.InsufficientPrivilege("permission denied"), "GRANT keeper_writer"),
        (errors.UndefinedTable("no table"), "db CONFIG upgrade"),
        (errors.UndefinedFunction("no function"), "db CONFIG upgrade"),
        (errors.DiskFull("no space"), "free space"),
        (errors.TooManyConnections("too many"), "max_connections"),
        (errors.OutOfMemory("out of memory"), "memory"),
        (errors.IoError("input/output"), "disk"),
        (errors.DataCorrupted("invalid page"), "verify"),
        (errors.AdminShutdown("terminating"), "wait for it"),
        (errors.CannotConnectNow("starting up"), "wait for it"),
        (errors.SyntaxError("syntax"), "log of the server"),
        (psycopg.OperationalError('password authentication failed for user "keeper"'), "user and password"),
        (psycopg.OperationalError('FATAL: role "keeper" does not exist'), "does not know it"),
        (psycopg.OperationalError('FATAL: database "d" does not exist'), "CREATE DATABASE"),
        (psycopg.OperationalError("certificate verify failed"), "sslrootcert"),
        (psycopg.OperationalError("connection refused"), "is the server up"),
        (psycopg.OperationalError(), "is the server up"),
    ],
)
def test_unavailable__what_the_server_says__has_its_remedy(error: psycopg.Error, remedy: str) -> None:
    found = unavailable(URL, error)

    assert remedy in found.remedy
    assert found.message.startswith("postgresql+psycopg://keeper:***@h/d: ")
    assert not found.message.endswith(": ")


@pytest.mark.parametrize(
    ("error", "hidden"),
    [
        (errors.InvalidTextRepresentation('invalid input syntax: "private words"'), "private words"),
        (errors.StringDataRightTruncation("private words"), "private words"),
        (psycopg.OperationalError("could not use open sesame"), "open sesame"),
        (psycopg.OperationalError("x" * 1_000 + "private words"), "private words"),
        (psycopg.OperationalError("\x1b[2Jgone"), "\x1b"),
    ],
)
def test_database_errors__message_with_what_nobody_should_see__is_without_it(error: psycopg.Error, hidden: str) -> None:
    with pytest.raises(StoreUnavailable) as caught, database_errors(URL):
        raise error
    assert hidden not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
