"""The log for programs: the same columns and values in every form, into a file or a pipe."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import polars
import pytest

from keeper.app.cli.audit import LogQuery, print_log
from keeper.app.cli.log_formats import COLUMNS, FORMS, as_document, write
from keeper.app.cli.output import Output
from keeper.app.cli.typed import keeper_command
from keeper.domain.errors import KeeperError
from keeper.domain.record import Record
from tests.support.audit_log import story, write_log

pytestmark = pytest.mark.unit

EVERYTHING = LogQuery(None, None, (), None, None, None, 100, 0, True)


@pytest.fixture
async def config(tmp_path: Path) -> str:
    file = tmp_path / "keeper.yaml"
    file.write_text("audit: {url: 'sqlite:///keeper.db'}\n")
    return str(file)


@pytest.fixture
async def written(config: str) -> list[Record]:
    return await write_log(Path(config).with_name("keeper.db"), story())


def rows(form: str, content: bytes) -> tuple[list[str], list[dict[str, object]]]:
    """The names of the columns in order, and the rows; the body read back, an empty cell of CSV None."""
    if form == "jsonl":
        found = [json.loads(line) for line in content.decode().splitlines()]
        return list(found[0]), found
    if form == "csv":
        table = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
        names = list(table[0])
        plain: list[dict[str, object]] = [{key: value or None for key, value in row.items()} for row in table]
        return names, [row | {"seq": int(str(row["seq"])), "body": json.loads(str(row["body"]))} for row in plain]
    frame = polars.read_parquet(io.BytesIO(content))
    return frame.columns, [row | {"body": json.loads(row["body"])} for row in frame.to_dicts()]


@pytest.mark.parametrize("form", FORMS)
def test_forms__each__same_columns_and_values(form: str, written: list[Record]) -> None:
    names, found = rows(form, FORMS[form](written))
    assert names == list(COLUMNS)
    assert found == [as_document(record) for record in written]


def test_parquet__no_record__still_has_its_columns() -> None:
    frame = polars.read_parquet(io.BytesIO(FORMS["parquet"]([])))
    assert (frame.columns, frame.height) == (list(COLUMNS), 0)
    assert frame.schema["seq"] == polars.Int64


@pytest.mark.parametrize("form", FORMS)
def test_output__a_new_file__holds_what_standard_output_would(
    form: str, config: str, written: list[Record], tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert print_log(Output(), config, EVERYTHING, form, tmp_path / "log") == 0
    assert b"wrote 14 records" in capsysbinary.readouterr().out
    assert print_log(Output(), config, EVERYTHING, form, None) == 0
    assert capsysbinary.readouterr().out == (tmp_path / "log").read_bytes()


def test_output__with_json__the_document_says_where(
    config: str, written: list[Record], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    print_log(Output(as_json=True), config, EVERYTHING, "parquet", tmp_path / "log")
    assert json.loads(capsys.readouterr().out) == {
        "ok": True,
        "file": str(tmp_path / "log"),
        "records": 14,
        "next_cursor": None,
    }


@pytest.mark.parametrize("name", ["there", "keeper.db"])
def test_output__a_file_that_is_there__is_left_alone(
    name: str, config: str, written: list[Record], tmp_path: Path
) -> None:
    (tmp_path / "there").write_text("mine")
    before = (tmp_path / name).read_bytes()
    with pytest.raises(KeeperError, match="exists already"):
        print_log(Output(), config, EVERYTHING, "csv", tmp_path / name)
    assert (tmp_path / name).read_bytes() == before


def test_output__a_place_that_cannot_be_written__says_so(config: str, written: list[Record], tmp_path: Path) -> None:
    with pytest.raises(KeeperError, match="cannot write") as caught:
        print_log(Output(), config, EVERYTHING, "csv", tmp_path / "none" / "log")
    assert caught.value.remedy


def test_output__a_table__is_refused_with_the_other_forms(config: str, tmp_path: Path) -> None:
    with pytest.raises(KeeperError) as caught:
        print_log(Output(), config, EVERYTHING, "table", tmp_path / "log")
    assert "parquet" in caught.value.remedy
    assert not (tmp_path / "log").exists()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_parquet__on_a_terminal__is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    with pytest.raises(KeeperError) as caught:
        write([], "parquet", None)
    assert "--output FILE" in caught.value.remedy
    write([], "csv", None)


def test_log__none_yet__says_what_to_run(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert print_log(Output(), config, EVERYTHING, "table", None) == 1
    said = capsys.readouterr()
    assert (said.out, said.err) == (
        "",
        f"keeper: there is no log yet\n  -> start the keeper first: {keeper_command()} run {config}\n",
    )
    assert print_log(Output(as_json=True), config, EVERYTHING, "table", None) == 1
    assert json.loads(capsys.readouterr().out)["error"]["message"] == "there is no log yet"


async def test_log__no_record__empty_is_told_from_nothing_fits(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    database = Path(config).with_name("keeper.db")
    await write_log(database, [])
    assert print_log(Output(), config, EVERYTHING, "table", None) == 0
    assert f"{keeper_command()} run {config}" in capsys.readouterr().out
    database.unlink()
    await write_log(database, story())
    nowhere = LogQuery("SPOT", None, (), None, None, None, 100, 0, True)
    assert print_log(Output(), config, nowhere, "table", None) == 0
    assert capsys.readouterr().out == "no records fit: there is no market 'SPOT'\n"
