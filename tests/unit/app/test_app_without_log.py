"""Acting while the log is away: what a critical rule asks for, when the policy says so, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from keeper.app.acting import Acting, without_log
from keeper.app.council.desks import Desks
from keeper.app.evidence_hash import evidence_hash
from keeper.app.without_log import KEY, Permission, is_critical
from keeper.config.audit import ActWithoutLog
from keeper.domain.block import BlockStamp
from keeper.domain.decision import DecisionKind
from keeper.domain.errors import StoreUnavailable
from keeper.domain.record import Draft, RecordKind
from keeper.domain.verdict import Severity
from keeper.execution.work import Order
from tests.support.audit_log import opening, tick
from tests.support.spooling_log import decision as decision_record
from tests.unit.app.test_app_agreement import SUBJECTS, Others, Scene, decision, opened

pytestmark = pytest.mark.unit

GONE = StoreUnavailable("the database is gone", remedy="bring it back")


class Log:
    """An executor whose log takes only what was decided without it; with ``spool`` False not even that."""

    def __init__(self, *, spool: bool = True) -> None:
        self.spool = spool
        self.done: list[str] = []
        self.written: list[Draft] = []
        self.open_works: tuple[Any, ...] = ()

    async def act(
        self, items: Sequence[tuple[Draft, Order | None]], block: BlockStamp, marks: Mapping[str, float]
    ) -> None:
        for draft, order in items:
            if order is not None and not (self.spool and draft.body.get(KEY) is True):
                raise GONE
        self.written += [draft for draft, _ in items]
        self.done += [order.id for _, order in items if order is not None]


class WithoutLog(Scene):
    def __init__(self, log: Log, *, allowed: bool) -> None:
        super().__init__(None)
        self.log = log
        self.recorded: list[Draft] = []
        self.acting = Acting(
            log,  # type: ignore[arg-type]
            self.agreement,
            self.acting._armed,
            "0xc0de",
            self.clock,
            SUBJECTS,
            cosigning=Others(),  # type: ignore[arg-type]
            desks=Desks([], {}, self.audit_errors.append),
            failed=lambda *what: self.failed.append(what),
            audit_failed=self.audit_errors.append,
            tell=self.pages.append,
            record=self.recorded.append,
            without_log=allowed,
        )


def of(severity: Severity, action: str = "pause") -> Any:
    one = decision(action=action)
    return replace(one, verdict=replace(one.verdict, severity=severity))


async def test_act__not_allowed__is_not_done_and_what_was_decided_is_recorded_later() -> None:
    scene = WithoutLog(Log(), allowed=False)
    await scene.tick(of(Severity.CRITICAL), incidents=[opened()])
    assert scene.log.done == []
    assert scene.failed == [("M", "pause", "no-log")]
    assert scene.audit_errors == [GONE]
    assert [draft.kind for draft in scene.recorded] == [RecordKind.INCIDENT, RecordKind.DECISION]
    assert scene.recorded[1].body["not_done"] == "no-log"
    assert scene.pages == []


async def test_act__critical__is_done_says_so_and_people_are_paged() -> None:
    scene = WithoutLog(Log(), allowed=True)
    one = of(Severity.CRITICAL)
    await scene.tick(one, incidents=[opened()])
    assert scene.log.done == [one.id]
    assert [draft.kind for draft in scene.log.written] == [RecordKind.INCIDENT, RecordKind.DECISION]
    assert scene.log.written[1].body[KEY] is True
    assert (scene.failed, scene.recorded) == ([], [])
    assert scene.audit_errors == [GONE]
    (page,) = scene.pages
    assert page.severity is Severity.CRITICAL
    assert "without the log" in page.title
    assert GONE.message in page.body


async def test_act__less_than_critical__is_not_done() -> None:
    scene = WithoutLog(Log(), allowed=True)
    await scene.tick(of(Severity.WARNING))
    assert scene.log.done == []
    assert scene.failed == [("M", "pause", "no-log")]
    assert scene.recorded[0].body["not_done"] == "no-log"


async def test_act__both_in_one_tick__only_the_critical_one_is_done() -> None:
    scene = WithoutLog(Log(), allowed=True)
    critical, other = of(Severity.CRITICAL), of(Severity.WARNING, "limit")
    await scene.tick(other, critical)
    assert scene.log.done == [critical.id]
    assert scene.failed == [("M", "limit", "no-log")]
    assert [draft.body.get("not_done") for draft in scene.log.written] == ["no-log", None]
    assert scene.recorded == []


async def test_act__the_spool_takes_nothing_either__is_not_done() -> None:
    scene = WithoutLog(Log(spool=False), allowed=True)
    await scene.tick(of(Severity.CRITICAL))
    assert scene.log.done == []
    assert scene.failed == [("M", "pause", "no-log")]
    assert scene.pages == []


def test_without_log__order_through_a_breaker__its_evidence_is_of_what_is_written() -> None:
    draft = replace(decision_record(without_log=False), market="M", action="pause")
    order: Any = SimpleNamespace(evidence=b"\1" * 32)
    made = Order("i-1", "inc-1", armed=None, before=None, at_ms=1, evidence=order.evidence)  # type: ignore[arg-type]
    told, again = without_log(draft, made)
    assert again is not None
    assert again.evidence == evidence_hash(told) != evidence_hash(draft)
    assert without_log(draft, replace(made, evidence=b""))[1] == replace(made, evidence=b"")


@pytest.mark.parametrize(
    ("changed", "critical"),
    [
        ({}, True),
        ({"kind": str(DecisionKind.ALERT)}, False),
        ({"verdict": {"severity": "warning"}}, False),
        ({"verdict": None}, False),
    ],
)
def test_is_critical__decisions_to_act_of_critical_rules_alone(changed: dict[str, Any], critical: bool) -> None:
    draft = decision_record()
    assert is_critical(replace(draft, body={**draft.body, **changed})) is critical
    assert not is_critical(tick())


def test_permission__forgets_the_oldest_beyond_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keeper.app.without_log.REMEMBERED", 2)
    permission = Permission(ActWithoutLog.CRITICAL)
    permission.hear([decision_record(f"i-{number}") for number in range(3)])
    step = Draft(RecordKind.OUTCOME, {}, 1, intent="i-0")
    assert permission.refused([step]) is step
    assert permission.refused([replace(step, intent="i-1")]) is None
    assert permission.refused([opening("i-1")]) is not None, "an intent needs its decision beside it"
