"""Which blocks to evaluate, and when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from keeper.domain.block import BlockStamp
from keeper.ports.chain import ChainReader


async def newest_and_announced(chain: ChainReader, evaluated: BlockStamp | None) -> AsyncGenerator[BlockStamp]:
    """The newest block at once unless it is ``evaluated``, then each one that is announced.

    So a keeper that starts, or finds its node again, does not wait a whole block before it looks. The subscription is asked for before the
    newest block is, so that none is missed in between. Raises as ``ChainReader.heads``.
    """
    announced = chain.heads()
    first: asyncio.Future[BlockStamp] = asyncio.ensure_future(anext(announced))
    try:
        await asyncio.sleep(0)  # lets the subscription be asked for first
        newest = await chain.head()
        if evaluated is None or newest.hash != evaluated.hash:
            yield newest
        block = await first
        while True:
            if block.hash != newest.hash:
                yield block
            block = await anext(announced)
    except StopAsyncIteration:
        return
    finally:
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        if isinstance(announced, AsyncGenerator):
            await announced.aclose()
