"""What a restore puts back, what it leaves alone, and what it says of each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.adapters.chain.memory import MemoryChain
from keeper.app.council.restoring import Fate, Item
from keeper.domain.abi import encode_call
from keeper.domain.action import BreakerTrip, FunctionCall
from keeper.domain.circuit_breaker import STATE_OF, BreakerStatus, breaker_id
from keeper.domain.errors import UnitError
from keeper.domain.record import RecordKind
from tests.support.breaker_double import ADDRESS as BREAKER
from tests.support.breaker_double import READY, ratified, tripped
from tests.support.restoring import VAULT, Log, action, planned, words

pytestmark = pytest.mark.unit

ID = breaker_id("limit ETH-PERP")
TRIP = BreakerTrip(BREAKER, ID)


def only(items: tuple[Item, ...]) -> Item:
    assert len(items) == 1, [item.text for item in items]
    return items[0]


async def test_restore__still_what_the_keeper_left__is_put_back_as_the_log_says() -> None:
    log = Log()
    log.acted("limit", "1000000", "250000")
    restore = await planned(log, limit=250_000)
    item = only(restore.back)
    assert item.text == "limit() of ETH-PERP: 250000 now -> 1000000 as before the incident (tighten-limit, record 4)"
    assert restore.calls == (encode_call(FunctionCall(VAULT, "setLimit(uint256)", ("1000000",))),)


async def test_restore__already_as_before__has_nothing_to_do() -> None:
    log = Log()
    log.acted("limit", "1000000", "250000")
    restore = await planned(log, limit=1_000_000)
    assert only(restore.items).fate is Fate.AS_BEFORE
    assert restore.calls == ()


@pytest.mark.parametrize("now", [249_999, 250_001, 999_999, 1_000_001])
async def test_restore__changed_since__is_left_alone_with_all_three_values(now: int) -> None:
    log = Log()
    log.acted("limit", "1000000", "250000")
    restore = await planned(log, limit=now)
    item = only(restore.items)
    assert item.fate is Fate.CHANGED_SINCE
    assert f"1000000 before, 250000 by the keeper, {now} now" in item.text
    assert restore.calls == ()


async def test_restore__several_values__are_put_back_in_the_reverse_order() -> None:
    log = Log()
    log.acted("limit", "1000", "500")
    log.acted("cap", "70", "60")
    log.acted("paused", "false", "true")
    restore = await planned(log, limit=500, cap=60, paused=1)
    assert [item.action for item in restore.items] == ["pause", "tighten-cap", "tighten-limit"]
    unpause, cap, limit = restore.calls
    assert unpause == encode_call(FunctionCall(VAULT, "unpause()"))
    assert cap == encode_call(FunctionCall(VAULT, "setCap(uint256)", ("70",)))
    assert limit == encode_call(FunctionCall(VAULT, "setLimit(uint256)", ("1000",)))


async def test_restore__one_value_changed_twice__goes_back_to_what_was_before_the_first() -> None:
    log = Log()
    log.acted("limit", "1000", "500")
    log.acted("limit", "500", "250")
    item = only((await planned(log, limit=250)).back)
    assert (item.old, item.left) == ("1000", "250")


async def test_restore__somebody_between_two_actions__that_value_is_put_back_and_told() -> None:
    log = Log()
    log.acted("limit", "1000", "500")
    log.acted("limit", "700", "350")
    restore = await planned(log, limit=350)
    assert only(restore.back).old == "700"
    assert any("from 500 to 700" in note for note in restore.notes)


async def test_restore__changed_again_in_a_later_incident__is_left_to_that_one() -> None:
    log = Log()
    log.acted("paused", "false", "true")
    log.acted("paused", "false", "true", incident="ETH-PERP@2")
    item = only((await planned(log, paused=1)).items)
    assert item.fate is Fate.CHANGED_SINCE
    assert "ETH-PERP@2" in item.text
    assert only((await planned(log, paused=1, incident="ETH-PERP@2")).items).fate is Fate.BACK


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"undo": None}, "has no `undo`"),
        ({"undo": FunctionCall(VAULT, "setLimit(uint256)", ("900",))}, "sets other numbers"),
        ({"undo": FunctionCall(VAULT, "setLimit(uint8)", ("{previous}",))}, "cannot carry it"),
        ({"name": "other"}, "no action tighten-limit"),
    ],
)
async def test_restore__no_way_back__is_said(changes: dict[str, object], says: str) -> None:
    log = Log()
    log.acted("limit", "1000", "250")
    item = only((await planned(log, actions=[action("limit", **changes)], limit=250)).items)
    assert item.fate is Fate.LEFT
    assert says in item.text


async def test_restore__an_undo_of_fixed_numbers_that_are_the_old_ones__is_taken() -> None:
    log = Log()
    log.acted("limit", "1000", "250")
    fixed = action("limit", undo=FunctionCall(VAULT, "setLimit(uint256)", ("1000",)))
    assert only((await planned(log, actions=[fixed], limit=250)).items).fate is Fate.BACK


async def test_restore__another_view_in_the_configuration__is_not_trusted() -> None:
    log = Log()
    log.acted("limit", "1000", "250")
    limit = action("limit")
    other = replace(limit, effect=replace(limit.effect, read=FunctionCall(VAULT, "cap()(uint256)")))
    assert "another view" in only((await planned(log, actions=[other], limit=250)).items).text


async def test_restore__a_view_that_does_not_answer__is_said() -> None:
    log = Log()
    log.acted("limit", "1000", "250")
    item = only((await planned(log)).items)
    assert item.fate is Fate.LEFT
    assert "cannot be read now" in item.text


async def test_restore__what_it_was_before_is_unknown__is_said() -> None:
    log = Log()
    log.acted("paused", None, "true")
    assert "does not say what it was before" in only((await planned(log, paused=1)).items).text


@pytest.mark.parametrize(
    ("ending", "attempts", "says"),
    [
        (None, 0, "has not ended yet"),
        (None, 1, "was signed, and has not ended"),
        ("included", 1, "effect is not in the log"),
        ("superseded", 1, "nobody knows by whose hand"),
        ("expired", 1, "may have been mined"),
    ],
)
async def test_restore__an_incomplete_log__is_said(ending: str | None, attempts: int, says: str) -> None:
    log = Log()
    intent = log.intended("limit", "1000")
    for _ in range(attempts):
        log.add(RecordKind.ATTEMPT, {"tx_hash": "0x1"}, intent=intent)
    if ending:
        log.ended("limit", ending, intent)
    item = only((await planned(log, limit=250)).items)
    assert item.fate is Fate.LEFT
    assert says in item.text


@pytest.mark.parametrize(
    ("ending", "status"), [("dry-run", None), ("failed", None), ("superseded", 0), ("reverted", 0)]
)
async def test_restore__what_changed_nothing__is_not_mentioned(ending: str, status: int | None) -> None:
    log = Log()
    intent = log.intended("limit", "1000")
    if status is not None:
        log.add(RecordKind.ATTEMPT, {"tx_hash": "0x1"}, intent=intent)
        log.add(RecordKind.RECEIPT, {"tx_hash": "0x1", "status": status}, intent=intent)
    log.ended("limit", ending, intent)
    assert (await planned(log, limit=250)).items == ()


async def test_restore__an_effect_that_a_reorganisation_took_away__does_not_count() -> None:
    log = Log()
    intent = log.intended("limit", "1000")
    log.add(RecordKind.ATTEMPT, {"tx_hash": "0x1"}, intent=intent)
    log.effect("limit", "1000", "250", intent)
    log.add(RecordKind.RECEIPT, {"tx_hash": "0x1", "gone": True}, intent=intent)
    assert only((await planned(log, limit=1_000)).items).fate is Fate.LEFT
    log.effect("limit", "1000", "250", intent)
    log.ended("limit", "included", intent)
    assert only((await planned(log, limit=250)).items).fate is Fate.BACK


async def through_breaker(status: BreakerStatus | None, *, limit: int = 250) -> Item:
    log = Log()
    log.acted("limit", "1000", "250", breaker=TRIP)
    chain = MemoryChain()
    states = {BreakerStatus.TRIPPED: tripped(5), BreakerStatus.RATIFIED: ratified(tripped(5))}
    state = READY if status is None else states.get(status, READY)

    def contract(data: bytes, _: str, storage: dict[str, object]) -> bytes:
        assert data == encode_call(FunctionCall(BREAKER, STATE_OF, (ID,))).data
        return words(0, state.status, 1, state.expires_at_s, 0, 0, 1)

    if status is not None:
        chain.install(BREAKER, contract)
    return only((await planned(log, actions=(), chain=chain, limit=limit)).items)


@pytest.mark.parametrize("status", [BreakerStatus.TRIPPED, BreakerStatus.RATIFIED])
async def test_restore__through_a_breaker_in_effect__lifts_it(status: BreakerStatus) -> None:
    item = await through_breaker(status)
    assert item.fate is Fate.BACK
    assert item.undo == FunctionCall(BREAKER, "lift(bytes32,bool)", (ID, "true"))
    assert "lifts the breaker limit ETH-PERP" in item.text
    assert ("ends by itself at 1970-01-01 00:16:45 UTC" in item.text) is (status is BreakerStatus.TRIPPED)


async def test_restore__through_a_breaker_that_has_ended__is_left_alone() -> None:
    assert (await through_breaker(BreakerStatus.READY, limit=1_000)).fate is Fate.AS_BEFORE
    assert (await through_breaker(BreakerStatus.READY)).fate is Fate.CHANGED_SINCE


async def test_restore__a_breaker_that_does_not_answer__is_said() -> None:
    item = await through_breaker(None)
    assert item.fate is Fate.LEFT
    assert "does not answer" in item.text


async def test_restore__an_open_incident__is_noted() -> None:
    log = Log()
    log.phase("opened")
    log.acted("limit", "1000", "250")
    assert any("still open" in note for note in (await planned(log, limit=250)).notes)
    log.phase("closed")
    assert (await planned(log, limit=250)).notes == ()


async def test_restore__an_unknown_incident__names_the_nearest() -> None:
    log = Log()
    log.phase("opened", "ETH-PERP@12")
    with pytest.raises(UnitError, match="no incident 'ETH-PERP@13'") as caught:
        await planned(log, incident="ETH-PERP@13")
    assert caught.value.remedy == "did you mean ETH-PERP@12?"
    with pytest.raises(UnitError) as caught:
        await planned(Log())
    assert caught.value.remedy == "the log holds no incident yet"


async def test_restore__one_undo_for_two_values__is_called_once() -> None:
    log = Log()
    log.acted("limit", "1000", "500")
    log.acted("cap", "1000", "500")
    both = [action(what, undo=FunctionCall(VAULT, "setAll(uint256)", ("{previous}",))) for what in ("limit", "cap")]
    restore = await planned(log, actions=both, limit=500, cap=500)
    assert (len(restore.back), len(restore.calls)) == (2, 1)
