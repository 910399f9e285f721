"""What the keeper sees of an open proposal: who has signed, who lies, whom to remind, and what to do when it is gone."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from keeper.adapters.safe.files import add_signature, write_proposal
from keeper.app.council.ledger import Step
from keeper.app.council.vigil import BUSY_MS, LOST_MS
from keeper.domain import safe_signatures
from keeper.domain.errors import Busy, Unreachable
from keeper.domain.proposal import Confirmation, Queued
from keeper.domain.safe_signatures import approved_signature
from keeper.domain.verdict import Severity
from keeper.ports.council import Skipped
from tests.support.council_world import FIRST_NONCE, CarryingFake, CouncilWorld, contract_word, pause_of
from tests.support.safe_proposals import KEEPER, OTHER_SAFE, OWNERS, message_signature, signature

pytestmark = pytest.mark.unit


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> CouncilWorld:
    """A pause is proposed, and lies in the service; the keeper may execute it."""
    world = CouncilWorld(tmp_path, carrying=CarryingFake())
    await world.delegate()
    await world.order()
    await world.look()
    await world.look()
    assert await world.steps() == ["made", "sent"]
    return world


def filed(world: CouncilWorld, owner: int) -> None:
    path = write_proposal(Path(world.route.files), pause_of(), ["Pause"]).path
    add_signature(path, OWNERS[owner], signature(owner, pause_of().hash))


async def signers(world: CouncilWorld) -> list[str]:
    return [body["owner"] for body in await world.bodies() if body["step"] == "signed"]


def tell(world: CouncilWorld, *words: Confirmation, **changed: object) -> None:
    told = Queued(pause_of(), pause_of().hash_text, words, OWNERS[0], KEEPER)
    world.service.tell = [replace(told, **changed)]  # type: ignore[arg-type]


def given(world: CouncilWorld) -> list[tuple[str, tuple[str, ...]]]:
    assert world.carrying is not None
    return world.carrying.given


async def test_count__each_kind_of_signature__counts_and_is_told_once(world: CouncilWorld) -> None:
    world.chain.store("0x5FbDB2315678afecb367f032d93F642f64180aa3", takes=frozenset({b"a-good-word"}), threshold=3)
    tell(
        world, Confirmation(OWNERS[0], message_signature(0, pause_of().hash)), contract_word(OWNERS[1], b"a-good-word")
    )
    world.chain.approve(OWNERS[2], pause_of())
    for _ in range(3):
        await world.look()
    assert await signers(world) == list(OWNERS)
    assert [body["count"] for body in await world.bodies() if body["step"] == "signed"] == [1, 2, 3]
    assert (await world.steps()).count("threshold") == 1
    assert given(world)[0] == (pause_of().hash_text, OWNERS)
    assert world.down() == {}


async def test_count__second_and_then_first_owner__numbered_as_they_came(world: CouncilWorld) -> None:
    await world.sign(pause_of(), 1)
    await world.look()
    await world.sign(pause_of(), 0)
    await world.look()
    found = [(body["owner"], body["count"]) for body in await world.bodies() if body["step"] == "signed"]
    assert found == [(OWNERS[1], 1), (OWNERS[0], 2)]


async def test_count__by_file_while_the_service_is_down__counts_and_is_given_to_it_later(world: CouncilWorld) -> None:
    world.service.fault = Unreachable("it is down")
    filed(world, 1)
    await world.look()
    assert await signers(world) == [OWNERS[1]]
    world.service.fault = None
    await world.look()
    await world.look()
    told = await world.service.find(pause_of().hash_text)
    assert told is not None
    assert [one.owner for one in told.confirmations] == [OWNERS[1]]


@pytest.mark.parametrize(
    "word",
    [
        Confirmation(OWNERS[1], signature(0, pause_of().hash)),
        Confirmation(OWNERS[1], signature(1, pause_of(8).hash)),
        Confirmation(KEEPER, signature(1, pause_of().hash)),
        Confirmation(OWNERS[1], approved_signature(OWNERS[1])),
        Confirmation(OWNERS[1], contract_word(OWNERS[0], b"a-bad-word").signature),
        Confirmation(OWNERS[1], b"\x01"),
        Confirmation(OWNERS[1], b""),
    ],
    ids=["another's", "of another", "a stranger's name", "not approved", "another's contract", "short", "nothing"],
)
async def test_count__a_lie_among_enough_true_ones__does_not_count_and_stops_execution(
    world: CouncilWorld, word: Confirmation
) -> None:
    true = [Confirmation(OWNERS[n], signature(n, pause_of().hash)) for n in (0, 2)]
    tell(world, *true, word)
    await world.look()
    assert await signers(world) == [OWNERS[0], OWNERS[2]]
    assert given(world) == []
    assert world.down() == {"council:council/alarm": "contradicted"}
    tell(world, *true)
    await world.look()
    assert given(world) == [(pause_of().hash_text, (OWNERS[0], OWNERS[2]))], "when it tells the truth again"
    assert world.down() == {}


@pytest.mark.parametrize(
    "word",
    [Confirmation(KEEPER, signature(3, pause_of().hash)), contract_word(OWNERS[1], b"a-bad-word")],
    ids=["owner no more", "contract says no by now"],
)
async def test_count__a_true_word_that_became_worthless__does_not_count_and_stops_nothing(
    world: CouncilWorld, word: Confirmation
) -> None:
    tell(world, *[Confirmation(OWNERS[n], signature(n, pause_of().hash)) for n in (0, 2)], word)
    await world.look()
    assert given(world) == [(pause_of().hash_text, (OWNERS[0], OWNERS[2]))]
    assert world.down() == {}


async def test_count__many_signatures_looked_at_again__each_is_checked_once_and_not_in_the_loop(
    world: CouncilWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[tuple[bytes, str]] = []
    real = safe_signatures._recover

    def counted(digest: bytes, word: bytes) -> str:
        checked.append((word, threading.current_thread().name))
        return real(digest, word)

    monkeypatch.setattr(safe_signatures, "_recover", counted)
    safe_signatures._recovered.cache_clear()
    junk = [Confirmation(OWNERS[2], bytes([n]) * 64 + b"\x1b") for n in range(1, 101)]
    tell(world, Confirmation(OWNERS[0], signature(0, pause_of().hash)), *junk)
    for _ in range(3):
        await world.look()
    assert len(checked) == len({word for word, _ in checked}) == 101
    assert threading.main_thread().name not in {name for _, name in checked}


async def test_cut_queue__our_own_is_asked_for_by_its_hash_and_signatures_count(world: CouncilWorld) -> None:
    await world.sign(pause_of(), 0, 1)
    world.service.tell, world.service.whole = [], False
    world.service.skipped = (Skipped("the rest of the queue", "more than 4000 entries lie there"),)
    await world.look()
    assert len(await signers(world)) == 2
    assert given(world) == [(pause_of().hash_text, OWNERS[:2])]
    assert world.down() == {"council-service:council": "skipped"}
    await world.clock.advance(LOST_MS + 1)
    before = world.service.asked.count("propose")
    for _ in range(2):
        await world.look()
    assert world.service.asked.count("propose") == before, "it is there"


async def test_cut_queue__gone_by_its_hash_too__is_sent_again(world: CouncilWorld) -> None:
    world.service.tell, world.service.whole = [], False
    del world.service._entries[pause_of().hash_text]
    await world.look()
    await world.clock.advance(LOST_MS + 1)
    await world.look()
    assert await world.queued() == [pause_of()]


async def test_more_under_our_hash_that_the_service_tells__stops_execution(world: CouncilWorld) -> None:
    tell(world, *[Confirmation(OWNERS[n], signature(n, pause_of().hash)) for n in (0, 1)])
    world.service.skipped = (Skipped(pause_of().hash_text, "the service tells 150 more under the same hash"),)
    await world.look()
    assert given(world) == []
    assert world.down()["council:council/alarm"] == "contradicted"


async def test_count__approved_on_chain_and_a_bad_contract_word__the_chain_is_used(world: CouncilWorld) -> None:
    world.chain.approve(OWNERS[1], pause_of())
    tell(world, contract_word(OWNERS[1], b"a-bad-word"))
    await world.look()
    (case,) = world.desk._cases
    assert [one.signature for one in case.counting] == [approved_signature(OWNERS[1])]


@pytest.mark.parametrize(
    "changed",
    [
        {"claimed_hash": "0x" + 64 * "a"},
        {"transaction": replace(pause_of(), to=OTHER_SAFE)},
        {"transaction": replace(pause_of(), value=1)},
        {"transaction": replace(pause_of(), data=b"\xde\xad\xbe\xef")},
        {"transaction": replace(pause_of(), nonce=77)},
        {"transaction": replace(pause_of(), gas_price=1)},
        {"transaction": replace(pause_of(), refund_receiver=OTHER_SAFE)},
        {"executed": True},
    ],
    ids=["hash", "to", "value", "data", "nonce", "gas price", "refund", "executed"],
)
async def test_lies__about_the_proposal__stop_execution_and_are_told(
    world: CouncilWorld, changed: dict[str, object]
) -> None:
    tell(world, *[Confirmation(OWNERS[n], signature(n, pause_of().hash)) for n in (0, 1)], **changed)
    await world.look()
    assert given(world) == []
    assert world.down() == {"council:council/alarm": "contradicted"}
    assert world.told("fault/council:council/alarm")[0].severity is Severity.CRITICAL


async def test_lies__beside_the_truth__stop_execution_too(world: CouncilWorld) -> None:
    words = tuple(Confirmation(OWNERS[n], signature(n, pause_of().hash)) for n in (0, 1))
    true = Queued(pause_of(), pause_of().hash_text, words, OWNERS[0], KEEPER)
    lie = replace(true, transaction=replace(pause_of(), value=1))
    world.service.tell = [lie, true]
    await world.look()
    assert len(await signers(world)) == 2
    assert given(world) == []


async def test_execute__shadow_or_behind_or_too_few__is_not_tried(world: CouncilWorld) -> None:
    await world.sign(pause_of(), 0)
    await world.look()
    assert given(world) == [], "one of two"
    world.live = False
    await world.recover()
    await world.sign(pause_of(), 1)
    await world.look()
    assert given(world) == [], "shadow"
    world.live = True
    await world.recover()
    await world.look()
    assert len(given(world)) == 1


async def test_remind__at_its_time_and_not_before(world: CouncilWorld) -> None:
    made_ms = world.clock.now_ms()
    await world.clock.advance(599_999)
    world.desk.works[0].intent = replace(world.desk.works[0].intent, expires_ms=made_ms + 10**9)
    await world.look()
    assert "reminded" not in await world.steps()
    await world.clock.advance(1)
    await world.look()
    await world.look()
    assert (await world.steps()).count("reminded") == 1
    assert (await world.step(Step.REMINDED))["alarm"] is False
    assert world.told("proposal/")[-1].severity is Severity.WARNING


async def test_remind__at_the_time_to_escalate__critical_even_when_just_reminded(world: CouncilWorld) -> None:
    world.desk.works[0].intent = replace(world.desk.works[0].intent, expires_ms=world.clock.now_ms() + 10**9)
    await world.clock.advance(1_799_999)
    await world.look()
    assert (await world.step(Step.REMINDED))["alarm"] is False
    await world.clock.advance(1)
    await world.look()
    assert (await world.step(Step.REMINDED))["alarm"] is True
    assert world.told("proposal/")[-1].severity is Severity.CRITICAL
    await world.clock.advance(599_999)
    await world.look()
    assert (await world.steps()).count("reminded") == 2
    await world.clock.advance(1)
    await world.look()
    assert (await world.steps()).count("reminded") == 3


async def test_lost_by_the_service__sent_again_after_a_while_and_not_before(world: CouncilWorld) -> None:
    world.service.lost = {pause_of().hash_text}
    await world.look()
    await world.clock.advance(LOST_MS - 1)
    await world.look()
    assert (await world.steps()).count("sent") == 1
    await world.clock.advance(1)
    await world.look()
    assert (await world.steps()).count("sent") == 2


async def test_lost_by_the_service_and_then_refused__is_a_fault(world: CouncilWorld) -> None:
    world.service.lost = {pause_of().hash_text}
    world.service._delegates.clear()
    await world.look()
    await world.clock.advance(LOST_MS)
    await world.look()
    assert world.down() == {"council-send:council": "refused"}


async def test_refused__critical_with_the_way_out_and_over_when_it_is_taken(tmp_path: Path) -> None:
    world = CouncilWorld(tmp_path)
    await world.order()
    await world.look()
    assert world.down() == {"council-send:council": "refused"}
    (notice,) = world.told("fault/council-send")
    assert notice.severity is Severity.CRITICAL
    assert "delegate" in notice.body
    assert len(list((tmp_path / "proposals").iterdir())) == 1
    await world.delegate()
    await world.clock.advance(2_000)
    await world.look()
    assert world.down() == {}
    assert await world.steps() == ["made", "refused", "sent"]


async def test_adopted_and_taken_back_by_its_proposer__proposed_anew_by_the_keeper(tmp_path: Path) -> None:
    world = CouncilWorld(tmp_path)
    await world.delegate()
    await world.service.propose(pause_of(), OWNERS[1], signature(1, pause_of().hash), "")
    await world.order()
    await world.look()
    assert (await world.steps())[0] == "adopted"
    world.service._entries.clear()
    await world.look()
    await world.clock.advance(LOST_MS)
    for _ in range(3):
        await world.look()
    assert (await world.steps())[-2:] == ["made", "sent"]
    assert await world.queued() == [pause_of()]


async def test_twins__proposed_at_two_nonces_at_once__the_later_one_yields_and_follows(tmp_path: Path) -> None:
    one = CouncilWorld(tmp_path / "one")
    await one.delegate()
    two = await one.another(tmp_path / "two")
    await two.ledger.made(replace(await _made(two), transaction=pause_of(FIRST_NONCE, "0x" + 64 * "5")))
    await one.order()
    await two.order()
    one.service.fault = Unreachable("neither sees the other")
    for keeper in (one, two):
        await keeper.look()
    one.service.fault = None
    await one.clock.advance(60_000)
    for _ in range(4):
        for keeper in (one, two):
            await keeper.look()
    assert [one_.nonce for one_ in await one.queued() if one_.data == pause_of().data] == [FIRST_NONCE]
    assert {case.proposed.hash for case in two.desk._cases if case.proposed and case.work} == {pause_of().hash_text}


async def test_twins__the_later_one_is_signed_already__it_stays(tmp_path: Path) -> None:
    world = CouncilWorld(tmp_path)
    await world.delegate()
    other = pause_of(FIRST_NONCE, "0x" + 64 * "5")
    await world.service.propose(other, OWNERS[1], signature(1, other.hash), "")
    await world.ledger.made(replace(await _made(world), transaction=other))
    await world.order()
    await world.look()
    mine = pause_of(FIRST_NONCE + 1)
    await world.sign(mine, 2)
    await world.service.propose(pause_of(), OWNERS[1], signature(1, pause_of().hash), "")
    for _ in range(3):
        await world.look()
    assert mine in await world.queued()


async def _made(world: CouncilWorld):  # type: ignore[no-untyped-def]
    from keeper.app.council.ledger import Place, Proposed, What

    return Proposed(pause_of(), What.ACTION, "another", "{}", Place(), world.clock.now_ms(), 1)


async def test_busy_service__is_down_only_after_a_while(world: CouncilWorld) -> None:
    world.service.fault = Busy("HTTP 429", retry_after_s=1)
    await world.look()
    await world.clock.advance(BUSY_MS - 1)
    await world.look()
    assert world.down() == {}
    await world.clock.advance(1)
    await world.look()
    assert world.down() == {"council-service:council": "unreachable"}
    world.service.fault = None
    await world.clock.advance(1_000)
    await world.look()
    assert world.down() == {}
