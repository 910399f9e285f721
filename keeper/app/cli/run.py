"""``keeper run``."""

from __future__ import annotations

import asyncio
import gc
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

from keeper.app import event_loop
from keeper.app.cli import logs
from keeper.app.cli.output import Output
from keeper.app.exit_codes import Exit

if TYPE_CHECKING:
    from keeper.config.model import Config
    from keeper.domain.errors import AlreadyRunning


def run(output: Output, config: str, *, shadow: bool) -> int:
    """The service until SIGTERM (exit code 0) or Ctrl-C (130); both end it cleanly. Raises KeeperError when it cannot start."""
    from keeper.config import load
    from keeper.config.model import Mode

    logs.set_up(output.verbosity)
    loaded = load(config)
    if shadow:
        loaded = replace(loaded, keeper=replace(loaded.keeper, mode=Mode.SHADOW))
    return event_loop.run(_serve(loaded))


async def _serve(config: Config) -> int:
    from keeper.adapters.audit.sole import sole_keeper
    from keeper.app.huge_pages import collapse
    from keeper.app.service import Service
    from keeper.app.wiring import build

    stop = asyncio.Event()
    ended_by: list[signal.Signals] = []
    loop = asyncio.get_running_loop()

    def end(name: signal.Signals) -> None:
        ended_by.append(name)
        stop.set()

    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, end, name)
    taken: list[AlreadyRunning] = []

    def lost(error: AlreadyRunning) -> None:
        taken.append(error)
        loop.call_soon_threadsafe(stop.set)

    with sole_keeper(config.audit.url.reveal(), lost):
        parts = await build(config)
        gc.freeze()  # a full collection would walk 200,000 objects of the libraries: 90 ms in which no head is heard
        collapse()
        try:
            await Service(parts).run(stop)
        finally:
            await parts.close()
    if taken:
        raise taken[0]
    return Exit.INTERRUPTED if signal.SIGINT in ended_by else Exit.DONE
