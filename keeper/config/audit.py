"""Where the audit log is. Kept light: an auditor's command reads only this section, and needs no other secret."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote, unquote

from keeper.config.kinds import file_in, split_url
from keeper.config.model import AuditConfig
from keeper.config.problems import without_credentials
from keeper.config.secret import Secret
from keeper.config.shape import Bad, Cursor, Field, Given, Kind, Shape
from keeper.config.tree import Scalar

DEFAULT_URL = "sqlite:///keeper.db"
HINT = "sqlite:///keeper.db, or postgresql+psycopg://user@host/database"
_SQLITE = re.compile(r"sqlite:///([^?]*)(\?.*)?")


def absolute_url(text: str, folder: Path) -> str:
    """The database with its path made absolute (and percent-encoded, as SQLAlchemy reads it). Raises Bad."""
    if not text.isprintable():
        raise Bad("not the URL of a database", HINT)
    match = _SQLITE.fullmatch(text)
    if match:
        file = unquote(match.group(1))
        if not file or file == ":memory:" or file.startswith("file:") or "\0" in file:
            raise Bad("the audit log needs a file: it must outlive the process", "sqlite:///keeper.db")
        return f"sqlite:///{quote(file_in(folder, file))}{match.group(2) or ''}"
    if text.startswith("sqlite:"):
        raise Bad(
            "not the URL of a database",
            "three slashes for a relative path, four for an absolute one: sqlite:///keeper.db",
        )
    if text.startswith(("postgresql://", "postgres://")):
        raise Bad("the driver is missing", "write postgresql+psycopg://")
    try:
        parts = split_url(text, ("postgresql+psycopg",))
    except Bad as bad:
        raise Bad(bad.message, HINT) from None
    if not parts.path.strip("/"):
        raise Bad("the URL names no database", HINT)
    return text


AUDIT_URL_KIND = Kind(lambda given: Secret(_of_given(given)), Secret(""), {"type": "string", "minLength": 1}, env=True)
AUDIT_URL = Field("url", AUDIT_URL_KIND, f"The database of the audit log: {HINT}.")
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
