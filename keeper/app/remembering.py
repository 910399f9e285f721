"""Writes the engine's state into the log now and then, so that a restart need not decide everything again. Off the hot path."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from keeper.domain.record import Draft, Json, RecordKind
from keeper.engine import Engine, EngineState, Tick
from keeper.engine.memento import Memento

EVERY_TICKS = 100
EVERY_MS = 600_000


class Remembering:
    """``begins`` before each tick of the engine, ``ticked`` when its record is on its way: a state whose tick is not in the log is never written."""

    def __init__(self, engine: Engine, bound_to: str, put: Callable[[Draft, Mapping[str, Json]], None]) -> None:
        self._engine = engine
        self._bound_to = bound_to
        self._put = put
        self._ticks = 0
        self._since_ms: int | None = None
        self._whole = True
        self._newest: Tick | None = None
        self._writing: asyncio.Task[None] | None = None

    def fed(self, ticks: int) -> None:
        """So many were decided again at the start; they count, so that a keeper that dies again and again does not decide ever more of them."""
        self._ticks = ticks

    def begins(self) -> None:
        """The state is about to change, and the log does not say so yet."""
        self._whole = False

    def ticked(self, state: EngineState, tick: Tick) -> None:
        """The record of this tick, after which the engine is in this state, is on its way."""
        self._whole = True
        self._newest = tick
        self._ticks += 1
        if self._since_ms is None:
            self._since_ms = tick.at_ms
        due = self._ticks >= EVERY_TICKS or tick.at_ms - self._since_ms >= EVERY_MS
        if due and (self._writing is None or self._writing.done()):
            self._ticks, self._since_ms = 0, tick.at_ms
            # what is remembered is copied here and now; to make text of it takes longer, and the next block does not wait for that
            memento = self._engine.save(state)
            self._writing = asyncio.create_task(self._write(memento, tick))

    @property
    def whole(self) -> bool:
        """Whether the log says, or is about to say, everything that the state is made of."""
        return self._whole

    async def finish(self, state: EngineState) -> None:
        """The last one, where there was a tick since the one before."""
        if self._writing is not None:
            await asyncio.gather(self._writing, return_exceptions=True)
        if self._whole and self._ticks and self._newest is not None:
            await self._write(self._engine.save(state), self._newest)

    async def _write(self, memento: Memento, tick: Tick) -> None:
        body: dict[str, Json] = {
            "for": self._bound_to,
            "block": tick.block.hash,
            "number": tick.block.number,
        }
        beside: dict[str, Json] = {"memento": await asyncio.to_thread(memento.body)}
        self._put(Draft(RecordKind.STATE, body, tick.at_ms), beside)
