"""Files of history: each form and each way to write it, what is refused and with which row."""

from __future__ import annotations

import gzip
import math
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from keeper.app.replay import files
from keeper.app.replay.columns import SHOWN
from keeper.app.replay.files import Data, read
from keeper.domain.errors import ConfigurationError, Problem

pytestmark = pytest.mark.unit

T0 = datetime(2023, 3, 11, 3, 10, tzinfo=UTC)
T0_MS = int(T0.timestamp() * 1000)
MINUTE_MS = 60_000
TIDY = "time,source,value\n2023-03-11T03:10:00Z,spot,1.5\n2023-03-11T03:11:00Z,spot,1.25\n"
BARS = (
    "timestamp_utc,venue,symbol,open,high,low,close,volume\n"
    "2023-03-11T03:10:00Z,kraken,USDCUSD,9,9,9,0.99,100\n"
    "2023-03-11T03:11:00Z,kraken,USDCUSD,9,9,9,0.98,\n"
)
ROUNDS = (
    "timestamp_utc,venue,symbol,round,answer\n"
    "2023-03-11T03:10:00Z,chainlink,USDC/USD,36893488147419103232,0.99\n"
    "2023-03-11T03:17:13Z,chainlink,USDC/USD,36893488147419103233,0.98\n"
)
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: str | bytes, name: str = "data.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def wrong(*paths: Path, sort: bool = False) -> tuple[Problem, ...]:
    with pytest.raises(ConfigurationError) as caught:
        read(paths, sort=sort)
    return caught.value.problems


def only(data: Data) -> files.Series:
    assert len(data.series) == 1
    return next(iter(data.series.values()))


def same(one: Data, other: Data) -> bool:
    return one.series.keys() == other.series.keys() and all(
        np.array_equal(a, b, equal_nan=True)
        for place, series in one.series.items()
        for a, b in (
            (series.known_ms, other.series[place].known_ms),
            (series.values, other.series[place].values),
        )
    )


# -- forms --------------------------------------------------------------------------------------------------------------------


def test_tidy__its_time__is_when_it_is_known(write: Write) -> None:
    data = read([write(TIDY)])
    series = data.series["", "spot"]
    assert series.known_ms.tolist() == [T0_MS, T0_MS + MINUTE_MS]
    assert series.values.tolist() == [1.5, 1.25]
    assert series.volumes is None
    assert (data.rows, data.repeated) == (2, 0)


def test_bars__end_of_the_bar__is_when_it_is_known(write: Write) -> None:
    series = read([write(BARS)]).series["kraken", "USDCUSD"]
    assert series.known_ms.tolist() == [T0_MS + MINUTE_MS, T0_MS + 2 * MINUTE_MS]
    assert series.values.tolist() == [0.99, 0.98]
    assert series.volumes is not None
    assert series.volumes[0] == 100
    assert math.isnan(series.volumes[1])


def test_rounds__its_time__is_when_it_is_known(write: Write) -> None:
    series = read([write(ROUNDS)]).series["chainlink", "USDC/USD"]
    assert series.known_ms.tolist() == [T0_MS, T0_MS + 433_000]


@pytest.mark.parametrize("text", [TIDY, BARS, ROUNDS], ids=["tidy", "bars", "rounds"])
@pytest.mark.parametrize("way", ["gzip", "gzip without a name", "bom", "crlf", "quoted", "blank lines", "parquet"])
def test_ways_to_write_it__each__says_the_same(write: Write, text: str, way: str) -> None:
    plain = read([write(text, "plain.csv")])
    quoted = "\n".join(",".join(f'"{field}"' for field in line.split(",")) for line in text.split("\n") if line) + "\n"
    content: dict[str, tuple[str | bytes, str]] = {
        "gzip": (gzip.compress(text.encode()), "data.csv.gz"),
        "gzip without a name": (gzip.compress(text.encode()), "data"),
        "bom": ("\ufeff" + text, "data.csv"),
        "crlf": (text.replace("\n", "\r\n"), "data.csv"),
        "quoted": (quoted, "data.csv"),
        "blank lines": (text.replace("\n", "\n\n") + "\n\n", "data.csv"),
    }
    if way == "parquet":
        path = write(b"", "data.bin")
        pl.read_csv(write(text), infer_schema_length=None, schema_overrides={"round": pl.String}).write_parquet(path)
    else:
        path = write(*content[way])
    assert same(read([path]), plain)


