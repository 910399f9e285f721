"""A node that is connected and makes no blocks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from keeper.app.faults import Faults
from keeper.app.pulse import Pulse
from keeper.domain.block import BlockStamp
from keeper.domain.record import Draft
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Notice
from tests.support.manual_clock import ManualClock

pytestmark = pytest.mark.unit

HEADS_AT_S = 1_700_000_000


def block(number: int, at_s: int) -> BlockStamp:
    return BlockStamp(number, f"0x{number:064x}", f"0x{number - 1:064x}", HEADS_AT_S + at_s)


class Scene:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.drafts: list[Draft] = []
        self.notices: list[Notice] = []
        self.faults = Faults(self.clock, self.drafts.append, self.notices.append)
        self.elsewhere = -1
        self.pulse = Pulse(self.clock, self.faults, lambda: self.elsewhere, ahead=3)

    @property
    def reasons(self) -> list[str]:
        return [fault.reason for fault in self.faults.current]

    async def blocks(self, count: int, every_s: int, first: int = 1) -> None:
        """So many blocks, each heard of at its time."""
        for number in range(first, first + count):
            self.pulse.beat(block(number, number * every_s))
            await self.clock.advance(every_s * 1000)


@pytest_asyncio.fixture
async def scene() -> AsyncIterator[Scene]:
    made = Scene()
    task = asyncio.create_task(made.pulse.watch())
    await asyncio.sleep(0)
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_pulse__no_block_at_all__is_a_critical_fault_at_the_floor_and_not_before(scene: Scene) -> None:
    await scene.clock.advance(29_900)
    assert scene.reasons == []
    await scene.clock.advance(1_000)
    assert scene.reasons == ["stalled"]
    assert scene.notices[0].severity is Severity.CRITICAL
    assert "no new block for 30 s" in scene.notices[0].body


async def test_pulse__stalled__is_told_once_and_ends_with_the_next_block(scene: Scene) -> None:
    scene.pulse.beat(block(7, 0))
    await scene.clock.advance(300_000)
    assert [draft.body["state"] for draft in scene.drafts] == ["down"]
    assert "the newest is 7" in str(scene.drafts[0].body["message"])
    scene.pulse.beat(block(8, 300))
    assert scene.reasons == []
    assert [draft.body["state"] for draft in scene.drafts] == ["down", "up"]


@pytest.mark.parametrize(("every_s", "limit_s"), [(1, 30), (6, 30), (7, 35), (12, 60)])
async def test_pulse__limit__is_five_block_times_and_at_least_the_floor(
    scene: Scene, every_s: int, limit_s: int
) -> None:
    await scene.blocks(5, every_s)
    assert scene.pulse.limit_s == limit_s
    await scene.clock.advance((limit_s - every_s) * 1000 - 500)
    assert scene.reasons == []
    await scene.clock.advance(1_000)
    assert scene.reasons == ["stalled"]


async def test_pulse__blocks_come_in_time__nothing_is_told(scene: Scene) -> None:
    await scene.blocks(40, 12)
    assert scene.drafts == []


async def test_pulse__one_long_pause_and_blocks_in_a_burst__the_block_time_stays(scene: Scene) -> None:
    """Missed blocks that are given out late, all at once, have their own times."""
    await scene.blocks(10, 12)
    for number in range(11, 16):
        scene.pulse.beat(block(number, number * 12))
    scene.pulse.beat(block(16, 10_000))
    assert scene.pulse.limit_s == 60


async def test_pulse__a_block_of_the_same_or_a_lower_number__says_nothing_about_the_block_time(scene: Scene) -> None:
    await scene.blocks(3, 12)
    scene.pulse.beat(block(3, 10_000))
    scene.pulse.beat(block(2, 90_000))
    assert scene.pulse.limit_s == 60


async def test_pulse__heads_are_down_for_another_reason__keeps_that_one(scene: Scene) -> None:
    scene.faults.down("heads", "unreachable", "no answer")
    await scene.clock.advance(120_000)
    assert scene.reasons == ["unreachable"]
    scene.faults.up("heads")
    await scene.clock.advance(1_000)
    assert scene.reasons == ["stalled"], "connected again, and still no block"


async def test_pulse__another_part_is_down__stalled_is_told_all_the_same(scene: Scene) -> None:
    scene.faults.down("audit", "unavailable", "no answer")
    await scene.clock.advance(31_000)
    assert scene.reasons == ["unavailable", "stalled"]


async def test_pulse__others_are_ahead__is_a_critical_fault_within_seconds(scene: Scene) -> None:
    await scene.blocks(5, every_s=2)
    scene.elsewhere = 5 + 3
    await scene.clock.advance(2_000)
    assert scene.reasons == []
    await scene.clock.advance(2_000)
    assert scene.reasons == ["stalled"]
    assert "another endpoint has block 8" in scene.faults.current[0].message
    scene.pulse.beat(block(9, 18))
    assert scene.reasons == []


async def test_pulse__others_are_ahead_by_less__has_the_usual_patience(scene: Scene) -> None:
    await scene.blocks(5, every_s=2)
    scene.elsewhere = 5 + 2
    await scene.clock.advance(25_000)
    assert scene.reasons == []
