"""The way from the last block to a head: what is fetched, what is given, what is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from keeper.adapters.chain.trail import MAX_REORG, MEMORY, Plan, Trail
from keeper.domain.block import BlockStamp
from keeper.domain.chain_events import Backfilled, Gap, Reorg, Skipped
from keeper.domain.errors import Unreachable

pytestmark = pytest.mark.unit


def block(number: int, branch: str = "a", parent: str | None = None) -> BlockStamp:
    return BlockStamp(number, f"0x{branch}{number}", f"0x{parent or branch}{number - 1}", 12 * number)


class Source:
    """Serves some blocks and remembers what it was asked."""

    def __init__(self, *blocks: BlockStamp, error: Unreachable | None = None) -> None:
        self.known = {one.hash: one for one in blocks}
        self.error = error
        self.asked: list[object] = []

    async def blocks(self, first: int, last: int) -> Sequence[BlockStamp]:
        self.asked.append((first, last))
        if self.error is not None:
            raise self.error
        return [one for one in self.known.values() if first <= one.number <= last]

    async def block_of(self, block_hash: str) -> BlockStamp | None:
        self.asked.append(block_hash)
        if self.error is not None:
            raise self.error
        return self.known.get(block_hash)


def at(last: int, *, backfill: int = 8, first: int = 1) -> Trail:
    """A trail that has taken the blocks up to ``last``."""
    trail = Trail(backfill=backfill)
    for number in range(first, last + 1):
        trail.take(block(number))
    return trail


def given(plan: Plan) -> list[str]:
    return [step.block.hash for step in plan.steps if step.evaluate]


async def test_plan__child_of_the_last__is_given_and_nothing_is_asked() -> None:
    source = Source()
    plan = await at(5).plan(block(6), {}, source)
    assert (given(plan), plan.events, source.asked) == (["0xa6"], (), [])


async def test_plan__first_block_of_all__is_given() -> None:
    assert given(await Trail(backfill=8).plan(block(6), {}, Source())) == ["0xa6"]


@pytest.mark.parametrize("number", [5, 4, 1])
async def test_plan__block_that_was_taken__is_not_given_again(number: int) -> None:
    assert await at(5).plan(block(number), {}, Source()) == Plan()


async def test_plan__missed_blocks__are_fetched_in_one_request_and_given_in_order() -> None:
    source = Source(*(block(number) for number in range(6, 9)))
    plan = await at(5).plan(block(9), {}, source)
    assert given(plan) == ["0xa6", "0xa7", "0xa8", "0xa9"]
    assert plan.events == (Backfilled(6, 8),)
    assert source.asked == [(6, 8)]


async def test_plan__missed_blocks_of_another_branch_in_the_answer__are_fetched_by_hash() -> None:
    source = Source(block(6, "x"), block(7), block(6))
    source.known = {"0xx6": block(6, "x"), "0xa7": block(7), "0xa6": block(6)}
    plan = await at(5).plan(block(8), {}, source)
    assert given(plan) == ["0xa6", "0xa7", "0xa8"]


@pytest.mark.parametrize(("missed", "gap"), [(8, None), (9, Gap(6, 6, "more than 8 blocks were missed"))])
async def test_plan__more_missed_than_the_backfill__are_a_gap(missed: int, gap: Gap | None) -> None:
    source = Source(*(block(number) for number in range(1, 60)))
    plan = await at(5).plan(block(6 + missed), {}, source)
    assert len(given(plan)) == 9
    assert [event for event in plan.events if isinstance(event, Gap)] == ([gap] if gap else [])


async def test_plan__no_backfill_wanted__asks_nothing() -> None:
    source = Source()
    plan = await at(5, backfill=0).plan(block(8), {}, source)
    assert (given(plan), source.asked) == (["0xa8"], [(5, 5)])  # only whether the last block still stands
    assert plan.events == (Gap(6, 7, "more than 0 blocks were missed"),)


async def test_plan__reorganisation_below_a_gap__is_told_too() -> None:
    source = Source(block(4, "b", "a"), block(5, "b"), *(block(number, "b") for number in range(6, 20)), block(3))
    trail = at(5, backfill=2)
    plan = await trail.plan(block(20, "b"), {}, source)
    assert given(plan) == ["0xb18", "0xb19", "0xb20"]
    assert plan.events[:2] == (Reorg(2, 3, "0xa5", "0xb20", 5, 20), Gap(4, 17, "more than 2 blocks were missed"))
    assert plan.anew


async def test_plan__source_that_fails__leaves_a_gap_with_its_words() -> None:
    plan = await at(5).plan(block(8), {}, Source(error=Unreachable("gone")))
    assert given(plan) == ["0xa8"]
    assert plan.events == (Gap(6, 7, "gone"),)


async def test_plan__source_that_has_only_some__gives_those_that_link_to_the_head() -> None:
    plan = await at(5).plan(block(9), {}, Source(block(8), block(6)))
    assert given(plan) == ["0xa8", "0xa9"]
    assert plan.events == (Gap(6, 7, "no node has the block 0xa7"), Backfilled(8, 8))


async def test_plan__block_that_does_not_fit_its_number__ends_the_way() -> None:
    source = Source()
    source.known = {"0xa7": BlockStamp(99, "0xa7", "0xa6", 1)}
    plan = await at(5).plan(block(8), {}, source)
    assert plan.events == (Gap(6, 7, "the blocks do not follow each other"),)


async def test_plan__passed_blocks__are_not_given_and_told() -> None:
    passed = {one.hash: one for one in (block(6), block(7))}
    source = Source()
    plan = await at(5).plan(block(8), passed, source)
    assert (given(plan), plan.events, source.asked) == (["0xa8"], (Skipped(6, 7),), [])


async def test_plan__passed_and_missed_mixed__gives_the_missed_and_skips_the_passed() -> None:
    passed = {one.hash: one for one in (block(7), block(9))}
    plan = await at(5).plan(block(10), passed, Source(block(6), block(8)))
    assert given(plan) == ["0xa6", "0xa8", "0xa10"]
    assert plan.events == (Skipped(7, 7), Skipped(9, 9), Backfilled(6, 6), Backfilled(8, 8))


async def test_plan__many_passed__do_not_count_as_missed() -> None:
    passed = {block(number).hash: block(number) for number in range(6, 100)}
    plan = await at(5).plan(block(100), passed, Source())
    assert plan.events == (Skipped(6, 99),)


async def test_plan__sibling_of_the_last__is_a_reorg_of_one() -> None:
    source = Source()
    plan = await at(5).plan(block(5, "b", "a"), {}, source)
    assert given(plan) == ["0xb5"]
    assert plan.events == (Reorg(1, 4, "0xa5", "0xb5", 5, 5),)
    assert source.asked == []


async def test_plan__shorter_branch__is_a_reorg_and_the_way_goes_on_from_it() -> None:
    trail = at(9)
    plan = await trail.plan(block(6, "b", "a"), {}, Source())
    assert plan.events == (Reorg(4, 5, "0xa9", "0xb6", 9, 6),)
    trail.take(plan.steps[0].block)
    assert given(await trail.plan(block(7, "b"), {}, Source())) == ["0xb7"]
    assert not trail.on_branch(7, "0xa7")


async def test_plan__longer_branch__is_walked_back_to_the_common_block() -> None:
    source = Source(block(4, "b", "a"), block(5, "b"), block(6, "b"))
    plan = await at(5).plan(block(7, "b"), {}, source)
    assert given(plan) == ["0xb4", "0xb5", "0xb6", "0xb7"]
    assert plan.events == (Reorg(2, 3, "0xa5", "0xb7", 5, 7),)


async def test_plan__passed_blocks_of_another_branch__are_given_where_they_replace_and_skipped_where_they_are_new() -> (
    None
):
    branch = [block(4, "b", "a"), block(5, "b"), block(6, "b"), block(7, "b")]
    plan = await at(5).plan(block(8, "b"), {one.hash: one for one in branch}, Source())
    assert given(plan) == ["0xb4", "0xb5", "0xb8"]
    assert plan.events == (Reorg(2, 3, "0xa5", "0xb8", 5, 8), Skipped(6, 7))


@pytest.mark.parametrize(("depth", "found"), [(MAX_REORG, True), (MAX_REORG + 1, False)])
async def test_plan__common_block_at_the_limit__is_found_and_beyond_it_not(depth: int, found: bool) -> None:
    trail = at(100)
    ancestor = 100 - depth
    branch = [block(ancestor + 1, "b", "a"), *(block(number, "b") for number in range(ancestor + 2, 101))]
    plan = await trail.plan(branch[-1], {}, Source(*branch))
    (told,) = plan.events
    assert isinstance(told, Reorg)
    assert told.ancestor == (ancestor if found else None)
    assert told.depth == (depth if found else MAX_REORG)
    assert plan.anew is not found


async def test_plan__branch_that_was_taken_before__is_not_given_again_but_its_child_is() -> None:
    trail = at(5)
    trail.take(block(5, "b", "a"))
    assert await trail.plan(block(5), {}, Source()) == Plan()
    plan = await trail.plan(block(6), {}, Source())
    assert given(plan) == ["0xa6"]
    assert plan.events == (Reorg(1, 4, "0xb5", "0xa6", 5, 6),)


async def test_plan__other_chain_from_its_beginning__is_a_reorg_without_ancestor() -> None:
    branch = [block(number, "z") for number in range(5)]
    plan = await at(5).plan(branch[-1], {}, Source(*branch))
    assert plan.anew
    assert [event.ancestor for event in plan.events if isinstance(event, Reorg)] == [None]
    assert given(plan) == [one.hash for one in branch]


async def test_plan__stray_heads__are_passed_by_until_they_go_on() -> None:
    trail = at(900, first=800)
    young = [BlockStamp(number, f"0xy{number}", f"0xy{number - 1}", 10**6) for number in range(10, 14)]
    plans = [await trail.plan(one, {}, Source()) for one in young]
    assert [bool(plan.steps) for plan in plans] == [False, False, True, True]


async def test_plan__stray_heads_between_true_ones__never_count() -> None:
    trail = at(900, first=800)
    for number in range(901, 911):
        stray = BlockStamp(number - 800, f"0xy{number}", "0xy", 10**6)
        assert await trail.plan(stray, {}, Source()) == Plan()
        trail.take((await trail.plan(block(number), {}, Source())).steps[0].block)


def test_memory__of_a_long_way__is_bounded() -> None:
    trail = at(3 * MEMORY)
    assert len(trail._branch) == len(trail._taken) == MEMORY
    assert trail.last == block(3 * MEMORY)


# -- an absurd block that was taken for true --------------------------------------------------------------------------------------


async def after_absurd_head() -> Trail:
    """At block 5, then at one a thousand higher that nothing links to it."""
    trail = at(5)
    absurd = replace(block(1_005, "f"), timestamp_s=block(6).timestamp_s)
    plan = await trail.plan(absurd, {}, Source(block(5)))
    assert [type(event) for event in plan.events] == [Gap]
    assert not plan.anew
    trail.take(plan.steps[-1].block)
    return trail


async def test_plan__real_block_after_an_absurd_one__is_given_at_once_and_one_block_is_taken_back() -> None:
    trail = await after_absurd_head()
    plan = await trail.plan(block(6), {}, Source())
    assert given(plan) == ["0xa6"]
    assert plan.events == (Reorg(1, 5, "0xf1005", "0xa6", 1_005, 6),)


async def test_plan__second_absurd_block_out_of_nowhere__leaves_the_real_ones_known() -> None:
    trail = await after_absurd_head()
    plan = await trail.plan(block(1_006, "e"), {}, Source())
    assert not plan.anew
    trail.take(plan.steps[-1].block)
    plan = await trail.plan(block(6), {}, Source())
    assert given(plan) == ["0xa6"]
    assert plan.events == (Reorg(2, 5, "0xe1006", "0xa6", 1_006, 6),)


async def test_plan__real_blocks_after_an_absurd_one__that_were_missed_are_fetched_all() -> None:
    trail = await after_absurd_head()
    source = Source(*(block(number) for number in range(6, 10)))
    plans = [await trail.plan(block(number), {}, source) for number in (8, 9, 10)]
    assert given(plans[-1] if given(plans[-1]) else plans[-2]) == [f"0xa{number}" for number in range(6, 11)]
