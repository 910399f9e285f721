"""A fork of the chain, for nodes that cannot simulate: a local node that takes its state from them, and can."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

from keeper.adapters.chain.node import NodeClient
from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.domain.errors import Refused
from keeper.domain.future import Future, Step

OpenFork = Callable[[int], AbstractAsyncContextManager[str]]
"""From the number of a block to the URL of a local node whose newest block it is, for as long as it is open. Raises SetupError, OutsideError."""
TIMEOUT_S = 20.0
"""Each state that a call touches is fetched from the node first."""


class Forked:
    """StateAfter on a fork of its own each time: slower than asking a node, and independent of what it offers."""

    def __init__(self, open_fork: OpenFork) -> None:
        self._open_fork = open_fork

    async def after(self, steps: Sequence[Step], reads: Sequence[Call], block: BlockStamp) -> Future:
        """Raises Refused also where the node has another block of this number now."""
        async with self._open_fork(block.number) as url:
            node = NodeClient(url, request_timeout_s=TIMEOUT_S)
            try:
                head = await node.head()
                if head.hash != block.hash:
                    raise Refused(f"block {block.number} is another one now", remedy="try again")
                return replace(await node.after(steps, reads, block), how="a fork")
            finally:
                await node.close()

    async def close(self) -> None:
        """Nothing is held between two questions."""
