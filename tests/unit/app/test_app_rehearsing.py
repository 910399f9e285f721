"""Which actions are simulated with the reads of a block, and what a look then has."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from keeper.adapters.chain.memory import MemoryChain
from keeper.app.faults import Faults
from keeper.app.rehearsing import Rehearsing, rehearsed
from keeper.app.watch import Watch
from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.domain.evm import CallResult, Simulation
from keeper.domain.rehearsal import Rehearsal, Rehearsed
from keeper.execution.planner import ArmedAction
from tests.support.execution_stage import VAULT, adjust, limit, pause, vault
from tests.support.source_fakes import ManualClock

pytestmark = pytest.mark.unit

SENDER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
GOOD, REVERTS = Simulation(True, b""), Simulation(False, b"", "execution reverted")


def rehearsing(
    *armed: ArmedAction, limit_to: int = 8, sender: str | None = SENDER, aside: Sequence[ArmedAction] = ()
) -> Rehearsing:
    known = {each.key: each for each in armed}
    return Rehearsing(known, lambda _: sender, limit_to, [each.key for each in aside])


def test_due__known_before_a_trip__is_each_call_from_its_sender() -> None:
    found = rehearsing(pause(), limit()).due({})
    assert found == {each.key: Rehearsal(each.call, SENDER) for each in (pause(), limit())}


def test_due__as_many_as_allowed__are_all_and_one_more_is_none() -> None:
    armed = pause("A"), pause("B")
    assert len(rehearsing(*armed, limit_to=2).due({})) == 2
    assert rehearsing(*armed, pause("C"), limit_to=2).due({}) == {}
    assert rehearsing(pause("A"), limit_to=0).due({}) == {}


def test_due__made_of_its_current_value_or_aside_or_without_a_key__is_not() -> None:
    assert rehearsing(adjust()).due({}) == {}
    assert rehearsing(pause(), aside=[pause()]).due({}) == {}
    assert rehearsing(pause(), sender=None).due({}) == {}


@pytest.mark.parametrize(("seen", "count"), [("true", 0), ("false", 1)])
def test_due__its_effect_at_the_last_look__is_left_out_when_it_is_there(seen: str, count: int) -> None:
    assert len(rehearsing(pause()).due({pause().key: seen})) == count


def test_rehearsed__no_word_on_one__is_left_out() -> None:
    due = rehearsing(pause("A"), pause("B")).due({})
    block = MemoryChain().mine()
    found = rehearsed(due, [None, GOOD], block)
    assert found == {pause("B").key: Rehearsed(due[pause("B").key], block.hash, GOOD)}


@pytest.mark.parametrize("other", ["call", "sender", "block", "none"])
def test_answers__only_the_same_call_of_the_same_sender_at_the_same_block(other: str) -> None:
    known = Rehearsed(Rehearsal(Call(VAULT, b"1"), SENDER), "0xaa", REVERTS)
    call = Call(VAULT, b"2" if other == "call" else b"1")
    sender, block = VAULT if other == "sender" else SENDER, "0xbb" if other == "block" else "0xaa"
    assert known.answers(call, sender, BlockStamp(7, block, "0x99", 0)) is (other == "none")


@pytest.mark.parametrize(
    ("simulation", "parent", "known"), [(GOOD, "0xaa", True), (REVERTS, "0xaa", False), (GOOD, "0xbb", False)]
)
def test_answers__at_the_block_before__only_that_it_went_through(
    simulation: Simulation, parent: str, known: bool
) -> None:
    before = Rehearsed(Rehearsal(Call(VAULT, b"1"), SENDER), "0xaa", simulation)
    assert before.answers(Call(VAULT, b"1"), SENDER, BlockStamp(8, "0xcc", parent, 0)) is known
    assert not before.answers(Call(VAULT, b"2"), SENDER, BlockStamp(8, "0xcc", "0xaa", 0))


class RehearsingChain(MemoryChain):
    """Reads and rehearses at once."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    async def read_and_rehearse(
        self, calls: Sequence[Call], rehearsals: Sequence[Rehearsal], block: BlockStamp
    ) -> tuple[Sequence[CallResult], Sequence[Simulation | None]]:
        self.asked.append(len(rehearsals))
        results = await self.read(calls, block)
        return results, [await self.simulate(each.call, each.sender, block) for each in rehearsals]


async def test_look__rehearses_until_the_effect_is_seen() -> None:
    chain, clock, armed = RehearsingChain(), ManualClock(), pause()
    chain.install(VAULT, vault, mode="good", paused=0, limit=1_000, calls=0, unreadable=0)
    faults = Faults(clock, lambda _: None, lambda _: None)
    watch = Watch(chain, clock, faults, [], [], [], {armed.key: armed}, rehearsing(armed))
    block = chain.mine()
    sight = await watch.look(block)
    assert sight.rehearsed == {armed.key: Rehearsed(Rehearsal(armed.call, SENDER), block.hash, GOOD)}
    chain.install(VAULT, vault, mode="good", paused=1, limit=1_000, calls=0, unreadable=0)
    for _ in range(2):
        sight = await watch.look(chain.mine())
    assert (chain.asked, sight.rehearsed) == ([1, 1], {})
