"""Proves in one quick pass that all records are good, or gives up.

Whatever ``RecordCheck`` would find makes this pass give up, and it may give up where there is nothing to find: then that one looks, and
names the record. The types of the columns are left to the database (``beside``), and each body is read and written again by orjson alone:
only the few of which that cannot tell whether the store would write them like this are read in Python too.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

import orjson

from keeper.adapters.audit.canonical import DEEPEST, quoted
from keeper.adapters.audit.evidence_check import MARKS, NAMED, EvidenceCheck
from keeper.adapters.audit.journal import JOURNAL_KINDS, Change
from keeper.adapters.audit.log_reader import LogReader
from keeper.adapters.audit.record_check import LONGEST_WORD, is_written, meaning
from keeper.adapters.audit.times import FORM_ASCII, is_date
from keeper.domain.record import GENESIS, RecordKind

_EXACT: Final = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER
_SKELETON: Final = bytes(
    {ord(","): ord(":"), ord("["): ord(":"), ord("e"): ord(".")}.get(one, one) for one in range(256)
)
_REST: Final = bytes(set(range(256)) - set(b':,[.e"'))
_FRACTION: Final = b":."
"""What a number with a fraction or an exponent leaves in the skeleton of a body, and text only now and then."""
_OTHER_ORDER: Final = 0xEE
"""The first byte from which on keys are in another order as UTF-8 than as UTF-16."""
_FRAMES_KEPT: Final = 1_000

_Words = tuple[bytes, bytes | None, bytes | None, bytes | None, bytes | None]
_Frame = tuple[bytes, bytes, bool, bytes | None]
"""What stands before the time and after the body in the hashed text of a record with these words; whether it is of the journal, and MARKS."""
_JOURNAL: Final = {kind.value.encode(): kind in JOURNAL_KINDS for kind in RecordKind}


class Unproven(Exception):
    """Something may be wrong; a closer look knows."""


class RecordSweep:
    """``changes`` yields (seq, change) of the records of the journal, in order. ``seq`` and ``head`` stand at the last record.

    ``log`` gives text as bytes; whether it is text, its ``prove`` knows.
    """

    def __init__(self, log: LogReader, evidence: EvidenceCheck) -> None:
        self._log = log
        self._evidence = evidence
        self._frames: dict[_Words, _Frame] = {}
        self.seq = 0
        self.head = GENESIS

    def changes(self) -> Iterator[tuple[int, Change]]:
        """Raises Unproven; and Finding, TypeError, ValueError, RecursionError and the driver's errors to the same effect."""
        seq, head = 0, GENESIS.encode()
        last: _Words | None = None
        before = after = day = b""
        journal, mark, feed = False, None, self._evidence.feed
        read, write = orjson.loads, orjson.dumps
        rows: Iterator[Any] = self._log.sweep()
        for number, at, kind, market, action, incident, intent, body, prev_hash, digest in rows:
            seq += 1
            words = (kind, market, action, incident, intent)
            if words != last:
                last = words
                before, after, journal, mark = self._frames.get(words) or self._frame(words)
            if number != seq or prev_hash != head or not FORM_ASCII.fullmatch(at):
                raise Unproven
            if at[:10] != day:
                day = _day(at)
            text = b"".join((before, at, b'","body":', body, after, head, b'","seq":%d}' % seq))
            head = b"0x" + sha256(text).hexdigest().encode()
            if digest != head or body[:1] != b"{" or write(read(body), None, _EXACT) != body:
                raise Unproven
            if _FRACTION in body.translate(_SKELETON, _REST) or len(body) > 2 * DEEPEST or not body.isascii():
                _look_again(body)
            if mark is not None and body.find(mark) >= 0:
                feed(seq, kind, body)
            if journal:
                yield from _changes(seq, at, words, body)
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


def _day(at: bytes) -> bytes:
    day = at[:10]
    if not is_date(day):
        raise Unproven
    return day


def _look_again(body: bytes) -> None:
    """At a body that orjson writes as it is: numbers, levels and the order of keys are what it may still see otherwise. Raises Unproven."""
    if (
        _FRACTION in body.translate(_SKELETON, _REST)
        or body.count(b"{") + body.count(b"[") > DEEPEST
        or (not body.isascii() and max(body) >= _OTHER_ORDER)
    ) and not is_written(str(body, "utf-8")):
        raise Unproven


def _changes(seq: int, at: bytes, words: _Words, body: bytes) -> Iterator[tuple[int, Change]]:
    kind, market, action, incident, intent = (None if word is None else str(word, "utf-8") for word in words)
    assert kind is not None, "it is a kind of the journal"
    change = meaning(seq, at.decode(), kind, market, action, incident, intent, str(body, "utf-8"))
    if change is not None:
        yield seq, change
