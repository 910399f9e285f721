"""The bytes of a row that SQLite reads over: found only by looking at the file itself.

SQLite does not store ``seq`` in the row (it is the row's own key) but keeps a byte for it, which it never reads; and three values of a
column's type byte mean NULL. A change there changes no answer of any query, yet it is a change of a row. Format: SQLite's
"Database File Format", sections 1.6 and 2.1.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from struct import unpack_from
from typing import Final

from keeper.adapters.audit.finding import Finding
from keeper.adapters.audit.pages import COLUMNS, OPTIONAL

_VARINT = rb"[\x80-\xff]{0,8}+[\x00-\x7f]"
_TEXT = rb"(?:[\x0c-\x7f]|[\x80-\xff]{1,8}+[\x00-\x7f])"
_COLUMN = {name: rb"(?:\x00|" + _TEXT + rb")" if name in OPTIONAL else _TEXT for name in COLUMNS} | {"seq": rb"\x00"}
# length of the row, its key, length of the header, one type for each column
_KEY: Final = re.compile(_VARINT + b"(" + _VARINT + b")", re.DOTALL)
_ROW: Final = re.compile(_VARINT + _VARINT + _VARINT + b"".join(_COLUMN.values()), re.DOTALL)
_LEAF, _INTERIOR = 13, 5
_READ_AT_ONCE: Final = 64
"""Pages: the leaves of a table mostly follow one another."""


def check_headers(connection: sqlite3.Connection, path: Path) -> None:
    """Raises Finding at the first row of ``records`` whose type bytes are not those that SQLite writes.

    Looks only when everything is in the one file (no write-ahead log waits), and after ``integrity_check`` found its pages sound.
    """
    waiting = path.with_name(path.name + "-wal")
    if waiting.exists() and waiting.stat().st_size:
        return
    root = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'records'").fetchone()[0]
    with path.open("rb", buffering=0) as file:
        for pages, start, end in _leaves(file, root):
            for offset in _cell_offsets(pages, start, 8):
                if _ROW.match(pages, start + offset, end) is None:
                    problem = "the header of its row in the file was changed"
                    raise Finding("records", _rowid(pages, start + offset), problem)


def _rowid(page: bytes, offset: int) -> int | None:
    key = _KEY.match(page, offset)
    if key is None:
        return None
    value = 0
    for byte in key.group(1):
        value = value << 7 | byte & 0x7F
    return value


def _leaves(file: FileIO, root: int) -> Iterator[tuple[bytes, int, int]]:
    """The leaf pages of a table from left to right: some pages of the file, and where in them this one begins and ends."""
    file.seek(16)
    size = int.from_bytes(file.read(2), "big")
    size = 65_536 if size == 1 else size
    pages, first, after = b"", 0, 0
    waiting = [root]
    while waiting:
        page = waiting.pop()
        if not first <= page < after:
            file.seek((page - 1) * size)
            pages = file.read(size * _READ_AT_ONCE)
            first, after = page, page + len(pages) // size
        start = (page - first) * size
        if pages[start] == _LEAF:
            yield pages, start, start + size
        elif pages[start] == _INTERIOR:
            children = [_page(pages, start + offset) for offset in _cell_offsets(pages, start, 12)]
            waiting += [_page(pages, start + 8), *reversed(children)]


def _page(pages: bytes, at: int) -> int:
    return int.from_bytes(pages[at : at + 4], "big")


def _cell_offsets(pages: bytes, start: int, header: int) -> tuple[int, ...]:
    """The array of cells of the page that begins at ``start``, two bytes each."""
    count = pages[start + 3] << 8 | pages[start + 4]
    return unpack_from(f">{count}H", pages, start + header)
