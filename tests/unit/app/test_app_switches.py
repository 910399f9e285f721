"""Kill switches on their way: from the command line into the log, from the log into the running keeper, and onto the screen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from keeper.adapters import clock as clock_module
from keeper.adapters.audit.memory import MemoryAuditStore
from keeper.adapters.audit.reading import all_records
from keeper.adapters.audit.verify import verify
from keeper.app import switch_records, switches
from keeper.app.cli import status, switch
from keeper.app.cli.output import Output
from keeper.app.cli.switch import Request
from keeper.app.faults import Faults
from keeper.app.switches import POLL_S, Switches
from keeper.config.audit import audit_url
from keeper.domain.errors import KeeperError, StoreUnavailable
from keeper.domain.intervention import Intervention, InterventionKind
from keeper.domain.record import Record, RecordKind, RecordQuery
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Notice
from tests.support.manual_clock import ManualClock
from tests.support.office import off, on

pytestmark = pytest.mark.unit

NOW_MS = 1_772_366_400_000
OFF, ON = InterventionKind.SWITCHED_OFF, InterventionKind.SWITCHED_ON
CONFIG = """\
audit: {url: 'sqlite:///keeper.db'}
sources: {x: {url: "${NEVER_SET}"}}
markets: {M: {rules: {depeg: {}, flow: {}}}, N: {rules: {wild: {}}}}
actions: {pause: {}}
"""


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_module, "SystemClock", lambda: ManualClock(NOW_MS))


@pytest.fixture
def config(tmp_path: Path) -> str:
    file = tmp_path / "keeper.yaml"
    file.write_text(CONFIG)
    return str(file)


def ask(
    kind: InterventionKind = OFF,
    market: str | None = None,
    rule: str | None = None,
    action: str | None = None,
    reason: str = "upgrade",
) -> Request:
    return Request(kind, market, rule, action, reason)


# --- the command


def test_switch__off__is_one_durable_record_that_verifies(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert switch.run(Output(), config, ask(market="M", action="pause")) == 0
    text = capsys.readouterr().out
    assert "off: market M, action pause (record 1)" in text
    assert "switched off: market M, action pause, since 2026-03-01T12:00:00.000Z: upgrade" in text
    (record,) = all_records(audit_url(config))
    assert (record.kind, record.market, record.action, record.at) == (
        RecordKind.SWITCH,
        "M",
        "pause",
        "2026-03-01T12:00:00.000Z",
    )
    assert (record.body["state"], record.body["reason"]) == ("off", "upgrade")
    assert record.body["by"]
    assert verify(audit_url(config)).ok


def test_switch__on__says_what_is_off_still(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    switch.run(Output(), config, ask(market="M", rule="flow"))
    switch.run(Output(), config, ask(market="N"))
    capsys.readouterr()
    switch.run(Output(as_json=True), config, ask(ON, "M", reason="done"))
    document = json.loads(capsys.readouterr().out)
    assert (document["record"], document["state"], document["scope"]) == (3, "on", "market M")
    assert document["off"] == [
        {"market": "N", "rule": None, "action": None, "since": "2026-03-01T12:00:00.000Z", "reason": "upgrade"}
    ]
    switch.run(Output(), config, ask(ON, reason="done"))
    assert switch.NOTHING_OFF in capsys.readouterr().out


@pytest.mark.parametrize(
    ("asked", "what", "hint"),
    [
        (ask(market="m"), "market 'm'", "M"),
        (ask(rule="depegg"), "rule 'depegg'", "did you mean depeg?"),
        (ask(market="N", rule="depeg"), "rule 'depeg'", "wild"),
        (ask(action="pauze"), "action 'pauze'", "did you mean pause?"),
        (ask(reason="  "), "not one line", "why"),
        (ask(reason="two\nlines"), "not one line", "why"),
    ],
)
def test_switch__name_or_reason_that_is_none__is_refused_and_nothing_written(
    asked: Request, what: str, hint: str, config: str
) -> None:
    with pytest.raises(KeeperError, match=what) as caught:
        switch.run(Output(), config, asked)
    assert hint in caught.value.remedy
    assert not Path(config).with_name("keeper.db").exists()


def test_switch__alert__is_an_action_too(config: str) -> None:
    assert switch.run(Output(), config, ask(action="alert")) == 0


def test_list__before_the_first_switch__is_nothing(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert switch.show(Output(), config) == 0
    assert switch.NOTHING_OFF in capsys.readouterr().out


def test_status__switched_off__is_shown_before_the_first_start_too(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    switch.run(Output(), config, ask())
    capsys.readouterr()
    status.run(Output(), config)
    assert "switched off: everything, since 2026-03-01T12:00:00.000Z: upgrade" in capsys.readouterr().out
    status.run(Output(as_json=True), config)
    assert json.loads(capsys.readouterr().out)["switched_off"][0]["reason"] == "upgrade"


# --- the running keeper


class Scene:
    def __init__(self) -> None:
        self.store = MemoryAuditStore()
        self.clock = ManualClock(NOW_MS)
        self.notices: list[Notice] = []
        self.taken: list[Intervention] = []
        self.faults = Faults(self.clock, lambda _: None, self.notices.append)
        self.switches = Switches(self.store, self.clock, self.faults, self.taken.extend)

    async def write(self, *drafts: Intervention) -> None:
        await self.store.append([switch_records.record(one, "ana") for one in drafts])


SWITCHES = tuple(
    replace(one, record=number)
    for number, one in enumerate(
        (off("M", "depeg", "pause", at_ms=NOW_MS), off(at_ms=NOW_MS + 1), on("N", at_ms=NOW_MS + 2)), 1
    )
)


async def test_switches__written_by_others__are_read_once_each_as_they_were_meant() -> None:
    scene = Scene()
    await scene.write(*SWITCHES[:2])
    await scene.switches.read()
    await scene.write(SWITCHES[2])
    await scene.switches.read()
    await scene.switches.read()
    assert tuple(scene.taken) == SWITCHES


async def test_switches__more_than_a_page__are_all_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switches, "PAGE", 2)
    for count in (2, 3, 4):
        scene = Scene()
        await scene.write(*[SWITCHES[0]] * count)
        await scene.switches.read()
        assert len(scene.taken) == count


async def test_switches__watched__are_taken_in_within_a_poll_and_trouble_is_told() -> None:
    scene = Scene()
    page = scene.store.page

    async def broken(query: RecordQuery) -> Sequence[Record]:
        raise StoreUnavailable("disk on fire")

    watching = asyncio.create_task(scene.switches.watch())
    try:
        await scene.clock.advance(POLL_S * 1000)
        await scene.write(SWITCHES[0])
        await scene.clock.advance(POLL_S * 1000)
        assert scene.taken == [SWITCHES[0]]
        scene.store.page = broken  # type: ignore[method-assign]
        await scene.clock.advance(POLL_S * 1000)
        assert [fault.part for fault in scene.faults.current] == ["switches"]
        assert [notice.severity for notice in scene.notices] == [Severity.CRITICAL]
        scene.store.page = page  # type: ignore[method-assign]
        await scene.write(SWITCHES[1])
        await scene.clock.advance(POLL_S * 1000)
        assert scene.taken == [*SWITCHES[:2]]
        assert scene.faults.current == ()
    finally:
        watching.cancel()
