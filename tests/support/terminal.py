"""``keeper council`` and ``keeper restore`` over a council in memory, on a terminal of their own (a pty), with somebody who types."""

from __future__ import annotations

import os
import pty
import select
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest

from tests.support.forked_keeper import ForkedProcess, forked

WAIT_S = 60.0


class Terminal:
    """What somebody sees, and types."""

    def __init__(self, keyboard: int, screen: int, process: ForkedProcess) -> None:
        self._keyboard = keyboard
        self._screen = screen
        self._process = process
        self.shown = ""

    def types(self, keys: str) -> None:
        os.write(self._keyboard, keys.encode())

    def sees(self, words: str) -> None:
        """Waits for them."""
        self._read_until(lambda: words in self.shown, f"{words!r} does not come")

    def ended(self) -> int:
        """Waits for the end, and types nothing more. The exit code."""
        self._read_until(lambda: self._process.poll() is not None, "it goes on")
        self._read(0.1)
        code = self._process.returncode
        assert code is not None
        return code

    @property
    def echoes(self) -> bool:
        """Whether what is typed is shown."""
        return bool(termios.tcgetattr(self._screen)[3] & termios.ECHO)

    def _read_until(self, done: Callable[[], bool], otherwise: str) -> None:
        until = time.monotonic() + WAIT_S
        while not done():
            assert time.monotonic() < until, f"{otherwise} after {self.shown!r}"
            self._read(0.05)

    def _read(self, wait_s: float) -> None:
        while select.select([self._keyboard], [], [], wait_s)[0]:
            self.shown += os.read(self._keyboard, 65536).decode()


@contextmanager
def at_terminal(folder: Path, *words: str) -> Iterator[Terminal]:
    """``keeper WORD...`` with ``folder`` as the current one."""
    keyboard, screen = pty.openpty()
    process = forked(_child, (os.ttyname(screen), folder, words))
    try:
        yield Terminal(keyboard, screen, process)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(WAIT_S)
        os.close(keyboard)
        os.close(screen)


def _child(terminal: str, folder: Path, words: tuple[str, ...]) -> None:
    os.setsid()
    opened = os.open(
        terminal, os.O_RDWR
    )  # the first one that the leader of a session opens is its own: Ctrl-C reaches it
    for number in (0, 1, 2):
        os.dup2(opened, number)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", buffering=1, closefd=False)
    sys.exit(_command(folder, words))


def _command(folder: Path, words: tuple[str, ...]) -> int:
    from keeper.adapters.chain.memory import MemoryChain
    from keeper.app.cli import nothing_yet, restore, run_command
    from keeper.app.council.restoring import Restore
    from tests.support.council_commands import CommandCouncil, typed_over
    from tests.support.council_matters import matter
    from tests.support.restoring import Log, planned

    log = Log()
    log.acted("limit", "1000000", "250000")

    async def plan(_: object, incident: str) -> Restore:
        return await planned(log, incident=incident, chain=MemoryChain(), limit=250_000)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(restore, "planned", plan)
        patch.setattr(nothing_yet, "log_exists", lambda _: True)
        council = CommandCouncil(matters=[matter()])
        typed_over(council, patch, cast("pytest.CaptureFixture[str]", None), folder)
        code = run_command(list(words))
    assert not council.confirmed
    assert not council.proposed
    return code
