"""From a running keeper's parts to what says whether its actions would work."""

from __future__ import annotations

from collections.abc import Callable

from keeper.adapters.safe.service import SafeTransactionService
from keeper.app.council.opening import safe_routes
from keeper.app.faults import Faults
from keeper.app.observer import Observers
from keeper.app.parts import Parts
from keeper.app.readiness import Readiness
from keeper.app.readiness_hindrances import Waking, hindrances_of
from keeper.app.readiness_safes import SafeWatch
from keeper.config.model import Mode
from keeper.domain.record import Draft
from keeper.engine import EngineState
from keeper.execution.executor import Executor
from keeper.execution.planner import ArmedAction


def readiness_of(
    parts: Parts,
    executor: Executor,
    faults: Faults,
    actor: Callable[[ArmedAction], str],
    observer: Observers,
    record: Callable[[Draft], None],
    state: Callable[[], EngineState],
) -> Readiness:
    """``actor`` as ``Readiness`` has it; ``observer`` hears how every armed action stands, ``record`` takes what changed.

    ``state`` gives the engine's newest.
    """
    routes = safe_routes(parts.config)
    used = {each.action.route for each in parts.armed.values()}
    watched = []
    for route in routes:
        service = parts.proposal_services.get(route.name)
        if route.name in used:
            watched.append((route, service if isinstance(service, SafeTransactionService) else None))
    edges = parts.edges
    safes = SafeWatch(parts.config, watched, edges.chain, parts.nodes.told, executor.sender, faults, edges.clock)
    readiness = Readiness(
        edges,
        executor,
        parts.armed,
        faults,
        actor,
        {route.name: route.address for route in routes},
        [route.name for route in routes if route.execute],
        observer.probed,
        live=parts.config.keeper.mode is Mode.LIVE,
        record=record,
        beside=safes.look,
        hindrances=hindrances_of(parts, faults, state),
    )
    observer.add(Waking(readiness.wake))
    return readiness
