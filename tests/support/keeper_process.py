"""``keeper`` as a user starts it: a process of its own, with an environment of its own."""

from __future__ import annotations

import asyncio
import functools
import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from unittest.mock import patch

import typer.main

from tests.support import secrets_seen
from tests.support.keeper_stage import PATIENCE_S, until

KEEPER = Path(sys.executable).with_name("keeper")
ROOT = Path(__file__).resolve().parents[2]
PASSED_ON = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ", "SYSTEMROOT", "VIRTUAL_ENV")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a plain shell passes on, and ``extra``; nothing else that decides what a keeper does."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}  # noqa: TID251
    return kept | {"NO_COLOR": "1"} | dict(extra or {})


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    def __post_init__(self) -> None:
        secrets_seen.note(self.out, "standard output of a command")
        secrets_seen.note(self.err, "standard error of a command")


def keeper(
    *args: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    patience_s: float = PATIENCE_S,
) -> Done:
    """One command, waited for."""
    done = subprocess.run(
        [str(KEEPER), *map(str, args)],
        cwd=cwd,
        env=environment(env),
        input=stdin if stdin is not None else "",
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=patience_s,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


_get_command = functools.cache(typer.main.get_command)


def in_process(*args: str | Path) -> Done:
    """One command without a process of its own: a tenth of the time, for many of a kind. The environment is this process's.

    What reads the command line is made once: typer makes all commands anew each time, which is half of the time of a short one.
    """
    from keeper.app.cli import run_command

    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), patch("typer.main.get_command", _get_command):
        code = run_command([str(arg) for arg in args])
    return Done(code, out.getvalue(), err.getvalue())


class Process(Protocol):
    """What is used of ``subprocess.Popen``."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def kill(self) -> None: ...


class Running:
    """A keeper that runs until it is ended; ``async with`` ends it at the latest. What it writes goes to files in ``folder``."""

    _number = 0

    def __init__(
        self,
        args: Sequence[str | Path],
        folder: Path,
        *,
        program: Sequence[str | Path] = (KEEPER,),
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        Running._number += 1
        self._out = folder / f"run-{Running._number}.out"
        self._err = folder / f"run-{Running._number}.err"
        self._process = self._start([*map(str, program), *map(str, args)], cwd, environment(env))

    def _start(self, command: Sequence[str], cwd: Path | None, env: Mapping[str, str]) -> Process:
        with self._out.open("wb") as out, self._err.open("wb") as err:
            return subprocess.Popen(
                command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
            )

    async def __aenter__(self) -> Running:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def out(self) -> str:
        return self._out.read_text("utf-8", "replace")

    @property
    def err(self) -> str:
        return self._err.read_text("utf-8", "replace")

    def ended(self) -> bool:
        return self._process.poll() is not None

    async def says(self, pattern: str) -> None:
        """Waits until it has written this; fails when it ends before."""
        await self.until(lambda: re.search(pattern, self.out + self.err) is not None, pattern)

    async def watching(self) -> None:
        """Waits until it is connected and evaluates heads."""
        await self.says('"event": "watching"')

    async def until(self, condition: Callable[[], bool], what: str = "the condition") -> None:
        """Waits for the condition; fails when the keeper ends before."""
        try:
            await until(lambda: condition() or self.ended())
        except TimeoutError:
            raise AssertionError(f"{what} did not come; it said:\n{self.err[-4000:]}") from None
        assert condition(), f"{what} did not come before it ended with {self._process.returncode}:\n{self.err[-4000:]}"

    async def end(self, name: signal.Signals = signal.SIGTERM) -> int:
        """Asks it to end; the exit code, negative when a signal ended it."""
        if not self.ended():
            self._process.send_signal(name)
        return await self.wait()

    async def wait(self) -> int:
        """Waits for its end; the exit code."""
        return await asyncio.to_thread(self._process.wait, PATIENCE_S)
