"""What a verification answers, and how a check says that it found something."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from keeper.adapters.audit.sqlite_reader import in_short

_NOT_THE_LOG: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_INTERRUPT,
    }
)


@dataclass(frozen=True, slots=True)
class CheckpointsSeen:
    """``count`` checkpoints are in the database, up to record ``last_seq``, signed by ``signer`` (EIP-55; empty when there are none).

    ``known``: the configuration or the command line says that this is the keeper's signer. ``earlier``: who signed before it did.
    """

    count: int = 0
    last_seq: int = 0
    last_at: str = ""
    signer: str = ""
    known: bool = False
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EvidenceSeen:
    """``kept`` pieces of evidence are in the database, ``archived`` references of records lead into ``files``.

    ``looked_into`` of these files were there, and hold all of it.
    """

    kept: int = 0
    archived: int = 0
    files: int = 0
    looked_into: int = 0


@dataclass(frozen=True, slots=True)
class WitnessSeen:
    """``lines`` checkpoints of the file fit the log. ``torn``: its last line is not whole; it is being written, or its writer was ended."""

    file: str
    lines: int
    torn: bool = False


@dataclass(frozen=True, slots=True)
class Verification:
    """The verdict on a log.

    ``records`` is how many records were found good from the first on, ``head`` the hash of the last good one. ``first_bad`` is the
    record that is wrong, or that made the row that is wrong; None when the damage belongs to no record (the schema, say).
    ``problem`` says what is wrong in words, ``table`` where; both are empty when ``ok``. ``warnings`` are no findings.
    """

    ok: bool
    records: int
    head: str
    first_bad: int | None = None
    problem: str = ""
    table: str = ""
    checkpoints: CheckpointsSeen = CheckpointsSeen()
    evidence: EvidenceSeen = EvidenceSeen()
    witnesses: tuple[WitnessSeen, ...] = ()
    warnings: tuple[str, ...] = ()


class Finding(Exception):
    """Something in the log is not as it was written."""

    def __init__(self, table: str, first_bad: int | None, problem: str) -> None:
        super().__init__(problem)
        self.table = table
        self.first_bad = first_bad
        self.problem = problem


@contextmanager
def damage_in(table: str, first_bad: int | None) -> Iterator[None]:
    """What SQLite cannot read in here is a Finding; an error that says nothing about the log goes on: somebody else holds the
    file, or the machine does not give it."""
    try:
        yield
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NOT_THE_LOG:
            raise
        raise Finding(table, first_bad, f"the file is damaged: {in_short(error)}") from None
