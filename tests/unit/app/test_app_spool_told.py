"""What waits in the spool, in the doctor's words and in those of ``keeper status``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keeper.adapters.audit.spool import LIMIT, Spool
from keeper.app.cli import aside
from keeper.app.doctor.check import Health
from keeper.app.doctor.spool import examine_spool
from keeper.app.faults import Faults
from keeper.app.log_health import LogHealth
from keeper.config.audit import ActWithoutLog, AuditConfig
from keeper.config.secret import Secret
from keeper.domain.errors import StoreUnavailable
from keeper.domain.record import Draft
from tests.support.audit_log import T0, tick
from tests.support.keeper_process import in_process
from tests.support.manual_clock import ManualClock
from tests.support.spooling_log import begun, spooling
from tests.support.unreliable_log import Mood, UnreliableLog

pytestmark = pytest.mark.unit


def config(spool: Path | str) -> AuditConfig:
    return AuditConfig(Secret("sqlite:///x"), "sqlite:///x", ActWithoutLog.CRITICAL, str(spool))


def left_behind(path: Path, count: int = 3) -> None:
    spool = Spool.open(path)
    spool.begin(7, "0x" + "ab" * 32, T0, "disk full")
    spool.append([tick()] * count)
    spool.close()


def test_doctor__empty_spool__is_well(tmp_path: Path) -> None:
    found = examine_spool(config(tmp_path / "keeper.spool"))
    assert found is not None
    assert found.health in (Health.OK, Health.WARN), "the disk of whoever runs the tests may be short of room"
    assert "empty" in found.message


def test_doctor__no_spool__says_nothing() -> None:
    assert examine_spool(config("")) is None


def test_doctor__records_wait__warns_with_their_number(tmp_path: Path) -> None:
    left_behind(tmp_path / "keeper.spool")
    found = examine_spool(config(tmp_path / "keeper.spool"))
    assert found is not None
    assert found.health is Health.WARN
    assert found.message.startswith("3 records")
    assert str(LIMIT) in found.message
    assert "disk full" in found.message


def test_doctor__damaged__fails(tmp_path: Path) -> None:
    path = tmp_path / "keeper.spool"
    left_behind(path)
    path.write_bytes(path.read_bytes().replace(b"disk full", b"disk fool"))
    found = examine_spool(config(path))
    assert found is not None
    assert found.health is Health.FAIL
    assert found.remedy


def test_doctor__folder_that_is_not_there__fails(tmp_path: Path) -> None:
    found = examine_spool(config(tmp_path / "nowhere" / "keeper.spool"))
    assert found is not None
    assert found.health is Health.FAIL


def test_status__records_wait__says_so_and_is_not_well(tmp_path: Path) -> None:
    (tmp_path / "keeper.yaml").write_text("audit: {url: 'sqlite:///keeper.db'}\n", "utf-8")
    assert json.loads(in_process("--json", "status", tmp_path / "keeper.yaml").out)["spooled"] is None
    left_behind(tmp_path / "keeper.spool")
    done = in_process("status", tmp_path / "keeper.yaml")
    assert done.code == 1
    assert "3 records wait in the spool since 2025-11-21T04:40:00.000Z: disk full" in done.out
    document = json.loads(in_process("--json", "status", tmp_path / "keeper.yaml").out)
    assert {**document["spooled"], "bytes": 0} == {
        "records": 3,
        "bytes": 0,
        "since": "2025-11-21T04:40:00.000Z",
        "reason": "disk full",
    }


def test_aside__no_spool_named__nothing_waits() -> None:
    assert aside.waiting("") is None
    assert aside.document(None) is None


async def test_health__records_in_the_spool__the_log_is_down_until_they_are_in_it(tmp_path: Path) -> None:
    log, clock = UnreliableLog(), ManualClock(T0)
    store = await spooling(log, tmp_path / "s", ActWithoutLog.CRITICAL, clock)
    drafts: list[Draft] = []
    faults = Faults(clock, drafts.append, lambda _: None)
    health = LogHealth(store, faults)
    log.mood = Mood.GONE
    await store.append(begun())
    health.written(None)
    assert [(fault.part, fault.reason) for fault in faults.current] == [("audit", "unavailable")]
    assert "what critical rules ask for is done" in faults.current[0].remedy
    log.mood = Mood.WELL
    await store.reconcile()
    assert faults.current == ()
    await store.close()


@pytest.mark.parametrize("error", [None, StoreUnavailable("gone", remedy="bring it back")])
def test_health__without_a_spool__is_what_the_last_commit_said(error: StoreUnavailable | None) -> None:
    faults = Faults(ManualClock(T0), lambda _: None, lambda _: None)
    health = LogHealth(UnreliableLog(), faults)
    assert not health.acts_without
    health.written(StoreUnavailable("gone before"))
    health.written(error)
    assert [fault.part for fault in faults.current] == ([] if error is None else ["audit"])
