"""What verify endpoints say, and when it is known: peers that look at one chain in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from keeper.adapters.chain.witness import EndpointWitness
from keeper.domain.chain_events import Agreement, ChainEvent, Disagreement
from keeper.domain.errors import MalformedAnswer, OutsideError, Refused, Unreachable
from keeper.domain.evm import CallResult
from keeper.domain.testimony import Difference, Otherwise, QuorumPolicy, Silence, Statement, Testimony, Word
from tests.support.fleet_world import READ, FleetWorld, lying_hash, word

pytestmark = pytest.mark.unit

LONG_MS = 10_000
SHORT_MS = 40
OURS = (CallResult(True, word(7)), CallResult(True, word(7)))


class Court:
    """Some verify peers over one chain, and a witness over them."""

    def __init__(self, peers: int) -> None:
        self.world = FleetWorld(primaries=1, verifiers=peers)
        self.peers = self.world.peers[1:]
        self.told: list[ChainEvent] = []
        self.witness = EndpointWitness(
            [(f"verify-{number + 1}", peer) for number, peer in enumerate(self.peers)],
            report=self.told.append,
            compare_deadline_ms=SHORT_MS,
        )
        self.block = self.world.chain.mine()

    async def testify(
        self, deadline_ms: int = LONG_MS, enough: int | None = None, results: Sequence[CallResult] = OURS
    ) -> Testimony:
        return await self.witness.testify(self.block, (READ,) * len(results), results, deadline_ms, enough=enough)


async def test_testify__nobody_to_ask__is_one_of_one() -> None:
    testimony = await Court(0).testify()
    assert (testimony.agreeing, testimony.of, testimony.statements) == (1, 1, ())


async def test_testify__honest_endpoints__agree_and_nothing_is_told() -> None:
    court = Court(2)
    testimony = await court.testify()
    assert (testimony.agreeing, testimony.disagreeing, testimony.silent, testimony.of) == (3, 0, 0, 3)
    assert court.told == []


async def test_testify__one_altered_value__disagrees_with_its_place_and_both_values() -> None:
    court = Court(2)
    answers = iter([CallResult(True, word(7)), CallResult(True, word(8))])
    court.peers[1].alter = lambda _: next(answers)
    testimony = await court.testify()
    assert (testimony.agreeing, testimony.disagreeing) == (2, 1)
    difference = Difference(1, "0x" + word(7).hex(), "0x" + word(8).hex())
    assert testimony.statements[1].differences == (difference,)
    assert court.told == [
        Disagreement("verify-2", court.block.number, (difference,), "the endpoint in use", agreeing=2, alike=1)
    ]


async def test_testify__a_revert_against_the_same_bytes__disagrees() -> None:
    court = Court(1)
    court.peers[0].alter = lambda result: replace(result, ok=False)
    (statement,) = (await court.testify()).statements
    assert statement.differences[0].theirs.startswith("reverted 0x")


async def test_testify__long_values__are_cut() -> None:
    court = Court(1)
    court.peers[0].alter = lambda _: CallResult(True, b"\xaa" * 10_000)
    (statement,) = (await court.testify()).statements
    assert len(statement.differences[0].theirs) == 80


@pytest.mark.parametrize("equal", [0, 1, 4])
async def test_testify__long_values__are_shown_from_the_word_in_which_they_differ(equal: int) -> None:
    """The answer of an oracle is five words long, and the price is the second: people must see it."""
    court = Court(1)
    head, tail = word(7) * equal, word(9) * (4 - equal)
    court.peers[0].alter = lambda _: CallResult(True, head + word(2800) + tail)
    (statement,) = (await court.testify(results=[CallResult(True, head + word(3000) + tail)])).statements
    (difference,) = statement.differences
    where = f"from byte {32 * equal} " if equal else ""
    assert difference.ours.startswith(f"{where}0x{word(3000).hex()}")
    assert difference.theirs.startswith(f"{where}0x{word(2800).hex()}")
    assert len(difference.theirs) <= 80


async def test_testify__one_answer_is_the_beginning_of_the_other__both_are_shown_from_where_one_ends() -> None:
    court = Court(1)
    court.peers[0].alter = lambda _: CallResult(True, word(7) * 3)
    (statement,) = (await court.testify(results=[CallResult(True, word(7))])).statements
    (difference,) = statement.differences
    assert (difference.ours, difference.theirs[:19]) == ("from byte 32 0x", "from byte 32 0x0000")


async def test_testify__other_block_hash__disagrees_at_the_deadline() -> None:
    court = Court(1)
    court.peers[0].alter_block = lying_hash
    (statement,) = (await court.testify(SHORT_MS)).statements
    assert statement.word is Word.DISAGREES
    assert statement.differences == (Difference(None, court.block.hash, "0x" + "ab" * 32),)


async def test_testify__short_fork_that_resolves_in_time__agrees() -> None:
    court = Court(1)
    court.peers[0].alter_block = lying_hash
    asking = asyncio.ensure_future(court.testify())
    await asyncio.sleep(0.03)
    assert not asking.done()
    court.peers[0].alter_block = lambda block: block
    assert (await asking).agreeing == 2
    assert court.told == []


async def test_testify__endpoint_ahead__is_asked_for_the_block_at_its_number() -> None:
    court = Court(1)
    court.world.chain.mine()
    assert (await court.testify()).agreeing == 2
    assert "blocks" in court.peers[0].requests


@pytest.mark.parametrize("behind", [1, 2])
async def test_testify__endpoint_behind__is_silent_and_says_how_far(behind: int) -> None:
    court = Court(1)
    court.peers[0].lag = behind
    (statement,) = (await court.testify(SHORT_MS)).statements
    assert (statement.word, statement.silence, statement.behind) == (Word.SILENT, Silence.BEHIND, behind)
    assert court.told == []


async def test_testify__endpoint_that_gets_the_block_in_time__agrees() -> None:
    court = Court(1)
    court.peers[0].lag = 1
    asking = asyncio.ensure_future(court.testify())
    await asyncio.sleep(0.03)
    court.peers[0].lag = 0
    assert (await asking).agreeing == 2


@pytest.mark.parametrize(
    ("error", "silence"),
    [
        (Unreachable("gone"), Silence.UNREACHABLE),
        (Refused("no"), Silence.REFUSED),
        (MalformedAnswer("?"), Silence.MALFORMED),
    ],
)
async def test_testify__endpoint_that_fails__is_silent_with_the_reason(error: OutsideError, silence: Silence) -> None:
    court = Court(2)
    court.peers[0].fails = error
    testimony = await court.testify(SHORT_MS)
    assert (testimony.agreeing, testimony.silent) == (2, 1)
    assert (testimony.statements[0].silence, testimony.statements[0].message) == (silence, error.message)


async def test_testify__endpoint_that_hangs__costs_the_deadline_and_not_more() -> None:
    court = Court(2)
    court.peers[0].hangs = True
    testimony = await asyncio.wait_for(court.testify(SHORT_MS), 5)
    assert [statement.silence for statement in testimony.statements] == [Silence.DEADLINE, None]


async def test_testify__enough_agree__does_not_wait_for_the_rest() -> None:
    court = Court(2)
    court.peers[0].hangs = True
    testimony = await asyncio.wait_for(court.testify(3_600_000, enough=2), 5)
    assert testimony.agreeing == 2
    assert testimony.statements[0].silence is Silence.NOT_NEEDED


async def test_testify__one_is_enough__asks_and_waits_for_nobody() -> None:
    court = Court(1)
    testimony = await court.testify(enough=1)
    assert (testimony.agreeing, testimony.silent) == (1, 1)


async def test_testify__wrong_number_of_results__is_no_agreement() -> None:
    court = Court(1)
    testimony = await court.witness.testify(court.block, (READ,), [], SHORT_MS)
    assert testimony.statements[0].silence is Silence.MALFORMED


async def test_testify__cancelled__leaves_nothing_running() -> None:
    court = Court(2)
    for peer in court.peers:
        peer.hangs = True
    before = asyncio.all_tasks()
    asking = asyncio.ensure_future(court.testify())
    await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert asyncio.all_tasks() == before


async def test_compare_head__disagreement__is_told_once_and_so_is_its_end() -> None:
    court = Court(1)
    liar = court.peers[0]
    liar.alter_block = lying_hash
    for _ in range(3):
        assert (await court.witness.compare_head(court.block)).disagreeing == 1
    liar.alter_block = lambda block: block
    for _ in range(2):
        assert (await court.witness.compare_head(court.block)).agreeing == 2
    assert [type(event) for event in court.told] == [Disagreement, Agreement]


async def test_compare_head__honest_endpoint__costs_one_request() -> None:
    court = Court(1)
    await court.witness.compare_head(court.block)
    assert court.peers[0].requests == ["head"]


async def test_compare_head__endpoint_goes_silent__does_not_end_a_disagreement() -> None:
    court = Court(1)
    court.peers[0].alter_block = lying_hash
    await court.witness.compare_head(court.block)
    court.peers[0].hangs = True
    await court.witness.compare_head(court.block)
    assert [type(event) for event in court.told] == [Disagreement]


async def test_testify__an_answer_that_nobody_thought_of__silences_that_endpoint_alone() -> None:
    court = Court(2)

    def odd(_: CallResult) -> CallResult:
        raise ZeroDivisionError

    court.peers[0].alter = odd
    testimony = await court.testify(SHORT_MS)
    assert [statement.word for statement in testimony.statements] == [Word.SILENT, Word.AGREES]
    assert testimony.statements[0].silence is Silence.MALFORMED
    assert "ZeroDivisionError" in testimony.statements[0].message


@pytest.mark.parametrize(("took_ms", "met"), [(0.0, True), (500.0, True), (500.1, False)])
def test_policy__agreement_that_came_too_late_for_an_action__does_not_count(took_ms: float, met: bool) -> None:
    """A comparison waits longer than an action can: it must not look better than an action will find it."""
    testimony = Testimony(Court(0).block, (Statement("verify-1", Word.AGREES, took_ms=took_ms),))
    assert QuorumPolicy(2, 500, Otherwise.HOLD).met_by(testimony) is met


async def test_testify__agreement__says_how_long_it_took() -> None:
    court = Court(1)
    (statement,) = (await court.testify()).statements
    assert 0 < statement.took_ms < LONG_MS


@pytest.mark.parametrize(("agree", "met"), [(1, True), (2, True), (3, False)])
async def test_policy__k_of_n__is_met_from_k_on(agree: int, met: bool) -> None:
    court = Court(2)
    court.peers[0].lag = 1
    testimony = await court.testify(SHORT_MS)
    assert QuorumPolicy(agree, SHORT_MS, Otherwise.HOLD).met_by(testimony) is met
