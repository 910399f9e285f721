"""The log with its spool: what waits, what goes on, what is refused, and how it comes into the log."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from keeper.adapters.audit.spool_lines import SpoolDamaged
from keeper.app.spooling import MOMENT_S, SpoolingStore
from keeper.config.audit import ActWithoutLog
from keeper.domain.errors import AuditError, IntentAlreadyOpen, InvalidTransition, StoreUnavailable
from keeper.domain.intent import IntentState
from keeper.domain.record import GENESIS, Draft, Record, RecordKind, RecordQuery
from tests.support.audit_log import T0, attempt, broadcast, draft, opening, outcome, receipt, tick, tx_hash
from tests.support.manual_clock import ManualClock
from tests.support.spooling_log import begun, decision, kill, spooling
from tests.support.unreliable_log import Mood, UnreliableLog

pytestmark = pytest.mark.unit

NEVER, CRITICAL = ActWithoutLog.NEVER, ActWithoutLog.CRITICAL


async def everything(log: UnreliableLog) -> list[Record]:
    return list(await log.inner.page(RecordQuery(limit=10_000)))


def bodies(records: list[Record], kind: RecordKind) -> list[Any]:
    return [dict(record.body) for record in records if record.kind is kind]


async def away(store: SpoolingStore, log: UnreliableLog, clock: ManualClock, mood: Mood = Mood.GONE) -> None:
    """The database is gone for longer than a moment, and a first record waits."""
    log.mood = mood
    with pytest.raises(StoreUnavailable):
        await store.append([tick(T0 - 1)])
    await clock.advance(MOMENT_S * 1000)
    await store.append([tick(T0 - 1)])
    assert store.away


@pytest.mark.parametrize("policy", [NEVER, CRITICAL])
async def test_watching__database_gone_for_less_than_a_moment__waits_in_memory(
    tmp_path: Path, policy: ActWithoutLog
) -> None:
    log, clock = UnreliableLog(), ManualClock(T0)
    store = await spooling(log, tmp_path / "s", policy, clock)
    log.mood = Mood.GONE
    with pytest.raises(StoreUnavailable):
        await store.append([tick()])
    await clock.advance(MOMENT_S * 1000 - 1)
    with pytest.raises(StoreUnavailable):
        await store.append([tick()])
    assert not store.away
    log.mood = Mood.WELL
    await store.append([tick()])
    assert [record.kind for record in await everything(log)] == ["tick"]
    await store.close()


@pytest.mark.parametrize("policy", [NEVER, CRITICAL])
async def test_watching__database_gone_for_longer__is_in_the_log_late_and_in_order(
    tmp_path: Path, policy: ActWithoutLog
) -> None:
    log, clock = UnreliableLog(), ManualClock(T0)
    told: list[AuditError | None] = []
    store = await spooling(log, tmp_path / "s", policy, clock)
    store.told = told.append
    await store.append([tick(T0 - 9)])
    head = await log.inner.head()
    await away(store, log, clock)
    await store.append([tick(T0 + 1), draft(RecordKind.FAULT, {"part": "audit"}, intent=None)])
    with pytest.raises(StoreUnavailable):
        await store.reconcile()
    log.mood = Mood.WELL
    await store.append([tick(T0 + 2)])  # still behind the others
    await store.reconcile()
    assert not store.away
    await store.append([tick(T0 + 3)])

    records = await everything(log)
    assert [record.kind for record in records] == ["tick", "gap", "tick", "tick", "fault", "tick", "tick"]
    (gap,) = bodies(records, RecordKind.GAP)
    assert gap["event"] == "written-late"
    assert (gap["from_ms"], gap["until_ms"]) == (str(T0 + 2000), str(T0 + 2000))
    assert (gap["records"], gap["known"], gap["left_out"], gap["reason"]) == (4, 0, 0, "the database is gone")
    assert gap["spool"]["file"] == "s"
    assert (gap["spool"]["first"], gap["spool"]["through"]) == (0, 4)
    assert records[0].hash == head[1]
    assert isinstance(told[0], StoreUnavailable)
    assert told[1:] == [None]
    await store.close()


async def test_spool__begins_on_the_head_of_the_log(tmp_path: Path) -> None:
    log, clock = UnreliableLog(), ManualClock(T0)
    store = await spooling(log, tmp_path / "s", NEVER, clock)
    await store.append([tick(), tick()])
    await away(store, log, clock)
    head = store._spool.head
    assert head is not None
    assert (head.seq, head.log) == await log.inner.head()
    await store.close()


async def test_action__policy_never__is_refused_while_the_database_is_away(tmp_path: Path) -> None:
    log, clock = UnreliableLog(), ManualClock(T0)
    store = await spooling(log, tmp_path / "s", NEVER, clock)
    log.mood = Mood.GONE
    with pytest.raises(StoreUnavailable):
        await store.append(begun())
    await away(store, log, clock)
    with pytest.raises(StoreUnavailable, match="intent may not be put aside"):
        await store.append(begun())
    assert await store.open_intents() == []
    await store.close()


async def test_action__policy_critical__goes_on_in_the_spool_and_ends_in_the_log(tmp_path: Path) -> None:
    log = UnreliableLog(mood=Mood.WELL)
    store = await spooling(log, tmp_path / "s")
    log.mood = Mood.GONE
    await store.append(begun())
    assert [intent.id for intent in await store.open_intents()] == ["i-1"]
    await store.append([attempt()])
    await store.append([broadcast()])
    (work,) = await store.open_intents()
    assert (work.state, work.attempts[0].tx_hash) == (IntentState.SUBMITTED, tx_hash(1))
    found = await store.page(RecordQuery(kinds=(RecordKind.ATTEMPT,), newest_first=True))
    assert [record.body["tx_hash"] for record in found] == [tx_hash(1)]
    await store.append([receipt()])
    await store.append([outcome()])
    assert await store.open_intents() == []
    log.mood = Mood.WELL
    await store.reconcile()

    kinds = ["gap", "decision", "intent", "attempt", "broadcast", "receipt", "outcome"]
    assert [record.kind for record in await everything(log)] == kinds
    assert await log.inner.open_intents() == []
    await store.close()


@pytest.mark.parametrize(
    "drafts",
    [
        begun(severity="warning"),
        begun(without_log=False),
        [opening()],
        [decision("i-2"), opening("i-1")],
        [attempt()],
        [draft(RecordKind.ORDER, {"step": "signing"})],
        [draft(RecordKind.PROPOSAL, {"step": "proposed"}, intent=None)],
    ],
)
async def test_action__policy_critical__what_no_critical_rule_asks_for_is_refused(
    tmp_path: Path, drafts: list[Draft]
) -> None:
    log, clock = UnreliableLog(), ManualClock(T0)
    store = await spooling(log, tmp_path / "s", CRITICAL, clock)
    await away(store, log, clock)
    with pytest.raises(StoreUnavailable, match="may not be put aside"):
        await store.append(drafts)
    assert store._spool.records == 1
    await store.close()


async def test_action__opened_in_the_log_before__goes_on_where_it_is_critical_also_after_a_restart(
    tmp_path: Path,
) -> None:
    log = UnreliableLog()
    store = await spooling(log, tmp_path / "s")
    await store.append([*begun(without_log=False), attempt()])
    kill(store)
    store = await spooling(log, tmp_path / "s")
    log.mood = Mood.GONE
    await store.append([broadcast()])
    assert store.away
    (work,) = await store.open_intents()
    assert work.state is IntentState.SUBMITTED
    await store.close()


async def test_action__journal__holds_its_rules_without_the_database(tmp_path: Path) -> None:
    log = UnreliableLog()
    store = await spooling(log, tmp_path / "s")
    log.mood = Mood.GONE
    await store.append(begun())
    for drafts, error in (
        (begun("i-2"), IntentAlreadyOpen),
        ([receipt()], InvalidTransition),
        ([attempt(), attempt()], InvalidTransition),
    ):
        before = store._spool.records
        with pytest.raises(error):
            await store.append(drafts)
        assert store._spool.records == before
    await store.close()


async def test_action__intent_opened_by_another_meanwhile__is_kept_whole_and_told(tmp_path: Path) -> None:
    log = UnreliableLog()
    store = await spooling(log, tmp_path / "s")
    log.mood = Mood.GONE
    await store.append([*begun("mine"), attempt(1, "mine")])
    await log.inner.append(begun("theirs", without_log=False))
    log.mood = Mood.WELL
    await store.reconcile()
    assert [each.id for each in await store.open_intents()] == ["theirs", "mine"]
    await store.append([broadcast(1, "mine")])
    await store.append([outcome("mine")])

    assert [each.id for each in await store.open_intents()] == ["theirs"]
    gaps = bodies(await everything(log), RecordKind.GAP)
    kept = [gap["record"] for gap in gaps if gap["event"] == "not-applied"]
    assert [(each["kind"], each["intent"]) for each in kept] == [
        ("intent", "mine"),
        ("attempt", "mine"),
        ("broadcast", "mine"),
        ("outcome", "mine"),
    ]
    assert kept[1]["body"]["tx_hash"] == tx_hash(1, "mine")
    await store.close()


@pytest.mark.parametrize("mood", [Mood.SILENT, Mood.SILENT_ONCE])
async def test_answer_lost__what_the_database_took_is_not_written_twice(tmp_path: Path, mood: Mood) -> None:
    log = UnreliableLog()
    store = await spooling(log, tmp_path / "s")
    await store.append([tick(T0 - 1)])
    log.mood = mood
    await store.append([*begun(), attempt()])  # it took them and did not say so
    await store.append([broadcast()])
    log.mood = Mood.WELL
    await store.reconcile()
    records = await everything(log)
    assert [record.kind for record in records if record.kind != "gap"] == [
        "tick", "decision", "intent", "attempt", "broadcast",
    ]  # fmt: skip
    assert sum(gap["known"] for gap in bodies(records, RecordKind.GAP)) == 3
    (work,) = await log.inner.open_intents()
    assert work.state is IntentState.SUBMITTED
    await store.close()


async def test_no_answer__critical_goes_on_and_what_came_late_is_not_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keeper.app.spooling.PATIENCE_S", 0.01)
    log, gate = UnreliableLog(), asyncio.Event()
    store = await spooling(log, tmp_path / "s")
    real = log.append

    async def slow(drafts: Any) -> Any:
        await gate.wait()
        return await real(drafts)

    monkeypatch.setattr(log, "append", slow)
    await store.append(begun())
    assert store.away
    gate.set()
    await store.reconcile()
    assert [record.kind for record in await everything(log)] == ["decision", "intent", "gap"]
    await store.close()


async def test_start__with_a_spool_left_behind__writes_it_first_or_does_not_start(tmp_path: Path) -> None:
    log = UnreliableLog()
    store = await spooling(log, tmp_path / "s")
    log.mood = Mood.GONE
    await store.append(begun())
    kill(store)
    for mood in (Mood.GONE, Mood.READ_ONLY):
        log.mood = mood
        with pytest.raises(StoreUnavailable):
            await spooling(log, tmp_path / "s")
    log.mood = Mood.WELL
    store = await spooling(log, tmp_path / "s")
    assert not store.away
    assert [each.id for each in await store.open_intents()] == ["i-1"]
    assert [record.kind for record in await everything(log)] == ["gap", "decision", "intent"]
    await store.close()


async def test_start__spool_of_another_log__is_refused(tmp_path: Path) -> None:
    log = UnreliableLog()
    store = await spooling(log, tmp_path / "s")
    await store.append([tick()])
    log.mood = Mood.GONE
    await store.append(begun())
    kill(store)
    other = UnreliableLog()
    await other.append([tick(T0 + 5)])
    with pytest.raises(StoreUnavailable, match="begun on another log"):
        await spooling(other, tmp_path / "s")
    assert len(await everything(other)) == 1


async def test_spool__short_of_room__ticks_give_way_and_their_number_is_said(tmp_path: Path) -> None:
    log, clock = UnreliableLog(), ManualClock(T0)
    store = await spooling(log, tmp_path / "s", CRITICAL, clock, limit=40_000)
    await away(store, log, clock)
    for number in range(300):
        await store.append([tick(T0 + number, note="x" * 300)])
    await store.append(begun())
    log.mood = Mood.WELL
    await store.reconcile()
    records = await everything(log)
    kept = sum(record.kind is RecordKind.TICK for record in records)
    assert 30 < kept < 120
    assert bodies(records, RecordKind.GAP)[-1]["left_out"] == 301 - kept
    assert [record.kind for record in records if record.kind is RecordKind.INTENT] == ["intent"]
    await store.close()


async def test_spool__full__an_action_is_refused(tmp_path: Path) -> None:
    log = UnreliableLog()
    store = await spooling(log, tmp_path / "s", limit=500)
    log.mood = Mood.READ_ONLY
    with pytest.raises(StoreUnavailable, match="at most"):
        await store.append(begun())
    assert await store.open_intents() == []
    await store.close()


async def test_run__writes_what_waits_as_soon_as_it_can(tmp_path: Path) -> None:
    log, clock = UnreliableLog(), ManualClock(T0)
    store = await spooling(log, tmp_path / "s", NEVER, clock)
    task = asyncio.create_task(store.run())
    await away(store, log, clock)
    await clock.advance(5_000)
    log.mood = Mood.WELL
    async with asyncio.timeout(30):
        while store.away:
            await clock.advance(1_000)
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await store.close()


async def test_head__empty_log__spool_begins_at_genesis(tmp_path: Path) -> None:
    log = UnreliableLog()
    store = await spooling(log, tmp_path / "s")
    log.mood = Mood.GONE
    await store.append(begun())
    assert store._spool.head is not None
    assert (store._spool.head.seq, store._spool.head.log) == (0, GENESIS)
    await store.close()


async def test_answer_lost__and_then_something_else_failed__is_not_written_twice(tmp_path: Path) -> None:
    log, clock = UnreliableLog(), ManualClock(T0)
    store = await spooling(log, tmp_path / "s", NEVER, clock)
    await store.append([tick(T0 - 1)])
    log.mood = Mood.SILENT_ONCE
    again = tick(T0 + 1)
    with pytest.raises(StoreUnavailable):
        await store.append([again])  # a moment: whoever sent it sends it again
    await clock.advance(MOMENT_S * 1000)
    await store.append([tick(T0 + 2)])
    assert store.away
    await store.append([again])  # this time it goes aside without asking the database
    log.mood = Mood.WELL
    await store.reconcile()
    kept = [one.at for one in await everything(log) if one.kind is RecordKind.TICK]
    assert len(kept) == len(set(kept)) == 3
    await store.close()


@pytest.mark.parametrize("taken", [True, False])
@pytest.mark.parametrize("at_once", [1, 100])
async def test_answer_lost__the_same_meant_twice__is_in_the_log_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: bool, at_once: int
) -> None:
    monkeypatch.setattr("keeper.app.reconciling.AT_ONCE", at_once)
    log, clock = UnreliableLog(), ManualClock(T0)
    store = await spooling(log, tmp_path / "s", NEVER, clock)
    log.mood = Mood.SILENT_ONCE if taken else Mood.GONE
    again = tick()
    with pytest.raises(StoreUnavailable):
        await store.append([again])
    log.mood = Mood.GONE
    await clock.advance(MOMENT_S * 1000)
    for each in (again, tick(), again):  # the first one, and two that are like it
        await store.append([each])
    log.mood = Mood.WELL
    await store.reconcile()
    assert sum(one.kind is RecordKind.TICK for one in await everything(log)) == 3
    await store.close()


@pytest.mark.parametrize("taken", [0, 1, 2])
async def test_start__spool_begun_on_an_empty_log__goes_on_in_that_log_only(tmp_path: Path, taken: int) -> None:
    log = UnreliableLog()
    store = await spooling(log, tmp_path / "s")
    log.mood = Mood.SILENT_ONCE if taken == 1 else Mood.GONE
    await store.append(begun())
    if taken == 2:  # and the process ended before the spool was emptied
        log.mood = Mood.WELL
        await store._reconciler.write()
    kill(store)
    other = UnreliableLog()
    await other.append([tick(T0 + 5)])
    with pytest.raises(StoreUnavailable, match="begun on another log: it was empty then"):
        await spooling(other, tmp_path / "s")
    assert len(await everything(other)) == 1
    log.mood = Mood.WELL
    store = await spooling(log, tmp_path / "s")
    kinds = [one.kind for one in await everything(log) if one.kind is not RecordKind.GAP]
    assert kinds == ["decision", "intent"]
    await store.close()


@pytest.mark.parametrize(
    "change",
    [
        {"through": "x"},
        {"through": None},
        {"through": 10**9},
        {"through": 3},
        {"through": 0},
        {"through": -1},
        {"through": True},
        {"first": 1},
        {"first": "0"},
        {"first": -1},
        {"last_hash": GENESIS},
        {"last_hash": None},
        {"first_hash": GENESIS},
    ],
)
async def test_start__a_gap_that_this_spool_never_wrote__is_not_believed(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    log = UnreliableLog()
    store = await spooling(log, tmp_path / "s")
    await store.append([tick(T0 - 1)])
    log.mood = Mood.GONE
    await store.append(begun())
    assert store._spool.head is not None
    said: dict[str, Any] = {
        "first": 0,
        "through": 2,
        "first_hash": store._spool.head.hash,
        "last_hash": store._spool.last_hash,
    }
    kill(store)
    log.mood = Mood.WELL
    await log.append([Draft(RecordKind.GAP, {"event": "written-late", "spool": said | change}, T0)])
    store = await spooling(log, tmp_path / "s")
    assert [one.kind for one in await everything(log)] == ["tick", "gap", "gap", "decision", "intent"]
    await store.close()


async def test_spool_damaged__while_running__is_kept_aside_and_told_and_the_keeper_goes_on(tmp_path: Path) -> None:
    log, clock = UnreliableLog(), ManualClock(T0)
    store = await spooling(log, tmp_path / "s", CRITICAL, clock)
    told: list[AuditError | None] = []
    store.told = told.append
    await store.append([tick(T0 - 1)])
    log.mood = Mood.GONE
    await store.append([decision("i-0"), opening("i-0")])
    await store.append([tick(T0 + 1)])
    await store.append([attempt(1, "i-0")])
    whole = (tmp_path / "s").read_bytes()
    place = whole.index(b'"kind":"attempt"')
    (tmp_path / "s").write_bytes(whole[:place] + b"?" + whole[place + 1 :])
    damaged = (tmp_path / "s").read_bytes()
    log.mood = Mood.WELL
    task = asyncio.create_task(store.run())
    async with asyncio.timeout(30):
        while store.away or len(await everything(log)) < 6:
            await clock.advance(1_000)
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert (tmp_path / "s.damaged-1").read_bytes() == damaged
    records = await everything(log)
    assert [one.kind for one in records] == ["tick", "gap", "decision", "intent", "tick", "fault"]
    (lost,) = bodies(records, RecordKind.FAULT)
    assert "1 records of it are not in the log" in lost["message"]
    assert "s.damaged-1" in lost["message"]
    assert isinstance(told[-1], SpoolDamaged)
    assert told[-1].remedy
    await store.append([tick(T0 + 2)])
    assert (await everything(log))[-1].kind == "tick"
    await store.close()


async def test_spool_damaged__a_file_came_in_its_place__is_kept_aside(tmp_path: Path) -> None:
    log = UnreliableLog()
    store = await spooling(log, tmp_path / "s")
    (tmp_path / "s").write_text("my notes\n")
    log.mood = Mood.GONE
    await store.append(begun())
    assert (tmp_path / "s.damaged-1").read_text() == "my notes\n"
    assert store._spool.records == 2
    await store.close()


async def test_start__empty_log_took_what_was_not_answered_and_never_sent_again__goes_on(tmp_path: Path) -> None:
    log, clock = UnreliableLog(), ManualClock(T0)
    store = await spooling(log, tmp_path / "s", NEVER, clock)
    log.mood = Mood.SILENT_ONCE
    with pytest.raises(StoreUnavailable):
        await store.append([tick(T0 + 1)])
    await clock.advance(MOMENT_S * 1000)
    await store.append([tick(T0 + 2)])
    kill(store)
    log.mood = Mood.WELL
    store = await spooling(log, tmp_path / "s", NEVER, clock)
    assert [one.kind for one in await everything(log)] == ["tick", "gap", "tick"]
    await store.close()
