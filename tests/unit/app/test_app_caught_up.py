"""A service hands over only after it has evaluated what it found waiting."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from keeper.app.caught_up import CaughtUp
from tests.support.engine_world import stamp

pytestmark = pytest.mark.unit


def tick(number: int) -> Any:
    return SimpleNamespace(block=stamp(number))


async def done(caught_up: CaughtUp) -> bool:
    waiting = asyncio.create_task(caught_up.wait())
    for _ in range(5):
        await asyncio.sleep(0)
    reached = waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    return reached


async def test_caught_up__blocks_wait_from_the_reload__only_once_the_newest_of_them_is_evaluated() -> None:
    caught_up = CaughtUp(stamp(5))
    assert not await done(caught_up), "not even connected"
    caught_up.ready(stamp(8), None)
    caught_up.ticked(tick(6))
    caught_up.ticked(tick(7))
    assert not await done(caught_up)
    caught_up.ticked(tick(8))
    assert await done(caught_up)


async def test_caught_up__no_block_came_meanwhile__at_once() -> None:
    caught_up = CaughtUp(stamp(5))
    caught_up.ready(stamp(5), None)
    assert await done(caught_up)


async def test_caught_up__first_start__after_its_first_block() -> None:
    caught_up = CaughtUp(None)
    caught_up.ready(stamp(5), None)
    assert not await done(caught_up)
    caught_up.ticked(tick(5))
    assert await done(caught_up)


async def test_caught_up__node_that_does_not_answer__not_for_ever() -> None:
    await asyncio.wait_for(CaughtUp(None).wait(0.01), 10)