def test_parquet__named_csv__is_read_as_what_it_is(write: Write, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    pl.DataFrame({"time": [T0], "source": ["spot"], "value": [1.5]}).write_parquet(path)
    assert only(read([path])).values.tolist() == [1.5]


def test_csv__named_parquet__is_read_as_what_it_is(write: Write) -> None:
    assert only(read([write(TIDY, "data.parquet")])).values.tolist() == [1.5, 1.25]


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York", "+05:45"])
def test_parquet__datetimes_of_each_unit_and_zone__are_the_moment(tmp_path: Path, unit: str, zone: str | None) -> None:
    times = pl.Series("time", [T0.replace(tzinfo=None)]).cast(pl.Datetime(unit)).dt.replace_time_zone("UTC")  # type: ignore[arg-type]
    times = times.dt.replace_time_zone(None) if zone is None else _in_zone(times, zone)
    path = tmp_path / "data.parquet"
    pl.DataFrame({"time": times, "source": ["spot"], "value": [1.5]}).write_parquet(path)
    assert only(read([path])).known_ms.tolist() == [T0_MS]


def _in_zone(times: pl.Series, zone: str) -> pl.Series:
    return times.dt.convert_time_zone("Asia/Kathmandu" if zone == "+05:45" else zone)


def test_parquet__dates__are_midnight(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    pl.DataFrame({"time": [date(2023, 3, 11)], "source": ["spot"], "value": [1.5]}).write_parquet(path)
    assert only(read([path])).known_ms.tolist() == [T0_MS - 190 * MINUTE_MS]


@pytest.mark.parametrize(
    "values",
    [
        pl.Series([1.5, None], dtype=pl.Float32),
        pl.Series([Decimal("1.5"), None], dtype=pl.Decimal(10, 2)),
        pl.Series(["1.5", None]),
    ],
    ids=["float32", "decimal", "text"],
)
def test_parquet__numbers_of_each_type__are_read(tmp_path: Path, values: pl.Series) -> None:
    path = tmp_path / "data.parquet"
    pl.DataFrame({"time": [T0, T0 + timedelta(seconds=1)], "source": ["a", "a"], "value": values}).write_parquet(path)
    found = only(read([path])).values
    assert found[0] == 1.5
    assert math.isnan(found[1])


@pytest.mark.parametrize(
    ("column", "series"),
    [("time", pl.Series([1.5])), ("time", pl.Series([1_678_500_000])), ("value", pl.Series([[1.5]]))],
)
def test_parquet__column_of_another_type__is_named(tmp_path: Path, column: str, series: pl.Series) -> None:
    columns = {"time": pl.Series([T0]), "source": pl.Series(["a"]), "value": pl.Series([1.5])} | {column: series}
    path = tmp_path / "data.parquet"
    pl.DataFrame(columns).write_parquet(path)
    problem = wrong(path)[0]
    assert problem.path.endswith(f"column {column}")
    assert "holds no" in problem.message


def test_parquet__bad_row__counts_from_one(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    pl.DataFrame({"time": [T0, None], "source": ["a", "a"], "value": [1.0, 2.0]}).write_parquet(path)
    assert wrong(path)[0].path.endswith("row 2")


# -- times --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "2023-03-11T03:10:00Z",
        "2023-03-11T03:10:00.000Z",
        "2023-03-11T03:10:00.000000001Z",
        "2023-03-11 03:10:00",
        "2023-03-11T03:10",
        "2023-03-11T05:10:00+02:00",
        "2023-03-11 03:10:00 UTC",
        "20230311T031000Z",
        " 2023-03-11T03:10:00Z ",
    ],
)
@pytest.mark.parametrize("first", ["", "2023-03-11T01:00:00Z,spot,1\n", "2023-03-11 01:00:00,spot,1\n"])
def test_time__as_iso_8601__is_read_whatever_the_first_row_looks_like(write: Write, text: str, first: str) -> None:
    series = only(read([write(f"time,source,value\n{first}{text},spot,2\n")]))
    assert series.known_ms[-1] == T0_MS


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "1678504200",
        "03/04/2023 10:00",
        "11.03.2023 03:10:00",
        "2023-02-30T00:00:00Z",
        "2023-03-11T25:00:00Z",
        "1969-12-31T23:59:59Z",
        "9999-06-01T00:00:00Z",
        "99999-01-01T00:00:00Z",
        "",
        "nan",
        "-1",
    ],
)
@pytest.mark.parametrize("first", ["", "2023-03-11T01:00:00Z,spot,1\n"])
def test_time__that_is_none__is_an_error_with_its_row(write: Write, text: str, first: str) -> None:
    problem = wrong(write(f"time,source,value\n{first}{text},spot,2\n"))[0]
    assert problem.path.endswith("row 3" if first else "row 2")
    assert "time" in problem.message
    assert "2023-03-11T03:10:00Z" in problem.hint


