"""Whatever the database does, and however often the process dies: nothing that was taken is lost, nothing is doubled, the log verifies."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.adapters.audit.canonical import canonical, record_hash
from keeper.app import reconciling
from keeper.app.spooling import MOMENT_S, SpoolingStore
from keeper.config.audit import ActWithoutLog
from keeper.domain.errors import AuditError, InvalidTransition
from keeper.domain.record import GENESIS, Draft, Record, RecordKind, RecordQuery
from tests.support.audit_log import T0, attempt, broadcast, opening, outcome, receipt, tick
from tests.support.manual_clock import ManualClock
from tests.support.spooling_log import decision, kill, spooling
from tests.support.unreliable_log import Mood, UnreliableLog

pytestmark = pytest.mark.property

STEP = st.one_of(
    st.sampled_from(["watch", "watch", "watch", "act", "act", "other acts", "time", "kill", "tear", "reconcile"]),
    st.sampled_from(Mood),
)
TURN = st.tuples(st.just("commits"), st.integers(0, 2), st.sampled_from(Mood))
"""The mood changes after so many more commits."""
TROUBLE = st.tuples(
    st.sampled_from([Mood.GONE, Mood.READ_ONLY, Mood.SILENT, Mood.SILENT_ONCE]),
    st.lists(st.sampled_from(["watch", "act"]), min_size=1, max_size=4),
    st.sampled_from([Mood.WELL, Mood.SILENT, Mood.SILENT_ONCE]) | TURN,
    st.sampled_from(["reconcile", "kill", "watch"]),
    st.sampled_from(["reconcile", "kill", "tear", Mood.WELL]),
).map(lambda parts: [parts[0], "watch", "time", "watch", *parts[1], parts[2], *parts[3:]])
"""The database is away for long enough, something is done meanwhile, and then it comes back, more or less."""
STEPS = st.lists(st.one_of(STEP.map(lambda step: [step]), TROUBLE), max_size=12).map(
    lambda found: [*chain.from_iterable(found)]
)


class Fickle(UnreliableLog):
    """Changes its mood after some more commits."""

    def __init__(self) -> None:
        super().__init__()
        self.commits_left = -1
        self.then = Mood.WELL

    async def append(self, drafts: Sequence[Draft]) -> Sequence[Record]:
        if self.commits_left == 0:
            self.mood = self.then
        self.commits_left -= 1
        return await super().append(drafts)


class Course:
    """One run of the property."""

    def __init__(self, folder: Path, policy: ActWithoutLog) -> None:
        self.log = Fickle()
        self.path = folder / "spool"
        self.policy = policy
        self.clock = ManualClock(T0)
        self.store: SpoolingStore | None = None
        self.number = 0
        self.taken: list[Draft] = []
        self.perhaps: list[Draft] = []
        self.open: tuple[str, int] | None = None

    async def step(self, step: Any) -> None:
        match step:
            case Mood():
                self.log.mood = step
            case ("commits", left, then):
                self.log.commits_left, self.log.then = left, then
            case "kill":
                self.die()
            case "tear":
                self.die()
                if self.path.exists():
                    with self.path.open("ab") as file:
                        before = self.path.read_bytes()
                        file.write(
                            b'{"doubt":false,"first":' if b"\n" in before else b"12" if before else b'{"hash":"0x'
                        )
            case "other acts" if (await self.log.inner.head())[0]:  # a log that another began is another log
                with suppress(AuditError, InvalidTransition):
                    self.number += 1
                    await self.log.inner.append(
                        [opening(f"other-{self.number}"), outcome(f"other-{self.number}")][: self.number % 2 + 1]
                    )
            case "other acts":
                pass
            case _:
                await self.with_keeper(step)

    async def with_keeper(self, step: str) -> None:
        if self.store is None:
            with suppress(AuditError):
                self.store = await spooling(self.log, self.path, self.policy, self.clock)
        if self.store is None:
            return
        if step == "time":
            await self.clock.advance(MOMENT_S * 1000)
        elif step == "reconcile" and self.store.away:
            with suppress(AuditError):
                await self.store.reconcile()
        elif step == "watch":
            self.number += 1
            await self.append([tick(T0, number=self.number)])
        elif step == "act":
            await self.act()

    async def act(self) -> None:
        """The next step of an action; after a failure the journal says where it stands, as the keeper asks it."""
        assert self.store is not None
        try:
            works = [one for one in await self.store.open_intents() if not one.id.startswith("other")]
        except AuditError:
            return
        self.number += 1
        if not works:
            intent = f"i-{self.number}"
            await self.append([decision(intent), opening(intent)])
            return
        work = works[0]
        step = {
            "open": attempt(1, work.id, nonce=self.number),
            "signed": broadcast(1, work.id),
            "submitted": receipt(1, work.id),
            "mined": outcome(work.id),
        }[str(work.state)]
        await self.append([step])

    async def append(self, drafts: list[Draft]) -> None:
        assert self.store is not None
        try:
            await self.store.append(drafts)
        except (AuditError, InvalidTransition):
            self.perhaps += drafts
        else:
            self.taken += drafts

    def die(self) -> None:
        if self.store is not None:
            kill(self.store)
            self.store = None

    async def end(self) -> list[Record]:
        self.die()
        self.log.commits_left, self.log.mood = -1, Mood.WELL
        store = await spooling(self.log, self.path, self.policy, self.clock)
        assert not store.away
        await store.close()
        return list(await self.log.inner.page(RecordQuery(limit=10_000)))


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(ActWithoutLog), STEPS)
def test_any_course__nothing_taken_is_lost_and_nothing_is_doubled(policy: ActWithoutLog, steps: list[Any]) -> None:
    async def run() -> tuple[Course, list[Record]]:
        with TemporaryDirectory() as folder, patch.object(reconciling, "AT_ONCE", 3):
            course = Course(Path(folder), policy)
            try:
                for step in steps:
                    await course.step(step)
                return course, await course.end()
            finally:
                course.die()

    course, records = asyncio.run(run())
    _chained(records)
    _gaps_hold(records)
    found = Counter(key for record in records if (key := _of_record(record)) is not None)
    taken = Counter(_of_draft(draft) for draft in course.taken)
    perhaps = Counter(_of_draft(draft) for draft in course.perhaps)
    assert not taken - found, "taken, and not in the log"
    assert not found - (taken + perhaps), "in the log more often than it was given"


def _chained(records: list[Record]) -> None:
    before = GENESIS
    for seq, record in enumerate(records, 1):
        assert (record.seq, record.prev_hash) == (seq, before)
        assert record.hash == record_hash(
            seq=seq,
            at=record.at,
            kind=record.kind.value,
            market=record.market,
            action=record.action,
            incident=record.incident,
            intent=record.intent,
            body=canonical(record.body),
            prev_hash=before,
        )
        before = record.hash


def _gaps_hold(records: list[Record]) -> None:
    """The parts of one spool follow each other without a hole, and each is followed by the records that it announces."""
    through: dict[str, int] = {}
    for record in records:
        if record.kind is RecordKind.GAP and record.body["event"] == "written-late":
            body: Any = record.body
            first_hash = body["spool"]["first_hash"]
            assert body["spool"]["first"] == through.get(first_hash, 0)
            through[first_hash] = body["spool"]["through"]
            assert body["records"] + body["known"] == body["spool"]["through"] - body["spool"]["first"]
            following = records[record.seq : record.seq + body["records"]]
            assert len(following) == body["records"]
            assert not [one for one in following if one.kind is RecordKind.GAP and one.body["event"] == "written-late"]


def _of_draft(draft: Draft) -> str:
    return canonical({"kind": draft.kind.value, "intent": draft.intent, "body": dict(draft.body)})


def _of_record(record: Record) -> str | None:
    body: Any = record.body
    if record.kind is not RecordKind.GAP:
        if (record.intent or "").startswith("other"):
            return None
        return canonical({"kind": record.kind.value, "intent": record.intent, "body": body})
    if body["event"] != "not-applied":
        return None
    kept = body["record"]
    return canonical({"kind": kept["kind"], "intent": kept["intent"], "body": kept["body"]})
