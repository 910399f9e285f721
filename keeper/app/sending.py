"""From the routes of a configuration to ways that a signed transaction can take."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import httpx
import structlog

from keeper.adapters.chain.node import NodeClient
from keeper.adapters.routes.dry_run import DryRunRoute
from keeper.adapters.routes.private import PrivateRoute
from keeper.adapters.routes.public import PublicRoute
from keeper.adapters.routes.relay_client import Builder, Cancelling, RelayClient
from keeper.adapters.signing.local import LocalSigner
from keeper.app.signers import open_signer
from keeper.config import model, sending
from keeper.domain.errors import SigningError
from keeper.domain.intent import Attempt
from keeper.execution.edges import Way
from keeper.ports.chain import Broadcaster
from keeper.ports.clock import Clock
from keeper.ports.route import Answer


@dataclass(frozen=True, slots=True)
class Proving:
    """A route to builders, and how often each of them is asked whether it takes our signature. ``route.figures`` has what each did."""

    route: PrivateRoute
    every_ms: int


@dataclass(frozen=True, slots=True)
class Ways:
    """``by_route`` has one for each route of the configuration; ``closers`` let go of what was opened for them."""

    by_route: Mapping[str, Way]
    proving: Sequence[Proving]
    closers: Sequence[Callable[[], Awaitable[None]]]


async def open_ways(
    config: model.Config,
    broadcasters: Sequence[Broadcaster],
    clock: Clock,
    senders: Collection[str],
    checkpoints: str = "",
) -> Ways:
    """Connects to nothing yet. ``broadcasters`` are the nodes of ``chain``; ``senders`` sign transactions, and no identity may be one of them.
    ``checkpoints`` is the address that signs those, where there is one: no identity may be that either.

    In shadow mode nothing leaves the process, and no identity is opened. Raises SigningError.
    """
    if config.keeper.mode is not model.Mode.LIVE:
        return Ways({route.name: Way(DryRunRoute(route.name)) for route in config.routes}, (), ())
    found, closers = _open_public(config, broadcasters)
    proving: list[Proving] = []
    for route in config.routes:
        if isinstance(route, sending.PrivateRoute):
            private = await open_private(route, clock, senders, checkpoints)
            found[route.name] = Way(found[route.fallback].open if _ever_public(config, route) else None, private)
            proving.append(Proving(private, route.prove_ms))
            closers.append(private.close)
    for route in config.routes:
        if isinstance(route, sending.RaceRoute):
            found[route.name] = Way(found[route.public].open, found[route.private].secret, together=True)
    for route in config.routes:
        if isinstance(route, model.BreakerRoute):  # its contract is one more address that transactions go to
            found[route.name] = found[route.through]
    return Ways(found, proving, closers)


def _open_public(
    config: model.Config, broadcasters: Sequence[Broadcaster]
) -> tuple[dict[str, Way], list[Callable[[], Awaitable[None]]]]:
    """The routes to the public pool, and what lets go of them."""
    found: dict[str, Way] = {}
    closers: list[Callable[[], Awaitable[None]]] = []
    for route in config.routes:
        if not isinstance(route, sending.PublicRoute | model.SafeRoute):
            continue
        own = route.endpoints if isinstance(route, sending.PublicRoute) else ()
        nodes = [NodeClient(url.reveal().removeprefix("ipc://")) for url in own]
        public = PublicRoute(route.name, nodes or broadcasters)
        found[route.name] = Way(public)
        closers += [public.close, *(node.close for node in nodes)]
    return found, closers


async def open_private(
    route: sending.PrivateRoute, clock: Clock, senders: Collection[str] = (), checkpoints: str = ""
) -> PrivateRoute:
    """With its identity opened. Raises SigningError, also where that is the key of one of ``senders``, or the one of ``checkpoints``."""
    place = f"routes.{route.name}.identity"
    identity = await open_signer(route.identity, place)
    assert isinstance(identity, LocalSigner), "an identity lies in this process"
    if identity.address in senders:
        raise SigningError(
            f"the key of `{place}` is that of `signer` or of a lane ({identity.address})",
            remedy="make a key of its own for it, which needs no funds and no rights: docs/operator/routes.md",
        )
    if identity.address == checkpoints:
        raise SigningError(
            f"the key of `{place}` is that of `audit.checkpoints.identity` ({identity.address})",
            remedy="make a key of its own for each: docs/operator/routes.md",
        )
    tls = await asyncio.to_thread(httpx.create_ssl_context, trust_env=False)  # one for all of them: it is slow to make
    clients = [
        RelayClient(_builder(one), identity, clock, timeout_ms=route.timeout_ms, tls=tls) for one in route.builders
    ]
    return PrivateRoute(route.name, clients, identity, timeout_ms=route.timeout_ms, on_answer=_late)


def _builder(config: sending.BuilderConfig) -> Builder:
    return Builder(
        config.name,
        config.url.reveal(),
        config.header,
        config.private_transactions,
        Cancelling(config.cancel.value),
        config.status.reveal() if config.status is not None else None,
    )


def _ever_public(config: model.Config, route: sending.PrivateRoute) -> bool:
    """Whether anything that goes this way may be public one day. Where nothing may, there is nothing that could make it so.

    What a keeper does for itself at a breaker contract is no secret.
    """
    led = {each.name for each in config.routes if isinstance(each, model.BreakerRoute) and each.through == route.name}
    mine = [action for action in config.actions if action.route == route.name]
    return bool(led) or any(action.public_after is not None for action in mine)


def _late(attempt: Attempt, answer: Answer) -> None:
    """What came too late for the record of the submission has one of its own, a line in the log of the process, and is in the figures."""
    structlog.get_logger("keeper").info(
        "a builder answered late",
        builder=answer.to,
        method=answer.method,
        answer=answer.kind.value,
        message=answer.message,
        ms=round(answer.ms),
        tx=attempt.tx_hash,
    )
