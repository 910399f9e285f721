"""Files of the audit log must each be their own: a spool, a witness or an archive in the place of the database or of a key would destroy it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote

from keeper.config.audit import AuditConfig, FileWitness
from keeper.config.shape import Cursor
from keeper.config.tree import Table

BESIDE: Final = ("-wal", "-shm", "-journal", "-lock", ".lock")
"""What SQLite and the keeper keep beside the database, under its name."""
ARCHIVED: Final = ".parquet"
_KEYSTORE_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Place:
    """``keys``: where it stands in the section. ``secret``: a key lies in it."""

    what: str
    path: str
    keys: tuple[str, ...]
    secret: bool = False


def check_apart(
    cursor: Cursor | None, audit: AuditConfig, file: str, keys: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Notes every file of ``audit`` that is another's too, by whatever name, and an identity that is not the one it must be.

    ``cursor`` is the section, if there is one; ``file`` the configuration's own, empty where it has none; ``keys`` the files that keys of other
    sections lie in, by whose they are.
    """
    if cursor is None:
        return
    seen: dict[str, _Place] = {}
    for place in (*_of_others(file, keys), *_of_log(audit)):
        real = os.path.realpath(place.path)
        other = seen.setdefault(real, place)
        twice_said = place.path == other.path and place.what == other.what
        both_keys = place.secret and other.secret  # has a problem of its own
        if other is not place and place.keys and not twice_said and not both_keys:
            _tell(cursor, place.keys, f"this is {other.what} too", f"give {place.what} a file of its own")
    if audit.retention is not None and audit.retention.archive:
        folder = os.path.realpath(audit.retention.archive)
        for real, place in seen.items():
            if real.endswith(ARCHIVED) and str(Path(real).parent) == folder:
                _tell(cursor, place.keys, "this has the name of a file of the archive", "name another file")
    _check_identity(cursor, audit)


def _of_others(file: str, keys: Mapping[str, str]) -> Iterator[_Place]:
    if file:
        yield _Place("the configuration", file, ())
    for whose, path in keys.items():
        yield _Place(f"the key of {whose}", path, (), secret=True)


def _of_log(audit: AuditConfig) -> Iterator[_Place]:
    url = audit.url.reveal()
    if url.startswith("sqlite:"):
        database = os.path.realpath(unquote(url.partition(":///")[2].partition("?")[0]))
        yield _Place("the database", database, ("url",))
        for end in BESIDE:
            yield _Place(f"the database's own {Path(database).name}{end}", database + end, ("url",))
    made = audit.checkpoints
    if made is not None and made.identity.path:
        yield _Place("the key of the identity", made.identity.path, ("checkpoints", "identity", "path"), secret=True)
    if audit.spool:
        yield _Place("the spool", audit.spool, ("spool",))
    for one in made.witnesses if made is not None else ():
        if isinstance(one, FileWitness):
            yield _Place("a witness", one.path, ("checkpoints", "witnesses"))
    if audit.retention is not None and audit.retention.archive:
        yield _Place("the archive", audit.retention.archive, ("retention", "archive"))


def _check_identity(cursor: Cursor, audit: AuditConfig) -> None:
    """A keystore says whose it is without its password."""
    path = audit.checkpoints.identity.path if audit.checkpoints is not None else ""
    address = _address(path) if path else ""
    if not address:
        return
    if audit.signer is not None and audit.signer.lower() != address:
        _tell(
            cursor,
            ("signer",),
            "the keystore of checkpoints.identity has another address",
            "name that one, or the other keystore",
        )
    for name, other in audit.witness_for.items():
        if other.lower() == address:
            _tell(
                cursor,
                ("witness_for", name),
                "this is the keeper's own identity",
                "a keeper is no witness of itself: name other keepers'",
            )


def _address(path: str) -> str:
    """In lower case; empty for what is no keystore or cannot be read: its own check says that."""
    try:
        if not Path(path).is_file() or Path(path).stat().st_size > _KEYSTORE_BYTES:
            return ""
        document = json.loads(Path(path).read_text("utf-8"))
        address = document.get("address") if isinstance(document, dict) else None
    except (OSError, ValueError, RecursionError):
        return ""
    found = address.lower().removeprefix("0x") if isinstance(address, str) else ""
    return f"0x{found}" if len(found) == 40 else ""


def _tell(cursor: Cursor, keys: tuple[str, ...], message: str, hint: str) -> None:
    """At the place in the section, as far as it is written down."""
    for number, key in enumerate(keys):
        if not isinstance(cursor.node, Table) or key not in cursor.node.entries:
            cursor.problem(message, hint, found="", at=".".join(keys[number:]))
            return
        cursor = cursor.child(key)
    cursor.problem(message, hint, found="")
