"""What of the evidence may leave the database for files, and how it goes: small steps, each whole or not done.

A file is durable under its name before the log names it. The log names it (a record of the kind ``archive``, and a row in ``archived`` for each
hash, in one transaction) before anything leaves the database. Whatever leaves, the file is held against its hash once more before. Ended
anywhere, nothing is lost, and the next run goes on. The records themselves stay: they hold the hashes.

The body of a record of the kind ``archive``::

    file       the name in the folder of the archive, without a path: evidence-FIRST-LAST-DIGEST.parquet
    sha256     0x and the SHA-256 of the whole file
    size       bytes of the file
    first_seq  the first record that evidence in the file is of
    last_seq   the last one; between them may be records whose evidence stayed
    count      how many records, and rows of the file
    first_at   the time of the first record
    last_at    the time of the last record
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from keeper.adapters.audit import archive_files
from keeper.adapters.audit.times import from_iso, to_iso
from keeper.app.stretch import Page, bases, begun, own, pages, tick_of
from keeper.domain.decision import IncidentPhase
from keeper.domain.record import Draft, Json, Record, RecordKind, RecordQuery
from keeper.ports.clock import Clock
from keeper.ports.retention import Place, Retention

FILE_ROWS: Final = 1_000
"""They are named in one transaction, which an action may have to wait for: some 10 ms."""
FILE_BYTES: Final = 64 * 1024 * 1024
"""Of evidence as it is kept: what is held in memory at once."""
AT_ONCE: Final = 25
"""Rows that go in one transaction: an action may be waiting for the lock."""
LOOKED_AT: Final = 2_000
PAUSE_S: Final = 0.05
AFTER_TICKS: Final = 20
"""How many ticks after the end of an incident stay."""
STATES: Final = 3
"""The newest ones; a keeper that starts again goes on from one of them."""
DAY_MS: Final = 86_400_000
_FOREVER: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Protected:
    """What stays, whatever its age: records from ``live`` on, those in ``spans`` (first and last record), and the states that they go on from."""

    live: int
    spans: tuple[tuple[int, int], ...]
    states: frozenset[int]

    def has(self, seq: int) -> bool:
        """Whether the evidence of this record stays."""
        return seq >= self.live or seq in self.states or any(first <= seq <= last for first, last in self.spans)


@dataclass(slots=True)
class Report:
    """``count`` and ``size`` (bytes as kept) of what moved, or would; ``stayed`` is old and around an incident or needed to go on from.

    ``finished``: what an earlier run had archived, and this one let go. ``problems``: files that the log names and that are not as it says.
    """

    count: int = 0
    size: int = 0
    stayed: int = 0
    finished: int = 0
    files: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    interrupted: bool = False


class Archiving:
    """One run. ``idle`` is asked before each step: False ends the run, because something more important is going on."""

    def __init__(
        self,
        retention: Retention,
        clock: Clock,
        folder: Path,
        keep_ms: int,
        idle: Callable[[], bool] = lambda: True,
    ) -> None:
        self._retention = retention
        self._clock = clock
        self._folder = folder
        self._keep_ms = keep_ms
        self._idle = idle
        self._done = Report()

    async def run(self, *, dry_run: bool = False) -> Report:
        """Everything that is due. Raises StoreUnavailable, and OSError when the folder cannot be written to."""
        if not dry_run:
            await self._finish()
        until_at = to_iso(max(0, self._clock.now_ms() - self._keep_ms))
        protected = await asyncio.to_thread(protected_in, self._retention.page)
        chosen: list[Place] = []
        seen = held = 0
        while found := await asyncio.to_thread(self._retention.places, seen, until_at, LOOKED_AT):
            for place in found:
                if protected.has(place.seq):
                    self._done.stayed += 1
                    continue
                chosen.append(place)
                held += place.size
                if len(chosen) >= FILE_ROWS or held >= FILE_BYTES:
                    if not await self._move(chosen, dry_run):
                        return self._done
                    chosen, held = [], 0
            seen = found[-1].seq
            await self._clock.sleep(PAUSE_S)
        if chosen:
            await self._move(chosen, dry_run)
        return self._done

    async def _move(self, chosen: Sequence[Place], dry_run: bool) -> bool:
        """One file. False: the run is over."""
        if dry_run:
            self._count(chosen)
            return True
        if not self._idle():
            self._done.interrupted = True
            return False
        rows = await asyncio.to_thread(self._retention.contents, [one.hash for one in chosen])
        file = await asyncio.to_thread(archive_files.write, self._folder, rows)
        body: dict[str, Json] = {
            "file": file.name,
            "sha256": file.sha256,
            "size": file.size,
            "first_seq": rows[0].seq,
            "last_seq": rows[-1].seq,
            "count": len(rows),
            "first_at": rows[0].at,
            "last_at": rows[-1].at,
        }
        hashes = [row.evidence.hash for row in rows]
        draft = Draft(RecordKind.ARCHIVE, body, self._clock.now_ms())
        record = await asyncio.to_thread(self._retention.archived, draft, hashes)
        if record is None:  # another process does the same right now
            self._done.interrupted = True
            return False
        self._count(chosen)
        self._done.files.append(file.name)
        await self._let_go(record, hashes)
        return True

    async def _finish(self) -> None:
        """What an earlier run archived and did not let go."""
        left: dict[int, list[str]] = {}
        for seq, digest in await asyncio.to_thread(self._retention.to_forget):
            left.setdefault(seq, []).append(digest)
        for seq, hashes in left.items():
            (record,) = await asyncio.to_thread(
                self._retention.page, RecordQuery(kinds=(RecordKind.ARCHIVE,), after=seq - 1, limit=1)
            )
            self._done.finished += await self._let_go(record, hashes)

    async def _let_go(self, record: Record, hashes: Sequence[str]) -> int:
        try:
            path = self._folder / str(record.body["file"])
            await asyncio.to_thread(archive_files.check, path, str(record.body["sha256"]))
        except archive_files.NotAnArchive as error:
            self._done.problems.append(str(error))
            return 0
        gone = 0
        for start in range(0, len(hashes), AT_ONCE):
            if not self._idle():
                self._done.interrupted = True
                break
            gone += await asyncio.to_thread(self._retention.forget, hashes[start : start + AT_ONCE])
            await self._clock.sleep(PAUSE_S)
        return gone

    def _count(self, chosen: Sequence[Place]) -> None:
        self._done.count += len(chosen)
        self._done.size += sum(one.size for one in chosen)


def due(page: Page, now_ms: int) -> bool:
    """Whether the newest archive is a day old."""
    newest = page(RecordQuery(kinds=(RecordKind.ARCHIVE,), newest_first=True, limit=1))
    return not newest or from_iso(newest[0].at) <= now_ms - DAY_MS


def protected_in(page: Page) -> Protected:
    """What this log still needs in the database: to start again, and to decide every incident again. Raises StoreUnavailable."""
    spans: list[tuple[int, int]] = []
    states: set[int] = set()
    ended: dict[str, Record] = {}
    began: list[str] = []
    for record in pages(page, RecordQuery(kinds=(RecordKind.INCIDENT,))):
        name = str(record.incident)
        if record.body.get("phase") == str(IncidentPhase.OPENED):
            began.append(name)
        else:
            ended[name] = record
    for name in dict.fromkeys(began):
        base = next(bases(page, own(page, name)[0]), None)
        if base is not None and base.state is not None:
            states.add(base.state.seq)
        spans.append(
            (0 if base is None else base.seq, _some_later(page, ended[name].seq) if name in ended else _FOREVER)
        )
    newest = page(RecordQuery(kinds=(RecordKind.STATE,), newest_first=True, limit=STATES))
    states.update(record.seq for record in newest)
    return Protected(_live(page, newest), tuple(spans), frozenset(states))


def _some_later(page: Page, seq: int) -> int:
    ticks = page(RecordQuery(kinds=(RecordKind.TICK,), after=seq, limit=AFTER_TICKS))
    return ticks[-1].seq if ticks else seq


def _live(page: Page, newest: Sequence[Record]) -> int:
    """From where on a keeper that starts again may decide everything anew: the oldest of these states, or the start where there are not so many."""
    start = begun(page, _FOREVER)
    if start is None:
        return 0
    if len(newest) == STATES and newest[-1].seq > start.seq:
        tick = tick_of(page, newest[-1])
        return start.seq if tick is None else tick.seq
    return start.seq
