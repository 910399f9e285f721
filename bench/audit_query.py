"""``audit-query`` and ``audit-query-postgres``: a page of the log by keyset, against the raw driver that reads the same page into the same values."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import psycopg

from bench.contestant import Broken
from bench.log_samples import draft
from bench.options import Options, scratch
from bench.postgres_server import for_keeper, own_postgres
from bench.result import Bar, Ratio, Result, Want, median, spread
from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.pages import COLUMNS
from keeper.adapters.audit.store import SqlAuditStore
from keeper.domain.record import RecordKind, RecordQuery

RECORDS = 50_000
PAGE = 100
BAR = Bar(3, Want.AT_MOST)
_SELECT = f"SELECT {', '.join(COLUMNS)} FROM records"

Read = Callable[[str, tuple[object, ...]], Sequence[Sequence[Any]]]
"""The rows of a statement of the raw driver, its placeholders written ``?``."""


def _pages() -> dict[str, tuple[RecordQuery, str, tuple[object, ...]]]:
    middle = RECORDS // 2
    return {
        "newest": (RecordQuery(newest_first=True, limit=PAGE), f"{_SELECT} ORDER BY seq DESC LIMIT ?", (PAGE,)),
        "filtered": (
            RecordQuery(kinds=(RecordKind.TICK,), after=middle, limit=PAGE),
            f"{_SELECT} WHERE kind = ? AND seq > ? ORDER BY seq LIMIT ?",
            ("tick", middle, PAGE),
        ),
    }


def query_sqlite(options: Options) -> Sequence[Result]:
    """The newest page, and a page of one kind from the middle on."""
    with scratch() as folder:
        path = folder / "keeper.db"
        url = sqlite_url(path)
        asyncio.run(_fill(url))
        with closing(sqlite3.connect(path)) as raw:

            def read(sql: str, values: tuple[object, ...]) -> Sequence[Sequence[Any]]:
                return raw.execute(sql, values).fetchall()

            return asyncio.run(_in_turn("audit-query", url, "raw-sqlite3", read, options))


def query_postgres(options: Options) -> Sequence[Result]:
    """The same."""
    with scratch() as folder, own_postgres(folder) as database:
        address = database("log")
        asyncio.run(_fill(for_keeper(address)))
        with psycopg.connect(address, autocommit=True) as raw:
            # what the server does by itself a minute later; else it would do it while the clock runs
            raw.execute("VACUUM ANALYZE")

            def read(sql: str, values: tuple[object, ...]) -> Sequence[Sequence[Any]]:
                return raw.execute(sql.replace("?", "%s").encode(), values, prepare=True).fetchall()

            return asyncio.run(_in_turn("audit-query-postgres", for_keeper(address), "raw-psycopg", read, options))


async def _in_turn(name: str, url: str, peer_name: str, read: Read, options: Options) -> list[Result]:
    store = await SqlAuditStore.open(url)
    trials = options.count(200)
    results = []
    try:
        for page_name, (asked, sql, values) in _pages().items():
            ours: list[float] = []
            peer: list[float] = []
            for _ in range(trials):
                begin = time.perf_counter()
                page = await store.page(asked)
                ours.append((time.perf_counter() - begin) * 1000)
                begin = time.perf_counter()
                rows = [(*row[:7], json.loads(row[7]), *row[8:]) for row in read(sql, values)]
                peer.append((time.perf_counter() - begin) * 1000)
                if [(record.seq, record.body, record.hash) for record in page] != [(r[0], r[7], r[9]) for r in rows]:
                    raise Broken(f"the two sides do not read the same page: {page_name}")
            options.say(
                f"  {page_name:<8} {'ours':<12} {spread(ours, 'ms')}  {PAGE} of {RECORDS} records, through a thread"
            )
            options.say(
                f"  {page_name:<8} {peer_name:<12} {spread(peer, 'ms')}  the same rows, their bodies by json.loads"
            )
            figure = f"{name}-{page_name}"
            results.append(Result(figure, median(ours), median(peer), peer_name, "ms", Ratio.OURS_BY_PEER, BAR, trials))
    finally:
        await store.close()
    return results


async def _fill(url: str) -> None:
    store = await SqlAuditStore.open(url, create=True)
    try:
        for first in range(1, RECORDS + 1, 1_000):
            await store.append([draft(number) for number in range(first, first + 1_000)])
    finally:
        await store.close()
