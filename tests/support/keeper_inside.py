"""The service inside of the test's own process: quick to start, and everything of it can be looked at."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from keeper.app.faults import Fault
from keeper.app.observer import Observer
from keeper.app.parts import Parts
from keeper.app.service import Service
from keeper.app.wiring import build
from keeper.config import load
from keeper.domain.block import BlockStamp
from tests.support.keeper_stage import until


class Ready(Observer):
    """Says when the service is connected and about to evaluate."""

    def __init__(self) -> None:
        self.event = asyncio.Event()

    def ready(self, head: BlockStamp, sender: str | None) -> None:
        self.event.set()


class Inside:
    """A running service; ``end`` stops it as SIGTERM would."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._stop = asyncio.Event()
        self._observer = Ready()
        self._service = Service(parts, self._observer)
        self._task = asyncio.create_task(self._service.run(self._stop))

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What is down now."""
        return self._service.faults

    def ended(self) -> bool:
        return self._task.done()

    async def watching(self) -> None:
        await self.until(self._observer.event.is_set)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits for the condition; raises what the service ended with when it ends before."""
        await until(lambda: condition() or self.ended())
        if not condition():
            await self._task
            raise AssertionError("the service ended first")

    async def end(self) -> None:
        """Raises what the service ended with."""
        self._stop.set()
        await self._task


@asynccontextmanager
async def inside(config: Path, environ: Mapping[str, str] | None = None) -> AsyncIterator[Inside]:
    """The service of this configuration; it is ended at the latest when the block ends."""
    parts = await build(load(config, environ=environ))
    try:
        service = Inside(parts)
        try:
            yield service
        finally:
            service._stop.set()
            await asyncio.gather(service._task, return_exceptions=True)
    finally:
        await parts.close()
