"""``/metrics`` in the HTTP application of a running keeper, for whoever may read the log."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final, Protocol

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse

from keeper.app.api.access import Access
from keeper.app.pages.guard import METRICS
from keeper.app.pages.problem import PageProblem
from keeper.app.pages.settings import Mount, PageSettings

TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Chunks(Protocol):
    def chunks(self) -> Iterator[str]:
        """The text of all metrics, piece by piece; none takes long."""


def mount_of(metrics: Chunks) -> Mount:
    """A token as Bearer where tokens are configured, else this machine only; a refusal is plain text with its status."""

    def mount(app: FastAPI, settings: PageSettings, access: Access) -> None:
        @app.get(METRICS)
        async def scrape(request: Request) -> PlainTextResponse:
            address = request.client.host if request.client else ""
            try:
                access.of_api(request.headers, address)
            except PageProblem as problem:
                return refused(problem)
            chunks = []
            for chunk in metrics.chunks():
                chunks.append(chunk)
                await asyncio.sleep(0)  # a head that is heard meanwhile does not wait for the rest
            return PlainTextResponse("".join(chunks), media_type=TYPE)

    return mount


def refused(problem: PageProblem) -> PlainTextResponse:
    """In words, for whoever looks at Prometheus' list of targets."""
    headers = {"WWW-Authenticate": "Bearer"} if problem.status == 401 else {}
    if problem.retry_s:
        headers["Retry-After"] = str(problem.retry_s)
    return PlainTextResponse(f"{problem.message}\n{problem.remedy}\n", status_code=problem.status, headers=headers)
