"""One run: two keepers on one log, a trip, what goes wrong around it, a second trip, and what must hold then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
from eth_account import Account as EthAccount

from keeper.adapters.audit.reading import page_sync
from keeper.adapters.audit.verify import verify
from keeper.adapters.clock import SystemClock
from keeper.app.onchain import verify_on_chain
from keeper.config.model import ChainConfig, Endpoint, EndpointRole
from keeper.config.secret import Secret
from keeper.devnet.accounts import Account
from keeper.devnet.world import Role, World, deploy_world
from keeper.domain.errors import KeeperError
from keeper.domain.record import Record, RecordKind, RecordQuery
from tests.support.keeper_stage import Stage
from tests.support.replicas.checks import AMID, Mined, Seen, Takeover, problems, takeover
from tests.support.replicas.ground import Ground
from tests.support.replicas.replica import FIRST, REFERENCE, SECOND, Replica, replica
from tests.support.replicas.scenario import BLOCK_S, Fault, Kind, Scenario, Whom

OFF = Decimal(93)
LEAD_IN_S = 1.3
"""Between the moment when all are ready and the block of the trip: faults may begin in it."""
PATIENCE_S = 60.0
Names = tuple[str, ...]
POLL_S = 0.05
MONEY_WEI = 10**19
CLOCK = SystemClock()


@dataclass
class Played:
    """``hits`` in words; ``problems`` is empty where everything held."""

    scenario: Scenario
    hits: list[str] = field(default_factory=list)
    takeovers: list[Takeover] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0
    fences: int = 0
    folder: Path | None = None


@dataclass
class _Hit:
    fault: Fault
    name: str
    leading: bool
    at_ms: int
    over_ms: int | None = None
    """None: not yet."""


class Play:
    """``names`` of the replicas; with one of them there is no lease. ``network``: see there."""

    def __init__(
        self, ground: Ground, folder: Path, scenario: Scenario, names: Names = ("a", "b"), network: str = "proxies"
    ) -> None:
        self._ground = ground
        self._folder = folder
        self._scenario = scenario
        self._names = names
        self._network = network
        self._replicas: dict[str, Replica] = {}
        self._hits: list[_Hit] = []
        self._mined: list[tuple[int, int]] = []
        self._leader = names[0]
        self._database = ""
        self._begun_s = 0.0

    async def run(self) -> Played:
        """Never raises for what the keepers do: that is told in the answer."""
        started_s = time.monotonic()
        played = Played(self._scenario, folder=self._folder)
        world = await self._world()
        self._database = await asyncio.to_thread(self._ground.new_database)
        async with AsyncExitStack() as stack:
            for name in self._names:
                one = await stack.enter_async_context(
                    replica(
                        name,
                        self._folder / name,
                        self._ground,
                        world,
                        self._database,
                        self._network,
                        alone=len(self._names) == 1,
                    )
                )
                self._replicas[name] = one
            try:
                codes = await self._course(world)
                seen = await self._seen(world, codes)
                played.problems = problems(seen)
                played.fences = sum(record.kind is RecordKind.START for record in seen.records)
                played.takeovers = self._takeovers(seen.records)
            except (AssertionError, TimeoutError) as error:
                said = "".join(f"\n-- {name} said:\n{one.says[-3000:]}" for name, one in self._replicas.items())
                played.problems = [f"{type(error).__name__}: {error}{said}"]
        played.hits = [f"{hit.fault} hit {hit.name}" for hit in self._hits]
        if not played.problems:
            with suppress(psycopg.Error):
                await asyncio.to_thread(self._ground.drop, self._database)
        played.seconds = time.monotonic() - started_s
        return played

    async def _world(self) -> World:
        """Contracts and a key of this run's own, on the chain of all."""
        node = self._ground.node
        world = await deploy_world(node, (FIRST, SECOND, REFERENCE))
        key = EthAccount.create()
        await node.set_balance(key.address, MONEY_WEI)
        await world.grant(Role.PAUSER, key.address)
        return replace(world, keeper=Account(key.address, "0x" + bytes(key.key).hex()))

    # -- the course -----------------------------------------------------------------------------------------------------------------

    async def _course(self, world: World) -> dict[str, int | None]:
        """From the first start to the last end; the exit codes."""
        for one in self._replicas.values():
            await one.start()
        await self._ready()
        loop = asyncio.get_running_loop()
        self._begun_s = loop.time() + LEAD_IN_S
        mining = asyncio.create_task(self._mine(world))
        faults = [asyncio.create_task(self._suffer(fault)) for fault in self._scenario.faults]
        try:
            await asyncio.gather(*faults)
            await self._come_to(lambda: self._settled(world), "the end of all actions")
            self._must_live()
            await asyncio.sleep(2 * BLOCK_S)
            return {name: await one.end() for name, one in sorted(self._replicas.items())}
        finally:
            for task in (mining, *faults):
                task.cancel()
            await asyncio.gather(mining, *faults, return_exceptions=True)

    async def _ready(self) -> None:
        """One leads and has evaluated a block, and the other stands by."""

        async def evaluated() -> bool:
            await self._block()
            if not await asyncio.to_thread(self._records, RecordKind.TICK):
                return False
            return len(self._names) == 1 or len(await asyncio.to_thread(self._ask, "SELECT name FROM replicas")) == len(
                self._names
            )

        await self._come_to(evaluated, "the first evaluated block")

    async def _mine(self, world: World) -> None:
        """A block each ``BLOCK_S``; the first counted from has the first trip, a later one the second."""
        loop = asyncio.get_running_loop()
        number = -1
        while True:
            if number == 0:
                await world.push_price(FIRST, OFF, wait=False)
            if number == self._scenario.second_after:
                await world.push_price(SECOND, OFF, wait=False)
            await asyncio.sleep(max(0.0, self._begun_s + number * BLOCK_S - loop.time()))
            await self._block()
            number += 1

    async def _block(self) -> None:
        number = await self._ground.node.mine()
        self._mined.append((CLOCK.now_ms(), number))

    async def _suffer(self, fault: Fault) -> None:
        """One fault, from its beginning until it is healed."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._begun_s + fault.at_s - 0.02 - loop.time()))
        await self._learn_leader()
        others = [name for name in self._names if name != self._leader]
        name = self._leader if fault.whom is Whom.LEADER or not others else others[0]
        await asyncio.sleep(max(0.0, self._begun_s + fault.at_s - loop.time()))
        hit = _Hit(fault, name, name == self._leader, CLOCK.now_ms())
        self._hits.append(hit)
        await self._begin(hit)
        if fault.length_s is not None:
            await asyncio.sleep(fault.length_s)
            await self._heal(hit)
            hit.over_ms = CLOCK.now_ms()

    async def _begin(self, hit: _Hit) -> None:
        if hit.fault.kind is Kind.RESTART:
            await self._ground.stop_database(gently=hit.fault.gently)
        else:
            await self._replicas[hit.name].begin(hit.fault)

    async def _heal(self, hit: _Hit) -> None:
        if hit.fault.kind is Kind.RESTART:
            await self._ground.start_database()
        else:
            await self._replicas[hit.name].heal(hit.fault)

    async def _learn_leader(self) -> None:
        """Where the database does not say it, it is who it was."""
        if len(self._names) > 1:
            with suppress(psycopg.Error):
                found = await asyncio.to_thread(self._ask, "SELECT holder FROM lease")
                if found and found[0][0] in self._names:
                    self._leader = found[0][0]

    async def _settled(self, world: World) -> bool:
        """Both markets are paused, and the log has an end for every intent."""
        if not (await world.paused(FIRST) and await world.paused(SECOND)):
            return False
        records = await asyncio.to_thread(self._records, RecordKind.INTENT, RecordKind.OUTCOME)
        ends = [record.intent for record in records if record.kind is RecordKind.OUTCOME]
        intents = [record.intent for record in records if record.kind is RecordKind.INTENT]
        return bool(intents) and sorted(map(str, ends)) == sorted(map(str, intents))

    def _must_live(self) -> None:
        """Whoever was not killed for good runs, fenced or not."""
        dead = {hit.name for hit in self._hits if hit.fault.kind is Kind.KILL and hit.fault.length_s is None}
        ended = [name for name, one in self._replicas.items() if not one.alive and name not in dead]
        assert not ended, f"ended by themselves: {ended}"

    async def _come_to(self, condition: Callable[[], Awaitable[bool]], what: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    with suppress(psycopg.Error, KeeperError):  # the database may be away just now
                        if await condition():
                            return
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise TimeoutError(f"{what} did not come") from None

    # -- what is left ---------------------------------------------------------------------------------------------------------------

    async def _seen(self, world: World, codes: dict[str, int | None]) -> Seen:
        stage = Stage(world, self._folder)
        markets = {key.removeprefix("0x"): name for name, key in world.market_ids.items()}
        url = self._ground.url(self._database)
        verdict = await asyncio.to_thread(verify, url)
        return Seen(
            records=await asyncio.to_thread(self._records),
            mined=[_mined(one, markets) for one in await stage.sent()],
            waiting=await stage.waiting(),
            paused={market: await world.paused(market) for market in world.markets},
            shocked=(FIRST, SECOND),
            codes=codes,
            replicas=len(self._names) > 1,
            verified="" if verdict.ok else str(verdict.problem),
            on_chain=await self._on_chain(world, url),
        )

    async def _on_chain(self, world: World, url: str) -> list[str]:
        """As ``keeper audit verify --on-chain``."""
        node = self._ground.node
        endpoint = Endpoint(Secret(node.ws_url), node.ws_url, EndpointRole.PRIMARY)
        chain = ChainConfig(node.chain_id, (endpoint,), 1)
        report = await verify_on_chain(url, chain, (), lambda _: None, (world.keeper.address,))
        return [each.message for each in report.found] + [f"not looked at: {each}" for each in report.unchecked]

    def _takeovers(self, records: Sequence[Record]) -> list[Takeover]:
        """Of every leader that was hit. A leader that dies while the database or the node is away as well is told apart."""
        found: list[Takeover] = []
        for hit in self._hits:
            taken = takeover(records, hit.fault.kind, hit.at_ms, self._mined)
            if taken is None or not hit.leading or hit.fault.kind is Kind.RESTART:
                continue
            until_ms = hit.at_ms + taken.ms
            others = [one for one in self._hits if one is not hit and one.at_ms <= until_ms]
            if any(one.over_ms is None or one.over_ms >= hit.at_ms for one in others):
                taken = replace(taken, kind=f"{taken.kind}{AMID}")
            found.append(taken)
        return found

    def _records(self, *kinds: RecordKind) -> list[Record]:
        url = self._ground.url(self._database)
        found: list[Record] = []
        while page := page_sync(url, RecordQuery(kinds=kinds, after=found[-1].seq if found else 0, limit=1_000)):
            found += page
        return found

    def _ask(self, question: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._ground.plain_url(self._database), autocommit=True) as connection:
            return connection.execute(question.encode()).fetchall()


def _mined(transaction: Any, markets: dict[str, str]) -> Mined:
    data = str(transaction["input"])
    market = markets.get(data[10:74], "")
    return Mined(str(transaction["hash"]), data[:10], market, good=transaction["status"] == "0x1")
