"""Pages and API as one application, and the server under it, which lives in the keeper's event loop and ends with it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from keeper.app.api.application import Fork, api_app, witness_app
from keeper.app.api.desk import AuditDesk, LogApart
from keeper.app.pages import rendering
from keeper.app.pages.approving import VIA, approve
from keeper.app.pages.connections import bounded, quieten
from keeper.app.pages.council_view import CouncilView
from keeper.app.pages.guard import HEALTH, Guard, RateLimit, posted
from keeper.app.pages.log_pages import COOKIE, FORMS, add_log_pages, login_page
from keeper.app.pages.problem import PageProblem, problem_of
from keeper.app.pages.settings import Mount, PageSettings
from keeper.app.pages.sheet import sheet
from keeper.domain.errors import KeeperError, OutsideError

_HASH: Final = re.compile(r"0x[0-9a-f]{64}")
_GRACE_S: Final = 3
_TURNS: Final = 4
"""So many requests ask node, service and log at once; others wait. The page must not take from the keeper what it needs to act."""
READ_ONLY: Final = "This page is read-only: it takes no signatures."
READ_ONLY_REMEDY: Final = "set `http: approve: true` in the configuration, or sign with the command line"


def build_app(
    view: CouncilView | None,
    settings: PageSettings,
    audit: AuditDesk | LogApart,
    *,
    beside_council: bool = False,
    mounts: Sequence[Mount] = (),
) -> FastAPI:
    """The council's pages over ``view``, and the API and the pages of the log over ``audit``.

    ``beside_council``: the council's pages are under the same address, but not in this process.
    """
    settings = replace(
        settings,
        council=view is not None or beside_council,
        log=not audit.access.closed,
        login=audit.access.asks_for_tokens,
        status=settings.status and not audit.access.closed,
    )
    api, relay = (witness_app(audit), audit.relay) if isinstance(audit, LogApart) else (api_app(audit), None)
    app = _Guarded(settings.hosts, api, relay)
    turns = asyncio.Semaphore(_TURNS)
    _common(app)
    if isinstance(audit, AuditDesk):
        add_log_pages(app, audit, settings)
    if view is not None:
        _pages(app, view, settings, turns)
        _posts(app, view, settings, turns)
    else:
        _home(app, settings)
    for mount in mounts:
        mount(app, settings, audit.access)
    _errors(app, settings)
    return app


class _Guarded(FastAPI):
    """The guard stands outside of everything: an answer to a failure of ours carries its headers too."""

    def __init__(self, hosts: frozenset[str], api: ASGIApp, relay: ASGIApp | None = None) -> None:
        super().__init__(docs_url=None, redoc_url=None, openapi_url=None)
        self._hosts = hosts
        self._api = api
        self._relay = relay
        self.state.ending = asyncio.Event()
        """Set when the server ends: a stream of events ends then too, so that nobody waits for it."""

    def build_middleware_stack(self) -> ASGIApp:
        return Guard(Fork(super().build_middleware_stack(), self._api, self._relay), self._hosts)


def _pages(app: FastAPI, view: CouncilView, settings: PageSettings, turns: asyncio.Semaphore) -> None:
    @app.get("/")
    async def queue() -> HTMLResponse:
        async with turns:
            state, matters, past = await view.state(), await view.queue(), await view.history()
        return HTMLResponse(rendering.page("queue.html", settings, state=state, matters=matters, past=past))

    @app.get("/proposals/{safe_tx_hash}")
    async def proposal(safe_tx_hash: str) -> HTMLResponse:
        _checked(safe_tx_hash)
        async with turns:
            matter = await view.matter(safe_tx_hash)
        return HTMLResponse(
            rendering.page("proposal.html", settings, sheet=sheet(matter, safe_tx_hash, settings), m=matter)
        )


def _home(app: FastAPI, settings: PageSettings) -> None:
    @app.get("/")
    async def home() -> RedirectResponse:
        return RedirectResponse("/status" if settings.status else "/audit")


def _common(app: FastAPI) -> None:
    @app.get("/static/{name}")
    async def static(name: str) -> Response:
        if name not in rendering.TYPES:
            raise HTTPException(404)
        return Response(rendering.static_file(name), media_type=rendering.TYPES[name])

    @app.get(HEALTH)
    async def health() -> JSONResponse:
        return JSONResponse({"ok": True})


def _posts(app: FastAPI, view: CouncilView, settings: PageSettings, turns: asyncio.Semaphore) -> None:
    limit = RateLimit(settings.clock)
    read: set[str] = set()

    @app.post("/proposals/{safe_tx_hash}/confirmations")
    async def confirm(safe_tx_hash: str, request: Request) -> JSONResponse:
        limit.take(_caller(request))
        if not settings.approve:
            raise PageProblem(403, READ_ONLY, READ_ONLY_REMEDY)
        body = await posted(request, settings)
        _checked(safe_tx_hash)
        async with turns:
            matter = await view.matter(safe_tx_hash)
            return JSONResponse(await approve(view, matter, safe_tx_hash, body))

    @app.post("/proposals/{safe_tx_hash}/seen")
    async def seen(safe_tx_hash: str, request: Request) -> JSONResponse:
        limit.take(_caller(request))
        await posted(request, settings)
        _checked(safe_tx_hash)
        if safe_tx_hash not in read:  # only the first time means something
            async with turns:
                matter = await view.matter(safe_tx_hash)
                if matter.hash == safe_tx_hash:
                    await view.seen(matter, via=VIA)
                    read.add(safe_tx_hash)
        return JSONResponse({"ok": True})


def _errors(app: FastAPI, settings: PageSettings) -> None:
    def answer(request: Request, problem: PageProblem) -> Response:
        # who has a token may give it, however often others of the same address were refused
        unknown = problem.status == 401 or (problem.status == 429 and COOKIE not in request.cookies)
        if unknown and settings.login:
            return login_page(request, problem, settings)
        headers = {"Retry-After": str(problem.retry_s)} if problem.retry_s else {}
        if request.method == "POST" and request.url.path not in FORMS:
            document = {"ok": False, "message": problem.message, "remedy": problem.remedy}
            return JSONResponse(document, status_code=problem.status, headers=headers)
        html = rendering.page("problem.html", settings, problem=problem)
        return HTMLResponse(html, status_code=problem.status, headers=headers)

    @app.exception_handler(PageProblem)
    async def of_the_page(request: Request, problem: PageProblem) -> Response:
        return answer(request, problem)

    @app.exception_handler(KeeperError)
    async def of_the_keeper(request: Request, error: KeeperError) -> Response:
        return answer(request, problem_of(error))

    @app.exception_handler(HTTPException)
    async def of_the_router(request: Request, error: HTTPException) -> Response:
        words = {404: "There is no such page.", 405: "This cannot be done here."}
        return answer(request, PageProblem(error.status_code, words.get(error.status_code, "This cannot be read.")))

    @app.exception_handler(Exception)
    async def of_ours(request: Request, error: Exception) -> Response:
        return answer(request, PageProblem(500, "The keeper failed to answer; its log says why."))


def _checked(safe_tx_hash: str) -> None:
    if not _HASH.fullmatch(safe_tx_hash):
        raise PageProblem(
            400,
            "This is no safeTxHash.",
            "take the link from the queue: a safeTxHash is 0x and 64 digits in lower case",
        )


def _caller(request: Request) -> str:
    return request.client.host if request.client else ""


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the keeper."""
        yield


