"""``audit-query``: a page of the log by keyset, against the raw driver that reads the same page into the same values."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from bench.contestant import Broken
from bench.log_samples import draft
from bench.options import Options, scratch
from bench.result import Bar, Ratio, Result, Want, median, spread
from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.store import SqlAuditStore
from keeper.domain.record import RecordKind, RecordQuery

RECORDS = 50_000
PAGE = 100
BAR = Bar(3, Want.AT_MOST)
COLUMNS = "seq, at, kind, market, action, incident, intent, body, prev_hash, hash"

PAGES: dict[str, tuple[RecordQuery, str, tuple[object, ...]]] = {
    "newest": (
        RecordQuery(newest_first=True, limit=PAGE),
        f"SELECT {COLUMNS} FROM records ORDER BY seq DESC LIMIT ?",
        (PAGE,),
    ),
    "filtered": (
        RecordQuery(kinds=(RecordKind.TICK,), after=RECORDS // 2, limit=PAGE),
        f"SELECT {COLUMNS} FROM records WHERE kind = ? AND seq > ? ORDER BY seq LIMIT ?",
        ("tick", RECORDS // 2, PAGE),
    ),
}


def query(options: Options) -> Sequence[Result]:
    """The newest page, and a page of one kind from the middle on."""
    trials = options.count(200)
    with scratch() as folder:
        path = folder / "keeper.db"
        return asyncio.run(_in_turn(path, trials, options))


async def _in_turn(path: Path, trials: int, options: Options) -> list[Result]:
    store = await SqlAuditStore.open(sqlite_url(path), create=True)
    results = []
    try:
        for first in range(1, RECORDS + 1, 1_000):
            await store.append([draft(number) for number in range(first, first + 1_000)])
        with closing(sqlite3.connect(path)) as raw:
            for name, (asked, sql, values) in PAGES.items():
                ours: list[float] = []
                peer: list[float] = []
                for _ in range(trials):
                    begin = time.perf_counter()
                    page = await store.page(asked)
                    ours.append((time.perf_counter() - begin) * 1000)
                    begin = time.perf_counter()
                    rows = [(*row[:7], json.loads(row[7]), *row[8:]) for row in raw.execute(sql, values)]
                    peer.append((time.perf_counter() - begin) * 1000)
                    if [(record.seq, record.body, record.hash) for record in page] != [
                        (r[0], r[7], r[9]) for r in rows
                    ]:
                        raise Broken(f"the two sides do not read the same page: {name}")
                options.say(
                    f"  {name:<8} ours         {spread(ours, 'ms')}  {PAGE} of {RECORDS} records, through a thread"
                )
                options.say(f"  {name:<8} raw sqlite3  {spread(peer, 'ms')}  the same rows, their bodies by json.loads")
                figure = f"audit-query-{name}"
                results.append(
                    Result(figure, median(ours), median(peer), "raw-sqlite3", "ms", Ratio.OURS_BY_PEER, BAR, trials)
                )
    finally:
        await store.close()
    return results
