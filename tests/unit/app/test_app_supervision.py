"""A part that dies starts again; each trouble is told once, and a second one after it had worked is told again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from keeper.app.faults import Faults
from keeper.app.supervision import STEADY_S, Supervision
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Notice
from tests.support.manual_clock import ManualClock, settle

pytestmark = pytest.mark.unit


class Scene:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.notices: list[Notice] = []
        self.faults = Faults(self.clock, lambda _: None, self.notices.append)
        self.starts = 0
        self.dies = asyncio.Event()

    async def part(self) -> None:
        self.starts += 1
        await self.dies.wait()
        self.dies.clear()
        raise RuntimeError("a bug")

    async def die(self) -> None:
        self.dies.set()
        await settle()
        await self.clock.advance(5_000)  # the longest pause before it starts again

    @property
    def told(self) -> list[str]:
        return [notice.title for notice in self.notices]


@asynccontextmanager
async def kept(scene: Scene, run: Callable[[], Awaitable[None]] | None = None) -> AsyncIterator[None]:
    task = asyncio.create_task(Supervision(scene.clock, scene.faults).keep("agreement", run or scene.part))
    await settle()
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await settle()
    assert asyncio.all_tasks() == {asyncio.current_task()}, "nothing is left running"


async def test_part_dies__again_and_again__is_told_once_and_starts_each_time() -> None:
    scene = Scene()
    async with kept(scene):
        for _ in range(20):
            await scene.die()
    assert scene.starts == 21
    assert scene.told == ["agreement is down"]
    assert scene.notices[0].severity is Severity.CRITICAL


async def test_part_dies__and_runs_on__is_up_after_a_while_and_the_next_death_is_news() -> None:
    scene = Scene()
    async with kept(scene):
        await scene.die()
        await scene.clock.advance(STEADY_S * 1000 - 5_001)
        assert scene.told == ["agreement is down"]
        await scene.clock.advance(5_001)
        assert scene.told == ["agreement is down", "agreement is up"]
        await scene.die()
    assert scene.told == ["agreement is down", "agreement is up", "agreement is down"]


async def test_part_runs__its_own_fault_of_another_reason__is_left_to_it() -> None:
    scene = Scene()
    async with kept(scene):
        scene.faults.down("agreement", "unreachable", "no node answers")
        await scene.clock.advance(2 * STEADY_S * 1000)
    assert [fault.reason for fault in scene.faults.current] == ["unreachable"]


async def test_part_ends_by_itself__starts_again_and_is_no_fault() -> None:
    scene = Scene()
    starts = 0

    async def short() -> None:
        nonlocal starts
        starts += 1

    async with kept(scene, short):
        for _ in range(3):
            await scene.clock.advance(5_000)
    assert starts > 3
    assert scene.told == []
