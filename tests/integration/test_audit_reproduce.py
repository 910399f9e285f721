"""``keeper audit reproduce``: what comes out the same, what a forger changed with every hash made anew, and what cannot be recomputed and why."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from keeper.adapters.audit.evidence import pack, unpack
from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.store import SqlAuditStore
from keeper.adapters.audit.times import from_iso
from keeper.adapters.audit.verify import verify
from keeper.app import retention
from keeper.domain.evidence import KEY, Evidence
from keeper.domain.record import Draft, Record, RecordKind, RecordQuery
from tests.support.keeper_process import Done, in_process
from tests.support.kept_log import KeptLog, text

pytestmark = pytest.mark.integration

Change = Callable[[Record, dict[str, Any], dict[str, Any] | None], None]
"""May change the body, and the content of its evidence."""


@asynccontextmanager
async def kept(folder: Path, **how: Any) -> AsyncIterator[KeptLog]:
    url = sqlite_url(folder / "keeper.db")
    (folder / "keeper.yaml").write_text(text("sqlite:///keeper.db"), "utf-8")
    store = await SqlAuditStore.open(url, create=True)
    try:
        yield KeptLog(store, text("sqlite:///keeper.db"), **how)
    finally:
        await store.close()


async def usual(log: KeptLog) -> str:
    """A start, calm, a state, an incident, and blocks after it."""
    await log.start()
    await log.blocks(30)
    await log.save()
    await log.blocks(5)
    name = await log.incident()
    await log.blocks(5)
    return name


def reproduce(folder: Path, incident: str, *args: str) -> tuple[Done, dict[str, Any]]:
    done = in_process("--json", "audit", folder / "keeper.yaml", "reproduce", incident, *args)
    return done, json.loads(done.out)


def verdicts(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["says"], one["verdict"]) for one in document["decisions"]]


async def archive(path: Path, *args: str) -> Done:
    """In a thread: the command has an event loop of its own."""
    return await asyncio.to_thread(in_process, "--json", "audit", path, "archive", *args)


async def forge(folder: Path, change: Change, leave_out: Callable[[Record], bool] = lambda _: False) -> None:
    """The whole log anew with these changes: every hash, link and piece of evidence fits."""
    path = folder / "keeper.db"
    old = path.rename(folder / "old.db")
    with closing(sqlite3.connect(old)) as connection:
        rows = connection.execute("SELECT hash, encoding, size, packed FROM evidence").fetchall()
    beside = {row[0]: unpack(Evidence(*row)) for row in rows}
    source = await SqlAuditStore.open(sqlite_url(old))
    store = await SqlAuditStore.open(sqlite_url(path), create=True)
    drafts: list[Draft] = []
    for record in await source.page(RecordQuery(limit=10_000)):
        if leave_out(record):
            continue
        body, content = deepcopy(dict(record.body)), deepcopy(beside.get(str(record.body.get(KEY))))
        change(record, body, content)
        evidence = None
        if content is not None:
            evidence = pack(content)
            body[KEY] = evidence.hash
        at_ms = from_iso(record.at)
        drafts.append(Draft(record.kind, body, at_ms, record.market, record.action, record.incident, evidence=evidence))
    await store.append(drafts)
    await store.close()
    await source.close()
    assert verify(sqlite_url(path)).ok, "only to decide again finds it"


def nothing(record: Record, body: dict[str, Any], content: dict[str, Any] | None) -> None:
    pass


# -- the same -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inline", [False, True], ids=["beside", "as before this version"])
async def test_reproduce__untouched_log__every_decision_and_event_is_the_same(tmp_path: Path, inline: bool) -> None:
    async with kept(tmp_path, inline=inline) as log:
        name = await usual(log)
    done, document = reproduce(tmp_path, name)
    assert (done.code, document["ok"], document["incident"]) == (0, True, name)
    said = verdicts(document)
    assert (said[0][0], said[-1][0]) == ("opened", "closed")
    assert "act" in [word for word, _ in said]
    assert {verdict for _, verdict in said} == {"same"}
    assert document["from"]["kind"] == "state"
    assert document["ticks"] <= 11, "only the stretch from the state on, not the whole log"
    act = next(one for one in document["decisions"] if one["says"] == "act")
    assert (act["rule"], act["signal"], act["action"]) == ("wide", "gap", "pause-market")
    assert float(act["observed"]) > float(act["threshold"]) == 0.02


async def test_reproduce__for_people__a_line_for_each_decision_and_the_verdict(tmp_path: Path) -> None:
    async with kept(tmp_path) as log:
        name = await usual(log)
    done = in_process("audit", tmp_path / "keeper.yaml", "reproduce", name[:5])
    assert done.code == 0
    (act,) = [line for line in done.out.splitlines() if "decision act pause-market: wide, gap 0.0" in line]
    assert act.endswith("against 0.02: same")
    assert "reproduced: " in done.out


async def test_reproduce__several_incidents__the_part_of_a_name_must_fit_one(tmp_path: Path) -> None:
    async with kept(tmp_path) as log:
        first = await usual(log)
        await log.blocks(40)
        second = await log.incident()
    for name in (first, second):
        assert reproduce(tmp_path, name)[0].code == 0
    done, document = reproduce(tmp_path, "ETH")
    assert done.code == 2
    assert "2 incidents" in document["error"]["message"]
    assert second in document["error"]["remedy"]
    for unknown in ("nothing", "", "%"):
        done, document = reproduce(tmp_path, unknown)
        assert (done.code, document["ok"]) == (2, False)


async def test_reproduce__keeper_killed_and_started_again_in_the_incident__is_the_same(tmp_path: Path) -> None:
    async with kept(tmp_path) as log:
        await log.start()
        await log.blocks(25)
        await log.save()
        await log.blocks(3, "110")
        (name,) = log.engine.open_incidents(log.state).values()
        await log.start()
        await log.blocks(3, "110")
        await log.blocks(2)
    done, document = reproduce(tmp_path, name)
    assert (done.code, document["ok"]) == (0, True), document


async def test_reproduce__records_written_down_late__count_as_made_at_their_block(tmp_path: Path) -> None:
    """What was decided while the database was away stands after its block's record."""
    async with kept(tmp_path) as log:
        log.late = True
        await log.start()
        await log.blocks(25)
        await log.save()
        name = await log.incident()
        await log.blocks(3)
        before = log.engine.save(log.state).body()
        await log.start()
        assert log.engine.save(log.state).body() == before
    done, document = reproduce(tmp_path, name)
    assert (done.code, document["ok"]) == (0, True), document


