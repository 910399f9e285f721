"""Pages and API in a running keeper: the council's from the same nodes and service that the keeper uses, the log's from a process of its own."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from keeper.app.council.opening import council_of, safe_routes
from keeper.app.faults import Faults
from keeper.app.pages.settings import Mount, PageSettings
from keeper.app.parts import Parts
from keeper.domain.errors import OutsideError
from keeper.ports.notifier import Notice

if TYPE_CHECKING:
    from keeper.app.api.desk import LogApart
    from keeper.app.council.council import Council
    from keeper.config.model import HttpConfig, SafeRoute

PART: Final = "page"
AGAIN_S: Final = 10.0


def hosted(
    parts: Parts, faults: Faults, tell: Callable[[Notice], None], mounts: Sequence[Mount] = ()
) -> Callable[[], Awaitable[None]] | None:
    """Serves until cancelled, and tries again where it cannot listen; None where the configuration has no section ``http``.

    The council's pages are those of the first route to a Safe. ``tell`` hears of another keeper that shows two histories.
    """
    http = parts.config.http
    if http is None:
        return None
    routes = safe_routes(parts.config)
    council = _council(parts, routes[0]) if routes else None
    settings = PageSettings(
        clock=parts.edges.clock,
        approve=http.approve,
        url=http.url,
        listen_host=http.host,
        config=shlex.quote(parts.config.path),
        members=routes[0].members if routes else {},
        status=bool(mounts),
    )

    async def serve() -> None:
        from keeper.app.pages.server import build_app  # late: keepers without a page need not pay for it
        from keeper.app.pages.server import serve as serve_pages

        def started(port: int) -> None:
            structlog.get_logger("keeper").info("pages", url=f"http://{http.host}:{port}/")
            faults.up(PART)

        async with _apart(parts, http, faults, tell, settings, council=council is not None) as apart:
            while True:
                try:
                    app = build_app(council, settings, apart, mounts=mounts)
                    await serve_pages(app, http.host, http.port, asyncio.Event(), started)
                except OutsideError as error:
                    faults.down(PART, "cannot-listen", error.message, error.remedy)
                    await parts.edges.clock.sleep(AGAIN_S)

    return serve


@asynccontextmanager
async def _apart(
    parts: Parts,
    http: HttpConfig,
    faults: Faults,
    tell: Callable[[Notice], None],
    settings: PageSettings,
    *,
    council: bool,
) -> AsyncIterator[LogApart]:
    """The log's own process: unpacking, telling and rendering take the interpreter for themselves, and the keeper needs its own."""
    from keeper.app.api.access import Access, AccessSettings
    from keeper.app.api.desk import LogApart
    from keeper.app.pages.handed_over import HandedOver
    from keeper.app.pages.log_child import LogChild
    from keeper.app.pages.log_orders import LogOrders
    from keeper.app.pages.relay import Relay
    from keeper.app.witnessing import take_witness

    audit, edges = parts.config.audit, parts.edges
    take = None
    if audit.witness_for:
        take = partial(take_witness, store=edges.store, witness_for=audit.witness_for, clock=edges.clock, tell=tell)
    orders = LogOrders(
        url=audit.url.reveal(),
        host=http.host,
        page_url=http.url,
        tokens=dict(http.tokens),
        rate=http.rate,
        config=settings.config,
        council=council,
        status=settings.status,
        witness=take is not None,
    )
    access = Access(AccessSettings(http.host, http.tokens, http.rate, http.url), edges.clock)
    child = LogChild(orders, edges.clock, faults)
    keeping = asyncio.create_task(child.run())
    relay = Relay(child, settings)
    try:
        yield LogApart(HandedOver(relay, access), access, take)
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping
        await relay.close()


def _council(parts: Parts, route: SafeRoute) -> Council:
    edges = parts.edges
    return council_of(
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
