"""The log's own process as the keeper sees it: started when it is first needed, started again when it dies, ended with the keeper."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path
from typing import Final

from keeper.app.faults import Faults
from keeper.app.pages.log_orders import LogOrders, line_of
from keeper.config.environment import for_own_process
from keeper.ports.clock import Clock

PART: Final = "log-pages"
MODULE: Final = "keeper.app.pages.log_process"
LONGEST_PAUSE_S: Final = 30.0
WELL_MS: Final = 60_000
"""Who lived so long is started again at once."""
_END_S: Final = 3.0
_BACKLOG: Final = 64


class LogChild:
    """``path`` is the socket at which it listens: requests wait there while it starts. ``away``: it died, and is not started again yet."""

    def __init__(self, orders: LogOrders, clock: Clock, faults: Faults) -> None:
        self._orders = orders
        self._clock = clock
        self._faults = faults
        self._wanted = asyncio.Event()
        self.path = ""
        self.away = False
        self.pid: int | None = None

    def want(self) -> None:
        self._wanted.set()

    def answered(self) -> None:
        self._faults.up(PART)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._run()
            except OSError as error:
                self._down(
                    "cannot-start", f"no socket for the process that answers for the log: {error.strerror or error}"
                )
                await self._clock.sleep(LONGEST_PAUSE_S)

    async def _run(self) -> None:
        folder = tempfile.mkdtemp(prefix="keeper-log-")  # nobody else's: 0700
        try:
            with socket.socket(socket.AF_UNIX) as listening:
                path = str(Path(folder) / "log")
                listening.bind(path)
                listening.listen(_BACKLOG)
                self.path = path
                await self._keep(listening.fileno(), folder)
        finally:
            self.path = ""
            shutil.rmtree(folder, ignore_errors=True)

    async def _keep(self, listening: int, folder: str) -> None:
        await self._wanted.wait()
        pause_s = 1.0
        while True:
            began_ms = self._clock.monotonic_ms()
            why = await self._one(listening, folder)
            self.away = True
            self._down("ended", f"the process that answers for the log ended: {why}")
            pause_s = 1.0 if self._clock.monotonic_ms() - began_ms >= WELL_MS else min(LONGEST_PAUSE_S, pause_s * 2)
            await self._clock.sleep(pause_s)
            self.away = False

    def _down(self, reason: str, message: str) -> None:
        self._faults.down(PART, reason, message, "what it wrote to the keeper's stderr says why; it is started again")

    async def _one(self, listening: int, folder: str) -> str:
        """From start to end; how it ended."""
        command = [sys.executable, "-P", "-m", MODULE, str(listening)]
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=PIPE,
                stdout=DEVNULL,
                pass_fds=(listening,),
                env=for_own_process(),
                start_new_session=True,  # an interrupt at the terminal is the keeper's matter; uvloop knows no process_group
            )
        except OSError as error:
            return error.strerror or type(error).__name__
        self.pid = process.pid
        try:
            assert process.stdin is not None
            with contextlib.suppress(ConnectionError):
                process.stdin.write(line_of(self._orders, folder))
                await process.stdin.drain()
            return f"status {await process.wait()}"
        finally:
            self.pid = None
            await _end(process)


async def _end(process: Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), _END_S)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
