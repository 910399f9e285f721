"""One record as its page lays it out: its body cut to what a browser shows, and whether its hash and its neighbours fit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from keeper.adapters.audit.canonical import canonical, record_hash
from keeper.adapters.audit.errors import DraftRefused
from keeper.adapters.audit.evidence import named
from keeper.app.cli.summaries import summary
from keeper.domain.record import GENESIS, Record
from keeper.domain.text import printable
from keeper.ports.log_reader import Kept

SHOWN_MAX: Final = 32 * 1024
"""Characters of a body, and of evidence; the API gives all of it."""
COLUMN_MAX: Final = 200
WORDS_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class Text:
    """``left_out``: characters that are not shown."""

    shown: str
    left_out: int


@dataclass(frozen=True, slots=True)
class RecordSheet:
    """``hash_fits``: the hash is that of the other columns, computed here. ``follows``: the record before is the one that it names."""

    record: Record
    words: str
    body: Text
    hash_fits: bool
    follows: bool
    before: int | None
    after: int | None
    evidence: str | None
    kept: Kept | None
    content: Text | None


def record_sheet(record: Record, before: Record | None, after: Record | None, kept: Kept | None) -> RecordSheet:
    """Takes a while for megabytes: run it in a thread."""
    return RecordSheet(
        record=record,
        words=printable(summary(record), WORDS_MAX),
        body=_text(record.body),
        hash_fits=_hash_fits(record),
        follows=record.prev_hash == (before.hash if before is not None else GENESIS),
        before=before.seq if before is not None else None,
        after=after.seq if after is not None else None,
        evidence=named(record.body) if isinstance(record.body, Mapping) else None,
        kept=kept,
        content=_text(kept.content) if kept is not None and kept.content is not None else None,
    )


def _text(value: Any) -> Text:
    """Signs that would hide or turn text around are written as escapes."""
    whole = json.dumps(value, ensure_ascii=False, indent=2)
    shown = "".join(char if char.isprintable() or char == "\n" else f"\\u{ord(char):04x}" for char in whole[:SHOWN_MAX])
    return Text(shown, max(0, len(whole) - SHOWN_MAX))


def _hash_fits(record: Record) -> bool:
    try:
        return record.hash == record_hash(
            seq=record.seq,
            at=record.at,
            kind=record.kind.value,
            market=record.market,
            action=record.action,
            incident=record.incident,
            intent=record.intent,
            body=canonical(record.body),
            prev_hash=record.prev_hash,
        )
    except DraftRefused:
        return False
