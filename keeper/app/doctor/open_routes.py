"""Whether the endpoints that a public route has of its own are there, and of the right chain. Those of ``chain`` have their own checks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from keeper.adapters.chain.node import NodeClient
from keeper.app.doctor.check import Check, Health
from keeper.app.doctor.reach import why_unreachable
from keeper.config import model, sending
from keeper.domain.errors import OutsideError, Refused


async def examine_open_routes(config: model.Config) -> AsyncIterator[Check]:
    """One check for each. A sequencer may take transactions and tell nothing else: that it answers is enough then."""
    for route in config.routes:
        if isinstance(route, sending.PublicRoute):
            asks = (_examine(route, place, config.chain.id) for place in range(len(route.endpoints)))
            for check in await asyncio.gather(*asks):
                yield check


async def _examine(route: sending.PublicRoute, place: int, chain_id: int) -> Check:
    name = f"endpoint {place + 1} of route {route.name} ({route.shown[place]})"
    url = route.endpoints[place].reveal().removeprefix("ipc://")
    where = f"`routes.{route.name}.endpoints`"
    node = NodeClient(url)
    try:
        served = await node.chain_id()
    except Refused as refused:
        return Check(name, Health.OK, f"answers, and does not say which chain it serves: {refused.message}")
    except OutsideError as error:
        return Check(
            name,
            Health.FAIL,
            await why_unreachable(url) or error.message,
            f"start it, or correct {where}: what falls back goes there",
        )
    finally:
        await node.close()
    if served != chain_id:
        message = f"serves chain {served}, and the configuration says {chain_id}"
        return Check(name, Health.FAIL, message, f"correct {where} or `chain.id`")
    return Check(name, Health.OK, f"chain {served}")
