"""What every route to builders must do, on the real one (through HTTP, to the local relay) and on the one in memory."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace

import pytest
from eth_account import Account

from keeper.adapters.clock import SystemClock
from keeper.adapters.routes.memory import MemorySecretRoute
from keeper.adapters.routes.private import PrivateRoute
from keeper.adapters.routes.relay_client import Builder, Cancelling, RelayClient
from keeper.devnet.anvil import Anvil
from keeper.devnet.relay import Fault, FaultKind, Relay
from keeper.domain.intent import Attempt
from keeper.ports.route import Answer, SecretRoute, SubmissionKind
from tests.support.relay_client import Signed, transaction
from tests.support.relay_stage import FIFO
from tests.support.scripted_relay import identity

pytestmark = pytest.mark.conformance

NAMES = ("titan", "buildernet", "quasar")
TO = "0x" + "55" * 20
ETHER = 10**18
REFUSES, AWAY = SubmissionKind.REFUSED, SubmissionKind.UNREACHABLE


def settings(relay: Relay, name: str) -> Builder:
    """As an operator would write them."""
    url = relay.url(name)
    match name:
        case "titan":
            return Builder(name, url, header="", private_transactions=True, status=url)
        case "buildernet":
            return Builder(name, url, header="X-BuilderNet-Signature", cancel=Cancelling.EMPTY)
        case _:
            return Builder(name, url)


@dataclass
class World:
    """``breaks`` makes these builders refuse or stay away; ``newest`` is the number of the newest block."""

    route: SecretRoute
    breaks: Callable[[tuple[str, ...], SubmissionKind], None]
    newest: Callable[[], Awaitable[int]]
    funded: Callable[[], Awaitable[Attempt]]


def as_attempt(key: str, one: Signed) -> Attempt:
    sender = Account.from_key(key).address
    return Attempt("i", 1, 31337, sender, 0, 20 * 10**9, 2 * 10**9, 200_000, TO, "0x", one.hash, one.raw, 0)


def new_attempt() -> Attempt:
    key = "0x" + secrets.token_hex(32)
    return as_attempt(key, transaction(key, 0, TO, value=1))


@contextlib.asynccontextmanager
async def in_memory() -> AsyncIterator[World]:
    route = MemorySecretRoute("private", NAMES)

    def breaks(names: tuple[str, ...], how: SubmissionKind) -> None:
        route.says.update(dict.fromkeys(names, how))

    async def newest() -> int:
        return 7

    async def funded() -> Attempt:
        return new_attempt()

    yield World(route, breaks, newest, funded)


@contextlib.asynccontextmanager
async def over_http() -> AsyncIterator[World]:
    clock = SystemClock()
    async with Anvil(no_mining=True, extra=FIFO) as node, Relay.open(node.http_url) as relay:
        clients = [RelayClient(settings(relay, name), identity(), clock, timeout_ms=20_000) for name in NAMES]
        route = PrivateRoute("private", clients, identity(), timeout_ms=20_000, grace_ms=20_000)

        def breaks(names: tuple[str, ...], how: SubmissionKind) -> None:
            kind = FaultKind.REFUSES if how is REFUSES else FaultKind.BAD_GATEWAY
            for name in names:
                relay.inject(Fault(kind, name))

        async def funded() -> Attempt:
            attempt = new_attempt()
            await node.set_balance(attempt.sender, ETHER)
            return attempt

        try:
            yield World(route, breaks, node.block_number, funded)
        finally:
            await route.close()


@pytest.fixture(params=["memory", "http"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with in_memory() if request.param == "memory" else over_http() as found:
        yield found


def known_to(answers: object) -> None:
    assert isinstance(answers, tuple | list)
    for answer in answers:
        assert isinstance(answer, Answer)
        assert answer.to in NAMES
        assert answer.message


async def test_secret_route__all_is_well__everything_is_answered(world: World) -> None:
    route, attempt = world.route, await world.funded()
    assert route.name == "private"
    block = await world.newest()
    for number in (block, block, block + 1):  # safe to repeat
        submission = await route.submit(attempt, number)
        assert submission.kind in (SubmissionKind.ACCEPTED, SubmissionKind.KNOWN)
        assert submission.message
        known_to(submission.answers)
        assert attempt.raw not in repr(submission)
    proofs = await route.prove()
    assert [(one.to, one.kind) for one in proofs] == [(name, SubmissionKind.ACCEPTED) for name in NAMES]
    assert await route.status(attempt) in ("", "PENDING")
    known_to(await route.withdraw([attempt]))
    assert not await route.withdraw([])
    assert await route.status(replace(attempt, tx_hash="0x" + "ab" * 32)) == ""
    await route.close()
    await route.close()


async def test_secret_route__builders_that_fail__one_that_takes_it_is_enough(world: World) -> None:
    route, attempt = world.route, await world.funded()
    world.breaks(("titan", "quasar"), REFUSES)
    assert (await route.submit(attempt, await world.newest())).kind is SubmissionKind.ACCEPTED
    world.breaks(NAMES, REFUSES)
    submission = await route.submit(attempt, await world.newest())
    assert (submission.kind, {one.kind for one in submission.answers}) == (REFUSES, {REFUSES})
    assert {one.kind for one in await route.prove()} == {REFUSES}
    world.breaks(("quasar",), AWAY)
    submission = await route.submit(attempt, await world.newest())
    assert submission.kind is AWAY
    assert submission.message
    assert [one.kind for one in await route.prove()] == [REFUSES, REFUSES, AWAY]
