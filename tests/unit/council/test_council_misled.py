"""What could mislead the keeper: junk at its nonce, a no to something else, words of an earlier incident, a slow folder or service, a clock."""

from __future__ import annotations

import asyncio
import fcntl
import os
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from keeper.adapters.safe.files import add_signature, file_name, write_proposal
from keeper.app.council.ledger import Place, Proposed, Step, What
from keeper.domain.errors import Unreachable
from keeper.domain.proposal import Confirmation
from keeper.domain.safe import SafeTransaction, rejection
from keeper.domain.verdict import Severity
from tests.support.council_world import FIRST_NONCE, CouncilWorld, pause_of
from tests.support.eventually import eventually
from tests.support.safe_proposals import CHAIN_ID, OWNERS, SAFE, TARGET, signature

pytestmark = pytest.mark.unit
NO = rejection(CHAIN_ID, SAFE, FIRST_NONCE)
JUNK = SafeTransaction(CHAIN_ID, SAFE, FIRST_NONCE, TARGET, b"\x01\x02\x03\x04")


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> CouncilWorld:
    world = CouncilWorld(tmp_path)
    await world.delegate()
    return world


async def lies_there(world: CouncilWorld, transaction: SafeTransaction) -> None:
    await world.service.propose(transaction, OWNERS[2], signature(2, transaction.hash), "")


async def rejected(world: CouncilWorld) -> None:
    """The owners use the nonce up for nothing."""
    world.chain.execute(NO)
    world.service.safes[SAFE].nonce += 1
    for _ in range(3):
        await world.look()


async def ordered(world: CouncilWorld) -> None:
    await world.order()
    await world.look()
    await world.look()


async def assert_asked_anew(world: CouncilWorld) -> None:
    assert await world.outcomes() == []
    assert pause_of(FIRST_NONCE + 1) in await world.queued()
    (notice,) = world.told("moot/")
    assert notice.title.startswith("proposed anew")
    assert "switch CONFIG off --market ETH-PERP" in notice.body
    assert "CONFIG reject" in notice.body


# -- whose rejection it was --------------------------------------------------------------------------------------------------------


async def test_rejected__junk_had_the_nonce__is_no_no_and_asked_anew(world: CouncilWorld) -> None:
    await lies_there(world, JUNK)
    await ordered(world)
    await rejected(world)
    await assert_asked_anew(world)
    assert JUNK.hash_text in world.told("moot/")[0].body


async def test_rejected__the_rejection_was_there_before__is_no_no_and_asked_anew(world: CouncilWorld) -> None:
    await lies_there(world, NO)
    await ordered(world)
    await rejected(world)
    await assert_asked_anew(world)


async def test_rejected__junk_came_later__written_down_once_and_asked_anew(world: CouncilWorld) -> None:
    await ordered(world)
    await lies_there(world, JUNK)
    for _ in range(3):
        await world.look()
    assert (await world.steps()).count("conflict") == 1
    world.service._entries.pop(JUNK.hash_text)
    await world.recover()
    await rejected(world)
    await assert_asked_anew(world)


async def test_rejected__junk_came_in_the_last_moment__the_service_is_asked_once_more(world: CouncilWorld) -> None:
    await ordered(world)
    await lies_there(world, JUNK)
    await rejected(world)
    await assert_asked_anew(world)


@pytest.mark.parametrize("before", [True, False])
async def test_rejected__made_without_a_look_at_the_queue__older_rejections_count_as_others(
    world: CouncilWorld, before: bool
) -> None:
    if before:
        await lies_there(world, NO)
    await world.clock.advance(1)
    world.service.fault = Unreachable("it is down")
    await ordered(world)
    world.service.fault = None
    if not before:
        await lies_there(world, NO)
    await world.clock.advance(60_000)
    for _ in range(2):
        await world.look()
    await rejected(world)
    if before:
        await assert_asked_anew(world)
    else:
        assert await world.outcomes() == [("failed", "council-rejected")]


async def test_rejected__the_service_is_down__asked_anew(world: CouncilWorld) -> None:
    await ordered(world)
    world.service.fault = Unreachable("it is down")
    await rejected(world)
    world.service.fault = None
    await world.clock.advance(60_000)
    await world.look()
    await assert_asked_anew(world)


async def test_rejected__nothing_else_was_there__is_the_councils_no(world: CouncilWorld) -> None:
    await ordered(world)
    await lies_there(world, NO)
    await world.look()
    await rejected(world)
    assert await world.outcomes() == [("failed", "council-rejected")]


@pytest.mark.parametrize("ours", [True, False])
async def test_rejected__by_command__means_the_one_that_was_named(world: CouncilWorld, ours: bool) -> None:
    await lies_there(world, JUNK)
    await ordered(world)
    named = await world.council.matter((pause_of() if ours else JUNK).hash_text)
    draft = await world.council.draft_rejection(named)
    await world.council.propose(
        draft, what=What.REJECTION, place=Place(), signature=signature(1, NO.hash), sender=OWNERS[1]
    )
    await world.council.unwanted(named, owner=OWNERS[1], via="a test")
    await rejected(world)
    if ours:
        assert await world.outcomes() == [("failed", "council-rejected")]
    else:
        await assert_asked_anew(world)


