"""A bundle holds all of a log, can be checked by anybody, and whatever is changed in it is found."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import polars
import pytest

from keeper.adapters.audit.canonical import canonical
from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.reading import all_records
from keeper.adapters.audit.statements import CHECKPOINT_COLUMNS
from keeper.adapters.audit.store import SqlAuditStore
from keeper.app.bundle import layout
from keeper.app.bundle.checking import check
from keeper.app.bundle.exporting import NotWhole
from keeper.domain.checkpoint import to_document
from keeper.domain.errors import KeeperError
from tests.support.audit_log import story, write_log
from tests.support.bundles import bundle, lines_of, seen, sha256, with_manifest
from tests.support.checkpoints import OTHER_KEY, address_of, checkpoints_of

pytestmark = pytest.mark.integration

Forge = Callable[[Path], object]


def write_checkpoints(path: Path, seqs: list[int]) -> None:
    found = checkpoints_of([record.hash for record in all_records(sqlite_url(path))], seqs)
    with sqlite3.connect(path) as connection:
        for one in found:
            row = to_document(one)
            marks = ", ".join("?" * len(CHECKPOINT_COLUMNS))
            connection.execute(f"INSERT INTO checkpoints VALUES ({marks})", [row[name] for name in CHECKPOINT_COLUMNS])
    connection.close()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "keeper.db"
    asyncio.run(write_log(path, [*story(), seen(7), seen(8), seen(9)]))
    write_checkpoints(path, [5, 17])
    return path


@pytest.fixture(scope="module")
def whole(log: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out") / "a bundle"
    bundle(sqlite_url(log), folder)
    return folder


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "copy")
    return tmp_path / "copy"


def alone(folder: Path) -> tuple[int, str]:
    """The script in the bundle, with a bare Python that knows nothing of the keeper."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", folder / layout.STANDALONE],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_bundle__of_a_whole_log__holds_every_row_and_checks_in_both_ways(log: Path, whole: Path) -> None:
    records = all_records(sqlite_url(log))
    lines = lines_of(whole / layout.RECORDS)
    assert [line["hash"] for line in lines] == [record.hash for record in records]
    assert [line["body"] for line in lines] == [record.body for record in records]
    assert [line["content"]["observations"][0]["value"] for line in lines_of(whole / layout.EVIDENCE)] == [
        "7.0",
        "8.0",
        "9.0",
    ]
    found = check(whole)
    assert (found.problem, found.log is not None and found.log.checkpoints.count) == ("", 2)
    code, out = alone(whole)
    assert (code, out.splitlines()[0]) == (
        0,
        f"ok: 17 records, 3 pieces of evidence, 0 in archives, head {records[-1].hash}",
    )


def test_bundle__tables__hold_the_same_records_and_all_observations(whole: Path) -> None:
    records = polars.read_parquet(whole / layout.TABLES / "records-*.parquet")
    assert records["seq"].to_list() == list(range(1, 18))
    observations = polars.read_parquet(whole / layout.TABLES / "observations-*.parquet")
    assert observations["source"].to_list() == ["s0", "s1", "s2"] * 3
    assert observations["block"].to_list() == [7, 7, 7, 8, 8, 8, 9, 9, 9]
    assert observations["seq"].to_list() == [15] * 3 + [16] * 3 + [17] * 3


def test_bundle__schema__fits_every_line(whole: Path) -> None:
    definitions = json.loads((whole / layout.SCHEMA).read_text())["$defs"]
    for name, schema in definitions.items():
        for line in lines_of(whole / name):
            jsonschema_rs.validate(schema, line)


def test_bundle__readme__the_command_by_hand_gives_the_hash(whole: Path) -> None:
    text = (whole / layout.README).read_text()
    command = text[text.index("    sed -n 1p") : text.index("## What is in it")]
    done = subprocess.run(
        ["sh", "-c", command.replace("\n    ", "\n")], cwd=whole, capture_output=True, text=True, timeout=60, check=True
    )
    told, found = done.stdout.split()
    assert told == found == lines_of(whole / layout.RECORDS)[0]["hash"]


