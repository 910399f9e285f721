"""Builders that do not take our signature are faults at once, and none any more when they do."""

from __future__ import annotations

import pytest

from keeper.adapters.routes.memory import MemorySecretRoute
from keeper.adapters.routes.relay_answers import NO_SIGNATURE, WANTS_SIGNATURE
from keeper.app.canary import ADDRESS, AWAY, HEADER, NOBODY, UNSIGNED, Canary, reason_of, remedy_of
from keeper.app.faults import Faults
from keeper.domain.record import Draft
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Notice
from keeper.ports.route import Answer, SubmissionKind
from tests.support.manual_clock import ManualClock

pytestmark = pytest.mark.unit

ACCEPTED, REFUSED, AWAY_ = SubmissionKind.ACCEPTED, SubmissionKind.REFUSED, SubmissionKind.UNREACHABLE


class Stage:
    def __init__(self) -> None:
        self.drafts: list[Draft] = []
        self.notices: list[Notice] = []
        self.faults = Faults(ManualClock(), self.drafts.append, self.notices.append)
        self.route = MemorySecretRoute("private", ["a", "b"])
        self.canary = Canary(self.route, self.faults)

    async def run(self, a: SubmissionKind, b: SubmissionKind) -> list[tuple[str, Severity]]:
        """What is told."""
        self.route.says.update(a=a, b=b)
        self.notices.clear()
        await self.canary.run()
        return [(notice.title, notice.severity) for notice in self.notices]


async def test_canary__all_take_us__says_nothing() -> None:
    stage = Stage()
    assert await stage.run(ACCEPTED, SubmissionKind.KNOWN) == []
    assert stage.drafts == []


@pytest.mark.parametrize("how", [REFUSED, AWAY_])
async def test_canary__one_does_not__is_a_warning_once_and_its_end_is_told(how: SubmissionKind) -> None:
    stage = Stage()
    assert await stage.run(ACCEPTED, how) == [("route:private/b is down", Severity.WARNING)]
    assert await stage.run(ACCEPTED, how) == []
    assert [fault.part for fault in stage.faults.current] == ["route:private/b"]
    assert await stage.run(ACCEPTED, ACCEPTED) == [("route:private/b is up", Severity.INFO)]
    assert [draft.body["state"] for draft in stage.drafts] == ["down", "up"]
    assert stage.faults.current == ()


async def test_canary__nobody_is_left__is_critical_and_says_so() -> None:
    stage = Stage()
    assert await stage.run(REFUSED, ACCEPTED) == [("route:private/a is down", Severity.WARNING)]
    assert await stage.run(REFUSED, AWAY_) == [("route:private/b is down", Severity.CRITICAL)]
    assert stage.notices[0].body.splitlines()[0].endswith(f"{NOBODY}: nothing can be sent until one answers")
    assert "fallback" not in stage.notices[0].body
    assert await stage.run(ACCEPTED, AWAY_) == [("route:private/a is up", Severity.INFO)]


async def test_canary__nobody_is_left_and_there_is_a_fallback__names_it() -> None:
    stage = Stage()
    stage.canary = Canary(stage.route, stage.faults, "sequencer")
    await stage.run(REFUSED, AWAY_)
    assert {notice.body.splitlines()[0].rpartition("; ")[2] for notice in stage.notices} == {
        f"{NOBODY}: the fallback sequencer is used"
    }


@pytest.mark.parametrize(
    ("answer", "reason", "remedy"),
    [
        (Answer("a", "m", REFUSED, f"{NO_SIGNATURE}: invalid signature"), "signature-refused", HEADER),
        (Answer("a", "m", REFUSED, f"{WANTS_SIGNATURE}: signature is required"), "signature-wanted", UNSIGNED),
        (Answer("a", "m", REFUSED, "HTTP 404: empty"), "refused", ADDRESS),
        (Answer("a", "m", AWAY_, "no connection"), "unreachable", AWAY),
    ],
)
def test_reason__each_has_its_remedy(answer: Answer, reason: str, remedy: str) -> None:
    assert (reason_of(answer), remedy_of(answer)) == (reason, remedy)
