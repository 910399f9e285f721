"""The spool: a local file that takes records durably while the database does not.

Every line is on disk before ``append`` returns. Only its owner may read the file, and one process holds it. Room may be reserved ahead, so
that a disk that is full because of something else leaves the keeper what it needs. The end of the file may be torn by a crash, or be the zeros of
reserved room; anything else that is not as it was written is damage, and damage is never passed over.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from keeper.adapters.audit.spool_lines import (
    SpoolDamaged,
    SpoolHead,
    SpoolLine,
    head_text,
    is_torn_head,
    is_whole_line,
    line_text,
    read_head,
    read_line,
)
from keeper.domain.errors import AlreadyRunning, StoreUnavailable
from keeper.domain.record import GENESIS, Draft

LIMIT: Final = 256 * 1024 * 1024
"""Bytes; beyond it nothing is taken any more."""
RESERVED: Final = 4 * 1024 * 1024
"""Bytes that are taken from the disk ahead where the keeper may act without its log: some 1,000 actions."""
LOOK: Final = (
    "keep a copy of the file, look what happened to it, then move it away and start again: nothing of it is overwritten"
)

Place = tuple[int, int, int, int, str]
"""Of a line: the number of its first record, where it begins and ends in the file, how many records it holds, its hash."""


class SpoolFull(StoreUnavailable):
    """The spool holds as much as it may."""


@dataclass(frozen=True, slots=True)
class SpoolState:
    """What a spool file holds: ``records`` wait since ``since_ms`` for the ``reason``; ``torn`` bytes at its end are no line."""

    records: int
    size: int
    since_ms: int
    reason: str
    torn: int


class Spool:
    """Blocking; one thread at a time. Made by ``open``."""

    def __init__(self, path: Path, reserved: int, limit: int) -> None:
        self._path = path
        self._reserved = reserved
        self._limit = limit
        self._file: int | None = None
        self._torn = False
        self.left_behind = False
        self._forget()

    def _forget(self) -> None:
        self.head: SpoolHead | None = None
        self.records = 0
        self.left_out = 0
        self._last = GENESIS
        self._end = 0
        self._places: list[Place] = []

    @classmethod
    def open(cls, path: Path, *, reserved: int = 0, limit: int = LIMIT) -> Spool:
        """Reads what an earlier run left. A file that is not there is made when it is needed, or now where room is to be ``reserved``.

        Raises StoreUnavailable, SpoolDamaged, AlreadyRunning.
        """
        spool = cls(path, reserved, limit)
        try:
            if reserved or os.path.lexists(path):
                spool._take()
                spool.left_behind = spool.head is not None
        except BaseException:
            spool.close()
            raise
        return spool

    @property
    def path(self) -> Path:
        return self._path

    @property
    def size(self) -> int:
        """Bytes that are written."""
        return self._end

    @property
    def limit(self) -> int:
        """Bytes that it takes at most."""
        return self._limit

    @property
    def last_hash(self) -> str:
        """Of the last line."""
        return self._last

    def holds(self, through: int, line_hash: str) -> bool:
        """Whether it holds the line of this hash, and that one the record before number ``through`` or a later one."""
        return any(digest == line_hash and first + records >= through for first, _, _, records, digest in self._places)

    def begin(self, seq: int, log: str, since_ms: int, reason: str, unanswered: Sequence[str] = ()) -> None:
        """The first line: where the log stood. Only of an empty spool. Raises StoreUnavailable."""
        assert self.head is None, "a spool has one head"
        data, head = head_text(seq, log, since_ms, reason, unanswered)
        self._write(data)
        self.head, self._last = head, head.hash

    def append(self, drafts: Sequence[Draft], *, doubt: bool = False) -> SpoolLine:
        """One line more, on disk. Raises SpoolFull, StoreUnavailable, DraftRefused; then nothing was taken."""
        assert self.head is not None, "the head comes first"
        data, line = line_text(drafts, first=self.records, doubt=doubt, left_out=self.left_out, prev=self._last)
        begins = self._end
        self._write(data)
        self._places.append((self.records, begins, self._end, len(drafts), line.hash))
        self.records, self._last = line.after, line.hash
        return line

    def lines(self, after: int = 0) -> Iterator[SpoolLine]:
        """The lines that hold records from number ``after`` on, read from the file and checked. Raises SpoolDamaged, StoreUnavailable."""
        prev = self.head.hash if self.head is not None else GENESIS
        for first, begins, ends, records, digest in list(self._places):
            if first + records > after:
                with self._errors():
                    data = os.pread(self._descriptor(), ends - begins, begins)
                try:
                    yield read_line(data[:-1], first, prev)
                except SpoolDamaged as error:
                    error.remedy = LOOK
                    raise
            prev = digest

    def clear(self) -> None:
        """Empties it, once everything is in the log. Raises StoreUnavailable."""
        if self._file is not None:
            with self._errors():
                os.ftruncate(self._file, 0)
                os.fdatasync(self._file)
            self._reserve()
        self.left_behind = False
        self._forget()

    def set_aside(self) -> Path:
        """What cannot be read back is kept under another name, and the spool is empty again, in a new file. Raises StoreUnavailable."""
        number = 1
        while os.path.lexists(kept := self._path.with_name(f"{self._path.name}.damaged-{number}")):
            number += 1
        with self._errors():
            if os.path.lexists(self._path):
                self._path.rename(kept)
                _sync_folder(self._path.parent)
        self.close()
        self._torn = self.left_behind = False
        self._forget()
        return kept

    def close(self) -> None:
        """Lets go of the file. Safe to call twice."""
        descriptor, self._file = self._file, None
        if descriptor is not None:
            os.close(descriptor)

    def _take(self) -> None:
        """Opens, locks and reads the file; one that is no spool stays as it is. Raises StoreUnavailable, SpoolDamaged, AlreadyRunning."""
        with self._errors():
            new = not self._path.exists()
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            self._file = os.open(self._path, flags, 0o600)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunning(
                    f"another process holds the spool {self._path}",
                    remedy="end it first, or give this keeper a spool of its own in audit.spool",
                ) from None
            if new:
                _sync_folder(self._path.parent)
            check_file(self._path, os.fstat(self._file), max(self._limit, self._reserved))
            data = os.pread(self._file, os.fstat(self._file).st_size, 0)
            self._read(data)
            os.fchmod(self._file, 0o600)
        self._reserve()

    def _read(self, data: bytes) -> None:
        found = parse(data, str(self._path))
        self.head, self.records, self._end = found.head, found.records, found.end
        self._places, self._last = found.places, found.last
        self.left_out = found.left_out
        self._torn = any(data[found.end :])

    def _write(self, data: bytes) -> None:
        if self._end + len(data) > self._limit:
            raise SpoolFull(
                f"{self._path} holds {self._end} bytes, and takes {self._limit} at most",
                remedy="bring the database back: the keeper goes on by itself, and empties the spool",
            )
        if self._file is None:
            self._begin_file()
        with self._errors():
            if self._torn:  # of a line that was never acknowledged, nothing may stay behind a shorter one
                os.ftruncate(self._descriptor(), self._end)
                self._torn = False
            try:
                written = 0
                while written < len(data):
                    written += os.pwrite(self._descriptor(), data[written:], self._end + written)
                os.fdatasync(self._descriptor())
            except BaseException:
                self._torn = True
                raise
        self._end += len(data)

    def _begin_file(self) -> None:
        """The first time that it is needed. There was no file at the start, so that what is there now is none of ours."""
        try:
            self._take()
            if self.head is not None:
                raise SpoolDamaged(f"the spool {self._path} was begun by somebody else meanwhile", remedy=LOOK)
        except BaseException:
            self.close()
            self._torn = False
            self._forget()
            raise

    def _descriptor(self) -> int:
        if self._file is None:
            raise StoreUnavailable(f"the spool {self._path} is closed")
        return self._file

    def _reserve(self) -> None:
        """As far as the disk and its file system allow."""
        if self._reserved and self._file is not None:
            with contextlib.suppress(OSError):
                os.posix_fallocate(self._file, 0, self._reserved)
                os.fdatasync(self._file)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreUnavailable(
                f"the spool {self._path}: {error.strerror or type(error).__name__}",
                remedy="look at its folder: does it exist, may the keeper write there, is there room? It is named by audit.spool",
            ) from None


@dataclass(frozen=True, slots=True)
class Parsed:
    """``end``: where the next line goes; ``places`` as ``Spool`` keeps them."""

    head: SpoolHead | None
    records: int
    end: int
    places: list[Place]
    last: str
    left_out: int


def parse(data: bytes, name: str = "the spool") -> Parsed:
    """The lines of a spool, each checked. Raises SpoolDamaged.

    Only a last write that a crash cut short was never acknowledged: a beginning without a newline, or zeros to the end.
    """
    head: SpoolHead | None = None
    places: list[Place] = []
    records, at, last, left_out = 0, 0, GENESIS, 0
    try:
        while (newline := data.find(b"\n", at)) >= 0:
            line = data[at:newline]
            if head is None:
                head = read_head(line)
                last = head.hash
            else:
                read = read_line(line, records, last)
                places.append((records, at, newline + 1, len(read.drafts), read.hash))
                records, last, left_out = read.after, read.hash, read.left_out
            at = newline + 1
        rest = data[at:].rstrip(b"\0")
        if head is None and not is_torn_head(rest):
            raise SpoolDamaged("it is not the file of a spool: it has another content")
        if is_whole_line(rest[:-1]):
            raise SpoolDamaged("the end of its last line was changed")
    except SpoolDamaged as error:
        raise SpoolDamaged(f"{name}: {error.message}", remedy=LOOK) from None
    return Parsed(head, records, at, places, last, left_out)


def spool_state(path: Path) -> SpoolState | None:
    """What waits in a spool that another process may hold; None where nothing waits. Raises StoreUnavailable, SpoolDamaged."""
    try:
        check_file(path, path.stat(), LIMIT)
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreUnavailable(f"the spool {path}: {error.strerror}", remedy="may you read it?") from None
    found = parse(data, str(path))
    if found.head is None or not found.records:
        return None
    torn = len(data[found.end :].rstrip(b"\0"))
    return SpoolState(found.records, found.end, found.head.since_ms, found.head.reason, torn)


def check_file(path: Path, about: os.stat_result, most: int) -> None:
    """Before anything is read of it. Raises SpoolDamaged for what no spool can be."""
    if not stat.S_ISREG(about.st_mode):
        raise SpoolDamaged(f"{path} is not a file, so it is no spool", remedy="name another file in audit.spool")
    if about.st_size > most:
        raise SpoolDamaged(f"{path} has {about.st_size} bytes, and a spool has {most} at most", remedy=LOOK)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
