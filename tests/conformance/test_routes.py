"""What every route must do: one typed answer for each attempt, whatever the other side does; never an exception."""

from __future__ import annotations

import pytest

from keeper.adapters.chain.memory import MemoryChain
from keeper.adapters.routes.dry_run import DryRunRoute
from keeper.adapters.routes.public import PublicRoute
from keeper.domain.errors import MalformedAnswer, OutsideError, Refused, Unreachable, WrongChain
from keeper.domain.intent import Attempt
from keeper.ports.route import Route, Submission, SubmissionKind
from tests.support.chain_stage import CELL, ETHER, sender, signed, write

pytestmark = pytest.mark.conformance

RAW, HASH = signed(write(5), 0)
ATTEMPT = Attempt("i", 1, 31337, sender(), 0, 10**10, 10**9, 100_000, CELL, "0x", HASH, RAW, 0)


class Failing:
    """A node that only fails."""

    def __init__(self, error: OutsideError) -> None:
        self.error = error

    async def send_raw(self, raw: str) -> str:
        raise self.error


def chain_with_money() -> MemoryChain:
    chain = MemoryChain()
    chain.fund(sender(), ETHER)
    return chain


@pytest.fixture(params=["dry-run", "public", "public-two-nodes"])
def route(request: pytest.FixtureRequest) -> Route:
    if request.param == "dry-run":
        return DryRunRoute("the-route")
    return PublicRoute("the-route", [chain_with_money() for _ in range(1 if request.param == "public" else 2)])


def check(submission: Submission) -> None:
    assert isinstance(submission.kind, SubmissionKind)
    assert submission.message


async def test_route__an_attempt__is_answered(route: Route) -> None:
    assert route.name == "the-route"
    submission = await route.submit(ATTEMPT, 7)
    check(submission)
    assert submission.kind in (SubmissionKind.ACCEPTED, SubmissionKind.NOT_SENT)


async def test_route__same_attempt_again__is_safe(route: Route) -> None:
    first = await route.submit(ATTEMPT, 7)
    second = await route.submit(ATTEMPT, 7)
    check(second)
    expected = SubmissionKind.KNOWN if first.kind is SubmissionKind.ACCEPTED else first.kind
    assert second.kind is expected


@pytest.mark.parametrize(
    "error", [Unreachable("a"), MalformedAnswer("b"), Refused("c", code=-32000), WrongChain("d"), OutsideError("e")]
)
async def test_public__any_failure_outside__is_an_answer(error: OutsideError) -> None:
    submission = await PublicRoute("p", [Failing(error)]).submit(ATTEMPT, 7)
    check(submission)
    assert submission.kind in (SubmissionKind.UNREACHABLE, SubmissionKind.REFUSED)


async def test_public__one_node_fails_and_one_takes_it__is_accepted() -> None:
    chain = chain_with_money()
    route = PublicRoute("p", [Failing(Refused("rate limit exceeded")), chain])
    assert (await route.submit(ATTEMPT, 7)).kind is SubmissionKind.ACCEPTED
    await route.close()
    chain.mine()
    receipt = await chain.receipt(HASH)
    assert receipt is not None
    assert receipt.status == 1


async def test_public__chain_that_went_on__says_what_is_wrong() -> None:
    chain = chain_with_money()
    route = PublicRoute("p", [chain])
    chain.fund(sender(), 1)
    assert (await route.submit(ATTEMPT, 7)).kind is SubmissionKind.INSUFFICIENT_FUNDS
    chain.fund(sender(), ETHER)
    await route.submit(ATTEMPT, 7)
    cheaper, cheaper_hash = signed(write(6), 0, max_fee_wei=10**10 + 1)
    other = Attempt("i", 2, 31337, sender(), 0, 10**10 + 1, 10**9, 100_000, CELL, "0x", cheaper_hash, cheaper, 0)
    assert (await route.submit(other, 7)).kind is SubmissionKind.UNDERPRICED
    chain.mine()
    assert (await route.submit(ATTEMPT, 7)).kind is SubmissionKind.NONCE_TOO_LOW
    chain.go_down()
    assert (await route.submit(ATTEMPT, 7)).kind is SubmissionKind.UNREACHABLE
