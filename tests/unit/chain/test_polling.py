"""New heads by polling: each once, those between two answers too, and an end when the node fails."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from keeper.adapters.chain.batches import BatchRefused, Request
from keeper.adapters.chain.cadence import FIRST_INTERVAL_S, MAX_INTERVAL_S, MIN_INTERVAL_S, Cadence
from keeper.adapters.chain.polling import MAX_FILLED, Poller
from keeper.domain.block import BlockStamp
from keeper.domain.errors import MalformedAnswer, OutsideError, Refused, Unreachable
from tests.support.manual_clock import settle

pytestmark = pytest.mark.unit


def header(number: int, branch: int = 0xA) -> dict[str, Any]:
    return {
        "number": hex(number),
        "hash": f"0x{branch:x}" + f"{number:063x}",
        "parentHash": f"0x{branch:x}" + f"{number - 1:063x}",
        "timestamp": hex(1_700_000_000 + 12 * number),
    }


class Node:
    """A chain of headers; ``fails`` is what the next requests raise, in order."""

    def __init__(self, newest: int) -> None:
        self.chain = {number: header(number) for number in range(newest + 1)}
        self.newest = newest
        self.fails: list[OutsideError] = []
        self.batches = True
        self.asked: list[object] = []

    async def ask(self, _: str, params: str) -> dict[str, Any]:
        self.asked.append(params)
        if self.fails:
            raise self.fails.pop(0)
        place = params.split('"')[1]
        number = self.newest if place == "latest" else int(place, 16)
        return {"result": self.chain.get(number)}

    async def batch(self, requests: Sequence[Request]) -> list[dict[str, Any]]:
        if not self.batches:
            raise BatchRefused("no")
        self.asked.append(len(requests))
        return [await self.ask(*request) for request in requests]

    def grow(self, count: int) -> None:
        for _ in range(count):
            self.newest += 1
            self.chain[self.newest] = header(self.newest)


class Run:
    """A poller over a node; the pauses are taken away and counted."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.queue: asyncio.Queue[object] = asyncio.Queue()
        self.turn: asyncio.Queue[None] = asyncio.Queue()
        self.pauses: list[float] = []
        self.poller = Poller(node.ask, node.batch, self.queue, sleep=self.pause)
        self.poller.begin(header(node.newest))
        self.task = asyncio.create_task(self.poller.run())

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await self.turn.get()

    async def look(self) -> list[object]:
        """One question to the node; what was put into the queue."""
        self.turn.put_nowait(None)
        await settle()
        found = []
        while not self.queue.empty():
            found.append(self.queue.get_nowait())
        return found

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def numbers(found: list[object]) -> list[int]:
    return [int(one["number"], 16) for one in found if isinstance(one, dict)]


async def test_poll__nothing_new__says_nothing() -> None:
    run = Run(Node(5))
    assert await run.look() == []
    await run.end()


async def test_poll__one_more__is_announced_once() -> None:
    run = Run(Node(5))
    run.node.grow(1)
    assert numbers(await run.look()) == [6]
    assert await run.look() == []
    await run.end()


@pytest.mark.parametrize("batches", [True, False])
async def test_poll__several_more__are_all_announced_in_order(batches: bool) -> None:
    run = Run(Node(5))
    run.node.batches = batches
    run.node.grow(4)
    assert numbers(await run.look()) == [6, 7, 8, 9]
    await run.end()


@pytest.mark.parametrize(("missed", "filled"), [(MAX_FILLED, True), (MAX_FILLED + 1, False)])
async def test_poll__too_many_more__announces_only_the_newest(missed: int, filled: bool) -> None:
    run = Run(Node(5))
    run.node.grow(missed + 1)
    assert len(numbers(await run.look())) == (missed + 1 if filled else 1)
    await run.end()


async def test_poll__node_of_a_cluster_that_is_behind__says_nothing() -> None:
    run = Run(Node(5))
    run.node.grow(2)
    assert numbers(await run.look()) == [6, 7]
    run.node.newest = 6
    assert await run.look() == []
    run.node.newest = 7
    run.node.grow(1)
    assert numbers(await run.look()) == [8]
    await run.end()


async def test_poll__other_block_at_the_same_height__is_announced() -> None:
    run = Run(Node(5))
    run.node.chain[5] = header(5, 0xB)
    assert await run.look() == [header(5, 0xB)]
    await run.end()


@pytest.mark.parametrize("error", [Unreachable("gone"), MalformedAnswer("?")])
async def test_poll__node_that_fails__ends_with_its_error(error: OutsideError) -> None:
    run = Run(Node(5))
    run.node.fails = [error]
    assert await run.look() == [error]
    assert run.task.done()


async def test_poll__refusals__are_waited_out_and_the_third_in_a_row_is_the_end() -> None:
    run = Run(Node(5))
    busy: list[OutsideError] = [Refused("busy", code=429) for _ in range(5)]
    run.node.fails = busy[:2]
    assert await run.look() == []
    assert await run.look() == []
    run.node.grow(1)
    assert numbers(await run.look()) == [6]
    assert run.pauses[:4] == [FIRST_INTERVAL_S, 2 * FIRST_INTERVAL_S, 3 * FIRST_INTERVAL_S, 1.5]
    run.node.fails = busy[2:]
    assert await run.look() == []
    assert await run.look() == []
    assert await run.look() == [busy[4]]
    assert run.task.done()


async def test_poll__header_that_is_none__ends_with_malformed() -> None:
    run = Run(Node(5))
    run.node.newest = 99
    (error,) = await run.look()
    assert isinstance(error, MalformedAnswer)


def cadence(*seen: tuple[int, int]) -> float:
    made = Cadence()
    for number, timestamp_s in seen:
        made.saw(BlockStamp(number, "0x", "0x", timestamp_s))
    return made.interval_s


@pytest.mark.parametrize(
    ("seen", "interval_s"),
    [
        ([], FIRST_INTERVAL_S),
        ([(1, 100)], FIRST_INTERVAL_S),
        ([(1, 100), (2, 112)], 1.5),
        ([(1, 100), (2, 102)], 0.25),
        ([(1, 100), (2, 100)], MIN_INTERVAL_S),
        ([(1, 100), (5, 101)], MIN_INTERVAL_S),
        ([(1, 100), (2, 116)], MAX_INTERVAL_S),
        ([(1, 100), (2, 10**30)], MAX_INTERVAL_S),
        ([(1, 10**30), (2, 0)], MIN_INTERVAL_S),
        ([(1, 100), (2, 112), (2, 113)], FIRST_INTERVAL_S),
        ([(number, 100 + number // 4) for number in range(40)], MIN_INTERVAL_S),
    ],
)
def test_cadence__blocks_seen__an_eighth_of_the_block_time_within_bounds(
    seen: list[tuple[int, int]], interval_s: float
) -> None:
    assert cadence(*seen) == interval_s
