"""Files of history: CSV (plain or gzip) and Parquet, in three forms, merged by time.

====== ======================================================= =========================================================
form   columns                                                 known
====== ======================================================= =========================================================
tidy   time, source, value [, volume]                          at its time
bars   timestamp_utc, venue, symbol, ..., close, volume        at the END of the bar: its open and the bars' length
rounds timestamp_utc, venue, symbol, round, answer             at its time
====== ======================================================= =========================================================

Times are ISO 8601 (UTC where they say nothing), or in Parquet dates and datetimes. What is no row at all (a time that is none, a text in place
of a number, a row out of order, two rows that contradict each other) is an error that names its row; what is a row without a good value
(empty, not finite, beyond 1e±300) is kept as what it is, and gets a quality as live.

Years of minutes fit into memory about once: columns are taken one after the other, and symbols with the same times share them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from keeper.app.replay.columns import SHOWN, Checker, numbers_of, times_of, visible
from keeper.app.replay.tables import BARS, TIDY, Table, broken, open_table, parsing_errors
from keeper.config.problems import shown
from keeper.domain.errors import ConfigurationError, Problem
from keeper.signals.bank import Floats, Ints

if TYPE_CHECKING:
    import polars as pl

Place = tuple[str, str]
"""A venue and a symbol; of a tidy file an empty venue and the name of the source."""

FEW_STEPS = 20
"""With fewer bars than this, a symbol's bars are taken to be as long as the others of its file."""
COMMON = 0.05
"""A step between two bars is no gap when at least so large a share of the steps is like it."""


@dataclass(frozen=True, slots=True)
class Series:
    """One source or symbol over time.

    ``known_ms`` ascending; ``values`` NaN where a row had none, infinite where what it had is no value; ``volumes`` in base units, traded
    in the bar or since the row before (None: not said at all; NaN: not said in that row).
    """

    known_ms: Ints
    values: Floats
    volumes: Floats | None


@dataclass(frozen=True, slots=True)
class Data:
    """``rows`` were read, ``repeated`` of them said what another one had said already."""

    series: dict[Place, Series]
    rows: int
    repeated: int


@dataclass(slots=True)
class _Part:
    """What one file says about one place; ``row`` counts from 1, a header included. ``bar_ms`` None: bars of a length that cannot be told."""

    path: Path
    row: NDArray[np.uint32]
    at_ms: Ints
    values: Floats
    volumes: Floats | None
    bar_ms: int | None = 0


def read(paths: Sequence[Path], *, sort: bool = False) -> Data:
    """All files, merged by time. Raises ConfigurationError with every bad row (up to SHOWN a file)."""
    problems: list[Problem] = []
    parts: dict[Place, list[_Part]] = {}
    rows = 0
    for path in paths:
        for place, part in _read_one(path, sort, problems).items():
            parts.setdefault(place, []).append(part)
            rows += len(part.at_ms)
    series: dict[Place, Series] = {}
    repeated = 0
    for place in list(parts):
        series[place], twice = _merged(place, parts.pop(place), problems)
        repeated += twice
    if problems:
        raise ConfigurationError(tuple(problems), remedy="mend the files named")
    return Data(_sharing(series), rows, repeated)


def name_of(place: Place) -> str:
    """As ``--map`` takes it, on one line."""
    return shown(f"{place[0]}:{place[1]}" if place[0] else place[1])


def _read_one(path: Path, sort: bool, problems: list[Problem]) -> dict[Place, _Part]:
    table = open_table(path, problems)
    if table is None:
        return {}
    checker = Checker(path, table.row, problems)
    try:
        found = _placed(path, table, checker, sort=sort)
        _value(found, table, checker)
    except parsing_errors() as error:
        problems.append(broken(path, error))
        return {}
    for part in found.values():
        part.row = part.row + np.uint32(table.first_row) if table.rows is None else table.rows[part.row]
    return {} if checker.bad else found


