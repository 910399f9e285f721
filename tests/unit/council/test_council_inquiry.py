"""A slow service: nobody waits long for it, and what it says is used when it is there."""

from __future__ import annotations

import asyncio
import gc

import pytest

from keeper.app.council.inquiry import STALE_MS, Inquiry, within
from keeper.domain.errors import Busy, Unreachable
from keeper.ports.council import QueuePage, Skipped
from tests.support.manual_clock import ManualClock

pytestmark = pytest.mark.unit


class Slow:
    """Answers when it is let."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.inquiry = Inquiry(self.ask, self.clock)
        self.asked: list[int] = []
        self.go = asyncio.Event()
        self.fault: Unreachable | None = None

    async def ask(self, since_nonce: int) -> QueuePage:
        self.asked.append(since_nonce)
        number = len(self.asked)
        await self.go.wait()
        if self.fault is not None:
            raise self.fault
        return QueuePage((), (Skipped(str(number), ""),))


async def test_queue__slow__unreachable_at_once_the_second_time_and_its_answer_when_it_is_there() -> None:
    slow = Slow()
    with pytest.raises(Unreachable, match=r"within 0\.01 s"):
        await slow.inquiry.queue(7, 0.01)
    await slow.clock.advance(10)
    with pytest.raises(Unreachable):
        await asyncio.wait_for(slow.inquiry.queue(7, 0.01), 60)
    assert slow.asked == [7], "one question at a time"
    slow.go.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (await slow.inquiry.queue(7, 0.01)).skipped[0].place == "1"
    assert (await slow.inquiry.queue(7, 0.01)).skipped[0].place == "2", "each answer is used once"


@pytest.mark.parametrize(("age_ms", "place"), [(STALE_MS, "1"), (STALE_MS + 1, "2")])
async def test_queue__an_answer_that_nobody_came_for__is_used_while_it_is_news(age_ms: int, place: str) -> None:
    slow = Slow()
    with pytest.raises(Unreachable):
        await slow.inquiry.queue(7, 0.0)
    slow.go.set()
    await slow.clock.advance(age_ms)
    assert (await slow.inquiry.queue(7, 60.0)).skipped[0].place == place


async def test_queue__a_lower_nonce__is_another_question() -> None:
    slow = Slow()
    slow.go.set()
    await asyncio.gather(slow.inquiry.queue(7, 1.0), slow.inquiry.queue(6, 1.0))
    assert slow.asked == [7, 6]


async def test_queue__a_late_error_that_nobody_comes_for__is_no_bug() -> None:
    slow = Slow()
    slow.fault = Unreachable("it is down")
    with pytest.raises(Unreachable, match="within"):
        await slow.inquiry.queue(7, 0.0)
    slow.go.set()
    await slow.clock.advance(STALE_MS + 1)
    with pytest.raises(Unreachable, match="it is down"):
        await slow.inquiry.queue(8, 1.0)
    gc.collect()


async def test_within__too_long__is_unreachable() -> None:
    with pytest.raises(Busy, match="within 0 s"):
        await within(asyncio.Event().wait(), 0)
    assert await within(asyncio.sleep(0, "done"), 60) == "done"
