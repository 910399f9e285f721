"""The process that answers for the log beside a running keeper: it has the database and nothing else, and yields to the keeper.

``python -m keeper.app.pages.log_process SOCKET``: SOCKET is the number of an inherited socket that listens already, the orders come through stdin.
It ends when stdin does: however the keeper ended, that end of the pipe is closed by then.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from threading import Thread
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from keeper.adapters.clock import SystemClock
from keeper.app.api.access import AccessSettings
from keeper.app.api.desk import open_desk
from keeper.app.pages.log_orders import CLIENT, LogOrders, orders_of
from keeper.app.pages.problem import PageProblem
from keeper.app.pages.server import build_app, serve_on
from keeper.app.pages.settings import PageSettings
from keeper.domain.checkpoint import SignedCheckpoint

NICER: Final = 10
FIRST_TO_GO: Final = "500"
"""Where memory runs out, the system ends this process and not the keeper."""


class Believing:
    """ASGI: who asks is whom the keeper names."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            named = [value for name, value in scope["headers"] if name == CLIENT.encode()]
            headers = [(name, value) for name, value in scope["headers"] if name != CLIENT.encode()]
            client = (named[0].decode("latin-1"), 0) if named else None
            scope = {**scope, "headers": headers, "client": client}
        await self._app(scope, receive, send)


def main() -> None:
    os.nice(NICER)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO, encoding="ascii")
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(0, 65_536)
        if not part:
            return  # the keeper has ended already
        line += part
    orders, folder = orders_of(line)
    Thread(target=_end_with_the_keeper, args=(folder,), daemon=True).start()
    asyncio.run(_serve(orders, socket.socket(fileno=int(sys.argv[1]))))


def _end_with_the_keeper(folder: str) -> None:
    while os.read(0, 4_096):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)  # it only reads: there is nothing to bring to an end


async def _serve(orders: LogOrders, listening: socket.socket) -> None:
    clock = SystemClock()
    access = AccessSettings(orders.host, orders.tokens, orders.rate, orders.page_url)
    settings = PageSettings(
        clock=clock, url=orders.page_url, listen_host=orders.host, config=orders.config, status=orders.status
    )
    take = _elsewhere if orders.witness else None
    async with open_desk(orders.url, access, clock, orders.config, take) as desk:
        app = Believing(build_app(None, settings, desk, beside_council=orders.council))
        await serve_on(app, listening, asyncio.Event())


async def _elsewhere(document: Mapping[str, object]) -> SignedCheckpoint:
    """Only for the description: the keeper answers this one itself."""
    raise PageProblem(503, "Checkpoints are taken by the keeper itself.", "send it to the keeper's own address")


if __name__ == "__main__":
    main()
