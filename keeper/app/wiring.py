"""From a configuration to running parts: the one place that knows which adapter belongs to which word."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from keeper.adapters.audit.verify import verify_newest
from keeper.adapters.clock import SystemClock
from keeper.adapters.notify.apprise_notifier import open_apprise
from keeper.adapters.notify.filtered import Filtered
from keeper.adapters.notify.log import LogNotifier
from keeper.adapters.orders.opening import open_order_book
from keeper.adapters.prices.exchange import ExchangeSource, VenueSettings, bars_for
from keeper.adapters.prices.http import HttpSource
from keeper.adapters.safe.service import SafeTransactionService
from keeper.app.chain_sources import open_chain_source
from keeper.app.checkpoint_parts import open_signing
from keeper.app.compiled import forget_outdated
from keeper.app.futures import open_future
from keeper.app.keeping import Keeping
from keeper.app.leading import Leading
from keeper.app.nodes import address_of as address_of
from keeper.app.nodes import open_nodes
from keeper.app.opening_log import open_log
from keeper.app.parts import Parts
from keeper.app.sending import open_ways
from keeper.app.signers import able_to, open_lanes, open_signer, why_unable
from keeper.app.taking_over import under_lease
from keeper.config import model
from keeper.domain.venue import Guards
from keeper.engine import compile_engine
from keeper.execution.edges import Edges
from keeper.execution.planner import arm
from keeper.ports.audit import AuditStore
from keeper.ports.clock import Clock
from keeper.ports.orders import OrderBook
from keeper.ports.prices import ChainSource, FeedSource
from keeper.ports.signer import Signer

VERIFIED_RECORDS = 1_000
"""How many of the newest records the housekeeping job verifies; ``keeper audit verify`` does all."""

UNIT_MS = {model.TimeUnit.MILLISECONDS: 1, model.TimeUnit.SECONDS: 1000}


async def build(config: model.Config, before: Parts | None = None, leading: Leading | None = None) -> Parts:
    """Everything but a connection: nodes are connected to by the service. Raises SigningError, AuditError, ConfigurationError.

    ``before`` are the parts of the configuration that this one takes over from in the same process: the clock, the log and the lead go on.
    ``leading`` says whether this process may act; None: it may.
    """
    clock = before.clock if before is not None else SystemClock()
    leading = before.leading if before is not None else leading
    terms = leading.terms if leading is not None else None
    signer = await open_signer(config.signer)
    if config.keeper.mode is model.Mode.LIVE and (unable := why_unable(config, signer)) is not None:
        raise unable
    # before the rest: a replica asks again and again while the database is away, and must not leave half of its parts behind each time
    store = before.edges.store if before is not None else await open_log(config.audit, clock, terms)
    try:
        return await _on_log(config, leading, clock, store, signer)
    except BaseException:
        if before is None:
            await store.close()
        raise


async def _on_log(
    config: model.Config, leading: Leading | None, clock: SystemClock, store: AuditStore, signer: Signer | None
) -> Parts:
    forget_outdated()
    engine = compile_engine(config.engine)
    await asyncio.to_thread(engine.warm_up)
    lanes = await open_lanes(config, signer)
    senders = [one.address for one in (signer, *lanes.values()) if one is not None]
    signing = await open_signing(config, senders)
    nodes = open_nodes(config.chain, clock)
    ways = await open_ways(
        config, nodes.broadcasters, clock, senders, signing.identity.address if signing is not None else ""
    )
    chain_sources, feed_sources = open_sources(config.sources, clock)
    notifiers = [await open_notifier(each, number) for number, each in enumerate(config.notify)]
    armed = [arm(action) for action in config.actions]
    books = open_order_books(config) if signer is not None else {}
    services = {}
    for route in config.routes:
        if isinstance(route, model.SafeRoute) and (service := open_service(route, config.chain.id, clock)) is not None:
            services[route.name] = service
    future = open_future(config.chain)
    keeping = Keeping(config.invariants, nodes.fleet, future)
    closers: list[Callable[[], Awaitable[None]]] = [nodes.close, future.close]
    closers += ways.closers
    closers += [each.close for each in feed_sources]
    closers += [each.close for each in notifiers]
    closers += [each.close for each in books.values()]
    closers += [each.close for each in services.values()]
    closers += [signing.close] if signing is not None else []
    return Parts(
        config=config,
        engine=engine,
        nodes=nodes,
        edges=Edges(
            store=store,
            chain=nodes.fleet,
            accounts=nodes.fleet,
            signer=signer,
            lanes=lanes,
            ways=under_lease(ways.by_route, leading),
            clock=clock,
            keeps=keeping.broken,
        ),
        chain_sources=chain_sources,
        feed_sources=feed_sources,
        notifiers=notifiers,
        armed={each.key: each for each in armed},
        verify_newest=partial(asyncio.to_thread, verify_newest, config.audit.url.reveal(), VERIFIED_RECORDS),
        closers=closers,
        order_signer=able_to(signer),
        order_books=books,
        safe_signer=able_to(signer),
        proposal_services=services,
        future=future,
        keeping=keeping,
        signing=signing,
        proving=ways.proving,
        clock=clock,
        leading=leading,
    )


def open_service(route: model.SafeRoute, chain_id: int, clock: Clock) -> SafeTransactionService | None:
    """Connects when it is first asked; None where proposals are files."""
    if route.service is None:
        return None
    key = route.api_key.reveal() if route.api_key is not None else ""
    return SafeTransactionService(route.service.reveal(), chain_id, clock=clock, api_key=key)


def open_order_books(config: model.Config) -> dict[str, OrderBook]:
    """By breaker contract; none in shadow mode, which signs nothing. Raises Unreachable for an address of no database."""
    if config.keeper.mode is not model.Mode.LIVE:
        return {}
    routes = [route for route in config.routes if isinstance(route, model.BreakerRoute)]
    return {route.address: open_order_book(route.orders.reveal()) for route in routes if route.orders is not None}


def open_sources(sources: tuple[model.Source, ...], clock: Clock) -> tuple[list[ChainSource], list[FeedSource]]:
    """Sources on the chain, and those off it."""
    on_chain: list[ChainSource] = []
    feeds: list[FeedSource] = []
    for source in sources:
        match source:
            case model.HttpSource():
                feeds.append(
                    HttpSource(
                        source.name,
                        source.url.reveal(),
                        clock=clock,
                        value_path=source.value,
                        time_path=source.time,
                        time_unit_ms=UNIT_MS[source.time_unit],
                        unit=source.unit,
                        interval_ms=source.every_ms,
                        timeout_ms=source.timeout_ms,
                        headers={name: value.reveal() for name, value in source.headers},
                    )
                )
            case model.ExchangeSource():
                feeds.append(open_exchange(source, clock))
            case model.DerivedSource() | model.ConstantSource():
                continue  # the engine makes them
            case _:
                on_chain.append(open_chain_source(source))
    return on_chain, feeds


def open_exchange(source: model.ExchangeSource, clock: Clock) -> ExchangeSource:
    """The source; ccxt is loaded when it is first asked."""
    bars = bars_for(source.volume_window_ms) if source.min_volume is not None else 0
    venues = [
        VenueSettings(
            venue.name,
            venue.symbol,
            url=venue.url.reveal() if venue.url else None,
            timeout_ms=source.timeout_ms,
            bars=bars,
            spread=source.max_spread is not None,
            stream=source.stream,
        )
        for venue in source.venues
    ]
    return ExchangeSource(
        source.name,
        venues,
        Guards(source.max_age_ms, source.min_volume, source.volume_window_ms, source.max_spread),
        clock=clock,
        min_venues=source.min_venues,
        outlier=source.outlier,
        interval_ms=source.every_ms,
    )


async def open_notifier(config: model.NotifyConfig, number: int) -> Filtered:
    """One receiver behind its filter. Raises ConfigurationError for an address that apprise cannot use."""
    match config:
        case model.LogNotify():
            return Filtered(LogNotifier(config.policy.name or "log"), config.policy)
        case model.AppriseNotify():
            name = config.policy.name or f"apprise-{number}"
            channel = await open_apprise(config.url.reveal(), name=name, place=f"notify.{number}")
            return Filtered(channel, config.policy, keyed=channel.keyed)