def _placed(path: Path, table: Table, checker: Checker, *, sort: bool) -> dict[Place, _Part]:
    """The rows of each place and their times; no values yet."""
    rows_of = _rows_of(table, checker)
    times = times_of(table.take(table.form.time), checker)
    found: dict[Place, _Part] = {}
    seen: list[Ints] = []
    nothing = np.empty(0)
    for place in [] if checker.bad else list(rows_of):
        index = rows_of.pop(place)
        at_ms = times[index]
        if sort:
            order = np.argsort(at_ms, kind="stable")
            index, at_ms = index[order], at_ms[order]
        elif _falls(place, index, at_ms, checker):
            continue
        found[place] = _Part(path, index, _known(at_ms, seen), nothing, None)
    if table.form is BARS:
        _set_bar_lengths(found)
    return found


def _value(parts: dict[Place, _Part], table: Table, checker: Checker) -> None:
    values = numbers_of(table.take(table.form.value), checker)
    for part in parts.values():
        part.values = values[part.row]
    del values
    if not table.has_volume:
        return
    volumes = numbers_of(table.take("volume"), checker, least=0)
    for part in parts.values():
        own = volumes[part.row]
        own[np.isinf(own)] = np.nan
        part.volumes = None if np.isnan(own).all() else own


def _rows_of(table: Table, checker: Checker) -> dict[Place, NDArray[np.uint32]]:
    """The positions of the rows of each place, in the order of the file."""
    import polars as pl

    names = list(table.form.names)
    frame = pl.DataFrame([table.take(name) for name in names]).with_row_index("_row")
    nameless = frame.filter(pl.any_horizontal(pl.col(name).is_null() | (pl.col(name) == "") for name in names))
    for index in nameless["_row"].head(SHOWN + 1).to_list():
        checker.note(index, "", f"{' or '.join(names)} is empty")
    if checker.bad:
        return {}
    found = frame.group_by(names, maintain_order=True).agg("_row")
    keys = found.select(pl.col(name).cast(pl.String) for name in names).rows()
    places = [("", key[0]) if table.form is TIDY else (key[0], key[1]) for key in keys]
    return {place: _owned(rows) for place, rows in zip(places, found["_row"], strict=True)}


def _owned(rows: pl.Series) -> NDArray[np.uint32]:
    index: NDArray[np.uint32] = rows.to_numpy().astype(np.uint32)
    return index


def _falls(place: Place, index: NDArray[np.uint32], at_ms: Ints, checker: Checker) -> bool:
    back = np.flatnonzero(at_ms[1:] < at_ms[:-1])
    for one in back[: SHOWN + 1].tolist():
        message = "this row is older than the one before it"
        checker.note(int(index[one + 1]), name_of(place), message, "sort the file, or use --sort")
    return bool(len(back))


def _set_bar_lengths(parts: dict[Place, _Part]) -> None:
    """How long the bars of each symbol last: its shortest common step, or that of its file where it has few bars."""
    steps = {place: _steps(part.at_ms) for place, part in parts.items()}
    of_file = _shortest_common(steps.values())
    for place, part in parts.items():
        own = steps[place]
        part.bar_ms = of_file if own[1].sum() < FEW_STEPS else _shortest_common([own])


Steps = tuple[Ints, Ints]
"""The lengths of the steps between bars, and how often each occurs."""


def _steps(at_ms: Ints) -> Steps:
    step = np.diff(at_ms)
    lengths, counts = np.unique(step[step > 0], return_counts=True)
    return lengths, counts.astype(np.int64)


def _shortest_common(steps: Iterable[Steps]) -> int | None:
    counts: dict[int, int] = {}
    for lengths, times in steps:
        for length, count in zip(lengths.tolist(), times.tolist(), strict=True):
            counts[length] = counts.get(length, 0) + count
    total = sum(counts.values())
    common = [length for length, count in counts.items() if count >= total * COMMON]
    return min(common or counts, default=None)


