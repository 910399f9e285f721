"""The desks of all Safes that the configuration names, as one part of the service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from keeper.app.council.carrying import Carrying, is_execution
from keeper.app.council.checking import Checking
from keeper.app.council.desk import Desk
from keeper.app.council.filing import Filing
from keeper.app.council.ledger import Ledger
from keeper.app.council.onchain import SafeReader
from keeper.app.council.opening import safe_routes
from keeper.app.council.proposer import Proposer
from keeper.app.council.telling import links_of
from keeper.app.council.told import Gathering
from keeper.app.council.vigil import Vigil
from keeper.app.faults import Faults
from keeper.app.parts import Parts
from keeper.domain.action import UPKEEP_LANE, ActionKind
from keeper.domain.block import BlockStamp
from keeper.domain.decision import IncidentEvent
from keeper.domain.errors import AuditError, Unreachable
from keeper.domain.outcome import Outcome
from keeper.execution.edges import Terms
from keeper.execution.executor import Executor
from keeper.execution.planner import ArmedAction
from keeper.execution.work import Order, Work
from keeper.ports.notifier import Notice


class Desks:
    """Does nothing where no route leads to a Safe. ``audit_failed`` is told what kept the log from being written."""

    def __init__(
        self, desks: Sequence[Desk], carriers: Mapping[str, Carrying], audit_failed: Callable[[AuditError], None]
    ) -> None:
        self._desks = desks
        self._carriers = carriers
        self._audit_failed = audit_failed

    @property
    def works(self) -> tuple[Work, ...]:
        """The intents that wait for people."""
        return tuple(work for desk in self._desks for work in desk.works)

    def takes(self, armed: ArmedAction) -> bool:
        """Whether this is for people to sign: to be given to ``take`` instead of the executor."""
        return any(desk.takes(armed) for desk in self._desks)

    async def take(self, order: Order) -> None:
        """Its decision is in the log already. Raises AuditError."""
        for desk in self._desks:
            if desk.takes(order.armed):
                await desk.take(order)

    async def recover(self) -> None:
        """Takes up what earlier runs left open. Raises StoreUnavailable."""
        for desk in self._desks:
            await desk.recover()

    def incident(self, event: IncidentEvent) -> None:
        """An incident began or ended."""
        for desk in self._desks:
            desk.incident(event)

    def ended(self, work: Work, outcome: Outcome) -> bool:
        """Whether this was an execution of what owners have signed: then nobody else need hear of it."""
        if not is_execution(work.key):
            return False
        route = work.armed.action.route if work.armed is not None else ""
        if route in self._carriers:
            self._carriers[route].ended(work, outcome)
        return True

    def hear_of(self, block: BlockStamp) -> None:
        """A new head."""
        for desk in self._desks:
            desk.hear_of(block)

    async def run(self) -> None:
        """Until cancelled."""
        if not self._desks:
            await asyncio.Event().wait()
        await asyncio.gather(*map(self._run, self._desks))

    async def _run(self, desk: Desk) -> None:
        while True:
            try:
                await desk.run()
            except AuditError as error:
                self._audit_failed(error)  # whatever it was about is taken up at the next look


def desks_of(
    parts: Parts,
    terms: Terms,
    executor: Executor,
    faults: Faults,
    *,
    ended: Callable[[Work, Outcome], None],
    tell: Callable[[Notice], None],
    audit_failed: Callable[[AuditError], None],
    incidents: Callable[[], Mapping[str, str]],
) -> Desks:
    """Put together from the service's parts; a route without a service leaves files only. ``incidents``: the open one of each market that has one."""
    config, edges = parts.config, parts.edges
    desks, carriers = [], {}
    for route in safe_routes(config):
        service = parts.proposal_services.get(route.name)
        ledger = Ledger(edges.store, edges.clock, route.address)
        reader = SafeReader(edges.chain, parts.nodes.told, config.chain.id, route.address)
        filing = Filing(route, _file_fault(faults, route.name))
        proposer = Proposer(route, service, ledger, parts.safe_signer, edges.clock, filing)
        carrying = None
        if route.execute:
            check = Checking(
                edges.accounts,
                parts.keeping,
                parts.armed,
                route.multisend,
                lambda: executor.lanes.named(UPKEEP_LANE).sender,
            )
            carrying = carriers[route.name] = Carrying(
                executor,
                edges.clock,
                faults,
                route.name,
                incidents=incidents,
                check=check,
                all_at_once=any(each.action.kind is ActionKind.PAUSE_ALL for each in parts.armed.values()),
            )
        vigil = Vigil(
            route,
            reader,
            proposer,
            ledger,
            Gathering(route, service, ledger, reader),
            edges.chain,
            edges.clock,
            faults,
            links_of(config, route),
            live=terms.live,
            carrying=carrying,
            tell=tell,
        )
        judge = parts.keeping.judge
        armed = {key: each for key, each in parts.armed.items() if each.action.route == route.name}
        desk = Desk(
            route, reader, proposer, ledger, vigil, edges, terms, armed, faults, judge=judge, ended=ended, tell=tell
        )
        desks.append(desk)
    return Desks(desks, carriers, audit_failed)


def _file_fault(faults: Faults, route: str) -> Callable[[Unreachable | None], None]:
    def troubled(error: Unreachable | None) -> None:
        part = f"council-file:{route}"
        if error is None:
            faults.up(part)
        else:
            remedy = "the proposal is in the log, and at the service if there is one; it is tried again"
            faults.down(part, "unreachable", error.message, error.remedy or remedy)

    return troubled


def for_people(parts: Parts) -> frozenset[tuple[str, str]]:
    """The (market, action) that owners of a Safe sign."""
    names = {route.name for route in safe_routes(parts.config)}
    return frozenset(key for key, each in parts.armed.items() if each.action.route in names)
