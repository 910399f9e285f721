"""Several nodes as one: who is listened to, what is given out, what is told. A chain in memory, and time moved by hand."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from keeper.adapters.chain.fleet import Fleet, Member
from keeper.adapters.chain.following import PROBE_S, QUIET_MS
from keeper.adapters.chain.memory import MemoryChain
from keeper.adapters.chain.trail import MAX_STRAY
from keeper.adapters.chain.vetting import PATIENCE_S
from keeper.domain.block import BlockStamp
from keeper.domain.chain_events import (
    Backfilled,
    DownReason,
    EndpointDown,
    EndpointUp,
    FailedOver,
    Gap,
    Reorg,
    Skipped,
    SwitchReason,
)
from keeper.domain.errors import MalformedAnswer, Refused, Unreachable
from keeper.domain.testimony import Difference, Silence, Statement, Testimony, Word
from tests.support.fleet_world import PATIENCE, READ, FleetWorld, Peer, word
from tests.support.manual_clock import ManualClock, settle

pytestmark = pytest.mark.unit


async def test_heads__calm_chain__are_given_once_in_order_and_nothing_is_told() -> None:
    async with FleetWorld() as world:
        await world.mine(5)
        assert world.numbers == [2, 3, 4, 5, 6]
        assert world.log == world.seen


async def test_heads__block_that_was_there_before__is_not_given() -> None:
    async with FleetWorld() as world:
        await settle()
        assert world.seen == []


async def test_primary_lost__another_is_there__goes_on_with_it_and_misses_nothing() -> None:
    async with FleetWorld() as world:
        await world.mine(2)
        world.peers[0].go_down()
        await world.mine(3)
        assert world.numbers == [2, 3, 4, 5, 6]
        assert world.fleet.active == "primary-2"
        assert world.events(FailedOver) == [FailedOver("primary-1", "primary-2", SwitchReason.DOWN)]
        assert world.losses == 0


async def test_primary_lost__blocks_came_before_the_change__are_fetched_in_order() -> None:
    async with FleetWorld() as world:
        await world.mine(1)
        world.peers[0].lag = 0
        for _ in range(4):  # the first primary announces nothing of these
            world.chain.mine()
            world.peers[1].announce()
        await settle()
        assert world.numbers == [2]
        world.peers[0].go_down()
        await settle()
        assert world.numbers == [2, 3, 4, 5, 6]
        assert world.events(Backfilled) == [Backfilled(3, 5)]


async def test_all_lost__and_back__heads_end_then_go_on_with_what_was_missed() -> None:
    async with FleetWorld(primaries=1) as world:
        await world.mine(1)
        world.peers[0].go_down()
        await settle()
        assert world.losses == 1
        await world.mine(3, announce=False)
        world.peers[0].come_back()
        await world.clock.advance(1_000)
        assert world.numbers == [2, 3, 4, 5]
        assert world.events(Backfilled) == [Backfilled(3, 4)]
        downs = world.events(EndpointDown, EndpointUp)
        assert [type(one) for one in downs] == [EndpointDown, EndpointUp]


@pytest.mark.parametrize(("missed", "first"), [(8, 3), (9, 4)])
async def test_outage__longer_than_the_backfill__leaves_a_gap_that_is_told(missed: int, first: int) -> None:
    async with FleetWorld(primaries=1) as world:
        await world.mine(1)
        world.peers[0].go_down()
        await settle()
        await world.mine(missed + 1, announce=False)
        world.peers[0].come_back()
        await world.clock.advance(1_000)
        newest = 3 + missed
        assert world.numbers == [2, *range(first, newest + 1)]
        gaps = world.events(Gap)
        assert [(gap.first, gap.last) for gap in gaps if isinstance(gap, Gap)] == ([] if missed == 8 else [(3, 3)])


async def test_returning__first_primary_well_for_long_enough__is_used_again() -> None:
    async with FleetWorld() as world:
        world.peers[0].go_down()
        await settle()
        assert world.fleet.active == "primary-2"
        world.peers[0].come_back()
        await world.clock.advance(1_000)
        await world.mine(1)
        await world.clock.advance(PATIENCE.return_ms - 1_500)
        assert world.fleet.active == "primary-2"
        await world.clock.advance(1_500)
        assert world.fleet.active == "primary-1"
        assert world.events(FailedOver)[-1] == FailedOver("primary-2", "primary-1", SwitchReason.RETURNED)
        await world.mine(2)
        assert world.numbers == [2, 3, 4]


async def test_flapping__first_primary_comes_and_goes__changes_once() -> None:
    async with FleetWorld() as world:
        for _ in range(10):
            world.peers[0].go_down()
            await world.clock.advance(3_000)
            await world.mine(1)
            world.peers[0].come_back()
            await world.clock.advance(PATIENCE.return_ms / 2)
            await world.mine(1)
        assert len(world.events(FailedOver)) == 1
        assert world.numbers == list(range(2, 22))


async def test_lag__first_primary_stays_behind__the_other_takes_over_after_the_patience() -> None:
    async with FleetWorld() as world:
        await world.mine(1)
        world.peers[0].lag = 99  # it says nothing any more
        await world.mine(3)
        assert world.numbers == [2]
        await world.clock.advance(PATIENCE.lag_ms - 200)
        assert world.fleet.active == "primary-1"
        await world.clock.advance(400)
        assert world.fleet.active == "primary-2"
        assert world.numbers == [2, 3, 4, 5]
        assert EndpointDown("primary-1", DownReason.LAGGING, "its newest block 2 is 3 behind") in world.log


async def test_lag__fewer_blocks_than_allowed__changes_nothing() -> None:
    async with FleetWorld() as world:
        await world.mine(1)
        world.peers[0].lag = 2
        await world.mine(4)
        await world.clock.advance(60_000)
        assert world.fleet.active == "primary-1"


async def test_lag__only_one_of_two_others_is_ahead__moves_nobody() -> None:
    async with FleetWorld(primaries=2, verifiers=1) as world:
        await world.mine(1)
        world.peers[0].lag, world.peers[2].lag = 99, 99
        await world.mine(5)
        await world.clock.advance(60_000)
        assert world.fleet.active == "primary-1"
        world.peers[2].lag = 0
        await world.mine(1)
        await world.clock.advance(3_000)
        assert world.fleet.active == "primary-2"


async def test_lag__of_a_verify_endpoint__is_told() -> None:
    async with FleetWorld(primaries=1, verifiers=1) as world:
        world.peers[1].lag = 5
        await world.mine(6)
        await world.clock.advance(3_000)
        assert [one.endpoint for one in world.events(EndpointDown) if isinstance(one, EndpointDown)] == ["verify-1"]
        assert world.fleet.active == "primary-1"


async def test_reorg__of_two_blocks__is_told_and_the_new_branch_is_given() -> None:
    async with FleetWorld() as world:
        await world.mine(4)
        old = world.seen[-1]
        world.chain.rewind(2)
        await world.mine(3)
        assert world.numbers == [2, 3, 4, 5, 4, 5, 6]
        told = world.events(Reorg)
        first_new = world.seen[4]
        assert told == [Reorg(2, 3, old.hash, first_new.hash, 5, 4)]
        assert len({block.hash for block in world.seen}) == 7


async def test_reorg__announced_with_its_last_block_only__gives_the_whole_new_branch() -> None:
    async with FleetWorld(primaries=1) as world:
        await world.mine(4)
        world.chain.rewind(2)
        await world.mine(2, announce=False)
        await world.mine(1)
        assert world.numbers == [2, 3, 4, 5, 4, 5, 6]
        assert [one.depth for one in world.events(Reorg) if isinstance(one, Reorg)] == [2]


async def test_reorg__and_back__gives_no_block_twice() -> None:
    async with FleetWorld(primaries=1) as world:
        await world.mine(3)
        trunk = list(world.chain._blocks)
        world.chain.rewind(1)
        await world.mine(1)
        world.chain._blocks[:] = trunk  # the first branch wins after all
        await world.mine(1)
        assert world.numbers == [2, 3, 4, 4, 5]
        assert [one.ancestor for one in world.events(Reorg) if isinstance(one, Reorg)] == [3, 3]


async def test_slow_consumer__heads_pile_up__gets_the_newest_and_hears_of_the_rest() -> None:
    async with FleetWorld() as world:
        await world.mine(1)
        world.gate.clear()
        await world.mine(1)
        await world.mine(5)
        world.gate.set()
        await settle()
        assert world.numbers == [2, 3, 8]
        assert world.events(Skipped) == [Skipped(4, 7)]
        assert world.events(Backfilled, Gap) == []


async def test_sub_second_chain__burst_of_heads__newest_is_given_at_once() -> None:
    async with FleetWorld() as world:
        await world.burst(10)
        assert world.numbers[-1] == 11
        skipped = sum(one.count for one in world.events(Skipped) if isinstance(one, Skipped))
        assert skipped + len(world.seen) == 10


async def test_read__active_fails__the_other_answers_and_takes_over() -> None:
    async with FleetWorld() as world:
        await world.mine(1)
        world.peers[0].fails = Unreachable("no answer within 5 s")
        block = world.seen[-1]
        assert [one.data for one in await world.fleet.read([READ], block)] == [word(7)]
        assert world.fleet.active == "primary-2"
        assert world.events(EndpointDown) == []  # a connection that breaks would be the better reason
        await world.clock.advance(400)
        assert world.events(EndpointDown) == [EndpointDown("primary-1", DownReason.NO_ANSWER, "no answer within 5 s")]


async def test_read__failing_endpoint_answers_again__is_up_after_a_trial() -> None:
    async with FleetWorld() as world:
        await world.mine(1)
        world.peers[0].fails = MalformedAnswer("nonsense")
        await world.fleet.read([READ], world.seen[-1])
        await world.clock.advance(3_000)
        assert world.events(EndpointUp) == []
        world.peers[0].fails = None
        await world.clock.advance(1_500)
        assert [one.endpoint for one in world.events(EndpointUp) if isinstance(one, EndpointUp)] == ["primary-1"]


async def test_read__active_hangs__the_other_answers_without_waiting_for_it() -> None:
    async with FleetWorld() as world:
        await world.mine(1)
        world.peers[0].hangs = True
        for _ in range(3):
            assert [one.data for one in await world.fleet.read([READ], world.seen[-1])] == [word(7)]
        assert world.fleet.active == "primary-2"


async def test_read__nobody_answers__raises_the_error_of_the_one_in_use() -> None:
    async with FleetWorld() as world:
        await world.mine(1)
        world.peers[0].fails = MalformedAnswer("first")
        world.peers[1].fails = MalformedAnswer("second")
        with pytest.raises(MalformedAnswer, match="first"):
            await world.fleet.read([READ], world.seen[-1])


async def test_read__one_primary_that_times_out__keeps_giving_heads() -> None:
    async with FleetWorld(primaries=1) as world:
        await world.mine(1)
        world.peers[0].fails = Unreachable("no answer within 5 s")
        with pytest.raises(Unreachable):
            await world.fleet.read([READ], world.seen[-1])
        await world.mine(2)
        assert world.numbers == [2, 3, 4]
        assert world.losses == 0


async def test_refusal__of_what_needs_no_block__is_final_and_costs_one_request() -> None:
    async with FleetWorld() as world:
        world.peers[0].fails = Refused("execution reverted", code=3)
        before = len(world.peers[1].requests)
        with pytest.raises(Refused):
            await world.fleet.send_raw("0x02")
        assert len(world.peers[1].requests) == before
        assert world.fleet.active == "primary-1"


async def test_refusal__of_a_pinned_block__is_asked_of_the_next() -> None:
    async with FleetWorld() as world:
        await world.mine(3)
        world.peers[0].lag = 1
        assert [one.data for one in await world.fleet.read([READ], world.seen[-1])] == [word(7)]
        assert world.fleet.active == "primary-1"  # once is no failure


async def test_other_chain__first_primary__is_never_used() -> None:
    world = FleetWorld()
    world.peers[0].served_chain = 1
    async with world:
        assert await world.fleet.chain_id() == 31337
        await world.mine(2)
        assert world.numbers == [2, 3]
        assert [one.reason for one in world.events(EndpointDown) if isinstance(one, EndpointDown)] == [
            DownReason.WRONG_CHAIN
        ]


async def test_other_chain__only_primary__is_answered_so_that_the_keeper_can_refuse() -> None:
    world = FleetWorld(primaries=1)
    world.peers[0].served_chain = 1
    async with world:
        assert await world.fleet.chain_id() == 1


async def test_start__first_primary_hangs__the_second_is_used_after_a_moment() -> None:
    world = FleetWorld()
    world.peers[0].hangs = True
    async with world:
        await world.mine(1)
        assert world.numbers == []
        await world.clock.advance(1_500)
        await world.mine(1)
        assert world.numbers == [3] or world.numbers == [2, 3]
        assert world.fleet.active == "primary-2"


async def test_listeners__two__each_gets_every_block_and_events_are_told_once() -> None:
    async with FleetWorld() as world:
        other = world.fleet.heads()
        first = asyncio.ensure_future(anext(other))
        await settle()
        await world.mine(2)
        world.chain.rewind(1)
        await world.mine(1)
        assert (await first).number == 2
        assert len(world.events(Reorg)) == 1
        await other.aclose()


@pytest.mark.parametrize(("timestamp_s", "given"), [(1_800_000_000, True), (1_600_000_000, False)])
async def test_other_chain_below_all_that_is_known__counts_only_when_it_is_younger(
    timestamp_s: int, given: bool
) -> None:
    """A node that began anew is followed after three heads; one that is still catching up is not."""
    world = FleetWorld(primaries=1)
    for _ in range(40):
        world.chain.mine()
    async with world:
        await world.mine(2)
        fresh = MemoryChain(first_timestamp_s=timestamp_s)
        world.chain = world.peers[0].chain = fresh
        await world.mine(MAX_STRAY - 1)
        assert world.numbers == [42, 43]
        await world.mine(2)
        assert (world.seen[-1] == fresh._blocks[-1]) is given
        assert [one.ancestor for one in world.events(Reorg) if isinstance(one, Reorg)] == ([None] if given else [])


async def test_absurd_head__of_a_lying_node__does_not_silence_the_true_ones_for_ever() -> None:
    async with FleetWorld(primaries=1) as world:
        await world.mine(2)
        liar = world.peers[0]
        liar.alter_block = lambda block: replace(block, number=10**30, hash="0x" + "99" * 32, timestamp_s=10**12)
        await world.mine(1)
        liar.alter_block = lambda block: block
        await world.mine(40)
        assert world.seen[-1] == world.chain._blocks[-1]


# -- a node that is silent, and one that invents blocks ----------------------------------------------------------------------------


async def test_silent__primary_hangs_with_its_connection_open__the_next_block_is_given_by_the_other() -> None:
    async with FleetWorld() as world:
        await world.mine(1)
        world.peers[0].hangs = True
        world.peers[0].lag = 99
        await world.mine(1)
        await world.clock.advance(QUIET_MS)
        assert world.numbers == [2]
        await world.clock.advance(PROBE_S * 1000 + 200)
        assert world.numbers == [2, 3]
        await world.clock.advance(400)
        (down,) = world.events(EndpointDown)
        assert isinstance(down, EndpointDown)
        assert (down.endpoint, down.reason) == ("primary-1", DownReason.NO_ANSWER)


async def test_silent__only_the_subscription_is_dead__its_heads_are_asked_for_and_nobody_is_blamed() -> None:
    async with FleetWorld() as world:
        await world.mine(1)
        world.peers[0].announce = lambda: None  # type: ignore[method-assign]
        for number in range(3, 8):
            await world.mine(1)
            await world.clock.advance(QUIET_MS + 300)
            assert world.numbers[-1] == number
        assert world.fleet.active == "primary-1"
        assert world.events(EndpointDown, FailedOver) == []


async def test_silent__all_nodes_because_there_are_no_blocks__are_not_even_asked() -> None:
    async with FleetWorld(primaries=2, verifiers=1) as world:
        await world.mine(1)
        before = [len(peer.requests) for peer in world.peers]
        await world.clock.advance(3_600_000)
        assert [len(peer.requests) for peer in world.peers] == before
        assert world.events(EndpointDown, FailedOver) == []


async def test_invented_block__of_the_primary__is_not_given_and_the_next_one_is_used() -> None:
    async with FleetWorld(primaries=2, verifiers=1) as world:
        await world.mine(1)
        fake = BlockStamp(1_003, "0x" + "99" * 32, "0x" + "98" * 32, 10**12)
        world.peers[0].alter_block = lambda _: fake
        await world.mine(1)
        assert world.numbers == [2]
        await world.clock.advance(PATIENCE_S * 1000)
        assert world.numbers == [2, 3]
        await world.mine(1)
        assert world.numbers == [2, 3, 4]
        assert [type(one) for one in world.events(EndpointDown, FailedOver, Gap, Reorg)] == [EndpointDown, FailedOver]


async def test_invented_block__is_the_first_after_a_loss__the_node_is_used_again_when_it_gives_real_ones() -> None:
    async with FleetWorld(primaries=1, verifiers=1) as world:
        await world.mine(1)
        world.peers[0].go_down()
        await settle()
        fake = BlockStamp(1_003, "0x" + "99" * 32, "0x" + "98" * 32, 10**12)
        world.peers[0].alter_block = lambda _: fake
        world.peers[0].come_back()
        await world.clock.advance(5_000)
        assert world.numbers == [2]
        world.peers[0].alter_block = lambda block: block
        await world.mine(2)
        await world.clock.advance(1_000)
        assert world.numbers == [2, 3, 4]


# -- what the verify endpoints said -------------------------------------------------------------------------------------------------


def silent(world: FleetWorld, silence: Silence) -> Testimony:
    return Testimony(world.seen[-1], (Statement("verify-1", Word.SILENT, silence, "limit exceeded"),))


@pytest.mark.parametrize(
    ("silence", "told"),
    [(Silence.REFUSED, True), (Silence.DEADLINE, True), (Silence.BEHIND, False), (Silence.NOT_NEEDED, False)],
)
async def test_weigh__verify_endpoint_that_cannot_answer_twice__is_a_fault(silence: Silence, told: bool) -> None:
    async with FleetWorld(primaries=1, verifiers=1) as world:
        await world.mine(1)
        world.peers[1].fails = Refused("limit exceeded", code=-32005)
        world.fleet.weigh(silent(world, silence), [READ])
        await world.clock.advance(5_000)
        assert world.events(EndpointDown) == []
        world.fleet.weigh(silent(world, silence), [READ])
        await world.clock.advance(5_000)
        downs = world.events(EndpointDown)
        assert downs == ([EndpointDown("verify-1", DownReason.NO_ANSWER, "limit exceeded")] if told else [])
        world.peers[1].fails = None
        await world.clock.advance(1_500)
        assert len(world.events(EndpointUp)) == told


@pytest.mark.parametrize(("theirs", "blamed"), [(("0x01", "0x01"), True), (("0x01", "0x02"), False)])
async def test_weigh__two_contradict_a_read_in_the_same_way__the_node_that_answered_it_is_left(
    theirs: tuple[str, str], blamed: bool
) -> None:
    async with FleetWorld(primaries=2, verifiers=2) as world:
        await world.mine(1)
        await world.fleet.read([READ], world.seen[-1])
        said = [
            Statement(f"verify-{place}", Word.DISAGREES, differences=(Difference(0, "0x00", one),))
            for place, one in enumerate(theirs, 1)
        ]
        world.fleet.weigh(Testimony(world.seen[-1], tuple(said)), [READ])
        assert (world.fleet.active == "primary-2") is blamed
        downs = [(one.endpoint, one.reason) for one in world.events(EndpointDown) if isinstance(one, EndpointDown)]
        assert downs == ([("primary-1", DownReason.OUTVOTED)] if blamed else [])


async def test_close__twice__ends_heads_and_requests() -> None:
    world = FleetWorld()
    fleet = world.fleet
    waiting = asyncio.ensure_future(anext(fleet.heads()))
    await settle()
    await fleet.close()
    await fleet.close()
    with pytest.raises(Unreachable):
        await waiting
    with pytest.raises(Unreachable):
        await fleet.chain_id()
    assert all(peer.closed for peer in world.peers)


async def test_bug__in_the_background__reaches_the_listener_and_the_next_one_can_go_on() -> None:
    class Broken(Peer):
        broken = True

        async def chain_id(self) -> int:
            if self.broken:
                raise ZeroDivisionError
            return await super().chain_id()

    world = FleetWorld()
    peer = Broken(world.chain)
    fleet = Fleet([Member("primary-1", peer)], chain_id=31337, clock=ManualClock(), report=lambda _: None)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await anext(fleet.heads())
    peer.broken = False
    heads = fleet.heads()
    following = asyncio.ensure_future(anext(heads))
    await settle()
    world.chain.mine()
    peer.announce()
    assert (await following).number == 2
    await heads.aclose()
    await fleet.close()