# -- not the same -------------------------------------------------------------------------------------------------------------


async def test_reproduce__observation_falsified_before_the_trip__is_found_though_every_hash_fits(
    tmp_path: Path,
) -> None:
    """The price at which it tripped is made harmless in the block's evidence."""
    async with kept(tmp_path) as log:
        name = await usual(log)

    def change(record: Record, body: dict[str, Any], content: dict[str, Any] | None) -> None:
        if record.kind is RecordKind.TICK and body["incidents"] and content is not None:
            for one in content["observations"]:
                if one["source"] == "oracle" and one["value"] == "110":
                    one["value"] = "101"

    await forge(tmp_path, change)
    done, document = reproduce(tmp_path, name)
    assert (done.code, document["ok"]) == (1, False)
    assert ("opened", "differs") in verdicts(document)
    assert document["other_ticks"]


async def test_reproduce__decision_falsified__names_field_and_both_values(tmp_path: Path) -> None:
    async with kept(tmp_path) as log:
        name = await usual(log)

    def change(record: Record, body: dict[str, Any], content: dict[str, Any] | None) -> None:
        if record.kind is RecordKind.DECISION and body["kind"] == "act":
            body["verdict"]["value"] = "0.03"
            body["observations"][0]["value"] = "103"

    await forge(tmp_path, change)
    done, document = reproduce(tmp_path, name)
    (other,) = [one for one in document["decisions"] if one["verdict"] != "same"]
    assert done.code == 1
    assert other["verdict"] == "differs"
    fields = {one["field"]: (one["recorded"], one["now"]) for one in other["differences"]}
    assert fields["observations[oracle].value"] == ("103", "110")
    assert fields["verdict.value"][0] == "0.03"
    shown = in_process("audit", tmp_path / "keeper.yaml", "reproduce", name).out
    assert "observations[oracle].value: recorded 103, now 110" in shown
    assert "NOT REPRODUCED" in shown


