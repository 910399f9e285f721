"""Which blocks to evaluate, and when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from keeper.app.faults import Faults
from keeper.app.supervision import BACKOFF_S
from keeper.domain.block import BlockStamp
from keeper.domain.errors import OutsideError, Unreachable, WrongChain
from keeper.domain.verdict import Severity
from keeper.ports.chain import ChainReader
from keeper.ports.clock import Clock

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


class Heads:
    """Hands every head to ``tick``, with the time at which it was heard of, across lost connections. ``check_chain`` raises WrongChain."""

    def __init__(
        self,
        chain: ChainReader,
        clock: Clock,
        faults: Faults,
        check_chain: Callable[[], Awaitable[None]],
        tick: Callable[[BlockStamp, dict[str, float]], Awaitable[None]],
        evaluated: BlockStamp | None = None,
    ) -> None:
        """``evaluated`` is the block after which to go on; None: begins with the newest."""
        self._chain = chain
        self._clock = clock
        self._faults = faults
        self._check_chain = check_chain
        self._tick = tick
        self._evaluated = evaluated
        self._turn = asyncio.Lock()

    @property
    def evaluated(self) -> BlockStamp | None:
        """The block that was evaluated last."""
        return self._evaluated

    async def stand_still(self, limit_s: float) -> bool:
        """Waits for the end of the tick that goes on, if any; no other begins. False when it did not end in time."""
        try:
            await asyncio.wait_for(self._turn.acquire(), limit_s)
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Until cancelled."""
        wait = 0
        while True:
            try:
                await self._check_chain()
                async with aclosing(newest_and_announced(self._chain, self._evaluated)) as blocks:
                    async for block in blocks:
                        wait = 0
                        async with self._turn:
                            await self._tick(block, {"head": self._clock.monotonic_ms()})
                            self._evaluated = block
                raise Unreachable("the subscription to heads ended")
            except WrongChain as error:
                self._faults.down("heads", "wrong-chain", error.message, error.remedy, severity=Severity.CRITICAL)
            except OutsideError as error:
                remedy = error.remedy or "the keeper connects again by itself; check the node if this lasts"
                self._faults.down("heads", "unreachable", error.message, remedy, severity=Severity.CRITICAL)
            await self._clock.sleep(BACKOFF_S[min(wait, len(BACKOFF_S) - 1)])
            wait += 1
