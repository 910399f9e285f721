"""What is seen at a block: chain sources, feeds and effects, also when some of them do not answer; and which blocks are looked at."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from decimal import Decimal

import pytest

from keeper.adapters.chain.memory import MemoryChain, Reverted, Storage
from keeper.adapters.prices.memory import MemoryChainSource, MemoryFeed
from keeper.app.faults import Faults
from keeper.app.heads import newest_and_announced
from keeper.app.watch import Watch
from keeper.domain.action import Action, ActionKind, Effect, FunctionCall
from keeper.domain.block import BlockStamp
from keeper.domain.errors import Unreachable
from keeper.domain.evm import CallResult
from keeper.domain.observation import Quality
from keeper.domain.record import Draft
from keeper.domain.units import Unit
from keeper.engine.spec import SourceSpec
from keeper.execution.planner import ArmedAction, arm
from keeper.ports.prices import ChainSource, FeedSource
from tests.support.fleet_world import FleetWorld
from tests.support.manual_clock import settle
from tests.support.source_fakes import ManualClock

pytestmark = pytest.mark.unit

VENUE = "0x000000000000000000000000000000000000dEaD"
ACTION = Action(
    name="pause",
    market="M",
    kind=ActionKind.PAUSE,
    call=FunctionCall(VENUE, "pause()"),
    effect=Effect(FunctionCall(VENUE, "paused()(bool)"), "true"),
    route="public",
    expires_ms=60_000,
)
KEY = ("M", "pause")


class YieldingClock(ManualClock):
    """Sleeping lets the others run, and takes no time of the machine's."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        await asyncio.sleep(0)


class Scene:
    def __init__(
        self,
        sources: Sequence[ChainSource] = (),
        feeds: Sequence[FeedSource] = (),
        armed: Sequence[ArmedAction] = (),
        clock: ManualClock | None = None,
    ) -> None:
        self.clock = clock or YieldingClock()
        self.chain = MemoryChain()
        self.drafts: list[Draft] = []
        self.faults = Faults(self.clock, self.drafts.append, lambda _: None)
        names = [*(source.name for source in sources), *(feed.name for feed in feeds)]
        specs = [SourceSpec(name, Unit.PRICE) for name in names]
        self.watch = Watch(
            self.chain, self.clock, self.faults, specs, sources, feeds, {each.key: each for each in armed}
        )

    def down(self) -> dict[str, str]:
        return {fault.part: fault.reason for fault in self.faults.current}

    async def poll(self, feed: MemoryFeed, times: int) -> None:
        """So many polls of a feed."""
        task = asyncio.ensure_future(self.watch.poll(feed))
        while feed.polls < times:  # noqa: ASYNC110
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


# -- look ---------------------------------------------------------------------------------------------------------------------


async def test_look__everything_answers__observations_and_effects() -> None:
    oracle = MemoryChainSource("oracle", Decimal(3000))
    scene = Scene([oracle], armed=[arm(ACTION)])
    scene.chain.install(VENUE, lambda data, sender, storage: (1).to_bytes(32, "big"))
    block = scene.chain.mine()
    sight = await scene.watch.look(block)
    assert sight.observations["oracle"].value == Decimal(3000)
    assert sight.observations["oracle"].block == block
    assert sight.effects == {KEY: "true"}
    assert scene.drafts == []
    assert len(sight.calls) == len(sight.results)
    assert sight.calls[-1] == arm(ACTION).effect_call
    assert sight.results[-1] == CallResult(True, (1).to_bytes(32, "big"))
    assert scene.watch.subjects == ("effect:M/pause",)


async def test_look__node_does_not_answer__missing_and_no_effects_and_one_fault() -> None:
    scene = Scene([MemoryChainSource("oracle", Decimal(1))], armed=[arm(ACTION)])
    block = scene.chain.mine()
    scene.chain.go_down()
    for _ in range(2):
        sight = await scene.watch.look(block)
        assert sight.observations["oracle"].quality is Quality.MISSING
        assert sight.observations["oracle"].value is None
        assert sight.observations["oracle"].reason
        assert sight.effects == {}
        assert (sight.calls, sight.results) == ((), ()), "there is nothing to compare"
    assert scene.down() == {"reads": "unreachable"}
    assert len(scene.drafts) == 1
    scene.chain.come_back()
    scene.chain.install(VENUE, lambda data, sender, storage: bytes(32))
    assert (await scene.watch.look(scene.chain.mine())).effects == {KEY: "false"}
    assert scene.down() == {}


async def test_look__nothing_to_read__asks_nothing_of_a_node_that_is_down() -> None:
    scene = Scene()
    block = scene.chain.mine()
    scene.chain.go_down()
    sight = await scene.watch.look(block)
    assert (sight.observations, sight.effects) == ({}, {})
    assert scene.down() == {}


