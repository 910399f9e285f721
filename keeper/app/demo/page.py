"""The council's page beside a demo that is kept up: read-only, on a port of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from keeper.adapters.clock import SystemClock
from keeper.app.cli.typed import typed
from keeper.app.council.opening import open_council
from keeper.app.pages.server import build_app, serve
from keeper.app.pages.settings import PageSettings
from keeper.config import load

HOST: Final = "127.0.0.1"


@contextlib.asynccontextmanager
async def served(config_path: Path) -> AsyncIterator[str]:
    """The page's address, with a slash at its end, until the block ends."""
    config = load(str(config_path))
    async with open_council(config) as council:
        settings = PageSettings(clock=SystemClock(), config=typed(config_path), members=council.route.members)
        stop = asyncio.Event()
        ports: asyncio.Queue[int] = asyncio.Queue()
        serving = asyncio.create_task(serve(build_app(council, settings), HOST, 0, stop, ports.put_nowait))
        try:
            yield f"http://{HOST}:{await ports.get()}/"
        finally:
            stop.set()
            await serving