def test_time__after_blank_lines__row_is_that_of_the_file(write: Write) -> None:
    path = write("time,source,value\n\n\n2023-03-11T03:10:00Z,a,1\n\nsoon,a,2\n")
    assert [problem.path.rpartition(" row ")[2] for problem in wrong(path)] == ["6"]


# -- numbers ------------------------------------------------------------------------------------------------------------------


def value_of(write: Write, text: str) -> float:
    return float(only(read([write(f"time,source,value\n2023-03-11T03:10:00Z,spot,{text}\n")])).values[0])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.5", 1.5),
        ("+1.5", 1.5),
        ("-3", -3.0),
        ("1e300", 1e300),
        ("1e-300", 1e-300),
        ("0", 0.0),
        ("0e5", 0.0),
        (" 7 ", 7),
    ],
)
def test_value__number__is_kept(write: Write, text: str, value: float) -> None:
    assert value_of(write, text) == value


@pytest.mark.parametrize("text", ["1e400", "-1e400", "1e301", "1e-301", "1e-400", "-1E-400", "nan", "inf", "-Infinity"])
def test_value__absurd__is_kept_as_no_value(write: Write, text: str) -> None:
    assert math.isinf(value_of(write, text))


@pytest.mark.parametrize("text", ["", '""', "  "])
def test_value__missing__is_kept_as_nothing(write: Write, text: str) -> None:
    assert math.isnan(value_of(write, text))


@pytest.mark.parametrize("text", ["one", "1_000", '"1,000"', "0x10", "1.5.2", "$5", "N/A", "∞"])
def test_value__text__is_an_error_with_its_row(write: Write, text: str) -> None:
    problem = wrong(write(f"time,source,value\n2023-03-11T03:10:00Z,spot,{text}\n"))[0]
    assert (problem.path.rpartition(" row ")[2], problem.message) == ("2", "value is not a number")
    assert problem.found == text.strip('"')


def test_volume__negative__is_an_error_with_its_row(write: Write) -> None:
    problem = wrong(write(BARS.replace(",100\n", ",-100\n")))[0]
    assert (problem.path.rpartition(" row ")[2], problem.message) == ("2", "volume is less than 0")


@pytest.mark.parametrize("volume", ["", "nan", "1e400"])
def test_volume__none_in_any_row__is_not_known(write: Write, volume: str) -> None:
    assert only(read([write(BARS.replace(",100\n", f",{volume}\n"))])).volumes is None


# -- rows -------------------------------------------------------------------------------------------------------------------


SHUFFLED = (
    "time,source,value\n2023-03-11T03:12:00Z,a,3\n2023-03-11T03:10:00Z,a,1\n"
    "2023-03-11T03:09:00Z,b,9\n2023-03-11T03:11:00Z,a,2\n"
)


def test_rows__out_of_order__are_errors_with_their_rows(write: Write) -> None:
    problems = wrong(write(SHUFFLED))
    assert [problem.path.rpartition(" row ")[2] for problem in problems] == ["3"]
    assert "--sort" in problems[0].hint


def test_rows__out_of_order_with_sort__are_sorted(write: Write) -> None:
    data = read([write(SHUFFLED)], sort=True)
    assert data.series["", "a"].values.tolist() == [1, 2, 3]


