"""What a replica that stands by shows over HTTP: that it is there. Of markets, sources and actions it says nothing, because it judges none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Final

import structlog

from keeper.app.parts import Parts
from keeper.domain.errors import OutsideError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from keeper.config.model import HttpConfig

AGAIN_S: Final = 10.0
ELSEWHERE: Final = (
    "This replica stands by: it has no pages. Ask the one that leads; `keeper status CONFIG` says which one that is."
)


class Standing:
    """The metrics of such a process: what it is, its role, and its memory and CPU."""

    def __init__(self, parts: Parts) -> None:
        from keeper.app.metrics.families import Process  # late: keepers without a page need not pay for it

        self._process = Process(parts.config)
        self._process.take("standby")

    def chunks(self) -> Iterator[str]:
        """As ``Metrics.chunks``."""
        return self._process.chunks()


def standing(parts: Parts) -> Callable[[], Coroutine[None, None, None]] | None:
    """Serves health and metrics until cancelled, and tries again where it cannot listen; None without a section ``http``."""
    http = parts.config.http
    if http is None:
        return None

    async def run() -> None:
        from keeper.app.pages.server import serve

        app, told = standing_app(parts, http), False
        while True:
            try:
                await serve(app, http.host, http.port, asyncio.Event())
            except OutsideError as error:
                if not told:
                    log = structlog.get_logger("keeper")
                    log.error("the standby shows no metrics", error=error.message, remedy=error.remedy)
                told = True
            await asyncio.sleep(AGAIN_S)

    return run


def standing_app(parts: Parts, http: HttpConfig) -> ASGIApp:
    """Health and metrics, and for all else where it is: 503, so that a proxy asks another replica."""
    from fastapi import FastAPI
    from fastapi.responses import JSONResponse, PlainTextResponse

    from keeper.app.api.access import Access, AccessSettings
    from keeper.app.metrics.page import mount_of
    from keeper.app.pages.guard import HEALTH, Guard
    from keeper.app.pages.settings import PageSettings

    settings = PageSettings(clock=parts.edges.clock, url=http.url, listen_host=http.host)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get(HEALTH)
    async def health() -> JSONResponse:
        return JSONResponse({"ok": True})

    access = Access(AccessSettings(http.host, http.tokens, http.rate, http.url), parts.edges.clock)
    mount_of(Standing(parts))(app, settings, access)

    @app.get("/{path:path}")
    async def elsewhere(path: str) -> PlainTextResponse:
        return PlainTextResponse(ELSEWHERE, 503)

    return Guard(app, settings.hosts)
