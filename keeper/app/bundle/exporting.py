"""Writes a bundle: everything of the log up to the head that it had when this began, from one snapshot of the database."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

from keeper.adapters.audit.canonical import canonical, quoted, record_hash
from keeper.adapters.audit.errors import DraftRefused
from keeper.adapters.audit.evidence import NotEvidence, unpack
from keeper.adapters.audit.record_check import is_written
from keeper.app.bundle import layout, standalone
from keeper.app.bundle.layout import Contents
from keeper.app.bundle.readme import readme
from keeper.app.bundle.tables import Tables
from keeper.domain.checkpoint import SignedCheckpoint, to_document
from keeper.domain.errors import AuditError, KeeperError
from keeper.domain.evidence import Evidence
from keeper.domain.record import GENESIS

TELL_EVERY = 5_000


@dataclass(frozen=True, slots=True)
class Row:
    """A record as it stands in the database: ``body`` is its canonical text."""

    seq: int
    at: str
    kind: str
    market: str | None
    action: str | None
    incident: str | None
    intent: str | None
    body: str
    prev_hash: str
    hash: str


class Log(Protocol):
    """One snapshot of a log. Raises StoreUnavailable."""

    def records(self) -> Iterator[Row]:
        """In order."""

    def evidence(self) -> Iterator[tuple[int, Evidence]]:
        """With the record that named it first; in the order of those."""

    def archived(self) -> Iterator[tuple[str, int]]:
        """Hash, and the record that says where."""

    def checkpoints(self) -> Iterator[SignedCheckpoint]:
        """In order."""


class NotWhole(AuditError):
    """The log does not hold together, so that no bundle of it could: verify it first."""


@dataclass(frozen=True, slots=True)
class About:
    """What a bundle says of its log besides what the log says itself. ``archive`` is the folder of archived evidence, where there is one."""

    keeper: str
    chain_id: int | None
    written_at: str
    version: str
    archive: Path | None


@dataclass(slots=True)
class _Counts:
    records: int = 0
    head: str = GENESIS
    genesis: str = GENESIS
    evidence: int = 0
    archived: int = 0
    checkpoints: int = 0
    signer: str | None = None
    archives: dict[str, int] = field(default_factory=dict)


def export(log: Log, folder: Path, about: About, tell: Callable[[str], None] = lambda _: None) -> Contents:
    """Everything into a new folder, or nothing: what is half written goes when this is interrupted.

    Raises KeeperError for a folder that is there or cannot be written, NotWhole for a log that does not verify, StoreUnavailable.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise KeeperError(f"{folder} exists already", remedy="name a new folder, or move this one away")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise _cannot_write(folder, error) from None
    try:
        contents = _write(log, beside, about, tell)
        beside.chmod(0o755)
        with suppress(OSError):
            folder.rmdir()  # an empty one of the same name
        beside.rename(folder)
    except OSError as error:
        raise _cannot_write(folder, error) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return contents


def _cannot_write(folder: Path, error: OSError) -> KeeperError:
    return KeeperError(
        f"cannot write {folder}: {error.strerror}", remedy="name a folder that you may write, on a disk with space"
    )


def _write(log: Log, folder: Path, about: About, tell: Callable[[str], None]) -> Contents:
    counts = _Counts()
    tables = Tables(folder / layout.TABLES)
    _lines(folder / layout.RECORDS, _records(log, counts, tables, tell))
    _lines(folder / layout.EVIDENCE, _evidence(log, counts, tables, tell))
    tables.end()
    _lines(folder / layout.ARCHIVED, _archived(log, counts))
    _lines(folder / layout.CHECKPOINTS, _checkpoints(log, counts))
    missing = _copy_archives(folder / layout.ARCHIVES, about.archive, counts)
    _text(folder / layout.SCHEMA, json.dumps(layout.schema(), indent=2) + "\n")
    _text(folder / layout.STANDALONE, Path(standalone.__file__).read_text(encoding="utf-8"))
    contents = Contents(
        keeper=about.keeper,
        chain_id=about.chain_id,
        written_at=about.written_at,
        version=about.version,
        records=counts.records,
        head=counts.head,
        genesis=counts.genesis,
        evidence=counts.evidence,
        checkpoints=counts.checkpoints,
        archived=counts.archived,
        signer=counts.signer,
        missing_archives=missing,
        files={},
    )
    _text(folder / layout.README, readme(contents))
    tell("hashing the files")
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    contents.files.update((path.relative_to(folder).as_posix(), sha256_of(path)) for path in files)
    _text(folder / layout.MANIFEST, json.dumps(contents.document(), indent=2, ensure_ascii=False) + "\n")
    return contents


