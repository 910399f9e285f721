"""The log of a real run held against the chain: everything fits, and whatever a forger changes with all hashes made anew does not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from keeper.app.onchain import Report, verify_on_chain
from keeper.app.onchain.findings import Subject
from keeper.config.onchain import chain_and_breakers
from keeper.domain.record import RecordKind
from tests.support.breaker_stage import Change, GuardedStage, forge, guarded
from tests.support.keeper_stage import MARKET, OTHER, Stage

# One run for all: each test forges a copy of its log.
pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ran(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[GuardedStage]:
    """A keeper that tripped a breaker and was stopped."""
    async with guarded(tmp_path_factory.mktemp("ran")) as stage:
        await stage.run_until_paused()
        yield stage


@pytest.fixture
def copy(ran: GuardedStage, tmp_path: Path) -> Stage:
    """The same folder, to be forged."""
    for path in ran.stage.folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return Stage(ran.stage.world, tmp_path)


async def compared(stage: Stage) -> Report:
    chain, contracts = chain_and_breakers(stage.config)
    return await verify_on_chain(stage.url, chain, contracts, lambda text: None)


async def forged(stage: Stage, change: Change) -> list[tuple[Subject, str]]:
    await forge(stage, change)
    report = await compared(stage)
    assert all(found.remedy for found in report.found)
    return [(found.subject, found.message) for found in report.found]


def only(kind: RecordKind, **changes: Any) -> Change:
    """Changes these keys of every record of the kind."""
    return lambda found, body: body | changes if found is kind else body


async def test_log__as_it_was_written__fits_the_chain(copy: Stage) -> None:
    report = await compared(copy)
    assert (report.found, report.unchecked) == ([], [])
    assert report.checked == {
        Subject.TRANSACTION: 1,
        Subject.EFFECT: 1,
        Subject.TRIP: 1,
        Subject.EXECUTION: 0,
        Subject.NONCE: 1,
    }
    assert report.first is not None
    assert report.first <= int(str(copy.records(RecordKind.RECEIPT)[0].body["block"])) <= report.block == report.last


async def test_decision__changed__is_not_the_evidence_any_more(copy: Stage) -> None:
    found = await forged(copy, only(RecordKind.DECISION, reason="another"))
    ((subject, message),) = found
    assert subject is Subject.TRIP
    assert "is not the hash of decision record" in message


async def test_decision__changed_with_the_intent_that_names_its_hash__calldata_and_event_say_otherwise(
    copy: Stage,
) -> None:
    await forge(copy, only(RecordKind.DECISION, reason="another"))
    from keeper.app.evidence_hash import evidence_hash

    fresh = "0x" + evidence_hash(copy.records(RecordKind.DECISION)[0]).hex()
    found = await forged(copy, only(RecordKind.INTENT, evidence=fresh))
    assert found
    assert all(subject is Subject.TRIP for subject, _ in found)
    data = str(copy.records(RecordKind.INTENT)[0].body["data"])
    old = str(data[10 + 128 : 10 + 192])
    found = await forged(copy, only(RecordKind.INTENT, data=data.replace(old, fresh[2:])))
    assert [subject for subject, _ in found] == [Subject.TRANSACTION, Subject.TRIP]
    assert "another call than its intent" in found[0][1]
    assert f"names the evidence 0x{old}" in found[1][1]


async def test_decision__taken_out__nothing_led_to_the_trip(copy: Stage) -> None:
    found = await forged(copy, lambda kind, body: None if kind is RecordKind.DECISION else body)
    assert [message for _, message in found] == ["no decision of the log led to this trip"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("block", 1),
        ("status", 0),
        ("block_hash", "0x" + "12" * 32),
        ("gas_used", 21_000),
        ("effective_gas_price_wei", "1"),
    ],
)
async def test_receipt__changed__differs_in_that(copy: Stage, key: str, value: object) -> None:
    await forge(copy, only(RecordKind.RECEIPT, **{key: value}))
    report = await compared(copy)
    messages = [found.message for found in report.found if found.subject is Subject.TRANSACTION]
    assert f"the log says {key} {value}; " in messages[0]
    assert f" says {key} " in messages[0].split("; ")[1]


async def test_receipt__of_a_transaction_that_is_not_there__is_told(copy: Stage) -> None:
    fake = "0x" + "77" * 32

    def change(kind: RecordKind, body: dict[str, Any]) -> dict[str, Any]:
        return body | {"tx_hash": fake} if body.get("tx_hash") else body

    found = await forged(copy, change)
    assert any("says otherwise in tx_hash" in message for _, message in found)
    assert any(subject is Subject.TRIP and "the log has no such transaction" in message for subject, message in found)


async def test_receipt__taken_out__the_chain_has_what_the_log_has_not(copy: Stage) -> None:
    def change(kind: RecordKind, body: dict[str, Any]) -> dict[str, Any] | None:
        if kind in (RecordKind.RECEIPT, RecordKind.EFFECT):
            return None
        if kind is RecordKind.OUTCOME:
            return body | {"kind": "expired", "reason": "not-mined-in-time", "tx_hash": None, "block": None}
        return body

    ((subject, message),) = await forged(copy, change)
    assert subject is Subject.TRANSACTION
    assert "the log has no receipt of it" in message


async def test_effect__changed__the_chain_shows_another_value(copy: Stage) -> None:
    ((subject, message),) = await forged(copy, only(RecordKind.EFFECT, after="false"))
    assert subject is Subject.EFFECT
    assert "the log says false, " in message
    assert message.endswith(" says true")


@pytest.mark.parametrize(
    "changes", [{"call": "nonsense"}, {"args": []}, {"contract": 5}, {"block": 3}, {"block": "x"}, {"call": "paused()"}]
)
async def test_effect__that_is_none__is_told_and_no_crash(copy: Stage, changes: dict[str, Any]) -> None:
    found = await forged(copy, only(RecordKind.EFFECT, **changes))
    assert [subject for subject, _ in found] == [Subject.EFFECT]


@pytest.mark.parametrize("changes", [{"raw": "0x02"}, {"raw": "zz"}, {"nonce": 77}, {"data": "0x"}, {"gas_limit": 1}])
async def test_attempt__changed__is_not_what_was_signed(copy: Stage, changes: dict[str, Any]) -> None:
    found = await forged(copy, only(RecordKind.ATTEMPT, **changes))
    assert any(subject is Subject.TRANSACTION and "signed transaction" in message for subject, message in found)


@pytest.mark.parametrize("breaker", [5, {"id": 7}, {"contract": "0x", "id": "0xzz"}])
async def test_breaker_of_an_intent__nonsense__is_a_finding_and_no_crash(copy: Stage, breaker: object) -> None:
    assert await forged(copy, only(RecordKind.INTENT, breaker=breaker))


async def test_whole_action__taken_out__its_trip_is_unknown(copy: Stage) -> None:
    of_action = {
        RecordKind.DECISION,
        RecordKind.INTENT,
        RecordKind.ATTEMPT,
        RecordKind.BROADCAST,
        RecordKind.RECEIPT,
        RecordKind.EFFECT,
        RecordKind.OUTCOME,
    }
    ((subject, message),) = await forged(copy, lambda kind, body: None if kind in of_action else body)
    assert subject is Subject.TRIP
    assert f"breaker pause {MARKET} of" in message
    assert "the log has no such transaction" in message


async def test_no_evaluated_block__is_not_taken_for_right(copy: Stage) -> None:
    await forge(copy, lambda kind, body: None if kind is RecordKind.TICK else body)
    report = await compared(copy)
    assert report.ok
    assert not report.complete
    assert "nobody knows from where on" in report.unchecked[0].why


async def test_trip_by_the_key__that_no_record_tells__is_found_by_the_command(
    ran: GuardedStage, copy: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    snapshot = await ran.stage.node.rpc("evm_snapshot")
    try:
        tx_hash = await ran.trip_by_hand()
        report = await compared(copy)
        (found,) = report.found
        assert (found.subject, found.seq) == (Subject.TRIP, None)
        assert tx_hash in found.message
        assert f"pause {OTHER}" in found.message
        assert "revokeKeeper" in found.remedy
    finally:
        await ran.stage.node.rpc("evm_revert", snapshot)
