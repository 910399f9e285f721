"""The keeper's way from a head to observations: its fleet over one node, a hundred contract-call sources, its watch. Nothing is replaced."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from bench.peers.arrivals import Arrivals
from bench.peers.talk import commands, say
from keeper.adapters.chain.fleet import Fleet, Member
from keeper.adapters.chain.node import NodeClient
from keeper.adapters.clock import SystemClock
from keeper.adapters.prices.contract_call import ContractCallSource
from keeper.app.faults import Faults
from keeper.app.watch import Watch
from keeper.domain.action import FunctionCall
from keeper.domain.units import Unit
from keeper.engine.spec import SourceSpec


class Reader:
    """Looks at a head only when it was asked to."""

    def __init__(self, setup: dict[str, Any]) -> None:
        clock = SystemClock()
        member = Member("primary-1", NodeClient(setup["url"]))
        self.fleet = Fleet([member], chain_id=setup["chain_id"], clock=clock, report=lambda _: None)
        sources = [
            ContractCallSource(
                read["name"],
                FunctionCall(read["target"], read["signature"], tuple(read["args"])),
                Unit(read["unit"]),
                result=read["index"],
                decimals=read["decimals"],
            )
            for read in setup["reads"]
        ]
        specs = [SourceSpec(read["name"], Unit(read["unit"])) for read in setup["reads"]]
        faults = Faults(clock, lambda _: None, lambda _: None)
        self._watch = Watch(self.fleet, clock, faults, specs, sources, (), {})
        self._names = [source.name for source in sources]
        self.asked = False

    async def run(self) -> None:
        arrivals = Arrivals()
        arrivals.watch()
        async for block in self.fleet.heads():
            if not self.asked:
                continue
            self.asked = False
            sight = await self._watch.look(block)
            ms = time.monotonic_ns() / 1_000_000 - arrivals.newest_ms
            say("read", ms=ms, block=block.number, values=[str(sight.observations[name].value) for name in self._names])


async def main() -> None:
    orders = commands()
    reader = Reader(await anext(orders))
    running = asyncio.create_task(reader.run())
    await reader.fleet.head()
    say("ready")
    async for _ in orders:
        reader.asked = True
        say("armed")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await reader.fleet.close()


if __name__ == "__main__":
    asyncio.run(main())
