"""A child process that cannot outlive its parent: its own group, and on Linux the kernel's death signal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import IO

# Runs in the child between fork and exec, as a program of its own: a preexec_fn would run Python in a copy of a process that may hold
# threads. Arguments: the parent's id, then the command. 1 is PR_SET_PDEATHSIG; it survives exec.
_LAUNCHER = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    os._exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""
_STOP_S = 3.0
_POLL_S = 0.005


class Child:
    """One running program. What it writes goes to an unnamed file, so that no pipe can fill up and nothing stays on disk."""

    def __init__(self, command: Sequence[str]) -> None:
        """Starts it. Raises OSError when the program cannot be run."""
        self._output: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop
        argv = list(command)
        if sys.platform == "linux" and sys.executable:
            argv = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *argv]
        try:
            self._process = subprocess.Popen(  # noqa: S603
                argv, stdin=subprocess.DEVNULL, stdout=self._output, stderr=subprocess.STDOUT, start_new_session=True
            )
        except BaseException:
            self._output.close()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._process.poll()

    def output(self, limit: int = 65_536) -> str:
        """The first ``limit`` bytes it wrote, colours taken out."""
        return _plain(self._read(limit, 0))

    def tail(self, lines: int = 12) -> str:
        """The last lines it wrote."""
        if self._output.closed:
            return ""
        size = os.fstat(self._output.fileno()).st_size
        text = _plain(self._read(8192, max(0, size - 8192)))
        return "\n".join([line for line in text.splitlines() if line.strip()][-lines:])

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to it and to all it started. Nothing happens when it has ended."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def freeze(self) -> None:
        """Stops it and all it started (SIGSTOP), and waits until it does stand still: a signal alone is only on its way."""
        self.send(signal.SIGSTOP)
        if self.returncode is None:
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def kill(self) -> None:
        """Ends it at once (SIGKILL) and waits for that."""
        self.send(signal.SIGKILL)
        self._process.wait()

    async def stop(self) -> None:
        """Asks it to end, ends it after three seconds, and lets go of its output. Safe to call twice."""
        try:
            self.send(signal.SIGTERM)
            self.send(signal.SIGCONT)  # a frozen process takes the other signal only once it runs again
            waited_s = 0.0
            while self.returncode is None and waited_s < _STOP_S:
                await asyncio.sleep(_POLL_S)
                waited_s += _POLL_S
        finally:
            self.kill()
            self._output.close()

    def _read(self, size: int, offset: int) -> bytes:
        # pread: the child writes at the position that both share, so it must not be moved
        return b"" if self._output.closed else os.pread(self._output.fileno(), size, offset)


def _plain(raw: bytes) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", raw.decode("utf-8", "replace"))
