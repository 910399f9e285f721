"""The questions of one story over one connection: what all of them may take together is bounded, and what is left out is said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from keeper.adapters.audit.errors import TooLarge
from keeper.adapters.audit.evidence import LARGEST, named
from keeper.adapters.audit.public_connection import PublicConnection, readable
from keeper.domain.checkpoint import SignedCheckpoint
from keeper.domain.record import Record, RecordQuery

BODIES_TOGETHER: Final = 32 * 1024 * 1024
"""Characters of bodies."""
EVIDENCE_TOGETHER: Final = 24 * 1024 * 1024
"""Bytes of evidence that one page unpacks, one after the other; about a second."""


class PublicQuestions:
    """Implements ``keeper.ports.log_reader.LogQuestions``. Lives as long as one request."""

    def __init__(self, connection: PublicConnection, covering: Callable[[int], SignedCheckpoint | None]) -> None:
        self._connection = connection
        self.covering = covering
        self._left = BODIES_TOGETHER
        self._notes: list[str] = []

    @property
    def notes(self) -> Sequence[str]:
        return self._notes

    def page(self, query: RecordQuery, keep: Callable[[Record], Record] | None = None) -> Sequence[Record]:
        found: list[Record] = []
        after, evidence = query.after, EVIDENCE_TOGETHER
        while len(found) < query.limit:  # once more for each that is damaged, so that a page is short only at the end
            asked = replace(query, after=after, limit=query.limit - len(found))
            rows = 0
            for row in self._connection.page(asked):
                rows += 1
                after = row[0]
                record = readable(row)
                if record is None:
                    self._notes.append(f"record {row[0]} is damaged and left out")
                    continue
                self._left -= len(row[7])
                if self._left < 0:
                    raise TooLarge(
                        "the records of this incident are more than one answer holds",
                        remedy="read it with: keeper incidents CONFIG report",
                    )
                if query.full:
                    digest = named(record.body)
                    evidence -= self._connection.evidence_size(digest) if digest is not None else 0
                    if evidence < 0:
                        side = "before" if query.newest_first else "after"
                        self._notes.append(
                            f"of the blocks {side} the trip only the nearest {len(found)} are told here: more was seen than one answer reads"
                        )
                        return found
                    record = self._filled(record, digest)
                found.append(record if keep is None else keep(record))
            if rows < asked.limit:
                break
        return found

    def _filled(self, record: Record, digest: str | None) -> Record:
        content = self._connection.unpacked(digest, LARGEST) if digest is not None else None
        return record if content is None else replace(record, body={**content, **record.body})
