"""Columns of text or of Parquet's types as times and numbers. What is neither is noted with its row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keeper.config.problems import shown
from keeper.domain.errors import Problem
from keeper.signals.bank import Floats, Ints

if TYPE_CHECKING:
    import polars as pl

SHOWN = 20
"""At most so many bad rows are told of one file."""
LATEST_MS = 253_370_764_800_000
"""The year 9999: later is no time of a market. Before 1970 there was none either."""
LARGEST, SMALLEST = 1e301, 1e-300
"""What is as large, or smaller, is no value: as ``keeper.engine.grade`` has it live."""
TIME_HINT = "ISO 8601 in UTC: 2023-03-11T03:10:00Z"


def visible(path: Path) -> str:
    """The whole path on one line, control characters visible."""
    text = str(path)
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


class Checker:
    """Notes the bad rows of one file."""

    def __init__(self, path: Path, row: Callable[[int], int], problems: list[Problem]) -> None:
        """``row`` says where the row at a position stands in the file."""
        self._path, self._row, self._problems = visible(path), row, problems
        self.bad = False
        self._told = 0

    def note(self, index: int, found: object, message: str, hint: str = "") -> None:
        """The row at this position of the columns."""
        self.bad = True
        self._told += 1
        if self._told <= SHOWN:
            told = "" if found is None else shown(str(found))
            self._problems.append(Problem(f"{self._path} row {self._row(index)}", None, told, message, hint))
        elif self._told == SHOWN + 1:
            self._problems.append(Problem(self._path, None, "", f"more than {SHOWN} rows are bad"))

    def note_column(self, name: str, dtype: object, message: str, hint: str = "") -> None:
        """A column that is something else throughout."""
        self.bad = True
        self._problems.append(Problem(f"{self._path} column {name}", None, shown(str(dtype)), message, hint))


def times_of(given: pl.Series, checker: Checker) -> Ints:
    """Milliseconds since 1970, rounded down. Blank lines and bad rows are 0."""
    import polars as pl

    if given.dtype == pl.String:
        return _times_of_text(given, checker)
    if given.dtype == pl.Date:
        utc = given.cast(pl.Datetime("ms"))
    elif isinstance(given.dtype, pl.Datetime):
        utc = given.dt.cast_time_unit("ms")  # of a zone too, the number behind it is UTC
    else:
        checker.note_column(given.name, given.dtype, "holds no times", "datetimes, or text in " + TIME_HINT)
        return np.zeros(len(given), dtype=np.int64)
    at_ms = utc.to_physical()
    fine = at_ms.is_between(0, LATEST_MS, closed="left").fill_null(value=False)
    _note_times(given, (~fine).arg_true().to_list(), checker)
    return at_ms.fill_null(0).to_numpy()


def _times_of_text(given: pl.Series, checker: Checker) -> Ints:
    """Most files write all times alike: those are read at once, and what is left over one by one."""
    import polars as pl

    text = given.str.strip_chars()
    try:
        utc = text.str.to_datetime(time_unit="ms", time_zone="UTC", strict=False)
    except pl.exceptions.ComputeError:  # not even the first one looks like a time
        utc = pl.Series(given.name, [None], dtype=pl.Datetime("ms", "UTC")).new_from_index(0, len(given))
    at_ms = utc.to_physical()
    # a year, and not a day or a month, stands before the first dash: 03/04/2023 is two days
    fine = at_ms.is_between(0, LATEST_MS, closed="left") & (text.str.slice(4, 1) == "-")
    found = at_ms.fill_null(0).to_numpy(writable=True)
    left = (~fine.fill_null(value=False)).arg_true()
    moments = [_moment_ms(one) for one in text.gather(left).to_list()]
    found[left.to_numpy()] = [moment or 0 for moment in moments]
    bad = [index for index, moment in zip(left.to_list(), moments, strict=True) if moment is None]
    _note_times(given, bad, checker)
    return found


def _moment_ms(text: str | None) -> int | None:
    try:
        moment = datetime.fromisoformat((text or "").removesuffix(" UTC"))
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    at_ms = int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)
    return at_ms if 0 <= at_ms < LATEST_MS else None


def _note_times(given: pl.Series, bad: Sequence[int], checker: Checker) -> None:
    for index in bad[: SHOWN + 1]:
        found = given[index]
        checker.note(index, found, "this is not a time" if found else "the time is empty", TIME_HINT)


def numbers_of(given: pl.Series, checker: Checker, *, least: float | None = None) -> Floats:
    """Numbers: NaN for nothing, infinite for what is not finite or of no sensible size. Below ``least`` a row is bad."""
    import polars as pl

    if given.dtype == pl.String:
        numbers = _numbers_of_text(given, checker)
    elif given.dtype.is_numeric() or given.dtype == pl.Boolean:
        said = given.cast(pl.Float64)
        numbers = said.fill_nan(np.inf).fill_null(np.nan).to_numpy(writable=True)
    elif given.dtype == pl.Null:
        numbers = np.full(len(given), np.nan)
    else:
        checker.note_column(given.name, given.dtype, "holds no numbers")
        return np.full(len(given), np.nan)
    with np.errstate(invalid="ignore"):
        absurd = (np.abs(numbers) >= LARGEST) | ((np.abs(numbers) < SMALLEST) & (numbers != 0))
    numbers[absurd] = np.inf
    if least is not None:
        for index in np.flatnonzero(numbers < least)[: SHOWN + 1].tolist():
            checker.note(index, given[index], f"{given.name} is less than {least:g}")
    return numbers


def _numbers_of_text(given: pl.Series, checker: Checker) -> Floats:
    import polars as pl

    text = given.str.strip_chars()
    numbers = text.cast(pl.Float64, strict=False)
    for index in (numbers.is_null() & (text != "")).arg_true().head(SHOWN + 1).to_list():
        checker.note(index, given[index], f"{given.name} is not a number", "leave it empty where there is none")
    found = numbers.fill_nan(np.inf).fill_null(np.nan).to_numpy(writable=True)
    zeros = (numbers == 0).arg_true()
    lost = zeros.filter(text.gather(zeros).str.contains("^[^eE]*[1-9]"))  # 1e-400 has no float but 0
    found[lost.to_numpy()] = np.inf
    return found
