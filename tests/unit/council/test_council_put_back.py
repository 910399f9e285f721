"""What was put back already is not put back again: what is there since is somebody's later decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from keeper.app.council.changes import Made
from keeper.app.council.executions import Ended
from keeper.app.council.ledger import Proposed, Step, What
from keeper.app.council.restored import PutBack
from keeper.app.council.restoring import Fate, Item, Restore
from keeper.domain.record import RecordKind
from tests.support.restoring import CAP_VIEW, INCIDENT, LIMIT_VIEW, Log, planned

pytestmark = pytest.mark.unit
TX_HASH = "0x" + 64 * "e"


def only(restore: Restore) -> Item:
    (item,) = restore.items
    return item


def acted() -> Log:
    """The keeper lowered the limit from 1000 to 250, in block 7."""
    log = Log()
    log.acted("limit", "1000", "250")
    return log


@pytest.mark.parametrize("step", [Step.EXECUTED, Step.CARRIED_OUT])
@pytest.mark.parametrize("what", [What.RESTORE, What.BY_HAND])
async def test_restore__executed_already_and_set_again_by_somebody__is_left_alone_and_said(
    step: Step, what: What
) -> None:
    log = acted()
    log.step(log.proposed("limit", what), step, ok=True, tx_hash=TX_HASH, block=9)
    restore = await planned(log, limit=250)
    item = only(restore)
    assert (item.fate, restore.calls) == (Fate.CHANGED_SINCE, ())
    assert f"put back already (Put back {INCIDENT}: {TX_HASH})" in item.text
    assert "1000 before, 250 by the keeper, 250 now" in item.text


async def test_restore__executed_already_and_still_so__has_nothing_to_do() -> None:
    log = acted()
    log.step(log.proposed("limit"), Step.EXECUTED, ok=True, tx_hash=TX_HASH, block=9)
    assert only(await planned(log, limit=1_000)).fate is Fate.AS_BEFORE


@pytest.mark.parametrize(
    ("what", "of", "step", "ok"),
    [
        ("limit", What.RESTORE, Step.EXECUTED, False),
        ("limit", What.RESTORE, Step.CARRIED_OUT, False),
        ("limit", What.RESTORE, Step.SUPERSEDED, None),
        ("limit", What.RESTORE, Step.SENT, None),
        ("limit", What.ACTION, Step.EXECUTED, True),
        ("limit", What.REJECTION, Step.EXECUTED, True),
        ("cap", What.RESTORE, Step.EXECUTED, True),
    ],
    ids=["failed", "failed by command", "given up", "waiting", "the keeper's own", "a rejection", "another value"],
)
async def test_restore__what_did_not_put_this_value_back__keeps_nothing_from_it(
    what: str, of: What, step: Step, ok: bool | None
) -> None:
    log = acted()
    log.step(log.proposed(what, of), step, ok=ok, tx_hash=TX_HASH, block=9)
    assert only(await planned(log, limit=250)).fate is Fate.BACK


async def test_restore__the_keeper_acted_again_after_it__is_put_back_again() -> None:
    log = acted()
    log.step(log.proposed("limit"), Step.EXECUTED, ok=True, tx_hash=TX_HASH, block=7)
    log.acted("limit", "1000", "250")
    restore = await planned(log, limit=250)
    assert [item.fate for item in restore.items] == [Fate.BACK]


async def test_restore__of_another_incident_that_covers_the_value__counts_too() -> None:
    log = acted()
    log.step(log.proposed("limit", incident="ETH-PERP@2"), Step.EXECUTED, ok=True, tx_hash=TX_HASH, block=9)
    assert only(await planned(log, limit=250)).fate is Fate.CHANGED_SINCE


@pytest.mark.parametrize(
    ("seq", "block", "made_block", "undid"),
    [(9, 8, 7, True), (9, 6, 7, False), (3, 8, 7, True), (9, 7, 7, True), (3, 7, 7, False), (9, None, 7, True), (3, 9, None, False)],
)  # fmt: skip
def test_undid__by_block_and_else_by_the_order_of_the_log(
    seq: int, block: int | None, made_block: int | None, undid: bool
) -> None:
    made = Made(4, "ETH-PERP", "tighten-limit", LIMIT_VIEW, "1000", "250", None, made_block)
    assert PutBack("t", frozenset({LIMIT_VIEW}), TX_HASH, seq, block).undid(made) is undid
    assert not PutBack("t", frozenset({CAP_VIEW}), TX_HASH, seq, block).undid(made)


@pytest.mark.parametrize(
    ("end", "fate", "noted"),
    [
        (Ended(TX_HASH, True, 9), Fate.CHANGED_SINCE, False),
        (Ended(TX_HASH, False, 9), Fate.BACK, False),
        (Ended(), Fate.BACK, False),
        (Ended(unsure="nobody knows"), Fate.BACK, True),
        (None, Fate.BACK, False),
    ],
    ids=["executed", "its call failed", "dead", "not known", "open"],
)
async def test_restore__executed_while_no_keeper_ran__is_looked_up_on_the_chain(
    end: Ended | None, fate: Fate, noted: bool
) -> None:
    log = acted()
    made = log.proposed("limit")

    async def look_up(asked: Sequence[Proposed]) -> Mapping[str, Ended]:
        assert [one.hash for one in asked] == [made.hash]
        return {made.hash: end} if end is not None else {}

    restore = await planned(log, look_up=look_up, limit=250)
    assert only(restore).fate is fate
    assert any("may have been executed: nobody knows" in note for note in restore.notes) is noted


@pytest.mark.parametrize(
    ("found", "fate"),
    [("1000", Fate.CHANGED_SINCE), ("250", Fate.BACK), (None, Fate.BACK), ("unreadable (reverted)", Fate.BACK)],
)
async def test_restore__a_later_intent_found_another_value__somebody_had_changed_it_in_between(
    found: str | None, fate: Fate
) -> None:
    log = acted()
    intent = log.intended("limit", found, incident="ETH-PERP@2")
    log.ended("limit", "expired", intent, "ETH-PERP@2")
    item = only(await planned(log, limit=250))
    assert item.fate is fate
    assert ("it was 1000 in between (record 6)" in item.text) is (fate is Fate.CHANGED_SINCE)


async def test_restore__an_intent_of_another_action__says_nothing_of_this_value() -> None:
    log = acted()
    log.ended("cap", "expired", log.intended("cap", "70", incident="ETH-PERP@2"), "ETH-PERP@2")
    assert only(await planned(log, limit=250)).fate is Fate.BACK


async def test_restore__a_proposal_that_this_version_cannot_read__is_no_obstacle() -> None:
    log = acted()
    log.add(RecordKind.PROPOSAL, {"step": "made", "safe_tx_hash": "0x1", "what": "?"}, intent="")
    assert only(await planned(log, limit=250)).fate is Fate.BACK
