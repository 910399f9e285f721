"""The section ``audit``: checkpoints, identity, witnesses, retention, and what is done without a log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from keeper.config.audit import ActWithoutLog, FileWitness, UrlWitness, audit_settings
from keeper.config.schema import json_schema
from keeper.config.sending import KeyFileSigner, KeystoreSigner
from keeper.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from tests.unit.config.conftest import Break, Load

pytestmark = pytest.mark.unit

PLAIN = 'audit: {url: "sqlite:///keeper.db"}'
ONE = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
OTHER = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"
FULL = f"""audit:
  url: "sqlite:///keeper.db"
  act-without-log: critical
  spool: waiting.spool
  signer: "{ONE}"
  checkpoints:
    every: 30s
    identity: {{kind: keystore, path: identity.json, password: "${{IDENTITY_PASSWORD}}"}}
    witnesses:
      - {{file: /mnt/elsewhere/checkpoints.jsonl}}
      - {{url: "https://other.example/api/v1/witness", token: "${{WITNESS_TOKEN}}"}}
  witness_for: {{other: "{OTHER}"}}
  retention: {{keep: 30d, archive: archive}}
"""
SECRETS = {"IDENTITY_PASSWORD": "identity-pass-77", "WITNESS_TOKEN": "witness-token-91"}


def checkpoints(identity: str = "{kind: key-file, path: id.key}", more: str = "") -> tuple[str, str]:
    return PLAIN, f'audit: {{url: "sqlite:///keeper.db", checkpoints: {{identity: {identity}{more}}}}}'


def test_audit__only_the_url__acts_never_without_log_and_signs_nothing(load_good: Load, tmp_path: Path) -> None:
    audit = load_good().audit
    assert audit.act_without_log is ActWithoutLog.NEVER
    assert audit.spool == str(tmp_path / "keeper.spool")
    assert (audit.signer, audit.checkpoints, dict(audit.witness_for), audit.retention) == (None, None, {}, None)


def test_audit__everything__is_read(load_good: Load, secrets: dict[str, str], tmp_path: Path) -> None:
    audit = load_good((PLAIN + "\n", FULL), environ=secrets | SECRETS).audit
    assert audit.act_without_log is ActWithoutLog.CRITICAL
    assert audit.spool == str(tmp_path / "waiting.spool")
    assert audit.signer == ONE
    assert audit.witness_for == {"other": OTHER}
    made = audit.checkpoints
    assert made is not None
    assert made.every_ms == 30_000
    assert isinstance(made.identity, KeystoreSigner)
    assert made.identity.password.reveal() == "identity-pass-77"
    file, url = made.witnesses
    assert file == FileWitness("/mnt/elsewhere/checkpoints.jsonl")
    assert isinstance(url, UrlWitness)
    assert url.shown == "https://other.example/api/v1/witness"
    assert url.token is not None
    assert url.token.reveal() == "witness-token-91"
    assert audit.retention is not None
    assert (audit.retention.keep_ms, audit.retention.archive) == (30 * 86_400_000, str(tmp_path / "archive"))


def test_audit__everything__shows_no_secret(load_good: Load, secrets: dict[str, str]) -> None:
    config = load_good((PLAIN + "\n", FULL), environ=secrets | SECRETS)
    told = repr(config.audit) + json.dumps(config.public())
    for name, value in SECRETS.items():
        assert value not in told
        assert f"${{{name}}}" in told


def test_audit__secrets_in_the_file__are_hidden_in_problems_and_refused(broken: Break) -> None:
    identity = "{kind: keystore, path: id.json, password: hunter2}"
    witnesses = ', witnesses: [{url: "https://x.example", token: tok-3n}]'
    problems = broken(checkpoints(identity, witnesses))
    at = {problem.path: problem for problem in problems}
    place = "audit.checkpoints"
    assert set(at) == {f"{place}.identity.password", f"{place}.witnesses[0].token"}
    assert "hunter2" not in repr(problems)
    assert "tok-3n" not in repr(problems)
    assert "${WITNESS_TOKEN}" in at[f"{place}.witnesses[0].token"].hint


@pytest.mark.parametrize(
    ("section", "path", "message", "hint"),
    [
        ("act_without_log: never", "audit.act_without_log", "unknown key", "act-without-log"),
        ("act-without-log: always", "audit.act-without-log", "not one of the words", "critical"),
        ("signer: '0x7099'", "audit.signer", "not an address", "40 hex digits"),
        (f"signer: '{ONE.lower()}'", "audit.signer", "no checksum", ONE),
        ("checkpoints: {every: 10m}", "audit.checkpoints.identity", "identity is missing", "the key that signs"),
        (
            "checkpoints: {every: 999ms, identity: {kind: key-file, path: i}}",
            "audit.checkpoints.every",
            "too short",
            "1s",
        ),
        ("checkpoints: {identity: {kind: kms}}", "audit.checkpoints.identity.kind", "not one of the words", "keystore"),
        ("checkpoints: {identity: {path: i}}", "audit.checkpoints.identity.kind", "kind is missing", "key-file"),
        ("witness_for: {me: 5}", "audit.witness_for.me", "not an address", "0x"),
        (f"signer: '{ONE}', witness_for: {{me: '{ONE}'}}", "audit.witness_for.me", "own signer", "no witness"),
        (f"witness_for: {{a: '{ONE}', b: '{ONE}'}}", "audit.witness_for.b", "the signer of a already", "one name"),
        ("retention: {keep: 30d}", "audit.retention.archive", "archive is missing", "folder"),
        ("retention: {keep: 59m, archive: a}", "audit.retention.keep", "too short", "1h"),
    ],
)
def test_audit__broken__is_told_with_place_and_remedy(
    broken: Break, section: str, path: str, message: str, hint: str
) -> None:
    (problem,) = broken((PLAIN, f'audit: {{url: "sqlite:///keeper.db", {section}}}'))
    assert problem.path == path
    assert message in problem.message
    assert hint in problem.hint


@pytest.mark.parametrize(
    ("witnesses", "path", "message"),
    [
        ("[{}]", "[0]", "file or url is missing"),
        ("[{file: a, url: 'https://x.example'}]", "[0]", "not both"),
        ("[{file: a, token: '${T}'}]", "[0].token", "unknown key"),
        ("[{url: 'http://x.example'}]", "[0].url", "plain http"),
        ("[{url: 'ftp://x.example'}]", "[0].url", "not a URL that can be used"),
        ("[{url: 'https://me:pw@x.example'}]", "[0].url", "credentials"),
        ("[{file: a}, {file: a}]", "[1]", "named twice"),
        ("[a]", "[0]", "a section with keys"),
        ("{file: a}", "", "a list is needed"),
    ],
)
def test_witnesses__broken__are_told(broken: Break, witnesses: str, path: str, message: str) -> None:
    (problem,) = broken(checkpoints(more=f", witnesses: {witnesses}"))
    assert problem.path == f"audit.checkpoints.witnesses{path}"
    assert message in problem.message


def test_identity__the_key_of_signer__is_refused_with_the_reason(broken: Break, good: str) -> None:
    path = good.split("kind: keystore, path: ")[1].split(",")[0].strip().strip('"}')
    (problem,) = broken(checkpoints(f'{{kind: key-file, path: "./{path}"}}'))
    assert problem.path == "audit.checkpoints.identity.path"
    assert "must not sign texts" in problem.message
    assert "a key of its own" in problem.hint


def test_audit_settings__without_any_secret__still_says_where_witnesses_are(tmp_path: Path) -> None:
    file = tmp_path / "keeper.yaml"
    file.write_text(FULL + "keeper: 5\n")
    audit = audit_settings(file, environ={})
    assert audit.signer == ONE
    assert audit.checkpoints is not None
    assert audit.checkpoints.witnesses[0] == FileWitness("/mnt/elsewhere/checkpoints.jsonl")


def test_audit_settings__place_of_a_witness_not_set__is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "keeper.yaml"
    file.write_text(
        "audit: {url: 'sqlite:///a.db', checkpoints: {identity: {kind: key-file, path: '${WHERE}'}, witnesses: [{file: '${W}'}]}}"
    )
    audit = audit_settings(file, environ={})
    assert audit.checkpoints is not None
    assert audit.checkpoints.identity == KeyFileSigner("")
    assert audit.checkpoints.witnesses == ()


def test_audit_settings__broken_inside__raises(tmp_path: Path) -> None:
    file = tmp_path / "keeper.yaml"
    file.write_text("audit: {url: 'sqlite:///a.db', checkpoints: {identty: x}}")
    with pytest.raises(ConfigurationError, match=r"audit\.checkpoints"):
        audit_settings(file, environ={})


def test_spool__of_a_database_elsewhere__is_beside_the_configuration(load_good: Load, tmp_path: Path) -> None:
    audit = load_good((PLAIN, 'audit: {url: "sqlite:////var/lib/my%20log.db"}')).audit
    assert audit.spool == str(tmp_path / "my log.spool")


def test_schema__audit__knows_every_key() -> None:
    root: Any = json_schema()
    audit = root["properties"]["audit"]
    keys = {"url", "act-without-log", "spool", "signer", "checkpoints", "witness_for", "retention"}
    assert set(audit["properties"]) == keys
    assert audit["required"] == ["url"]
    inner = audit["properties"]["checkpoints"]["properties"]
    assert inner["every"]["default"] == "10m"
    assert len(inner["identity"]["oneOf"]) == 2
    assert len(inner["witnesses"]["items"]["oneOf"]) == 2
