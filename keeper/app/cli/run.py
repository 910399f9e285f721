"""``keeper run``."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from keeper.app import event_loop
from keeper.app.cli import logs
from keeper.app.cli.output import Output
from keeper.app.exit_codes import Exit
from keeper.domain.errors import KeeperError

if TYPE_CHECKING:
    from keeper.config.model import Config

STDIN = "-"
"""In place of a file's name."""


def run(output: Output, config: str, *, shadow: bool) -> int:
    """The service until SIGTERM (exit code 0) or Ctrl-C (130); both end it cleanly. Raises KeeperError when it cannot start."""
    from keeper.config import load
    from keeper.config.model import Mode

    logs.set_up(output.verbosity)
    early: list[int] = []
    # a reload that is asked for while the keeper still begins, or already ends, must not kill it
    signal.signal(signal.SIGHUP, lambda number, _: early.append(number))

    def read() -> Config:
        loaded = load(config)
        return replace(loaded, keeper=replace(loaded.keeper, mode=Mode.SHADOW)) if shadow else loaded

    def again() -> Config:
        if config == STDIN:
            raise KeeperError(
                "the configuration was given on standard input, which is read once",
                remedy="start the keeper with a file, or restart it",
            )
        return read()

    return event_loop.run(_serve(read(), again, early))


async def _serve(config: Config, again: Callable[[], Config], early: list[int]) -> int:
    """``early`` has what asked for a reload so far."""
    from keeper.app.running import Running

    stop = asyncio.Event()
    ended_by: list[signal.Signals] = []
    loop = asyncio.get_running_loop()

    def end(name: signal.Signals) -> None:
        ended_by.append(name)
        stop.set()

    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, end, name)
    running = Running(config, again, stop)
    loop.add_signal_handler(signal.SIGHUP, running.reload)
    if early:
        running.reload()
    try:
        await running.run()
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return Exit.INTERRUPTED if signal.SIGINT in ended_by else Exit.DONE
