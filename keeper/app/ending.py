"""How a service ends: for good, or for another one that goes on in the same process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import structlog

from keeper.app import records
from keeper.app.courier import Courier
from keeper.app.housekeeping import Housekeeping
from keeper.app.log_health import LogHealth
from keeper.app.parts import Parts
from keeper.app.remembering import Remembering
from keeper.app.scribe import Scribe
from keeper.domain.errors import AuditError
from keeper.engine import EngineState
from keeper.execution.executor import Executor

DRAIN_S = 5.0


class Ending:
    """Leaves nothing unsaid: waiting notices and records, the verdict on the log, the last record."""

    def __init__(
        self,
        parts: Parts,
        scribe: Scribe,
        courier: Courier,
        executor: Executor,
        remembering: Remembering,
        log_health: LogHealth,
        housekeeping: Housekeeping,
    ) -> None:
        self._store = parts.edges.store
        self._clock = parts.edges.clock
        self._scribe = scribe
        self._courier = courier
        self._executor = executor
        self._remembering = remembering
        self._log_health = log_health
        self._housekeeping = housekeeping
        self._log = structlog.get_logger("keeper")

    async def finish(self, reason: str, state: EngineState, *, at_once: bool) -> None:
        """``at_once``: another service waits. Notices go on being sent, and what takes long is done by that one."""
        await self._executor.settle(DRAIN_S)
        await self._remembering.finish(state)
        self._log_health.hurry()
        if not at_once:
            await self._courier.drain(DRAIN_S)
        if not await self._scribe.drain(2 * DRAIN_S):  # a database that is held makes the first try wait
            self._log.error("records are still waiting for the database; they are lost")
            return
        try:
            if not at_once:
                with suppress(AuditError):  # where nothing can be read, that was told long ago
                    await self._housekeeping.verify()
                await self._scribe.drain(DRAIN_S)
            await self._store.append([records.stop(self._clock.now_ms(), reason)])
            if not at_once:
                await self._housekeeping.checkpoints.finish()
        except AuditError as error:
            self._log.error("the last records could not be written", error=error.message)

    async def farewell(self, background: list[asyncio.Task[None]]) -> None:
        """What is still to be told is told; then everything ends."""
        await self._courier.drain(DRAIN_S)
        await self._scribe.drain(2 * DRAIN_S)
        await end(background)


async def end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancels them and waits until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def either(one: asyncio.Event, other: asyncio.Event) -> None:
    """Until one of them is set."""
    waiting = [asyncio.create_task(_set(event)) for event in (one, other)]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(waiting)


async def _set(event: asyncio.Event) -> None:
    await event.wait()