async def serve(
    app: ASGIApp, host: str, port: int, stop: asyncio.Event, started: Callable[[int], None] = lambda port: None
) -> None:
    """Until ``stop`` is set or the task is cancelled; ``started`` is told the port (0 takes a free one).

    Raises OutsideError when it cannot listen.
    """
    listening = _listen(host, port)
    await serve_on(app, listening, stop, lambda: started(int(listening.getsockname()[1])))


async def serve_on(
    app: ASGIApp, listening: socket.socket, stop: asyncio.Event, started: Callable[[], None] = lambda: None
) -> None:
    """The same at a socket that listens already, which is closed at the end."""
    quieten()
    config = uvicorn.Config(
        app,
        http=bounded(),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=listening.family != socket.AF_UNIX,  # whoever hands the answer on puts one in
        proxy_headers=False,  # anybody may write them: a limit counts who is connected
        limit_concurrency=128,
        timeout_graceful_shutdown=_GRACE_S,
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    stopping = asyncio.create_task(stop.wait())
    try:
        started()
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        if isinstance(app, _Guarded):
            app.state.ending.set()
        server.should_exit = True
        await running
        listening.close()


def _listen(host: str, port: int) -> socket.socket:
    name = host.strip("[]")
    try:
        family = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)[0]
        listening = socket.create_server(family[4][:2], family=family[0], backlog=128)
    except OSError as error:
        raise OutsideError(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            remedy="another process may use the port: choose another one in `http: listen:`",
        ) from error
    listening.setblocking(False)
    return listening