async def test_reproduce__state_falsified__the_windows_after_it_differ(tmp_path: Path) -> None:
    async with kept(tmp_path) as log:
        name = await usual(log)
        await log.blocks(1, "130")
        other = log.engine.save(log.state).body()

    def change(record: Record, body: dict[str, Any], content: dict[str, Any] | None) -> None:
        if record.kind is RecordKind.STATE and content is not None:
            content["memento"]["memory"] = other["memory"]

    await forge(tmp_path, change)
    done, document = reproduce(tmp_path, name)
    assert (done.code, document["ok"]) == (1, False)


async def test_reproduce__decision_taken_out__the_engine_makes_it_and_the_log_does_not_have_it(tmp_path: Path) -> None:
    async with kept(tmp_path) as log:
        name = await usual(log)
    await forge(tmp_path, nothing, lambda one: one.kind is RecordKind.DECISION and one.body["kind"] == "act")
    done, document = reproduce(tmp_path, name)
    assert done.code == 1
    (missing,) = [one for one in document["decisions"] if one["record"] is None]
    assert (missing["says"], missing["verdict"], missing["why"]) == ("act", "differs", "the log has no record of it")


async def test_reproduce__decision_put_in__is_not_decided_now(tmp_path: Path) -> None:
    async with kept(tmp_path) as log:
        name = await usual(log)
        (act,) = [
            one for one in await log.store.page(RecordQuery(kinds=(RecordKind.DECISION,))) if one.body["kind"] == "act"
        ]

    def change(record: Record, body: dict[str, Any], content: dict[str, Any] | None) -> None:
        if record.kind is RecordKind.DECISION and body["kind"] == "act":
            body["id"] = "another"

    await forge(tmp_path, change)
    done, document = reproduce(tmp_path, name)
    assert done.code == 1
    assert act.body["id"] in [one["id"] for one in document["decisions"] if one["record"] is None]
    (put_in,) = [one for one in document["decisions"] if one["id"] == "another"]
    assert (put_in["verdict"], put_in["why"]) == ("differs", "not decided now")


async def test_reproduce__other_configuration_in_the_log__is_not_the_one_it_ran_with(tmp_path: Path) -> None:
    async with kept(tmp_path) as log:
        name = await usual(log)

    def change(record: Record, body: dict[str, Any], content: dict[str, Any] | None) -> None:
        if record.kind is RecordKind.CONFIGURATION:
            body["document"]["markets"]["ETH-PERP"]["rules"]["wide"]["when"]["above"] = "20%"
            body["hash"] = "0x" + "12" * 32

    await forge(tmp_path, change)
    done, document = reproduce(tmp_path, name)
    assert done.code == 1
    assert "is not the one that the start of record 1 says it ran with" in document["obstacle"]
    assert {verdict for _, verdict in verdicts(document)} == {"cannot-be-recomputed"}


# -- what cannot be recomputed ------------------------------------------------------------------------------------------------


async def test_reproduce__killed_before_the_block_was_recorded__says_so(tmp_path: Path) -> None:
    async with kept(tmp_path) as log:
        await log.start()
        await log.blocks(25)
        await log.blocks(1, "110")
        await log.blocks(1, "110", recorded=False)
        (name,) = log.engine.open_incidents(log.state).values()
    done, document = reproduce(tmp_path, name)
    assert done.code == 1
    assert {(one["verdict"], one["why"]) for one in document["decisions"]} == {
        ("cannot-be-recomputed", "the keeper was ended before it recorded the block that this was decided at")
    }


async def test_reproduce__given_file_is_another__the_log_holds_what_is_needed(tmp_path: Path) -> None:
    async with kept(tmp_path) as log:
        name = await usual(log)
    path = tmp_path / "keeper.yaml"
    path.write_text(path.read_text("utf-8").replace("above: 2%", "above: 3%"), "utf-8")
    done, document = reproduce(tmp_path, name)
    assert (done.code, document["configuration"]["engine_from"]) == (0, "the configuration in the log, record 2")


