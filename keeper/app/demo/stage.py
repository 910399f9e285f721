"""Runs one scenario: node up, contracts deployed, the keeper started, prices played, everything ended."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from keeper.adapters.clock import SystemClock
from keeper.app.cli.output import Output
from keeper.app.demo.configuration import write_configuration
from keeper.app.demo.story import Story
from keeper.app.service import Service
from keeper.app.wiring import build
from keeper.config import load
from keeper.devnet import play
from keeper.devnet.anvil import Anvil
from keeper.devnet.exchange import Exchange
from keeper.devnet.guard import Guard, Limits, deploy_guard
from keeper.devnet.markets import demo_market
from keeper.devnet.scenarios import SCENARIOS, SHAKEN, Scenario
from keeper.devnet.world import World, deploy_world
from keeper.domain.circuit_breaker import BreakerStatus
from keeper.domain.errors import KeeperError

if TYPE_CHECKING:  # what a council needs costs time to import, and one scenario has it
    from keeper.app.demo.acts import Acts
    from keeper.app.demo.chamber import Chamber
    from keeper.app.demo.sitting import Look
    from keeper.app.demo.sitting_words import SittingWords
    from keeper.config.model import Config

LEAD_S = 0.25
"""From a step's new prices to its block: the keeper polls the exchange every 100 ms."""
REST_S = 0.15
SETTLE_BLOCKS = 12
"""Blocks mined after the last step, until everything that was sent is known."""
READY_S = 30.0
LIMITS = Limits(duration_s=3_600, cooldown_s=600, window_s=86_400, budget=3)
KEPT_BLOCK_S = 1.0
"""Between the blocks of a chain that is kept up."""


@dataclass(frozen=True, slots=True)
class Played:
    """What is left of a run: node, venue and the council's service are still up, the keeper has ended.

    ``guard`` is there where it acted through a breaker contract, ``chamber`` where a council sat, and ``looks`` at a service that lied; ``acts``
    where block builders played along.
    """

    scenario: Scenario
    config_path: Path
    world: World
    venue: Exchange
    guard: Guard | None = None
    chamber: Chamber | None = None
    looks: tuple[Look, ...] = ()
    acts: Acts | None = None


@contextlib.asynccontextmanager
async def performed(
    scenario_name: str, seed: int, directory: Path, story: Story, output: Output
) -> AsyncIterator[Played]:
    """Plays it; the node and the venue are up until the block ends. Raises KeeperError when something is not there."""
    clock = SystemClock()
    scenario = SCENARIOS[scenario_name](seed)
    async with contextlib.AsyncExitStack() as opened:
        node = await opened.enter_async_context(Anvil(no_mining=True, extra=_arguments(scenario)))
        venue = await opened.enter_async_context(Exchange(clock.now_ms))
        story.node(node.version, node.chain_id, node.ws_url)
        world = await deploy_world(node, scenario.markets)
        story.contracts(world)
        guard, council, acts = None, None, None
        if scenario.name == "breaker":
            guard = await deploy_guard(world, LIMITS)
            story.guarded(guard.address, LIMITS)
        if scenario.name == "council":
            council = await opened.enter_async_context(_convened(world, clock, story, output))
        if scenario.name == "private":
            from keeper.app.demo.acts import opened as builders

            acts = await opened.enter_async_context(builders(world, story, seed, LEAD_S, REST_S))
        for quote in scenario.steps[0].quotes:
            venue.set_price(demo_market(quote.market).symbol, quote.spot)
        story.venue(venue.url)
        path = write_configuration(directory, world, venue, guard, council.chamber if council else None, acts)
        await _run_keeper(path, scenario, world, venue, story, guard, council, acts)
        if council is None:
            yield Played(scenario, path, world, venue, guard, acts=acts)
        else:
            yield Played(scenario, path, world, venue, chamber=council.chamber, looks=council.looks)


