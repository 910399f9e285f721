"""From a configuration to the council's side of one Safe."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from keeper.adapters.audit.store import SqlAuditStore
from keeper.adapters.clock import SystemClock
from keeper.app.council.council import Council
from keeper.app.council.explaining import Explainer, Joint
from keeper.app.council.filing import Filing
from keeper.app.council.known import known_from
from keeper.app.council.ledger import Ledger
from keeper.app.council.market_prices import market_prices
from keeper.app.council.matter import After
from keeper.app.council.onchain import SafeReader
from keeper.app.council.proposer import Proposer
from keeper.app.council.reading import CallReader
from keeper.app.council.telling import links_of
from keeper.app.council.told import Gathering
from keeper.app.futures import open_future
from keeper.app.keeping import Keeping
from keeper.app.nodes import open_nodes
from keeper.app.signers import able_to, open_signer
from keeper.app.wiring import open_service
from keeper.config.model import Config, SafeRoute
from keeper.domain.block import BlockStamp
from keeper.domain.errors import SigningError, UnitError
from keeper.domain.future import Step
from keeper.ports.audit import AuditStore
from keeper.ports.chain import ChainReader, CodeReader, EventReader
from keeper.ports.clock import Clock
from keeper.ports.council import ProposalService
from keeper.ports.future import StateAfter
from keeper.ports.signer import SafeSigner


def safe_routes(config: Config) -> tuple[SafeRoute, ...]:
    """The routes that lead to people."""
    return tuple(route for route in config.routes if isinstance(route, SafeRoute))


def council_of(
    config: Config,
    route: SafeRoute,
    *,
    chain: ChainReader,
    events: EventReader,
    store: AuditStore,
    service: ProposalService | None,
    signer: SafeSigner | None,
    future: StateAfter,
    joint: Joint,
    code: CodeReader,
    clock: Clock,
    no_signer: str = "",
) -> Council:
    """Put together from what is open already. ``no_signer``: why the keeper's key cannot be used, where one is configured."""
    ledger = Ledger(store, clock, route.address)
    reader = SafeReader(chain, events, config.chain.id, route.address)
    proposer = Proposer(route, service, ledger, signer, clock, Filing(route))
    links = links_of(config, route)
    explainer = Explainer(chain, store, ledger, links, config.actions, future, joint, CallReader(code))
    gathering = Gathering(route, service, ledger, reader)
    known = known_from(config, route)
    return Council(
        route, reader, chain, ledger, proposer, gathering, explainer, service, signer, known, clock, no_signer=no_signer
    )  # fmt: skip


def route_named(config: Config, name: str | None) -> SafeRoute:
    """The route of this name; without a name the only one there is. Raises UnitError."""
    routes = safe_routes(config)
    if not routes:
        raise UnitError(
            "no route of the configuration leads to a Safe",
            remedy="add one: routes: {council: {kind: safe, address: 0x.., service: https://..}}",
        )
    found = [route for route in routes if name in (None, route.name)]
    if len(found) != 1:
        names = ", ".join(route.name for route in routes)
        what = f"no route to a Safe is called {name}" if name is not None else f"{len(routes)} routes lead to Safes"
        raise UnitError(what, remedy=f"name one of them: {names}")
    return found[0]


@asynccontextmanager
async def open_council(config: Config, name: str | None = None) -> AsyncIterator[Council]:
    """For one command: with nodes, log and service of its own. Raises UnitError, AuditError."""
    route = route_named(config, name)
    clock = SystemClock()
    signer, no_signer = await _signer(config)
    async with AsyncExitStack() as opened:
        store = await SqlAuditStore.open(config.audit.url.reveal(), create=True)
        opened.push_async_callback(store.close)
        nodes = open_nodes(config.chain, clock)
        opened.push_async_callback(nodes.close)
        future = open_future(config.chain)
        opened.push_async_callback(future.close)
        service = open_service(route, config.chain.id, clock)
        if service is not None:
            opened.push_async_callback(service.close)
        yield council_of(
            config,
            route,
            chain=nodes.fleet,
            events=nodes.told,
            store=store,
            service=service,
            signer=signer,
            future=future,
            joint=_joint(config, nodes.fleet, future, clock),
            code=nodes.told,
            clock=clock,
            no_signer=no_signer,
        )


async def _signer(config: Config) -> tuple[SafeSigner | None, str]:
    """The keeper's key, or why it cannot be used: a member who looks or signs has a key of their own, and not the keeper's."""
    try:
        signer = await open_signer(config.signer)
    except SigningError as error:
        return None, error.message
    able = able_to(signer)
    return able, "it signs transactions alone" if signer is not None and able is None else ""


def _joint(config: Config, chain: ChainReader, future: StateAfter, clock: Clock) -> Joint:
    """The joint check with prices that are asked for once."""
    keeping = Keeping(config.invariants, chain, future)
    asked = False

    async def joint(steps: Sequence[Step], block: BlockStamp) -> After:
        nonlocal asked
        if not asked:
            asked = True
            keeping.saw((await market_prices(config, config.invariants, chain, clock, block)).values())
        return await keeping.after(steps, block)

    return joint
