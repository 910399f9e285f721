"""``keeper`` in a process of its own that is forked from one which has imported everything, for many of a kind.

A tenth of a plain start. Death, signals, files and the exit code are those of any process; what a plain start does before ``main`` is not
gone through, so tests that start the installed command as well (``keeper_process``) stand beside those that use this.
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from subprocess import TimeoutExpired
from tempfile import TemporaryDirectory

from tests.support.keeper_process import Done, Process, Running
from tests.support.keeper_stage import PATIENCE_S

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.support.keeper_imports"])


class ForkedProcess:
    """Behaves as ``subprocess.Popen`` where ``Running`` uses it."""

    def __init__(self, process: BaseProcess) -> None:
        self._process = process
        process.start()

    @property
    def pid(self) -> int:
        pid = self._process.pid
        assert pid is not None
        return pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, sig: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """The exit code. Raises TimeoutExpired."""
        self._process.join(timeout)
        if (code := self._process.exitcode) is None:
            raise TimeoutExpired(self._process.name, timeout or 0.0)
        return code


class ForkedRunning(Running):
    """As ``Running``. ``program`` is a module with a ``main()`` that reads ``sys.argv``."""

    def __init__(
        self,
        args: Sequence[str | Path],
        folder: Path,
        *,
        program: str = "keeper.app.cli",
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self._module = program
        super().__init__(args, folder, program=(program,), env=env, cwd=cwd)

    def wait_for_end(self, patience_s: float = PATIENCE_S) -> int:
        """As ``wait``, outside of an event loop. Kills it when its end does not come."""
        try:
            return self._process.wait(patience_s)
        finally:
            if not self.ended():
                self._process.kill()

    def _start(self, command: Sequence[str], cwd: Path | None, env: Mapping[str, str]) -> Process:
        for path in (self._out, self._err):
            path.touch()
        inside = (self._module, list(command), cwd or Path.cwd(), dict(env), self._out, self._err)
        return forked(_child, inside)


def forked(target: Callable[..., None], args: tuple[object, ...]) -> ForkedProcess:
    """A process that runs ``target``, a function of a module."""
    return ForkedProcess(_context.Process(target=target, args=args))


def forked_keeper(
    *args: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None, patience_s: float = PATIENCE_S
) -> Done:
    """As ``keeper``: one command, waited for."""
    with TemporaryDirectory() as folder:
        run = ForkedRunning(args, Path(folder), env=env, cwd=cwd)
        return Done(run.wait_for_end(patience_s), run.out, run.err)


def _child(module: str, command: list[str], cwd: Path, env: dict[str, str], out: Path, err: Path) -> None:
    """Makes this process what a new one would be, and becomes the program."""
    os.setsid()
    for file, number in ((Path(os.devnull), 0), (out, 1), (err, 2)):
        opened = os.open(file, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)
    for stream, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        setattr(sys, stream, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))
    os.environ.clear()  # noqa: TID251
    os.environ.update(env)  # noqa: TID251
    time.tzset()
    os.chdir(cwd)
    sys.argv = list(command)
    importlib.import_module(module).main()
