"""The council's side as commands and pages see it: what is found, what is refused, and what is kept while a service is down."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from keeper.adapters.safe.files import read_proposal
from keeper.adapters.safe.memory import MemoryProposalService
from keeper.app.council.council import ALARMED
from keeper.app.council.ledger import Place, Step, What
from keeper.app.council.matter import Change, Level, Matter, Standing
from keeper.domain.errors import Busy, MalformedAnswer, OutsideError, Refused, UnitError, Unreachable
from keeper.domain.proposal import Confirmation, Queued
from keeper.domain.safe import Operation, SafeTransaction, rejection
from tests.support.council_world import FIRST_NONCE, ID, MULTISEND, CouncilWorld, contract_word, pause_of
from tests.support.safe_proposals import CHAIN_ID, KEEPER, OTHER_SAFE, OWNERS, SAFE, TARGET, signature

pytestmark = pytest.mark.unit
CALL = (TARGET, 0, pause_of().data)


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> CouncilWorld:
    world = CouncilWorld(tmp_path)
    await world.delegate()
    return world


async def drafted(world: CouncilWorld) -> Matter:
    return await world.council.draft(
        [CALL], title="Pause by hand", why=["we want it"], what=What.BY_HAND, place=Place()
    )


async def proposed(world: CouncilWorld) -> Matter:
    return await world.council.propose(await drafted(world), what=What.BY_HAND, place=Place())


# -- looking ----------------------------------------------------------------------------------------------------------------------


async def test_draft__changes_read_from_the_chain__and_nothing_written(world: CouncilWorld) -> None:
    matter = await drafted(world)
    (change,) = matter.changes
    assert (change.contract, change.asked, change.args, change.before, change.after) == (
        TARGET, "paused(bytes32)(bool)", (ID,), "false", "true",
    )  # fmt: skip
    assert "false now -> true" in change.text
    assert matter.why == ("we want it",)
    assert await world.records() == []
    assert not (world.folder / "proposals").exists()


async def test_draft__queued_already__is_that_one(world: CouncilWorld) -> None:
    first = await proposed(world)
    again = await drafted(world)
    assert (again.hash, again.from_service, again.ours) == (first.hash, True, True)
    await world.council.propose(again, what=What.BY_HAND, place=Place())
    assert await world.steps() == ["made", "sent"]


async def test_draft__service_down__says_that_nobody_knows_what_waits_there(world: CouncilWorld) -> None:
    world.service.fault = Unreachable("it is down")
    assert any("it is down" in remark.text for remark in (await drafted(world)).remarks)


@pytest.mark.parametrize("digits", [6, 7, 64])
@pytest.mark.parametrize("prefix", ["0x", ""])
async def test_matter__by_enough_digits__is_found(world: CouncilWorld, digits: int, prefix: str) -> None:
    whole = (await proposed(world)).hash
    assert (await world.council.matter(f" {prefix}{whole[2 : 2 + digits].upper()} ")).hash == whole


@pytest.mark.parametrize("text", ["", "0x", "0x12345", "0x" + 65 * "a", "0xgggggg", "../etc/passwd", "0x12 34 56"])
async def test_matter__no_beginning_of_a_hash__is_refused(world: CouncilWorld, text: str) -> None:
    with pytest.raises(UnitError, match="beginning"):
        await world.council.matter(text)


async def test_matter__unknown__is_refused_with_where_to_look(world: CouncilWorld) -> None:
    for text in ("0x123456", "0x" + 64 * "1"):
        with pytest.raises(UnitError, match="no proposal") as error:
            await world.council.matter(text)
        assert "queue" in error.value.remedy


async def test_matter__two_begin_so__more_digits_are_asked_for(world: CouncilWorld) -> None:
    await proposed(world)
    other = replace(pause_of(), nonce=FIRST_NONCE + 1)
    first = Queued(pause_of(), pause_of().hash_text)
    world.service.tell = [first, Queued(other, first.claimed_hash)]
    assert (await world.council.matter(first.claimed_hash[:10])).transaction == pause_of(), "the true one"
    world.service.tell = [Queued(replace(other, value=n), "0x" + 64 * "a") for n in (1, 2)]
    with pytest.raises(UnitError, match="2 proposals begin"):
        await world.council.matter("0xaaaaaa")


async def test_matter__the_service_answers_with_another__is_refused(world: CouncilWorld) -> None:
    async def another(safe_tx_hash: str) -> Queued:
        other = replace(pause_of(), nonce=FIRST_NONCE + 3)
        return Queued(other, other.hash_text)

    world.service.find = another  # type: ignore[method-assign]
    with pytest.raises(MalformedAnswer, match="was asked for"):
        await world.council.matter("0x" + 64 * "1")


async def test_queue__everything_that_is_open__in_the_order_of_nonce(world: CouncilWorld) -> None:
    await proposed(world)
    other = SafeTransaction(CHAIN_ID, SAFE, FIRST_NONCE + 1, TARGET, b"\x01\x02\x03\x04")
    await world.service.propose(other, OWNERS[1], signature(1, other.hash), "<b>note</b>\x1b[31m")
    first, second = await world.council.queue()
    assert (first.hash, first.ours, first.standing) == (pause_of().hash_text, True, Standing.WAITING)
    assert (second.hash, second.ours, second.missing) == (other.hash_text, False, 1)
    assert "\x1b" not in second.origin
    assert second.why == ("the log of this keeper does not know it: ask who proposed it",)


async def test_queue__service_down__what_the_log_knows_is_shown(world: CouncilWorld) -> None:
    await proposed(world)
    world.service.fault = Unreachable("it is down")
    (matter,) = await world.council.queue()
    assert (matter.hash, matter.from_service) == (pause_of().hash_text, False)


async def test_standing__ready_behind_and_dead__by_the_chain(world: CouncilWorld) -> None:
    await proposed(world)
    later = SafeTransaction(CHAIN_ID, SAFE, FIRST_NONCE + 1, TARGET, b"\x01\x02\x03\x04")
    await world.service.propose(later, OWNERS[1], signature(1, later.hash), "")
    for transaction in (pause_of(), later):
        await world.sign(transaction, 0, 1)
    ready, behind = await world.council.queue()
    assert (ready.standing, behind.standing, ready.missing) == (Standing.READY, Standing.BEHIND, 0)
    world.chain.execute(rejection(CHAIN_ID, SAFE, FIRST_NONCE))
    assert (await world.council.matter(pause_of().hash_text)).standing is Standing.DEAD


async def test_changes__already_in_effect__nothing_is_shown_as_changing(world: CouncilWorld) -> None:
    world.chain.store(TARGET, paused=frozenset({bytes.fromhex(ID[2:])}))
    world.chain.mine()
    assert (await drafted(world)).changes == ()


async def test_history__what_is_over__newest_first(world: CouncilWorld) -> None:
    await proposed(world)
    assert await world.council.history() == []
    await world.look()
    world.chain.execute(pause_of())
    await world.look(mine=False)
    (matter,) = await world.council.history()
    assert (matter.standing, matter.times.executed_ms) == (Standing.EXECUTED, world.clock.now_ms())
    assert await world.council.history(0) == []


async def test_seen__twice__is_written_once(world: CouncilWorld) -> None:
    matter = await proposed(world)
    await world.council.seen(matter, via="page")
    await world.council.seen(await world.council.matter(matter.hash), via="page")
    assert (await world.steps()).count("seen") == 1


# -- signing ----------------------------------------------------------------------------------------------------------------------


async def test_confirm__an_owner__counts_in_service_file_and_log(world: CouncilWorld) -> None:
    matter = await proposed(world)
    after = await world.council.confirm(matter, signature(0, matter.transaction.hash), via="test")
    assert [one.owner for one in after.signed if one.counts] == [OWNERS[0]]
    assert [one.owner for one in after.not_signed] == list(OWNERS[1:])
    (path,) = (world.folder / "proposals").iterdir()
    assert set(read_proposal(path).signatures) == {OWNERS[0]}
    assert (await world.steps())[-1] == "confirmed"


async def test_confirm__the_same_again__is_taken_and_no_new_record(world: CouncilWorld) -> None:
    matter = await proposed(world)
    for _ in range(2):
        after = await world.council.confirm(matter, signature(0, matter.transaction.hash), via="test")
        assert [one.owner for one in after.signed if one.counts] == [OWNERS[0]]
    assert (await world.steps()).count("confirmed") == 1
    await world.council.confirm(matter, signature(1, matter.transaction.hash), via="test")
    assert (await world.steps()).count("confirmed") == 2


async def test_confirm__twice_at_once__is_one_record(world: CouncilWorld) -> None:
    matter = await proposed(world)
    words = signature(0, matter.transaction.hash)
    await asyncio.gather(*(world.council.confirm(matter, words, via="page") for _ in range(3)))
    assert (await world.steps()).count("confirmed") == 1


async def test_confirm__again_what_the_log_does_not_know__is_no_new_record(world: CouncilWorld) -> None:
    await world.service.propose(pause_of(), OWNERS[1], signature(1, pause_of().hash), "")
    for _ in range(2):
        matter = await world.council.matter(pause_of().hash_text)
        await world.council.confirm(matter, signature(0, pause_of().hash), via="test")
    assert (await world.steps()).count("confirmed") == 1


async def test_confirm__words_that_are_older_than_the_proposal__are_said_so_until_they_are_given_again(
    world: CouncilWorld,
) -> None:
    matter = await proposed(world)
    words = signature(0, pause_of().hash)
    await world.service.confirm(pause_of().hash_text, words)
    known = await world.ledger.find(matter.hash)
    assert known is not None
    former = replace(known, facts={**known.facts, "former": [OWNERS[0], OWNERS[1]]})
    await world.ledger.step(known, Step.SUPERSEDED, why="the incident was over")
    await world.ledger.made(former)
    matter = await world.council.matter(matter.hash)
    assert (matter.former, matter.missing) == (frozenset({OWNERS[0]}), 1)
    (remark,) = [one for one in matter.remarks if "older than this proposal" in one.text]
    assert "Ada" in remark.text
    after = await world.council.confirm(matter, words, via="test")
    assert (after.former, after.missing) == (frozenset(), 1)
    assert not any("older than this proposal" in one.text for one in after.remarks)
    assert (await world.bodies())[-1]["step"] == "confirmed"


async def test_confirm__a_contract_that_stands_by_it__is_given_to_the_service_and_no_file(world: CouncilWorld) -> None:
    matter = await proposed(world)
    word = contract_word(OWNERS[0], b"a-good-word")
    given: list[bytes] = []

    async def confirm(safe_tx_hash: str, signature: bytes) -> None:
        given.append(signature)
        world.service.tell = [Queued(pause_of(), safe_tx_hash, (word,), OWNERS[0], KEEPER)]

    world.service.confirm = confirm  # type: ignore[method-assign]
    with pytest.raises(UnitError, match="does not confirm it"):
        await world.council.confirm(matter, word.signature, via="test")
    assert given == []
    world.chain.store(SAFE, takes=frozenset({b"a-good-word"}))
    world.chain.mine()
    after = await world.council.confirm(matter, word.signature, via="test")
    assert given == [word.signature]
    assert [one.owner for one in after.signed if one.counts] == [OWNERS[0]]
    (path,) = (world.folder / "proposals").iterdir()
    assert read_proposal(path).signatures == {}
    assert (await world.bodies())[-1]["owner"] == OWNERS[0]


async def test_confirm__a_contract_without_a_service__is_told_to_approve_on_chain(tmp_path: Path) -> None:
    world = CouncilWorld(tmp_path, with_service=False)
    matter = await proposed(world)
    world.chain.store(SAFE, takes=frozenset({b"a-good-word"}))
    world.chain.mine()
    with pytest.raises(UnitError, match="keys only") as error:
        await world.council.confirm(matter, contract_word(OWNERS[0], b"a-good-word").signature, via="test")
    assert "--approve-on-chain" in error.value.remedy
    assert "confirmed" not in await world.steps()


async def test_confirm__a_contract_that_is_no_owner__is_refused_without_asking_it(world: CouncilWorld) -> None:
    matter = await proposed(world)
    world.chain.store(SAFE, takes=frozenset({b"a-good-word"}))
    world.chain.mine()
    with pytest.raises(UnitError, match="no owner"):
        await world.council.confirm(matter, contract_word(OTHER_SAFE, b"a-good-word").signature, via="test")


@pytest.mark.parametrize("what", ["stranger", "another hash", "no signature", "for a contract"])
async def test_confirm__what_the_safe_would_not_take__is_refused_and_nowhere(world: CouncilWorld, what: str) -> None:
    matter = await proposed(world)
    words = {
        "stranger": signature(3, matter.transaction.hash),
        "another hash": signature(0, pause_of(8).hash),
        "no signature": b"\x01" * 65,
        "for a contract": contract_word(OWNERS[0], b"a-good-word").signature,
    }
    with pytest.raises(UnitError):
        await world.council.confirm(matter, words[what], via="test")
    told = await world.service.find(matter.hash)
    assert told is not None
    assert told.confirmations == ()
    (path,) = (world.folder / "proposals").iterdir()
    assert read_proposal(path).signatures == {}
    assert "confirmed" not in await world.steps()


async def test_confirm__nonce_used__is_refused(world: CouncilWorld) -> None:
    matter = await proposed(world)
    world.chain.execute(rejection(CHAIN_ID, SAFE, FIRST_NONCE))
    with pytest.raises(UnitError, match="used already"):
        await world.council.confirm(matter, signature(0, matter.transaction.hash), via="test")


async def test_confirm__alarms__refused_unless_insisted(world: CouncilWorld) -> None:
    takeover = SafeTransaction(
        CHAIN_ID, SAFE, FIRST_NONCE, OTHER_SAFE, b"\x01\x02\x03\x04", operation=Operation.DELEGATECALL
    )
    await world.service.propose(takeover, OWNERS[1], signature(1, takeover.hash), "")
    matter = await world.council.matter(takeover.hash_text)
    with pytest.raises(UnitError, match=ALARMED):
        await world.council.confirm(matter, signature(0, takeover.hash), via="test")
    await world.council.confirm(matter, signature(0, takeover.hash), via="test", despite_alarms=True)
    assert (await world.bodies())[-1]["despite_alarms"] is True


@pytest.mark.parametrize("fault", [Unreachable("it is down"), Busy("HTTP 503")])
async def test_confirm__service_does_not_answer__the_signature_is_kept_and_given_to_it_later(
    world: CouncilWorld, fault: OutsideError
) -> None:
    matter = await proposed(world)
    await world.look()
    world.service.fault = fault
    after = await world.council.confirm(matter, signature(0, matter.transaction.hash), via="test")
    assert after.missing == 1
    world.service.fault = None
    await world.look()
    told = await world.service.find(matter.hash)
    assert told is not None
    assert [one.owner for one in told.confirmations] == [OWNERS[0]]


async def test_confirm__service_refuses__is_said(world: CouncilWorld) -> None:
    matter = await proposed(world)
    world.service.fault = Refused("not today", code=400)
    with pytest.raises(Refused):
        await world.council.confirm(matter, signature(0, matter.transaction.hash), via="test")


# -- what a hostile service tells ---------------------------------------------------------------------------------------------------

FIELDS: dict[str, dict[str, Any]] = {
    "to": {"to": OTHER_SAFE},
    "value": {"value": 1},
    "data": {"data": b"\xde\xad\xbe\xef"},
    "nonce": {"nonce": 77},
    "operation": {"operation": Operation.DELEGATECALL},
    "safeTxGas": {"safe_tx_gas": 1},
    "baseGas": {"base_gas": 1},
    "gasPrice": {"gas_price": 1},
    "gasToken": {"gas_token": OTHER_SAFE},
    "refundReceiver": {"refund_receiver": OTHER_SAFE},
    "Safe": {"safe": OTHER_SAFE},
    "chain": {"chain_id": 1},
}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("consistent", [False, True], ids=["under our hash", "under its own"])
async def test_hostile__any_field_altered__alarms_or_is_not_ours_and_ours_is_never_changed(
    world: CouncilWorld, field: str, consistent: bool
) -> None:
    ours = await proposed(world)
    lie = replace(pause_of(), **FIELDS[field])
    claimed = lie.hash_text if consistent else ours.hash
    world.service.tell = [Queued(lie, claimed, (Confirmation(OWNERS[0], signature(0, lie.hash)),), OWNERS[0], KEEPER)]
    found = await world.council.matter(ours.hash)
    if consistent:
        assert (found.transaction, found.from_service) == (pause_of(), False), "shown as the log has it"
        return
    assert found.transaction == lie
    texts = [remark.text for remark in found.alarms]
    assert any(ours.hash in text for text in texts), "the hash is not that of its fields"
    assert any(text.startswith(f"{field}: we proposed") for text in texts), texts
    for number in range(3):
        with pytest.raises(UnitError, match=ALARMED):
            await world.council.confirm(found, signature(number, found.transaction.hash), via="test")


@pytest.mark.parametrize(
    "changed",
    [
        {"claimed_hash": "0x" + 64 * "a"},
        {"executed": True},
        {"confirmations": (Confirmation(OWNERS[1], signature(0, pause_of().hash)),)},
        {"confirmations": (Confirmation(KEEPER, signature(1, pause_of().hash)),)},
        {"confirmations": (Confirmation(OWNERS[1], signature(1, pause_of().hash)),) * 2},
        {"confirmations": (Confirmation(OWNERS[1], contract_word(OWNERS[0], b"a-bad-word").signature),)},
    ],
    ids=["hash", "executed", "signature of another", "another's name", "one twice", "contract of another"],
)
async def test_hostile__anything_else__alarms(world: CouncilWorld, changed: dict[str, Any]) -> None:
    await proposed(world)
    world.service.tell = [replace(Queued(pause_of(), pause_of().hash_text, (), OWNERS[0], KEEPER), **changed)]
    found = await world.council.matter(pause_of().hash_text)
    assert found.alarms
    with pytest.raises(UnitError, match=ALARMED):
        await world.council.confirm(found, signature(0, pause_of().hash), via="test")
    told = await MemoryProposalService.find(world.service, pause_of().hash_text)
    assert told is not None
    assert told.confirmations == ()


@pytest.mark.parametrize(
    ("word", "level"),
    [
        (Confirmation(KEEPER, signature(3, pause_of().hash)), Level.NOTE),
        (contract_word(OWNERS[1], b"a-bad-word"), Level.WARNING),
    ],
    ids=["owner no more", "contract says no by now"],
)
async def test_matter__a_true_word_that_became_worthless__is_told_and_others_can_sign(
    world: CouncilWorld, word: Confirmation, level: Level
) -> None:
    await proposed(world)
    world.service.tell = [Queued(pause_of(), pause_of().hash_text, (word,), OWNERS[0], KEEPER)]
    found = await world.council.matter(pause_of().hash_text)
    assert [one.level for one in found.remarks if word.owner in one.text] == [level]
    assert (found.alarms, found.missing) == ((), 2)
    await world.council.confirm(found, signature(0, pause_of().hash), via="test")


@pytest.mark.parametrize(("code", "level"), [(b"", Level.ALARM), (b"\x60\x00", Level.WARNING)], ids=["none", "other"])
async def test_batch__library_without_its_code__is_not_simulated_as_its_calls(
    world: CouncilWorld, code: bytes, level: Level
) -> None:
    good = await world.council.draft([CALL, CALL], title="Two", why=[], what=What.BY_HAND, place=Place())
    assert good.after.goes_through
    assert not [one for one in good.remarks if MULTISEND in one.text]
    world.start()
    world.chain.libraries[MULTISEND] = code
    bad = await world.council.draft([CALL, CALL], title="Two", why=[], what=What.BY_HAND, place=Place())
    assert (bad.after.goes_through, bad.changes) == (None, ())
    assert [one.level for one in bad.remarks if MULTISEND in one.text] == [level]
    assert "cannot be simulated" in bad.after.text


async def test_cut_queue__our_own_is_asked_for_by_its_hash(world: CouncilWorld) -> None:
    await proposed(world)
    await world.sign(pause_of(), 0)
    world.service.tell, world.service.whole = [], False
    (found,) = await world.council.queue()
    assert (found.hash, found.from_service, found.missing) == (pause_of().hash_text, True, 1)
    assert world.service.asked.count("find") == 1
    world.service.whole = True
    assert [one.from_service for one in await world.council.queue()] == [False]
    assert world.service.asked.count("find") == 1, "the queue says all"


# -- proposing --------------------------------------------------------------------------------------------------------------------


async def test_propose__service_down__is_in_the_log_and_a_file_with_the_owners_signature(world: CouncilWorld) -> None:
    matter = await drafted(world)
    world.service.fault = Unreachable("it is down")
    words = signature(1, matter.transaction.hash)
    with pytest.raises(Unreachable):
        await world.council.propose(matter, what=What.BY_HAND, place=Place(), signature=words, sender=OWNERS[1])
    assert await world.steps() == ["made", "kept"]
    (path,) = (world.folder / "proposals").iterdir()
    assert set(read_proposal(path).signatures) == {OWNERS[1]}
    world.service.fault = None
    for _ in range(3):
        await world.look()
    assert await world.steps() == ["made", "kept", "sent", "signed"]
    told = await world.service.find(matter.hash)
    assert told is not None
    assert [one.owner for one in told.confirmations] == [OWNERS[1]]


async def test_propose__refused__is_written_down_as_that(world: CouncilWorld) -> None:
    world.service._delegates.clear()
    matter = await drafted(world)
    with pytest.raises(Refused):
        await world.council.propose(matter, what=What.BY_HAND, place=Place())
    assert await world.steps() == ["made", "refused"]


async def test_files_only__proposed_signed_and_counted_without_any_service(tmp_path: Path) -> None:
    world = CouncilWorld(tmp_path, with_service=False)
    matter = await proposed(world)
    assert (await world.steps(), matter.from_service) == (["made"], False)
    await world.look()
    await world.council.confirm(matter, signature(0, matter.transaction.hash), via="test")
    world.chain.approve(OWNERS[2], matter.transaction)
    await world.look()
    (found,) = await world.council.queue()
    assert (found.standing, found.missing) == (Standing.READY, 0)
    assert [one.owner for one in await world.council.confirmations(found)] == [OWNERS[0], OWNERS[2]]
    assert await world.steps() == ["made", "confirmed", "signed", "signed", "threshold"]


async def test_files_only__a_file_that_somebody_brought__is_shown(tmp_path: Path) -> None:
    elsewhere = CouncilWorld(tmp_path, with_service=False)
    await proposed(elsewhere)
    world = CouncilWorld(tmp_path, with_service=False)
    (matter,) = await world.council.queue()
    assert (matter.hash, matter.ours) == (pause_of().hash_text, False)


async def test_reject__draft_and_propose__uses_up_the_same_nonce(world: CouncilWorld) -> None:
    matter = await proposed(world)
    draft = await world.council.draft_rejection(matter)
    assert draft.transaction == rejection(CHAIN_ID, SAFE, FIRST_NONCE)
    await world.council.propose(draft, what=What.REJECTION, place=Place())
    assert [one.nonce for one in await world.queued()] == [FIRST_NONCE, FIRST_NONCE]
    again = await world.council.draft_rejection(matter)
    assert again.from_service


async def test_reject__another_transaction_under_the_hash_of_the_rejection__is_never_given_for_it(
    world: CouncilWorld,
) -> None:
    matter = await proposed(world)
    no = rejection(CHAIN_ID, SAFE, FIRST_NONCE)
    lie = replace(pause_of(), value=1)
    world.service.tell = [Queued(pause_of(), matter.hash), Queued(lie, no.hash_text)]
    assert (await world.council.draft_rejection(matter)).transaction == no


async def test_reject__nonce_used__is_refused(world: CouncilWorld) -> None:
    matter = await proposed(world)
    world.chain.execute(pause_of())
    with pytest.raises(UnitError, match="used already"):
        await world.council.draft_rejection(matter)


async def test_withdraw__not_in_a_queue__is_refused(world: CouncilWorld) -> None:
    with pytest.raises(UnitError, match="not in a service"):
        await world.council.withdraw(await drafted(world))


async def test_changes__recorded_before_the_incident__is_shown_even_where_nothing_would_change(
    world: CouncilWorld,
) -> None:
    other = "0x" + b"BTC-PERP".ljust(32, b"\0").hex()
    recorded = [Change(TARGET, "paused(bytes32)(bool)", (key,), "true", "false", "false") for key in (ID, other)]
    matter = await world.council.draft(
        [CALL], title="Restore", why=[], what=What.RESTORE, place=Place(), changes=recorded
    )
    found = {one.args: one for one in matter.changes}
    assert (found[ID,].before, found[ID,].after, found[ID,].recorded) == ("false", "true", "false"), "read, not told"
    assert (found[other,].before, found[other,].after, found[other,].recorded) == ("false", "false", "false")
    assert "(false before the incident)" in found[other,].text


async def test_changes__a_view_that_does_not_answer__is_said_to_be_unreadable(world: CouncilWorld) -> None:
    recorded = [Change(TARGET, "nobody(bytes32)(bool)", (ID,), "true", "false", "false")]
    matter = await world.council.draft([CALL], title="?", why=[], what=What.RESTORE, place=Place(), changes=recorded)
    (odd,) = [one for one in matter.changes if one.asked.startswith("nobody")]
    assert (odd.before, odd.after) == (None, None)
    assert "unreadable now -> not known" in odd.text
