"""The council's page in a running keeper: from the same nodes, log and service that the keeper itself uses."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from keeper.app.council.opening import council_of, safe_routes
from keeper.app.faults import Faults
from keeper.app.pages.settings import PageSettings
from keeper.app.parts import Parts
from keeper.domain.errors import OutsideError

PART: Final = "page"
AGAIN_S: Final = 10.0


def hosted(parts: Parts, faults: Faults) -> Callable[[], Awaitable[None]] | None:
    """Serves until cancelled, and tries again where it cannot listen; None where the configuration has no section ``http``.

    The page is that of the first route to a Safe.
    """
    http, routes = parts.config.http, safe_routes(parts.config)
    if http is None or not routes:
        return None
    route, edges = routes[0], parts.edges
    council = council_of(
        parts.config,
        route,
        chain=edges.chain,
        events=parts.nodes.told,
        store=edges.store,
        service=parts.proposal_services.get(route.name),
        signer=None,  # the page hands in what others have signed, and signs nothing itself
        future=parts.future,
        joint=parts.keeping.after,
        code=parts.nodes.told,
        clock=edges.clock,
    )
    settings = PageSettings(
        clock=edges.clock,
        approve=http.approve,
        url=http.url,
        listen_host=http.host,
        config=shlex.quote(parts.config.path),
        members=route.members,
    )

    async def serve() -> None:
        from keeper.app.pages.server import build_app  # late: keepers without a page need not pay for it
        from keeper.app.pages.server import serve as serve_pages

        def started(port: int) -> None:
            structlog.get_logger("keeper").info("the council's page", url=f"http://{http.host}:{port}/")
            faults.up(PART)

        while True:
            try:
                await serve_pages(build_app(council, settings), http.host, http.port, asyncio.Event(), started)
            except OutsideError as error:
                faults.down(PART, "cannot-listen", error.message, error.remedy)
                await edges.clock.sleep(AGAIN_S)

    return serve
