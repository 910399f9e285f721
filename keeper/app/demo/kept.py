"""The keeper beside a demo that is kept up: it goes on where the story ended, and serves its pages, read-only, on a port of their own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from keeper.app.running import Running
from keeper.config import load
from keeper.config.model import HttpConfig
from keeper.domain.errors import KeeperError

HOST: Final = "127.0.0.1"
LISTENS_S: Final = 30.0
_PAUSE_S: Final = 0.1


@contextlib.asynccontextmanager
async def running(config_path: Path) -> AsyncIterator[str]:
    """The address of its pages, with a slash at its end, until the block ends. Raises KeeperError when it does not start."""
    port = _free_port()
    config = replace(load(str(config_path)), http=HttpConfig(HOST, port, url="", approve=False))
    stop = asyncio.Event()
    keeper = asyncio.create_task(Running(config, lambda: config, stop).run())
    try:
        await _listens(port, keeper)
        yield f"http://{HOST}:{port}/"
    finally:
        stop.set()
        await keeper


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


async def _listens(port: int, keeper: asyncio.Task[None]) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LISTENS_S):
            while not keeper.done():
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection(HOST, port)
                    writer.close()
                    return
                await asyncio.sleep(_PAUSE_S)
    if keeper.done():
        keeper.result()
    raise KeeperError("the keeper does not serve its pages", remedy="run again with -v to see its log")