@pytest.mark.parametrize("ordered", [True, False], ids=["with the order", "as before this version"])
@pytest.mark.parametrize("given", ["another part", "only the log"])
async def test_reproduce__names_not_in_the_order_of_the_alphabet__are_put_back_in_theirs(
    tmp_path: Path, ordered: bool, given: str
) -> None:
    """The log keeps the document sorted; the order is recorded beside it, or lent by a file that has the same names."""
    async with kept(tmp_path) as log:
        name = await usual(log)

    def change(record: Record, body: dict[str, Any], content: dict[str, Any] | None) -> None:
        if record.kind is RecordKind.CONFIGURATION and not ordered:
            del body["order"]

    await forge(tmp_path, change)
    path = tmp_path / "keeper.yaml"
    if given == "another part":
        path.write_text(text("sqlite:///keeper.db", "{keep: 40d, archive: old}"), "utf-8")
    else:
        path.write_text('audit: {url: "sqlite:///keeper.db"}\n', "utf-8")
    done, document = reproduce(tmp_path, name)
    if ordered or given == "another part":
        assert (done.code, document["ok"]) == (0, True)
        assert document["configuration"]["engine_from"] == "the configuration in the log, record 2"
        return
    assert done.code == 1
    assert "does not say in which order" in document["obstacle"]
    assert "give the file as it was" in document["obstacle"]
    assert "verify" not in document["obstacle"], "nothing speaks against the log"


async def test_reproduce__names_of_the_rules_in_another_order_in_the_log__is_not_the_one_it_ran_with(
    tmp_path: Path,
) -> None:
    async with kept(tmp_path) as log:
        name = await usual(log)

    def change(record: Record, body: dict[str, Any], content: dict[str, Any] | None) -> None:
        if record.kind is RecordKind.CONFIGURATION:
            body["order"]["/markets/ETH-PERP/rules"].reverse()

    await forge(tmp_path, change)
    done, document = reproduce(tmp_path, name)
    assert done.code == 1
    assert "is not the one that the start of record 1 says it ran with" in document["obstacle"]


async def test_reproduce__recorded_configuration_unusable__takes_the_file_only_with_the_same_hash(
    tmp_path: Path,
) -> None:
    async with kept(tmp_path) as log:
        name = await usual(log)

    def change(record: Record, body: dict[str, Any], content: dict[str, Any] | None) -> None:
        if record.kind is RecordKind.CONFIGURATION:
            body["document"]["sources"] = "hidden"

    await forge(tmp_path, change)
    done, document = reproduce(tmp_path, name)
    assert done.code == 0
    assert "keeper.yaml, which has the hash in record 2" in document["configuration"]["engine_from"]
    path = tmp_path / "keeper.yaml"
    path.write_text(path.read_text("utf-8").replace("above: 2%", "above: 3%"), "utf-8")
    done, document = reproduce(tmp_path, name)
    assert done.code == 1
    assert document["configuration"]["hash"] in document["obstacle"]
    assert "has the hash 0x" in document["obstacle"]


async def test_reproduce__another_version_recorded_it__says_so_and_goes_on(tmp_path: Path) -> None:
    async with kept(tmp_path) as log:
        name = await usual(log)

    def change(record: Record, body: dict[str, Any], content: dict[str, Any] | None) -> None:
        if record.kind is RecordKind.START:
            body["version"] = "0.0.1"

    await forge(tmp_path, change)
    done, document = reproduce(tmp_path, name)
    assert (done.code, document["version"]) == (0, "0.0.1")
    assert "decided by version 0.0.1 of the keeper" in document["remarks"][0]


async def test_reproduce__log_begins_in_the_middle__the_windows_are_not_known(tmp_path: Path) -> None:
    async with kept(tmp_path) as log:
        name = await usual(log)

    def change(record: Record, body: dict[str, Any], content: dict[str, Any] | None) -> None:
        if record.kind is RecordKind.START:
            body["restored"] = {"from": "state", "record": 1}

    await forge(tmp_path, change, lambda one: one.kind is RecordKind.STATE)
    done, document = reproduce(tmp_path, name)
    assert done.code == 1
    assert "began before this log" in document["obstacle"]


def test_reproduce__no_log_yet__says_so(tmp_path: Path) -> None:
    (tmp_path / "keeper.yaml").write_text(text("sqlite:///keeper.db"), "utf-8")
    done, document = reproduce(tmp_path, "x")
    assert (done.code, document["error"]["message"]) == (1, "there is no log yet")


