"""The private route against the local relay: what is sent gets into a block, and nobody sees it before."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from keeper.adapters.clock import SystemClock
from keeper.adapters.routes.private import PrivateRoute
from keeper.adapters.routes.relay_answers import NO_SIGNATURE
from keeper.adapters.routes.relay_client import Builder, Cancelling, RelayClient
from keeper.devnet.relay import DOCUMENTED, Fault, FaultKind
from keeper.devnet.relay.builders import Builder as RelayBuilder
from keeper.devnet.relay.builders import Shape
from keeper.domain.intent import Attempt
from keeper.ports.route import SubmissionKind
from keeper.ports.signer import IdentitySigner
from tests.support.relay_client import Signed
from tests.support.relay_stage import Purse, Stage, always, relay_stage
from tests.support.scripted_relay import identity

# One node and one relay for the whole file: the tests share its event loop. Each has keys of its own.
pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

BUILDERS = (*DOCUMENTED, RelayBuilder("gateway", shape=Shape.PLAIN))
NAMES = ("titan", "buildernet", "quasar", "flashbots", "gateway")
ACCEPTED, REFUSED = SubmissionKind.ACCEPTED, SubmissionKind.REFUSED
INTENTS = itertools.count()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened() -> AsyncIterator[Stage]:
    async with relay_stage(BUILDERS, always("titan", *BUILDERS)) as stage:
        yield stage


OPENED: list[PrivateRoute] = []


@pytest_asyncio.fixture(loop_scope="module")
async def stage(opened: Stage) -> AsyncIterator[Stage]:
    yield opened
    opened.relay.heal()
    for route in OPENED:
        await route.close()
    OPENED.clear()


class Broken:
    """Signs like a client that forgot a ``0x``."""

    def __init__(self, *, hashed: bool) -> None:
        self._identity = identity()
        self._hashed = hashed
        self.address = self._identity.address

    async def sign_text(self, text: str) -> str:
        if self._hashed:
            return await self._identity.sign_text(text.removeprefix("0x"))
        return (await self._identity.sign_text(text)).removeprefix("0x")


def route_to(
    stage: Stage,
    *names: str,
    signer: IdentitySigner | None = None,
    timeout_ms: int = 20_000,
    grace_ms: int = 20_000,
    private: tuple[str, ...] = ("titan", "flashbots"),
) -> PrivateRoute:
    signer = signer or identity()
    clients = []
    for name in names:
        url, takes = stage.relay.url(name), name in private
        cancel = Cancelling.EMPTY if name == "buildernet" else Cancelling.METHOD
        one = Builder(name, url, private_transactions=takes, cancel=cancel, status=url if takes else None)
        clients.append(RelayClient(one, signer, SystemClock(), timeout_ms=timeout_ms))
    OPENED.append(PrivateRoute("private", clients, signer, timeout_ms=timeout_ms, grace_ms=grace_ms))
    return OPENED[-1]


def bundles_of(stage: Stage, purse: Purse) -> list[str]:
    """The hashes of what builders have of this key in bundles."""
    bundles = stage.relay.book.bundles.values()
    return [one.transactions[0].tx_hash for one in bundles if one.transactions[0].sender == purse.address]


def as_attempt(purse: Purse, one: Signed, number: int = 1, intent: str = "") -> Attempt:
    intent = intent or f"intent-{next(INTENTS)}"
    return Attempt(intent, number, 31337, purse.address, 0, 1, 1, 200_000, "0x", "0x", one.hash, one.raw, 0)


async def test_attempt__taken_by_all__is_in_the_next_block_and_was_public_nowhere(stage: Stage) -> None:
    route, purse = route_to(stage, *NAMES), await stage.purse()
    attempt = as_attempt(purse, purse.pay())
    submission = await route.submit(attempt, await stage.newest())
    assert submission.kind is ACCEPTED
    assert {(one.to, one.kind) for one in submission.answers} == {(name, ACCEPTED) for name in NAMES}
    assert await route.status(attempt) == "PENDING"
    slot = await stage.relay.slots.next()
    assert attempt.tx_hash in slot.private
    assert await stage.relay.public_before(attempt.tx_hash, slot.number) is None
    assert await route.status(attempt) == "INCLUDED"


async def test_attempt__replaced_by_a_dearer_one__only_that_one_is_left_at_every_builder(stage: Stage) -> None:
    names = ("buildernet", "quasar")
    route, purse = route_to(stage, *names), await stage.purse()
    first, second = purse.pay(), purse.pay(tip_gwei=4, max_fee_gwei=40)
    block = await stage.newest()
    await route.submit(as_attempt(purse, first, 1, "same"), block)
    await route.submit(as_attempt(purse, second, 2, "same"), block)
    assert bundles_of(stage, purse) == [second.hash] * 2 * len(names)


async def test_attempt__submitted_again_by_another_run__is_there_once(stage: Stage) -> None:
    purse = await stage.purse()
    attempt, block = as_attempt(purse, purse.pay()), await stage.newest()
    for _ in range(2):
        route = route_to(stage, "buildernet")
        assert (await route.submit(attempt, block)).kind is ACCEPTED
        await route.close()
    assert bundles_of(stage, purse) == [attempt.tx_hash] * 2


async def test_attempt__withdrawn__is_not_mined(stage: Stage) -> None:
    names = ("titan", "buildernet", "quasar", "flashbots")
    route, purse = route_to(stage, *names, private=("flashbots",)), await stage.purse()
    attempt = as_attempt(purse, purse.pay())
    await route.submit(attempt, await stage.newest())
    answers = await route.withdraw([attempt])
    assert {one.to for one in answers} == set(names)
    assert {one.kind for one in answers} == {ACCEPTED}
    for _ in range(2):
        assert attempt.tx_hash not in (await stage.relay.slots.next()).transactions
    assert await route.status(attempt) == "CANCELLED"


async def test_withdraw__a_builder_without_a_way_for_private_transactions__says_so(stage: Stage) -> None:
    route, purse = route_to(stage, "titan"), await stage.purse()
    attempt = as_attempt(purse, purse.pay())
    await route.submit(attempt, await stage.newest())
    answers = await route.withdraw([attempt])
    assert {(one.method, one.kind) for one in answers} == {
        ("eth_cancelBundle", ACCEPTED),
        ("eth_cancelPrivateTransaction", REFUSED),
    }


@pytest.mark.parametrize("kind", [FaultKind.LOST, FaultKind.BAD_GATEWAY, FaultKind.RATE_LIMITED])
async def test_attempt__one_fault_in_passing__is_overcome(stage: Stage, kind: FaultKind) -> None:
    route, purse = route_to(stage, "titan"), await stage.purse()
    attempt = as_attempt(purse, purse.pay())
    stage.relay.inject(Fault(kind, "titan", times=1, retry_after_s=0))
    assert (await route.submit(attempt, await stage.newest())).kind is ACCEPTED
    assert route.figures[0].retried == 1
    await route.close()  # the other requests are there by now
    assert attempt.tx_hash in (await stage.relay.slots.next()).private


@pytest.mark.parametrize("hashed", [True, False])
async def test_signature__without_0x__is_refused_by_all_that_look_and_the_proof_says_so(
    stage: Stage, hashed: bool
) -> None:
    route, purse = route_to(stage, *NAMES, signer=Broken(hashed=hashed)), await stage.purse()
    proofs = {one.to: one for one in await route.prove()}
    assert {one.kind for one in proofs.values()} == {REFUSED}
    assert all(NO_SIGNATURE in proofs[name].message for name in NAMES if name != "gateway")
    submission = await route.submit(as_attempt(purse, purse.pay()), await stage.newest())
    assert submission.kind is REFUSED


async def test_prove__everybody__takes_our_signature_and_is_sent_nothing(stage: Stage) -> None:
    before = dict(stage.relay.book.bundles), dict(stage.relay.book.privates)
    route = route_to(stage, "titan", "buildernet", "quasar", "flashbots")
    assert {one.kind for one in await route.prove()} == {ACCEPTED}
    assert (dict(stage.relay.book.bundles), dict(stage.relay.book.privates)) == before
    stage.relay.inject(Fault(FaultKind.WRONG_SIGNATURE, "flashbots"))
    assert [one.kind for one in await route.prove()] == [ACCEPTED] * 3 + [REFUSED]


async def test_relay__gone_and_back__is_used_again(stage: Stage) -> None:
    route, purse = route_to(stage, "titan"), await stage.purse()
    attempt = as_attempt(purse, purse.pay())
    await route.prove()
    await stage.relay.go_down()
    try:
        assert (await route.submit(attempt, await stage.newest())).kind is SubmissionKind.UNREACHABLE
    finally:
        await stage.relay.come_up()
    assert (await route.submit(attempt, await stage.newest())).kind is ACCEPTED
    await route.close()
    assert attempt.tx_hash in (await stage.relay.slots.next()).private


async def test_connections__opened_beforehand__are_used_by_the_submission(stage: Stage) -> None:
    """Of three requests at once, none opens another one."""
    route, purse = route_to(stage, "titan"), await stage.purse()
    await route.warm()
    pool = route._clients[0]._client._transport._inner._pool  # type: ignore[attr-defined]
    before = set(map(id, pool.connections))
    assert len(before) == 3
    await route.submit(as_attempt(purse, purse.pay()), await stage.newest())
    assert set(map(id, pool.connections)) == before