def _records(log: Log, counts: _Counts, tables: Tables, tell: Callable[[str], None]) -> Iterator[str]:
    for row in log.records():
        counts.records += 1
        try:
            digest = record_hash(
                seq=row.seq,
                at=row.at,
                kind=row.kind,
                market=row.market,
                action=row.action,
                incident=row.incident,
                intent=row.intent,
                body=row.body,
                prev_hash=row.prev_hash,
            )
            body = json.loads(row.body)
        except (DraftRefused, ValueError, RecursionError):
            raise _not_whole(counts.records) from None
        if not is_written(row.body):
            raise NotWhole(
                f"the body of record {counts.records} is not in the form of RFC 8785, in which the keeper writes it",
                remedy="run: keeper audit CONFIG verify",
            )
        if (
            row.seq != counts.records
            or row.prev_hash != counts.head
            or row.hash != digest
            or not isinstance(body, dict)
        ):
            raise _not_whole(counts.records)
        counts.head = digest
        if row.seq == 1:
            counts.genesis = digest
        if row.kind == "archive":
            counts.archives[str(body.get("file"))] = row.seq
        tables.record(row, body)
        yield _record_line(row)
        if counts.records % TELL_EVERY == 0:
            tell(f"{counts.records:,} records")


def _record_line(row: Row) -> str:
    """RFC 8785 of the whole row: the text that was hashed, with the hash in its place."""
    words = {name: quoted(getattr(row, name)) for name in ("action", "at", "incident", "intent", "kind", "market")}
    return (
        f'{{"action":{words["action"]},"at":{words["at"]},"body":{row.body},"hash":"{row.hash}","incident":{words["incident"]},'
        f'"intent":{words["intent"]},"kind":{words["kind"]},"market":{words["market"]},"prev_hash":"{row.prev_hash}","seq":{row.seq}}}'
    )


def _evidence(log: Log, counts: _Counts, tables: Tables, tell: Callable[[str], None]) -> Iterator[str]:
    for seq, evidence in log.evidence():
        if seq > counts.records:
            continue
        try:
            content = unpack(evidence)
        except NotEvidence as error:
            raise NotWhole(
                f"the evidence of record {seq} is damaged: {error}", remedy="run: keeper audit CONFIG verify"
            ) from None
        counts.evidence += 1
        tables.evidence(seq, content)
        # the keys in this order are those of RFC 8785
        yield (
            f'{{"content":{canonical(content)},"encoding":{json.dumps(evidence.encoding)},"hash":"{evidence.hash}",'
            f'"seq":{seq},"size":{evidence.size}}}'
        )
        if counts.evidence % TELL_EVERY == 0:
            tell(f"{counts.evidence:,} pieces of evidence")


def _archived(log: Log, counts: _Counts) -> Iterator[str]:
    for digest, seq in log.archived():
        if seq <= counts.records:
            counts.archived += 1
            yield canonical({"hash": digest, "seq": seq})


def _checkpoints(log: Log, counts: _Counts) -> Iterator[str]:
    for signed in log.checkpoints():
        if signed.checkpoint.seq <= counts.records:
            counts.checkpoints += 1
            counts.signer = signed.checkpoint.signer
            yield canonical(to_document(signed))


def _copy_archives(target: Path, archive: Path | None, counts: _Counts) -> tuple[str, ...]:
    """The names of those that could not be had."""
    missing = []
    for name in counts.archives:
        source = archive / name if archive is not None and Path(name).name == name else None
        if source is None or not source.is_file():
            missing.append(name)
            continue
        target.mkdir(exist_ok=True)
        shutil.copyfile(source, target / name)
    return tuple(missing)


def sha256_of(path: Path) -> str:
    """``0x`` + the hash of a file's bytes."""
    with path.open("rb") as file:
        return "0x" + hashlib.file_digest(file, "sha256").hexdigest()


def _lines(path: Path, lines: Iterable[str]) -> None:
    with path.open("x", encoding="utf-8", newline="\n") as file:
        for line in lines:
            file.write(line + "\n")
        _on_disk(file)


def _text(path: Path, text: str) -> None:
    with path.open("x", encoding="utf-8", newline="\n") as file:
        file.write(text)
        _on_disk(file)


def _on_disk(file: IO[Any]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _not_whole(seq: int) -> NotWhole:
    return NotWhole(f"record {seq} does not fit the chain of hashes", remedy="run: keeper audit CONFIG verify")


def as_row(values: Mapping[str, Any]) -> Row:
    """A line of ``records.jsonl``, read, as the row that it was. Raises KeyError, DraftRefused for what is none."""
    columns = ("seq", "at", "kind", "market", "action", "incident", "intent", "prev_hash", "hash")
    return Row(**{name: values[name] for name in columns}, body=canonical(values["body"]))
