"""Checks a bundle without database and network: its files by the manifest, then everything in it as a log is checked."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from keeper.adapters.audit.finding import Verification
from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.verify import Known, verify
from keeper.app.bundle import layout
from keeper.app.bundle.exporting import sha256_of
from keeper.app.bundle.loading import BundleBroken, lines, load
from keeper.app.bundle.tables import RECORD_COLUMNS
from keeper.domain.errors import KeeperError

_LARGEST_MANIFEST: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Checked:
    """``problem`` is empty when all holds. ``log`` is the verdict on what is in the lines, None where it did not come to that."""

    problem: str
    manifest: Mapping[str, Any]
    log: Verification | None

    @property
    def ok(self) -> bool:
        return not self.problem


def check(
    folder: Path,
    *,
    signer: str | None = None,
    witnesses: Sequence[Path] = (),
    tell: Callable[[str], None] = lambda _: None,
) -> Checked:
    """Raises KeeperError where there is no bundle at all, or no place for the database that it is read into."""
    if not folder.is_dir():
        raise KeeperError(
            f"there is no folder {folder}", remedy="name the folder that `keeper audit CONFIG export DIR` wrote"
        )
    manifest = _manifest(folder)
    verdict: Verification | None = None
    try:
        tell("hashing the files")
        _check_files(folder, manifest)
        with tempfile.TemporaryDirectory(prefix="keeper-bundle-") as place:
            database = Path(place) / "bundle.db"
            tell("reading the records")
            load(folder, database)
            tell("checking every record")
            archives = folder / layout.ARCHIVES
            known = Known(signer or None, tuple(witnesses), archives if archives.is_dir() else None)
            verdict = verify(sqlite_url(database), known)
        if not verdict.ok:
            place_of = f"record {verdict.first_bad}" if verdict.first_bad is not None else verdict.table
            return Checked(f"{place_of}: {verdict.problem}", manifest, verdict)
        _check_counts(manifest, verdict)
        tell("comparing the tables")
        _check_tables(folder)
    except BundleBroken as error:
        return Checked(error.message, manifest, verdict)
    except OSError as error:
        raise KeeperError(
            f"the bundle cannot be read: {error.strerror}",
            remedy="look at its permissions, and for space in the temporary folder",
        ) from None
    return Checked("", manifest, verdict)


def _manifest(folder: Path) -> Mapping[str, Any]:
    path = folder / layout.MANIFEST
    remedy = "name the folder that `keeper audit CONFIG export DIR` wrote"
    if not path.is_file():
        raise KeeperError(f"{folder} is no bundle: it has no {layout.MANIFEST}", remedy=remedy)
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(_LARGEST_MANIFEST))
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or found.get("format") != layout.FORMAT or not isinstance(found.get("files"), dict):
        raise KeeperError(f"{path} is not the manifest of a bundle that this version knows", remedy=remedy)
    return found


def _check_files(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Every file of the manifest and no other, each as it was written."""
    files: Mapping[str, Any] = manifest["files"]
    there = {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
    there.pop(layout.MANIFEST, None)
    for name in sorted(files.keys() | there.keys()):
        path = there.get(name)
        if path is None or path.is_symlink() or not path.is_file():
            raise BundleBroken(f"{name} is missing")
        if name not in files:
            raise BundleBroken(f"{name} does not belong to the bundle")
        if sha256_of(path) != files[name]:
            raise BundleBroken(f"{name} was changed: its sha256 is not that of {layout.MANIFEST}")
    for name in (layout.RECORDS, layout.EVIDENCE, layout.ARCHIVED, layout.CHECKPOINTS):
        if name not in files:
            raise BundleBroken(f"{name} is missing")


def _check_counts(manifest: Mapping[str, Any], verdict: Verification) -> None:
    found = {"records": verdict.records, "head": verdict.head}
    for name, value in found.items():
        if manifest.get(name) != value:
            raise BundleBroken(f"{layout.MANIFEST} says {name} {manifest.get(name)}, and the lines say {value}")


def _check_tables(folder: Path) -> None:
    """The records of the Parquet files are those of the lines."""
    import polars

    parts = sorted((folder / layout.TABLES).glob("records-*.parquet"))
    records = (line for _, line in lines(folder / layout.RECORDS))
    for path in parts:
        try:
            frame = polars.read_parquet(path)
        except (polars.exceptions.PolarsError, OSError):
            raise BundleBroken(f"{path.name} is no Parquet file") from None
        if frame.columns != list(RECORD_COLUMNS):
            raise BundleBroken(f"{path.name}: other columns than a record has")
        for row in frame.iter_rows(named=True):
            line = next(records, None)
            if line is None or any(_other(line, row, name) for name in RECORD_COLUMNS):
                raise BundleBroken(f"{path.name}: record {row['seq']} is not the one of {layout.RECORDS}")
    if (line := next(records, None)) is not None:
        raise BundleBroken(f"{layout.TABLES}: record {line['seq']} is missing")


def _other(line: Mapping[str, Any], row: Mapping[str, Any], name: str) -> bool:
    if name != "body":
        return bool(line[name] != row[name])
    try:
        return bool(json.loads(row[name]) != line[name])
    except (TypeError, ValueError, RecursionError):
        return True
