"""Records with their evidence: from the database, else from the files that it was archived in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from keeper.adapters.audit import archive_files
from keeper.adapters.audit.evidence import NotEvidence, named, unpack
from keeper.app.stretch import Page, pages
from keeper.domain.errors import StoreUnavailable
from keeper.domain.evidence import Evidence
from keeper.domain.record import Record, RecordKind, RecordQuery

BESIDE: Final = {RecordKind.TICK: "observations", RecordKind.STATE: "memento"}
"""What the evidence of these kinds holds in any case."""
FILES: Final = 2
"""Opened at the same time: one may hold gigabytes when it is unpacked, these hold it packed."""


class ArchiveReading:
    """``page`` gives records as with ``full``. ``folder``: where the files are, if anywhere."""

    def __init__(self, page: Page, folder: Path | None) -> None:
        self._page = page
        self._folder = folder
        self._archives: list[Record] | None = None
        self._files: dict[str, dict[str, Evidence]] = {}

    def page(self, query: RecordQuery) -> list[Record]:
        """Raises StoreUnavailable, also for a file that is not the one that the log names; what is in no file at hand stays out of the bodies."""
        if query.kinds and not BESIDE.keys() & set(query.kinds):
            return list(self._page(query))
        return [self._full(record) for record in self._page(replace(query, full=True))]

    def why_missing(self, record: Record) -> str:
        """Where the evidence of this record should be, and what to do."""
        names = [str(archive.body.get("file")) for archive in self._of(record)]
        if not names:
            return (
                f"the evidence of record {record.seq} is neither in the database nor in an archive that the log names: "
                "run keeper audit CONFIG verify"
            )
        said = f"the evidence of record {record.seq} is archived in {' or '.join(names)}"
        if self._folder is None:
            return f"{said}: give --archive DIR, the folder with that file"
        return f"{said}, which is not in {self._folder}: put the file back, or give --archive DIR"

    def _full(self, record: Record) -> Record:
        digest = named(record.body)
        if digest is None or record.kind not in BESIDE or BESIDE[record.kind] in record.body or self._folder is None:
            return record
        for archive in self._of(record):
            found = self._file(archive, self._folder).get(digest)
            if found is not None:
                return replace(record, body={**_content(found, record), **record.body})
        return record

    def _of(self, record: Record) -> Sequence[Record]:
        """The archives that may hold it."""
        if self._archives is None:
            self._archives = list(pages(self._page, RecordQuery(kinds=(RecordKind.ARCHIVE,))))
        found = []
        for archive in self._archives:
            first, last = archive.body.get("first_seq"), archive.body.get("last_seq")
            if isinstance(first, int) and isinstance(last, int) and first <= record.seq <= last:
                found.append(archive)
        return found

    def _file(self, archive: Record, folder: Path) -> dict[str, Evidence]:
        name = str(archive.body.get("file"))
        if name not in self._files:
            path = folder / Path(name).name  # whatever a record says, nothing outside of the folder is read
            if not path.exists():
                return {}
            try:
                rows = archive_files.read(path, str(archive.body.get("sha256")))
                held = {row.evidence.hash: row.evidence for row in rows}
            except archive_files.NotAnArchive as error:
                raise StoreUnavailable(str(error), remedy="put back the file that the log names") from None
            while len(self._files) >= FILES:
                self._files.pop(next(iter(self._files)))
            self._files[name] = held
        return self._files[name]


def _content(evidence: Evidence, record: Record) -> dict[str, Any]:
    try:
        return unpack(evidence)
    except NotEvidence as error:
        raise StoreUnavailable(
            f"the archived evidence of record {record.seq} cannot be read: {error}",
            remedy="run: keeper audit CONFIG verify",
        ) from None
