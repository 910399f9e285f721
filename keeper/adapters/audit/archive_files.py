"""Archived evidence: Parquet files with a row for each record, written whole or not at all, and read against the hash that the log holds.

Columns: ``seq``, ``at``, ``kind`` and ``block`` (number, where the record names one) of the record; ``hash``, ``encoding``, ``size`` and ``packed``
as they were in the table ``evidence``.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from keeper.domain.evidence import Evidence
from keeper.ports.retention import Kept

SUFFIX: Final = ".parquet"
_COLUMNS: Final = {
    "seq": "Int64",
    "at": "String",
    "kind": "String",
    "block": "Int64",
    "hash": "String",
    "encoding": "String",
    "size": "Int64",
    "packed": "Binary",
}
_AT_ONCE: Final = 10_000
"""Rows that are unfolded together."""
_UNFINISHED: Final = ".unfinished"


class NotAnArchive(ValueError):
    """A file is not there, cannot be read, or is not the one that the log names; the message names it."""


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """``name`` without the folder; ``sha256`` of the whole file, with ``0x``; ``size`` in bytes."""

    name: str
    sha256: str
    size: int


def write(folder: Path, rows: Sequence[Kept]) -> ArchiveFile:
    """Durable under its name when this returns. The same rows give the same name, so one that was not recorded is written again. Raises OSError."""
    content = _content(rows)
    digest = hashlib.sha256(content).hexdigest()
    name = f"evidence-{rows[0].seq}-{rows[-1].seq}-{digest[:16]}{SUFFIX}"
    folder.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(suffix=_UNFINISHED, prefix=name + ".", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(unfinished).chmod(0o644)
        Path(unfinished).replace(folder / name)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise
    _sync(folder)
    return ArchiveFile(name, "0x" + digest, len(content))


def digest_of(path: Path) -> str:
    """``0x`` and the SHA-256 of the file. Raises NotAnArchive."""
    if path.exists() and not path.is_file():
        raise NotAnArchive(f"{path} is no regular file")
    try:
        with path.open("rb") as file:
            return "0x" + hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise NotAnArchive(f"{path} is not there") from None
    except OSError as error:
        raise NotAnArchive(f"{path} cannot be read: {error.strerror or error}") from None


def check(path: Path, sha256: str) -> None:
    """Raises NotAnArchive when it is not the file with this hash."""
    if digest_of(path) != sha256:
        raise NotAnArchive(f"{path} is not the file that the log names: it has another hash")


def read(path: Path, sha256: str, count: int | None = None) -> Iterator[Kept]:
    """Every row, ``count`` of them where that is known; the contents are not yet held against their own hashes. Raises NotAnArchive."""
    check(path, sha256)
    for row in parquet_rows(path, _COLUMNS, count):
        evidence = Evidence(row["hash"], row["encoding"], row["size"], row["packed"])
        yield Kept(row["seq"], row["at"], row["kind"], row["block"], evidence)


def parquet_rows(path: Path, columns: Mapping[str, str], count: int | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a foreign file, which is looked at before it is unfolded. ``columns``: the name of polars' type of each.

    Raises NotAnArchive for a file with other columns, another number of rows than ``count``, or that no Parquet reader reads.
    """
    import polars

    try:
        scan = polars.scan_parquet(path, glob=False)
        schema = {name: str(kind) for name, kind in scan.collect_schema().items()}
        if schema != dict(columns):
            raise NotAnArchive(f"{path} has other columns than {', '.join(columns)}")
        there = int(scan.select(polars.len()).collect().item())
        if count is not None and there != count:
            raise NotAnArchive(f"{path} has {there} rows instead of {count}")
        for first in range(0, there, _AT_ONCE):
            yield from scan.slice(first, _AT_ONCE).collect().iter_rows(named=True)
    except (OSError, polars.exceptions.PolarsError, polars.exceptions.PanicException):
        raise NotAnArchive(f"{path} cannot be read as Parquet") from None


def _content(rows: Sequence[Kept]) -> bytes:
    import polars

    frame = polars.DataFrame(
        {
            "seq": [row.seq for row in rows],
            "at": [row.at for row in rows],
            "kind": [row.kind for row in rows],
            "block": [row.block for row in rows],
            "hash": [row.evidence.hash for row in rows],
            "encoding": [row.evidence.encoding for row in rows],
            "size": [row.evidence.size for row in rows],
            "packed": [row.evidence.packed for row in rows],
        },
        schema_overrides={"block": polars.Int64, "packed": polars.Binary},
    )
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", statistics=True)
    return buffer.getvalue()


def _sync(folder: Path) -> None:
    """A new name is durable only when its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
