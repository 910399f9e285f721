"""Files of history: CSV (plain or gzip) and Parquet, in three forms.

====== ======================================================= =========================================================
form   columns                                                 known
====== ======================================================= =========================================================
tidy   time, source, value [, volume]                          at its time
bars   timestamp_utc, venue, symbol, ..., close, volume        at the END of the bar: its open and the bars' length
rounds timestamp_utc, venue, symbol, round, answer             at its time
====== ======================================================= =========================================================

Times are ISO 8601 (UTC where they say nothing), or in Parquet datetimes. What is no row at all (a time that is none, a text in place of a
number, a row out of order, two rows that contradict each other) is an error that names its row; what is a row without a good value
(empty, not finite, beyond 1e±300) is kept as what it is, and gets a quality as live.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from keeper.domain.errors import ConfigurationError, Problem
from keeper.signals.bank import Floats, Ints

if TYPE_CHECKING:
    import polars as pl

TIDY, BARS, ROUNDS = (
    ("time", "source", "value"),
    ("timestamp_utc", "venue", "symbol", "close", "volume"),
    (
        "timestamp_utc",
        "venue",
        "symbol",
        "round",
        "answer",
    ),
)
SHOWN = 20
"""At most so many bad rows are told of one file."""

Place = tuple[str, str]
"""A venue and a symbol; of a tidy file an empty venue and the name of the source."""


@dataclass(frozen=True, slots=True)
class Series:
    """One source or symbol over time.

    ``known_ms`` ascending; ``values`` NaN where a row had none; ``volumes`` in base units (None: not said; NaN: not said in that row);
    ``bar_ms`` the length of its bars, 0 for what is no bar.
    """

    known_ms: Ints
    values: Floats
    volumes: Floats | None
    bar_ms: int


@dataclass(frozen=True, slots=True)
class Data:
    """``rows`` were read, ``repeated`` of them said what another one had said already."""

    series: dict[Place, Series]
    rows: int
    repeated: int


def read(paths: Sequence[Path], *, sort: bool = False) -> Data:
    """All files, merged by time. Raises ConfigurationError with every bad row (up to SHOWN a file)."""
    problems: list[Problem] = []
    parts: dict[Place, list[_Part]] = {}
    rows = 0
    for path in paths:
        try:
            found = _read_one(path, sort, problems)
        except OSError as error:
            problems.append(Problem(str(path), None, "", f"cannot be read: {error.strerror or error}"))
            continue
        for place, part in found.items():
            parts.setdefault(place, []).append(part)
            rows += len(part.known_ms)
    series: dict[Place, Series] = {}
    repeated = 0
    for place, some in parts.items():
        series[place], twice = _merged(place, some, problems)
        repeated += twice
    if problems:
        raise ConfigurationError(tuple(problems))
    return Data(series, rows, repeated)


@dataclass(frozen=True, slots=True)
class _Part:
    """What one file says about one place; ``row`` counts from 1, a header included."""

    path: Path
    row: Ints
    known_ms: Ints
    values: Floats
    volumes: Floats | None
    bar_ms: int


def _frame(path: Path) -> pl.DataFrame:
    import polars as pl

    if path.suffix == ".parquet":
        return pl.read_parquet(path)
    return pl.read_csv(path, infer_schema=False)


def _read_one(path: Path, sort: bool, problems: list[Problem]) -> dict[Place, _Part]:
    import polars as pl

    try:
        frame = _frame(path)
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        problems.append(Problem(str(path), None, "", f"is neither CSV nor Parquet: {str(error).splitlines()[0]}"))
        return {}
    form = next((one for one in (TIDY, ROUNDS, BARS) if set(one) <= set(frame.columns)), None)
    if form is None:
        hint = " or ".join(",".join(one) for one in (TIDY, BARS, ROUNDS))
        problems.append(Problem(str(path), 1, ",".join(frame.columns)[:200], "these columns are not known", hint))
        return {}
    first_row = 1 if path.suffix == ".parquet" else 2
    checker = _Checker(path, first_row, problems)
    times = checker.times(frame, form[0])
    values = checker.numbers(frame, "value" if form is TIDY else "answer" if form is ROUNDS else "close")
    volumes = checker.numbers(frame, "volume") if "volume" in frame.columns else None
    if checker.bad:
        return {}
    bar_ms = _bar_ms(frame, times) if form is BARS else 0
    found: dict[Place, _Part] = {}
    names = ["source"] if form is TIDY else ["venue", "symbol"]
    for key, rows in frame.with_row_index("_row").group_by(names, maintain_order=True):
        place = ("", str(key[0])) if form is TIDY else (str(key[0]), str(key[1]))
        index = rows["_row"].to_numpy().astype(np.int64)
        if sort:
            index = index[np.argsort(times[index], kind="stable")]
        elif not checker.ascending(place, index, times):
            continue
        own = None if volumes is None else volumes[index]
        found[place] = _Part(path, index + first_row, times[index] + bar_ms, values[index], own, bar_ms)
    return found


class _Checker:
    """Notes the bad rows of one file."""

    def __init__(self, path: Path, first_row: int, problems: list[Problem]) -> None:
        self._path, self._first, self._problems = path, first_row, problems
        self.bad = False
        self._told = 0

    def note(self, index: int, found: object, message: str, hint: str = "") -> None:
        self.bad = True
        self._told += 1
        if self._told <= SHOWN:
            row = index + self._first
            self._problems.append(Problem(f"{self._path} row {row}", None, str(found)[:80], message, hint))
        elif self._told == SHOWN + 1:
            self._problems.append(Problem(str(self._path), None, "", f"more than {SHOWN} rows are bad"))

    def times(self, frame: pl.DataFrame, column: str) -> Ints:
        """Milliseconds since 1970."""
        import polars as pl

        given = frame[column]
        if given.dtype == pl.String:
            utc = given.str.strip_chars().str.to_datetime(time_unit="ms", time_zone="UTC", strict=False)
        elif isinstance(given.dtype, pl.Datetime):
            utc = given.dt.convert_time_zone("UTC") if given.dtype.time_zone else given
            utc = utc.dt.cast_time_unit("ms")
        else:
            self.note(0, given.dtype, f"{column} holds no times", "ISO 8601 in UTC: 2023-03-11T03:10:00Z")
            return np.zeros(len(frame), dtype=np.int64)
        for index in utc.is_null().arg_true():
            self.note(index, given[index], "this is not a time", "ISO 8601 in UTC: 2023-03-11T03:10:00Z")
        return utc.dt.epoch("ms").fill_null(0).to_numpy().astype(np.int64)

    def numbers(self, frame: pl.DataFrame, column: str) -> Floats:
        """Numbers, NaN for nothing and for what is not finite."""
        import polars as pl

        given = frame[column]
        if given.dtype == pl.String:
            text = given.str.strip_chars()
            numbers = text.cast(pl.Float64, strict=False)
            for index in (numbers.is_null() & (text != "")).arg_true():
                self.note(index, given[index], f"{column} is not a number")
        elif given.dtype.is_numeric():
            numbers = given.cast(pl.Float64)
        else:
            self.note(0, given.dtype, f"{column} holds no numbers")
            numbers = given.is_null().cast(pl.Float64)
        found = numbers.fill_null(np.nan).to_numpy().astype(np.float64)
        size = np.abs(found)
        found[~((size < 1e300) & ((size > 1e-300) | (size == 0)))] = np.nan
        return found

    def ascending(self, place: Place, index: Ints, times: Ints) -> bool:
        steps = np.diff(times[index])
        back = np.flatnonzero(steps < 0)
        for one in back.tolist():
            name = place[1] if not place[0] else f"{place[0]}:{place[1]}"
            self.note(
                int(index[one + 1]), name, "this row is older than the one before it", "sort the file, or use --sort"
            )
        return not len(back)


def _bar_ms(frame: pl.DataFrame, times: Ints) -> int:
    """The length of the bars: the commonest step from one to the next of a symbol."""
    import polars as pl

    steps = (
        frame.select("venue", "symbol")
        .with_columns(pl.Series("_ms", times))
        .sort("_ms")
        .select(pl.col("_ms").diff().over("venue", "symbol").alias("_step"))
        .filter(pl.col("_step") > 0)["_step"]
    )
    return int(steps.mode().min()) if len(steps) else 0  # type: ignore[arg-type]


def _merged(place: Place, parts: Sequence[_Part], problems: list[Problem]) -> tuple[Series, int]:
    """All that is said about one place, once; and how many rows only repeated another."""
    known = np.concatenate([part.known_ms for part in parts])
    values = np.concatenate([part.values for part in parts])
    said = any(part.volumes is not None for part in parts)
    volumes = np.concatenate(
        [np.full(len(part.known_ms), np.nan) if part.volumes is None else part.volumes for part in parts]
    )
    if len(parts) > 1:
        order = np.argsort(known, kind="stable")
        known, values, volumes = known[order], values[order], volumes[order]
    else:
        order = np.arange(len(known))
    same = np.flatnonzero(known[1:] == known[:-1]) + 1
    if len(same):
        differs = ~_equal(values[same], values[same - 1]) | ~_equal(volumes[same], volumes[same - 1])
        rows = np.concatenate([part.row for part in parts])[order]
        owner = np.concatenate([np.full(len(part.row), number) for number, part in enumerate(parts)])[order]
        for index in same[differs][:SHOWN].tolist():
            name = place[1] if not place[0] else f"{place[0]}:{place[1]}"
            here, there = (f"{parts[owner[one]].path} row {rows[one]}" for one in (index, index - 1))
            problems.append(Problem(here, None, name, f"says something else about the same time than {there}"))
        keep = np.ones(len(known), dtype=bool)
        keep[same] = False
        known, values, volumes = known[keep], values[keep], volumes[keep]
    bar_ms = max(part.bar_ms for part in parts)
    return Series(known, values, volumes if said else None, bar_ms), len(same)


def _equal(one: Floats, other: Floats) -> NDArray[np.bool_]:
    same: NDArray[np.bool_] = (one == other) | (np.isnan(one) & np.isnan(other))
    return same
