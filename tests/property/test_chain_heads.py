"""Whatever the nodes do: what the keeper gets is one chain, each block once, and what is missing was told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keeper.adapters.chain.fleet import FleetPolicy
from keeper.adapters.chain.selection import Patience
from keeper.domain.block import BlockStamp
from keeper.domain.chain_events import ChainEvent, FailedOver, Gap, Reorg, Skipped
from tests.support.fleet_world import FleetWorld
from tests.support.manual_clock import settle

pytestmark = pytest.mark.property

PEERS = 3
RETURN_MS = 1_500
POLICY = FleetPolicy(backfill=8, patience=Patience(lag_blocks=3, lag_ms=500, return_ms=RETURN_MS), slow_ms=10)

peer = st.integers(0, PEERS - 1)
step = st.one_of(
    st.tuples(st.just("mine"), st.integers(1, 3)),
    st.tuples(st.just("silent"), st.integers(1, 12)),  # mined, announced by nobody
    st.tuples(st.just("burst"), st.integers(2, 6)),
    st.tuples(st.just("rewind"), st.integers(1, 5)),  # as evm_revert does: the chain is shorter for a while
    st.tuples(st.just("replace"), st.integers(1, 5)),
    st.tuples(st.just("down"), peer),
    st.tuples(st.just("up"), peer),
    st.tuples(st.just("lag"), peer, st.integers(0, 6)),
    st.tuples(st.just("wait"), st.sampled_from([50, 500, 3_000])),
    st.tuples(st.just("stop")),  # the listener is busy
    st.tuples(st.just("go")),
)


async def play(schedule: Sequence[tuple[str, ...]], *, restless: bool) -> FleetWorld:
    """Runs the schedule, then heals everything and lets the chain go on."""
    world = FleetWorld(primaries=2, verifiers=1, policy=POLICY)
    for _ in range(12):
        world.chain.mine()
    highest = 12
    async with world:
        for what, *arguments in schedule:
            await _do(world, what, [int(one) for one in arguments])
            highest = max(highest, world.chain._blocks[-1].number)
            if restless:
                await world.clock.advance(20)
        world.gate.set()
        for one in world.peers:
            one.come_back()
            one.lag = 0
        await world.clock.advance(2 * RETURN_MS + 6_000)  # the longest pause before a new attempt is 5 s
        while world.chain._blocks[-1].number <= highest + 3:
            await world.mine(1)
        await world.clock.advance(
            RETURN_MS + 2_000
        )  # who was taken for lagging has caught up, and was well for long enough
        await world.mine(1)
    return world


async def _do(world: FleetWorld, what: str, arguments: list[int]) -> None:
    first, second = [*arguments, 0, 0][:2]
    deeds: dict[str, Callable[[], Awaitable[None] | None]] = {
        "mine": lambda: world.mine(first),
        "silent": lambda: world.mine(first, announce=False),
        "burst": lambda: world.burst(first),
        "rewind": lambda: _replace(world, first, 1),
        "replace": lambda: _replace(world, first, first + 1),
        "down": lambda: world.peers[first].go_down(),
        "up": lambda: world.peers[first].come_back(),
        "lag": lambda: setattr(world.peers[first], "lag", second),
        "wait": lambda: world.clock.advance(first),
        "stop": lambda: world.gate.clear(),
        "go": lambda: world.gate.set(),
    }
    done = deeds[what]()
    if done is not None:
        await done
    await settle()


async def _replace(world: FleetWorld, depth: int, blocks: int) -> None:
    """So many blocks are gone, so many others come, the last of them announced."""
    world.chain.rewind(depth)
    await world.mine(blocks - 1, announce=False)
    await world.mine(1)


def check(log: Sequence[ChainEvent | BlockStamp]) -> None:
    """Each block once; its parent was given or told to be missing; numbers go back only after a told reorganisation."""
    known: set[str] = set()
    missing: set[int] = set()
    last: BlockStamp | None = None
    first = next((entry.number for entry in log if isinstance(entry, BlockStamp)), 0)
    reorgs: list[Reorg] = []
    for entry in log:
        if isinstance(entry, Gap | Skipped):
            missing |= set(range(entry.first, entry.last + 1))
        elif isinstance(entry, Reorg):
            reorgs.append(entry)
        elif isinstance(entry, BlockStamp):
            assert entry.hash not in known, "given twice"
            if last is not None:
                linked = entry.parent_hash in known or entry.number - 1 in missing or entry.number <= first
                assert linked or any(one.ancestor is None for one in reorgs), f"block {entry.number} hangs in the air"
                assert entry.number > last.number or reorgs, "numbers go back and nothing was told"
                between = set(range(last.number + 1, entry.number))
                assert between <= missing or reorgs, (
                    f"numbers {sorted(between - missing)} are missing and nothing was told"
                )
            known.add(entry.hash)
            last, reorgs = entry, []


schedules = st.lists(step, max_size=25)
shared = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@shared
@given(schedule=schedules, restless=st.booleans())
def test_chn_1__any_schedule_of_failures_lag_and_reorgs__gives_one_chain(
    schedule: list[tuple[str, ...]], restless: bool
) -> None:
    check(asyncio.run(play(schedule, restless=restless)).log)


@shared
@given(schedule=schedules, restless=st.booleans())
def test_chn_2__after_all_is_well_again__the_newest_block_is_given_and_the_first_primary_used(
    schedule: list[tuple[str, ...]], restless: bool
) -> None:
    world = asyncio.run(play(schedule, restless=restless))
    assert world.seen[-1] == world.chain._blocks[-1]
    assert world.fleet.active == "primary-1"


@shared
@given(schedule=schedules, restless=st.booleans())
def test_chn_3__every_block_of_the_final_chain__was_given_or_told_to_be_missing(
    schedule: list[tuple[str, ...]], restless: bool
) -> None:
    world = asyncio.run(play(schedule, restless=restless))
    told = {number for one in world.events(Gap, Skipped) for number in _numbers(one)}
    got = {block.hash for block in world.seen}
    first = world.seen[0].number
    silent = [one.number for one in world.chain._blocks if one.number >= first and one.hash not in got]
    assert set(silent) <= told


@shared
@given(st.lists(st.tuples(st.sampled_from(["down", "up"]), st.integers(0, 1)), max_size=40))
def test_chn_4__however_often_nodes_come_and_go__the_preferred_one_is_returned_to_at_most_once_per_wait(
    flaps: list[tuple[str, int]],
) -> None:
    async def run() -> FleetWorld:
        async with FleetWorld(primaries=2, policy=POLICY) as world:
            for what, index in flaps:
                await _do(world, what, [index])
                await world.clock.advance(400)
            return world

    world = asyncio.run(run())
    returned = [
        one
        for one in world.events(FailedOver)
        if isinstance(one, FailedOver) and one.reason == "better-one-is-well-again"
    ]
    assert len(returned) <= len(flaps) * 400 // RETURN_MS


def _numbers(event: object) -> range:
    assert isinstance(event, Gap | Skipped)
    return range(event.first, event.last + 1)
