"""Nodes that are killed, frozen and cut off while heads come: the heads go on, and no block is lost or given twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from keeper.domain.chain_events import Backfilled, FailedOver, Gap, Skipped, SwitchReason
from tests.support.chain_stage import READ, word
from tests.support.twin_nodes import Twins, fleet_over, twin_nodes

pytestmark = pytest.mark.chaos


@pytest_asyncio.fixture
async def twins() -> AsyncIterator[Twins]:
    async with twin_nodes(3) as started:
        yield started


@pytest.mark.parametrize("http", [False, True])
async def test_kill__the_primary_mid_run__heads_and_reads_go_on_with_the_next(twins: Twins, http: bool) -> None:
    first, second, _ = twins.nodes
    urls = [node.http_url if http else node.ws_url for node in (first, second)]
    async with fleet_over(urls) as consumer:
        for number in (2, 3):
            await twins.mine(number)
            await consumer.until(number)
        first.kill()
        for number in (4, 5):
            await twins.mine(number)
        await consumer.until(5)
        block = consumer.seen[-1]
        assert [one.data for one in await consumer.fleet.read([READ], block)] == [word(5)]
    skipped = {number for one in consumer.log if isinstance(one, Skipped) for number in _numbers(one)}
    assert sorted({*consumer.numbers, *skipped}) == [2, 3, 4, 5]
    assert len(set(consumer.numbers)) == len(consumer.numbers)
    assert [(one.to, one.reason) for one in consumer.log if isinstance(one, FailedOver)] == [
        ("primary-2", SwitchReason.DOWN)
    ]
    assert consumer.losses == 0


async def test_kill__blocks_came_while_it_died__are_evaluated_in_order(twins: Twins) -> None:
    first, second, _ = twins.nodes
    async with fleet_over([first.ws_url, second.ws_url], lag_ms=60_000) as consumer:
        await twins.mine()
        await consumer.until(2)
        twins.freeze(0)  # it holds its tongue, and dies only later
        for _ in range(4):
            await twins.mine()
        assert consumer.numbers == [2]
        first.kill()
        await consumer.until(6)
    assert consumer.numbers == [2, 3, 4, 5, 6]
    assert [one for one in consumer.log if isinstance(one, Backfilled)] == [Backfilled(3, 5)]


async def test_freeze__the_primary__is_noticed_by_its_lag(twins: Twins) -> None:
    first, second, third = twins.nodes
    async with fleet_over([first.ws_url, second.ws_url], [third.ws_url]) as consumer:
        await twins.mine()
        await consumer.until(2)
        twins.freeze(0)
        for _ in range(4):
            await twins.mine()
        await consumer.until(6)
        twins.thaw(0)
    assert consumer.numbers == [2, 3, 4, 5, 6]
    assert [one.reason for one in consumer.log if isinstance(one, FailedOver)] == [SwitchReason.LAGGING]


async def test_kill__the_only_primary_and_it_comes_back__goes_on_with_what_was_missed(twins: Twins) -> None:
    node = twins.nodes[0]
    async with fleet_over([node.ws_url]) as consumer:
        await twins.mine()
        await consumer.until(2)
        node.kill()
        await consumer.until_lost()
        for _ in range(10):
            await twins.mine()
        await twins.catch_up(node)
        await consumer.until(twins.newest)
    told = {number for one in consumer.log if isinstance(one, Gap | Skipped) for number in _numbers(one)}
    assert sorted({*consumer.numbers, *told}) == list(range(2, twins.newest + 1))
    assert len(set(consumer.numbers)) == len(consumer.numbers)
    assert len(consumer.numbers) > 1


@pytest.mark.parametrize("seed", [20230311, 20261121])
async def test_random__freezes_of_two_primaries__lose_no_block(twins: Twins, seed: int) -> None:
    """At most one of the two is frozen at a time; the third node is the measure."""
    dice = random.Random(seed)
    first, second, third = twins.nodes
    async with fleet_over([first.ws_url, second.ws_url], [third.ws_url], lag_ms=100, return_ms=300) as consumer:
        await twins.mine()
        await consumer.until(2)
        for _ in range(6):
            frozen = dice.choice([0, 1, None])
            if frozen is not None:
                twins.freeze(frozen)
            for _ in range(dice.randint(1, 5)):
                await twins.mine()
            await asyncio.sleep(dice.choice([0.0, 0.2]))
            if frozen is not None:
                twins.thaw(frozen)
                await twins.catch_up(twins.nodes[frozen])
        await twins.mine()
        await consumer.until(twins.newest)
    told = {number for one in consumer.log if isinstance(one, Gap | Skipped) for number in _numbers(one)}
    assert sorted({*consumer.numbers, *told}) == list(range(2, twins.newest + 1)), f"seed {seed}"
    assert len(set(consumer.numbers)) == len(consumer.numbers), f"seed {seed}"


def _numbers(missing: Gap | Skipped) -> range:
    return range(missing.first, missing.last + 1)
