"""Holds the rows of ``records`` against each other: numbers without holes, links, hashes, and forms."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import orjson

from keeper.adapters.audit.canonical import DEEPEST, canonical, record_hash
from keeper.adapters.audit.errors import DraftRefused
from keeper.adapters.audit.evidence_check import MARKS, NAMED, EvidenceCheck
from keeper.adapters.audit.finding import Finding
from keeper.adapters.audit.journal import JOURNAL_KINDS, Change, change_of
from keeper.adapters.audit.log_reader import LogReader
from keeper.adapters.audit.pages import COLUMNS, OPTIONAL
from keeper.adapters.audit.times import from_iso
from keeper.domain.nesting import too_deep
from keeper.domain.record import GENESIS, RecordKind

_KINDS = {kind.value: kind in JOURNAL_KINDS for kind in RecordKind}
TYPES = " AND ".join(
    "typeof(seq) = 'integer'"
    if name == "seq"
    else f"typeof({name}) IN ('text'{', ' + repr('null') if name in OPTIONAL else ''})"
    for name in COLUMNS
)

_TICK: Final = RecordKind.TICK.value.encode()
_SKELETON: Final = bytes.maketrans(b",[eE", b"::..")
_REST: Final = bytes(set(range(256)) - set(b':,[.eE"'))
_FRACTION: Final = b":."
"""What a number with a fraction or an exponent leaves in the skeleton of a body, and text only now and then."""

MOST_LEVELS: Final = DEEPEST + 1
"""Of a body, which is a level itself: what the store writes, and what every Python reads."""
LONGEST_BODY: Final = 16 * 1024 * 1024
"""Bytes; the longest that a keeper writes, its whole configuration, has a hundredth of it."""
LONGEST_VALUE: Final = 4 * LONGEST_BODY
"""Bytes that are still read of a row, so that this check can say what is too long; more never comes into the memory."""
LONGEST_WORD: Final = 4_096
"""Bytes of any other column: names of markets and actions, identities of incidents and intents."""


class RecordCheck:
    """``changes`` yields (seq, change) of every record that is good, in order.

    ``seq`` and ``head`` stand at the last good record, ``good`` is how many were found good.
    """

    def __init__(self, log: LogReader, evidence: EvidenceCheck | None = None) -> None:
        self._log = log
        self._evidence = evidence
        self._after = 0
        self.seq = 0
        self.head = GENESIS

    @property
    def good(self) -> int:
        return self.seq - self._after

    def start_after(self, seq: int) -> None:
        """Takes record ``seq`` as good and begins with the next."""
        if seq > 0:
            head = self._log.hash_of(seq)
            if head is None:
                raise Finding("records", seq, f"record {seq} is missing")
            self.head = head
        self._after = self.seq = seq

    def take_all(self, seq: int, head: str) -> None:
        """Takes the records up to ``seq``, whose hash is ``head``, as looked at and good."""
        self.seq, self.head = seq, head

    def changes(self) -> Iterator[tuple[int, Change]]:
        for typed, row in self._log.records(self._after):
            change, head = self._check(self.seq + 1, typed, row)
            self.seq, self.head = self.seq + 1, head
            if change is not None:
                yield self.seq, change

    def _check(self, seq: int, typed: int, row: tuple[Any, ...]) -> tuple[Change | None, str]:
        if row[0] != seq:
            raise Finding("records", seq, f"record {seq} is missing; the next row is numbered {row[0]!r}")
        if typed != 1:
            raise Finding("records", seq, "a column has another type than the store writes")
        _check_lengths(seq, row)
        try:
            at, kind, body = str(row[1], "utf-8"), str(row[2], "utf-8"), str(row[7], "utf-8")
            market, action, incident, intent = (None if v is None else str(v, "utf-8") for v in row[3:7])
            prev_hash, digest = str(row[8], "utf-8"), str(row[9], "utf-8")
        except UnicodeDecodeError:
            raise Finding("records", seq, "a column is not UTF-8") from None
        if prev_hash != self.head:
            raise Finding(
                "records",
                seq,
                f"prev_hash is not the hash of record {seq - 1}"
                if seq > 1
                else "prev_hash is not that of a first record",
            )
        computed = record_hash(
            seq=seq,
            at=at,
            kind=kind,
            market=market,
            action=action,
            incident=incident,
            intent=intent,
            body=body,
            prev_hash=prev_hash,
        )
        if digest != computed:
            raise Finding("records", seq, "the hash does not fit what the row holds: the row was changed")
        change = meaning(seq, at, kind, market, action, incident, intent, body)
        if not in_form(row[2], row[7]):
            problem = "the body is not in the form of RFC 8785, or holds a number that the store writes as text"
            raise Finding("records", seq, problem)
        if self._evidence is not None:
            mark = MARKS.get(row[2], NAMED)
            if mark is not None and mark in row[7]:
                self._evidence.feed(seq, row[2], row[7])
        return change, computed


def _check_lengths(seq: int, row: tuple[Any, ...]) -> None:
    """A body that is far too long PostgreSQL does not even give."""
    for name, value in zip(COLUMNS[1:], row[1:], strict=True):
        longest = LONGEST_BODY if name == "body" else LONGEST_WORD
        if len(value) > longest if value is not None else name == "body":
            raise Finding("records", seq, f"{name} has more than {longest} bytes, which the store never writes")


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def in_form(kind: bytes, body: bytes) -> bool:
    """Whether this text of an object, which a reader of JSON has read, is the one that the store would write.

    Of a tick, which nearly all records are, only numbers and blanks are judged, which costs a tenth; the export judges all of it.
    """
    if kind == _TICK:
        blank = b" " in body or b"\n" in body or b"\r" in body or b"\t" in body
        if not blank and _FRACTION not in body.translate(_SKELETON, _REST):
            return True
    return is_written(body)


def is_written(body: bytes | str) -> bool:
    """Whether this is an object exactly as the store writes it: RFC 8785, and no number that another reader may round."""
    try:
        return canonical(orjson.loads(body)) == (body if isinstance(body, str) else body.decode())
    except (ValueError, TypeError, RecursionError):
        return False


def meaning(
    seq: int,
    at: str,
    kind: str,
    market: str | None,
    action: str | None,
    incident: str | None,
    intent: str | None,
    body: str,
) -> Change | None:
    """What a record with a good hash says; a row that nobody could read was not written by the keeper."""
    if kind not in _KINDS:
        raise Finding("records", seq, f"there is no kind {kind!r}")
    if too_deep(body, MOST_LEVELS):
        raise Finding(
            "records", seq, f"the body is nested deeper than {MOST_LEVELS} levels, which the store never writes"
        )
    try:
        at_ms = from_iso(at)
        value = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Finding("records", seq, "the time or the body is not in the form the store writes") from None
    if not isinstance(value, dict):
        raise Finding("records", seq, "the body is not an object")
    if not _KINDS[kind]:
        return None
    try:
        return change_of(kind, market, action, incident, intent, at_ms, value)
    except DraftRefused as error:
        raise Finding("records", seq, error.message) from None
