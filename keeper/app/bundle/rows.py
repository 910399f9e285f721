"""The rows of a log as they are exported, read through the eyes of the verification: nothing in them is trusted to be text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from keeper.adapters.audit.ahead import read_back
from keeper.adapters.audit.finding import Finding
from keeper.adapters.audit.log_reader import LogReader
from keeper.adapters.audit.pages import COLUMNS
from keeper.adapters.audit.statements import Statements
from keeper.app.bundle.exporting import NotWhole, Row
from keeper.domain.checkpoint import SignedCheckpoint, from_document
from keeper.domain.errors import StoreUnavailable
from keeper.domain.evidence import Evidence

_VERIFY: Final = "run: keeper audit CONFIG verify"
_EVIDENCE: Final = ("hash", "seq", "encoding", "size", "packed")
_ARCHIVED: Final = ("hash", "seq")
_CHECKPOINT: Final = ("number", "seq", "head", "genesis", "at", "keeper", "chain_id", "signer", "prev", "signature")


class LogRows:
    """Implements ``keeper.app.bundle.exporting.Log`` over one snapshot of a database. Raises NotWhole for what cannot be read as a log."""

    def __init__(self, log: LogReader) -> None:
        self._log = log

    def records(self) -> Iterator[Row]:
        for row in self._log.sweep():
            yield Row(**{name: _read(value) for name, value in zip(COLUMNS, row, strict=True)})

    def evidence(self) -> Iterator[tuple[int, Evidence]]:
        for row in self._rows("evidence", _EVIDENCE, holes=True):
            packed = row.pop("packed")
            seq = row.pop("seq")
            if not isinstance(packed, bytes):
                raise NotWhole("the evidence of a record is not bytes", remedy=_VERIFY)
            yield seq, Evidence(**{name: _read(value) for name, value in row.items()}, packed=packed)

    def archived(self) -> Iterator[tuple[str, int]]:
        for row in self._rows("archived", _ARCHIVED):
            yield _read(row["hash"]), row["seq"]

    def checkpoints(self) -> Iterator[SignedCheckpoint]:
        for row in self._rows("checkpoints", _CHECKPOINT, order="number"):
            try:
                yield from_document({name: _read(value) for name, value in row.items()})
            except ValueError as error:
                raise NotWhole(f"a checkpoint cannot be read: {error}", remedy=_VERIFY) from None

    def missing_from(self) -> int | None:
        """The first record that is durable and in no table yet, so that no bundle has it; None: there is none."""
        try:
            for row in self._log.ahead():
                _, records, _ = read_back(row, Statements("?"))
                return records[0].seq
        except Finding as finding:
            raise NotWhole(f"the table ahead is damaged: {finding.problem}", remedy=_VERIFY) from None
        except StoreUnavailable as error:
            raise NotWhole(error.message, remedy=_VERIFY) from None
        return None

    def _rows(
        self, table: str, columns: tuple[str, ...], *, order: str = "seq", holes: bool = False
    ) -> Iterator[dict[str, Any]]:
        rows = self._log.rows(table, columns, order=order, holes=holes)
        try:
            while (row := rows.next(None)) is not None:
                yield dict(zip(columns, row[1:], strict=True))
        except Finding as finding:
            raise NotWhole(f"the table {table} is damaged: {finding.problem}", remedy=_VERIFY) from None


def _read(value: Any) -> Any:
    """Text as text. Raises NotWhole for bytes that are none."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise NotWhole("a column is not UTF-8", remedy=_VERIFY) from None
