"""The API as an application of its own, mounted under /api/v1 in the one that serves the pages."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from keeper.app.api import incidents, records, witness
from keeper.app.api.access import Access
from keeper.app.api.answers import answered, json_bytes
from keeper.app.api.desk import AuditDesk, LogApart
from keeper.app.api.gate import Gate
from keeper.app.api.models import Problem
from keeper.app.api.problems import handle

PATH: Final = "/api/v1"
OF_THE_LOG: Final = ("/api/", "/audit/", "/incidents/", "/login/", "/logout/")
"""Beginnings of paths, a stroke put after each."""
VERSION: Final = "1.0.0"
_ABOUT: Final = """\
The audit log of a keeper, read-only. Records are numbered and chained by hashes; what is in a full page never changes.

- Pages go by keyset: send `next_cursor` back as `cursor`, with the same filters.
- Every answer has a strong `ETag`; with `If-None-Match` an unchanged one is 304.
- Amounts are texts, times are ISO 8601 UTC with milliseconds.
- Every error is `application/problem+json` with a `remedy`.
"""


class _Gated(FastAPI):
    def __init__(self, access: Access, **more: Any) -> None:
        super().__init__(**more)
        self._access = access

    def build_middleware_stack(self) -> ASGIApp:
        return Gate(super().build_middleware_stack(), self._access)

    def openapi(self) -> dict[str, Any]:
        if not self.openapi_schema:
            self.openapi_schema = _description(self, secured=self._access.asks_for_tokens)
        return self.openapi_schema


def api_app(desk: AuditDesk) -> FastAPI:
    """Everything under /api/v1."""
    app = _app(desk.access)
    app.include_router(records.router(desk))
    app.include_router(incidents.router(desk))
    if desk.take_witness is not None:
        app.include_router(witness.router(desk.take_witness))

    @app.get("/openapi.json", include_in_schema=False)
    async def description(request: Request) -> Response:
        return answered(request, json_bytes(app.openapi()))

    return app


def witness_app(apart: LogApart) -> FastAPI:
    """What is left of it where another process answers for the log."""
    app = _app(apart.access)
    if apart.take_witness is not None:
        app.include_router(witness.router(apart.take_witness))
    return app


def _app(access: Access) -> FastAPI:
    app = _Gated(
        access,
        title="Keeper audit log",
        version=VERSION,
        description=_ABOUT,
        openapi_url=None,  # served below, with a tag
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    handle(app)
    return app


class Fork:
    """ASGI: everything under /api goes to the API, whatever signs the path holds (a mounted route lets a line feed pass it by).

    With a ``relay`` all of the log goes there, but for checkpoints of others, which are taken here.
    """

    def __init__(self, pages: ASGIApp, api: ASGIApp, relay: ASGIApp | None = None) -> None:
        self._pages = HeadAsGet(pages)
        self._api = HeadAsGet(api)
        self._relay = relay

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] + "/" if scope["type"] == "http" else ""
        of_api = path.startswith("/api/")
        taken_here = of_api and scope["method"] == "POST" and path == f"{PATH}/witness/"
        if self._relay is not None and path.startswith(OF_THE_LOG) and not taken_here:
            await self._relay(scope, receive, send)
        elif of_api:
            await self._api({**scope, "root_path": scope.get("root_path", "") + PATH}, receive, send)
        else:
            await self._pages(scope, receive, send)


class HeadAsGet:
    """ASGI: HEAD is answered like GET, without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def bare(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET"}, receive, bare)


def _description(app: FastAPI, *, secured: bool) -> dict[str, Any]:
    found = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        servers=[{"url": PATH}],
    )
    schemas = found["components"]["schemas"]
    made = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= made.pop("$defs", {}) | {"Problem": made}
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    if secured:
        found["components"]["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer", "description": "A token whose hash the configuration names."}
        }
        found["security"] = [{"token": []}]
    return found
