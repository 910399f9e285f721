"""Evidence that leaves the database for a file, step by step; each step is whole or not done, and the next run goes on from any of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from keeper.domain.evidence import Evidence
from keeper.domain.record import Draft, Record, RecordQuery


@dataclass(frozen=True, slots=True)
class Place:
    """Where evidence stands, without its content; ``size`` in bytes as it is kept."""

    seq: int
    at: str
    kind: str
    hash: str
    size: int


@dataclass(frozen=True, slots=True)
class Kept:
    """Evidence with the record that it is of; ``block`` is the number that the record names, if it does."""

    seq: int
    at: str
    kind: str
    block: int | None
    evidence: Evidence


class EvidenceLook(Protocol):
    """What evidence a log has, and where. All of it waits; ask it in a thread. Raises StoreUnavailable."""

    def page(self, query: RecordQuery) -> Sequence[Record]:
        """One page of records, without their evidence."""

    def places(self, after: int, until_at: str, limit: int) -> Sequence[Place]:
        """Evidence of records after this number and before this time that is in no archive yet, in order."""

    def contents(self, hashes: Sequence[str]) -> Sequence[Kept]:
        """The evidence itself, in order of the records."""

    def to_forget(self) -> Sequence[tuple[int, str]]:
        """(record of the archive, hash) of evidence that is archived and still here too."""


class Retention(EvidenceLook, Protocol):
    """Lets evidence go, in steps. Raises StoreUnavailable."""

    def archived(self, draft: Draft, hashes: Sequence[str]) -> Record | None:
        """The record and, in the same transaction, that these hashes are in its file. None, and nothing is stored, where one is archived already."""

    def forget(self, hashes: Sequence[str]) -> int:
        """Lets go of archived evidence; how many went."""

    def close(self) -> None:
        """Lets go of the database."""