def test_rows__of_two_sources_interleaved__need_order_only_among_themselves(write: Write) -> None:
    text = "time,source,value\n2023-03-11T03:12:00Z,a,3\n2023-03-11T03:10:00Z,b,1\n"
    assert set(read([write(text)]).series) == {("", "a"), ("", "b")}


def test_rows__too_many_bad_ones__are_told_in_short(write: Write) -> None:
    path = write("time,source,value\n" + "never,a,1\n" * 1000)
    problems = wrong(path)
    assert len(problems) == SHOWN + 1
    assert problems[-1].message == f"more than {SHOWN} rows are bad"


@pytest.mark.parametrize("line", ["2023-03-11T03:10:00Z,,1", '2023-03-11T03:10:00Z,"",1'])
def test_rows__without_a_source__are_errors(write: Write, line: str) -> None:
    problem = wrong(write(f"time,source,value\n{line}\n"))[0]
    assert (problem.path.rpartition(" row ")[2], problem.message) == ("2", "source is empty")


def test_rows__that_say_it_twice__count_once(write: Write) -> None:
    data = read([write(TIDY + "2023-03-11T03:11:00Z,spot,1.25\n")])
    assert (data.rows, data.repeated, len(only(data).values)) == (3, 1, 2)


def test_rows__that_contradict_each_other__are_an_error_with_both_rows(write: Write) -> None:
    problem = wrong(write(TIDY + "2023-03-11T03:11:00Z,spot,1.26\n"))[0]
    assert problem.path.endswith("row 4")
    assert problem.message.endswith("data.csv row 3")


@pytest.mark.parametrize("value", ["", "nan"])
def test_rows__of_which_one_has_no_value__contradict_each_other(write: Write, value: str) -> None:
    assert "something else" in wrong(write(TIDY + f"2023-03-11T03:11:00Z,spot,{value}\n"))[0].message


def test_files__that_overlap__are_merged(write: Write) -> None:
    one, two = write(TIDY, "one.csv"), write(TIDY.replace("03:10:00", "03:12:00").replace("1.5", "7"), "two.csv")
    for paths in ([one, two], [two, one]):
        if paths[0] == one:
            write("time,source,value\n2023-03-11T03:11:00Z,spot,1.25\n2023-03-11T03:12:00Z,spot,7\n", "two.csv")
        data = read(paths)
        assert only(data).values.tolist() == [1.5, 1.25, 7]
        assert (data.rows, data.repeated) == (4, 1)


def test_files__that_contradict_each_other__are_an_error_with_both(write: Write) -> None:
    one, two = write(TIDY, "one.csv"), write(TIDY.replace("1.25", "1.26"), "two.csv")
    problem = wrong(one, two)[0]
    assert problem.path.endswith("two.csv row 3")
    assert problem.message.endswith("one.csv row 3")


def test_files__of_two_forms__go_together(write: Write) -> None:
    data = read([write(TIDY, "a.csv"), write(BARS, "b.csv"), write(ROUNDS, "c.csv")])
    assert set(data.series) == {("", "spot"), ("kraken", "USDCUSD"), ("chainlink", "USDC/USD")}


def test_files__several_bad_ones__are_all_told(write: Write, tmp_path: Path) -> None:
    problems = wrong(write("a,b\n1,2\n", "one.csv"), tmp_path / "two.csv", write("", "three.csv"))
    assert len(problems) == 3


# -- length of bars -----------------------------------------------------------------------------------------------------------


def bars(symbol: str, minutes: Sequence[int], close: str = "1") -> list[str]:
    return [f"{(T0 + timedelta(minutes=m)).isoformat()},venue,{symbol},0,0,0,{close},5" for m in minutes]


def bar_file(*lines: Sequence[str]) -> str:
    head = "timestamp_utc,venue,symbol,open,high,low,close,volume"
    return "\n".join([head, *(line for some in lines for line in some)]) + "\n"


def test_bars__with_gaps__last_as_long_as_their_shortest_common_step(write: Write) -> None:
    """Two of three minutes are missing, and still it is a bar of one minute."""
    series = only(read([write(bar_file(bars("X", [0, 1, *range(4, 200, 3), 200, 201, 202, 203, 204])))]))
    assert series.known_ms[0] == T0_MS + MINUTE_MS


