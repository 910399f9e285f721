"""Proposals in the log: each step is read back as it was written, and what is odd is left alone."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from keeper.adapters.audit.memory import MemoryAuditStore
from keeper.app.council import ledger
from keeper.app.council.ledger import (
    FINAL,
    Ledger,
    Place,
    Proposed,
    Step,
    What,
    notice_key,
    transaction_body,
    transaction_from,
)
from keeper.domain.errors import UnitError
from keeper.domain.record import Draft, Record, RecordKind
from keeper.domain.safe import Operation
from tests.support.council_world import pause_of
from tests.support.manual_clock import ManualClock
from tests.support.safe_proposals import OTHER_SAFE, SAFE, proposal

pytestmark = pytest.mark.unit
PLACE = Place("ETH-PERP", "pause-market", "ETH-PERP@1", "intent-1")


class Book:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = MemoryAuditStore()
        self.ledger = Ledger(self.store, self.clock, SAFE)

    def proposed(self, **changed: Any) -> Proposed:
        told: dict[str, Any] = {
            "transaction": pause_of(), "what": What.ACTION, "title": "Pause", "origin": "{}", "place": PLACE,
            "made_ms": self.clock.now_ms(), "block": 5, "expires_ms": 99, "evidence": "0x11", "facts": {"changes": []},
        }  # fmt: skip
        return Proposed(**(told | changed))

    async def written(self, body: dict[str, Any], place: Place = PLACE) -> None:
        await self.store.append(
            [Draft(RecordKind.PROPOSAL, body, self.clock.now_ms(), place.market, place.action, place.incident)]
        )


async def test_made__every_field__is_read_back() -> None:
    book = Book()
    made = await book.ledger.made(book.proposed())
    assert await book.ledger.all() == [made]
    assert await book.ledger.find(made.hash) == made
    adopted = await book.ledger.made(
        book.proposed(transaction=pause_of(8), adopted=True, expires_ms=None, evidence=None, place=Place())
    )
    assert await book.ledger.find(adopted.hash) == adopted
    assert adopted.sent
    assert not made.sent


@pytest.mark.parametrize("step", [step for step in Step if step not in (Step.MADE, Step.ADOPTED)])
async def test_step__each__is_read_back_and_only_the_last_ones_close_it(step: Step) -> None:
    book = Book()
    made = await book.ledger.made(book.proposed())
    await book.clock.advance(1_000)
    after = await book.ledger.step(made, step, owner="0xab", tx_hash="0x01")
    (found,) = await book.ledger.all()
    assert [(one, at, body["owner"]) for one, at, body in found.told] == [(step, made.made_ms + 1_000, "0xab")]
    assert [(one, at) for one, at, _ in after.told] == [(one, at) for one, at, _ in found.told]
    assert found.open is (step not in FINAL)
    assert bool(await book.ledger.open()) is found.open


async def test_given_up__made_anew__is_a_new_one_with_a_clock_of_its_own() -> None:
    book = Book()
    made = await book.ledger.made(book.proposed())
    await book.ledger.step(made, Step.SIGNED, owner="0xab")
    await book.ledger.step(made, Step.SUPERSEDED, why="pointless")
    await book.clock.advance(5_000)
    again = await book.ledger.made(book.proposed())
    assert await book.ledger.all() == [again]
    times = await book.ledger.times(again.hash)
    assert (times.proposed_ms, times.first_signature_ms, times.moot_ms, times.moot_why) == (
        again.made_ms,
        None,
        None,
        "",
    )


async def test_made_twice_while_open__the_first_stands() -> None:
    book = Book()
    made = await book.ledger.made(book.proposed())
    sent = await book.ledger.step(made, Step.SENT)
    await book.ledger.made(book.proposed(title="another", place=Place()))
    (found,) = await book.ledger.all()
    assert (found.title, found.place, found.sent) == ("Pause", PLACE, sent.sent)


async def test_made_by_people_and_wanted_by_an_action__belongs_to_the_action_with_what_was_told() -> None:
    book = Book()
    by_hand = await book.ledger.made(book.proposed(what=What.BY_HAND, place=Place(), expires_ms=None, evidence=None))
    await book.ledger.step(by_hand, Step.SIGNED, owner="0xab")
    await book.ledger.made(book.proposed(adopted=True))
    (found,) = await book.ledger.open()
    assert (found.place, found.what, found.expires_ms, set(found.signers)) == (PLACE, What.ACTION, 99, {"0xab"})
    assert not found.adopted, "it is this keeper's own"


async def test_times__first_of_each_step_and_first_delivered_notice() -> None:
    book = Book()
    made = await book.ledger.made(book.proposed())
    start = made.made_ms
    for step in (Step.SEEN, Step.SIGNED, Step.SIGNED, Step.THRESHOLD, Step.EXECUTED):
        await book.clock.advance(1_000)
        made = await book.ledger.step(made, step)
    for delivered in (False, True, True):
        await book.clock.advance(1_000)
        body = {"key": notice_key(made.hash), "delivered": delivered}
        await book.store.append([Draft(RecordKind.NOTIFICATION, body, book.clock.now_ms())])
    times = await book.ledger.times(made.hash)
    assert (times.proposed_ms, times.seen_ms, times.first_signature_ms) == (start, start + 1_000, start + 2_000)
    assert (times.threshold_ms, times.executed_ms, times.paged_ms) == (start + 4_000, start + 5_000, start + 7_000)


@pytest.mark.parametrize(
    "changed",
    [
        {"safe_tx_hash": "0x" + 64 * "0"},
        {"nonce": "8"},
        {"nonce": "x"},
        {"operation": "2"},
        {"to": "0x12"},
        {"data": "0xzz"},
        {"value": "-1"},
        {"what": "else"},
        {"step": "unheard-of"},
        {"safe": OTHER_SAFE},
    ],
    ids=str,
)
async def test_odd_bodies__are_left_alone(changed: dict[str, Any]) -> None:
    book = Book()
    body = {"step": "made", **transaction_body(pause_of()), "what": "action"}
    await book.written(body | changed)
    assert await book.ledger.all() == []
    await book.written(body)
    assert [one.hash for one in await book.ledger.all()] == [pause_of().hash_text]


async def test_body_with_the_least__is_read() -> None:
    book = Book()
    await book.written({"step": "made", **transaction_body(pause_of()), "what": "restore", "facts": "?", "block": "?"})
    (found,) = await book.ledger.all()
    assert (found.block, found.facts, found.expires_ms, found.what) == (0, {}, None, What.RESTORE)


async def test_a_step_of_what_nobody_made__is_ignored() -> None:
    book = Book()
    await book.ledger.note("0x" + 64 * "7", Step.SEEN, via="page")
    assert await book.ledger.all() == []
    assert (await book.ledger.times("0x" + 64 * "7")).seen_ms == book.clock.now_ms()


def test_transaction__round_trip__every_field() -> None:
    whole = proposal(
        value=1, operation=Operation.DELEGATECALL, safe_tx_gas=2, base_gas=3, gas_price=4, data=b"\x00\x01"
    )
    assert transaction_from(transaction_body(whole)) == whole
    with pytest.raises(UnitError):
        transaction_from({})


async def test_closed__the_end_of_an_incident__is_known() -> None:
    book = Book()
    assert not await book.ledger.closed("ETH-PERP@1")
    for phase in ("opened", "closed"):
        await book.store.append(
            [Draft(RecordKind.INCIDENT, {"phase": phase}, book.clock.now_ms(), incident="ETH-PERP@1")]
        )
        assert await book.ledger.closed("ETH-PERP@1") is (phase == "closed")


async def test_all__asked_at_every_block__each_record_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    book = Book()
    for nonce in range(250):
        await book.ledger.made(book.proposed(transaction=pause_of(nonce)))
    read: list[tuple[str, str]] = []
    real = ledger._made

    def counted(record: Record) -> Proposed | None:
        read.append((str(record.body["nonce"]), threading.current_thread().name))
        return real(record)

    monkeypatch.setattr(ledger, "_made", counted)
    first = await book.ledger.all()
    assert len(first) == len(read) == 250
    assert {thread for _, thread in read} != {threading.main_thread().name}, "a long log is read aside"
    for _ in range(3):
        assert await book.ledger.all() == first
    await book.ledger.step(first[0], Step.SUPERSEDED, why="x")
    await book.ledger.made(book.proposed(transaction=pause_of(0)))
    await book.ledger.made(book.proposed(transaction=pause_of(999)))
    again = await book.ledger.all()
    assert len(read) == 252
    assert again == await Ledger(book.store, book.clock, SAFE).all()


async def test_all__asked_by_many_at_once__each_step_is_there_once() -> None:
    book = Book()
    for nonce in range(250):
        made = await book.ledger.made(book.proposed(transaction=pause_of(nonce)))
        await book.ledger.step(made, Step.SEEN)
    found = await asyncio.gather(*(book.ledger.all() for _ in range(5)))
    assert all(one == found[0] for one in found)
    assert {len(one.told) for one in found[0]} == {1}
