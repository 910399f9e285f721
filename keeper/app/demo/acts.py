"""The demo's two acts with block builders: they take the pause, and then they all refuse the next one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from keeper.app.demo.story import Story, joined_words, short
from keeper.devnet import play
from keeper.devnet.exchange import Exchange
from keeper.devnet.relay import DOCUMENTED, Fault, FaultKind, Lottery, Relay, Slot
from keeper.devnet.relay.builders import SEND_BUNDLE
from keeper.devnet.scenarios import SECOND, SHAKEN, Scenario, Step
from keeper.devnet.world import World

NODE: Final = ("--order", "fifo")
"""What the relay asks of its node."""
BUILDERS: Final = tuple(builder for builder in DOCUMENTED if builder.percent)
ALONE_BLOCKS: Final = 8
"""So long builders have it to themselves, unless they refuse it: that none of them wins a block in so long happens once in five million runs."""
MARKETS: Final = (SHAKEN, SECOND)
"""Of the first act and of the second."""
OFFERED_S: Final = 20.0
"""So long a block waits at most for what the keeper has decided to send: a busy machine is no reason to miss it."""
_POLL_S: Final = 0.01


@dataclass
class Acts:
    """``built`` are the blocks so far, by number; ``relay`` is the only one that makes them."""

    relay: Relay
    world: World
    story: Story
    lead_s: float
    rest_s: float
    built: dict[int, Slot] = field(default_factory=dict)

    async def mine(self) -> None:
        """One block, and what it means for what is on its way."""
        waiting = self.story.in_flight
        if waiting:
            await self._offered()
        slot = await self.relay.slots.next()
        self.built[slot.number] = slot
        await asyncio.sleep(self.rest_s)
        self._tell(slot, waiting=waiting)

    async def play(self, scenario: Scenario, venue: Exchange) -> None:
        """Both acts, until everything that was sent is known."""
        steps = scenario.steps
        await self._act(replace(scenario, steps=tuple(each for each in steps if each.phase != "again")), venue)
        self.story.act(
            SECOND,
            f"Second act: the oracle of {SECOND} goes wrong too, and from now on every builder refuses what comes.",
        )
        self.relay.inject(Fault(FaultKind.REFUSES))
        await self._act(replace(scenario, steps=tuple(each for each in steps if each.phase == "again")), venue)
        self.relay.heal()

    async def _act(self, scenario: Scenario, venue: Exchange) -> None:
        async def pace(_: Step) -> None:
            await asyncio.sleep(self.lead_s)
            await self.mine()

        await play.play(scenario, self.world, venue, pace)
        for _ in range(2 * ALONE_BLOCKS):
            if not self.story.in_flight:
                break
            await self.mine()

    async def _offered(self) -> None:
        """Waits until the keeper has asked every builder to put it into the next block, or has made it public."""
        wanted = await self.world.node.block_number() + 1
        waited_s = 0.0
        while waited_s < OFFERED_S and self.story.in_flight and not (self._asked(wanted) or await self._public()):
            await asyncio.sleep(_POLL_S)
            waited_s += _POLL_S

    def _asked(self, block: int) -> bool:
        """Of those that refuse nothing."""
        asked = [each for each in self.relay.asked[-50:] if each.method == SEND_BUNDLE and not each.refusal]
        bundles = [(each.builder, each.document["params"][0]) for each in asked]
        takers = {name for name, bundle in bundles if bundle["txs"] and bundle.get("blockNumber") == hex(block)}
        return {builder.name for builder in BUILDERS} <= takers

    async def _public(self) -> bool:
        """Whether the keeper's key has something in the public pool."""
        content = await self.world.node.rpc("txpool_content")
        senders = {sender.lower() for part in content.values() for sender in part}
        return self.world.keeper.address.lower() in senders

    def _tell(self, slot: Slot, *, waiting: bool) -> None:
        if slot.private:
            ours = short(slot.private[0])
            self.story.mark(
                "private",
                f"block {slot.number} is {slot.winner}'s: first in it is {ours}, which no pool has seen",
                "bold cyan",
            )
        elif waiting and self.story.in_flight:
            why = f"{slot.winner} did not have it in time" if slot.winner else "none of the three builds it"
            self.story.mark("waits", f"not in block {slot.number}: {why}", "dim")


@asynccontextmanager
async def opened(world: World, story: Story, seed: int, lead_s: float, rest_s: float) -> AsyncIterator[Acts]:
    """The relay answers until the block ends. Raises OutsideError, SetupError."""
    async with Relay.open(world.node.http_url, builders=BUILDERS, lottery=Lottery(seed, BUILDERS)) as relay:
        names = joined_words(f"{builder.name} ({builder.percent} %)" for builder in BUILDERS)
        story.line("builders", f"of blocks: {names}, at {relay.base_url}")
        story.line("", "the public pool is watched from now on")
        yield Acts(relay, world, story, lead_s, rest_s)
