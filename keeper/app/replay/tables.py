"""A file of history as a table: what it is by its first bytes, which form its columns have, and only the columns that are needed."""

from __future__ import annotations

import csv
import gzip
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from keeper.app.replay.columns import visible
from keeper.config.problems import shown
from keeper.domain.errors import Problem

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Form:
    """The columns that a form needs; it may have others."""

    time: str
    names: tuple[str, ...]
    value: str
    others: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.time, *self.names, *self.others, self.value)


TIDY = Form("time", ("source",), "value")
BARS = Form("timestamp_utc", ("venue", "symbol"), "close", ("volume",))
ROUNDS = Form("timestamp_utc", ("venue", "symbol"), "answer", ("round",))
FORMS = (TIDY, ROUNDS, BARS)
HINT = "time,source,value[,volume] or timestamp_utc,venue,symbol,open,high,low,close,volume or timestamp_utc,venue,symbol,round,answer"
PARQUET, GZIP = b"PAR1", b"\x1f\x8b"
LONGEST_FIELD = 2**31 - 1


class Table:
    """One file without its blank lines. Columns are taken one after the other, so that not all of them are in memory at once.

    ``rows`` is where each row stands in the file, counted from 1 with the header; None: one after the other from ``first_row`` on.
    """

    def __init__(self, lazy: pl.LazyFrame, form: Form, *, binary: bool, has_volume: bool) -> None:
        self.form, self.has_volume, self.first_row = form, has_volume, 1 if binary else 2
        self.rows: NDArray[np.uint32] | None = None
        self._lazy, self._columns = lazy, {}
        if not binary:
            frame = self._whole(lazy)
            self._columns = {name: frame[name] for name in frame.columns}

    def take(self, name: str) -> pl.Series:
        """The column. Of a CSV, which is read once, only the first time."""
        if name in self._columns:
            return self._columns.pop(name)
        return self._lazy.select(name).collect(engine="streaming")[name]

    def row(self, index: int) -> int:
        """Where the row at this position stands in the file."""
        return index + self.first_row if self.rows is None else int(self.rows[index])

    def _whole(self, lazy: pl.LazyFrame) -> pl.DataFrame:
        frame = lazy.collect(engine="streaming")
        blank = _all_null(frame)
        if not blank.any():
            return frame
        self.rows = (~blank).arg_true().to_numpy().astype(np.uint32) + np.uint32(self.first_row)
        return frame.filter(~blank)


def open_table(path: Path, problems: list[Problem]) -> Table | None:
    """The columns that are needed, as text (CSV) or as what they are (Parquet). None, with the problem noted, when it cannot be used."""
    told = visible(path)
    if path.is_dir():
        problems.append(Problem(told, None, "", "is a folder", "name the files in it"))
        return None
    try:
        return _open(path, told, problems)
    except parsing_errors() as error:
        problems.append(broken(path, error))
    return None


def parsing_errors() -> tuple[type[Exception], ...]:
    """What reading a file may end in; ``broken`` puts it into words."""
    import polars as pl

    return (OSError, pl.exceptions.PolarsError, ValueError)


def _open(path: Path, told: str, problems: list[Problem]) -> Table | None:
    source: Path | io.BytesIO = path if path.is_file() else io.BytesIO(path.read_bytes())
    import polars as pl  # after a pipe was read: once it is loaded, Ctrl-C does not interrupt that

    with path.open("rb") if isinstance(source, Path) else io.BytesIO(source.getvalue()) as file:
        start = file.read(4)
    if not start:
        problems.append(Problem(told, None, "", "is empty", HINT))
        return None
    binary = start == PARQUET
    lazy = pl.scan_parquet(source, glob=False) if binary else pl.scan_csv(source, infer_schema=False, glob=False)
    schema = lazy.collect_schema()
    form = next((one for one in FORMS if set(one.columns) <= set(schema)), None)
    twice = [name for name in schema if "_duplicated_" in name]
    if form is None or (twice and not binary):
        message = "a column is there twice" if twice else "these columns are not known"
        problems.append(Problem(f"{told} row 1", None, shown(",".join(schema)), message, HINT))
        return None
    has_volume = "volume" in schema
    names = [pl.col(name).cast(pl.String).cast(pl.Categorical) for name in form.names]
    others = [form.time, form.value, *(["volume"] if has_volume else [])]
    return Table(lazy.select(*names, *others), form, binary=binary, has_volume=has_volume)


def _all_null(frame: pl.DataFrame) -> pl.Series:
    import polars as pl

    return frame.select(pl.all_horizontal(pl.all().is_null()).alias("_blank"))["_blank"]


def broken(path: Path, error: Exception) -> Problem:
    """What is wrong with a file that cannot be read; of a CSV the first row that is."""
    told = visible(path)
    if isinstance(error, OSError) and error.strerror:
        return Problem(told, None, "", f"cannot be read: {error.strerror}", "is its name right, and may you read it?")
    reason = shown(str(error).splitlines()[0] if str(error) else type(error).__name__)
    neither = Problem(told, None, "", f"is neither CSV (UTF-8, with commas) nor Parquet: {reason}", HINT)
    if not path.is_file():  # a pipe can be read once
        return neither
    with path.open("rb") as file:
        start = file.read(4)
    if start == PARQUET:
        return Problem(told, None, "", "is a damaged Parquet file: is it whole?", "copy it again")
    try:
        row, what = _first_bad_row(path, packed=start.startswith(GZIP))
    except (OSError, EOFError):
        return Problem(told, None, "", "is a damaged gzip file: is it whole?", "copy it again")
    except (ValueError, csv.Error):
        row, what = 0, ""
    if row:
        return Problem(f"{told} row {row}", None, "", what, "quote a field that holds commas or quotes")
    return neither


def _first_bad_row(path: Path, *, packed: bool) -> tuple[int, str]:
    csv.field_size_limit(LONGEST_FIELD)
    with path.open("rb") as raw, io.TextIOWrapper(gzip.GzipFile(fileobj=raw) if packed else raw, "utf-8") as text:
        width = 0
        for number, row in enumerate(csv.reader(text, strict=True), start=1):
            width = width or len(row)
            if len(row) > width:
                return number, f"has {len(row)} fields where the header has {width}"
    return 0, ""