def test_bars__one_stray_row__does_not_shorten_them(write: Write) -> None:
    lines = bars("X", range(0, 500, 5))
    lines.insert(1, f"{(T0 + timedelta(seconds=1)).isoformat()},venue,X,0,0,0,1,5")
    assert only(read([write(bar_file(lines))])).known_ms[0] == T0_MS + 5 * MINUTE_MS


def test_bars__of_two_lengths_in_one_file__each_is_known_at_its_own_end(write: Write) -> None:
    """Taking the length of the other would look into the future."""
    data = read([write(bar_file(bars("ONE", range(100)), bars("FIVE", range(0, 500, 5))))])
    assert data.series["venue", "ONE"].known_ms[0] == T0_MS + MINUTE_MS
    assert data.series["venue", "FIVE"].known_ms[0] == T0_MS + 5 * MINUTE_MS


def test_bars__few_of_one_symbol__last_as_long_as_the_others(write: Write) -> None:
    data = read([write(bar_file(bars("BUSY", range(100)), bars("RARE", [3, 40])))])
    assert data.series["venue", "RARE"].known_ms[0] == T0_MS + 4 * MINUTE_MS


def test_bars__a_single_one__is_an_error(write: Write) -> None:
    problem = wrong(write(bar_file(bars("X", [0]))))[0]
    assert problem.message == "how long its bars last cannot be told from one bar"


def test_bars__a_single_one_beside_another_file__lasts_as_long(write: Write) -> None:
    series = only(read([write(bar_file(bars("X", range(30))), "a.csv"), write(bar_file(bars("X", [30])), "b.csv")]))
    assert series.known_ms[-1] == T0_MS + 31 * MINUTE_MS


def test_bars__of_two_lengths_of_one_symbol__is_an_error(write: Write) -> None:
    one, five = (
        write(bar_file(bars("X", range(100))), "one.csv"),
        write(bar_file(bars("X", range(0, 500, 5))), "five.csv"),
    )
    problem = wrong(one, five)[0]
    assert "60 s in one.csv, 300 s in five.csv" in problem.message


# -- files ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n\n", "neither CSV"),
        (b"time;source;value\n", "these columns are not known"),
        (b"Time,Source,Value\n", "these columns are not known"),
        (b"timestamp_utc,venue,symbol,open,high,low,cloze,volume\n", "these columns are not known: close not there"),
        (b"time,source,price\n", "these columns are not known: value not there"),
        ("time,source,value\n".encode("utf-16"), "is text in UTF-16"),
        (b"PK\x03\x04 a workbook", "is a zip archive, or a workbook"),
        (b"\x28\xb5\x2f\xfd", "is packed with zstd"),
        (b"<html>not found</html>\n", "these columns are not known"),
        (b"time,source,value,value\n2023-03-11T03:10:00Z,a,1,2\n", "a column is there twice"),
        (b"time,source,value\n2023-03-11T03:10:00Z,a,1\n2023-03-11T03:10:00Z,a,1,2\n", "has 4 fields"),
        (b'time,source,value\n2023-03-11T03:10:00Z,"a,1\n', "neither CSV"),
        (b"time,source,value\n2023-03-11T03:10:00Z,\xff,1\n", "is not UTF-8"),
        (b"\x00\x01\x02\x03" * 100, "not known"),
        (b"PAR1 and nothing more", "damaged Parquet"),
        (gzip.compress(b"time,source,value\n" + b"2023-03-11T03:10:00Z,a,1\n" * 5000)[:-200], "damaged gzip"),
        (b"\x1f\x8b not gzip", "damaged gzip"),
    ],
)
def test_file__that_is_none__says_what_is_wrong(write: Write, content: bytes, message: str) -> None:
    assert message in wrong(write(content))[0].message


def test_file__row_with_too_many_fields__is_named(write: Write) -> None:
    assert wrong(write(TIDY + "2023-03-11T03:12:00Z,spot,1,5,x\n"))[0].path.endswith("row 4")


