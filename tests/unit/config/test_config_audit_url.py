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
    file = at(tmp_path, 'audit: {url: "postgresql+psycopg://k:${DB}@h/d"}')
    assert audit_url(file, environ={"DB": "pw"}) == "postgresql+psycopg://k:pw@h/d"
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
