"""Drafts made ready on the caller's side, and numbered and chained inside the transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from keeper.adapters.audit.canonical import canonical, record_hash
from keeper.adapters.audit.errors import DraftRefused
from keeper.adapters.audit.journal import Change, change_of
from keeper.adapters.audit.times import to_iso
from keeper.domain.record import Draft, Record, RecordKind


@dataclass(frozen=True, slots=True)
class Ready:
    """A draft that can be stored: its body in canonical text, its time in ISO form, its change to the journal read."""

    draft: Draft
    at: str
    body: str
    change: Change | None


def make_ready(drafts: Iterable[Draft]) -> list[Ready]:
    """Raises DraftRefused at the first draft that cannot be written down. Everything that needs no database happens here."""
    return [_ready(draft) for draft in drafts]


def _ready(draft: Draft) -> Ready:
    for column in (draft.market, draft.action, draft.incident, draft.intent):
        if column is not None and ("\0" in column or not _is_unicode(column)):
            raise DraftRefused(f"{column!r} cannot be a column of a record")
    change = change_of(
        RecordKind(draft.kind), draft.market, draft.action, draft.incident, draft.intent, draft.at_ms, draft.body
    )
    return Ready(draft, to_iso(draft.at_ms), canonical(draft.body), change)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def chain(ready: Sequence[Ready], seq: int, head: str) -> list[Record]:
    """The records that follow record ``seq`` whose hash is ``head``."""
    records = []
    for item in ready:
        seq += 1
        draft = item.draft
        digest = record_hash(
            seq=seq,
            at=item.at,
            kind=draft.kind.value,
            market=draft.market,
            action=draft.action,
            incident=draft.incident,
            intent=draft.intent,
            body=item.body,
            prev_hash=head,
        )
        records.append(
            Record(
                seq=seq,
                at=item.at,
                kind=draft.kind,
                market=draft.market,
                action=draft.action,
                incident=draft.incident,
                intent=draft.intent,
                body=draft.body,
                prev_hash=head,
                hash=digest,
            )
        )
        head = digest
    return records