# -- from the archive ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def nothing_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no incident were to be decided again from the database."""
    monkeypatch.setattr(retention, "protected_in", lambda page: retention.Protected(2**62, (), frozenset()))


@pytest.mark.usefixtures("nothing_stays")
async def test_reproduce__evidence_archived__is_read_from_the_files_or_the_file_is_named(tmp_path: Path) -> None:
    async with kept(tmp_path) as log:
        name = await usual(log)
    path = tmp_path / "keeper.yaml"
    path.write_text(text("sqlite:///keeper.db", "{keep: 1h, archive: old}"), "utf-8")
    url = sqlite_url(tmp_path / "keeper.db")
    assert (await archive(path, "--dry-run")).code == 0
    done = await archive(path)
    assert done.code == 0, done.out + done.err
    (file,) = (tmp_path / "old").iterdir()
    assert json.loads(done.out)["files"] == [file.name]
    assert verify(url).ok
    with closing(sqlite3.connect(tmp_path / "keeper.db")) as connection:
        assert connection.execute("SELECT count(*) FROM evidence").fetchone() == (0,)

    done, document = reproduce(tmp_path, name)
    assert (done.code, document["ok"]) == (0, True), document
    assert in_process("replay", path, "--from-audit").code == 0
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "old").rename(elsewhere)
    done, document = reproduce(tmp_path, name)
    assert done.code == 1
    assert f"archived in {file.name}, which is not in {tmp_path / 'old'}" in document["obstacle"]
    assert "put the file back, or give --archive DIR" in document["obstacle"]
    assert "archived in" in document["remarks"][0]
    said = in_process("replay", path, "--from-audit")
    assert (said.code, file.name in said.err) == (3, True)
    done, document = reproduce(tmp_path, name, "--archive", str(elsewhere))
    assert (done.code, document["ok"]) == (0, True)
    moved = elsewhere / file.name
    content = moved.read_bytes()
    moved.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    done, document = reproduce(tmp_path, name, "--archive", str(elsewhere))
    assert done.code == 3
    assert "is not the file that the log names" in document["error"]["message"]


def test_archive__nothing_says_what_to_keep__is_an_error_of_usage(tmp_path: Path) -> None:
    (tmp_path / "keeper.yaml").write_text(text("sqlite:///keeper.db"), "utf-8")
    done = in_process("--json", "audit", tmp_path / "keeper.yaml", "archive")
    assert done.code == 2
    assert "audit.retention" in json.loads(done.out)["error"]["remedy"]


async def test_archive__incident_around__is_decided_again_from_the_database_alone(tmp_path: Path) -> None:
    async with kept(tmp_path) as log:
        await log.start()
        await log.blocks(30)
        await log.save()
        await log.blocks(30)
        await log.save()
        await log.blocks(5)
        name = await log.incident()
        await log.blocks(40)
        for _ in range(3):
            await log.blocks(5)
            await log.save()
    path = tmp_path / "keeper.yaml"
    path.write_text(text("sqlite:///keeper.db", "{keep: 1h, archive: old}"), "utf-8")
    done = await archive(path)
    assert json.loads(done.out)["records"] > 30
    for file in (tmp_path / "old").iterdir():
        file.unlink()
    done, document = reproduce(tmp_path, name)
    assert (done.code, document["ok"]) == (0, True), document


# -- going on -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inline", [True, False], ids=["an older version's log", "this version's"])
async def test_start_again__whichever_form_the_log_has__goes_on_as_if_nothing_had_been(
    tmp_path: Path, inline: bool
) -> None:
    async with kept(tmp_path, inline=inline) as log:
        await log.start()
        await log.blocks(12)
        await log.save()
        await log.blocks(4)
        for form in (not inline, inline):
            log.inline = form
            before = log.engine.save(log.state).body()
            await log.start()
            assert log.engine.save(log.state).body() == before
            await log.blocks(3)
        starts = await log.store.page(RecordQuery(kinds=(RecordKind.START,)))
        assert [one.body["restored"] is None for one in starts] == [True, False, False]
    assert in_process("replay", tmp_path / "keeper.yaml", "--from-audit").code == 0
