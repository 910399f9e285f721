"""The light way to the audit log: one section, no other secret, no heavy import."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from keeper.config import audit_url
from keeper.config.audit import audit_settings
from keeper.domain.errors import ConfigurationError

pytestmark = pytest.mark.unit


def at(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "keeper.yaml"
    file.write_text(text, "utf-8")
    return file


def test_audit_url__good_file_without_any_variable__is_absolute(good: str, tmp_path: Path) -> None:
    assert audit_url(at(tmp_path, good), environ={}) == f"sqlite:///{tmp_path}/keeper.db"


def test_audit_url__other_sections_broken__does_not_matter(tmp_path: Path) -> None:
    text = "audit: {url: 'sqlite:////log.db'}\nkeeper: 5\nkeeper: 6\nmarkets: !tag {x: '${Y}'}\n"
    assert audit_url(at(tmp_path, text), environ={}) == "sqlite:////log.db"


def test_audit_url__no_section__is_the_default_beside_the_file(tmp_path: Path) -> None:
    assert audit_url(at(tmp_path, "keeper: {}\n"), environ={}) == f"sqlite:///{tmp_path}/keeper.db"


def test_audit_url__from_standard_input__is_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert audit_url("-", environ={}, stdin=io.BytesIO(b"keeper: {}")) == f"sqlite:///{tmp_path}/keeper.db"


def test_audit_url__with_a_password__takes_it_from_the_environment(tmp_path: Path) -> None:
    file = at(tmp_path, 'audit: {url: "sqlite:////log.db?key=${DB}"}')
    assert audit_url(file, environ={"DB": "pw"}) == "sqlite:////log.db?key=pw"
    with pytest.raises(ConfigurationError, match=r"audit\.url: the environment variable DB is not set"):
        audit_url(file, environ={})


@pytest.mark.parametrize(
    ("section", "path"),
    [
        ("audit: {}\naudit: {}", "audit"),
        ("audit: {}", "audit.url"),
        ("audit: {ulr: x}", "audit.ulr"),
        ("audit: sqlite", "audit"),
        ("audit:", "audit"),
    ],
)
def test_audit_url__broken_section__is_told(section: str, path: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        audit_url(at(tmp_path, section), environ={})
    assert path in [problem.path for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql+psycopg://keeper:sesame@h/d", "postgresql+psycopg://keeper:sesame@h/d"),
        ("postgresql://keeper:sesame@h:5433/d", "postgresql+psycopg://keeper:sesame@h:5433/d"),
        ("postgres://keeper:s%40s@me@h/d", "postgresql+psycopg://keeper:s%40s%40me@h/d"),
        ("postgresql:///d?host=/run/pg", "postgresql+psycopg:///d?host=/run/pg"),
        ("postgresql://h/d?sslmode=verify-full&sslrootcert=system", None),
    ],
)
def test_audit_url__postgresql__is_written_in_one_way(url: str, expected: str | None, tmp_path: Path) -> None:
    found = audit_url(at(tmp_path, f"audit: {{url: '{url}'}}\n"), environ={})
    assert found == (expected or url.replace("postgresql:", "postgresql+psycopg:"))


def test_audit_url__postgresql_with_files__they_are_beside_the_configuration(tmp_path: Path) -> None:
    found = audit_url(at(tmp_path, "audit: {url: 'postgresql://h/d?sslrootcert=ca.pem&sslkey=/k.pem'}\n"), environ={})
    assert found == f"postgresql+psycopg://h/d?sslrootcert={tmp_path}/ca.pem&sslkey=/k.pem"


def test_audit_url__postgresql__password_from_the_environment_and_never_shown(tmp_path: Path) -> None:
    file = at(tmp_path, 'audit: {url: "postgresql+psycopg://keeper:${DB}@h/d"}')
    assert audit_url(file, environ={"DB": "sesame"}) == "postgresql+psycopg://keeper:sesame@h/d"
    for text in ("keeper:${DB}@h", "keeper:sesame@h", "keeper:ses@me@h", "keeper:sesame@h:5432"):
        file = at(tmp_path, f'audit: {{url: "postgresql+psycopg://{text}/d"}}')
        settings = audit_settings(file, environ={"DB": "sesame"})
        assert "ses" not in settings.shown
        assert "me@" not in settings.shown
        assert "ses" not in repr(settings)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql+asyncpg://keeper:sesame@h/d", "the driver is psycopg"),
        ("POSTGRESQL+psycopg2://keeper:sesame@h/d", "the driver is psycopg"),
        ("postgresql://keeper:sesame@h", "names no database"),
        ("postgresql://keeper:sesame@h/", "names no database"),
        ("postgresql:keeper:sesame@h/d", "two slashes"),
        ("postgresql://keeper:sesame@h:0/d", "port"),
        ("postgresql://keeper:sesame@h:65536/d", "port"),
        ("postgresql://keeper:ses/ame@h/d", "%2F"),
        ("postgresql://keeper:ses#ame@h/d", "%23"),
        ("postgresql://keeper:sesame@h/d?sslmod=require", "the driver does not know"),
        ("postgresql://h/d?password=sesame", "stands before the host"),
        ("postgresql://h/d?sslmode=require&sslmode=disable", "twice"),
        ("postgresql://:sesame@h/d", "user is missing"),
    ],
)
def test_audit_url__broken_postgresql__is_refused_with_its_line_and_without_the_password(
    url: str, why: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        audit_url(at(tmp_path, f"keeper: {{}}\naudit:\n  url: '{url}'\n"), environ={})
    (problem,) = caught.value.problems
    assert (problem.path, problem.line) == ("audit.url", 3)
    assert problem.message.startswith("not the address of a PostgreSQL database: ")
    assert why in problem.message
    assert "postgresql+psycopg://user:" in problem.hint
    assert "sesame" not in repr(problem)


@pytest.mark.parametrize("url", ["mysql://h/d", "keeper.db", "sqlite+pysqlite:///keeper.db"])
def test_audit_url__another_database__is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not the URL of a database"):
        audit_url(at(tmp_path, f"audit: {{url: '{url}'}}\n"), environ={})
