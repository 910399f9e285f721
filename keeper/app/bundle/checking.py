"""Checks a bundle without database and network: its files by the manifest, then everything in it as a log is checked."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from keeper.adapters.audit.archive_files import NotAnArchive, parquet_rows
from keeper.adapters.audit.finding import Verification
from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.verify import Known, verify
from keeper.app.bundle import layout
from keeper.app.bundle.exporting import sha256_of
from keeper.app.bundle.loading import BundleBroken, Loaded, lines, load
from keeper.app.bundle.tables import OBSERVATION_COLUMNS, RECORD_COLUMNS, columns_of, observations
from keeper.domain.errors import KeeperError
from keeper.domain.nesting import too_deep

_TABLE: Final = re.compile(rf"{layout.TABLES}/(records|observations)-\d{{5}}\.parquet")
_LARGEST_MANIFEST: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Checked:
    """``problem`` is empty when all holds. ``log`` is the verdict on what is in the lines, None where it did not come to that.

    ``loaded``: what the lines of a good bundle hold; ``missing``: the archives that are not in it, as it says.
    """

    problem: str
    loaded: Loaded | None
    log: Verification | None
    missing: tuple[str, ...] = ()

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
            loaded = load(folder, database)
            tell("checking every record")
            archives = folder / layout.ARCHIVES
            known = Known(signer or None, tuple(witnesses), archives if archives.is_dir() else None)
            verdict = verify(sqlite_url(database), known)
        if not verdict.ok:
            place_of = f"record {verdict.first_bad}" if verdict.first_bad is not None else verdict.table
            return Checked(f"{place_of}: {verdict.problem}", None, verdict)
        missing = _check_names(folder, manifest, loaded)
        _check_counts(manifest, loaded)
        tell("comparing the tables")
        _check_tables(folder, loaded)
    except BundleBroken as error:
        return Checked(error.message, None, verdict)
    except OSError as error:
        raise KeeperError(
            f"the bundle cannot be read: {error.strerror}",
            remedy="look at its permissions, and for space in the temporary folder",
        ) from None
    return Checked("", loaded, verdict, missing)


def _manifest(folder: Path) -> Mapping[str, Any]:
    path = folder / layout.MANIFEST
    remedy = "name the folder that `keeper audit CONFIG export DIR` wrote"
    if not path.is_file():
        raise KeeperError(f"{folder} is no bundle: it has no {layout.MANIFEST}", remedy=remedy)
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_MANIFEST).decode()
        found = None if too_deep(text) else json.loads(text)
        json.dumps(found, ensure_ascii=False).encode()  # half a pair of UTF-16 could not be printed
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


def _check_names(folder: Path, manifest: Mapping[str, Any], loaded: Loaded) -> tuple[str, ...]:
    """Only files that a bundle has, and every archive that a record names, or that it is missing. Gives those that are."""
    fixed = {layout.README, layout.SCHEMA, layout.STANDALONE, layout.RECORDS, layout.EVIDENCE, layout.ARCHIVED}
    known = fixed | {layout.CHECKPOINTS} | {f"{layout.ARCHIVES}/{name}" for name in loaded.archives}
    files: Mapping[str, Any] = manifest["files"]
    for name in files:
        if name not in known and not _TABLE.fullmatch(name):
            raise BundleBroken(f"{name} does not belong to the bundle: no record names it")
    missing = tuple(sorted(name for name in loaded.archives if f"{layout.ARCHIVES}/{name}" not in files))
    said = manifest.get("missing_archives")
    if not isinstance(said, list) or sorted(map(str, said)) != list(missing):
        lost = next((name for name in missing if not isinstance(said, list) or name not in said), "")
        what = f"the archive {lost} is missing, and" if lost else "an archive is there, or no record names it, and"
        raise BundleBroken(f"{what} missing_archives of {layout.MANIFEST} does not fit")
    return missing


def _check_counts(manifest: Mapping[str, Any], loaded: Loaded) -> None:
    names = ("records", "head", "genesis", "evidence", "archived", "checkpoints", "signer")
    found = {name: getattr(loaded, name) for name in names}
    if loaded.keeper is not None:
        found |= {"keeper": loaded.keeper, "chain_id": loaded.chain_id}
    for name, value in found.items():
        said = manifest.get(name)
        if type(said) is not type(value) or said != value:
            raise BundleBroken(f"{layout.MANIFEST} says {name} {said}, and the lines say {value}")


def _check_tables(folder: Path, loaded: Loaded) -> None:
    """The rows of the Parquet files are those that the lines make."""
    records = ([line[name] for name in RECORD_COLUMNS] for _, line in lines(folder / layout.RECORDS))
    _compare(folder, "records", RECORD_COLUMNS, records, loaded.records)
    count = sum(1 for _ in _observed(folder))
    _compare(folder, "observations", OBSERVATION_COLUMNS, _observed(folder), count)


def _observed(folder: Path) -> Iterator[list[Any]]:
    for _, line in lines(folder / layout.RECORDS):
        yield from observations(line["seq"], line["body"])
    for _, line in lines(folder / layout.EVIDENCE):
        yield from observations(line["seq"], line["content"])


def _compare(folder: Path, name: str, columns: tuple[str, ...], wanted: Iterator[list[Any]], count: int) -> None:
    """The number of rows is known before anything is unfolded. Raises BundleBroken."""
    there = {path.name for path in (folder / layout.TABLES).glob(f"{name}-*.parquet")}
    for part in range(1, max(1, -(-count // layout.RECORDS_PER_TABLE)) + 1):
        path = folder / layout.TABLES / f"{name}-{part:05}.parquet"
        if path.name not in there:
            raise BundleBroken(f"{layout.TABLES}/{path.name} is missing")
        there.remove(path.name)
        rows = min(layout.RECORDS_PER_TABLE, count - (part - 1) * layout.RECORDS_PER_TABLE)
        try:
            for row in parquet_rows(path, columns_of(columns), rows):
                values = [_body(value) if column == "body" else value for column, value in row.items()]
                if values != next(wanted):
                    of = "" if name == "records" else "an observation of "
                    raise BundleBroken(f"{path.name}: {of}record {row['seq']} is not the one of the lines")
        except NotAnArchive as error:
            raise BundleBroken(str(error).replace(str(path), path.name)) from None
    if there:
        raise BundleBroken(f"{layout.TABLES}/{min(there)} does not belong to the bundle")


def _body(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None
