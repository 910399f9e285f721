"""The retention as a job: once a day, not while an action is on its way, and what fails is a fault until it works."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from keeper.adapters.audit.evidence import pack
from keeper.app.faults import Faults
from keeper.app.retention_job import PART, RetentionJob
from keeper.config.audit import RetentionConfig
from keeper.domain.errors import StoreUnavailable
from keeper.domain.evidence import Evidence
from keeper.domain.record import GENESIS, Draft, Record, RecordKind, RecordQuery
from keeper.ports.retention import Kept, Place
from tests.support.source_fakes import ManualClock

pytestmark = pytest.mark.unit

CONTENT: Evidence = pack({"observations": []})
AT = "1970-01-01T00:00:00.000Z"


class OneTick:
    """A log with the evidence of one old tick. Implements the port ``Retention``."""

    def __init__(self, failing: bool = False) -> None:
        self.failing = failing
        self.left = [CONTENT.hash]
        self.record: Record | None = None
        self.closed = 0

    def page(self, query: RecordQuery) -> Sequence[Record]:
        if self.failing:
            raise StoreUnavailable("away", remedy="wait")
        return (
            [self.record]
            if self.record is not None and query.kinds == (RecordKind.ARCHIVE,) and not query.after
            else []
        )

    def places(self, after: int, until_at: str, limit: int) -> Sequence[Place]:
        return [Place(1, AT, "tick", one, 10) for one in self.left if after < 1 and self.record is None]

    def contents(self, hashes: Sequence[str]) -> Sequence[Kept]:
        return [Kept(1, AT, "tick", 7, CONTENT)]

    def archived(self, draft: Draft, hashes: Sequence[str]) -> Record | None:
        self.record = Record(2, AT, draft.kind, None, None, None, None, draft.body, GENESIS, GENESIS)
        return self.record

    def to_forget(self) -> Sequence[tuple[int, str]]:
        return []

    def forget(self, hashes: Sequence[str]) -> int:
        self.left = []
        return len(hashes)

    def close(self) -> None:
        self.closed += 1


class Clock(ManualClock):
    async def sleep(self, seconds: float) -> None:
        pass


@pytest.fixture(autouse=True)
def nothing_protected(monkeypatch: pytest.MonkeyPatch) -> None:
    from keeper.app import retention

    monkeypatch.setattr(retention, "protected_in", lambda page: retention.Protected(2**62, (), frozenset()))


def job(log: OneTick, folder: Path, idle: bool = True) -> tuple[RetentionJob, Faults]:
    clock = Clock()
    faults = Faults(clock, lambda _: None, lambda _: None)
    kept = RetentionConfig(1_000, str(folder))
    return RetentionJob(kept, lambda: log, clock, faults, lambda: idle), faults


def down(faults: Faults) -> list[str]:
    return [one.part for one in faults.current]


async def test_job__due__archives_and_lets_go(tmp_path: Path) -> None:
    log = OneTick()
    run, faults = job(log, tmp_path / "old")
    await run.run()
    assert (log.left, log.closed, down(faults)) == ([], 1, [])
    assert len(list((tmp_path / "old").iterdir())) == 1


async def test_job__action_on_its_way__asks_not_even_the_database(tmp_path: Path) -> None:
    log = OneTick(failing=True)
    run, faults = job(log, tmp_path, idle=False)
    await run.run()
    assert (log.closed, down(faults)) == (0, [])


async def test_job__database_away__is_a_fault_until_it_is_back(tmp_path: Path) -> None:
    log = OneTick(failing=True)
    run, faults = job(log, tmp_path / "old")
    await run.run()
    assert (down(faults), log.closed) == ([PART], 1)
    log.failing = False
    await run.run()
    assert down(faults) == []


async def test_job__folder_cannot_be_written__is_a_fault_and_nothing_goes(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("a file", "utf-8")
    log: Any = OneTick()
    run, faults = job(log, tmp_path / "old")
    await run.run()
    assert (down(faults), log.left, log.record) == ([PART], [CONTENT.hash], None)
