"""``/status``: what a running keeper sees and is ready for, as a page that keeps itself up to date, and for programs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Final

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse

from keeper.app.api.access import Access
from keeper.app.pages import rendering
from keeper.app.pages.log_pages import COOKIE
from keeper.app.pages.problem import PageProblem
from keeper.app.pages.settings import Mount, PageSettings
from keeper.app.pages.status_board import StatusBoard
from keeper.app.pages.status_facts import NOTHING, Facts, read_facts
from keeper.app.pages.status_press import BUSY, LISTENERS_MAX, Press, rendered
from keeper.app.pages.status_rows import View
from keeper.app.pages.status_view import view_of
from keeper.app.parts import Parts

FACTS_MS: Final = 5_000
"""So long what the log said stands, where nothing tells that there is more."""
FIRST_FACTS_S: Final = 2.0
ELSEWHERE: Final = PageProblem(403, "This is not for the pages of other sites.", "open the page of the status itself")


class StatusDesk:
    """What is seen and what the log says, put together. The log is asked when somebody looks, and nobody waits for it twice."""

    def __init__(self, parts: Parts, board: StatusBoard) -> None:
        self._parts = parts
        self._board = board
        self._facts: Facts = NOTHING
        self._read_ms: float | None = None
        self._reading: asyncio.Task[None] | None = None
        board.log_changed = self._outdated

    async def view(self) -> View:
        await self._refresh()
        seen, facts, now_ms = self._board.seen(), self._facts, self._parts.edges.clock.now_ms()
        return await asyncio.to_thread(view_of, self._parts, seen, facts, now_ms)

    def _outdated(self) -> None:
        if self._read_ms is not None:
            self._read_ms = -float(FACTS_MS)

    async def _refresh(self) -> None:
        now_ms = self._parts.edges.clock.monotonic_ms()
        first = self._read_ms is None
        if self._reading is None and (self._read_ms is None or now_ms - self._read_ms >= FACTS_MS):
            self._reading = asyncio.create_task(self._read(now_ms))
        if first and self._reading is not None:
            await asyncio.wait([self._reading], timeout=FIRST_FACTS_S)

    async def _read(self, began_ms: float) -> None:
        try:
            self._read_ms = began_ms
            facts = await read_facts(self._parts)
        finally:
            self._reading = None
        if facts != self._facts:
            self._facts = facts
            self._board.changed()


def status_mount(parts: Parts, board: StatusBoard) -> Mount:
    """The routes of one running keeper."""

    def mount(app: FastAPI, settings: PageSettings, access: Access) -> None:
        desk = StatusDesk(parts, board)
        press = Press(desk.view, settings, app.state.ending)
        board.changed = press.wake

        def admit(request: Request) -> None:
            address = request.client.host if request.client else ""
            bearer = request.headers.get("authorization")
            access.of_api(request.headers, address) if bearer else access.of_page(
                request.cookies.get(COOKIE, ""), request.headers, address
            )

        def of_this_site(request: Request) -> None:
            """Another site's page cannot read the answer, but it could hold all the streams that there are."""
            if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
                raise ELSEWHERE

        @app.get("/status")
        async def status(request: Request) -> Response:
            admit(request)
            view = await desk.view()
            return HTMLResponse(await asyncio.to_thread(_page, view, settings))

        @app.get("/status.json")
        async def document(request: Request) -> Response:
            of_this_site(request)
            admit(request)
            view = await desk.view()
            return JSONResponse(await asyncio.to_thread(_document, view, settings.clock.now_ms()))

        @app.get("/status/events")
        async def events(request: Request) -> Response:
            of_this_site(request)
            admit(request)
            if press.listeners >= LISTENERS_MAX:
                raise BUSY
            session = "" if request.headers.get("authorization") else request.cookies.get(COOKIE, "")
            stream: AsyncIterator[str] = press.stream(lambda: not session or access.still(session))
            return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    return mount


def _page(view: View, settings: PageSettings) -> str:
    parts = rendered(view, settings, settings.clock.now_ms(), live=False)
    return rendering.page("status.html", settings, view=view, parts=parts)


def _document(view: View, now_ms: int) -> dict[str, object]:
    """All of it; times are ms since 1970."""
    return {"ok": view.level == "ok", "now_ms": now_ms} | asdict(view)
