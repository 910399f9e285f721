"""The bytes of a row that SQLite reads over: found only by looking at the file itself.

SQLite does not store ``seq`` in the row (it is the row's own key) but keeps a byte for it, which it never reads; and three values of a
column's type byte mean NULL. A change there changes no answer of any query, yet it is a change of a row. Format: SQLite's
"Database File Format", sections 1.6 and 2.1.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from keeper.adapters.audit.finding import Finding
from keeper.adapters.audit.pages import COLUMNS, OPTIONAL

_VARINT = rb"[\x80-\xff]{0,8}[\x00-\x7f]"
_TEXT = rb"(?:[\x0c-\x7f]|[\x80-\xff]{1,8}[\x00-\x7f])"
_COLUMN = {name: rb"(?:\x00|" + _TEXT + rb")" if name in OPTIONAL else _TEXT for name in COLUMNS} | {"seq": rb"\x00"}
# length of the row, its key, length of the header, one type for each column
_KEY: Final = re.compile(_VARINT + b"(" + _VARINT + b")", re.DOTALL)
_ROW: Final = re.compile(_VARINT + _VARINT + _VARINT + b"".join(_COLUMN.values()), re.DOTALL)
_LEAF, _INTERIOR = 13, 5


def check_headers(connection: sqlite3.Connection, path: Path) -> None:
    """Raises Finding at the first row of ``records`` whose type bytes are not those that SQLite writes.

    Looks only when everything is in the one file (no write-ahead log waits), and after ``integrity_check`` found its pages sound.
    """
    waiting = path.with_name(path.name + "-wal")
    if waiting.exists() and waiting.stat().st_size:
        return
    root = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'records'").fetchone()[0]
    with path.open("rb") as file:
        for page in _leaves(file, root):
            _check_leaf(page)


def _check_leaf(page: bytes) -> None:
    for offset in _cell_offsets(page, 8):
        if _ROW.match(page, offset) is None:
            raise Finding("records", _rowid(page, offset), "the header of its row in the file was changed")


def _rowid(page: bytes, offset: int) -> int | None:
    key = _KEY.match(page, offset)
    if key is None:
        return None
    value = 0
    for byte in key.group(1):
        value = value << 7 | byte & 0x7F
    return value


def _leaves(file: BinaryIO, root: int) -> Iterator[bytes]:
    """The leaf pages of a table from left to right."""
    file.seek(16)
    size = int.from_bytes(file.read(2), "big")
    size = 65_536 if size == 1 else size
    pages = [root]
    while pages:
        file.seek((pages.pop() - 1) * size)
        page = file.read(size)
        if page[0] == _LEAF:
            yield page
        elif page[0] == _INTERIOR:
            children = [int.from_bytes(page[at : at + 4], "big") for at in _cell_offsets(page, 12)]
            pages += [int.from_bytes(page[8:12], "big"), *reversed(children)]


def _cell_offsets(page: bytes, start: int) -> Iterator[int]:
    """The page's array of cells, two bytes each."""
    count = int.from_bytes(page[3:5], "big")
    for at in range(start, start + 2 * count, 2):
        yield int.from_bytes(page[at : at + 2], "big")
