"""``keeper replay`` as a user types it: the document, the text, the page, the exit codes, and what is typed wrong."""

from __future__ import annotations

import gzip
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.keeper_process import KEEPER, Done, environment, in_process, keeper

pytestmark = pytest.mark.e2e

T0 = datetime(2023, 3, 11, 3, 0, tzinfo=UTC)
HEAD = """
keeper: {name: t, mode: shadow}
chain: {id: 1, endpoints: [{url: "ws://127.0.0.1:1", role: primary}], confirmations: 2}
sources:
  oracle: {kind: http, url: "http://127.0.0.1:1/a", value: a, unit: price, every: 1s, timeout: 1s, max_age: 1h}
  spot: {kind: http, url: "http://127.0.0.1:1/b", value: a, unit: price, every: 1s, timeout: 1s, max_age: 5m}
actions: {}
markets:
"""
MARKET = """
  NAME:
    signals: {gap: {kind: divergence, of: oracle, against: spot}}
    rules: {wide: {when: {signal: gap, above: LEVEL, for: 1 blocks}, clear: {below: 1%, for: 1 blocks}, severity: info, actions: []}}
"""
LABELS = """
incidents:
  - {name: the dip, market: A, onset: "2023-03-11T03:18:00Z", end: "2023-03-11T03:40:00Z"}
  - {name: nothing, market: B, onset: "2023-03-11T03:18:00Z", end: "2023-03-11T03:40:00Z"}
  - {name: long ago, market: A, onset: 2020-03-12, end: 2020-03-13}
"""


def market(name: str, level: str = "2%") -> str:
    return MARKET.replace("NAME", name).replace("LEVEL", level)


