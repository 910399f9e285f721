from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from keeper.adapters.audit.location import read_only_uri, sqlite_file, sqlite_url, without_password
from keeper.domain.errors import StoreUnavailable

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///keeper.db",
        "sqlite:////var/lib/keeper/keeper.db",
        "sqlite:////with%20blank/k%23.db",
        "sqlite:////with blank/k.db",
        "sqlite+pysqlite:///a.db?timeout=3",
    ],
)
def test_sqlite_file__url_of_a_file__is_the_file_that_sqlalchemy_opens(url: str) -> None:
    assert sqlite_file(url) == Path(str(make_url(url).database))


def test_sqlite_file__another_database__is_none() -> None:
    assert sqlite_file("postgresql+psycopg://u:p@h/db") is None


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"]
)
def test_sqlite_file__database_without_a_file__refused(url: str) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        sqlite_file(url)
    assert "sqlite:///keeper.db" in caught.value.remedy


@pytest.mark.parametrize("name", ["k.db", "a b.db", "100%.db", "a?b#c.db", "ä.db"])
def test_sqlite_url__file_with_special_characters__comes_back(name: str) -> None:
    path = Path("/some folder") / name

    assert sqlite_file(sqlite_url(path)) == path
    assert make_url(sqlite_url(path)).database == str(path)
    assert read_only_uri(path).count("?") == 1
    assert "#" not in read_only_uri(path)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+psycopg://u:p%40w@h/db", "postgresql+psycopg://u:***@h/db"),
        ("postgresql+psycopg://u:p@ss@h/db", "postgresql+psycopg://u:***@h/db"),
        ("postgresql+psycopg://u@h/db", "postgresql+psycopg://u@h/db"),
        ("sqlite:///a.db", "sqlite:///a.db"),
    ],
)
def test_without_password__any_url__shows_no_password(url: str, shown: str) -> None:
    assert without_password(url) == shown
