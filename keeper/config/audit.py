"""The section ``audit``: where the log is, and how it is defended. Kept light: an auditor's command reads only this, and needs no other secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final
from urllib.parse import quote, unquote

from keeper.config.environment import Environment
from keeper.config.file import own_file, read_bytes
from keeper.config.kinds import FILE_PATH, check_address, choice, file_in
from keeper.config.problems import Report, without_credentials
from keeper.config.secret import Secret
from keeper.config.shape import Bad, Context, Cursor, Field, Given, Kind, Part, Shape
from keeper.config.tree import Scalar, parse
from keeper.domain.postgres_url import FILES, NotPostgres, is_postgres, read_postgres

if TYPE_CHECKING:  # an auditor's command must not wait for the rest of the configuration
    from keeper.config.sending import KeyFileSigner, KeystoreSigner

DEFAULT_URL: Final = "sqlite:///keeper.db"
HINT: Final = f"write {DEFAULT_URL}: a file beside the configuration"
_SQLITE = re.compile(r"sqlite:///([^?]*)(\?.*)?")
POSTGRES_HINT: Final = "write postgresql+psycopg://user:${PASSWORD}@host/database"


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

    ``signer`` is the address whose checkpoints these must be, ``spool`` a file, ``witness_for`` the signers of other keepers, by name, whose
    checkpoints this one keeps.
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
    if is_postgres(text):
        return _postgres_url(text, folder)
    raise Bad("not the URL of a database that this version can use", HINT)


def _postgres_url(text: str, folder: Path) -> str:
    """Written in one way, files of its options absolute."""
    try:
        found = read_postgres(text)
    except NotPostgres as error:
        raise Bad(f"not the address of a PostgreSQL database: {error}", POSTGRES_HINT) from None
    options = {
        name: file_in(folder, value) if name in FILES and value not in ("", "system") else value
        for name, value in found.options.items()
    }
    return replace(found, options=options).text()


def audit_url(path: str | Path, *, environ: Mapping[str, str] | None = None, stdin: BinaryIO | None = None) -> str:
    """The URL of the audit log alone, its path absolute: looks at no other section and needs no other secret.

    Raises ConfigurationError.
    """
    return audit_settings(path, environ=environ, stdin=stdin).url.reveal()


def audit_settings(
    path: str | Path, *, environ: Mapping[str, str] | None = None, stdin: BinaryIO | None = None
) -> AuditConfig:
    """The section ``audit`` alone, paths absolute: looks at no other section and needs no other secret.

    Of ``checkpoints``, what the environment does not set stays empty: whoever reads the log has neither the identity's password nor a token, and a
    witness whose place is not known is left out. Raises ConfigurationError.
    """
    from keeper.config.apart import check_apart

    data, folder = read_bytes(path, stdin)
    report, elsewhere = Report(), Report()
    tree = parse(data, elsewhere)  # a doubled key in another section is no reason to keep the log from an auditor
    report.take(elsewhere, "audit")
    root = Cursor(tree, "", 1, Context(report, Environment.of(environ), folder))
    cursor = root.child("audit") if "audit" in tree.entries else None
    audit = read_audit(cursor, folder, auditing=True)
    if audit is not None:
        check_apart(cursor, audit, own_file(path))
    report.raise_any()
    assert audit is not None, "the section is broken and no problem says so"
    return audit


AUDIT_URL_KIND = Kind(lambda given: Secret(_of_given(given)), Secret(""), {"type": "string", "minLength": 1}, env=True)
AUDIT_URL = Field(
    "url", AUDIT_URL_KIND, f"The database of the audit log, such as {DEFAULT_URL}: a file beside the configuration."
)
ADDRESS: Kind[str] = Kind(
    lambda given: check_address(given.text, show=True), "", {"type": "string", "pattern": "^0x[0-9a-fA-F]{40}$"}
)
ACT_WITHOUT_LOG = Field(
    "act-without-log",
    choice(ActWithoutLog, ActWithoutLog.NEVER),
    "What is done while the log cannot be written: nothing, or what critical rules ask for, written to the spool first.",
    ActWithoutLog.NEVER,
)
SPOOL = Field(
    "spool",
    FILE_PATH,
    "The file that records wait in while the database is away; left out: beside the configuration, named after the database.",
    "",
)
SIGNER = Field(
    "signer", ADDRESS, "Whose checkpoints these must be: the address of checkpoints.identity, for who has no key.", ""
)
CHECKPOINTS = Part("checkpoints", "The log's head, signed from time to time, and who keeps it.", {}, required=False)
WITNESS_FOR = Part(
    "witness_for", "Other keepers, whose checkpoints this one keeps: a name and its signer each.", {}, required=False
)
RETENTION = Part("retention", "When evidence of ticks moves from the database to files.", {}, required=False)
AUDIT = Shape(
    "Where the audit log is, and how it is defended. Without it: a file keeper.db beside the configuration.",
    (AUDIT_URL, ACT_WITHOUT_LOG, SPOOL, SIGNER, CHECKPOINTS, WITNESS_FOR, RETENTION),
)


def _of_given(given: Given) -> str:
    return absolute_url(given.text, given.folder)


def spool_of(url: str, folder: Path) -> str:
    """The file beside the configuration that has the name of the database: ``keeper.db`` -> ``keeper.spool``."""
    path = unquote(url.partition("://")[2].partition("?")[0])
    return str(folder / f"{Path(path).stem or 'keeper'}.spool")


def read_audit(cursor: Cursor | None, folder: Path, *, auditing: bool = False) -> AuditConfig | None:
    """The section, or the default when there is none. ``auditing`` as ``audit_settings`` says."""
    if cursor is None:
        default = absolute_url(DEFAULT_URL, folder)
        return AuditConfig(Secret(default), DEFAULT_URL, spool=spool_of(default, folder))
    section = cursor.open(AUDIT)
    if section is None:
        return None
    raw = section.table.entries.get("url")
    shown = without_credentials("audit.url", raw.text) if isinstance(raw, Scalar) else ""
    url, signer = section.get(AUDIT_URL), section.get(SIGNER) or None
    plain = AuditConfig(
        url,
        shown,
        section.get(ACT_WITHOUT_LOG),
        section.get(SPOOL) or spool_of(url.reveal(), folder),
        signer,
    )
    checkpoints, witness_for, retention = (section.at(part.key) for part in (CHECKPOINTS, WITNESS_FOR, RETENTION))
    if not (checkpoints or witness_for or retention):
        return plain
    from keeper.config import audit_sections as sections  # late: most who only read the log need none of these

    return replace(
        plain,
        checkpoints=sections.read_checkpoints(checkpoints, auditing=auditing) if checkpoints else None,
        witness_for=sections.read_witness_for(witness_for, signer) if witness_for else {},
        retention=sections.read_retention(retention) if retention else None,
    )
