"""Records and observations once more as Parquet, in parts that fit in memory. For reading only: the check compares them with the lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from keeper.app.bundle.layout import RECORDS_PER_TABLE

if TYPE_CHECKING:
    from keeper.app.bundle.exporting import Row

RECORD_COLUMNS: Final = ("seq", "at", "kind", "market", "action", "incident", "intent", "prev_hash", "hash", "body")
OBSERVATION_COLUMNS: Final = ("seq", "block", "source", "value", "unit", "quality", "reason", "received_ms", "at_ms")
WHOLE: Final = frozenset({"seq", "block"})


def columns_of(names: tuple[str, ...]) -> dict[str, str]:
    """With the name of polars' type of each."""
    return {name: "Int64" if name in WHOLE else "String" for name in names}


class Tables:
    """``record`` and ``evidence`` in the order of the log, then ``end``. Raises OSError."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._records = _Parts(folder, "records", RECORD_COLUMNS)
        self._observations = _Parts(folder, "observations", OBSERVATION_COLUMNS)

    def record(self, row: Row, body: Mapping[str, Any]) -> None:
        self._records.add([getattr(row, name) for name in RECORD_COLUMNS])
        self._observe(row.seq, body)  # a log of an earlier version has them in the record itself

    def evidence(self, seq: int, content: Mapping[str, Any]) -> None:
        self._observe(seq, content)

    def end(self) -> None:
        self._records.end()
        self._observations.end()

    def _observe(self, seq: int, content: Mapping[str, Any]) -> None:
        for row in observations(seq, content):
            self._observations.add(row)


def observations(seq: int, content: Mapping[str, Any]) -> Iterator[list[Any]]:
    """The rows that a record's body, or its evidence, makes in the table of observations."""
    found = content.get("observations")
    for one in found if isinstance(found, list) else ():
        if isinstance(one, dict):
            block = one.get("block")
            number = block.get("number") if isinstance(block, dict) else None
            words = [_text(one.get(name)) for name in OBSERVATION_COLUMNS[2:]]
            yield [seq, number if isinstance(number, int) else None, *words]


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


class _Parts:
    def __init__(self, folder: Path, name: str, columns: tuple[str, ...]) -> None:
        self._folder = folder
        self._name = name
        self._columns = columns
        self._rows: list[list[Any]] = []
        self._written = 0

    def add(self, row: list[Any]) -> None:
        self._rows.append(row)
        if len(self._rows) >= RECORDS_PER_TABLE:
            self._write()

    def end(self) -> None:
        if self._rows or not self._written:
            self._write()

    def _write(self) -> None:
        import polars

        self._written += 1
        schema = {name: polars.Int64 if name in WHOLE else polars.String for name in self._columns}
        frame = polars.DataFrame(self._rows, schema=schema, orient="row")
        frame.write_parquet(self._folder / f"{self._name}-{self._written:05}.parquet")
        self._rows = []
