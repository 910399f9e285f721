"""After each head, off the hot path: receipts, effects, fees and nonce; breakers on the chain, and what is due there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from keeper.app.breakers.following import Breakers
from keeper.app.faults import Faults
from keeper.app.lasting import Lasting
from keeper.app.log_health import LogHealth
from keeper.domain.block import BlockStamp
from keeper.domain.errors import AuditError, OutsideError
from keeper.execution.executor import Executor


class FollowUp:
    """Looks at the newest block it has heard of; what comes while it looks waits, and only the newest counts."""

    def __init__(
        self,
        executor: Executor,
        breakers: Breakers,
        lasting: Lasting,
        faults: Faults,
        log_health: LogHealth,
        refreshed: Callable[[BlockStamp], None] = lambda _: None,
    ) -> None:
        """``refreshed`` hears of each block once nonce, balance and fees of it are known; it must not block."""
        self._executor = executor
        self._breakers = breakers
        self._lasting = lasting
        self._faults = faults
        self._log_health = log_health
        self._refreshed = refreshed
        self._newest: BlockStamp | None = None
        self._news = asyncio.Event()

    def hear_of(self, block: BlockStamp) -> None:
        """This is the newest."""
        self._newest = block
        self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            if self._newest is not None:
                await self._look(self._newest)

    async def _look(self, block: BlockStamp) -> None:
        try:
            await self._executor.on_head(block)
            self._refreshed(block)
            await self._executor.sign_beforehand()
            await self._breakers.look(block)
            await self._lasting.look(block.number)
            await self._breakers.keep_up(
                block
            )  # also where the next block is here already: a slow node must not stop it
        except OutsideError as error:
            self._faults.down("follow-up", "unreachable", error.message, error.remedy)
        except AuditError as error:
            self._log_health.failed(error)
        else:
            self._faults.up("follow-up")
