"""Proves in one quick pass that all records are good, or gives up.

Whatever ``RecordCheck`` would find makes this pass give up, and it may give up where there is nothing to find: then that one looks, and
names the record. What takes ``RecordCheck`` its time is the types of the columns, and reading each body in Python. Both are left to SQLite
here (``beside``); only the few bodies that Python might still refuse are read in Python too.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from hashlib import sha256
from typing import Final, NoReturn

from keeper.adapters.audit.canonical import quoted
from keeper.adapters.audit.journal import JOURNAL_KINDS, Change
from keeper.adapters.audit.pages import COLUMNS
from keeper.adapters.audit.record_check import MOST_LEVELS, meaning
from keeper.adapters.audit.times import FORM_ASCII, is_date
from keeper.domain.nesting import too_deep
from keeper.domain.record import GENESIS, RecordKind

_LONGEST_INT: Final = 4_300
"""Digits. Python refuses to read longer numbers, SQLite does not."""
_STRIDE: Final = 1_000
_FOUR_DIGITS: Final = re.compile(b"[0-9]{4}")
_FRAMES_KEPT: Final = 1_000

_Words = tuple[bytes, bytes | None, bytes | None, bytes | None, bytes | None]
_JOURNAL: Final = {kind.value.encode(): kind in JOURNAL_KINDS for kind in RecordKind}


class Unproven(Exception):
    """Something may be wrong; a closer look knows."""


class RecordSweep:
    """``changes`` yields (seq, change) of the records of the journal, in order. ``seq`` and ``head`` stand at the last record.

    ``connection`` gives text as bytes; whether it is text, ``Beside`` knows.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._frames: dict[_Words, tuple[bytes, bytes]] = {}
        self.seq = 0
        self.head = GENESIS

    def changes(self) -> Iterator[tuple[int, Change]]:
        """Raises Unproven; and Finding, TypeError, ValueError, RecursionError and sqlite3.DatabaseError to the same effect."""
        seq, head = 0, GENESIS.encode()
        last: _Words | None = None
        before = after = day = b""
        journal = False
        # the same way through the table as RecordCheck goes
        sql = f"SELECT {', '.join(COLUMNS)} FROM records NOT INDEXED ORDER BY seq"  # noqa: S608
        rows = self._connection.execute(sql)
        for number, at, kind, market, action, incident, intent, body, prev_hash, digest in rows:
            seq += 1
            words = (kind, market, action, incident, intent)
            if words != last:
                last, journal = words, _JOURNAL[kind] if kind in _JOURNAL else _unproven()
                before, after = self._frames.get(words) or self._frame(words)
            if number != seq or prev_hash != head or not FORM_ASCII.fullmatch(at):
                raise Unproven
            if at[:10] != day:
                day = at[:10] if is_date(at[:10]) else _unproven()
            text = b"".join((before, at, b'","body":', body, after, head, b'","seq":%d}' % seq))
            head = b"0x" + sha256(text).hexdigest().encode()
            if digest != head or body[:1] != b"{" or body.find(0) >= 0:
                raise Unproven
            if not body.isascii():
                str(body, "utf-8")
            if journal:
                change = _change(seq, at, words, body)
                if change is not None:
                    yield seq, change
            elif len(body) > 2 * MOST_LEVELS and _python_might_refuse(body):
                _read(body)
        self.seq, self.head = seq, head.decode()

    def _frame(self, words: _Words) -> tuple[bytes, bytes]:
        """What stands before the time and after the body in the hashed text of a record with these words."""
        kind, market, action, incident, intent = (
            quoted(None if word is None else str(word, "utf-8")) for word in words
        )
        frame = (
            f'{{"action":{action},"at":"'.encode(),
            f',"incident":{incident},"intent":{intent},"kind":{kind},"market":{market},"prev_hash":"'.encode(),
        )
        # incidents and intents do not come again: no log may fill the memory with them
        if len(self._frames) >= _FRAMES_KEPT:
            self._frames.clear()
        self._frames[words] = frame
        return frame


def _read(body: bytes) -> None:
    """Raises Unproven for what is nested too deep, ValueError for what Python does not read."""
    if too_deep(str(body, "utf-8"), MOST_LEVELS):
        raise Unproven
    json.loads(body)


def _unproven() -> NoReturn:
    raise Unproven


def _change(seq: int, at: bytes, words: _Words, body: bytes) -> Change | None:
    kind, market, action, incident, intent = (None if word is None else str(word, "utf-8") for word in words)
    assert kind is not None, "it is a kind of the journal"
    return meaning(seq, at.decode(), kind, market, action, incident, intent, str(body, "utf-8"))


def _python_might_refuse(body: bytes) -> bool:
    """Whether a body that SQLite reads may hold what is refused here: a number too long, or nesting too deep."""
    # a number of more than 4,300 digits lies under four strides in a row
    if len(body) > _LONGEST_INT and _FOUR_DIGITS.search(body[::_STRIDE]):
        return True
    return body.count(b"{") + body.count(b"[") > MOST_LEVELS