def _merged(place: Place, parts: list[_Part], problems: list[Problem]) -> tuple[Series, int]:
    """All that is said about one place, once; and how many rows only repeated another."""
    bar_ms = _bar_ms(place, parts, problems)
    known, values, volumes = _joined(parts)
    order = np.argsort(known, kind="stable") if len(parts) > 1 else None
    if order is not None:
        known, values, volumes = known[order], values[order], None if volumes is None else volumes[order]
    same = np.flatnonzero(known[1:] == known[:-1]) + 1
    if len(same):
        differs = ~_equal(values[same], values[same - 1])
        if volumes is not None:
            differs |= ~_equal(volumes[same], volumes[same - 1])
        _tell(place, same[differs], parts, order, problems)
        keep = np.ones(len(known), dtype=bool)
        keep[same] = False
        known, values, volumes = known[keep], values[keep], None if volumes is None else volumes[keep]
    return Series(known + bar_ms if bar_ms else known, values, volumes), len(same)


def _bar_ms(place: Place, parts: Sequence[_Part], problems: list[Problem]) -> int:
    lengths = sorted({part.bar_ms for part in parts if part.bar_ms is not None})
    if not lengths:
        hint = "name a file with more bars, or write it as time,source,value with the END of the bar as time"
        message = "how long its bars last cannot be told from one bar"
        problems.append(Problem(visible(parts[0].path), None, name_of(place), message, hint))
    elif len(lengths) > 1:
        told = ", ".join(f"{_seconds(part.bar_ms)} in {shown(part.path.name)}" for part in parts)
        message = f"its rows last differently: {told}"
        problems.append(Problem(visible(parts[-1].path), None, name_of(place), message, "replay them one by one"))
    return lengths[0] if lengths else 0


def _seconds(length_ms: int | None) -> str:
    return "no time" if not length_ms else f"{length_ms / 1000:g} s"


def _joined(parts: Sequence[_Part]) -> tuple[Ints, Floats, Floats | None]:
    if len(parts) == 1:
        return parts[0].at_ms, parts[0].values, parts[0].volumes
    volumes = None
    if any(part.volumes is not None for part in parts):
        volumes = np.concatenate(
            [np.full(len(part.at_ms), np.nan) if part.volumes is None else part.volumes for part in parts]
        )
    return np.concatenate([part.at_ms for part in parts]), np.concatenate([part.values for part in parts]), volumes


def _tell(place: Place, places: Ints, parts: Sequence[_Part], order: Ints | None, problems: list[Problem]) -> None:
    """Two rows about one time that contradict each other."""
    if not len(places):
        return
    rows = np.concatenate([part.row for part in parts])
    owner = np.repeat(np.arange(len(parts)), [len(part.row) for part in parts])
    if order is not None:
        rows, owner = rows[order], owner[order]
    for index in places[:SHOWN].tolist():
        here, there = (f"{visible(parts[owner[one]].path)} row {rows[one]}" for one in (index, index - 1))
        message = f"says something else about the same time than {there}"
        problems.append(Problem(here, None, name_of(place), message, "keep the one that is right"))
    if len(places) > SHOWN:
        message = f"{len(places) - SHOWN} more rows contradict each other"
        problems.append(Problem(visible(parts[0].path), None, name_of(place), message))


def _equal(one: Floats, other: Floats) -> NDArray[np.bool_]:
    same: NDArray[np.bool_] = (one == other) | (np.isnan(one) & np.isnan(other))
    return same


def _sharing(series: dict[Place, Series]) -> dict[Place, Series]:
    """The same, where equal times are one array."""
    seen: list[Ints] = []
    return {place: Series(_known(one.known_ms, seen), one.values, one.volumes) for place, one in series.items()}


def _known(times: Ints, seen: list[Ints]) -> Ints:
    for one in seen:
        if np.array_equal(one, times):
            return one
    seen.append(times)
    return times