def at(minute: float) -> str:
    return (T0 + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%SZ")


def spot(minute: int) -> int:
    """Down for ten minutes, and for two once more."""
    return 97 if 20 <= minute < 30 or 50 <= minute < 52 else 100


TIDY = "time,source,value\n" + "".join(f"{at(m)},oracle,100\n{at(m)},spot,{spot(m)}\n" for m in range(60))
BARS = "timestamp_utc,venue,symbol,open,high,low,close,volume\n" + "".join(
    f"{at(m)},{venue},X/USD,1,1,1,{price},7\n" for m in range(60) for venue, price in (("one", 100), ("two", spot(m)))
)


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    write("k.yaml", HEAD + market("A") + market("B", "50%"))
    write("tidy.csv", TIDY)
    write("bars.csv.gz", gzip.compress(BARS.encode()))
    write("labels.yaml", LABELS)
    return write


Put = Callable[[str, str | bytes], Path]


def replayed(folder: Path, *args: str | Path, config: str = "k.yaml") -> dict[str, Any]:
    done = in_process("--json", "replay", folder / config, *args)
    assert done.code == 0, done.err
    assert done.err == ""
    document: dict[str, Any] = json.loads(done.out)
    return document


def wrong(*args: str | Path) -> list[dict[str, Any]]:
    done = in_process("--json", "replay", *args)
    assert done.code == 2, done.out
    document = json.loads(done.out)
    assert document["ok"] is False
    errors: list[dict[str, Any]] = document["errors"]
    return errors


# -- the document -------------------------------------------------------------------------------------------------------------


def test_replay__document__is_the_one_of_the_interface(put: Put, tmp_path: Path) -> None:
    found = replayed(tmp_path, tmp_path / "tidy.csv", "--labels", tmp_path / "labels.yaml")
    assert found.pop("seconds") > 0
    assert found.pop("ticks_per_second") > 0
    rate = found["scorecard"].pop("false_trips_per_market_year")
    assert rate.keys() == {"value", "low", "high", "confidence"}
    assert rate["low"] < rate["value"] < rate["high"]
    trip = {"rule": "wide", "signal": "gap", "observed": "0.030927835051546393", "threshold": "0.02"}
    assert found == {
        "rows": 120,
        "repeated_rows": 0,
        "from": "2023-03-11T03:00:00.000Z",
        "to": "2023-03-11T03:59:00.000Z",
        "ticks": 60,
        "sources_without_data": [],
        "sources_short_of_venues": {},
        "sources_that_look_unscaled": [],
        "bad_values": {},
        "longest_gap": {"from": "2023-03-11T03:00:00.000Z", "to": "2023-03-11T03:01:00.000Z"},
        "series_not_used": [],
        "markets": {
            "A": {
                "trips": [
                    trip | {"at": "2023-03-11T03:20:00.000Z", "cleared_at": "2023-03-11T03:30:00.000Z"},
                    trip | {"at": "2023-03-11T03:50:00.000Z", "cleared_at": "2023-03-11T03:52:00.000Z"},
                ],
                "held": {},
                "never_judged": [],
            },
            "B": {"trips": [], "held": {}, "never_judged": []},
        },
        "scorecard": {
            "incidents": [
                {
                    "name": "the dip",
                    "market": "A",
                    "onset": "2023-03-11T03:18:00.000Z",
                    "tripped_at": "2023-03-11T03:20:00.000Z",
                    "delay_s": 120.0,
                    "detected": True,
                    "covered": True,
                    "rule": "wide",
                },
                {
                    "name": "nothing",
                    "market": "B",
                    "onset": "2023-03-11T03:18:00.000Z",
                    "tripped_at": None,
                    "delay_s": None,
                    "detected": False,
                    "covered": True,
                    "rule": None,
                },
                {
                    "name": "long ago",
                    "market": "A",
                    "onset": "2020-03-12T00:00:00.000Z",
                    "tripped_at": None,
                    "delay_s": None,
                    "detected": False,
                    "covered": False,
                    "rule": None,
                },
            ],
            "detected": 1,
            "of": 3,
            "false_trips": 1,
            "market_days": round((2 * 59 - 2 * 22) / 1440, 4),
        },
    }


def test_replay__without_labels__has_no_scorecard(put: Put, tmp_path: Path) -> None:
    assert replayed(tmp_path, tmp_path / "tidy.csv")["scorecard"] is None


def test_replay__no_time_outside_incidents__has_no_rate(put: Put, tmp_path: Path) -> None:
    put(
        "all.yaml",
        "incidents: [" + ", ".join(f"{{name: x, market: {m}, onset: 2023-01-01, end: 2024-01-01}}" for m in "AB") + "]",
    )
    card = replayed(tmp_path, tmp_path / "tidy.csv", "--labels", tmp_path / "all.yaml")["scorecard"]
    assert card["market_days"] == 0
    assert card["false_trips_per_market_year"] == {"value": None, "low": None, "high": None, "confidence": 0.95}


def test_replay__bars__trip_at_the_end_of_the_bar(put: Put, tmp_path: Path) -> None:
    """The close of the bar that opens at 03:20 is known at 03:21."""
    mapping = ("--map", "oracle=one:X/USD", "--map", "spot=two:xusd")
    found = replayed(tmp_path, tmp_path / "bars.csv.gz", *mapping)
    assert found["markets"]["A"]["trips"][0]["at"] == "2023-03-11T03:21:00.000Z"


def test_replay__round__trips_at_its_time(put: Put, tmp_path: Path) -> None:
    rounds = "timestamp_utc,venue,symbol,round,answer\n2023-03-11T03:00:00Z,c,X,1,100\n2023-03-11T03:20:13Z,c,X,2,97\n"
    spots = "time,source,value\n" + "".join(f"{at(m)},spot,100\n" for m in range(60))
    found = replayed(tmp_path, put("r.csv", rounds), put("s.csv", spots), "--map", "oracle=c:X")
    assert found["markets"]["A"]["trips"][0]["at"] == "2023-03-11T03:20:13.000Z"


def test_replay__jobs__make_no_difference(put: Put, tmp_path: Path) -> None:
    names = [f"M{number}" for number in range(7)]
    put("many.yaml", HEAD + "".join(market(name, f"{number / 2 + 1.5}%") for number, name in enumerate(names)))
    one, two, free = (
        replayed(tmp_path, tmp_path / "tidy.csv", *jobs, config="many.yaml")["markets"]
        for jobs in (["--jobs", "1"], ["--jobs", "2"], [])
    )
    assert one == two == free
    assert list(one) == names
    assert {len(each["trips"]) for each in one.values()} == {0, 2}


def test_replay__one_market_among_many__is_as_alone(put: Put, tmp_path: Path) -> None:
    put("alone.yaml", HEAD + market("A"))
    among, alone = (
        replayed(tmp_path, tmp_path / "tidy.csv", config=name)["markets"]["A"] for name in ("k.yaml", "alone.yaml")
    )
    assert among == alone


def test_replay__source_without_data__is_told_and_its_rules_are_not_counted(put: Put, tmp_path: Path) -> None:
    path = put("half.csv", re.sub(r".*,spot,.*\n", "", TIDY))
    found = replayed(tmp_path, path)
    assert found["sources_without_data"] == ["spot"]
    assert found["markets"]["A"] == {"trips": [], "held": {}, "never_judged": ["wide"]}
    told = in_process("replay", tmp_path / "k.yaml", path).out
    assert "no data for the source spot" in told
    assert "never judged, for want of data: wide" in told


def test_replay__series_that_is_no_source__is_told_unless_mapped(put: Put, tmp_path: Path) -> None:
    path = put("misspelt.csv", TIDY.replace(",spot,", ",spto,"))
    assert replayed(tmp_path, path)["series_not_used"] == ["spto"]
    assert "not used: the series spto" in in_process("replay", tmp_path / "k.yaml", path).out
    assert replayed(tmp_path, path, "--map", "spot=spto")["series_not_used"] == []


@pytest.mark.parametrize(
    ("value", "reason"),
    [("", "missing"), ("nan", "malformed"), ("1e400", "malformed"), ("-1", "malformed"), ("0", "malformed")],
)
def test_replay__held__by_what_was_wrong(put: Put, tmp_path: Path, value: str, reason: str) -> None:
    rows = TIDY.replace(f"{at(40)},spot,100", f"{at(40)},spot,{value}")
    found = replayed(tmp_path, put("v.csv", rows))
    assert found["markets"]["A"]["held"] == {reason: 1}
    assert found["bad_values"] == {"spot": {reason: {"count": 1, "first": "2023-03-11T03:40:00.000Z"}}}


def test_replay__malformed_value__is_told_with_its_source_and_time(put: Put, tmp_path: Path) -> None:
    path = put("v.csv", TIDY.replace(f"{at(40)},spot,100", f"{at(40)},spot,-1"))
    told = in_process("replay", tmp_path / "k.yaml", path).out
    assert "spot: 1 value malformed, the first at 2023-03-11 03:40:00" in told


def test_replay__whole_numbers_of_a_contract__are_asked_about(put: Put, tmp_path: Path) -> None:
    path = put("raw.csv", re.sub(r",spot,.*", ",spot,100065521", TIDY))
    assert replayed(tmp_path, path)["sources_that_look_unscaled"] == ["spot"]
    assert "spot: whole numbers without a point" in in_process("replay", tmp_path / "k.yaml", path).out


def test_replay__years_without_a_row__are_told(put: Put, tmp_path: Path) -> None:
    path = put("late.csv", TIDY + "2024-03-11T04:00:00Z,spot,100\n")
    gap = replayed(tmp_path, path)["longest_gap"]
    assert gap == {"from": "2023-03-11T03:59:00.000Z", "to": "2024-03-11T04:00:00.000Z"}
    assert "366 days that count as quiet" in in_process("replay", tmp_path / "k.yaml", path).out


def test_replay__held__when_too_old(put: Put, tmp_path: Path) -> None:
    """The last row of spot is 5 minutes old at 03:44 and good; at 03:45 it is not."""
    rows = "".join(line + "\n" for line in TIDY.splitlines() if not ("spot" in line and line > at(39) + ",z"))
    assert replayed(tmp_path, put("v.csv", rows))["markets"]["A"]["held"] == {"stale": 15}


# -- what people see ----------------------------------------------------------------------------------------------------------


def test_replay__text__says_what_tripped_and_how_good_it_was(put: Put, tmp_path: Path) -> None:
    done = in_process("replay", tmp_path / "k.yaml", tmp_path / "tidy.csv", "--labels", tmp_path / "labels.yaml")
    assert done.code == 0
    assert "A: 2 trips" in done.out
    assert "2023-03-11 03:20:00  wide: gap 0.0309278, threshold 0.02; clear 2023-03-11 03:30:00" in done.out
    assert "the dip (A): 2.0 min after onset, by wide" in done.out
    assert "long ago (A): not detected: the data do not reach there" in done.out
    assert "nothing (B): not detected\n" in done.out
    assert "1 false trip in 0.1 market-days" in done.out


def test_replay__repeated_rows__are_counted(put: Put, tmp_path: Path) -> None:
    path = tmp_path / "tidy.csv"
    assert "240 rows (120 of them said before)" in in_process("replay", tmp_path / "k.yaml", path, path).out


def test_replay__hostile_names__neither_move_the_cursor_nor_become_html(put: Put, tmp_path: Path) -> None:
    evil = '"\x1b[2J<script>alert(1)</script>"'
    put("evil.csv", TIDY + f"{at(0)},{evil},1\n")
    put("labels.yaml", LABELS.replace("the dip", '"\\e[2J<img src=x>"'))
    page = tmp_path / "page.html"
    labels = ("--labels", tmp_path / "labels.yaml")
    done = in_process("replay", tmp_path / "k.yaml", tmp_path / "evil.csv", *labels, "--report", page)
    assert done.code == 0
    assert "\x1b" not in done.out + page.read_text("utf-8")
    assert "<img" not in page.read_text("utf-8")
    nothing = in_process("replay", tmp_path / "k.yaml", put("e.csv", f"time,source,value\n{at(0)},{evil},1\n"))
    assert nothing.code == 2
    assert "\x1b" not in nothing.err


def test_replay__report__is_a_page(put: Put, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert replayed(tmp_path, tmp_path / "tidy.csv", "--labels", tmp_path / "labels.yaml", "--report", page)
    text = page.read_text("utf-8")
    assert text.count("<svg") == 4
    assert "Detected 1 of 3" in text


# -- what is typed wrong ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ([], "name files of history"),
        (["tidy.csv", "--from-audit"], "name files of history"),
        (["--from-audit", "--sort"], "takes none of"),
        (["--from-audit", "--map", "a=b"], "takes none of"),
        (["tidy.csv", "--report", "bars.csv.gz"], "ends in .html"),
        (["tidy.csv", "--jobs", "0"], "--jobs"),
        (["tidy.csv", "--block-time", "0s"], "--block-time"),
        (["tidy.csv", "--block-time", "soon"], "soon"),
        (["tidy.csv", "--report", "none/page.html"], "cannot write none/page.html: No such file or directory"),
        (["."], "is a folder"),
        (["tidy.csv", "none.csv"], "none.csv: cannot be read: No such file"),
        (["none.csv", "--report", "page.html"], "none.csv: cannot be read: No such file"),
        (["tidy.csv", "--labels", "none.yaml"], "none.yaml: cannot be read: No such file"),
        (["tidy.csv", "--labels", "tidy.csv"], "one key is needed"),
        (["tidy.csv", "--map", "nobody=a:b"], "no source has this name"),
        (["bars.csv.gz"], "no source has data; the files hold one:X/USD, two:X/USD"),
        (["k.yaml"], "not known"),
    ],
)
def test_replay__typed_wrong__says_so_and_ends_with_2(
    put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    done = in_process("replay", "k.yaml", *args)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert "Traceback" not in done.err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    document = json.loads(in_process("--json", "replay", "k.yaml", *args).out)
    assert document["ok"] is False


def test_replay__labels_of_another_market__are_refused(put: Put, tmp_path: Path) -> None:
    put("labels.yaml", LABELS.replace("market: B", "market: ETH-PERP"))
    (error,) = wrong(tmp_path / "k.yaml", tmp_path / "tidy.csv", "--labels", tmp_path / "labels.yaml")
    assert error["path"].endswith("incidents[1].market")
    assert error["message"] == "the configuration has no such market"


def test_replay__bad_rows__are_all_told_with_their_rows(put: Put, tmp_path: Path) -> None:
    path = put("bad.csv", TIDY + "soon,spot,1\n2023-03-11T04:00:00Z,spot,one\n")
    errors = wrong(tmp_path / "k.yaml", path, put("none.csv", ""))
    assert [error["path"].removeprefix(f"{tmp_path}/") for error in errors] == [
        "bad.csv row 122",
        "bad.csv row 123",
        "none.csv",
    ]


def test_replay__labels_mistake__is_told_before_the_files_are_read(put: Put, tmp_path: Path) -> None:
    errors = wrong(tmp_path / "k.yaml", tmp_path / "none.csv", "--labels", put("l.yaml", "incidents: 5"))
    assert [error["path"] for error in errors] == [str(tmp_path / "l.yaml")]


# -- as a process -------------------------------------------------------------------------------------------------------------


def test_replay__configuration_on_standard_input__without_any_environment(put: Put, tmp_path: Path) -> None:
    config = (tmp_path / "k.yaml").read_text("utf-8")
    done = keeper("--json", "replay", "-", tmp_path / "tidy.csv", cwd=tmp_path, stdin=config)
    assert (done.code, done.err) == (0, "")
    assert len(json.loads(done.out)["markets"]["A"]["trips"]) == 2


def test_replay__data_from_a_pipe__is_read(put: Put, tmp_path: Path) -> None:
    command = f"{shlex.quote(str(KEEPER))} --json replay k.yaml <(cat tidy.csv)"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert json.loads(done.stdout)["rows"] == 120


def test_replay__interrupted__ends_with_130_and_prints_nothing(put: Put, tmp_path: Path) -> None:
    """It waits for a pipe that says nothing, so it is in the middle for sure."""
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    command = [str(KEEPER), "--json", "replay", str(tmp_path / "k.yaml"), str(pipe)]
    with (
        subprocess.Popen(
            command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process,
        pipe.open("wb"),
    ):  # returns when the keeper has opened it too
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err


def test_replay__memory__grows_with_the_rows_and_not_faster(tmp_path: Path, put: Put) -> None:
    """Peak of a process that reads twice as much: at most twice and a half the data more (20 bytes a row)."""
    program = (
        "import resource,sys\nfrom pathlib import Path\nimport polars as pl,numpy as np\nfrom keeper.app.replay.files import read\n"
        "read([Path(sys.argv[1])])\nprint(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss*1024)"
    )
    make = (
        "import polars as pl,numpy as np,sys\nn=int(sys.argv[2])\nnames=pl.Series([f'market-{i}' for i in range(100)])\n"
        "pl.DataFrame({'time':pl.Series(1678500000000+60000*np.repeat(np.arange(n),100)).cast(pl.Datetime('ms')),"
        "'source':names.gather(np.tile(np.arange(100),n)),'value':np.random.default_rng(1).random(n*100)})"
        ".write_parquet(sys.argv[1])"
    )
    peaks = []
    for rows in (20_000, 80_000):
        path = tmp_path / f"{rows}.parquet"
        subprocess.run([sys.executable, "-c", make, path, str(rows)], check=True, timeout=100)
        said = subprocess.run(
            [sys.executable, "-c", program, path], check=True, timeout=100, capture_output=True, text=True
        )
        peaks.append(int(said.stdout))
    assert (peaks[1] - peaks[0]) / (60_000 * 100) < 50


# -- what a keeper recorded ---------------------------------------------------------------------------------------------------


def from_audit(folder: Path, name: str = "keeper.yaml") -> Done:
    return keeper("--json", "replay", folder / name, "--from-audit", cwd=folder)


def test_replay__from_audit_before_the_first_run__says_so(put: Put, tmp_path: Path) -> None:
    for _ in ("no database", "an empty one"):
        done = from_audit(tmp_path, "k.yaml")
        assert (done.code, json.loads(done.out)["error"]["message"]) == (1, "there is no log yet")
        assert keeper("db", tmp_path / "k.yaml", "upgrade", cwd=tmp_path).code == 0


def test_replay__from_audit__a_real_run_is_decided_again_byte_for_byte(folder: Path) -> None:
    done = from_audit(folder)
    assert done.code == 0, done.err
    document = json.loads(done.out)
    recorded = document["recorded"]
    assert (recorded["identical"], recorded["differences"], recorded["same_configuration"]) == (True, [], True)
    assert recorded["resolved"] >= 2
    assert document["rows"] > 0
    assert sum(len(each["trips"]) for each in document["markets"].values()) >= 1
