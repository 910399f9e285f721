"""What every chain must do: the client on a real node (WebSocket, IPC, without Multicall3) and the chain in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Protocol

import pytest
import pytest_asyncio

from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.domain.errors import Refused, Unreachable
from keeper.domain.evm import CallResult
from tests.support.chain_stage import (
    ETHER,
    NOBODY,
    READ,
    REVERT,
    Stage,
    fleet_stage,
    listening,
    memory_stage,
    node_stage,
    sender,
    signed,
    word,
    write,
)

pytestmark = pytest.mark.conformance


class Opens(Protocol):
    def __call__(self, folder: Path, /) -> AbstractAsyncContextManager[Stage]: ...


STAGES: dict[str, Opens] = {
    "memory": memory_stage,
    "websocket": node_stage,
    "ipc": partial(node_stage, ipc=True),
    "http": partial(node_stage, http=True),
    "no-multicall": partial(node_stage, multicall=False),
    "ipc-no-multicall": partial(node_stage, ipc=True, multicall=False),
    "http-no-multicall": partial(node_stage, http=True, multicall=False),
    "fleet-of-one": partial(fleet_stage, primaries=1),
    "fleet-of-two": partial(fleet_stage, primaries=2),
}


@pytest_asyncio.fixture(params=STAGES)
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    async with STAGES[request.param](tmp_path) as opened:
        yield opened


async def test_chain_id__of_the_chain__is_a_number(stage: Stage) -> None:
    assert await stage.client.chain_id() == 31337


async def test_head__after_a_block__is_its_child(stage: Stage) -> None:
    before = await stage.client.head()
    after = await stage.mine()
    assert (after.number, after.parent_hash) == (before.number + 1, before.hash)
    assert after.timestamp_s >= before.timestamp_s
    assert after == await stage.client.head()
    assert len(after.hash) == 66
    assert after.hash == after.hash.lower()


async def test_read__many_calls__answers_each_in_order(stage: Stage) -> None:
    block = await stage.put(7)
    calls = (READ, REVERT, Call(NOBODY, b"\x01"), READ)
    expected = [
        CallResult(True, word(7)),
        CallResult(False, REVERT.data),
        CallResult(True, b""),
        CallResult(True, word(7)),
    ]
    assert list(await stage.client.read(calls, block)) == expected


async def test_read__state_changed_since__answers_as_of_the_block(stage: Stage) -> None:
    first = await stage.put(1)
    second = await stage.put(2)
    assert [(await stage.client.read([READ], block))[0].data for block in (first, second, first)] == [
        word(1),
        word(2),
        word(1),
    ]


async def test_read__writes_of_a_call__are_forgotten(stage: Stage) -> None:
    block = await stage.put(5)
    await stage.client.read([write(9)], block)
    assert (await stage.client.read([READ], block))[0].data == word(5)


async def test_read__block_that_does_not_exist__is_refused(stage: Stage) -> None:
    head = await stage.client.head()
    nowhere = BlockStamp(head.number, "0x" + "12" * 32, head.parent_hash, head.timestamp_s)
    with pytest.raises(Refused):
        await stage.client.read([READ], nowhere)


async def test_read__nothing__asks_nothing(stage: Stage) -> None:
    block = await stage.client.head()
    before = stage.client.requests_made
    assert list(await stage.client.read([], block)) == []
    assert stage.client.requests_made == before


async def test_read__a_hundred_calls__are_one_request_where_they_can_be(stage: Stage) -> None:
    block = await stage.put(3)
    before = stage.client.requests_made
    results = await stage.client.read((READ,) * 100, block)
    assert [result.data for result in results] == [word(3)] * 100
    # without Multicall3: one request to find that out, then all calls as one batch
    assert stage.client.requests_made - before == (1 if stage.batches else 2)


async def test_blocks__by_number__are_those_that_are_there_in_order(stage: Stage) -> None:
    mined = [await stage.mine() for _ in range(4)]
    first, last = mined[0].number, mined[-1].number
    assert list(await stage.client.blocks(first, last)) == mined
    assert list(await stage.client.blocks(last, last + 5)) == mined[-1:]
    assert list(await stage.client.blocks(last + 1, last + 5)) == []
    assert list(await stage.client.blocks(last, first)) == []


async def test_block_of__its_hash__is_the_block(stage: Stage) -> None:
    block = await stage.mine()
    await stage.mine()
    assert await stage.client.block_of(block.hash) == block
    assert await stage.client.block_of("0x" + "12" * 32) is None


async def test_simulate__call_that_works__changes_nothing(stage: Stage) -> None:
    await stage.put(4)
    assert (await stage.client.simulate(write(8), sender())).ok
    assert (await stage.client.simulate(READ, sender())).data == word(4)


async def test_simulate__call_that_reverts__is_an_answer_with_words(stage: Stage) -> None:
    simulation = await stage.client.simulate(REVERT, sender())
    assert (simulation.ok, simulation.data) == (False, REVERT.data)
    assert "revert" in simulation.error


async def test_simulate__at_an_earlier_block__sees_that_state(stage: Stage) -> None:
    first = await stage.put(1)
    await stage.put(2)
    assert (await stage.client.simulate(READ, sender(), first)).data == word(1)
    assert (await stage.client.simulate(READ, sender())).data == word(2)


async def test_account__before_and_after_a_transaction__counts_only_what_is_mined(stage: Stage) -> None:
    await stage.fund(sender(), ETHER)
    assert await stage.client.account(sender()) == (0, ETHER)
    await stage.client.send_raw(signed(write(5), 0)[0])
    assert (await stage.client.account(sender()))[0] == 0
    await stage.mine()
    nonce, balance = await stage.client.account(sender())
    assert nonce == 1
    assert 0 < balance < ETHER


async def test_gas__of_a_call__is_an_estimate_or_a_refusal(stage: Stage) -> None:
    assert 21_000 < await stage.client.gas(write(1), sender()) < 100_000
    with pytest.raises(Refused) as caught:
        await stage.client.gas(REVERT, sender())
    assert caught.value.data == "0x" + REVERT.data.hex()


async def test_transaction__sent_and_mined__has_a_receipt_and_an_effect(stage: Stage) -> None:
    await stage.fund(sender(), ETHER)
    raw, tx_hash = signed(write(77), 0)
    assert await stage.client.send_raw(raw) == tx_hash
    assert await stage.client.receipt(tx_hash) is None
    block = await stage.mine()
    receipt = await stage.client.receipt(tx_hash)
    assert receipt is not None
    assert (receipt.tx_hash, receipt.status, receipt.block_number, receipt.block_hash) == (
        tx_hash,
        1,
        block.number,
        block.hash,
    )
    assert receipt.gas_used > 21_000
    assert receipt.effective_gas_price_wei > 0
    assert (await stage.client.read([READ], block))[0].data == word(77)


async def test_transaction__that_reverts__has_a_receipt_that_says_so(stage: Stage) -> None:
    await stage.fund(sender(), ETHER)
    before = await stage.put(6)
    tx_hash = await stage.client.send_raw(signed(REVERT, 0)[0])
    block = await stage.mine()
    receipt = await stage.client.receipt(tx_hash)
    assert receipt is not None
    assert receipt.status == 0
    assert await stage.client.read([READ], before) == await stage.client.read([READ], block)


async def test_receipt__of_an_unknown_transaction__is_none(stage: Stage) -> None:
    assert await stage.client.receipt("0x" + "99" * 32) is None


async def test_send__again__is_refused_in_words(stage: Stage) -> None:
    await stage.fund(sender(), ETHER)
    raw, _ = signed(write(1), 0)
    await stage.client.send_raw(raw)
    with pytest.raises(Refused, match=r"(?i)already (known|imported)"):
        await stage.client.send_raw(raw)


async def test_send__nonce_that_was_used__is_refused_in_words(stage: Stage) -> None:
    await stage.fund(sender(), ETHER)
    await stage.client.send_raw(signed(write(1), 0)[0])
    await stage.mine()
    with pytest.raises(Refused, match=r"(?i)nonce too low"):
        await stage.client.send_raw(signed(write(2), 0)[0])


async def test_send__without_money__is_refused_in_words(stage: Stage) -> None:
    with pytest.raises(Refused, match=r"(?i)insufficient funds"):
        await stage.client.send_raw(signed(write(1), 0)[0])


@pytest.mark.parametrize("raw", ["0x", "0x1234", "0x02f8", "garbage"])
async def test_send__what_is_no_transaction__is_refused(stage: Stage, raw: str) -> None:
    with pytest.raises(Refused):
        await stage.client.send_raw(raw)


async def test_priority_fee__of_a_quiet_chain__is_the_floor(stage: Stage) -> None:
    await stage.mine()
    assert await stage.client.priority_fee_wei() == 10**9


async def test_base_fee__that_a_stamp_foretells__is_what_the_next_block_takes(stage: Stage) -> None:
    await stage.fund(sender(), ETHER)
    before = await stage.mine()
    raw, tx_hash = signed(write(1), 0)
    await stage.client.send_raw(raw)
    await stage.mine()
    receipt = await stage.client.receipt(tx_hash)
    assert receipt is not None
    assert receipt.effective_gas_price_wei - before.next_base_fee_wei in (0, 10**9)


async def test_heads__blocks_one_after_the_other__come_in_order_and_whole(stage: Stage) -> None:
    heads = await listening(stage)
    mined = [await stage.mine() for _ in range(5)]
    await check_given(stage, heads, mined)


async def test_heads__nobody_reads_them__answers_come_all_the_same(stage: Stage) -> None:
    heads = await listening(stage)
    mined = [await stage.mine() for _ in range(50)]
    assert (await stage.client.head()).number == mined[-1].number
    await check_given(stage, heads, mined)


async def check_given(stage: Stage, heads: AsyncIterator[BlockStamp], mined: list[BlockStamp]) -> None:
    """All of them in order; where heads are coalesced, some of them in order and the newest at last."""
    if not stage.coalesces:
        assert [await anext(heads) for _ in mined] == mined
        return
    given = [await anext(heads)]
    while given[-1] != mined[-1]:
        given.append(await anext(heads))
    assert given == [block for block in mined if block in given]


async def test_heads__two_listeners__both_get_all(stage: Stage) -> None:
    one, two = await listening(stage), await listening(stage)
    block = await stage.mine()
    assert await anext(two) == block
    while (seen := await anext(one)).number < block.number:
        pass
    assert seen == block


async def test_heads__given_up__do_not_disturb_the_others(stage: Stage) -> None:
    one, two = await listening(stage), await listening(stage)
    await one.aclose()  # type: ignore[attr-defined]
    block = await stage.mine()
    assert await anext(two) == block


async def test_loss__while_waiting__ends_the_heads_and_the_same_object_goes_on_afterwards(stage: Stage) -> None:
    heads = await listening(stage)
    waiting = asyncio.ensure_future(anext(heads))
    await asyncio.sleep(0)
    await stage.lose()
    with pytest.raises(Unreachable):
        await asyncio.wait_for(waiting, 10)
    with pytest.raises(Unreachable):
        await stage.client.head()
    with pytest.raises(Unreachable):
        await anext(stage.client.heads())
    await stage.restore()
    again = await listening(stage)
    block = await stage.mine()
    assert await anext(again) == block


async def test_close__twice__ends_the_heads_and_refuses_the_rest(stage: Stage) -> None:
    heads = await listening(stage)
    waiting = asyncio.ensure_future(anext(heads))
    await asyncio.sleep(0)
    await stage.client.close()
    await stage.client.close()
    with pytest.raises(Unreachable):
        await asyncio.wait_for(waiting, 10)
    with pytest.raises(Unreachable):
        await stage.client.chain_id()