async def test_bundle__of_postgresql__is_that_of_sqlite(postgres_url: str, tmp_path: Path) -> None:
    drafts = [*story(), seen(7)]
    await write_log(tmp_path / "keeper.db", drafts)
    store = await SqlAuditStore.open(postgres_url, create=True)
    await store.append(drafts)
    await store.close()
    await asyncio.to_thread(bundle, postgres_url, tmp_path / "one")
    await asyncio.to_thread(bundle, sqlite_url(tmp_path / "keeper.db"), tmp_path / "two")
    for name in (layout.RECORDS, layout.EVIDENCE, layout.CHECKPOINTS, layout.ARCHIVED):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert check(tmp_path / "one").ok


# -- what a forger does, and then makes the manifest fit ----------------------------------------------------------------------------


def of_line(name: str, number: int, **changes: Any) -> Forge:
    def change(folder: Path) -> None:
        found = lines_of(folder / name)
        found[number - 1] |= changes
        write(folder / name, found)

    return change


def write(path: Path, found: list[dict[str, Any]]) -> None:
    path.write_text("".join(canonical(line) + "\n" for line in found), encoding="utf-8")


def without(name: str, number: int) -> Forge:
    def change(folder: Path) -> None:
        found = lines_of(folder / name)
        del found[number - 1]
        write(folder / name, found)

    return change


def cut(folder: Path) -> None:
    """The last records go, and the manifest says so."""
    found = lines_of(folder / layout.RECORDS)[:-2]
    write(folder / layout.RECORDS, found)
    write(folder / layout.EVIDENCE, lines_of(folder / layout.EVIDENCE)[:-2])
    with_manifest(folder, records=len(found), head=found[-1]["hash"])


def swapped(folder: Path) -> None:
    found = lines_of(folder / layout.RECORDS)
    found[3], found[4] = found[4], found[3]
    write(folder / layout.RECORDS, found)


def resigned(folder: Path) -> None:
    """Checkpoints of another key."""
    found = checkpoints_of([line["hash"] for line in lines_of(folder / layout.RECORDS)], [5, 17], OTHER_KEY)
    write(folder / layout.CHECKPOINTS, [to_document(one) for one in found])


FORGED: dict[str, tuple[Forge, str, bool]] = {
    "a time": (of_line(layout.RECORDS, 3, at="2026-01-01T00:00:00.000Z"), "record 3", True),
    "a market": (of_line(layout.RECORDS, 5, market="BTC-PERP"), "record 5", True),
    "a body": (of_line(layout.RECORDS, 4, body={"answer": "hold"}), "record 4", True),
    "a hash": (of_line(layout.RECORDS, 4, hash="0x" + "ab" * 32), "record 4", True),
    "a link": (of_line(layout.RECORDS, 6, prev_hash="0x" + "ab" * 32), "record 6", True),
    "a number": (of_line(layout.RECORDS, 6, seq=60), "record 6", True),
    "a record taken out": (without(layout.RECORDS, 9), "record 9", True),
    "two records swapped": (swapped, "record 4", True),
    "the end cut off": (cut, "records 16 to 17 are missing", True),
    "evidence changed": (of_line(layout.EVIDENCE, 2, content={"observations": []}), "record 16", True),
    "evidence taken out": (without(layout.EVIDENCE, 2), "record 16", True),
    "a checkpoint taken out": (without(layout.CHECKPOINTS, 1), "checkpoint", True),
    "a checkpoint's head": (of_line(layout.CHECKPOINTS, 2, head="0x" + "ab" * 32), "checkpoint 2", True),
    "a checkpoint's keeper": (of_line(layout.CHECKPOINTS, 2, keeper="another"), "checkpoint 2", False),
    "a line that is none": (lambda folder: (folder / layout.RECORDS).write_text("{}\n"), "line 1", True),
    "a line in another form": (
        lambda folder: (folder / layout.RECORDS).write_text(
            (folder / layout.RECORDS).read_text().replace('{"action"', '{ "action"', 1)
        ),
        "line 1",
        False,
    ),
}
"""What is changed, what the verdict names, and whether the script alone can see it too."""


