"""Where the audit log is. Kept light: an auditor's command reads only this section, and needs no other secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final
from urllib.parse import quote, unquote

from keeper.config.environment import Environment
from keeper.config.file import read_bytes
from keeper.config.kinds import file_in
from keeper.config.problems import Report, without_credentials
from keeper.config.secret import Secret
from keeper.config.shape import Bad, Context, Cursor, Field, Given, Kind, Shape
from keeper.config.tree import Scalar, parse

if TYPE_CHECKING:  # an auditor's command must not wait for the rest of the configuration
    from keeper.config.model import KeyFileSigner, KeystoreSigner

DEFAULT_URL: Final = "sqlite:///keeper.db"
HINT: Final = f"write {DEFAULT_URL}: a file beside the configuration"
_SQLITE = re.compile(r"sqlite:///([^?]*)(\?.*)?")
_POSTGRES = re.compile(r"postgres(?:ql)?(?:\+\w*)?:", re.IGNORECASE)


class ActWithoutLog(StrEnum):
    """What is done while the log cannot be written."""

    NEVER = "never"
    CRITICAL = "critical"
    """What rules of this severity ask for is done, and written to the spool first."""


@dataclass(frozen=True, slots=True)
class FileWitness:
    """A file, better of another machine, to which every checkpoint is added as a line."""

    path: str


@dataclass(frozen=True, slots=True)
class UrlWitness:
    """Where every checkpoint is posted to: a webhook, or another keeper's ``/api/v1/witness``."""

    url: Secret
    shown: str
    token: Secret | None = None


@dataclass(frozen=True, slots=True)
class CheckpointConfig:
    """``identity`` signs them; it needs no funds and no rights."""

    every_ms: int
    identity: KeystoreSigner | KeyFileSigner
    witnesses: tuple[FileWitness | UrlWitness, ...] = ()


@dataclass(frozen=True, slots=True)
class RetentionConfig:
    """Evidence of ticks older than ``keep_ms`` moves to files in the folder ``archive``; what is around incidents stays."""

    keep_ms: int
    archive: str


@dataclass(frozen=True, slots=True)
class AuditConfig:
    """``url`` as SQLAlchemy takes it, paths absolute; ``shown`` is the same without secrets.

    ``signer`` is the address whose checkpoints these must be, ``witness_for`` the signers of other keepers, by name, whose checkpoints this one keeps.
    """

    url: Secret
    shown: str
    act_without_log: ActWithoutLog = ActWithoutLog.NEVER
    spool: str = ""
    signer: str | None = None
    checkpoints: CheckpointConfig | None = None
    witness_for: Mapping[str, str] = field(default_factory=dict)
    retention: RetentionConfig | None = None


def absolute_url(text: str, folder: Path) -> str:
    """The database with its path made absolute (and percent-encoded, as SQLAlchemy reads it). Raises Bad.

    Which databases this version can use is decided here, for every command.
    """
    if not text.isprintable():
        raise Bad("not the URL of a database", HINT)
    match = _SQLITE.fullmatch(text)
    if match:
        file = unquote(match.group(1))
        if not file or file == ":memory:" or file.startswith("file:") or "\0" in file:
            raise Bad("the audit log needs a file: it must outlive the process", DEFAULT_URL)
        return f"sqlite:///{quote(file_in(folder, file))}{match.group(2) or ''}"
    if text.startswith("sqlite:"):
        raise Bad(
            "not the URL of a database",
            f"three slashes for a relative path, four for an absolute one: {DEFAULT_URL}",
        )
    if _POSTGRES.match(text):
        raise Bad("PostgreSQL is not supported yet in this version", HINT)
    raise Bad("not the URL of a database that this version can use", HINT)


def audit_url(path: str | Path, *, environ: Mapping[str, str] | None = None, stdin: BinaryIO | None = None) -> str:
    """The URL of the audit log alone, its path absolute: looks at no other section and needs no other secret.

    Raises ConfigurationError.
    """
    data, folder = read_bytes(path, stdin)
    report, elsewhere = Report(), Report()
    tree = parse(data, elsewhere)  # a doubled key in another section is no reason to keep the log from an auditor
    report.take(elsewhere, "audit")
    root = Cursor(tree, "", 1, Context(report, Environment.of(environ), folder))
    audit = read_audit(root.child("audit") if "audit" in tree.entries else None, folder)
    report.raise_any()
    assert audit is not None, "the section is broken and no problem says so"
    return audit.url.reveal()


AUDIT_URL_KIND = Kind(lambda given: Secret(_of_given(given)), Secret(""), {"type": "string", "minLength": 1}, env=True)
AUDIT_URL = Field(
    "url", AUDIT_URL_KIND, f"The database of the audit log, such as {DEFAULT_URL}: a file beside the configuration."
)
AUDIT = Shape("Where the audit log is. Without it: a file keeper.db beside the configuration.", (AUDIT_URL,))


def _of_given(given: Given) -> str:
    return absolute_url(given.text, given.folder)


def read_audit(cursor: Cursor | None, folder: Path) -> AuditConfig | None:
    """The section, or the default when there is none."""
    if cursor is None:
        return AuditConfig(Secret(absolute_url(DEFAULT_URL, folder)), DEFAULT_URL)
    section = cursor.open(AUDIT)
    if section is None:
        return None
    raw = section.table.entries.get("url")
    return AuditConfig(
        section.get(AUDIT_URL), without_credentials("audit.url", raw.text) if isinstance(raw, Scalar) else ""
    )
