"""The client of the Transaction Service when that is down, busy, broken, slow or a liar."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from keeper.adapters.safe.service import SafeTransactionService
from keeper.devnet.anvil import Anvil
from keeper.devnet.safe import deploy_safe_contracts
from keeper.devnet.safe_service import Fault, FaultKind, SafeService, faults
from keeper.domain.errors import Busy, MalformedAnswer, Refused, Unreachable
from tests.support.safe_scene import CLOCK, Scene, on_chain

# One node and one service for the whole file: the tests share its event loop.
pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

KEY = "a-key-of-the-service"


@dataclass(frozen=True)
class Stage:
    scene: Scene
    stand_in: SafeService


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def built() -> AsyncIterator[Stage]:
    async with Anvil() as node, SafeService.open(node.http_url, node.chain_id, CLOCK.now_ms, api_key=KEY) as stand_in:
        contracts = await deploy_safe_contracts(node, node.accounts[0].address)
        service = SafeTransactionService(stand_in.url, node.chain_id, clock=CLOCK, api_key=KEY)
        yield Stage(await on_chain(service, contracts, 10.0), stand_in)
        await service.close()


@pytest_asyncio.fixture(loop_scope="module")
async def stage(built: Stage) -> AsyncIterator[Stage]:
    yield built
    built.stand_in.heal()
    await built.stand_in.come_up()


def other_client(stage: Stage, *, api_key: str = KEY, answer_s: float = 10.0) -> SafeTransactionService:
    return SafeTransactionService(
        stage.stand_in.url, stage.scene.chain_id, clock=CLOCK, api_key=api_key, answer_s=answer_s
    )


async def test_without_the_right_key__is_refused_and_says_where_to_look(stage: Stage) -> None:
    for key in ("", "another-key-12"):
        service = other_client(stage, api_key=key)
        with pytest.raises(Refused) as error:
            await service.queue(stage.scene.safe, 0)
        assert error.value.code in (401, 403)
        assert "api_key" in error.value.remedy
        assert "another-key-12" not in error.value.message
        await service.close()


async def test_busy__says_when_to_come_back(stage: Stage) -> None:
    stage.stand_in.inject(Fault(FaultKind.RATE_LIMITED, times=1, retry_after_s=9))
    with pytest.raises(Busy) as error:
        await stage.scene.queue()
    assert error.value.retry_after_s == 9.0
    await stage.scene.queue()


@pytest.mark.parametrize(("kind", "error"), [(FaultKind.HTTP_500, Busy), (FaultKind.MALFORMED, MalformedAnswer)])
async def test_broken__is_told_as_what_it_is(stage: Stage, kind: FaultKind, error: type[Exception]) -> None:
    stage.stand_in.inject(Fault(kind))
    with pytest.raises(error):
        await stage.scene.queue()


async def test_hangs__is_unreachable_while_the_loop_goes_on(stage: Stage) -> None:
    stage.stand_in.inject(Fault(FaultKind.HANG, times=1))
    service = other_client(stage, answer_s=0.3)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.01)
            turns += 1

    counting = asyncio.create_task(count())
    with pytest.raises(Unreachable, match="has not answered"):
        await service.queue(stage.scene.safe, 0)
    counting.cancel()
    assert turns > 3
    # closing the connections ends the request that hangs, and its thread with it
    await stage.stand_in.go_down()
    await service.close()


async def test_down_and_back__is_unreachable_and_then_the_same_client_goes_on(stage: Stage) -> None:
    await stage.scene.queue()
    await stage.stand_in.go_down()
    with pytest.raises(Unreachable) as error:
        await stage.scene.queue()
    assert stage.stand_in.url not in error.value.message
    await stage.stand_in.come_up()
    await stage.scene.queue()


async def test_answer_that_is_lost__proposing_again_leaves_one_proposal(stage: Stage) -> None:
    wanted = stage.scene.transaction(40)
    stage.stand_in.inject(Fault(FaultKind.LOST, times=1, method="POST"))
    with pytest.raises(Busy):
        await stage.scene.propose(wanted, stage.scene.owners[0])
    await stage.scene.propose(wanted, stage.scene.owners[0])
    assert await stage.scene.queue(40) == [wanted]
    await stage.scene.withdraw(wanted, stage.scene.owners[0])


@pytest.mark.parametrize("field", faults.FIELD_LIES)
async def test_a_lie_in_a_field__is_told_as_it_is_said_so_that_its_hash_shows_it(stage: Stage, field: str) -> None:
    true = await stage.scene.propose(stage.scene.transaction(50), stage.scene.owners[0])
    stage.stand_in.alter = faults.FIELD_LIES[field]
    found = await stage.scene.service.find(true.hash_text)
    assert found is not None
    assert (found.claimed_hash, found.transaction) != (true.hash_text, true)
    assert found.claimed_hash != found.transaction.hash_text


async def test_served__the_chain_and_what_it_knows_of_a_safe(stage: Stage) -> None:
    service, scene = stage.scene.service, stage.scene
    assert isinstance(service, SafeTransactionService)
    assert await service.chain_id() == scene.chain_id
    known = await service.safe(scene.safe)
    assert known is not None
    assert (set(known.owners), known.threshold) == ({owner.address for owner in scene.owners}, 2)
    assert await service.safe(scene.owners[0].address) is None
    stage.stand_in.inject(Fault(FaultKind.HTTP_500))
    with pytest.raises(Busy):
        await service.safe(scene.safe)
