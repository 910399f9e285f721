"""The address of a PostgreSQL database: one reading, whoever reads it."""

from __future__ import annotations

import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.engine import make_url

from keeper.domain.postgres_url import OPTIONS, NotPostgres, PostgresUrl, is_postgres, read_postgres

pytestmark = pytest.mark.unit

FULL = PostgresUrl("keeper db/1", "kee:per", "p@ss:w/o?r#d %41+", "db.example.org", 5433, {"sslmode": "require"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql+psycopg://h/d", PostgresUrl("d", host="h")),
        ("POSTGRES://h/d", PostgresUrl("d", host="h")),
        ("postgresql:///d", PostgresUrl("d")),
        ("postgresql://u@/d", PostgresUrl("d", "u")),
        ("postgresql://u:@/d?host=/run/pg", PostgresUrl("d", "u", options={"host": "/run/pg"})),
        ("postgresql://u:p:q@h:1/d", PostgresUrl("d", "u", "p:q", "h", 1)),
        ("postgresql://u:p@q@h:65535/d", PostgresUrl("d", "u", "p@q", "h", 65_535)),
        ("postgresql://u%40v:p%2Fq@[::1]:5432/d%20e", PostgresUrl("d e", "u@v", "p/q", "::1", 5432)),
        ("postgresql://[::1]/d", PostgresUrl("d", host="::1")),
        (
            "postgresql://10.0.0.1/d?options=-c%20a%3Db",
            PostgresUrl("d", host="10.0.0.1", options={"options": "-c a=b"}),
        ),
    ],
)
def test_read_postgres__good_address__is_taken_apart_and_put_together_again(text: str, expected: PostgresUrl) -> None:
    assert is_postgres(text)
    assert read_postgres(text) == expected
    assert read_postgres(expected.text()) == expected


@pytest.mark.parametrize("url", [FULL, PostgresUrl("d"), PostgresUrl("d", "u", None, "::1", 5)])
def test_text__any_address__is_read_alike_by_the_driver_and_by_sqlalchemy(url: PostgresUrl) -> None:
    assert read_postgres(url.text()) == url
    by_driver = conninfo_to_dict(url.text().replace("+psycopg", "", 1))
    assert {name: str(value) for name, value in by_driver.items()} == url.arguments()
    by_alchemy = make_url(url.text())
    assert (by_alchemy.database, by_alchemy.username, by_alchemy.password) == (url.database, url.user, url.password)
    assert (by_alchemy.host, by_alchemy.port, dict(by_alchemy.query)) == (url.host, url.port, url.options)


def test_repr__address_with_a_password__does_not_show_it() -> None:
    assert "p@ss" not in repr(FULL)


def test_options__each_of_them__is_a_word_of_the_driver() -> None:
    for name in OPTIONS:
        assert name in conninfo_to_dict(f"{name}=1")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("sqlite:///a.db", "does not begin"),
        ("mypostgresql://h/d", "does not begin"),
        ("postgresql+asyncpg://h/d", "driver is psycopg"),
        ("postgresql:h/d", "two slashes"),
        ("postgresql://", "names no database"),
        ("postgresql://h", "names no database"),
        ("postgresql://h/", "names no database"),
        ("postgresql://h/?host=x", "names no database"),
        ("postgresql://h/d/e", "%2F"),
        ("postgresql://u:p/q@h/d", "%2F"),
        ("postgresql://u:p#q@h/d", "%23"),
        ("postgresql://:p@h/d", "user is missing"),
        ("postgresql://@h/d", "user is missing"),
        ("postgresql://h:/d", "port is missing"),
        ("postgresql://h:0/d", "port"),
        ("postgresql://h:65536/d", "port"),
        ("postgresql://h:-1/d", "port"),
        ("postgresql://h:5e3/d", "port"),
        ("postgresql://h:\u0661/d", "port"),
        ("postgresql://h1,h2/d", "host"),
        ("postgresql://h x/d", "host"),
        ("postgresql://::1/d", "host"),
        ("postgresql://h/d%00", "cannot be there"),
        ("postgresql://u%ff@h/d", "cannot be there"),
        ("postgresql://h/d?sslmode", "name=value"),
        ("postgresql://h/d?sslmode=%ff", "name=value"),
        ("postgresql://h/d?sslkey=%00", "cannot be there"),
        ("postgresql://h/d?sslmod=require", "does not know"),
        ("postgresql://h/d?dbname=e", "does not know"),
        ("postgresql://h/d?password=p", "before the host"),
        ("postgresql://h/d?sslmode=a&sslmode=b", "twice"),
        ("postgresql://h/d?host=x", "twice"),
    ],
)
def test_read_postgres__broken_address__says_why_without_its_parts(text: str, why: str) -> None:
    with pytest.raises(NotPostgres) as caught:
        read_postgres(text)
    assert why in str(caught.value)
