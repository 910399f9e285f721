"""Who is told what, and when: grouping, repeats, escalation, acknowledgement, the end; and all of it over a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from keeper.adapters.audit.memory import MemoryAuditStore
from keeper.adapters.notify.memory import MemoryNotifier
from keeper.app import courier as courier_module
from keeper.app.courier import Courier
from keeper.app.notifying import outbox
from keeper.app.notifying.keeping import GRACE_MS
from keeper.app.notifying.links import Links
from keeper.app.scribe import Scribe
from keeper.domain.errors import KeeperError
from keeper.domain.matters import About, Escalation, Policy
from keeper.domain.record import Record, RecordQuery
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Delivery, Notice
from tests.support.manual_clock import ManualClock, settle
from tests.support.notify_stage import (
    POLL_MS,
    cleared,
    down,
    failed,
    fault_record,
    included,
    running,
    tripped,
    up,
)

pytestmark = pytest.mark.unit

MINUTE = 60_000
A = Policy("a")
GROUPED = Policy("a", group_ms=10_000)
PAGER = Policy("pager", min_severity=Severity.CRITICAL, repeat_ms=10 * MINUTE, escalate=Escalation(0, 15 * MINUTE, 2))
SECOND = Policy("second", min_severity=Severity.CRITICAL, escalate=Escalation(10 * MINUTE, 15 * MINUTE, 1))
QUIET = Policy("quiet", repeat_ms=10 * MINUTE)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier_module, "ASIDE_S", 0)
    monkeypatch.setattr(courier_module, "POLL_S", POLL_MS / 1000)


# -- grouping -------------------------------------------------------------------------------------------------------------------


async def test_group__storm_of_200_sources__is_one_message_with_a_list() -> None:
    async with running(GROUPED) as stage:
        await stage.tell(*[down(f"source:s{n}", Severity.WARNING) for n in range(199)], down("heads"))
        assert stage.got("a") == []
        await stage.clock.advance(10_000)
        (page,) = stage.got("a")
        assert page.title.startswith("200 notices: ")
        assert page.severity is Severity.CRITICAL, "as severe as the worst of them"
        lines = page.body.splitlines()
        assert lines[0] == "! heads is down: heads does not answer", "the worst first"
        assert lines[-1].startswith("and 160 more")
        await stage.clock.advance(100)
        (record,) = [one for one in await stage.told() if one.body.get("state") == "told"]
        keys = record.body["keys"]
        assert isinstance(keys, list)
        assert len(keys) == 200


@pytest.mark.parametrize(("later_ms", "messages"), [(9_900, 1), (10_100, 2)])
async def test_group__both_sides_of_the_window(later_ms: int, messages: int) -> None:
    async with running(GROUPED) as stage:
        await stage.tell(down("x"))
        await stage.clock.advance(later_ms - 50)
        await stage.tell(down("y"))
        await stage.clock.advance(20_000)
        assert len(stage.got("a")) == messages


async def test_group__incidents_and_faults__are_not_mixed() -> None:
    async with running(GROUPED) as stage:
        await stage.tell(down("x"), tripped())
        await stage.clock.advance(10_000)
        assert sorted(stage.titles("a")) == ["ETH-PERP: divergence tripped", "x is down"]


async def test_group__down_and_up_within_it__both_are_told_in_order() -> None:
    async with running(GROUPED) as stage:
        await stage.tell(down("x"))
        await stage.tell(up("x"))
        await stage.clock.advance(11_000)
        assert stage.titles("a") == ["x is down", "x is up"]


async def test_group__up_and_down_again_within_it__the_end_is_not_told() -> None:
    async with running(GROUPED) as stage:
        await stage.tell(down("x"))
        await stage.clock.advance(11_000)
        await stage.tell(up("x"))
        await stage.tell(down("x"))
        await stage.clock.advance(11_000)
        assert stage.titles("a") == ["x is down", "x is down"]
        assert "comes and goes" in stage.got("a")[-1].body


async def test_group__few_members__show_their_numbers_and_links() -> None:
    async with running(GROUPED) as stage:
        stage.links = Links("https://keeper.example", "k.yaml", "prod on chain 1")
        await stage.start()
        await stage.tell(tripped("i-1"), replace(tripped("i-2"), title="BTC-PERP: peg tripped"))
        await stage.clock.advance(10_000)
        (page,) = stage.got("a")
        assert page.body.count("divergence = 0.07, threshold 0.02") == 2
        assert "page https://keeper.example/incidents/i-2" in page.links


# -- repeats --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("later_ms", "times"), [(10 * MINUTE - 100, 1), (10 * MINUTE, 2)])
async def test_repeat__same_words__both_sides_of_the_window(later_ms: int, times: int) -> None:
    async with running(QUIET) as stage:
        news = Notice("blind/ETH/peg", "ETH: peg cannot see", "no value", Severity.WARNING)
        await stage.tell(news)
        await stage.clock.advance(later_ms - 50)
        await stage.tell(replace(news, body="no value at another block"))
        assert len(stage.got("quiet")) == times


async def test_repeat__held_back__the_number_is_told_and_recorded_with_the_next() -> None:
    async with running(QUIET) as stage:
        news = Notice("blind/ETH/peg", "ETH: peg cannot see", "no value", Severity.WARNING)
        for _ in range(4):
            await stage.tell(news)
        await stage.clock.advance(11 * MINUTE)
        await stage.tell(news)
        assert "said 3 more times meanwhile" in stage.got("quiet")[1].body
        await stage.clock.advance(100)
        told = await stage.told()
        assert [one.body.get("repeats") for one in told] == [None, 3], "those held back have no records of their own"


@pytest.mark.parametrize(
    "other",
    [
        down("x", Severity.CRITICAL),
        down("x", Severity.WARNING, "wrong-chain"),
        replace(down("x", Severity.WARNING), again=True),
        replace(down("x", Severity.WARNING), title="x is very down"),
    ],
    ids=["worse", "another reason", "on purpose", "other words"],
)
async def test_repeat__what_is_new__is_told_at_once(other: Notice) -> None:
    async with running(QUIET) as stage:
        await stage.tell(down("x", Severity.WARNING))
        await stage.tell(other)
        assert len(stage.got("quiet")) == 2


async def test_flapping__third_time__is_held_down_until_it_is_quiet() -> None:
    async with running(QUIET) as stage:
        for _ in range(6):
            await stage.tell(down("x"))
            await stage.clock.advance(5_000)
            await stage.tell(up("x"))
            await stage.clock.advance(5_000)
        assert stage.titles("quiet") == ["x is down", "x is up"] * 2 + ["x is down"]
        assert "3 times within 10m" in stage.got("quiet")[-1].body
        await stage.clock.advance(9 * MINUTE)
        assert len(stage.got("quiet")) == 5
        await stage.clock.advance(2 * MINUTE)
        assert stage.titles("quiet")[5:] == ["x is up"]


# -- who ------------------------------------------------------------------------------------------------------------------------


async def test_about__each_receiver__gets_its_matters_and_their_ends() -> None:
    council = Policy("council", about=frozenset({About.COUNCIL}))
    async with running(council, PAGER) as stage:
        await stage.tell(
            down("x"), Notice("proposal/0x1", "sign", "please", Severity.WARNING), down("y", Severity.WARNING)
        )
        await stage.tell(up("x"), up("y"))
        assert stage.titles("council") == ["sign"]
        assert stage.titles("pager") == ["x is down", "x is up"], "the end, though it is no more than info"


async def test_key__of_no_known_kind__is_told_to_everybody() -> None:
    async with running(Policy("council", about=frozenset({About.COUNCIL}))) as stage:
        await stage.tell(Notice("brand-new/1", "t", "b", Severity.WARNING))
        assert stage.titles("council") == ["t"]


# -- escalation and acknowledgement -----------------------------------------------------------------------------------------------


async def test_escalation__nobody_answers__again_every_so_often_and_so_many_times() -> None:
    async with running(PAGER) as stage:
        await stage.tell(down())
        await stage.clock.advance(15 * MINUTE - 1_000)
        assert len(stage.got("pager")) == 1
        await stage.clock.advance(2_000)
        assert stage.titles("pager") == ["heads is down", "STILL OPEN: heads is down"]
        assert "nobody has acknowledged it" in stage.got("pager")[1].body
        await stage.clock.advance(60 * MINUTE)
        assert len(stage.got("pager")) == 3, "told once, and twice more"


async def test_escalation__second_receiver__only_when_it_lasts() -> None:
    async with running(PAGER, SECOND) as stage:
        await stage.tell(down("short"), down("long"))
        await stage.clock.advance(5 * MINUTE)
        await stage.tell(up("short"))
        assert stage.got("second") == []
        await stage.clock.advance(5 * MINUTE - 1_000)
        assert stage.got("second") == []
        await stage.clock.advance(1_000)
        assert stage.titles("second") == ["long is down"]
        await stage.tell(up("long"))
        assert stage.titles("second") == ["long is down", "long is up"], "of the short one it never heard"


async def test_escalation__what_is_not_critical__is_told_once() -> None:
    async with running(Policy("a", escalate=Escalation(0, MINUTE, 3))) as stage:
        await stage.tell(down("x", Severity.WARNING))
        await stage.clock.advance(30 * MINUTE)
        assert len(stage.got("a")) == 1


async def test_ack__stops_escalation__and_the_end_is_told() -> None:
    async with running(PAGER, SECOND) as stage:
        await stage.tell(down())
        assert await stage.ack("heads", "on it") == ["fault/heads"]
        await stage.clock.advance(3 * 60 * MINUTE)
        await stage.tell(down())
        assert stage.titles("pager") == ["heads is down"]
        assert stage.got("second") == []
        await stage.tell(up())
        assert stage.titles("pager") == ["heads is down", "heads is up"]
        acks = [one.body for one in await stage.told() if one.body.get("state") == "acknowledged"]
        assert [(one["by"], one["note"], one["keys"]) for one in acks] == [("ana", "on it", ["fault/heads"])]


async def test_ack__it_gets_worse_or_other__is_told_and_open_again() -> None:
    async with running(Policy("a", escalate=Escalation(0, 15 * MINUTE, 2))) as stage:
        await stage.tell(down("x", Severity.WARNING))
        await stage.ack("all")
        await stage.tell(down("x", Severity.CRITICAL))
        await stage.clock.advance(16 * MINUTE)
        assert stage.titles("a") == ["x is down", "x is down", "STILL OPEN: x is down"]


async def test_ack__of_an_incident__covers_what_belongs_to_it() -> None:
    async with running(PAGER) as stage:
        await stage.tell(tripped(), failed())
        assert sorted(await stage.ack("i-1")) == ["incident/i-1", "outcome/n-1"]
        await stage.clock.advance(60 * MINUTE)
        assert len(stage.got("pager")) == 2
        assert await stage.ack("all") == [], "everything is acknowledged already"


async def test_ack__of_nothing_open__says_what_is() -> None:
    async with running(PAGER) as stage:
        with pytest.raises(KeeperError, match="nothing open is called 'heads'"):
            await stage.ack("heads")


async def test_ends__of_an_incident__end_what_belongs_to_it() -> None:
    async with running(PAGER) as stage:
        await stage.tell(tripped(), failed())
        await stage.tell(cleared())
        assert stage.titles("pager")[2:] == ["ETH-PERP: all rules are clear", "over: ETH-PERP: pause failed (reverted)"]
        await stage.clock.advance(60 * MINUTE)
        assert len(stage.got("pager")) == 4


async def test_settled__the_action_worked_at_last__its_failure_is_no_longer_pressed() -> None:
    async with running(PAGER) as stage:
        await stage.tell(tripped(), failed())
        await stage.tell(included())
        await stage.clock.advance(16 * MINUTE)
        assert stage.titles("pager")[-1] == "STILL OPEN: ETH-PERP: divergence tripped"
        assert "over: ETH-PERP: pause failed (reverted)" in stage.titles("pager")


# -- pagers with keys -------------------------------------------------------------------------------------------------------------


async def test_pager__storm_in_one_alert__is_resolved_when_the_last_is_over() -> None:
    pager = replace(PAGER, group_ms=2_000)
    async with running(pager, keyed=["pager"]) as stage:
        await stage.tell(down("x"), down("y"))
        await stage.clock.advance(3_000)
        await stage.tell(up("x"))
        await stage.clock.advance(3_000)
        await stage.tell(up("y"))
        await stage.clock.advance(3_000)
        first, last = stage.got("pager")
        assert first.key == last.key == "fault/x+1"
        assert (first.ends, last.ends, last.title) == (False, True, "y is up")


async def test_pager__escalation__stays_in_its_alert() -> None:
    async with running(PAGER, keyed=["pager"]) as stage:
        await stage.tell(down("x"))
        await stage.clock.advance(16 * MINUTE)
        assert [one.key for one in stage.got("pager")] == ["fault/x", "fault/x"]


# -- receivers that fail ----------------------------------------------------------------------------------------------------------


async def test_delivery__critical_and_away__is_tried_until_it_works() -> None:
    async with running(Policy("a")) as stage:
        stage.receivers["a"].broken = Delivery(False, recoverable=True, message="busy")
        await stage.tell(down("x"), down("y", Severity.WARNING))
        await stage.clock.advance(10 * MINUTE)
        stage.receivers["a"].broken = None
        await stage.clock.advance(2 * MINUTE)
        assert stage.titles("a") == ["x is down"], "what is not critical is given up after three tries"


async def test_delivery__end_that_did_not_arrive__is_tried_again() -> None:
    async with running(PAGER) as stage:
        await stage.tell(down("x"))
        stage.receivers["pager"].broken = Delivery(False, recoverable=True, message="busy")
        await stage.tell(up("x"))
        await stage.clock.advance(MINUTE)
        stage.receivers["pager"].broken = None
        await stage.clock.advance(3 * MINUTE)
        assert stage.titles("pager") == ["x is down", "x is up"]


async def test_delivery__queue_is_full__critical_drives_out_what_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "LIMIT", 2)
    async with running(A) as stage:
        await stage.tell(down("x", Severity.WARNING), down("y", Severity.WARNING), down("z"), down("w", Severity.INFO))
        assert stage.titles("a") == ["y is down", "z is down"]


# -- restarts ---------------------------------------------------------------------------------------------------------------------


class Slow(MemoryAuditStore):
    """A log that does not answer until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.free = asyncio.Event()

    async def page(self, query: RecordQuery) -> Sequence[Record]:
        await self.free.wait()
        return await super().page(query)