async def test_look__a_chain_source_without_value__a_fault_of_its_own_that_recovers() -> None:
    oracle = MemoryChainSource("oracle")
    scene = Scene([oracle])
    await scene.watch.look(scene.chain.mine())
    assert scene.down() == {"source:oracle": "missing"}
    oracle.value = Decimal(1)
    await scene.watch.look(scene.chain.mine())
    assert scene.down() == {}
    assert [draft.body["state"] for draft in scene.drafts] == ["down", "up"]


def revert(data: bytes, sender: str, storage: Storage) -> bytes:
    raise Reverted(b"")


@pytest.mark.parametrize(
    "contract",
    [revert, lambda data, sender, storage: b"", lambda data, sender, storage: (2).to_bytes(32, "big")],
    ids=["reverts", "no-answer", "not-a-bool"],
)
async def test_look__an_effect_that_cannot_be_read__is_left_out_and_a_fault(contract: object) -> None:
    scene = Scene([MemoryChainSource("oracle", Decimal(1))], armed=[arm(ACTION)])
    scene.chain.install(VENUE, contract)  # type: ignore[arg-type]
    sight = await scene.watch.look(scene.chain.mine())
    assert sight.effects == {}
    assert sight.observations["oracle"].quality is Quality.OK, "the rest is seen all the same"
    assert scene.down() == {"effect:M/pause": "malformed"}
    scene.chain.install(VENUE, lambda data, sender, storage: bytes(32))
    await scene.watch.look(scene.chain.mine())
    assert scene.down() == {}


async def test_look__effect_changes_breaks_and_comes_back__each_block_shows_its_own() -> None:
    scene = Scene(armed=[arm(ACTION)])
    seen = []
    for word in (0, 0, 1, 2, 1, 0):
        scene.chain.install(VENUE, lambda data, sender, storage, word=word: word.to_bytes(32, "big"))  # type: ignore[misc]
        seen.append((await scene.watch.look(scene.chain.mine())).effects.get(KEY))
        assert scene.down() == ({} if word < 2 else {"effect:M/pause": "malformed"})
    assert seen == ["false", "false", "true", None, "true", "false"]


# -- feeds --------------------------------------------------------------------------------------------------------------------


async def test_feed__not_asked_yet__is_missing() -> None:
    clock = YieldingClock()
    scene = Scene(feeds=[MemoryFeed("spot", [Decimal(1)], clock=clock)], clock=clock)
    spot = (await scene.watch.look(scene.chain.mine())).observations["spot"]
    assert (spot.quality, spot.value, spot.unit) == (Quality.MISSING, None, Unit.PRICE)
    assert spot.reason == "no answer yet"


async def test_feed__answers__the_latest_counts() -> None:
    clock = YieldingClock()
    feed = MemoryFeed("spot", [Decimal(1), Decimal(2)], clock=clock, interval_ms=100)
    scene = Scene(feeds=[feed], clock=clock)
    began = clock.now_ms()
    await scene.poll(feed, 3)
    spot = (await scene.watch.look(scene.chain.mine())).observations["spot"]
    assert (spot.value, spot.quality, spot.reason) == (Decimal(2), Quality.OK, "")
    assert clock.now_ms() - began >= 200, "it rests between two questions"


async def test_feed__one_answer_is_missing__the_last_good_one_stands_with_its_time_and_says_so() -> None:
    clock = YieldingClock()
    feed = MemoryFeed("spot", [Decimal(1), None], clock=clock, interval_ms=100)
    scene = Scene(feeds=[feed], clock=clock)
    began = clock.now_ms()
    await scene.poll(feed, 4)
    spot = (await scene.watch.look(scene.chain.mine())).observations["spot"]
    assert (spot.value, spot.quality) == (Decimal(1), Quality.OK)
    assert spot.received_ms == began, "its age goes on counting, so max_age still makes it stale"
    assert spot.reason == "last answer since: no value was set"
    assert scene.down() == {"source:spot": "missing"}


async def test_feed__answers_again__the_fault_is_over() -> None:
    clock = YieldingClock()
    feed = MemoryFeed("spot", [Decimal(1), None, Decimal(3)], clock=clock)
    scene = Scene(feeds=[feed], clock=clock)
    await scene.poll(feed, 4)
    spot = (await scene.watch.look(scene.chain.mine())).observations["spot"]
    assert (spot.value, spot.reason) == (Decimal(3), "")
    assert [draft.body["state"] for draft in scene.drafts] == ["down", "up"]


async def test_feed__never_answered_well__the_bad_answer_is_shown() -> None:
    clock = YieldingClock()
    feed = MemoryFeed("spot", [None], clock=clock)
    scene = Scene(feeds=[feed], clock=clock)
    await scene.poll(feed, 2)
    spot = (await scene.watch.look(scene.chain.mine())).observations["spot"]
    assert (spot.quality, spot.reason) == (Quality.MISSING, "no value was set")


async def test_feed__node_does_not_answer__feeds_are_seen_all_the_same() -> None:
    clock = YieldingClock()
    feed = MemoryFeed("spot", [Decimal(5)], clock=clock)
    scene = Scene([MemoryChainSource("oracle", Decimal(1))], [feed], [arm(ACTION)], clock)
    await scene.poll(feed, 1)
    block = scene.chain.mine()
    scene.chain.go_down()
    observations = (await scene.watch.look(block)).observations
    assert observations["spot"].value == Decimal(5)
    assert observations["oracle"].quality is Quality.MISSING