# -- nonces ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", [What.RESTORE, What.BY_HAND, What.REJECTION])
async def test_own_proposal_of_people_has_the_next_nonce__a_pause_takes_it_all_the_same(
    world: CouncilWorld, what: What
) -> None:
    await world.ledger.made(Proposed(JUNK, what, "Put it back", "{}", Place("ETH-PERP"), world.clock.now_ms(), 1))
    await ordered(world)
    assert pause_of() in await world.queued()
    body = world.told(f"proposal/{pause_of().hash_text}")[0].body
    assert f"{JUNK.hash_text} (Put it back) has the same nonce" in body
    world.chain.execute(pause_of())
    world.service.safes[SAFE].nonce += 1
    for _ in range(3):
        await world.look()
    assert await world.outcomes() == [("included", "effect-verified")]
    assert await world.ledger.open() == [], "the other one can never be executed"


# -- words of an earlier incident --------------------------------------------------------------------------------------------------


async def over(world: CouncilWorld) -> None:
    world.incident_over()
    await world.look()
    assert await world.outcomes() == [("expired", "market-recovered")]


async def counted(world: CouncilWorld) -> tuple[str, ...]:
    (case,) = world.desk._cases
    return case.signers


async def test_file_signed_in_an_earlier_incident__is_put_aside_and_counts_no_more(world: CouncilWorld) -> None:
    await ordered(world)
    path = world.folder / "proposals" / file_name(pause_of())
    await eventually(path.exists)
    add_signature(path, OWNERS[0], signature(0, pause_of().hash))
    await over(world)
    await world.recover()
    await world.order(incident="ETH-PERP@2")
    await world.look()
    await world.look()
    assert (await world.step(Step.MADE))["facts"]["former"] == []
    assert await counted(world) == ()
    assert world.told("former/") == []


async def test_file_is_still_there__its_signers_are_former_and_people_are_told_loudly(world: CouncilWorld) -> None:
    path = write_proposal(world.folder / "proposals", pause_of(), ["Pause"]).path
    add_signature(path, OWNERS[0], signature(0, pause_of().hash))
    await ordered(world)
    await world.look()
    assert (await world.step(Step.MADE))["facts"]["former"] == [OWNERS[0]]
    (notice,) = world.told("former/")
    assert notice.severity is Severity.CRITICAL
    assert "1 of 2 signatures lay there before it was made: Ada" in notice.body
    told = await world.service.find(pause_of().hash_text)
    assert told is not None
    assert told.confirmations == (), "what is old is not given to the service as if it were new"


async def test_approved_on_chain_before__is_former_too(world: CouncilWorld) -> None:
    world.chain.approve(OWNERS[1], pause_of())
    await ordered(world)
    assert (await world.step(Step.MADE))["facts"]["former"] == [OWNERS[1]]
    assert len(world.told("former/")) == 1


async def test_the_service_kept_old_words__people_are_told_once(world: CouncilWorld) -> None:
    old = Confirmation(OWNERS[0], signature(0, pause_of().hash), world.clock.now_ms() - 1)
    await ordered(world)
    told = await world.service.find(pause_of().hash_text)
    assert told is not None
    world.service.tell = [replace(told, confirmations=(old,))]
    await world.look()
    await world.look()
    assert len(world.told("former/")) == 1


async def test_signed_now__nobody_is_told_of_former_words(world: CouncilWorld) -> None:
    await ordered(world)
    await world.sign(pause_of(), 0)
    await world.look()
    assert await counted(world) == (OWNERS[0],)
    assert world.told("former/") == []


# -- slow folders, services and clocks ---------------------------------------------------------------------------------------------


async def test_folder_held_by_somebody__written_down_told_and_sent_all_the_same(world: CouncilWorld) -> None:
    folder = world.folder / "proposals"
    folder.mkdir()
    handle = os.open(folder, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)
    try:
        await ordered(world)
        assert await world.steps() == ["made", "sent"]
        assert len(world.told("proposal/")) == 1
        assert list(folder.iterdir()) == []
    finally:
        os.close(handle)
    await eventually((folder / file_name(pause_of())).exists)


async def test_service_hangs__the_pause_is_written_down_and_told_blind(
    world: CouncilWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keeper.app.council.proposer.WITHIN_S", 0.01)
    answered = asyncio.Event()
    queue = world.service.queue

    async def hang(safe: str, since_nonce: int):  # type: ignore[no-untyped-def]
        await answered.wait()
        return await queue(safe, since_nonce)

    world.service.queue = hang  # type: ignore[method-assign]
    await world.order()
    looking = asyncio.create_task(world.look())
    await eventually(lambda: world.told("proposal/"))
    assert await world.steps() == ["made"]
    assert len(world.told("proposal/")) == 1
    assert not looking.done(), "the rest waits a little longer"
    assert "has not answered within" in (await world.step(Step.MADE))["facts"]["blind"]
    answered.set()
    await looking
    assert await world.steps() == ["made", "sent"]


@pytest.mark.parametrize("jump_ms", [600_000, 10**9])
async def test_clock_set_forward__nothing_is_over_before_its_time(world: CouncilWorld, jump_ms: int) -> None:
    await ordered(world)
    world.clock._start_ms += jump_ms
    await world.look()
    assert await world.outcomes() == []
    await world.clock.advance(599_999)
    await world.look()
    assert await world.outcomes() == []
    await world.clock.advance(1)
    await world.look()
    assert await world.outcomes() == [("expired", "too-few-signatures")]
