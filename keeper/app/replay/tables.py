"""A file of history as a table: what it is by its first bytes, which form its columns have, and only the columns that are needed."""

from __future__ import annotations

import csv
import gzip
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

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
PARQUET, GZIP, BOM = b"PAR1", b"\x1f\x8b", "\ufeff"
LONGEST_FIELD = 2**31 - 1


class Table:
    """One file without its blank lines. A column that was taken is let go of.

    ``rows`` is where each row stands in the file, counted from 1 with the header; None: row 1, 2, 3 and so on (``first_row`` first).
    """

    def __init__(self, frame: pl.DataFrame, form: Form, *, binary: bool) -> None:
        self.form, self.has_volume, self.first_row = form, "volume" in frame.columns, 1 if binary else 2
        blank = None if binary else _all_null(frame)
        self.rows: NDArray[np.uint32] | None = None
        if blank is not None and blank.any():
            self.rows = (~blank).arg_true().to_numpy().astype(np.uint32) + np.uint32(self.first_row)
            frame = frame.filter(~blank)
        self._columns = {name: frame[name] for name in frame.columns}

    def take(self, name: str) -> pl.Series:
        """The column, once. KeyError when it is not there any more."""
        return self._columns.pop(name)

    def row(self, index: int) -> int:
        """Where the row at this position stands in the file."""
        return index + self.first_row if self.rows is None else int(self.rows[index])


def open_table(path: Path, problems: list[Problem]) -> Table | None:
    """The columns that are needed, as text (CSV) or as what they are (Parquet). None, with the problem noted, when it cannot be used."""
    import polars as pl

    told = shown(str(path))
    try:
        if path.is_dir():
            problems.append(Problem(told, None, "", "is a folder", "name the files in it"))
            return None
        return _open(path, told, problems)
    except OSError as error:
        problems.append(Problem(told, None, "", f"cannot be read: {error.strerror or 'is it whole?'}"))
    except (pl.exceptions.PolarsError, UnicodeDecodeError, ValueError) as error:
        problems.append(_broken(path, told, error))
    return None


def _open(path: Path, told: str, problems: list[Problem]) -> Table | None:
    import polars as pl

    source: Path | io.BytesIO = path if path.is_file() else io.BytesIO(path.read_bytes())
    with path.open("rb") if isinstance(source, Path) else io.BytesIO(source.getvalue()) as file:
        start = file.read(4)
    if not start:
        problems.append(Problem(told, None, "", "is empty", HINT))
        return None
    binary = start == PARQUET
    if binary:
        lazy = pl.scan_parquet(source, glob=False)
    else:
        lazy = pl.scan_csv(source, infer_schema=False, glob=False)
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
    frame = lazy.select(*names, *others).collect()
    return Table(frame, form, binary=binary)


def _all_null(frame: pl.DataFrame) -> pl.Series:
    import polars as pl

    return frame.select(pl.all_horizontal(pl.all().is_null()).alias("_blank"))["_blank"]


def _broken(path: Path, told: str, error: Exception) -> Problem:
    """What is wrong with a file that cannot be parsed; of a CSV the first row that is."""
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
    reason = shown(str(error).splitlines()[0] if str(error) else type(error).__name__)
    return Problem(told, None, "", f"is neither CSV (UTF-8, with commas) nor Parquet: {reason}", HINT)


def _first_bad_row(path: Path, *, packed: bool) -> tuple[int, str]:
    csv.field_size_limit(min(LONGEST_FIELD, os.stat(path).st_size * 1000 + 1))
    opened = gzip.open(path, "rt", encoding="utf-8", newline="") if packed else path.open(encoding="utf-8", newline="")
    with opened as file:
        width = 0
        for number, row in enumerate(csv.reader(file, strict=True), start=1):
            width = width or len(row)
            if len(row) > width:
                return number, f"has {len(row)} fields where the header has {width}"
    return 0, ""