@pytest.mark.parametrize("case", FORGED)
def test_bundle__forged_with_its_manifest__is_found_and_named(copy: Path, case: str) -> None:
    forge, named, by_the_script = FORGED[case]
    forge(copy)
    if case != "the end cut off":
        with_manifest(copy)
    found = check(copy)
    assert not found.ok
    assert named in found.problem
    assert alone(copy)[0] == int(by_the_script)


def test_bundle__signed_by_another_key__is_found_where_the_signer_is_known(copy: Path) -> None:
    resigned(copy)
    with_manifest(copy, signer=address_of(OTHER_KEY))
    assert check(copy).ok, "nothing in it can tell"
    assert not check(copy, signer=address_of()).ok


@pytest.mark.parametrize(
    "name", [layout.RECORDS, layout.README, layout.SCHEMA, layout.STANDALONE, f"{layout.TABLES}/records-00001.parquet"]
)
def test_bundle__a_byte_of_any_file__is_found_by_the_manifest(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(bytes(data))
    assert name in check(copy).problem


def test_bundle__table_of_other_records__is_found(copy: Path) -> None:
    path = copy / layout.TABLES / "records-00001.parquet"
    polars.read_parquet(path).with_columns(market=polars.lit("X")).write_parquet(path)
    with_manifest(copy)
    assert "record 1" in check(copy).problem


@pytest.mark.parametrize("change", ["missing", "more", "link"])
def test_bundle__files_that_are_not_those_of_the_manifest__are_named(copy: Path, change: str) -> None:
    if change == "more":
        (copy / "notes.txt").write_text("x")
    else:
        (copy / layout.EVIDENCE).rename(copy.parent / "elsewhere")
    if change == "link":
        (copy / layout.EVIDENCE).symlink_to(copy.parent / "elsewhere")
    assert {"missing": layout.EVIDENCE, "more": "notes.txt", "link": layout.EVIDENCE}[change] in check(copy).problem


def test_bundle__that_is_none__is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeeperError, match="no folder"):
        check(tmp_path / "nothing")
    with pytest.raises(KeeperError, match="no bundle"):
        check(tmp_path)
    (tmp_path / layout.MANIFEST).write_text("[]")
    with pytest.raises(KeeperError, match="not the manifest"):
        check(tmp_path)


# -- writing ------------------------------------------------------------------------------------------------------------------------


def test_export__into_a_folder_with_something_in_it__is_refused_and_touches_nothing(log: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(KeeperError, match="exists already"):
        bundle(sqlite_url(log), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_export__of_a_log_that_is_broken__says_where_and_leaves_nothing(log: Path, tmp_path: Path) -> None:
    path = tmp_path / "keeper.db"
    shutil.copyfile(log, path)
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TRIGGER records_no_update")
        connection.execute("UPDATE records SET market = 'X' WHERE seq = 6")
    connection.close()
    with pytest.raises(NotWhole, match="record 6"):
        bundle(sqlite_url(path), tmp_path / "out")
    assert {found.name.partition("-")[0] for found in tmp_path.iterdir()} == {"keeper.db"}


def test_export__twice__gives_the_same_lines(log: Path, whole: Path, tmp_path: Path) -> None:
    bundle(sqlite_url(log), tmp_path / "again")
    for name in (layout.RECORDS, layout.EVIDENCE, layout.CHECKPOINTS):
        assert sha256(tmp_path / "again" / name) == sha256(whole / name)