async def test_drain__the_log_has_not_answered_yet__waits_and_tells_what_is_new() -> None:
    clock, store, receiver = ManualClock(), Slow(), MemoryNotifier("a")
    courier = Courier([receiver], Scribe(store, clock), clock, store=store)
    running_courier = asyncio.create_task(courier.run())
    await settle()
    courier.put(down())
    draining = asyncio.create_task(courier.drain(30))
    await settle()
    assert not draining.done()
    store.free.set()
    assert await draining
    assert [one.title for one in receiver.notices] == ["heads is down"]
    running_courier.cancel()
    await asyncio.gather(running_courier, return_exceptions=True)


async def test_restart__open_fault__is_not_told_again_and_goes_on_being_pressed() -> None:
    async with running(PAGER) as stage:
        await stage.write(fault_record("heads", stage.clock.now_ms(), is_down=True))
        await stage.tell(down())
        await stage.clock.advance(12 * MINUTE)
        await stage.start()
        await stage.tell(down())
        await stage.clock.advance(2 * MINUTE)
        assert len(stage.got("pager")) == 1
        await stage.clock.advance(2 * MINUTE)
        assert stage.titles("pager") == ["heads is down", "STILL OPEN: heads is down"]
        await stage.start()
        await stage.tell(down())
        await stage.clock.advance(60 * MINUTE)
        assert len(stage.got("pager")) == 3, "the count goes on too"