async def test_first_polls__waits_for_every_feed_and_not_longer_than_told() -> None:
    clock = YieldingClock()
    feed = MemoryFeed("spot", [Decimal(1)], clock=clock)
    scene = Scene(feeds=[feed], clock=clock)
    waiting = asyncio.ensure_future(scene.watch.first_polls(60))
    await asyncio.sleep(0)
    assert not waiting.done()
    await scene.poll(feed, 1)
    await asyncio.wait_for(waiting, 10)
    mute = Scene(feeds=[MemoryFeed("mute", [None], clock=clock)], clock=clock)
    await mute.watch.first_polls(0.01)


# -- which blocks -------------------------------------------------------------------------------------------------------------


async def take(blocks: AsyncIterator[BlockStamp], count: int) -> list[int]:
    return [(await asyncio.wait_for(anext(blocks), 10)).number for _ in range(count)]


async def test_blocks__at_the_start__the_newest_at_once_then_each_announced() -> None:
    chain = MemoryChain()
    chain.mine()
    async with aclosing(newest_and_announced(chain, None)) as blocks:
        assert await take(blocks, 1) == [1]
        chain.mine()
        chain.mine()
        assert await take(blocks, 2) == [2, 3]


async def test_blocks__newest_is_evaluated__only_what_is_new() -> None:
    chain = MemoryChain()
    evaluated = chain.mine()
    async with aclosing(newest_and_announced(chain, evaluated)) as blocks:
        coming = asyncio.ensure_future(anext(blocks))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not coming.done()
        chain.mine()
        assert (await asyncio.wait_for(coming, 10)).number == 2


async def test_blocks__mined_while_no_node_was_there__are_seen_in_order_each_once_and_without_waiting() -> None:
    world = FleetWorld(primaries=1)
    async with aclosing(newest_and_announced(world.fleet, None)) as blocks:
        assert await take(blocks, 1) == [1]
        await world.mine()
        assert await take(blocks, 1) == [2]
        evaluated = world.chain._blocks[-1]
        world.peers[0].go_down()
        with pytest.raises(Unreachable):
            await take(blocks, 1)
    await world.mine(3)
    world.peers[0].come_back()
    async with aclosing(newest_and_announced(world.fleet, evaluated)) as blocks:
        assert await take(blocks, 3) == [3, 4, 5]
        coming = asyncio.ensure_future(anext(blocks))
        await settle()
        assert not coming.done()
        await world.mine()
        assert (await asyncio.wait_for(coming, 10)).number == 6
    await world.fleet.close()


async def test_blocks__announced_late_from_before_the_beginning__are_passed_by() -> None:
    class Late(MemoryChain):
        """The heads that it announces first are older than the one that it names as its newest."""

        async def heads(self) -> AsyncGenerator[BlockStamp]:
            for block in self._blocks[1:]:
                yield block
            async for block in super().heads():
                yield block

    chain = Late()
    for _ in range(4):
        chain.mine()
    async with aclosing(newest_and_announced(chain, None)) as blocks:
        assert await take(blocks, 1) == [4]
        coming = asyncio.ensure_future(anext(blocks))
        await settle()
        assert not coming.done()
        chain.mine()
        assert (await asyncio.wait_for(coming, 10)).number == 5
        chain.rewind(2)
        chain.mine()
        assert await take(blocks, 1) == [4], "another branch, after it had begun"


async def test_blocks__the_first_one_is_replaced__the_other_of_its_number_is_seen() -> None:
    chain = MemoryChain()
    chain.mine()
    async with aclosing(newest_and_announced(chain, None)) as blocks:
        assert await take(blocks, 1) == [1]
        chain.rewind(1)
        chain.mine()
        assert await take(blocks, 1) == [1]


async def test_blocks__announced_and_newest_are_the_same__seen_once() -> None:
    class Announcing(MemoryChain):
        async def head(self) -> BlockStamp:
            return self.mine()

    chain = Announcing()
    async with aclosing(newest_and_announced(chain, None)) as blocks:
        assert await take(blocks, 1) == [1]
        chain.mine()
        assert await take(blocks, 1) == [2]


async def test_blocks__node_goes_away__raises_and_leaves_no_listener() -> None:
    chain = MemoryChain()
    async with aclosing(newest_and_announced(chain, None)) as blocks:
        await take(blocks, 1)
        chain.go_down()
        with pytest.raises(Unreachable):
            await take(blocks, 1)
    assert not chain._listeners
    async with aclosing(newest_and_announced(chain, None)) as blocks:
        with pytest.raises(Unreachable):
            await take(blocks, 1)
    assert not chain._listeners


async def test_blocks__whoever_reads_them_stops__leaves_no_listener() -> None:
    chain = MemoryChain()
    async with aclosing(newest_and_announced(chain, None)) as blocks:
        await take(blocks, 1)
    assert not chain._listeners
