"""What nodes tell: which of it is a fault, a record, a notice."""

from __future__ import annotations

import asyncio

import pytest

from keeper.app.faults import Faults
from keeper.app.listening import Listening
from keeper.app.nodes import ChainEvents
from keeper.domain.chain_events import (
    Agreement,
    Backfilled,
    ChainEvent,
    Disagreement,
    DownReason,
    EndpointDown,
    EndpointUp,
    FailedOver,
    Gap,
    Reorg,
    Skipped,
    SwitchReason,
)
from keeper.domain.record import Draft, RecordKind
from keeper.domain.testimony import Difference
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Notice
from tests.support.manual_clock import ManualClock, settle

pytestmark = pytest.mark.unit

OURS, THEIRS = "0x" + "aa" * 32, "0x" + "bb" * 32


def reorg(depth: int, ancestor: int | None = 5) -> Reorg:
    return Reorg(depth, ancestor, OURS, THEIRS, 5 + depth, 6 + depth)


class Scene:
    def __init__(self, *, alone: bool = False) -> None:
        clock = ManualClock()
        self.events = ChainEvents()
        self.drafts: list[Draft] = []
        self.notices: list[Notice] = []
        self.heard: list[ChainEvent] = []
        self.faults = Faults(clock, self.drafts.append, self.notices.append)
        self.listening = Listening(
            self.events,
            clock,
            self.faults,
            self.drafts.append,
            self.notices.append,
            subjects=("source:oracle", "effect:M/pause"),
            alone=alone,
            heard=self.heard.append,
        )

    def hear(self, *events: ChainEvent) -> None:
        for event in events:
            self.listening.hear(event)

    @property
    def down(self) -> dict[str, str]:
        return {fault.part: fault.reason for fault in self.faults.current}


@pytest.mark.parametrize("reason", list(DownReason), ids=str)
def test_endpoint__down_and_up__is_a_fault_with_its_reason_and_its_end(reason: DownReason) -> None:
    scene = Scene()
    scene.hear(EndpointDown("verify-1", reason, "three blocks behind"))
    assert scene.down == {"endpoint:verify-1": reason.value}
    assert scene.faults.current[0].message == "three blocks behind"
    scene.hear(EndpointUp("verify-1", "well again"))
    assert scene.down == {}
    assert [draft.kind for draft in scene.drafts] == [RecordKind.FAULT] * 2


def test_endpoint__the_only_one__is_not_told_beside_heads() -> None:
    scene = Scene(alone=True)
    scene.hear(EndpointDown("primary-1", DownReason.LOST, "gone"), EndpointUp("primary-1", "back"))
    assert scene.drafts == []
    assert scene.notices == []


def test_disagreement__is_critical_and_names_what_is_different_and_ends_with_agreement() -> None:
    scene = Scene()
    differences = (Difference(1, "0x00", "0x01"), Difference(None, OURS, THEIRS))
    scene.hear(Disagreement("verify-2", 9, differences))
    assert scene.down == {"witness:verify-2": "disagrees"}
    (notice,) = scene.notices
    assert notice.severity is Severity.CRITICAL
    assert "effect:M/pause is 0x01 there and 0x00 at the endpoint in use" in notice.body
    assert f"the block's hash is {THEIRS} there" in notice.body
    assert "who is wrong is not known" in notice.body
    scene.hear(Agreement("verify-2", 10))
    assert scene.down == {}
    assert [draft.body["state"] for draft in scene.drafts] == ["down", "up"]


@pytest.mark.parametrize(
    ("agreeing", "alike", "words"),
    [
        (1, 2, "most likely primary-1 is wrong"),
        (2, 1, "most likely verify-1 is wrong"),
        (1, 1, "compare verify-1 and primary-1 with a third"),
    ],
)
def test_disagreement__the_majority_says_who_is_wrong__and_two_do_not(agreeing: int, alike: int, words: str) -> None:
    scene = Scene()
    scene.hear(Disagreement("verify-1", 9, (Difference(None, OURS, THEIRS),), "primary-1", agreeing, alike))
    assert "verify-1 says something else than primary-1" in scene.notices[0].body
    assert words in scene.notices[0].body


@pytest.mark.parametrize("call", [2, 99])
def test_disagreement__about_a_call_nobody_knows__is_told_all_the_same(call: int) -> None:
    scene = Scene()
    scene.hear(Disagreement("verify-1", 9, (Difference(call, "0x00", "0x01"),)))
    assert f"call {call} is 0x01" in scene.notices[0].body


@pytest.mark.parametrize(
    ("event", "body", "told"),
    [
        (
            FailedOver("primary-1", "primary-2", SwitchReason.DOWN),
            {"event": "failed-over", "origin": "primary-1", "to": "primary-2", "reason": "down"},
            False,
        ),
        (Gap(3, 7, "too many"), {"event": "gap", "first": 3, "last": 7, "reason": "too many"}, True),
        (Backfilled(3, 7), {"event": "backfilled", "first": 3, "last": 7}, False),
        (Skipped(3, 7), {"event": "skipped", "first": 3, "last": 7, "total": 5}, False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_way__not_plain__is_a_record_and_only_what_is_lost_is_told(
    event: ChainEvent, body: dict[str, object], told: bool
) -> None:
    scene = Scene()
    scene.hear(event)
    (draft,) = scene.drafts
    assert (draft.kind, draft.body) == (RecordKind.CHAIN, body)
    assert bool(scene.notices) is told
    assert scene.down == {}


def test_gap__notice__says_which_blocks_and_why() -> None:
    scene = Scene()
    scene.hear(Gap(3, 7, "more than 2 blocks were missed"))
    (notice,) = scene.notices
    assert notice.title == "5 blocks were missed"
    assert notice.body == "blocks 3 to 7 were missed and are not evaluated: more than 2 blocks were missed"


@pytest.mark.parametrize(("depth", "told"), [(1, False), (2, True), (64, True)])
def test_reorg__is_recorded_and_told_from_two_blocks_on(depth: int, told: bool) -> None:
    scene = Scene()
    scene.hear(reorg(depth))
    (draft,) = scene.drafts
    assert (draft.body["event"], draft.body["depth"], draft.body["ancestor"]) == ("reorg", depth, 5)
    assert [notice.title for notice in scene.notices] == ([f"the chain was reorganised {depth} blocks deep"] * told)


def test_reorg__without_a_common_block__says_so() -> None:
    scene = Scene()
    scene.hear(reorg(3, None))
    assert scene.drafts[0].body["ancestor"] is None
    assert "no common block was found" in scene.notices[0].body


def test_skipped__again_and_again__the_total_is_counted() -> None:
    scene = Scene()
    scene.hear(Skipped(3, 3), Skipped(5, 8), Skipped(10, 11))
    assert [draft.body["total"] for draft in scene.drafts] == [1, 5, 7]


async def test_run__takes_every_event_in_order() -> None:
    scene = Scene()
    scene.events.put(Backfilled(1, 2))
    task = asyncio.create_task(scene.listening.run())
    await settle()
    scene.events.put(Skipped(4, 4))
    await settle()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [draft.body["event"] for draft in scene.drafts] == ["backfilled", "skipped"]


@pytest.mark.parametrize("alone", [False, True])
def test_event__of_any_kind__is_heard_by_whoever_looks_on(alone: bool) -> None:
    scene = Scene(alone=alone)
    events: list[ChainEvent] = [
        EndpointDown("primary-1", DownReason.LOST, ""),
        EndpointUp("primary-1", ""),
        reorg(1),
        Skipped(1, 2),
    ]
    scene.hear(*events)
    assert scene.heard == events