async def test_restart__acknowledged__stays_acknowledged() -> None:
    async with running(PAGER) as stage:
        await stage.tell(down())
        await stage.ack("all")
        await stage.start()
        await stage.tell(down())
        await stage.clock.advance(60 * MINUTE)
        assert len(stage.got("pager")) == 1
        await stage.tell(up())
        assert stage.titles("pager")[1:] == ["heads is up"]


async def test_restart__fault_that_is_gone__is_said_to_be_over() -> None:
    async with running(PAGER) as stage:
        await stage.tell(down())
        await stage.start()
        await stage.clock.advance(GRACE_MS - 30_000)
        assert len(stage.got("pager")) == 1
        await stage.clock.advance(60_000)
        assert stage.titles("pager")[1:] == ["over: heads is down"]
        assert stage.got("pager")[1].ends
        await stage.start()
        await stage.clock.advance(10 * MINUTE)
        assert len(stage.got("pager")) == 2


async def test_restart__ended_but_never_said__is_said() -> None:
    async with running(PAGER) as stage:
        await stage.tell(down())
        await stage.write(fault_record("heads", stage.clock.now_ms(), is_down=False))
        await stage.start()
        await stage.clock.advance(1_000)
        assert stage.titles("pager")[1:] == ["over: heads is down"]
        await stage.start()
        await stage.clock.advance(1_000)
        assert len(stage.got("pager")) == 2


