"""``keeper init`` at a terminal: it asks for what is missing, and Ctrl-C leaves nothing behind."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.keeper_process import KEEPER, environment

pytestmark = pytest.mark.e2e

WAIT_S = 60.0


class Screen:
    """What somebody sees, and types."""

    def __init__(self, keyboard: int, process: subprocess.Popen[bytes]) -> None:
        self._keyboard = keyboard
        self.process = process
        self.shown = ""

    def types(self, line: str) -> None:
        os.write(self._keyboard, f"{line}\n".encode())

    def sees(self, words: str) -> None:
        until = time.monotonic() + WAIT_S
        while words not in self.shown:
            assert time.monotonic() < until, f"{words!r} does not come after {self.shown!r}"
            if select.select([self._keyboard], [], [], 0.1)[0]:
                self.shown += os.read(self._keyboard, 65536).decode()


@contextmanager
def terminal(*words: str | Path) -> Iterator[Screen]:
    keyboard, screen = pty.openpty()
    process = subprocess.Popen(
        [str(KEEPER), *map(str, words)], stdin=screen, stdout=screen, stderr=screen, env=environment()
    )
    try:
        yield Screen(keyboard, process)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(WAIT_S)
        os.close(keyboard)
        os.close(screen)


def test_ctrl_c__at_a_question__writes_nothing(tmp_path: Path) -> None:
    with terminal("init", tmp_path / "new") as screen:
        screen.sees("contract: ")
        screen.types("0x12")
        screen.sees("is not an address")
        screen.types("vault=0x000000000000000000000000000000000000dEaD")
        screen.sees("contract (Enter: no more): ")
        screen.types("")
        screen.sees("node (wss:// or https://): ")
        screen.process.send_signal(signal.SIGINT)
        screen.sees("interrupted: nothing was written")
        assert screen.process.wait(WAIT_S) == 130
    assert not (tmp_path / "new").exists()


def test_enter_alone__writes_the_preset_that_needs_no_contract(tmp_path: Path) -> None:
    with terminal("init", tmp_path / "new") as screen:
        screen.sees("contract: ")
        screen.types("")
        screen.sees("shadow mode, nothing is ever sent")
        assert screen.process.wait(WAIT_S) == 0
    assert (tmp_path / "new" / "keeper.yaml").exists()


def test_yes__at_a_terminal__asks_nothing(tmp_path: Path) -> None:
    with terminal("init", tmp_path / "new", "--yes") as screen:
        screen.sees("shadow mode, nothing is ever sent")
        assert "contract" not in screen.shown
        assert screen.process.wait(WAIT_S) == 0
