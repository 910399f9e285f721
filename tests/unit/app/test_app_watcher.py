"""What the watcher says of the same silence: each cause has words of its own, and the keeper is blamed for none that is not its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from keeper.adapters.notify.filtered import Filtered
from keeper.app.watcher.findings import GRACE_MS, START_MS, ChainView, Finding, Judge, LogView, Matter
from keeper.app.watcher.log_side import Asked, LogSide
from keeper.app.watcher.telling import FLAPPING_MS, Teller
from keeper.app.watcher.undone import Undone
from keeper.domain.errors import StoreUnavailable
from keeper.domain.record import Record, RecordKind, RecordQuery
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Delivery, Notice
from tests.support.eventually import eventually
from tests.support.execution_stage import pause

pytestmark = pytest.mark.unit

STANDS_MS = 60_000


def log(evaluated: int | None, **more: Any) -> LogView:
    return LogView(**({"evaluated": evaluated, "evaluated_ms": 1_000, "last_ms": 1_000, "started": True} | more))


def lasting(chain: ChainView, view: LogView | str, *, silent: int = 3, ms: float = GRACE_MS) -> list[Finding]:
    """What is found once it has lasted so long."""
    judge = Judge(silent, STANDS_MS)
    judge.judge(chain, chain.number, view, 0.0)
    return judge.judge(chain, chain.number, view, ms)


@pytest.mark.parametrize(
    ("view", "matter"),
    [
        (log(8), None),
        (log(7), Matter.KEEPER_GONE),
        (log(7, stopped=True), Matter.KEEPER_STOPPED),
        (log(7, trouble="heads: no connection"), Matter.KEEPER_BLIND),
        (log(7, last_ms=2_999), Matter.KEEPER_GONE),
        (log(7, last_ms=3_000), Matter.KEEPER_BLIND),
        (log(None), Matter.KEEPER_GONE),
        (log(None, started=False), Matter.KEEPER_GONE),
        (log(12), None),
        (log(13), Matter.OWN_NODE_BEHIND),
        ("connection refused", Matter.DATABASE),
    ],
)
def test_judge__the_chain_is_at_block_10__finds_whose_matter_it_is(view: LogView | str, matter: Matter | None) -> None:
    found = lasting(ChainView(10, heard_ms=0.0), view)
    assert [each.matter for each in found] == ([] if matter is None else [matter])


@pytest.mark.parametrize("view", [log(7), "connection refused"])
def test_judge__it_lasts_only_a_moment__is_told_to_nobody(view: LogView | str) -> None:
    assert lasting(ChainView(10, heard_ms=0.0), view, ms=GRACE_MS - 1) == []


def test_judge__started_a_moment_ago__has_time_for_its_first_block_once() -> None:
    judge, chain = Judge(3, STANDS_MS), ChainView(100, heard_ms=0.0)
    began = log(50, trouble="reads: not yet", started_ms=2_000)
    judge.judge(chain, 100, began, 0.0)
    assert judge.judge(chain, 100, began, START_MS - 1) == []
    again = log(50, trouble="reads: not yet", started_ms=9_000)
    assert [each.matter for each in judge.judge(chain, 100, again, START_MS)] == [Matter.KEEPER_BLIND]
    assert judge.judge(chain, 100, log(100, evaluated_ms=9_500, started_ms=9_000), START_MS + 1) == []


def test_judge__the_keeper_goes_on_far_behind__is_behind_and_not_gone() -> None:
    judge, chain = Judge(3, STANDS_MS), ChainView(100, heard_ms=0.0)
    judge.judge(chain, 100, log(50), 0.0)
    (found,) = judge.judge(chain, 100, log(55), GRACE_MS)
    assert (found.matter, "45 blocks behind" in found.title) == (Matter.KEEPER_BEHIND, True)


@pytest.mark.parametrize(("behind", "found"), [(4, []), (23, [Matter.KEEPER_BEHIND]), (24, [Matter.KEEPER_BEHIND])])
def test_judge__four_blocks_a_second__a_record_that_comes_a_second_late_is_no_alarm(
    behind: int, found: list[Matter]
) -> None:
    judge, told = Judge(3, STANDS_MS), list[Matter]()
    for look in range(40):
        head = 1_000 + 2 * look
        told = [
            one.matter
            for one in judge.judge(ChainView(head, heard_ms=look * 500.0), head, log(head - behind), look * 500.0)
        ]
    assert told == found


@pytest.mark.parametrize(("quiet_ms", "matters"), [(STANDS_MS - 1, []), (STANDS_MS, [Matter.CHAIN_STANDS])])
def test_judge__no_block_for_anybody__the_chain_stands(quiet_ms: float, matters: list[Matter]) -> None:
    assert [each.matter for each in lasting(ChainView(10, heard_ms=0.0), log(10), ms=quiet_ms)] == matters


@pytest.mark.parametrize(("ms", "severity"), [(STANDS_MS - 1, Severity.WARNING), (STANDS_MS, Severity.CRITICAL)])
def test_judge__own_node_is_away__the_keeper_is_not_called_dead(ms: float, severity: Severity) -> None:
    (found,) = lasting(ChainView(10, heard_ms=0.0, away="no answer"), log(5), ms=ms)
    assert (found.matter, found.severity) == (Matter.OWN_NODE, severity)


# -- the log -------------------------------------------------------------------------------------------------------------------


ARMED = pause()
KEY = ARMED.key


def record(seq: int, kind: RecordKind, /, **body: Any) -> Record:
    action = KEY[1] if kind is RecordKind.OUTCOME else None
    return Record(seq, "2025-11-21T04:40:00.000Z", kind, KEY[0], action, None, "i-1", body, "", "")


def side(*records: Record) -> LogSide:
    def page(_: str, query: RecordQuery) -> Sequence[Record]:
        found = [one for one in records if not query.kinds or one.kind in query.kinds]
        found = [one for one in found if query.action in (None, one.action) and query.market in (None, one.market)]
        return sorted(found, key=lambda one: -one.seq)[: query.limit]

    return LogSide("", page)


@pytest.mark.parametrize(
    ("records", "known"),
    [
        ([], False),
        ([record(1, RecordKind.INCIDENT, phase="opened", block=1)], True),
        ([record(1, RecordKind.INCIDENT, phase="closed", block=9)], False),
        ([record(1, RecordKind.INCIDENT, phase="closed", block=10)], True),
        ([record(1, RecordKind.DECISION, kind="declined", block=10)], True),
        ([record(1, RecordKind.DECISION, kind="declined", block=9)], False),
        ([record(1, RecordKind.DECISION, kind="hold", block=10)], False),
    ],
)
async def test_log__does_it_know_of_a_trip_since_block_10(records: list[Record], known: bool) -> None:
    assert await side(*records).knows(KEY[0], 10) is known


async def test_log__a_fault_of_heads_since_the_newest_tick__is_the_keepers_trouble() -> None:
    records = [
        record(1, RecordKind.START),
        record(2, RecordKind.TICK, block={"number": 7}),
        record(3, RecordKind.FAULT, part="heads", state="down", message="no connection"),
        record(4, RecordKind.FAULT, part="source:x", state="down", message="late"),
    ]
    view = await side(*records).view()
    assert (view.evaluated, view.started, view.stopped, view.trouble) == (7, True, False, "heads: no connection")
    over = record(5, RecordKind.FAULT, part="heads", state="up", message="works again")
    assert (await side(*records, over).view()).trouble == ""
    assert (await side(*records, record(6, RecordKind.STOP)).view()).stopped


async def test_asked__the_database_hangs__is_said_and_nothing_piles_up() -> None:
    begun: list[asyncio.Event] = []

    async def look() -> LogView:
        begun.append(free := asyncio.Event())
        await free.wait()
        return log(7)

    asked = Asked(look, patience_s=0.0)
    for _ in range(3):
        assert "did not answer" in str(await asked.view())
    assert len(begun) == 1
    begun[0].set()
    patient = Asked(look, patience_s=30.0)
    await asyncio.sleep(0)
    assert await asked.view() == log(7)
    waiting = asyncio.create_task(patient.view())
    await eventually(lambda: len(begun) == 2)
    begun[1].set()
    assert await waiting == log(7)


@pytest.mark.parametrize("error", [StoreUnavailable("refused"), ValueError("no time"), KeyError("body")])
async def test_asked__whatever_goes_wrong__is_said(error: Exception) -> None:
    async def look() -> LogView:
        raise error

    said = await Asked(look).view()
    assert said == (
        "refused"
        if isinstance(error, StoreUnavailable)
        else f"a record is not as the keeper writes it ({type(error).__name__})"
    )


# -- what was undone -------------------------------------------------------------------------------------------------------------

DONE = (
    record(1, RecordKind.INCIDENT, phase="opened", block=5),
    record(2, RecordKind.OUTCOME, kind="included"),
)


@pytest.mark.parametrize(
    ("records", "found"),
    [
        (DONE, True),
        (DONE[:1], False),  # nothing was done
        ((DONE[0], record(2, RecordKind.OUTCOME, kind="failed")), False),
        (
            (*DONE, record(3, RecordKind.OUTCOME, kind="failed")),
            False,
        ),  # a later try did not work: that is told by itself
        ((*DONE, record(3, RecordKind.INCIDENT, phase="closed", block=9)), False),
        ((*DONE, record(3, RecordKind.BREAKER, after="lifted")), False),  # the council did it, and the log knows
        ((record(0, RecordKind.BREAKER, after="tripped"), *DONE), True),
    ],
)
async def test_undone__not_in_effect_in_an_open_incident__is_told_after_three_blocks(
    records: tuple[Record, ...], found: bool
) -> None:
    undone = Undone({KEY: ARMED}, side(*records), 3)
    assert await undone.look(10, {KEY: "false"}) == []
    assert await undone.look(12, {KEY: "false"}) == []
    told = await undone.look(13, {KEY: "false"})
    assert [(each.matter, each.subject) for each in told] == ([(Matter.UNDONE, "/".join(KEY))] if found else [])


async def test_undone__it_comes_back_or_cannot_be_read__ends_or_stands() -> None:
    undone = Undone({KEY: ARMED}, side(*DONE), 3)
    for head in (10, 13):
        told = await undone.look(head, {KEY: "false"})
    assert len(told) == 1
    assert len(await undone.look(14, {})) == 1  # nobody knows
    assert await undone.look(15, {KEY: "true"}) == []
    assert await undone.look(16, {KEY: "false"}) == []  # from the beginning


async def test_undone__a_calm_day__asks_the_log_once_whatever_the_number_of_actions() -> None:
    asked: list[RecordQuery] = []

    def page(_: str, query: RecordQuery) -> Sequence[Record]:
        asked.append(query)
        return []

    many = {(f"M{number}", "pause"): ARMED for number in range(200)}
    assert await Undone(many, LogSide("", page), 3).look(10, dict.fromkeys(many, "false")) == []
    assert len(asked) == 1


# -- telling -------------------------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.ms = 0.0

    def now_ms(self) -> int:
        return int(self.ms)

    def monotonic_ms(self) -> float:
        return self.ms

    async def sleep(self, seconds: float) -> None:
        self.ms += seconds * 1000


class Ear:
    name = "ear"

    def __init__(self, *deliveries: Delivery) -> None:
        self.heard: list[Notice] = []
        self._deliveries = list(deliveries)

    async def notify(self, notice: Notice) -> Delivery:
        self.heard.append(notice)
        return self._deliveries.pop(0) if self._deliveries else Delivery(delivered=True)

    async def close(self) -> None:
        """Nothing is open."""


async def delivered(teller: Teller) -> None:

    task = asyncio.create_task(teller.run())
    await teller.drain(5.0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_teller__what_lasts__is_told_once_again_after_a_while_and_when_it_is_over() -> None:
    ear, clock = Ear(), Clock()
    teller = Teller([ear], clock, 600_000)
    gone = Finding(Matter.KEEPER_GONE, "the keeper is gone", "numbers")
    for clock.ms in (0, 599_999, 600_000, 600_500):
        teller.update([gone])
    teller.update([])
    await delivered(teller)
    assert [(each.title, each.severity, each.again, each.ends) for each in ear.heard] == [
        ("the keeper is gone", Severity.CRITICAL, False, False),
        ("the keeper is gone", Severity.CRITICAL, True, False),
        ("over: the keeper is gone", Severity.INFO, False, True),
    ]


async def test_teller__it_gets_worse__is_told_at_once() -> None:
    ear = Ear()
    teller = Teller([ear], Clock(), 600_000)
    teller.update([Finding(Matter.OWN_NODE, "away", "", Severity.WARNING)])
    teller.update([Finding(Matter.OWN_NODE, "away", "", Severity.CRITICAL)])
    teller.update([Finding(Matter.OWN_NODE, "away", "", Severity.WARNING)])
    await delivered(teller)
    assert [each.severity for each in ear.heard] == [Severity.WARNING, Severity.CRITICAL]


async def test_teller__a_receiver_refuses_for_now__is_asked_again() -> None:
    ear = Ear(Delivery(delivered=False, recoverable=True, message="HTTP 503"))
    teller = Teller([ear], Clock(), 600_000)
    teller.update([Finding(Matter.DATABASE, "away", "")])
    await delivered(teller)
    assert [each.title for each in ear.heard] == ["away", "away"]


async def test_teller__200_trips_at_once__are_one_message_and_their_end_too() -> None:
    ear, pager = Ear(), Ear()
    teller = Teller(
        [ear, Filtered(pager, Severity.CRITICAL, keyed=True)], Clock(), 600_000, "the watcher of keeper k on chain 1"
    )
    teller.update(
        [Finding(Matter.MISSED, f"missed a trip: M{number}", "", subject=f"M{number}") for number in range(200)]
    )
    teller.update([])
    await delivered(teller)
    assert [each.title for each in ear.heard] == [
        "200 notices: missed a trip: M0; missed a trip: M1; missed a trip: M2; and 197 more",
        "over: 200 notices: over: missed a trip: M0; over: missed a trip: M1; over: missed a trip: M2; and 197 more",
    ]
    assert ear.heard[0].links == ("the watcher of keeper k on chain 1",)
    assert len({each.key for each in pager.heard}) == 200  # alerts have keys there: each is ended by its own
    assert len(pager.heard) == 400


async def test_teller__whoever_was_not_told_of_the_beginning__does_not_hear_of_the_end() -> None:
    ear, pager = Ear(), Ear()
    teller = Teller([ear, Filtered(pager, Severity.CRITICAL)], Clock(), 600_000)
    teller.update([Finding(Matter.OWN_NODE, "away", "", Severity.WARNING)])
    teller.update([])
    await delivered(teller)
    assert (len(ear.heard), pager.heard) == (2, [])


async def test_teller__it_comes_and_goes__is_held_open_until_it_was_well_for_long() -> None:
    ear, clock = Ear(), Clock()
    teller = Teller([ear], clock, 3_600_000)
    behind = Finding(Matter.KEEPER_BEHIND, "behind", "")
    for number in range(60):
        clock.ms = number * 2_000.0
        teller.update([behind])
        teller.update([])
    clock.ms += FLAPPING_MS - 1
    teller.update([])
    await delivered(teller)
    assert [each.title for each in ear.heard] == ["behind", "over: behind", "behind", "over: behind", "behind"]
    assert "comes and goes" in ear.heard[-1].body
    clock.ms += 1
    teller.update([])
    await delivered(teller)
    assert ear.heard[-1].title == "over: behind"
