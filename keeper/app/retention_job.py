"""The retention of the configuration, kept by the running keeper: once a day, and put off while an action is on its way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from keeper.app.faults import Faults
from keeper.app.retention import Archiving, due
from keeper.config.audit import RetentionConfig
from keeper.domain.errors import AuditError
from keeper.ports.clock import Clock
from keeper.ports.retention import Retention

EVERY_S: Final = 3_600.0
PART: Final = "retention"


class RetentionJob:
    """``open_log`` connects anew for each run; ``idle``: no action is on its way."""

    def __init__(
        self,
        kept: RetentionConfig,
        open_log: Callable[[], Retention],
        clock: Clock,
        faults: Faults,
        idle: Callable[[], bool],
    ) -> None:
        self._kept = kept
        self._open_log = open_log
        self._clock = clock
        self._faults = faults
        self._idle = idle

    async def run(self) -> None:
        """What fails is a fault, and tried again an hour later."""
        if not self._idle():
            return
        try:
            retention = await asyncio.to_thread(self._open_log)
            try:
                if not await asyncio.to_thread(due, retention.page, self._clock.now_ms()):
                    return
                folder = Path(self._kept.archive)
                done = await Archiving(retention, self._clock, folder, self._kept.keep_ms, self._idle).run()
            finally:
                await asyncio.to_thread(retention.close)
        except AuditError as error:
            self._faults.down(PART, "unavailable", error.message, error.remedy)
        except OSError as error:
            message = f"{self._kept.archive} cannot be written to: {error.strerror or error}"
            self._faults.down(
                PART, "no-archive", message, "look at audit.retention.archive: is the disk full, the folder there?"
            )
        else:
            if done.problems:
                remedy = "put back the files that the log names; until then their evidence stays in the database too"
                self._faults.down(PART, "archive-changed", "; ".join(done.problems), remedy)
            else:
                self._faults.up(PART)
