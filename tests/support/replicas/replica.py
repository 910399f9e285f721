"""One of the keepers of a run: its process, its two ways to node and database, and what can be done to them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from keeper.devnet.world import World
from tests.support.forked_keeper import ForkedRunning
from tests.support.keeper_process import Running
from tests.support.replicas.ground import Ground
from tests.support.replicas.network import NETWORKS, Link, Net
from tests.support.replicas.scenario import CUTS, LEASE_S, Fault, Kind

FIRST, SECOND, REFERENCE = "ONE-PERP", "TWO-PERP", "REF-PERP"
CONFIGURATION = """\
keeper: {{name: test, mode: live{replicas}}}
chain:
  id: 31337
  endpoints: [{{url: "ws://{node}", role: primary}}]
  confirmations: 1
audit: {{url: "postgresql+psycopg://postgres@{database_server}/{database}"}}
signer: {{kind: key-file, path: keeper.key}}
routes: {{public: {{kind: public}}}}
notify: [{{kind: log}}]
sources:
  reference: {{kind: chainlink, address: "{reference}", unit: price, max_age: 10h}}
{sources}\
markets:
{markets}\
actions:
  pause-market:
    kind: pause
    target: "{exchange}"
    call: "pauseMarket(bytes32)"
    args: ["{{id}}"]
    read: {{call: "paused(bytes32)(bool)", args: ["{{id}}"], expect: "true"}}
    undo: {{call: "unpauseMarket(bytes32)", args: ["{{id}}"]}}
    route: public
    cooldown: 1h
    retry: 1s
    expires: 5m
"""
AGAIN_S = 0.2
PATIENCE_S = 60.0
SOURCE = '  {market}: {{kind: chainlink, address: "{feed}", unit: price, max_age: 10h}}\n'
MARKET = """\
  {market}:
    vars: {{id: "{id}"}}
    signals:
      divergence: {{kind: divergence, of: {market}, against: reference}}
    rules:
      oracle-divergence:
        when: {{signal: divergence, above: 2%}}
        clear: {{below: 1%}}
        severity: critical
        actions: [pause-market]
"""


class Replica:
    """``name`` is what it is called in the lease."""

    def __init__(self, name: str, folder: Path, net: Net, stack: AsyncExitStack) -> None:
        self.name = name
        self.net = net
        self.config = folder / "keeper.yaml"
        self._folder = folder
        self._stack = stack
        self._run: Running | None = None

    async def start(self) -> None:
        """As a supervisor would. One that runs already is left alone."""
        if self._run is None or self._run.ended():
            args: list[str | Path] = ["-v", "run", self.config]
            if self.net.program:
                self._run = Running(args, self._folder, program=self.net.program)
            else:
                self._run = ForkedRunning(args, self._folder)
            await self._stack.enter_async_context(self._run)

    async def settle(self) -> None:
        """Waits until it leads or stands by; started again where it ended, as it does when it cannot reach the database."""
        async with asyncio.timeout(PATIENCE_S):
            while not ("standing by" in self.says or "leading" in self.says):
                await self.start()
                await asyncio.sleep(AGAIN_S)

    @property
    def alive(self) -> bool:
        return self._run is not None and not self._run.ended()

    @property
    def says(self) -> str:
        """What its newest life wrote."""
        return "" if self._run is None else self._run.err

    async def end(self) -> int | None:
        """Asks it to end; its exit code, None where it was killed before."""
        if self._run is None or not self.alive:
            return None
        return await self._run.end()

    async def begin(self, fault: Fault) -> None:
        """Whatever is the matter with it begins."""
        match fault.kind:
            case Kind.KILL:
                self._signal(signal.SIGKILL)
            case Kind.STOP:
                self._signal(signal.SIGSTOP)
            case _ if fault.kind in CUTS:
                for way in self._ways(fault.kind):
                    await way.cut(fault.way)
            case _:
                for way in self._ways(fault.kind):
                    await way.lose()

    async def heal(self, fault: Fault) -> None:
        """And is over."""
        match fault.kind:
            case Kind.KILL:
                await self.start()
                await self.settle()
            case Kind.STOP:
                self._signal(signal.SIGCONT)
            case _:
                for way in self._ways(fault.kind):
                    await way.heal()

    def _ways(self, kind: Kind) -> tuple[Link, ...]:
        match kind:
            case Kind.NODE | Kind.NODE_LOST:
                return (self.net.node,)
            case Kind.DATABASE | Kind.DATABASE_LOST:
                return (self.net.database,)
            case _:
                return (self.net.node, self.net.database)

    def _signal(self, number: signal.Signals) -> None:
        if self._run is not None and not self._run.ended():
            os.kill(self._run.pid, number)


@asynccontextmanager
async def replica(
    name: str, folder: Path, ground: Ground, world: World, database: str, network: str, *, alone: bool
) -> AsyncIterator[Replica]:
    """Not started. ``alone``: without ``keeper.replicas``."""
    folder.mkdir()  # noqa: ASYNC240 - at once
    async with AsyncExitStack() as stack:
        port = urlsplit(ground.node.http_url).port
        assert port is not None
        net = await stack.enter_async_context(NETWORKS[network](("127.0.0.1", port), ground.socket))
        one = Replica(name, folder, net, stack)
        (key := folder / "keeper.key").touch(mode=0o600)
        key.write_text(world.keeper.private_key + "\n", encoding="ascii")
        markets = (FIRST, SECOND)
        text = CONFIGURATION.format(
            replicas="" if alone else f", replicas: {{lease: {LEASE_S:g}s, name: {name}}}",
            node=f"{net.node.host}:{net.node.port}",
            database_server=f"{net.database.host}:{net.database.port}",
            database=database,
            reference=world.feeds[REFERENCE],
            sources="".join(SOURCE.format(market=market, feed=world.feeds[market]) for market in markets),
            markets="".join(MARKET.format(market=market, id=world.market_id(market)) for market in markets),
            exchange=world.exchange,
        )
        one.config.write_text(text, encoding="utf-8")
        yield one
