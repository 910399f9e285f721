"""The thread of a store: in order, what has begun is finished, what has not is dropped, and an error belongs to whoever waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from keeper.adapters.audit.worker import Worker

pytestmark = pytest.mark.unit

LONG_S = 10.0


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker("test-worker")
    yield made
    made.end()


async def test_run__several_at_once__one_after_the_other_in_one_thread(worker: Worker) -> None:
    done: list[tuple[int, str]] = []

    def work(number: int) -> int:
        done.append((number, threading.current_thread().name))
        return number

    found = await asyncio.gather(*(worker.run(lambda number=number: work(number)) for number in range(5)))  # type: ignore[misc]
    assert found == [0, 1, 2, 3, 4]
    assert done == [(number, "test-worker") for number in range(5)]


async def test_run__work_raises__whoever_waits_gets_it_and_the_next_is_done(worker: Worker) -> None:
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await worker.run(fail)
    assert await worker.run(lambda: 7) == 7


async def test_run__cancelled_before_it_began__is_dropped(worker: Worker) -> None:
    go_on, done = threading.Event(), []
    first = asyncio.ensure_future(worker.run(lambda: go_on.wait(LONG_S)))
    second = asyncio.ensure_future(worker.run(lambda: done.append("second")))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    go_on.set()
    assert await first
    await worker.run(lambda: None)
    assert done == []


async def test_run__cancelled_after_it_began__is_finished_and_the_next_is_done(worker: Worker) -> None:
    begun, go_on, done = threading.Event(), threading.Event(), []

    def work() -> None:
        begun.set()
        go_on.wait(LONG_S)
        done.append("finished")

    waiting = asyncio.ensure_future(worker.run(work))
    await asyncio.to_thread(begun.wait, LONG_S)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    go_on.set()
    assert await worker.run(lambda: len(done)) == 1


def test_run__loop_closed_while_it_works__thread_goes_on_for_the_next_loop(worker: Worker) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait(LONG_S)

    async def leave() -> None:
        waiting = asyncio.ensure_future(worker.run(work))
        await asyncio.to_thread(begun.wait, LONG_S)
        waiting.cancel()

    asyncio.run(leave())
    go_on.set()

    async def come_back() -> int:
        return await worker.run(lambda: 7)

    assert asyncio.run(come_back()) == 7


async def test_end__work_still_waits__is_done_first_and_then_the_thread_ends() -> None:
    worker = Worker("test-ending")
    waiting = asyncio.ensure_future(worker.run(lambda: 7))
    await asyncio.sleep(0)
    worker.end()
    worker.end()
    assert await waiting == 7
    for thread in threading.enumerate():
        if thread.name == "test-ending":
            thread.join(LONG_S)
            assert not thread.is_alive()
