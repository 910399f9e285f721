"""Proves in one quick pass that all records are good, or gives up.

Whatever ``RecordCheck`` would find makes this pass give up, and it may give up where there is nothing to find: then that one looks, and
names the record. What takes ``RecordCheck`` its time is the types of the columns, and reading each body in Python. Both are left to SQLite
here (``beside``); only the few bodies that Python might still refuse are read in Python too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

import orjson

from keeper.adapters.audit.canonical import quoted
from keeper.adapters.audit.evidence_check import MARKS, NAMED, EvidenceCheck
from keeper.adapters.audit.journal import JOURNAL_KINDS, Change
from keeper.adapters.audit.log_reader import LogReader
from keeper.adapters.audit.record_check import LONGEST_BODY, LONGEST_WORD, MOST_LEVELS, in_form, meaning
from keeper.adapters.audit.times import FORM_ASCII, is_date
from keeper.domain.nesting import too_deep
from keeper.domain.record import GENESIS, RecordKind

_LONGEST_INT: Final = 4_300
"""Digits. Python refuses to read longer numbers, SQLite does not."""
_STRIDE: Final = 1_000
_FOUR_DIGITS: Final = re.compile(b"[0-9]{4}")
_FRAMES_KEPT: Final = 1_000

_Words = tuple[bytes, bytes | None, bytes | None, bytes | None, bytes | None]
_Frame = tuple[bytes, bytes, bool, bytes | None]
"""What stands before the time and after the body in the hashed text of a record with these words; whether it is of the journal, and MARKS."""
_JOURNAL: Final = {kind.value.encode(): kind in JOURNAL_KINDS for kind in RecordKind}


class Unproven(Exception):
    """Something may be wrong; a closer look knows."""


class RecordSweep:
    """``changes`` yields (seq, change) of the records of the journal, in order. ``seq`` and ``head`` stand at the last record.

    ``parses``: the database does not read the bodies as JSON by itself, so that is done here. ``log`` gives text as bytes; whether it is
    text, its ``prove`` knows.
    """

    def __init__(self, log: LogReader, evidence: EvidenceCheck, *, parses: bool = False) -> None:
        self._log = log
        self._evidence = evidence
        self._parses = parses
        self._frames: dict[_Words, _Frame] = {}
        self.seq = 0
        self.head = GENESIS

    def changes(self) -> Iterator[tuple[int, Change]]:
        """Raises Unproven; and Finding, TypeError, ValueError, RecursionError and the driver's errors to the same effect."""
        seq, head = 0, GENESIS.encode()
        last: _Words | None = None
        before = after = day = b""
        journal, mark, parses, feed = False, None, self._parses, self._evidence.feed
        rows: Iterator[Any] = self._log.sweep()
        for number, at, kind, market, action, incident, intent, body, prev_hash, digest in rows:
            seq += 1
            words = (kind, market, action, incident, intent)
            if words != last:
                last = words
                before, after, journal, mark = self._frames.get(words) or self._frame(words)
            if number != seq or prev_hash != head or not FORM_ASCII.fullmatch(at):
                raise Unproven
            day = at[:10] if at[:10] == day else _day(at)
            text = b"".join((before, at, b'","body":', body, after, head, b'","seq":%d}' % seq))
            head = b"0x" + sha256(text).hexdigest().encode()
            if digest != head or body[:1] != b"{" or body.find(0) >= 0:
                raise Unproven
            if parses or not body.isascii():
                _decode(body, parses)
            if not in_form(kind, body) or len(body) > LONGEST_BODY:
                raise Unproven
            if mark is not None and body.find(mark) >= 0:
                feed(seq, kind, body)
            if journal:
                yield from _changes(seq, at, words, body)
            elif len(body) > 2 * MOST_LEVELS and _python_might_refuse(body):
                _read(body)
        self.seq, self.head = seq, head.decode()

    def _frame(self, words: _Words) -> _Frame:
        if words[0] not in _JOURNAL or any(word is not None and len(word) > LONGEST_WORD for word in words):
            raise Unproven
        kind, market, action, incident, intent = (
            quoted(None if word is None else str(word, "utf-8")) for word in words
        )
        frame = (
            f'{{"action":{action},"at":"'.encode(),
            f',"incident":{incident},"intent":{intent},"kind":{kind},"market":{market},"prev_hash":"'.encode(),
            _JOURNAL[words[0]],
            MARKS.get(words[0], NAMED),
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


def _day(at: bytes) -> bytes:
    day = at[:10]
    if not is_date(day):
        raise Unproven
    return day


def _decode(body: bytes, parses: bool) -> None:
    """Raises ValueError for what is no text, or no JSON."""
    if parses:
        orjson.loads(body)
    else:
        str(body, "utf-8")


def _changes(seq: int, at: bytes, words: _Words, body: bytes) -> Iterator[tuple[int, Change]]:
    kind, market, action, incident, intent = (None if word is None else str(word, "utf-8") for word in words)
    assert kind is not None, "it is a kind of the journal"
    change = meaning(seq, at.decode(), kind, market, action, incident, intent, str(body, "utf-8"))
    if change is not None:
        yield seq, change


def _python_might_refuse(body: bytes) -> bool:
    """Whether a body that SQLite reads may hold what is refused here: a number too long, or nesting too deep."""
    # a number of more than 4,300 digits lies under four strides in a row
    if len(body) > _LONGEST_INT and _FOUR_DIGITS.search(body[::_STRIDE]):
        return True
    return body.count(b"{") + body.count(b"[") > MOST_LEVELS
