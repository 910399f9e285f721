"""What every reader of contracts must do: code and logs, from a real node (WebSocket, IPC, HTTP) and the chain in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio

from keeper.domain.action import Call
from keeper.domain.errors import Unreachable
from keeper.ports.chain import ContractReader
from tests.support.chain_stage import (
    CELL,
    ETHER,
    NOBODY,
    REVERT,
    TELLER,
    Stage,
    memory_stage,
    node_stage,
    sender,
    signed,
    word,
)

pytestmark = pytest.mark.conformance

STAGES: dict[str, Callable[[Path], AbstractAsyncContextManager[Stage]]] = {
    "memory": memory_stage,
    "websocket": node_stage,
    "ipc": partial(node_stage, ipc=True),
    "http": partial(node_stage, http=True),
}


@pytest_asyncio.fixture(params=STAGES)
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    async with STAGES[request.param](tmp_path) as opened:
        await opened.fund(sender(), ETHER)
        yield opened


@pytest.fixture
def reader(stage: Stage) -> ContractReader:
    return cast(ContractReader, stage.client)


def topic(number: int) -> str:
    return "0x" + word(number).hex()


async def told(stage: Stage, nonce: int, *numbers: int) -> str:
    """A transaction in which the teller tells these words, mined; its hash."""
    raw, tx_hash = signed(Call(TELLER, b"".join(map(word, numbers))), nonce)
    await stage.client.send_raw(raw)
    await stage.mine()
    return tx_hash


async def test_code__of_a_contract_and_of_nobody__is_some_and_none(reader: ContractReader) -> None:
    assert await reader.code(CELL)
    assert await reader.code(CELL) != await reader.code(TELLER)
    assert await reader.code(NOBODY) == b""


async def test_logs_of__a_transaction__are_what_was_told_in_it(stage: Stage, reader: ContractReader) -> None:
    tx_hash = await told(stage, 0, 7, 8)
    block = await stage.client.head()
    logs = await reader.logs_of(tx_hash)
    assert logs is not None
    (log,) = logs
    assert (log.address, log.topics, log.data) == (TELLER, (topic(7),), word(7) + word(8))
    assert (log.block_number, log.block_hash, log.tx_hash, log.index) == (block.number, block.hash, tx_hash, 0)


async def test_logs_of__a_transaction_that_reverts__are_none_and_of_an_unknown_one_there_is_no_answer(
    stage: Stage, reader: ContractReader
) -> None:
    raw, tx_hash = signed(REVERT, 0)
    await stage.client.send_raw(raw)
    assert await reader.logs_of(tx_hash) is None, "it is in no block yet"
    await stage.mine()
    assert await reader.logs_of(tx_hash) == []
    assert await reader.logs_of("0x" + "99" * 32) is None


async def test_logs__of_a_range__are_those_of_the_contract_in_order(stage: Stage, reader: ContractReader) -> None:
    hashes = [await told(stage, nonce, 7 + nonce % 2) for nonce in range(4)]
    last = (await stage.client.head()).number
    first = last - 3
    found = await reader.logs(TELLER, (), first, last)
    assert [log.tx_hash for log in found] == hashes
    assert [log.tx_hash for log in await reader.logs(TELLER, (), first + 1, last - 1)] == hashes[1:3]
    assert [log.tx_hash for log in await reader.logs(TELLER, (topic(8),), first, last)] == hashes[1::2]
    assert [log.tx_hash for log in await reader.logs(TELLER, (None,), first, last)] == hashes
    assert await reader.logs(TELLER, (topic(7), topic(7)), first, last) == []
    assert await reader.logs(TELLER, (topic(9),), first, last) == []
    assert await reader.logs(CELL, (), first, last) == []


async def test_logs__two_in_a_block__are_counted_on(stage: Stage, reader: ContractReader) -> None:
    for nonce in range(2):
        await stage.client.send_raw(signed(Call(TELLER, word(nonce)), nonce)[0])
    block = await stage.mine()
    found = await reader.logs(TELLER, (), block.number, block.number)
    assert [(log.index, log.topics[0]) for log in found] == [(0, topic(0)), (1, topic(1))]


async def test_loss__is_unreachable(stage: Stage, reader: ContractReader) -> None:
    await stage.lose()
    with pytest.raises(Unreachable):
        await reader.code(CELL)
    with pytest.raises(Unreachable):
        await reader.logs(TELLER, (), 0, 1)
    with pytest.raises(Unreachable):
        await reader.logs_of("0x" + "99" * 32)
