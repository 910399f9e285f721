"""The operator's configuration on a fork: the same markets, rules, actions and key, and nothing that reaches the real world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from keeper.config import model
from keeper.config.audit import AuditConfig
from keeper.config.jobs import DigestConfig, HeartbeatConfig, JobsConfig
from keeper.config.secret import Secret
from keeper.config.sending import PrivateRoute, PublicRoute, RaceRoute

CHAIN_ID: Final = 4_242_424_242
"""Of every fork: what is signed in a drill is worth nothing on any chain that has value."""


def on_fork(config: model.Config, node_url: str, folder: Path) -> model.Config:
    """Live where there is a key. Builders, Safe services, receivers of notices, pages and jobs are left out: ``left_out`` says so in words.

    A dead man's service above all must not hear of it: it would believe that the real keeper lives.
    """
    live = config.signer is not None
    path = folder / "drill.db"
    url = f"sqlite:///{path.as_posix()}"
    return replace(
        config,
        keeper=replace(config.keeper, mode=model.Mode.LIVE if live else model.Mode.SHADOW, replicas=None),
        chain=replace(
            config.chain,
            id=CHAIN_ID,
            endpoints=(model.Endpoint(Secret(node_url), node_url, model.EndpointRole.PRIMARY),),
            confirmations=min(config.chain.confirmations, 2),
            quorum={},
        ),
        audit=AuditConfig(Secret(url), url),
        routes=tuple(_route(each, folder) for each in config.routes),
        notify=(),
        http=None,
        jobs=JobsConfig(HeartbeatConfig(), DigestConfig(None)),
        watch=None,
    )


def _route(route: model.RouteConfig, folder: Path) -> model.RouteConfig:
    match route:
        case PrivateRoute() | RaceRoute() | PublicRoute():
            return PublicRoute(route.name)
        case model.BreakerRoute():
            return replace(route, through="public" if route.through else route.through, orders=None)
        case model.SafeRoute():
            return replace(route, service=None, service_shown="", files=str(folder / route.name), execute=False)


def left_out(config: model.Config) -> Mapping[str, str]:
    """What a drill does not prove of this configuration, by part."""
    found: dict[str, str] = {}
    for route in config.routes:
        match route:
            case PrivateRoute() | RaceRoute():
                found[f"routes.{route.name}"] = (
                    "builders were not asked: a fork has none; the fork's own pool took the transaction"
                )
            case model.SafeRoute():
                found[f"routes.{route.name}"] = "nobody was asked to sign: the call was made as the Safe would make it"
            case model.BreakerRoute() if route.orders is not None:
                found[f"routes.{route.name}"] = "other keepers did not sign: this one alone was tried"
    if config.chain.quorum:
        found["chain.quorum"] = "other endpoints were not asked: there is one node, the fork"
    if config.notify:
        found["notify"] = "nobody was told; try it with: keeper notify CONFIG test"
    if config.jobs.heartbeat.url is not None:
        found["jobs.heartbeat"] = "the dead man's service was not asked: it would have taken the drill for the keeper"
    if config.signer is None:
        found["signer"] = "there is no key: the call was simulated and not sent"
    return found
