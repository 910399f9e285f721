"""The job that signs the log's head and hands it to witnesses."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from keeper.adapters.audit.checkpoints import MemoryCheckpointBook
from keeper.adapters.audit.memory import MemoryAuditStore
from keeper.adapters.audit.times import to_iso
from keeper.adapters.witness.memory import MemoryWitness
from keeper.app.checkpoints import MOST_MISSED, STEP_BACK_MS, Checkpoints, Signing
from keeper.app.faults import Faults
from keeper.domain.checkpoint import SignedCheckpoint, signed_by
from keeper.domain.decision import IncidentPhase
from keeper.domain.errors import Refused, StoreUnavailable
from keeper.domain.record import Draft, RecordKind
from keeper.domain.verdict import Severity
from keeper.ports.checkpoints import LogLook
from keeper.ports.notifier import Notice
from tests.support.audit_log import story
from tests.support.manual_clock import ManualClock, settle
from tests.support.signed_checkpoints import IDENTITY, OTHER

pytestmark = pytest.mark.unit

STOP = Draft(RecordKind.STOP, {"reason": "x"}, 1_700_000_000_000)


class Book(MemoryCheckpointBook):
    """``away`` makes it fail; ``shows`` is what it says of the log instead of the truth."""

    away = False
    shows: LogLook | None = None

    async def look(self, seq: int = 0) -> LogLook:
        if self.away:
            raise StoreUnavailable("the database is away", remedy="bring it back")
        return self.shows or await super().look(seq)


@dataclass
class Scene:
    store: MemoryAuditStore = field(default_factory=MemoryAuditStore)
    clock: ManualClock = field(default_factory=ManualClock)
    witnesses: Sequence[MemoryWitness] = ()
    records: list[Draft] = field(default_factory=list)
    told: list[Notice] = field(default_factory=list)
    settled: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.book = Book(self.store)
        self.faults = Faults(self.clock, self.records.append, self.told.append)
        self.signing = Signing(self.book, IDENTITY, self.witnesses, "one", 31337, 600_000)
        self.checkpoints = Checkpoints(self.signing, self.clock, self.faults, self.settle)

    async def settle(self, timeout_s: float) -> bool:
        self.settled.append(timeout_s)
        return True

    async def add(self) -> None:
        await self.store.append([STOP])
        await self.checkpoints.make()

    async def kept(self) -> list[SignedCheckpoint]:
        return list(await self.book.after(0, 10_000))


async def test_make__empty_log__signs_nothing() -> None:
    scene = Scene()
    await scene.checkpoints.make()
    assert await scene.kept() == []
    assert scene.told == []


async def test_make__with_records__signs_head_and_first_and_goes_on_from_there() -> None:
    scene = Scene()
    records = await scene.store.append(story())
    await scene.checkpoints.make()
    await scene.clock.advance(1_500)
    await scene.add()
    one, two = await scene.kept()
    first = one.checkpoint
    assert (first.number, first.seq, first.head) == (1, records[-1].seq, records[-1].hash)
    assert (first.genesis, first.prev) == (records[0].hash, "")
    assert (first.keeper, first.chain_id, first.signer) == ("one", 31337, IDENTITY.address)
    assert (two.checkpoint.number, two.checkpoint.seq, two.checkpoint.prev) == (2, first.seq + 1, one.signature)
    assert two.checkpoint.at == to_iso(scene.clock.now_ms())
    assert [signed_by(each) for each in (one, two)] == [IDENTITY.address] * 2


async def test_make__when_the_newest_was_signed__is_known_from_the_first_look() -> None:
    scene = Scene()
    before = scene.checkpoints.signed_ms
    await scene.add()
    signed_ms = scene.clock.now_ms()
    assert (before, scene.checkpoints.signed_ms) == (None, signed_ms)
    await scene.clock.advance(1_500)
    again = Checkpoints(scene.signing, scene.clock, scene.faults, scene.settle)
    await again.make()
    assert again.signed_ms == signed_ms


async def test_make__nothing_new__signs_nothing() -> None:
    scene = Scene()
    await scene.add()
    await scene.checkpoints.make()
    assert len(await scene.kept()) == 1


async def test_make__another_identity__pages_and_signs_nothing() -> None:
    scene = Scene()
    await scene.add()
    signing = Signing(scene.book, OTHER, (), "one", 31337, 600_000)
    scene.checkpoints = Checkpoints(signing, scene.clock, scene.faults, scene.settle)
    await scene.add()
    assert len(await scene.kept()) == 1
    (notice,) = scene.told
    assert notice.severity is Severity.CRITICAL
    assert OTHER.address in notice.body


@pytest.mark.parametrize("reason", ["log-went-back", "log-rewritten", "another-log"])
async def test_make__the_log_is_not_what_was_signed__pages_and_signs_nothing(reason: str) -> None:
    scene = Scene()
    await scene.store.append(story())
    await scene.checkpoints.make()
    await scene.store.append([STOP])
    look = await scene.book.look(len(story()))
    head = "0x" + "ee" * 32
    scene.book.shows = {
        "log-went-back": LogLook(3, head, look.genesis, ""),
        "log-rewritten": LogLook(look.seq, look.head, look.genesis, head),
        "another-log": LogLook(look.seq, look.head, head, look.asked),
    }[reason]
    for _ in range(2):
        await scene.checkpoints.make()
    (notice,) = scene.told
    assert notice.severity is Severity.CRITICAL
    assert "verify" in notice.body
    assert [fault.reason for fault in scene.faults.current] == [reason]
    assert len(await scene.kept()) == 1

    scene.book.shows = None
    await scene.checkpoints.make()
    assert scene.faults.current == ()
    assert len(await scene.kept()) == 2


@pytest.mark.parametrize(("back_ms", "signed"), [(STEP_BACK_MS, True), (STEP_BACK_MS + 1, False)])
async def test_make__the_clock_went_back__is_borne_a_little_and_then_pages(back_ms: int, signed: bool) -> None:
    scene = Scene()
    await scene.add()
    scene.clock._start_ms -= back_ms
    await scene.add()
    kept = await scene.kept()
    assert (len(kept) == 2) is signed
    assert kept[-1].checkpoint.at == kept[0].checkpoint.at
    assert [notice.severity for notice in scene.told] == ([] if signed else [Severity.CRITICAL])


async def test_make__the_database_is_away__is_a_fault_once_and_up_again() -> None:
    scene = Scene()
    await scene.store.append(story())
    scene.book.away = True
    await scene.checkpoints.make()
    await scene.checkpoints.make()
    scene.book.away = False
    await scene.checkpoints.make()
    assert [notice.title for notice in scene.told] == ["checkpoints is down", "checkpoints is up"]
    assert len(await scene.kept()) == 1


async def test_make__a_witness_fails__gets_what_it_missed_in_order_and_the_others_go_on() -> None:
    away, there = MemoryWitness("away"), MemoryWitness("there")
    scene = Scene(witnesses=[away, there])
    await scene.add()
    away.away = True
    for _ in range(3):
        await scene.add()
    assert [one.checkpoint.number for one in there.kept] == [1, 2, 3, 4]
    assert [one.checkpoint.number for one in away.kept] == [1]
    assert [notice.title for notice in scene.told] == ["witness-1 is down"]
    away.away = False
    await scene.checkpoints.make()
    assert [one.checkpoint.number for one in away.kept] == [1, 2, 3, 4]
    assert scene.faults.current == ()


async def test_make__a_new_witness__is_given_no_more_than_the_newest() -> None:
    witness = MemoryWitness()
    scene = Scene()
    for _ in range(MOST_MISSED + 5):
        await scene.add()
    scene.signing = Signing(scene.book, IDENTITY, [witness], "one", 31337, 600_000)
    await Checkpoints(scene.signing, scene.clock, scene.faults, scene.settle).make()
    assert [one.checkpoint.number for one in witness.kept] == list(range(6, MOST_MISSED + 6))


@pytest.mark.parametrize(("began", "kept", "faults"), [(3, [3, 4], 0), (5, [], 1)])
async def test_make__what_the_witness_has_is_forgotten__older_ones_that_it_refuses_are_passed_over(
    began: int, kept: list[int], faults: int
) -> None:
    scene = Scene()
    for _ in range(4):
        await scene.add()
    witness = MemoryWitness()
    witness.began = began
    signing = Signing(scene.book, IDENTITY, [witness], "one", 31337, 600_000)
    await Checkpoints(signing, scene.clock, scene.faults, scene.settle).make()
    assert [one.checkpoint.number for one in witness.kept] == kept
    assert [fault.reason for fault in scene.faults.current] == ["refused"] * faults


async def test_soon__asked_twice__makes_one_once_records_are_written() -> None:
    scene = Scene()
    await scene.store.append(story())
    running = asyncio.create_task(scene.checkpoints.run())
    await settle()
    assert await scene.kept() == []
    scene.checkpoints.soon()
    scene.checkpoints.soon()
    await settle()
    assert len(scene.settled) == 1
    assert len(await scene.kept()) == 1
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(("phase", "wanted"), [(IncidentPhase.OPENED, False), (IncidentPhase.CLOSED, True)])
async def test_incident__only_its_end__is_signed_at_once(phase: IncidentPhase, wanted: bool) -> None:
    scene = Scene()

    class Event:
        pass

    event = Event()
    event.phase = phase  # type: ignore[attr-defined]
    scene.checkpoints.incident(event)  # type: ignore[arg-type]
    assert scene.checkpoints._wanted.is_set() is wanted


async def test_finish__signs_the_last_record_and_records_nothing_more() -> None:
    witness = MemoryWitness()
    scene = Scene(witnesses=[witness])
    await scene.store.append([STOP])
    witness.away = True
    await scene.checkpoints.finish()
    assert (await scene.kept())[0].checkpoint.seq == 1
    assert (scene.records, scene.told) == ([], [])


async def test_without_signing__nothing_happens() -> None:
    scene = Scene()
    checkpoints = Checkpoints(None, scene.clock, scene.faults, scene.settle)
    assert checkpoints.every_s is None
    await checkpoints.make()
    await checkpoints.finish()
    assert scene.told == []
    assert scene.checkpoints.every_s == 600.0


async def test_make__a_witness_was_emptied__pages_and_gives_it_everything_again() -> None:
    witness = MemoryWitness()
    scene = Scene(witnesses=[witness])
    for _ in range(3):
        await scene.add()
    witness.kept.clear()
    await scene.checkpoints.make()
    assert [one.checkpoint.number for one in witness.kept] == [1, 2, 3]
    (notice,) = scene.told
    assert notice.severity is Severity.CRITICAL
    assert "was given checkpoints up to 3, and held them up to 0" in notice.body
    await scene.checkpoints.make()
    assert scene.faults.current == ()


async def test_make__a_witness_lost_its_newest__is_given_the_missing_ones_in_order() -> None:
    class InOrder(MemoryWitness):
        """As another keeper whose log was restored from a copy: what does not follow is a conflict; how far it came is known here only."""

        async def last(self, genesis: str) -> int:
            return 5

        async def keep(self, signed: SignedCheckpoint) -> None:
            if signed not in self.kept and signed.checkpoint.number != len(self.kept) + 1:
                raise Refused("send the missing ones first", code=409)
            await super().keep(signed)

    witness = InOrder()
    scene = Scene()
    for _ in range(6):
        await scene.add()
    witness.kept = (await scene.kept())[:2]
    signing = Signing(scene.book, IDENTITY, [witness], "one", 31337, 600_000)
    await Checkpoints(signing, scene.clock, scene.faults, scene.settle).make()
    assert [one.checkpoint.number for one in witness.kept] == [1, 2, 3, 4, 5, 6]
    assert scene.faults.current == ()


@pytest.mark.parametrize(("keeper", "chain_id"), [("two", 31337), ("one", 1)])
async def test_make__another_keeper_or_chain_than_before__pages_and_signs_nothing(keeper: str, chain_id: int) -> None:
    scene = Scene()
    await scene.add()
    await scene.store.append([STOP])
    signing = Signing(scene.book, IDENTITY, [], keeper, chain_id, 600_000)
    await Checkpoints(signing, scene.clock, scene.faults, scene.settle).make()
    assert [fault.reason for fault in scene.faults.current] == ["another-keeper"]
    assert len(await scene.kept()) == 1
