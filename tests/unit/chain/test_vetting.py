"""Heads that follow from nothing that is known: who vouches for them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from keeper.adapters.chain.vetting import MAX_JUMP, MAX_PER_S, PATIENCE_S, Vetting, within
from keeper.domain.block import BlockStamp
from keeper.domain.errors import Unreachable
from tests.support.manual_clock import ManualClock, settle

pytestmark = pytest.mark.unit


def block(number: int, branch: str = "a") -> BlockStamp:
    return BlockStamp(number, f"0x{branch}{number}", f"0x{branch}{number - 1}", number * 12)


@dataclass
class Has:
    """A node that has these blocks; ``down``: it answers nothing."""

    found: dict[str, BlockStamp] = field(default_factory=dict)
    down: bool = False

    @property
    def node(self) -> Has:
        return self

    def give(self, *blocks: BlockStamp) -> None:
        self.found |= {one.hash: one for one in blocks}

    async def block_of(self, block_hash: str) -> BlockStamp | None:
        await asyncio.sleep(0)
        if self.down:
            raise Unreachable("down")
        return self.found.get(block_hash)

    async def blocks(self, first: int, last: int) -> Sequence[BlockStamp]:
        raise AssertionError


@dataclass
class Scene:
    """Three nodes; block 100 is known to all."""

    nodes: list[Has] = field(default_factory=lambda: [Has(), Has(), Has()])
    clock: ManualClock = field(default_factory=ManualClock)

    def __post_init__(self) -> None:
        self.vetting = Vetting(self.nodes, self.clock)
        self.vetting.believed(block(100))

    async def doubt(self, head: BlockStamp, others: Sequence[int] = (1, 2)) -> str:
        task = asyncio.create_task(self.vetting.doubt(0, head, others))
        await settle()
        await self.clock.advance(PATIENCE_S * 1000)
        return await task


def test_believable__child_of_the_last_head__is() -> None:
    assert Scene().vetting.believable(block(101), block(100))


@pytest.mark.parametrize("head", [block(102), block(101, "f"), block(1_000)])
def test_believable__out_of_nowhere__is_not(head: BlockStamp) -> None:
    assert not Scene().vetting.believable(head, block(100))


def test_believable__announced_by_another_node_before__is() -> None:
    scene = Scene()
    scene.vetting.believed(block(105))
    assert scene.vetting.believable(block(105), block(100))


def test_believable__no_other_node_or_nothing_known__is_whatever_it_says() -> None:
    alone = Vetting([Has()], ManualClock())
    alone.believed(block(1))
    assert alone.believable(block(1_000), block(1))
    assert Vetting([Has(), Has()], ManualClock()).believable(block(1_000), None)


async def test_doubt__the_node_shows_the_blocks_before__is_believed_without_the_others() -> None:
    scene = Scene()
    scene.nodes[0].give(*(block(number) for number in (101, 102, 103)))
    assert await scene.doubt(block(103)) == ""


async def test_doubt__nobody_has_it__is_not_believed_and_the_words_name_the_block() -> None:
    assert await Scene().doubt(block(103, "f")) == "it announces block 103 (0xf103), which no other endpoint knows"


async def test_doubt__the_node_has_the_head_and_not_the_one_before__is_not_believed() -> None:
    scene = Scene()
    scene.nodes[0].give(block(103, "f"))
    assert await scene.doubt(block(103, "f"))


async def test_doubt__the_node_denies_its_own_head__is_not_believed() -> None:
    assert await Scene().doubt(BlockStamp(101, "0xf101", "0xa100", 1212))


async def test_doubt__one_other_node_has_it__is_believed() -> None:
    scene = Scene()
    scene.nodes[2].give(block(1_000))
    assert await scene.doubt(block(1_000)) == ""


@pytest.mark.parametrize(("jump", "believed"), [(MAX_JUMP, True), (MAX_JUMP + 1, False)])
async def test_doubt__absurd_jump__needs_another_node_however_well_it_is_shown(jump: int, believed: bool) -> None:
    scene = Scene()
    scene.nodes[0].give(*(block(number, "f") for number in range(50, 150)))
    assert (await scene.doubt(block(100 + jump, "f")) == "") is believed


async def test_doubt__the_same_jump_after_some_time__is_not_absurd() -> None:
    scene = Scene()
    await scene.clock.advance(1_000)
    scene.nodes[0].give(*(block(number, "f") for number in range(50, 150)))
    assert await scene.doubt(block(100 + MAX_JUMP + MAX_PER_S, "f")) == ""


async def test_doubt__others_do_not_answer__nobody_denies_it() -> None:
    scene = Scene()
    scene.nodes[1].down = scene.nodes[2].down = True
    assert await scene.doubt(block(1_000)) == ""
    assert await scene.doubt(block(1_000), others=()) == ""


@pytest.mark.parametrize(("ms", "ended"), [(999, True), (1_001, False)])
async def test_within__the_clock_decides(ms: float, ended: bool) -> None:
    clock = ManualClock()
    task = asyncio.create_task(within(clock, 1.0, clock.sleep(ms / 1000)))
    await settle()
    await clock.advance(2_000)
    assert await task is ended


async def test_within__error_of_the_work__is_raised() -> None:
    async def fails() -> None:
        raise Unreachable("gone")

    with pytest.raises(Unreachable):
        await within(ManualClock(), 1.0, fails())