async def go_on(played: Played) -> NoReturn:
    """The chain and the prices of the last step live on, until this is cancelled. Raises Unreachable when the node is gone."""
    mine = played.world.node.mine if played.acts is None else played.acts.relay.slots.next
    await play.go_on(played.scenario.steps[-1], played.world, played.venue, KEPT_BLOCK_S, mine)


def _arguments(scenario: Scenario) -> tuple[str, ...]:
    """Of the node."""
    if scenario.name != "private":
        return ()
    from keeper.app.demo.acts import NODE

    return NODE


async def _settle(world: World, story: Story) -> None:
    for _ in range(SETTLE_BLOCKS):
        if not story.in_flight:
            break
        await world.node.mine()
        await asyncio.sleep(REST_S)


async def _let_it_expire(guard: Guard, scenario: Scenario, venue: Exchange, story: Story) -> None:
    """The chain's clock is set forward to the end of the trip; then it is up to the keeper."""
    world, identifier = guard.world, guard.pauses[SHAKEN]
    state = await guard.state(identifier)
    if state.status is not BreakerStatus.TRIPPED:
        return
    story.time_passes(LIMITS.duration_s)
    await world.node.rpc("evm_setNextBlockTimestamp", state.expires_at_s)
    for _ in range(SETTLE_BLOCKS):
        await play.apply(scenario.steps[-1], world, venue)
        await world.node.mine()
        await asyncio.sleep(LEAD_S + REST_S)
        if (await guard.state(identifier)).status is BreakerStatus.READY and not story.in_flight:
            break


@dataclass
class _Convened:
    """A council that waits until the prices are right again. ``looks`` are there once it has sat."""

    chamber: Chamber
    words: SittingWords
    story: Story
    looks: tuple[Look, ...] = ()

    async def sit(self, config: Config, scenario: Scenario, venue: Exchange) -> None:
        from keeper.app.demo.sitting import sit

        world = self.chamber.council.world

        async def mine() -> None:
            await play.apply(scenario.steps[-1], world, venue)
            await world.node.mine()
            await asyncio.sleep(REST_S)

        self.story.rows = False
        self.looks = await sit(config, self.chamber, self.words, mine)


@contextlib.asynccontextmanager
async def _convened(world: World, clock: SystemClock, story: Story, output: Output) -> AsyncIterator[_Convened]:
    from keeper.app.demo.chamber import opened
    from keeper.app.demo.sitting_words import SittingWords

    async with opened(world, clock) as chamber:
        words = SittingWords(output, story)
        words.opened(chamber)
        story.rights = "may only pause"
        yield _Convened(chamber, words, story)


async def _run_keeper(
    path: Path,
    scenario: Scenario,
    world: World,
    venue: Exchange,
    story: Story,
    guard: Guard | None,
    council: _Convened | None,
    acts: Acts | None,
) -> None:
    """The keeper beside the scenario, in one event loop; it is stopped as SIGTERM would."""
    stop = asyncio.Event()
    config = load(str(path))
    story.rules(config.engine.markets)
    parts = await build(config)
    try:
        service = asyncio.create_task(Service(parts, story).run(stop))
        ready = asyncio.create_task(story.is_ready.wait())
        try:
            await asyncio.wait({service, ready}, timeout=READY_S, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                if service.done():
                    service.result()
                raise KeeperError("the keeper did not get ready", remedy="run again with -v to see its log")
            story.scenario(scenario)
            if acts is None:
                await play.play(scenario, world, venue, play.mined(world.node, LEAD_S, REST_S))
                await _settle(world, story)
            else:
                await acts.play(scenario, venue)
            if guard is not None:
                await _let_it_expire(guard, scenario, venue, story)
            if council is not None:
                await council.sit(config, scenario, venue)
        finally:
            ready.cancel()
            stop.set()
            with contextlib.suppress(asyncio.CancelledError):
                await service
    finally:
        await parts.close()
