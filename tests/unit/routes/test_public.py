"""The public route: all nodes at once, the best answer wins."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import pytest

from keeper.adapters.routes.dry_run import DryRunRoute
from keeper.adapters.routes.public import PublicRoute
from keeper.domain.errors import KeeperError, MalformedAnswer, Refused, UnitError, Unreachable
from keeper.domain.intent import Attempt
from keeper.ports.route import SubmissionKind

pytestmark = pytest.mark.unit

HASH = "0x" + "ab" * 32
ATTEMPT = Attempt("i", 1, 31337, "0x1", 0, 2, 1, 21_000, "0x2", "0x", HASH, "0xraw", 0)


class Node:
    """Answers what the test says and keeps what it was sent."""

    def __init__(self, answer: str | KeeperError | Callable[[], Awaitable[str]]) -> None:
        self.answer = answer
        self.sent: list[str] = []

    async def send_raw(self, raw: str) -> str:
        self.sent.append(raw)
        await asyncio.sleep(0)
        if isinstance(self.answer, KeeperError):
            raise self.answer
        return self.answer if isinstance(self.answer, str) else await self.answer()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (HASH, SubmissionKind.ACCEPTED),
        (HASH.upper().replace("0X", "0x"), SubmissionKind.ACCEPTED),
        (Refused("already known"), SubmissionKind.KNOWN),
        (Refused("nonce too low"), SubmissionKind.NONCE_TOO_LOW),
        (Refused("replacement transaction underpriced"), SubmissionKind.UNDERPRICED),
        (Refused("insufficient funds for gas * price + value"), SubmissionKind.INSUFFICIENT_FUNDS),
        (Refused("no"), SubmissionKind.REFUSED),
        (Unreachable("gone"), SubmissionKind.UNREACHABLE),
        (MalformedAnswer("nonsense"), SubmissionKind.UNREACHABLE),
        ("0x" + "cd" * 32, SubmissionKind.UNREACHABLE),
    ],
)
async def test_public__one_node__its_answer_is_the_submission(answer: str | KeeperError, kind: SubmissionKind) -> None:
    node = Node(answer)
    submission = await PublicRoute("public", [node]).submit(ATTEMPT, 7)
    assert submission.kind is kind
    assert submission.message
    assert node.sent == [ATTEMPT.raw]


RANKED: list[str | KeeperError] = [
    HASH,
    Refused("already known"),
    Refused("nonce too low"),
    Refused("insufficient funds"),
]
RANKED += [
    Refused("underpriced"),
    Refused("tx fee (2.00 ether) exceeds the configured cap (1.00 ether)"),
    Refused("no"),
    Refused("invalid sender"),
]


@pytest.mark.parametrize(("better", "worse"), list(itertools.combinations(range(len(RANKED)), 2)))
async def test_public__two_nodes__the_better_answer_wins_in_any_order(better: int, worse: int) -> None:
    alone = await PublicRoute("p", [Node(RANKED[better])]).submit(ATTEMPT, 7)
    for pair in ((better, worse), (worse, better)):
        route = PublicRoute("p", [Node(RANKED[index]) for index in pair])
        seen = await route.submit(ATTEMPT, 7)
        await route.close()
        # a transaction that one node took is taken, whichever of the two good answers came first
        assert seen.kind in {alone.kind} | ({SubmissionKind.KNOWN} if (better, worse) == (0, 1) else set())


@pytest.mark.parametrize("words", ["no", "invalid sender", "underpriced"])
async def test_public__one_refuses_and_one_is_not_heard__it_may_have_been_taken(words: str) -> None:
    for nodes in ([Refused(words), Unreachable("gone")], [Unreachable("gone"), Refused(words)]):
        submission = await PublicRoute("p", [Node(each) for each in nodes]).submit(ATTEMPT, 7)
        expected = SubmissionKind.UNDERPRICED if words == "underpriced" else SubmissionKind.UNREACHABLE
        assert submission.kind is expected
        assert words in submission.message


async def test_public__over_the_cap__the_cap_is_told() -> None:
    route = PublicRoute("p", [Node(Refused("tx fee (2.00 ether) exceeds the configured cap (1.00 ether)"))])
    assert (await route.submit(ATTEMPT, 7)).cap_wei == 10**18


async def test_public__one_node_hangs__the_answer_of_the_other_is_not_held_up() -> None:
    gate = asyncio.Event()

    async def hanging() -> str:
        await gate.wait()
        return HASH

    slow, fast = Node(hanging), Node(HASH)
    route = PublicRoute("public", [slow, fast])
    assert (await route.submit(ATTEMPT, 7)).kind is SubmissionKind.ACCEPTED
    assert slow.sent == [ATTEMPT.raw]
    gate.set()
    await route.close()
    await route.close()


async def test_public__first_answer_is_bad__waits_for_a_good_one() -> None:
    gate = asyncio.Event()

    async def late() -> str:
        await gate.wait()
        return HASH

    route = PublicRoute("public", [Node(late), Node(Unreachable("gone"))])
    submitting = asyncio.create_task(route.submit(ATTEMPT, 7))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not submitting.done()
    gate.set()
    assert (await submitting).kind is SubmissionKind.ACCEPTED


async def test_public__cancelled__the_sends_go_on() -> None:
    gate = asyncio.Event()
    arrived: list[str] = []

    async def late() -> str:
        await gate.wait()
        arrived.append("yes")
        return HASH

    route = PublicRoute("public", [Node(late)])
    submitting = asyncio.create_task(route.submit(ATTEMPT, 7))
    await asyncio.sleep(0)
    submitting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await submitting
    gate.set()
    await route.close()
    assert arrived == ["yes"]


def test_public__without_nodes__is_refused() -> None:
    with pytest.raises(UnitError):
        PublicRoute("public", [])


async def test_dry_run__any_attempt__is_not_sent() -> None:
    route = DryRunRoute()
    submission = await route.submit(ATTEMPT, 7)
    assert (route.name, submission.kind) == ("dry-run", SubmissionKind.NOT_SENT)
    assert HASH in submission.message
