"""A contestant: a program of ``bench.peers`` in a process of its own, so that neither shares an interpreter with another or with the stage."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from bench.options import ROOT

START_S = 60.0
ANSWER_S = 30.0
STOP_S = 10.0


class Broken(Exception):
    """A measurement that is none: a contestant died, or did not do what it was to do."""


class Contestant:
    """Commands in, events out, a JSON object a line."""

    def __init__(self, process: asyncio.subprocess.Process, name: str, log: Path) -> None:
        self._process = process
        self._name = name
        self._log = log

    def tell(self, **command: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")

    async def hear(self, event: str, timeout_s: float = ANSWER_S, **wanted: Any) -> dict[str, Any]:
        """The next event of this name in which these fields have these values; others before it are passed over.

        Raises Broken when it does not come.
        """
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(timeout_s):
                while line := await self._process.stdout.readline():
                    said: dict[str, Any] = json.loads(line)
                    if said["event"] == event and wanted.items() <= said.items():
                        return said
        except TimeoutError:
            raise Broken(f"{self._name} did not say {event!r} within {timeout_s:g} s\n{self._tail()}") from None
        raise Broken(f"{self._name} ended before it said {event!r}\n{self._tail()}")

    def freeze(self) -> None:
        """Lets it do nothing at all, not even hear of blocks, until ``thaw``: it must not take a core from whoever is measured."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets it go on."""
        self._process.send_signal(signal.SIGCONT)

    async def stop(self) -> None:
        """Ends its standard input, which ends it; kills it when that takes too long."""
        assert self._process.stdin is not None
        if self._process.returncode is None:
            self.thaw()
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    def _tail(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-15:])


@contextlib.asynccontextmanager
async def running(name: str, folder: Path, args: Sequence[str] = ()) -> AsyncIterator[Contestant]:
    """Starts ``bench.peers.NAME``; ended afterwards."""
    log = folder / f"{name}.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            f"bench.peers.{name}",
            *args,
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
    contestant = Contestant(process, name, log)
    try:
        yield contestant
    finally:
        await contestant.stop()
