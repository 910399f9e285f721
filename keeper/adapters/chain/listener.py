"""Whoever listens to the heads of several endpoints: what came, until it is taken."""

from __future__ import annotations

import asyncio

from keeper.domain.block import BlockStamp


class Listener:
    """One consumer of heads: what the endpoint in use has announced and was not taken yet."""

    def __init__(self) -> None:
        self.waiting: list[BlockStamp] = []
        self.changed = asyncio.Event()

    def hear(self, block: BlockStamp) -> None:
        self.waiting.append(block)
        self.changed.set()

    def start_over(self, newest: BlockStamp | None) -> None:
        self.waiting = [newest] if newest is not None else []
        self.changed.set()

    def take(self) -> tuple[BlockStamp, dict[str, BlockStamp]]:
        """The newest, and those before it, by hash."""
        *passed, newest = self.waiting
        self.waiting = []
        return newest, {block.hash: block for block in passed}
