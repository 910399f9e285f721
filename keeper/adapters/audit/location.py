"""Where a database is, read from its URL without SQLAlchemy: ``audit log`` must answer before that is even imported."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote, unquote

from keeper.domain.errors import StoreUnavailable

_SQLITE = re.compile(r"^sqlite(?:\+pysqlite)?://(?:/([^?]*))?(?:\?.*)?$")
_PASSWORD = re.compile(r"(://[^/@:]*):.*@")


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite URL (percent-decoded, as SQLAlchemy does); None for another database.

    Raises StoreUnavailable for a database in memory: a log must outlive the process.
    """
    match = _SQLITE.match(url)
    if match is None:
        return None
    path = unquote(match.group(1) or "")
    if path in ("", ":memory:") or path.startswith("file:"):
        raise StoreUnavailable(
            f"{url} names no file", remedy="write sqlite:///keeper.db or sqlite:////absolute/path/keeper.db"
        )
    return Path(path)


def sqlite_url(path: Path) -> str:
    """The URL of a file; blanks and other special characters are percent-encoded."""
    return "sqlite:///" + quote(str(path))


def read_only_uri(path: Path) -> str:
    """The SQLite URI that opens the file for reading and never creates it."""
    return f"file:{quote(str(path.absolute()))}?mode=ro"


def without_password(url: str) -> str:
    """The URL as it may be shown."""
    return _PASSWORD.sub(r"\1:***@", url)