@pytest.mark.parametrize(
    ("header", "good", "bad"),
    [
        ("timestamp_utc,venue,symbol,round,answer", "cl,ETH/USD,2,1", "cl,ETH/USD,2,1,500"),
        ("timestamp_utc,venue,symbol,open,high,low,close,volume", "k,ETHUSD,1,1,1,1,9", "k,ETHUSD,1,5,1,5,1,5,1,5,9"),
        ("timestamp_utc,venue,symbol,open,high,low,close,volume", "k,ETHUSD,1,1,1,1,9", "k,ETHUSD,1,1,1,1,9,7"),
        ("time,source,value,note", "spot,1,n", "spot,1,5,n"),
    ],
)
def test_file__fields_beyond_those_that_are_needed__are_counted_too(
    write: Write, header: str, good: str, bad: str
) -> None:
    """A thousands separator that is not quoted would else be read as the price before it."""
    rows = [f"2023-03-11T03:0{minute}:00Z,{row}" for minute, row in enumerate((good, good, bad))]
    (problem,) = wrong(write("\n".join((header, *rows)) + "\n"))
    assert problem.path.endswith("row 4")
    assert "fields where the header has" in problem.message


def test_file__in_another_encoding__is_named_with_its_line(write: Write) -> None:
    (problem,) = wrong(write(TIDY.encode() + "2023-03-11T03:12:00Z,Zürich,1\n".encode("latin-1")))
    assert problem.path.endswith("line 4")
    assert "UTF-8" in problem.hint


@pytest.mark.parametrize("packed", [False, True])
def test_file__header_only__has_nothing(write: Write, packed: bool) -> None:
    text = b"time,source,value\n"
    data = read([write(gzip.compress(text) if packed else text)])
    assert (data.rows, data.series) == (0, {})


def test_file__folder__says_so(tmp_path: Path) -> None:
    assert wrong(tmp_path)[0].message == "is a folder"


def test_file__not_there__says_so(tmp_path: Path) -> None:
    assert wrong(tmp_path / "none.csv")[0].message == "cannot be read: No such file or directory"


def test_file__name_with_a_star__is_that_file_and_no_other(write: Write, tmp_path: Path) -> None:
    write(TIDY, "a.csv")
    assert "cannot be read" in wrong(tmp_path / "*.csv")[0].message
    assert only(read([write(TIDY, "[a].csv")])).values.tolist() == [1.5, 1.25]


HOSTILE = [
    "<script>alert(1)</script>",
    "\x1b[2J\x07",
    "a\x00b",
    "\u202eevil",
    "'; DROP TABLE x; --",
    "x" * 10_000,
    "$" + "{HOME}",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_names__hostile__are_names_and_are_told_in_one_printable_line(write: Write, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    text = f"time,source,value\n2023-03-11T03:10:00Z,{quoted},1\n2023-03-11T03:09:00Z,{quoted},1\n"
    problem = wrong(write(text))[0]
    assert problem.found.isprintable()
    assert len(problem.found) < 100
    assert ("", name) in read([write(text)], sort=True).series


# -- size -------------------------------------------------------------------------------------------------------------------


def test_a_million_rows__of_many_symbols__are_read_and_share_their_times(tmp_path: Path) -> None:
    symbols, minutes = 100, 10_000
    times = pl.Series([T0]).dt.offset_by("0s").to_physical().cast(pl.Int64)[0] // 1000
    at = pl.Series(np.repeat(times + MINUTE_MS * np.arange(minutes), symbols)).cast(pl.Datetime("ms", "UTC"))
    names = pl.Series([f"s{number}" for number in range(symbols)]).gather(np.tile(np.arange(symbols), minutes))
    frame = pl.DataFrame({"time": at, "source": names, "value": np.arange(symbols * minutes, dtype=np.float64)})
    frame.write_parquet(tmp_path / "data.parquet")
    frame.write_csv(tmp_path / "data.csv", datetime_format="%Y-%m-%dT%H:%M:%SZ")
    data = read([tmp_path / "data.parquet"])
    assert data.rows == symbols * minutes
    assert len({id(series.known_ms) for series in data.series.values()}) == 1
    assert data.series["", "s7"].values.tolist() == list(range(7, symbols * minutes, symbols))
    assert same(read([tmp_path / "data.csv"]), data)
