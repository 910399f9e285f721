"""Keeping the checkpoints of other keepers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from keeper.adapters.audit.memory import MemoryAuditStore
from keeper.app.witnessing import MOST_FINDINGS, WitnessReason, WitnessRefused, take_witness
from keeper.domain.checkpoint import SignedCheckpoint, to_document
from keeper.domain.record import RecordKind, RecordQuery
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Notice
from tests.support.manual_clock import ManualClock
from tests.support.signed_checkpoints import IDENTITY, OTHER, checkpoint, row_of, signed

pytestmark = pytest.mark.unit

WITNESS_FOR = {"one": IDENTITY.address}


@dataclass
class Scene:
    store: MemoryAuditStore = field(default_factory=MemoryAuditStore)
    told: list[Notice] = field(default_factory=list)

    async def take(self, one: SignedCheckpoint | dict[str, object]) -> SignedCheckpoint:
        document: dict[str, object] = one if isinstance(one, dict) else dict(to_document(one))
        return await take_witness(
            document, store=self.store, witness_for=WITNESS_FOR, clock=ManualClock(), tell=self.told.append
        )

    async def bodies(self) -> list[dict[str, object]]:
        page = await self.store.page(RecordQuery(limit=1000))
        assert {record.kind for record in page} <= {RecordKind.WITNESS}
        return [dict(record.body) for record in page]

    async def refused(self, one: SignedCheckpoint | dict[str, object]) -> WitnessRefused:
        with pytest.raises(WitnessRefused) as caught:
            await self.take(one)
        assert caught.value.remedy
        return caught.value


async def test_take__in_order__each_is_a_record() -> None:
    scene, row = Scene(), await row_of(3)
    for one in row:
        assert await scene.take(one) == one
    assert await scene.bodies() == [{"name": "one", "checkpoint": to_document(one), "missed": 0} for one in row]


async def test_take__the_same_again_or_an_older_one_that_is_kept__is_kept_once() -> None:
    scene, row = Scene(), await row_of(3)
    for one in (*row, row[2], row[0], row[1]):
        assert await scene.take(one) == one
    assert len(await scene.bodies()) == 3


async def test_take__some_were_missed__are_asked_for_first_and_nobody_is_accused() -> None:
    scene, row = Scene(), await row_of(5)
    await scene.take(row[1])  # the first one known may be any
    for late in (row[3], row[4]):
        refused = await scene.refused(late)
        assert refused.reason is WitnessReason.MISSING
        assert "send the missing ones first, from 3 on" in refused.remedy
    for one in row[2:]:
        assert await scene.take(one) == one
    assert [body["missed"] for body in await scene.bodies()] == [0, 0, 0, 0]
    assert scene.told == []


async def test_take__log_written_anew_with_a_number_passed_over__is_not_kept_and_the_true_one_goes_on() -> None:
    scene, row = Scene(), await row_of(7)
    for one in row[:3]:
        await scene.take(one)
    forged = await signed(replace(row[5].checkpoint, head="0x" + "ee" * 32, prev="0x" + "11" * 65))
    assert (await scene.refused(forged)).reason is WitnessReason.MISSING
    for one in row[3:]:
        assert await scene.take(one) == one
    assert scene.told == []


@pytest.mark.parametrize("change", [{"keeper": "else"}, {"chain_id": 1}])
async def test_take__another_keeper_or_chain_of_the_same_signer__is_a_finding(change: dict[str, object]) -> None:
    scene, row = Scene(), await row_of(2)
    await scene.take(row[0])
    other = await signed(replace(row[1].checkpoint, **change))  # type: ignore[arg-type]
    assert (await scene.refused(other)).reason is WitnessReason.ANOTHER_LOG
    assert len(scene.told) == 1


async def test_take__a_time_that_is_none__is_malformed() -> None:
    one = await signed(checkpoint(1, at="9999-99-99T99:99:99.999Z"))
    assert (await Scene().refused(one)).reason is WitnessReason.MALFORMED


@pytest.mark.parametrize(("at", "kept"), [("2026-03-01T00:01:00.000Z", True), ("2026-03-01T00:00:59.999Z", False)])
async def test_take__the_time_goes_back__is_a_fork(at: str, kept: bool) -> None:
    scene, row = Scene(), await row_of(1)
    await scene.take(row[0])
    one = await signed(checkpoint(2, at=at, prev=row[0].signature))
    if kept:
        assert await scene.take(one) == one
    else:
        assert (await scene.refused(one)).reason is WitnessReason.FORK


async def test_take__many_forks__one_record_of_each_number_and_only_the_first_few() -> None:
    scene, row = Scene(), await row_of(5)
    for one in row:
        await scene.take(one)
    for number in range(5):
        for other in range(3):
            fork = await signed(replace(row[number].checkpoint, head="0x" + f"{other + 100:064x}"))
            assert (await scene.refused(fork)).reason is WitnessReason.FORK
    assert len(await scene.bodies()) == 5 + MOST_FINDINGS
    assert len(scene.told) == MOST_FINDINGS


async def test_take__at_once__is_kept_once() -> None:
    scene, row = Scene(), await row_of(1)
    await asyncio.gather(*(scene.take(row[0]) for _ in range(5)))
    assert len(await scene.bodies()) == 1


async def test_take__two_signers__do_not_disturb_each_other() -> None:
    scene = Scene()
    mine, others = await row_of(2), await row_of(2, OTHER, "0x" + "2b" * 32)
    both = {"one": IDENTITY.address, "two": OTHER.address}
    for one in (mine[0], others[0], mine[1], others[1]):
        await take_witness(dict(to_document(one)), store=scene.store, witness_for=both, clock=ManualClock())
    assert [body["name"] for body in await scene.bodies()] == ["one", "two", "one", "two"]


@pytest.mark.parametrize(
    "change",
    [
        {"number": "1"},
        {"number": True},
        {"number": 0},
        {"seq": -1},
        {"seq": 2**53},
        {"head": "0x12"},
        {"head": "0x" + "AB" * 32},
        {"genesis": None},
        {"at": "yesterday"},
        {"prev": "0x12"},
        {"signature": 5},
    ],
)
async def test_take__malformed__is_refused(change: dict[str, object]) -> None:
    scene, row = Scene(), await row_of(1)
    refused = await scene.refused(dict(to_document(row[0])) | change)
    assert refused.reason is WitnessReason.MALFORMED
    assert await scene.bodies() == []


async def test_take__nothing__is_refused() -> None:
    assert (await Scene().refused({})).reason is WitnessReason.MALFORMED


async def test_take__of_a_signer_that_is_not_named__is_refused() -> None:
    refused = await Scene().refused((await row_of(1, OTHER))[0])
    assert refused.reason is WitnessReason.UNKNOWN_SIGNER
    assert "witness_for" in refused.remedy


@pytest.mark.parametrize("name", ["number", "seq", "head", "genesis", "at", "keeper", "chain_id"])
async def test_take__any_field_changed__is_not_signed(name: str) -> None:
    scene, (one,) = Scene(), await row_of(1)
    changes: dict[str, object] = {
        "number": 1,
        "seq": 11,
        "head": "0x" + "99" * 32,
        "genesis": "0x" + "98" * 32,
        "at": "2027-01-01T00:00:00.000Z",
        "keeper": "other",
        "chain_id": 1,
    }
    document = dict(to_document(one)) | {name: changes[name]}
    if name == "number":
        document |= {"number": 2, "prev": "0x" + "11" * 65}
    assert (await scene.refused(document)).reason is WitnessReason.NOT_SIGNED


async def test_take__signed_by_another_key__is_not_signed() -> None:
    one = await signed(checkpoint(1), by=OTHER)
    assert (await Scene().refused(one)).reason is WitnessReason.NOT_SIGNED


@pytest.mark.parametrize("signature", ["", "0x", "0x" + "00" * 65, "0x" + "ff" * 65, "0x" + "AA" * 65])
async def test_take__no_signature__is_not_signed(signature: str) -> None:
    (one,) = await row_of(1)
    assert (await Scene().refused(replace(one, signature=signature))).reason is WitnessReason.NOT_SIGNED


async def test_take__a_name_of_two_lines__is_not_signed() -> None:
    one = await signed(checkpoint(1, keeper="one\nseq: 99"))
    assert (await Scene().refused(one)).reason is WitnessReason.NOT_SIGNED


async def test_take__older_than_what_is_kept_and_never_seen__is_refused() -> None:
    scene, row = Scene(), await row_of(4)
    await scene.take(row[2])
    await scene.take(row[3])
    assert (await scene.refused(row[1])).reason is WitnessReason.OLDER
    assert scene.told == []


async def fork_same_number(row: list[SignedCheckpoint]) -> SignedCheckpoint:
    return await signed(replace(row[2].checkpoint, head="0x" + "99" * 32))


async def fork_older_number(row: list[SignedCheckpoint]) -> SignedCheckpoint:
    return await signed(replace(row[1].checkpoint, head="0x" + "99" * 32))


async def fork_does_not_follow(row: list[SignedCheckpoint]) -> SignedCheckpoint:
    return await signed(checkpoint(4, prev=row[1].signature))


async def fork_shorter(row: list[SignedCheckpoint]) -> SignedCheckpoint:
    return await signed(checkpoint(5, seq=29, prev=row[1].signature))


async def fork_same_record(row: list[SignedCheckpoint]) -> SignedCheckpoint:
    return await signed(checkpoint(4, seq=30, prev=row[2].signature))


@pytest.mark.parametrize(
    "make", [fork_same_number, fork_older_number, fork_does_not_follow, fork_shorter, fork_same_record]
)
async def test_take__two_histories__are_recorded_and_paged_once(make: object) -> None:
    scene, row = Scene(), await row_of(3)
    for one in row:
        await scene.take(one)
    other: SignedCheckpoint = await make(row)  # type: ignore[operator]
    for _ in range(2):
        refused = await scene.refused(other)
        assert refused.reason is WitnessReason.FORK
    (notice,) = scene.told
    assert notice.severity is Severity.CRITICAL
    finding = (await scene.bodies())[-1]
    assert len(await scene.bodies()) == 4
    assert finding["finding"] == "fork"
    assert finding["checkpoint"] == to_document(other)
    assert finding["kept"] in [to_document(one) for one in row]
    following = await signed(checkpoint(4, prev=row[2].signature))
    assert await scene.take(following) == following  # what is kept is not replaced by the finding


async def test_take__another_log_of_the_same_signer__is_recorded_and_paged() -> None:
    scene, row = Scene(), await row_of(2)
    for one in row:
        await scene.take(one)
    anew = (await row_of(1, genesis="0x" + "2b" * 32))[0]
    assert (await scene.refused(anew)).reason is WitnessReason.ANOTHER_LOG
    assert len(scene.told) == 1
    assert (await scene.bodies())[-1]["finding"] == "another-log"
