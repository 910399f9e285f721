"""Holds what the records name as their evidence against ``evidence`` and ``archived``, side by side with the records.

A row of ``evidence`` belongs to the first record that named it; it comes in the order of these, so only a few hashes are kept in memory
however long the log is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from keeper.adapters.audit import archive_files
from keeper.adapters.audit.archive_files import NotAnArchive
from keeper.adapters.audit.evidence import NotEvidence, named, unpack
from keeper.adapters.audit.finding import EvidenceSeen, Finding
from keeper.adapters.audit.log_reader import LogReader
from keeper.domain.evidence import Evidence
from keeper.domain.record import RecordKind
from keeper.domain.text import shown

NAMED: Final = b'"evidence":"0x'
"""In the text of a body that names its evidence; it may stand there for other reasons too."""
MARKS: Final[dict[object, bytes | None]] = {
    # what these call evidence is the hash of a decision's record, which the chain and other keepers are told
    RecordKind.INTENT.value.encode(): None,
    RecordKind.ORDER.value.encode(): None,
    RecordKind.PROPOSAL.value.encode(): None,
    RecordKind.ARCHIVE.value.encode(): b"",
}
"""What to look for in the bodies of a kind instead of NAMED; None: nothing."""
COLUMNS: Final = ("hash", "seq", "encoding", "size", "packed")
_TYPES: Final = b"text integer text integer blob"
_AT_ONCE: Final = 500
_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
"""Of a file in the folder of archives, wherever that is: nothing outside of it is opened."""


@dataclass(frozen=True, slots=True)
class _Archive:
    """What a record of the kind ``archive`` says."""

    seq: int
    file: str
    sha256: str
    count: int


class EvidenceCheck:
    """Feed it every good record that may name evidence in order, then ``finish``. Raises Finding at the first that is wrong."""

    def __init__(self, log: LogReader, folder: Path | None = None) -> None:
        self._log = log
        self._folder = folder
        self._rows = log.rows("evidence", COLUMNS, holes=True)
        self._row: tuple[Any, ...] | None = None
        self._begun = False
        self._elsewhere: list[tuple[int, str]] = []
        self._archives: list[_Archive] = []
        self._kept = self._archived = 0

    def feed(self, seq: int, kind: bytes, body: bytes) -> None:
        """``body`` is the text of a good record's body: an object."""
        value = json.loads(body)
        if kind == RecordKind.ARCHIVE.value.encode():
            self._archives.append(self._judged(lambda: _archive(seq, value)))
            return
        digest = named(value)
        if digest is None:
            return
        self._pass_over(seq)
        if self._row is not None and self._row[2] == seq:
            row = self._row
            self._judged(lambda: _check(row, seq, digest))
            self._kept += 1
            self._next(seq)
            return
        self._elsewhere.append((seq, digest))
        if len(self._elsewhere) >= _AT_ONCE:
            self.settle()

    def settle(self) -> None:
        """Looks for what was named and is not beside its own record: the same content was kept before, or it is in an archive."""
        waiting, self._elsewhere = self._elsewhere, []
        if not waiting:
            return
        hashes = list(dict.fromkeys(digest for _, digest in waiting))
        kept, gone = self._log.places("evidence", hashes), self._log.places("archived", hashes)
        for seq, digest in waiting:
            if digest in gone:
                self._archived += 1
            elif digest not in kept:
                raise Finding("evidence", seq, f"the evidence of this record, {digest}, is missing")
            elif not _before(kept[digest], seq):
                problem = f"the evidence of this record, {digest}, says that it is of record {kept[digest]!r}"
                raise Finding("evidence", seq, problem)

    def finish(self) -> EvidenceSeen:
        self._pass_over(None)
        self.settle()
        known = {archive.seq: archive for archive in self._archives}
        for seq, count in self._log.archived():
            archive = known.pop(seq, None) if isinstance(seq, int) else None
            place = seq if isinstance(seq, int) else None
            if archive is None:
                raise Finding("archived", place, f"{count} rows say that record {seq!r} archived them, and it did not")
            if archive.count != count:
                raise Finding("archived", place, f"this record archived {archive.count}, and {count} rows name it")
        for archive in known.values():
            if archive.count:
                raise Finding("archived", archive.seq, f"this record archived {archive.count}, and no row names it")
        looked = sum(self._look_into(archive) for archive in self._archives)
        return EvidenceSeen(self._kept, self._archived, len(self._archives), looked)

    def _next(self, seq: int | None) -> None:
        self._row = self._rows.next(seq)
        self._begun = True

    def _pass_over(self, seq: int | None) -> None:
        """The rows before ``seq`` are of records that named nothing."""
        if not self._begun:
            self._next(None)
        if self._row is None:
            return
        place = self._row[2]
        if not isinstance(place, int):
            self.settle()
            raise Finding("evidence", seq, "a row has no number of a record")
        if seq is None or place < seq:
            self.settle()
            raise Finding("evidence", place, "there is evidence that its record does not name")

    def _judged(self, judge: Callable[[], Any]) -> Any:
        """What was named before is judged before."""
        try:
            return judge()
        except Finding:
            self.settle()
            raise

    def _look_into(self, archive: _Archive) -> bool:
        """Whether the file is within reach and holds what the record says."""
        if self._folder is None:
            return False
        path = self._folder / archive.file
        if not path.exists():
            return False
        wanted = set(self._log.archived_by(archive.seq))
        try:
            for kept in archive_files.read(path, archive.sha256, archive.count):
                unpack(kept.evidence)
                wanted.remove(kept.evidence.hash)
        except (NotAnArchive, NotEvidence) as error:
            raise Finding("archived", archive.seq, f"{path} does not hold what this record archived: {error}") from None
        except KeyError as error:
            problem = f"{path} holds evidence that this record did not archive: {error.args[0]}"
            raise Finding("archived", archive.seq, problem) from None
        if wanted:
            problem = f"{path} does not hold the evidence {min(wanted)}, which this record archived"
            raise Finding("archived", archive.seq, problem)
        return True


def _check(row: tuple[Any, ...], seq: int, digest: str) -> None:
    types, found, _, encoding, size, packed = row
    if types != _TYPES:
        raise Finding("evidence", seq, "a column of the evidence has another type than the store writes")
    if found != digest.encode():
        raise Finding("evidence", seq, "the evidence in the place of this record's is not the one that it names")
    try:
        unpack(Evidence(digest, str(encoding, "utf-8"), size, bytes(packed)))
    except (NotEvidence, UnicodeDecodeError) as error:
        said = "the encoding is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise Finding("evidence", seq, f"the evidence of this record was changed: {said}") from None


def _before(place: object, seq: int) -> bool:
    return isinstance(place, int) and place < seq


def _archive(seq: int, body: dict[str, Any]) -> _Archive:
    file, digest, count = body.get("file"), body.get("sha256"), body.get("count")
    if not isinstance(file, str) or not isinstance(digest, str) or type(count) is not int or count < 0:
        raise Finding("records", seq, "a record of an archive needs 'file', 'sha256' and 'count'")
    if not _NAME.fullmatch(file):
        raise Finding("records", seq, f"this record names no file of an archive: {shown(file)}")
    return _Archive(seq, file, digest, count)
