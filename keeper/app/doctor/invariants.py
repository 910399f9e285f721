"""Each invariant, judged on the state as it is: whether it can be, by simulation, and who must keep it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from keeper.adapters.chain.node import NodeClient
from keeper.adapters.clock import SystemClock
from keeper.app.council.after import after, name_of
from keeper.app.council.market_prices import market_prices
from keeper.app.council.matter import Kept
from keeper.app.doctor.check import Check, Health
from keeper.app.doctor.sources import PRIMARY_FIRST
from keeper.app.futures import open_future
from keeper.config import model
from keeper.domain.block import BlockStamp
from keeper.domain.invariant import Invariant, Otherwise

MEND = "mend what cannot be read, or write `otherwise: act` in the invariant"


async def examine_invariants(config: model.Config, node: NodeClient, head: BlockStamp | str) -> AsyncIterator[Check]:
    """``head`` is the block to read at, or why there is none. Nothing is asked where there are no invariants."""
    if not config.invariants:
        return
    if isinstance(head, str):
        yield Check("invariants", Health.FAIL, f"not judged: {head}", PRIMARY_FIRST)
        return
    market = await market_prices(config, config.invariants, node, SystemClock(), head)
    future = open_future(config.chain)
    try:
        seen = await after([], config.invariants, chain=node, future=future, block=head, market=market)
    finally:
        await future.close()
    for invariant, kept in zip(config.invariants, seen.kept, strict=True):
        yield _check(config, invariant, kept)


def _check(config: model.Config, invariant: Invariant, kept: Kept) -> Check:
    name = f"invariant {name_of(invariant)}"
    actions = [
        f"{action.name} on {action.market}"
        for action in config.actions
        if invariant.name in action.keep and invariant.market in (None, action.market)
    ]
    keepers = "; kept by " + ", ".join(actions) if actions else "; no action must keep it, proposals are told"
    if kept.holds:
        return Check(name, Health.OK, f"holds: now {kept.before}{keepers}")
    if kept.holds is False:
        remedy = (
            "actions that must keep it are not sent while it is broken: check the protocol, or correct the invariant"
        )
        return Check(name, Health.WARN, f"broken already: {kept.text}{keepers}", remedy if actions else "")
    strict = actions and invariant.otherwise is Otherwise.BLOCK
    blocked = "; these actions would not be sent now" if strict else ""
    return Check(name, Health.FAIL if strict else Health.WARN, f"not judged: {kept.text}{keepers}{blocked}", MEND)
