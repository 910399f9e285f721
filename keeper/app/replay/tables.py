"""A file of history as a table: what it is by its first bytes, which form its columns have, and only the columns that are needed."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable
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
_OTHERS = {
    b"\xff\xfe": ("is text in UTF-16", "save it as CSV in UTF-8"),
    b"\xfe\xff": ("is text in UTF-16", "save it as CSV in UTF-8"),
    b"PK\x03\x04": ("is a zip archive, or a workbook", "unpack it, or save the sheet as CSV in UTF-8"),
    b"\x28\xb5\x2f\xfd": ("is packed with zstd", "unpack it; gzip is read as it is"),
    b"BZh": ("is packed with bzip2", "unpack it; gzip is read as it is"),
    b"\xfd7zX": ("is packed with xz", "unpack it; gzip is read as it is"),
}
"""How files begin that are often taken for ours: what they are, and the remedy."""
LONGEST_FIELD = 2**31 - 1
_IDLE = "_idle"


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
        frame = lazy.collect(engine="streaming").drop(_IDLE, strict=False)
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
    if problem := _not_ours(start):
        problems.append(Problem(told, None, "", *problem))
        return None
    binary = start == PARQUET
    lazy = pl.scan_parquet(source, glob=False) if binary else pl.scan_csv(source, infer_schema=False, glob=False)
    schema = lazy.collect_schema()
    form = next((one for one in FORMS if set(one.columns) <= set(schema)), None)
    twice = [name for name in schema if "_duplicated_" in name]
    if form is None or (twice and not binary):
        message = "a column is there twice" if twice else f"these columns are not known{_missing(schema)}"
        problems.append(Problem(f"{told} row 1", None, shown(",".join(schema)), message, HINT))
        return None
    has_volume = "volume" in schema
    names = [pl.col(name).cast(pl.String).cast(pl.Categorical) for name in form.names]
    others = [form.time, form.value, *(["volume"] if has_volume else [])]
    idle = [] if binary else [name for name in schema if name not in {*form.names, *others}]
    # of columns that nobody needs it is asked whether they are there: polars counts the fields of a row only where it reads all of them
    asked = [pl.all_horizontal(pl.col(idle).is_null()).alias(_IDLE)] if idle else []
    return Table(lazy.select(*names, *others, *asked), form, binary=binary, has_volume=has_volume)


def _not_ours(start: bytes) -> tuple[str, str] | None:
    """(what is wrong, the remedy) with a file that begins so, where its first bytes say that it is something else."""
    if not start:
        return "is empty", HINT
    return next((told for magic, told in _OTHERS.items() if start.startswith(magic)), None)


def _missing(names: Iterable[str]) -> str:
    """Which columns the form lacks that is meant, where that is plain."""
    there = set(names)
    meant = max(FORMS, key=lambda form: len(there & set(form.columns)))
    lacks = [name for name in meant.columns if name not in there]
    return f": {', '.join(lacks)} not there" if len(lacks) < len(meant.columns) else ""


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
    except UnicodeDecodeError:
        line = _first_line_not_utf8(path, packed=start.startswith(GZIP))
        return Problem(f"{told} line {line}", None, "", "is not UTF-8", "save the file as CSV in UTF-8")
    except (ValueError, csv.Error):
        row, what = 0, ""
    if row:
        return Problem(f"{told} row {row}", None, "", what, "quote a field that holds commas or quotes")
    return neither


def _first_line_not_utf8(path: Path, *, packed: bool) -> int:
    """The first line that is not UTF-8."""
    with path.open("rb") as raw:
        for number, line in enumerate(gzip.GzipFile(fileobj=raw) if packed else raw, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return 0


def _first_bad_row(path: Path, *, packed: bool) -> tuple[int, str]:
    csv.field_size_limit(LONGEST_FIELD)
    with path.open("rb") as raw, io.TextIOWrapper(gzip.GzipFile(fileobj=raw) if packed else raw, "utf-8") as text:
        width = 0
        for number, row in enumerate(csv.reader(text, strict=True), start=1):
            width = width or len(row)
            if len(row) > width:
                return number, f"has {len(row)} fields where the header has {width}"
    return 0, ""