async def test_restart__waiting_for_the_second_receiver__it_is_told_in_time() -> None:
    async with running(SECOND) as stage:
        stage.incidents = {"ETH-PERP": "i-1"}
        await stage.tell(tripped())
        await stage.clock.advance(5 * MINUTE)
        await stage.start()
        await stage.clock.advance(5 * MINUTE + 1_000)
        assert stage.titles("second") == ["ETH-PERP: divergence tripped"]
        assert "divergence = 0.07" in stage.got("second")[0].body, "with its numbers"


@pytest.mark.parametrize("still_open", [True, False])
async def test_restart__incident__is_pressed_only_where_the_engine_holds_it_open(still_open: bool) -> None:
    async with running(PAGER) as stage:
        await stage.tell(tripped())
        stage.incidents = {"ETH-PERP": "i-1"} if still_open else {}
        await stage.start()
        await stage.clock.advance(16 * MINUTE)
        words = "STILL OPEN" if still_open else "over"
        assert stage.titles("pager")[1:] == [f"{words}: ETH-PERP: divergence tripped"]


async def test_restart__new_receiver__is_told_what_is_open() -> None:
    async with running(PAGER) as stage:
        await stage.tell(down("x"), down("y"))
        stage.policies = (PAGER, Policy("new", group_ms=2_000))
        stage.receivers["new"] = MemoryNotifier("new")
        await stage.start()
        await stage.tell(down("x"), down("y"))
        await stage.clock.advance(3_000)
        assert stage.titles("new") == ["2 notices: x is down; y is down"]
        assert len(stage.got("pager")) == 2
