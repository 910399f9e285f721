"""What SQLite finds out by itself while Python reads the records: on another processor, over a connection of its own."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Final, Self

from keeper.adapters.audit.record_check import LONGEST_VALUE, TYPES
from keeper.adapters.audit.sqlite_reader import open_read_only

_INTEGRITY: Final = "PRAGMA integrity_check(10)"
_FREE_PAGES: Final = "PRAGMA integrity_check(sqlite_schema)"
"""The list of free pages too: some versions leave it out of the whole check of a database that has views."""
_NOT_AS_WRITTEN: Final = f"SELECT 1 FROM records NOT INDEXED WHERE json_valid(body) IS NOT 1 OR NOT ({TYPES}) LIMIT 1"  # noqa: S608
_ENDING_S: Final = 0.01


class Beside:
    """Begins with ``with``; leaving ends it. What is asked for is waited for.

    Its snapshot is not older than that of whoever began to read before: records are only ever added.
    """

    def __init__(self, path: Path) -> None:
        self._connection = open_read_only(path)
        self._connection.text_factory = bytes
        self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
        self._structure: list[bytes] | sqlite3.DatabaseError = []
        self._as_written = False
        self._left = False
        self._structure_known = Event()
        self._thread = Thread(target=self._look, name="audit-beside", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left = True
        while self._thread.is_alive():  # again and again: it may be just between two statements
            self._connection.interrupt()
            self._thread.join(_ENDING_S)
        self._connection.close()

    def structure(self) -> list[bytes]:
        """The answers of SQLite's own check of the file. Raises sqlite3.DatabaseError as that does."""
        self._structure_known.wait()
        if isinstance(self._structure, sqlite3.DatabaseError):
            raise self._structure
        return self._structure

    def as_written(self) -> bool:
        """Whether all columns of all records are of their types, and SQLite reads all bodies as JSON; not, where it cannot tell."""
        self._thread.join()
        return self._as_written

    def _look(self) -> None:
        try:
            for check in (_INTEGRITY, _FREE_PAGES):
                self._structure = [bytes(row[0]) for row in self._connection.execute(check)]
                if self._structure != [b"ok"]:
                    break
        except sqlite3.DatabaseError as error:
            self._structure = error
        finally:
            self._structure_known.set()
        if self._left:
            return
        # damage is no answer; neither is it that this SQLite has no JSON
        with suppress(sqlite3.DatabaseError):
            self._as_written = self._connection.execute(_NOT_AS_WRITTEN).fetchone() is None
