"""From the chain section of a configuration to nodes: the fleet that is read, the witness that is asked, the nodes that take transactions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from keeper.adapters.chain.fleet import Fleet, FleetPolicy, Member
from keeper.adapters.chain.node import NodeClient
from keeper.adapters.chain.selection import Patience
from keeper.adapters.chain.witness import EndpointWitness
from keeper.config import model
from keeper.domain.chain_events import ChainEvent
from keeper.domain.errors import OutsideError, Unreachable
from keeper.domain.evm import Log
from keeper.ports.chain import Broadcaster, ContractReader, Witness
from keeper.ports.clock import Clock

MAX_EVENTS = 10_000
"""More events than these, which nobody has taken, are dropped from the oldest on."""


class ChainEvents:
    """What the nodes tell, until it is taken."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[ChainEvent] = asyncio.Queue(MAX_EVENTS)

    def put(self, event: ChainEvent) -> None:
        """Never blocks."""
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(event)

    async def get(self) -> ChainEvent:
        """The next event, in order."""
        return await self._queue.get()


class EventLog:
    """What contracts told and are, as the primary in use has it; the others are asked where that one does not answer, or has nothing."""

    def __init__(self, nodes: Mapping[str, ContractReader], in_use: Callable[[], str]) -> None:
        self._nodes = nodes
        self._in_use = in_use

    async def logs(self, address: str, topics: Sequence[str | None], first: int, last: int) -> Sequence[Log]:
        """Raises the last node's error when none answers."""
        active, answered = self._in_use(), False
        error: OutsideError = Unreachable("no node was asked")
        for name in sorted(self._nodes, key=lambda each: each != active):
            try:
                found = await self._nodes[name].logs(address, topics, first, last)
            except OutsideError as caught:
                error = caught
                continue
            if found:
                return found
            answered = True
        if not answered:
            raise error
        return ()

    async def code(self, address: str) -> bytes:
        """Of the contract at the newest block. Raises the last node's error when none answers."""
        active = self._in_use()
        error: OutsideError = Unreachable("no node was asked")
        for name in sorted(self._nodes, key=lambda each: each != active):
            try:
                return await self._nodes[name].code(address)
            except OutsideError as caught:
                error = caught
        raise error


@dataclass(frozen=True, slots=True)
class Nodes:
    """``witness`` None: there is no verify endpoint, and nobody to ask. ``broadcasters`` are the primaries and those of that role.

    ``told`` reads events through the primaries.
    """

    fleet: Fleet
    witness: Witness | None
    broadcasters: Sequence[Broadcaster]
    events: ChainEvents
    others: Sequence[NodeClient]
    told: EventLog

    async def close(self) -> None:
        """Lets go of all connections. Safe to call twice."""
        await self.fleet.close()
        await asyncio.gather(*(node.close() for node in self.others), return_exceptions=True)


def open_nodes(config: model.ChainConfig, clock: Clock) -> Nodes:
    """Connects to nothing yet."""
    events = ChainEvents()
    clients = [NodeClient(address_of(endpoint)) for endpoint in config.primaries]
    primaries = [Member(f"primary-{number}", client) for number, client in enumerate(clients, 1)]
    verifiers = _members(config.verifiers, "verify")
    broadcast = [NodeClient(address_of(endpoint)) for endpoint in config.broadcasters]
    policy = FleetPolicy(backfill=config.backfill, patience=Patience(lag_blocks=config.lag_blocks))
    fleet = Fleet(primaries, verifiers, chain_id=config.id, clock=clock, report=events.put, policy=policy)
    witness = None
    if verifiers:
        witness = EndpointWitness(
            [(each.name, each.node) for each in verifiers],
            report=events.put,
            weigh=fleet.weigh,
            in_use=lambda: fleet.active,
        )
    takers = [*(each.node for each in primaries), *broadcast]
    named = {member.name: client for member, client in zip(primaries, clients, strict=True)}
    told = EventLog(named, lambda: fleet.active)
    return Nodes(fleet, witness, takers, events, broadcast, told)


def address_of(endpoint: model.Endpoint) -> str:
    """What ``NodeClient`` takes."""
    return endpoint.url.reveal().removeprefix("ipc://")


def _members(endpoints: Sequence[model.Endpoint], role: str) -> list[Member]:
    return [
        Member(f"{role}-{number}", NodeClient(address_of(endpoint))) for number, endpoint in enumerate(endpoints, 1)
    ]
