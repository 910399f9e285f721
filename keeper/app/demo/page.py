"""The pages of council and log beside a demo that is kept up: read-only, on a port of their own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from keeper.adapters.clock import SystemClock
from keeper.app.api.access import AccessSettings
from keeper.app.api.desk import open_desk
from keeper.app.cli.typed import typed
from keeper.app.council.opening import open_council
from keeper.app.pages.server import build_app, serve
from keeper.app.pages.settings import PageSettings
from keeper.config import load

HOST: Final = "127.0.0.1"


@contextlib.asynccontextmanager
async def served(config_path: Path) -> AsyncIterator[str]:
    """The page's address, with a slash at its end, until the block ends."""
    config, clock, shown = load(str(config_path)), SystemClock(), typed(config_path)
    desk = open_desk(config.audit.url.reveal(), AccessSettings(HOST), clock, shown)
    async with open_council(config) as council, desk as log:
        settings = PageSettings(clock=clock, config=shown, members=council.route.members)
        stop = asyncio.Event()
        ports: asyncio.Queue[int] = asyncio.Queue()
        serving = asyncio.create_task(serve(build_app(council, settings, log), HOST, 0, stop, ports.put_nowait))
        try:
            yield f"http://{HOST}:{await ports.get()}/"
        finally:
            stop.set()
            await serving
