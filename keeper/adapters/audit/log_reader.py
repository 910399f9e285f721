"""One snapshot of a log as the verification reads it: what is checked stands in one place, whichever database holds the rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

Row = tuple[object, ...]


class TableRows(Protocol):
    """The rows of a table in the order in which their records made them, one at a time."""

    def next(self, seq: int | None) -> Row | None:
        """The types of all columns (``b"text integer .."``), then their values; None at the end.

        ``seq`` is the record that should have made it, for the Finding when it cannot be read or stands in a wrong place.
        """


class LogReader(Protocol):
    """Text comes as bytes, numbers as int: nothing is trusted to be text. ``errors`` is what the driver raises."""

    @property
    def errors(self) -> tuple[type[Exception], ...]: ...

    def check_schema(self) -> tuple[str, ...]:
        """Raises Finding when tables, indexes, triggers or rights are not those of the migrations, StoreNotMigrated when there are none.

        Gives what could not be compared, and why. To be asked before anything else: the snapshot begins after it.
        """

    def check_version(self) -> None:
        """Raises Finding unless the database says that its schema is this version's."""

    def last(self) -> int:
        """The largest number of a record; 0 for an empty log."""

    def hash_of(self, seq: int) -> str | None:
        """What record ``seq`` says is its hash; None when there is no such record."""

    def records(self, after: int) -> Iterator[tuple[int, Row]]:
        """(1 if every column is of its type, the columns) of every record after ``after``, in order, up to the damaged one: Finding."""

    def sweep(self) -> Iterator[Row]:
        """The columns of all records in order, as fast as can be. Raises whatever the driver raises."""

    def rows(self, table: str, columns: Sequence[str], *, order: str = "seq", holes: bool = False) -> TableRows:
        """The rows of another table. ``holes``: rows may have gone from it."""

    def signature_of(self, number: int) -> str | None:
        """Of a checkpoint; None when there is no such checkpoint."""

    def newest_at(self, kind: str | None) -> str | None:
        """The time of the newest record, or of the newest of a kind; None when there is none."""

    def archived_by(self, seq: int) -> Iterator[str]:
        """The hashes of the rows of ``archived`` that name this record."""

    def renew(self) -> None:
        """After an error: so that it can be read on, in a snapshot that is not older."""

    def places(self, table: str, hashes: Sequence[str]) -> dict[str, object]:
        """hash -> seq of the rows of ``evidence`` or ``archived`` that have one of these hashes."""

    def archived(self) -> Iterator[tuple[object, int]]:
        """(seq, how many) of the rows of ``archived``, in order of seq."""

    def ahead(self) -> Sequence[Row]:
        """What is not in its tables yet (``keeper.adapters.audit.ahead``): rows of its SELECT, one at most. In SQLite only."""

    def damage(self, table: str, first_bad: int | None) -> AbstractContextManager[None]:
        """What cannot be read in here is a Finding; an error that says nothing about the log goes on."""

    def prove(self) -> AbstractContextManager[Proof]:
        """What the database itself finds out while the records are read."""


class Proof(Protocol):
    """What the database can say of itself. ``reads_json``: also whether every body is JSON."""

    @property
    def reads_json(self) -> bool: ...

    def holds(self, records: int) -> bool:
        """Whether all of it is sound, and ``records`` is how many records there are; not, where it cannot tell."""

    def explain(self) -> None:
        """Raises Finding for what is wrong around records that are whole, or returns."""
