"""The light way to the audit log: one section, no other secret, no heavy import."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from keeper.config import audit_url
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


POSTGRES = [
    "postgresql+psycopg://keeper:sesame@h/d",
    "postgresql://keeper:sesame@h/d",
    "postgres://keeper:sesame@h/d",
    "POSTGRESQL+asyncpg://keeper:sesame@h",
]


@pytest.mark.parametrize("url", POSTGRES)
def test_audit_url__postgresql__is_refused_with_its_line_and_a_hint(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        audit_url(at(tmp_path, f"keeper: {{}}\naudit:\n  url: {url}\n"), environ={})
    (problem,) = caught.value.problems
    assert (problem.path, problem.line) == ("audit.url", 3)
    assert problem.message == "PostgreSQL is not supported yet in this version"
    assert "sqlite:///keeper.db" in problem.hint
    assert "sesame" not in repr(problem)


@pytest.mark.parametrize("url", ["mysql://h/d", "keeper.db", "sqlite+pysqlite:///keeper.db"])
def test_audit_url__another_database__is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not the URL of a database"):
        audit_url(at(tmp_path, f"audit: {{url: '{url}'}}\n"), environ={})
