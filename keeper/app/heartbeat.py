"""A sign of life every few minutes: a record with numbers, and a question to a service that calls people when nobody asks any more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from keeper.app.diary import Diary
from keeper.app.faults import Faults
from keeper.config.jobs import HeartbeatConfig
from keeper.domain.errors import OutsideError
from keeper.domain.record import Draft, Json, RecordKind
from keeper.ports.clock import Clock

JOB = "heartbeat"
PART = "heartbeat"
ALIVE, SILENT = "alive", "silent"


class Heartbeat:
    """``ask`` raises OutsideError. A keeper that evaluated nothing since the last heartbeat asks nobody: that is what the service waits for."""

    def __init__(
        self,
        config: HeartbeatConfig,
        diary: Diary,
        clock: Clock,
        faults: Faults,
        record: Callable[[Draft], None],
        ask: Callable[[str], Awaitable[None]],
    ) -> None:
        self._config = config
        self._diary = diary
        self._clock = clock
        self._faults = faults
        self._record = record
        self._ask = ask

    async def run(self) -> None:
        """One heartbeat."""
        entry, newest = self._diary.turn_over(), self._diary.newest
        state = ALIVE if entry.ticks else SILENT
        words = f"{entry.ticks} blocks evaluated, the newest {newest}" if entry.ticks else "no block was evaluated"
        body: dict[str, Json] = {
            "job": JOB,
            "state": state,
            "message": words,
            "block": newest,
            "ticks": entry.ticks,
            "held": entry.held,
            "faults": entry.faults,
            "down": len(self._faults.current),
        }
        self._record(Draft(RecordKind.JOB, body, self._clock.now_ms()))
        if self._config.url is None or not entry.ticks:
            return
        try:
            await self._ask(self._config.url.reveal())
        except OutsideError as error:
            self._faults.down(PART, "unreachable", error.message, error.remedy)
        else:
            self._faults.up(PART)
