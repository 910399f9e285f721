"""What a replica adds to a service: the lease hears of blocks, nothing is sent without it, and a takeover is told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from keeper.adapters.audit.store import LeaseTerms
from keeper.app.taking_over import Evaluating, fenced, takeover, under_lease
from keeper.domain.errors import AlreadyRunning
from keeper.domain.record import Json
from keeper.domain.verdict import Severity
from keeper.execution.edges import Way
from keeper.ports.route import Submission, SubmissionKind

pytestmark = pytest.mark.unit


@dataclass
class Lead:
    """Implements ``Leading`` as far as these need it."""

    acts: bool = True
    terms: LeaseTerms | None = field(default_factory=lambda: LeaseTerms(lambda: 1, 1_000))
    body: Mapping[str, Json] = field(default_factory=dict)
    blocks: list[tuple[str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lost = asyncio.Event()
        self.refused: AlreadyRunning | None = None

    async def wait(self, stop: asyncio.Event, parts: Any) -> bool:
        return self.acts

    def may_act(self) -> bool:
        return self.acts

    def saw(self, block: int) -> None:
        self.blocks.append(("saw", block))

    def evaluated(self, block: int) -> None:
        self.blocks.append(("evaluated", block))

    def said(self) -> Mapping[str, Json]:
        return self.body

    def acts_by(self, markets: str, sender: str) -> None: ...

    def unlike(self) -> str:
        return ""

    async def close(self) -> None: ...


class Route:
    """Implements ``SecretRoute``."""

    name = "somewhere"

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def submit(self, attempt: Any, block: int) -> Submission:
        self.asked.append("submit")
        return Submission(SubmissionKind.ACCEPTED)

    async def withdraw(self, attempts: Sequence[Any]) -> Sequence[Any]:
        self.asked.append("withdraw")
        return ()

    async def status(self, attempt: Any) -> str:
        return "PENDING"

    async def prove(self) -> Sequence[Any]:
        return ()

    async def close(self) -> None:
        self.asked.append("close")


@pytest.mark.parametrize("leads", [True, False])
async def test_routes__with_and_without_the_lease__only_the_leader_sends(leads: bool) -> None:
    lead, open_route, secret = Lead(acts=leads), Route(), Route()
    way = under_lease({"both": Way(open_route, secret, together=True)}, lead)["both"]
    attempt: Any = None
    assert way.open is not None
    assert way.secret is not None
    answers = [await way.open.submit(attempt, 1), await way.secret.submit(attempt, 1)]
    await way.secret.withdraw([])

    assert way.together
    assert way.open.name == "somewhere"
    wanted = SubmissionKind.ACCEPTED if leads else SubmissionKind.UNREACHABLE
    assert [answer.kind for answer in answers] == [wanted, wanted]
    assert open_route.asked == (["submit"] if leads else [])
    assert secret.asked == (["submit", "withdraw"] if leads else [])
    assert await way.secret.status(attempt) == "PENDING"
    await way.secret.close()
    assert secret.asked[-1] == "close"


def test_routes__without_replicas__are_as_they_were() -> None:
    ways = {"public": Way(Route())}
    assert under_lease(ways, None) is ways
    assert under_lease(ways, Lead(terms=None)) is ways


def test_evaluating__blocks_of_the_service__reach_the_lease() -> None:
    lead = Lead()
    seen = Evaluating(lead)
    block: Any = SimpleNamespace(number=7)
    seen.ready(block, None)
    tick: Any = SimpleNamespace(block=SimpleNamespace(number=8))
    seen.ticked(tick)
    assert lead.blocks == [("saw", 7), ("evaluated", 8)]


def test_fenced__lease_lost__only_with_replicas() -> None:
    lead, alone = Lead(), Lead(terms=None)
    assert not fenced(lead)
    lead.lost.set()
    alone.lost.set()
    assert fenced(lead)
    assert not fenced(alone)
    assert not fenced(None)


@pytest.mark.parametrize(
    ("why", "severity", "words"),
    [
        ("free", Severity.INFO, "given the lead up"),
        ("expired", Severity.WARNING, "nothing had been heard for 6.3 s"),
        ("session-ended", Severity.WARNING, "connection to the database ended"),
    ],
)
def test_takeover__from_another__is_told_with_the_time(why: str, severity: Severity, words: str) -> None:
    before: dict[str, Json] = {"from": "a", "why": why, "silent_ms": "6300"}
    notice = takeover(Lead(body={"replica": "b", "fence": 2, "took_over": before}))
    assert notice is not None
    assert (notice.title, notice.severity) == ("b took over from a after 6.3 s", severity)
    assert words in notice.body


def test_takeover__first_of_all_or_alone__is_no_news() -> None:
    assert takeover(None) is None
    assert takeover(Lead()) is None
    assert takeover(Lead(body={"replica": "b", "fence": 1, "took_over": None})) is None
