"""Which blocks to evaluate: the newest at the start, then what is announced."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from keeper.adapters.chain.memory import MemoryChain
from keeper.app.heads import LATE, newest_and_announced
from keeper.domain.block import BlockStamp

pytestmark = pytest.mark.unit


def block(number: int) -> BlockStamp:
    return BlockStamp(number, f"0x{number:x}", f"0x{number - 1:x}", number)


class Chain(MemoryChain):
    """The newest block is one thing, what is announced another."""

    def __init__(self, newest: int, *announced: int) -> None:
        super().__init__()
        self.newest, self.announced = newest, announced

    async def head(self) -> BlockStamp:
        return block(self.newest)

    async def heads(self) -> AsyncGenerator[BlockStamp]:
        for number in self.announced:
            yield block(number)


async def given(chain: Chain, evaluated: BlockStamp | None = None) -> list[int]:
    return [one.number async for one in newest_and_announced(chain, evaluated)]


async def test_start__the_newest_is_announced_too__is_given_once() -> None:
    assert await given(Chain(100, 100, 101)) == [100, 101]


@pytest.mark.parametrize(("first", "expected"), [(100 - LATE, [100, 101]), (99 - LATE, [100, 99 - LATE, 101])])
async def test_start__lower_heads__are_passed_over_only_where_they_may_be_late(first: int, expected: list[int]) -> None:
    """A node that invented the newest block must not silence the real ones until they reach its number."""
    assert await given(Chain(100, first, 101)) == expected


async def test_later__every_announced_head_is_given() -> None:
    assert await given(Chain(100, 98, 99), block(97)) == [98, 99]
