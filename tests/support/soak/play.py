"""One soak: a node with a block each second, venues, a way to the node that breaks, a keeper in a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from keeper.adapters.audit.reading import page_sync
from keeper.adapters.audit.verify import verify
from keeper.adapters.clock import SystemClock
from keeper.devnet.anvil import Anvil
from keeper.devnet.exchange import Exchange
from keeper.devnet.venue import Fault
from keeper.devnet.world import World, deploy_world
from keeper.domain.address import keccak256
from keeper.domain.record import Json, Record, RecordKind, RecordQuery
from tests.support.keeper_process import Running
from tests.support.keeper_stage import Stage, until
from tests.support.soak import verdicts
from tests.support.soak.configuration import NAMES, configuration, symbol
from tests.support.soak.plan import MARKETS, VENUES, Event, Plan, What
from tests.support.soak.usage import Usage, usage
from tests.support.soak.verdicts import Bar
from tests.support.tcp_proxy import TcpProxy

FAIR = Decimal(100)
OFF = Decimal(93)
SAMPLE_S = 1.0
TOLD_S = 10.0
CALM_AFTER_S = 8.0
"""A shocked oracle is right again so long after the pause is seen."""
PAUSE_CHANGED = "0x" + keccak256(b"PauseChanged(bytes32,bool,bool,address)").hex()
Say = Callable[[str], None]


@dataclass
class Course:
    """The running soak. ``samples`` are one a second; ``bars`` are there at the end."""

    plan: Plan
    world: World
    stage: Stage
    venues: Exchange
    proxy: TcpProxy
    run: Running
    say: Say
    samples: list[Usage] = field(default_factory=list)
    happened: int = 0
    _waiting: set[str] = field(default_factory=set)

    async def play(self) -> list[Bar]:
        """Everything of the plan, and then what it was worth."""
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        measuring = asyncio.create_task(self._measure(begun_s))
        doing: list[asyncio.Task[None]] = []
        try:
            for event in self.plan.events:
                await asyncio.sleep(max(0.0, begun_s + event.at_s - loop.time()))
                self._must_run()
                self.happened += 1
                doing.append(asyncio.create_task(self._happen(event)))
            await asyncio.sleep(max(0.0, begun_s + self.plan.length_s - loop.time()))
            self._must_run()
            await asyncio.gather(*doing)
        finally:
            for task in (measuring, *doing):
                task.cancel()
            await asyncio.gather(measuring, *doing, return_exceptions=True)
        return await self._judge()

    def _must_run(self) -> None:
        assert not self.run.ended(), f"the keeper ended by itself:\n{self.run.err[-4000:]}"

    # -- what happens -------------------------------------------------------------------------------------------------------------

    async def _happen(self, event: Event) -> None:
        match event.what:
            case What.SHOCK:
                await self._shock(NAMES[event.number])
            case What.VENUE:
                assert event.fault is not None
                spoiled = Fault(
                    event.fault.kind,
                    symbol(event.number),
                    times=max(1, round(event.length_s)),
                    delay_s=event.fault.delay_s,
                    retry_after_s=event.fault.retry_after_s,
                )
                self.venues.inject(spoiled)
            case What.LOSE | What.HANG:
                if event.what is What.LOSE:
                    await self.proxy.lose()
                else:
                    self.proxy.cut()
                await asyncio.sleep(event.length_s)
                await self.proxy.heal()
            case What.RELOAD:
                self.write(event.number)
                self.say(f"reload {event.number}")
                os.kill(self.run.pid, signal.SIGHUP)

    async def _shock(self, market: str) -> None:
        """The oracle is off until the market is paused, and right again a little later."""
        await self.world.push_price(market, OFF, wait=False)
        while not await self.world.paused(market):  # noqa: ASYNC110 - the keeper does it
            await asyncio.sleep(0.5)
        await asyncio.sleep(CALM_AFTER_S)
        await self.world.push_price(market, FAIR, wait=False)

    def write(self, revision: int) -> None:
        """The configuration, in the place of the one before."""
        url = f"ws://127.0.0.1:{self.proxy.port}"
        new = self.stage.config.with_suffix(".new")
        new.write_text(configuration(self.world, self.venues, url, revision), encoding="utf-8")
        new.replace(self.stage.config)

    # -- what is seen -------------------------------------------------------------------------------------------------------------

    async def _measure(self, begun_s: float) -> None:
        loop = asyncio.get_running_loop()
        told_s, told_ticks = 0.0, 0
        while True:
            at_s = loop.time() - begun_s
            sample = await asyncio.to_thread(usage, self.run.pid, at_s)
            self.samples.append(sample)
            if at_s - told_s >= TOLD_S:
                seen = await asyncio.to_thread(self._count_ticks)
                before = self.samples[max(0, len(self.samples) - 1 - int(TOLD_S / SAMPLE_S))]
                cores = (sample.cpu_s - before.cpu_s) / max(0.001, sample.at_s - before.at_s)
                self.say(
                    f"{at_s:6.0f} s  block {await self.world.node.block_number()}  RSS {sample.rss_kb / 1024:.1f} MiB  "
                    f"PSS {sample.pss_kb / 1024:.1f} MiB  CPU {cores:.2f}  {(seen - told_ticks) / (at_s - told_s):.2f} ticks/s  "
                    f"{self.happened} events"
                )
                told_s, told_ticks = at_s, seen
            await asyncio.sleep(max(0.0, begun_s + (len(self.samples)) * SAMPLE_S - loop.time()))

    def _count_ticks(self) -> int:
        newest = page_sync(self.stage.url, RecordQuery(kinds=(RecordKind.TICK,), newest_first=True, limit=1))
        block = cast(dict[str, int], newest[0].body["block"]) if newest else {"number": 0}
        return block["number"]

    async def _judge(self) -> list[Bar]:
        bars = [verdicts.memory(self.samples, self.plan.warm_up_s), verdicts.processor(self.samples)]
        last = await self.world.node.block_number()
        await until(lambda: self.stage.evaluated() >= last or self.run.ended())
        last = self.stage.evaluated()
        code = await self.run.end()
        records = await asyncio.to_thread(records_of, self.stage.url)
        shocked = [NAMES[number] for number in self.plan.shocked()]
        sent = await self.stage.sent()
        failed = sum(each["status"] != "0x1" for each in sent)
        verdict = await asyncio.to_thread(verify, self.stage.url)
        return [
            *bars,
            verdicts.blocks(records, last),
            verdicts.effects(await self._pauses(), failed, shocked),
            verdicts.intents(records, shocked),
            verdicts.reloads(records, await asyncio.to_thread(self._windows_lost), self.plan.count(What.RELOAD)),
            Bar("log", f"{len(records)} records", "verified", verdict.ok, str(verdict.problem or "")),
            Bar("end", f"exit code {code}", "0", code == 0, "" if code == 0 else self.run.err[-2000:]),
        ]

    async def _pauses(self) -> list[str]:
        """The market of each pause on the chain."""
        query = {"address": self.world.exchange, "topics": [PAUSE_CHANGED], "fromBlock": hex(self.world.deployed_block)}
        events: list[dict[str, Any]] = await self.world.node.rpc("eth_getLogs", query)
        names = {key: name for name, key in self.world.market_ids.items()}
        return [names[event["topics"][1]] for event in events if int(event["data"][-64:], 16) == 1]

    def _windows_lost(self) -> list[int]:
        """Of each reload: how many windows had a value at the tick before it and none at the tick after it."""
        lost: list[int] = []
        configurations = page_sync(self.stage.url, RecordQuery(kinds=(RecordKind.CONFIGURATION,), limit=1000))
        for record in configurations[1:]:
            query = RecordQuery(kinds=(RecordKind.TICK,), after=record.seq, limit=1, full=True)
            before = page_sync(
                self.stage.url,
                RecordQuery(kinds=(RecordKind.TICK,), after=max(0, record.seq - 400), limit=400, full=True),
            )
            earlier = [one for one in before if one.seq < record.seq]
            after = page_sync(self.stage.url, query)
            if not earlier or not after:
                continue
            had = verdicts.ready_signals(cast(dict[str, Json], earlier[-1].body), "volatility")
            has = verdicts.ready_signals(cast(dict[str, Json], after[0].body), "volatility")
            lost.append(max(0, had - has))
        return lost


def records_of(url: str) -> list[Record]:
    """All of a log, without the evidence that is kept beside."""
    found: list[Record] = []
    while page := page_sync(url, RecordQuery(after=found[-1].seq if found else 0, limit=1_000)):
        found += page
    return found


@asynccontextmanager
async def soaking(folder: Path, plan: Plan, say: Say) -> AsyncIterator[Course]:
    """Everything of a soak, started: ``play`` it."""
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(Anvil(no_mining=True))
        say(f"deploying {MARKETS} markets")
        world = await deploy_world(node, NAMES)
        venues = await stack.enter_async_context(Exchange(SystemClock().now_ms))
        for number in range(VENUES):
            venues.set_price(symbol(number), FAIR)
        proxy = await stack.enter_async_context(TcpProxy(("127.0.0.1", int(node.http_url.rsplit(":", 1)[1]))))
        stage = Stage(world, folder)
        (key := folder / "keeper.key").touch(mode=0o600)
        key.write_text(world.keeper.private_key + "\n", encoding="ascii")
        await node.rpc("evm_setIntervalMining", 1)
        course = Course(plan, world, stage, venues, proxy, cast(Running, None), say)
        course.write(0)
        course.run = await stack.enter_async_context(Running(["-q", "run", stage.config], folder))
        await course.run.until(lambda: stage.evaluated() > 0, "the first tick")
        yield course
