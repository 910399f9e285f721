"""Pages served until somebody ends it: what the commands that do nothing else share."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from keeper.app.exit_codes import Exit

if TYPE_CHECKING:
    from fastapi import FastAPI


async def until_ended(app: FastAPI, host: str, port: int, started: Callable[[str], None]) -> int:
    """DONE after SIGTERM, INTERRUPTED after Ctrl-C; both end it cleanly. ``started`` is told its address. Raises OutsideError."""
    from keeper.app.pages.server import serve

    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    ended_by: list[signal.Signals] = []

    def end(name: signal.Signals) -> None:
        ended_by.append(name)
        stop.set()

    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, end, name)
    shown = f"[{host}]" if ":" in host else host
    await serve(app, host, port, stop, lambda found: started(f"http://{shown}:{found}"))
    return Exit.INTERRUPTED if signal.SIGINT in ended_by else Exit.DONE
