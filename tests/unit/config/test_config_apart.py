"""Files of the audit log that are one: by whatever name, they are refused before anything is overwritten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keeper.config import load
from keeper.config.audit import audit_settings
from keeper.domain.errors import ConfigurationError, Problem
from tests.support.kept_log import TEXT

pytestmark = pytest.mark.unit

ONE = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
OTHER = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"
URL = '  url: "sqlite:///keeper.db"\n'
SIGNING = "  checkpoints:\n    identity: {kind: key-file, path: identity.key}\n"
KEYSTORE = '  checkpoints:\n    identity: {kind: keystore, path: identity.json, password: "${P}"}\n'


def written(folder: Path, audit: str, more: str = "") -> Path:
    (folder / "elsewhere").mkdir(exist_ok=True)
    if not (folder / "link").is_symlink():
        (folder / "link").symlink_to(folder / "keeper.db")
    path = folder / "keeper.yaml"
    path.write_text(TEXT.replace('audit: {url: "URL"RETENTION}', f"audit:\n{audit}") + more, "utf-8")
    return path


def problems(path: Path) -> tuple[Problem, ...]:
    """Of the whole configuration; whoever reads the section alone is told the same."""
    with pytest.raises(ConfigurationError) as caught:
        load(path, environ={"P": "x"})
    with pytest.raises(ConfigurationError) as alone:
        audit_settings(path, environ={"P": "x"})
    assert alone.value.problems == caught.value.problems
    return caught.value.problems


@pytest.mark.parametrize(
    ("audit", "at", "told"),
    [
        (URL + "  spool: keeper.db\n", "spool", "the database too"),
        (URL + "  spool: elsewhere/../keeper.db\n", "spool", "the database too"),
        (URL + "  spool: link\n", "spool", "the database too"),
        (URL + "  spool: keeper.db-wal\n", "spool", "the database's own keeper.db-wal"),
        (URL + "  spool: keeper.db-shm\n", "spool", "the database's own keeper.db-shm"),
        (URL + "  spool: keeper.db-journal\n", "spool", "the database's own keeper.db-journal"),
        (URL + "  spool: keeper.db.lock\n", "spool", "the database's own keeper.db.lock"),
        (URL + "  spool: keeper.yaml\n", "spool", "the configuration too"),
        ('  url: "sqlite:///keeper.spool"\n', "spool", "the database too"),
        ('  url: "sqlite:///keeper.yaml"\n', "url", "the configuration too"),
        (URL + "  spool: identity.key\n" + SIGNING, "spool", "the key of the identity too"),
        (URL + SIGNING + "    witnesses: [{file: keeper.db}]\n", "checkpoints.witnesses", "the database too"),
        (URL + SIGNING + "    witnesses: [{file: identity.key}]\n", "checkpoints.witnesses", "the key of the identity"),
        (URL + SIGNING + "    witnesses: [{file: keeper.spool}]\n", "checkpoints.witnesses", "the spool too"),
        (URL + SIGNING + "    witnesses: [{file: w}, {file: ./x/../w}]\n", "checkpoints.witnesses", "a witness too"),
        (URL + SIGNING.replace("identity.key", "keeper.db"), "checkpoints.identity.path", "the database too"),
        (URL + "  retention: {keep: 1h, archive: keeper.db}\n", "retention.archive", "the database too"),
        (URL + "  retention: {keep: 1h, archive: keeper.spool}\n", "retention.archive", "the spool too"),
        (URL + "  spool: old/a.parquet\n  retention: {keep: 1h, archive: old}\n", "spool", "a file of the archive"),
    ],
)
def test_audit__two_files_are_one__is_refused(tmp_path: Path, audit: str, at: str, told: str) -> None:
    (problem,) = problems(written(tmp_path, audit))
    assert problem.path == f"audit.{at}"
    assert told in problem.message
    assert problem.hint


@pytest.mark.parametrize("name", ["spool: signer.key", 'url: "sqlite:///signer.key"'])
def test_audit__the_key_of_the_signer__is_refused(tmp_path: Path, name: str) -> None:
    audit = ("" if name.startswith("url") else URL) + f"  {name}\n"
    path = written(tmp_path, audit, "signer: {kind: key-file, path: signer.key}\n")
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    assert "the key of `signer` too" in caught.value.problems[0].message


@pytest.mark.parametrize(
    "audit",
    [
        URL,
        URL + "  spool: keeper.database\n",
        URL + SIGNING + "    witnesses: [{file: w}, {file: elsewhere/w}]\n  retention: {keep: 1h, archive: .}\n",
        '  url: "postgresql+psycopg://u@h/keeper"\n',
    ],
)
def test_audit__each_file_its_own__is_taken(tmp_path: Path, audit: str) -> None:
    path = written(tmp_path, audit, "signer: {kind: key-file, path: signer.key}\n")
    assert load(path).audit.shown == audit_settings(path).shown


@pytest.mark.parametrize(
    ("audit", "at"),
    [(f'  signer: "{OTHER}"\n', "signer"), (f'  witness_for: {{me: "{ONE}"}}\n', "witness_for.me")],
)
def test_audit__identity_known_by_its_keystore__is_held_against_what_is_written(
    tmp_path: Path, audit: str, at: str
) -> None:
    path = written(tmp_path, URL + audit + KEYSTORE)
    assert load(path, environ={"P": "x"}), "there is no keystore yet, and nothing is known"
    (tmp_path / "identity.json").write_text(json.dumps({"address": ONE[2:].lower(), "version": 3}))
    (problem,) = problems(path)
    assert problem.path == f"audit.{at}"
    (tmp_path / "identity.json").write_text(json.dumps({"address": "90f79bf6eb2c4f870365e785982e1f101e93b906"}))
    if at != "signer":
        assert load(path, environ={"P": "x"})


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"address": 5}', '{"address": "0x12"}', "\x00"])
def test_audit__a_keystore_that_says_nothing__is_no_problem_here(tmp_path: Path, content: str) -> None:
    path = written(tmp_path, URL + f'  signer: "{OTHER}"\n' + KEYSTORE)
    (tmp_path / "identity.json").write_text(content)
    assert load(path, environ={"P": "x"})
