"""A line of the spool: what one commit to the log would have held, chained to the line before it.

A line is the RFC 8785 text of an object and a newline. Its ``hash`` is ``0x`` + sha256 of the same text without the key ``hash``. The first
line is the head: where the log stood (``seq``, ``log``), since when it cannot be written and why; its ``prev`` is ``log``. So what was put
aside stands on the log as it was known, and ``sha256sum`` and any JCS library recompute it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from keeper.adapters.audit.canonical import canonical
from keeper.domain.errors import StoreUnavailable
from keeper.domain.evidence import Evidence
from keeper.domain.record import Draft, Json, RecordKind

FORM: Final = "keeper-spool/1"
_HEAD: Final = b'{"hash":"0x%b","log":"0x%b","prev":"0x%b","reason":"' % ((b"0" * 64,) * 3)
"""How every first line begins, in RFC 8785's order of keys."""
_COLUMNS: Final = ("market", "action", "incident", "intent")


class SpoolDamaged(StoreUnavailable):
    """A line of the spool is not as it was written."""


@dataclass(frozen=True, slots=True)
class SpoolHead:
    """``seq`` and ``log``: number and hash of the last record that is known to be in the log. ``since_ms``: it cannot be written since then.

    ``unanswered``: hashes of records that an empty log may have begun with, their answer being lost.
    """

    seq: int
    log: str
    since_ms: int
    reason: str
    hash: str
    unanswered: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SpoolLine:
    """``first`` is the number of its first record, counted from 0 over the whole file. ``doubt``: the log may have these already.

    ``left_out`` counts the ticks that were left out so far, for want of room.
    """

    first: int
    drafts: tuple[Draft, ...]
    doubt: bool
    left_out: int
    hash: str

    @property
    def after(self) -> int:
        """The number of the record that follows."""
        return self.first + len(self.drafts)


def head_text(
    seq: int, log: str, since_ms: int, reason: str, unanswered: Sequence[str] = ()
) -> tuple[bytes, SpoolHead]:
    """The first line, as it is written."""
    body: dict[str, Json] = {
        "spool": FORM, "seq": seq, "log": log, "since_ms": str(since_ms), "reason": reason, "prev": log,
    }  # fmt: skip
    if unanswered:
        body["unanswered"] = list(unanswered)
    data, digest = _sealed(body)
    return data, SpoolHead(seq, log, since_ms, reason, digest, tuple(unanswered))


def line_text(drafts: Sequence[Draft], *, first: int, doubt: bool, left_out: int, prev: str) -> tuple[bytes, SpoolLine]:
    """A line, as it is written. Raises DraftRefused for what has no exact form."""
    body: dict[str, Json] = {
        "first": first,
        "doubt": doubt,
        "left_out": left_out,
        "prev": prev,
        "records": [_record(draft) for draft in drafts],
    }
    data, digest = _sealed(body)
    return data, SpoolLine(first, tuple(drafts), doubt, left_out, digest)


def read_head(line: bytes) -> SpoolHead:
    """Raises SpoolDamaged."""
    value, digest = _opened(line)
    try:
        if value["spool"] != FORM or value["prev"] != value["log"]:
            raise SpoolDamaged("the first line of the spool is none of this version's")
        unanswered = tuple(str(one) for one in value.get("unanswered", ()))
        since_ms, reason = int(value["since_ms"]), str(value["reason"])
        return SpoolHead(int(value["seq"]), str(value["log"]), since_ms, reason, digest, unanswered)
    except (KeyError, TypeError, ValueError):
        raise SpoolDamaged("the first line of the spool is damaged") from None


def read_line(line: bytes, first: int, prev: str) -> SpoolLine:
    """The line that must follow. Raises SpoolDamaged."""
    value, digest = _opened(line)
    try:
        drafts = tuple(_draft(one) for one in value["records"])
        read = SpoolLine(int(value["first"]), drafts, value["doubt"] is True, int(value["left_out"]), digest)
        fits = read.first == first and value["prev"] == prev
    except (KeyError, TypeError, ValueError):
        raise SpoolDamaged(f"the spool is damaged after its record {first}") from None
    if not fits:
        raise SpoolDamaged(f"a line of the spool is missing or out of place after its record {first}")
    return read


def is_torn_head(data: bytes) -> bool:
    """Whether the first line of a spool may begin like that, or with nothing at all."""
    return _like(data[: len(_HEAD)]) == _like(_HEAD)[: len(data)]


def is_whole_line(data: bytes) -> bool:
    """Whether a line was sealed like that, whatever it says."""
    try:
        _opened(data)
    except SpoolDamaged:
        return False
    return True


def _like(data: bytes) -> bytes:
    """Each digit the same."""
    return re.sub(rb"[0-9a-f]", b"0", data)


def _sealed(body: dict[str, Json]) -> tuple[bytes, str]:
    digest = "0x" + hashlib.sha256(canonical(body).encode()).hexdigest()
    return canonical(body | {"hash": digest}).encode() + b"\n", digest


def _opened(line: bytes) -> tuple[dict[str, Any], str]:
    try:
        value = json.loads(line)
        digest = value.pop("hash")
        if digest != _sealed(value)[1]:
            raise SpoolDamaged("a line of the spool has another hash")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise SpoolDamaged("a line of the spool cannot be read") from None
    return value, str(digest)


def _record(draft: Draft) -> dict[str, Json]:
    record: dict[str, Json] = {"kind": draft.kind.value, "at_ms": str(draft.at_ms), "body": dict(draft.body)}
    record |= {name: getattr(draft, name) for name in _COLUMNS}
    if draft.evidence is not None:
        record["evidence"] = {
            "hash": draft.evidence.hash,
            "encoding": draft.evidence.encoding,
            "size": draft.evidence.size,
            "packed": base64.b64encode(draft.evidence.packed).decode("ascii"),
        }
    return record


def _draft(record: Mapping[str, Any]) -> Draft:
    kept = record.get("evidence")
    evidence = None
    if kept is not None:
        packed = base64.b64decode(kept["packed"], validate=True)
        evidence = Evidence(kept["hash"], kept["encoding"], int(kept["size"]), packed)
    columns = {name: record[name] for name in _COLUMNS}
    return Draft(RecordKind(record["kind"]), record["body"], int(record["at_ms"]), evidence=evidence, **columns)
