"""Which blocks to evaluate, and when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from keeper.domain.block import BlockStamp
from keeper.ports.chain import ChainReader

LATE = 8
"""A head that is so many blocks lower than the newest one at the start was only late. One that is lower by far shows that the newest was none."""


async def newest_and_announced(chain: ChainReader, evaluated: BlockStamp | None) -> AsyncGenerator[BlockStamp]:
    """The newest block at once when none was ``evaluated`` yet, then each one that is announced.

    So a keeper that starts does not wait a whole block before it looks. Later the reader goes on where it stopped (several nodes behind one
    reader give what was missed, in order), so that nothing is evaluated out of turn. The subscription is asked for before the newest block is,
    so that none is missed in between. Raises as ``ChainReader.heads``.
    """
    announced = chain.heads()
    first: asyncio.Future[BlockStamp] = asyncio.ensure_future(anext(announced))
    try:
        await asyncio.sleep(0)  # lets the subscription be asked for first
        begun = None
        if evaluated is None:
            begun = await chain.head()
            yield begun
        block = await first
        while True:
            late = begun is not None and (block.hash == begun.hash or 0 < begun.number - block.number <= LATE)
            if not late:
                begun = None
                yield block
            block = await anext(announced)
    except StopAsyncIteration:
        return
    finally:
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        if isinstance(announced, AsyncGenerator):
            await announced.aclose()
