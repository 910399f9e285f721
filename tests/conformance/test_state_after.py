"""What every way of looking at the state after must do: a node's eth_simulateV1, a fork, and the chain in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import pytest
import pytest_asyncio

from keeper.adapters.chain.forking import Forked
from keeper.adapters.chain.memory import MemoryChain, Reverted, Storage
from keeper.adapters.chain.node import NodeClient
from keeper.adapters.chain.simulating import FirstThatCan
from keeper.app.futures import fork_of
from keeper.devnet.anvil import Anvil
from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.domain.errors import OutsideError
from keeper.domain.evm import CallResult
from keeper.domain.future import Step
from keeper.ports.future import StateAfter
from tests.support.chain_stage import CELL, NOBODY, READ, REVERT, sender, set_up, word, write

pytestmark = pytest.mark.conformance


@dataclass(frozen=True, slots=True)
class Stage:
    """``head`` is the newest block, in which the cell holds 0; ``mine`` makes one more."""

    future: StateAfter
    head: Callable[[], Awaitable[BlockStamp]]
    mine: Callable[[], Awaitable[object]]
    fund: Callable[[str, int], Awaitable[None]]
    cell: Callable[[], Awaitable[bytes]]


@asynccontextmanager
async def memory() -> AsyncIterator[Stage]:
    chain = MemoryChain()

    def cell(data: bytes, _: str, storage: Storage) -> bytes:
        if not data:
            return word(int(str(storage["value"])))
        if data[0] == 0xFF:
            raise Reverted(data)
        storage["value"] = int.from_bytes(data[:32], "big")
        return b""

    async def mine() -> object:
        return chain.mine()

    async def fund(address: str, wei: int) -> None:
        chain.fund(address, wei)

    async def now() -> bytes:
        return (await chain.read([READ], await chain.head()))[0].data

    chain.install(CELL, cell, value=0)
    chain.mine()
    yield Stage(chain, chain.head, mine, fund, now)


@asynccontextmanager
async def node(*, forked: bool = False) -> AsyncIterator[Stage]:
    async with Anvil(no_mining=True) as anvil:
        await set_up(anvil)
        client = NodeClient(anvil.ws_url, request_timeout_s=10)
        future: StateAfter = Forked(fork_of(anvil.ws_url, 31337)) if forked else client

        async def fund(address: str, wei: int) -> None:
            await anvil.set_balance(address, wei)
            await anvil.mine()

        async def now() -> bytes:
            return (await client.read([READ], await client.head()))[0].data

        try:
            yield Stage(future, client.head, anvil.mine, fund, now)
        finally:
            await client.close()


STAGES: dict[str, Callable[[], AbstractAsyncContextManager[Stage]]] = {
    "memory": memory,
    "simulated": node,
    "forked": partial(node, forked=True),
}


@pytest_asyncio.fixture(params=STAGES)
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    async with STAGES[request.param]() as opened:
        yield opened


async def test_after__steps_in_order__the_reads_see_the_last_one(stage: Stage) -> None:
    steps = [Step(sender(), write(5)), Step(NOBODY, write(6))]
    seen = await stage.future.after(steps, [READ, READ], await stage.head())
    assert [step.ok for step in seen.steps] == [True, True]
    assert list(seen.reads) == [CallResult(True, word(6))] * 2
    assert seen.how
    assert await stage.cell() == word(0), "nothing of it may reach the chain"


async def test_after__sender_is_a_contract__is_no_obstacle(stage: Stage) -> None:
    seen = await stage.future.after([Step(CELL, write(7))], [READ], await stage.head())
    assert (seen.steps[0].ok, seen.reads[0].data) == (True, word(7))


async def test_after__step_that_reverts__says_so_and_changes_nothing(stage: Stage) -> None:
    steps = [Step(sender(), write(5)), Step(sender(), REVERT)]
    seen = await stage.future.after(steps, [READ, REVERT], await stage.head())
    assert [step.ok for step in seen.steps] == [True, False]
    assert seen.steps[1].data == REVERT.data
    assert seen.steps[1].error
    assert list(seen.reads) == [CallResult(True, word(5)), CallResult(False, REVERT.data)]


async def test_after__nothing_to_do__is_the_state_of_now(stage: Stage) -> None:
    seen = await stage.future.after([], [READ], await stage.head())
    assert (seen.steps, seen.reads) == ((), (CallResult(True, word(0)),))


async def test_after__block_that_is_not_the_newest__is_that_one(stage: Stage) -> None:
    head = await stage.head()
    await stage.mine()
    assert (await stage.future.after([Step(sender(), write(3))], [READ], head)).reads[0].data == word(3)


@pytest.mark.parametrize(("balance", "goes"), [(100, True), (99, False)])
async def test_after__value_with_and_without_the_funds__goes_through_or_does_not(
    balance: int, goes: bool, stage: Stage
) -> None:
    await stage.fund(sender(), balance)
    steps = [Step(sender(), write(1)), Step(sender(), Call(NOBODY, b""), 100)]
    seen = await stage.future.after(steps, [READ], await stage.head())
    assert [step.ok for step in seen.steps] == [True, goes]
    assert len(seen.reads) == 1
    assert ("insufficient funds" in seen.steps[1].error.lower()) is not goes


async def test_after__more_reads_than_fit_into_one_request__are_all_answered(stage: Stage) -> None:
    seen = await stage.future.after([Step(sender(), write(4))], [READ] * 401, await stage.head())
    assert [result.data for result in seen.reads] == [word(4)] * 401
    assert len(seen.steps) == 1


async def test_after__block_that_does_not_exist__is_an_error(stage: Stage) -> None:
    head = await stage.head()
    nowhere = BlockStamp(head.number, "0x" + "12" * 32, head.parent_hash, head.timestamp_s)
    with pytest.raises(OutsideError):
        await stage.future.after([], [READ], nowhere)


async def test_after__through_the_first_that_can__is_the_same(stage: Stage) -> None:
    seen = await FirstThatCan([stage.future]).after([Step(sender(), write(2))], [READ], await stage.head())
    assert seen.reads[0].data == word(2)
