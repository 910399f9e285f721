"""``audit-query-grows``: pages of a log of ten million records against the same pages of a log of a million, on both databases."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import psycopg

from bench.contestant import Broken
from bench.options import Options, scratch
from bench.postgres_server import for_keeper, own_postgres
from bench.result import Bar, Ratio, Result, Want, median, spread
from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.migrate import upgrade
from keeper.adapters.audit.pages import COLUMNS
from keeper.adapters.audit.store import SqlAuditStore
from keeper.domain.record import Record, RecordKind, RecordQuery

ROWS: Final = 10_000_000
SHARE: Final = 10
"""The small log has so many times fewer records."""
PAGE: Final = 50
PLACES: Final = 8
"""Pages from the middle begin at so many places in turn."""
AT_ONCE: Final = 250_000
BAR: Final = Bar(1.5, Want.AT_MOST)

# Of 100 records 96 are ticks as a keeper writes them now (their observations are evidence, which no page reads), one is what the engine
# remembers, and three are an incident's. {n} is the number, {hash} and {at} are made of it in the dialect.
_BODY: Final = (
    """'{{"at_ms":"' || (1700000000000 + {n} * 12000) || '","block":{{"hash":"' || {hash} || '","number":' || {n} || """
    """',"parent_hash":"' || {prev} || '"}},"breakers":{{"BTC-PERP":"armed","ETH-PERP":"armed","SOL-PERP":"armed"}},"""
    """"counts":{{"clear":3,"observations":3,"signals":3}},"decisions":[],"evidence":"' || {hash} || '","incidents":[]}}'"""
)
_ROW: Final = f"""{{n}}, {{at}},
  CASE WHEN {{n}} % 100 = 1 THEN 'incident' WHEN {{n}} % 100 = 2 THEN 'decision' WHEN {{n}} % 100 = 3 THEN 'notification'
    WHEN {{n}} % 100 = 50 THEN 'state' ELSE 'tick' END,
  CASE WHEN {{n}} % 100 IN (1, 2, 3) THEN 'MARKET-' || ({{n}} / 100 % 3) END,
  CASE WHEN {{n}} % 100 = 2 THEN 'pause' END,
  CASE WHEN {{n}} % 100 IN (1, 2, 3) THEN 'incident-' || ({{n}} / 100) END,
  NULL, {_BODY}, {{prev}}, {{hash}}"""
_SQLITE_ROW: Final = _ROW.format(
    n="n",
    at="strftime('%Y-%m-%dT%H:%M:%S.000Z', 1700000000 + n * 12, 'unixepoch')",
    hash="printf('0x%064x', n)",
    prev="printf('0x%064x', n - 1)",
)
_POSTGRES_ROW: Final = _ROW.format(
    n="n",
    at="""to_char(to_timestamp(1700000000 + n * 12) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')""",
    hash="'0x' || lpad(to_hex(n), 64, '0')",
    prev="'0x' || lpad(to_hex(n - 1), 64, '0')",
)

_SHOWN: Final = tuple(kind for kind in RecordKind if kind not in (RecordKind.TICK, RecordKind.STATE))
PAGES: Final[dict[str, RecordQuery]] = {
    "newest": RecordQuery(newest_first=True, limit=PAGE),
    "kind": RecordQuery(kinds=(RecordKind.TICK,), limit=PAGE),
    "kinds": RecordQuery(kinds=_SHOWN, limit=PAGE, newest_first=True),
    "market": RecordQuery(market="MARKET-1", limit=PAGE),
    "incident": RecordQuery(incident="incident-", limit=PAGE),
}
"""``kinds`` is what ``keeper audit log`` asks for when nothing is said: everything but evaluated blocks."""

Read = Callable[[RecordQuery], Sequence[Sequence[object]]]
"""The raw driver reads the page of the large log."""


def grows(options: Options) -> Sequence[Result]:
    """Each page of the large log and of the small one in turn, and the raw driver's of the large one."""
    rows = options.rows or ROWS
    results: list[Result] = []
    for name, logs in (("sqlite", _sqlite_logs), ("postgres", _postgres_logs)):
        with scratch() as folder, logs(folder, rows) as (small, large, read):
            results += asyncio.run(_in_turn(name, small, large, read, rows, options))
    return results


async def _in_turn(name: str, small_url: str, large_url: str, read: Read, rows: int, options: Options) -> list[Result]:
    small, large = await SqlAuditStore.open(small_url), await SqlAuditStore.open(large_url)
    trials = options.count(200)
    results = []
    try:
        for page_name, asked in PAGES.items():
            of_small, of_large, of_driver = [], [], []
            few, many = _placed(asked, rows // SHARE), _placed(asked, rows)
            # the first time round fills the caches and is not counted
            for trial in range(-len(many), trials):
                one, other = few[trial % len(few)], many[trial % len(many)]
                # who comes first is woken by it: each in its turn
                order = ((small, one), (large, other)) if trial % 2 else ((large, other), (small, one))
                pages, times = {}, {}
                for store, query in order:
                    begin = time.perf_counter()
                    pages[store] = await store.page(query)
                    times[store] = (time.perf_counter() - begin) * 1000
                begin = time.perf_counter()
                found = [(*row[:7], json.loads(str(row[7])), *row[8:]) for row in read(other)]
                driver_ms = (time.perf_counter() - begin) * 1000
                _require_same(page_name, pages[small], pages[large], found)
                if trial >= 0:
                    of_small.append(times[small])
                    of_large.append(times[large])
                    of_driver.append(driver_ms)
            lines = {f"{rows:,}": of_large, f"{rows // SHARE:,}": of_small, f"{rows:,}, raw driver": of_driver}
            for what, taken in lines.items():
                options.say(f"  {name} {page_name:<9} {what:<24} {spread(taken, 'ms')}")
            figure, peer = f"audit-query-grows-{name}-{page_name}", f"of-{rows // SHARE}"
            results.append(
                Result(figure, median(of_large), median(of_small), peer, "ms", Ratio.OURS_BY_PEER, BAR, trials)
            )
    finally:
        await small.close()
        await large.close()
    return results


def _placed(asked: RecordQuery, rows: int) -> list[RecordQuery]:
    """The query at several places of a log of so many records; the newest page has only one."""
    if asked.newest_first:
        return [asked]
    draw = random.Random(8)
    if asked.incident is not None:
        return [replace(asked, incident=f"{asked.incident}{draw.randrange(rows // 100)}") for _ in range(PLACES)]
    return [replace(asked, after=draw.randrange(rows // 4, rows // 2)) for _ in range(PLACES)]


def _require_same(name: str, page: Sequence[Record], wide: Sequence[Record], found: Sequence[Sequence[object]]) -> None:
    if len(page) != len(wide) or not wide:
        raise Broken(f"{name}: a page of {len(page)} records of the small log, and of {len(wide)} of the large one")
    if [(one.seq, one.body, one.hash) for one in wide] != [(row[0], row[7], row[9]) for row in found]:
        raise Broken(f"{name}: the raw driver reads another page")


def _written_out(asked: RecordQuery, marker: str) -> tuple[str, tuple[object, ...]]:
    """The page as one writes it by hand for the raw driver."""
    terms: list[tuple[str, object]] = [
        (f"{column} = {marker}", value)
        for column in ("market", "incident")
        if (value := getattr(asked, column)) is not None
    ]
    if len(asked.kinds) == 1:
        terms.append((f"kind = {marker}", asked.kinds[0].value))
    elif asked.kinds:
        terms.append((f"kind NOT IN ('tick', 'state') AND seq > {marker}", 0))
    if asked.after:
        terms.append((f"seq > {marker}", asked.after))
    where = f" WHERE {' AND '.join(sql for sql, _ in terms)}" if terms else ""
    order = "DESC" if asked.newest_first else "ASC"
    sql = f"SELECT {', '.join(COLUMNS)} FROM records{where} ORDER BY seq {order} LIMIT {marker}"
    return sql, (*(value for _, value in terms), asked.limit)


@contextmanager
def _sqlite_logs(folder: Path, rows: int) -> Iterator[tuple[str, str, Read]]:
    urls = []
    for name, count in (("small", rows // SHARE), ("large", rows)):
        path = folder / f"{name}.db"
        urls.append(sqlite_url(path))
        upgrade(urls[-1])
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode=OFF").fetchall()
            connection.execute("PRAGMA synchronous=OFF")
            triggers = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'records'"
            for trigger, _ in (made := connection.execute(triggers).fetchall()):
                connection.execute(f"DROP TRIGGER {trigger}")
            for first, last in _stretches("sqlite", count):
                connection.execute(
                    f"WITH RECURSIVE numbers(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {last}) "
                    f"INSERT INTO records ({', '.join(COLUMNS)}) SELECT {_SQLITE_ROW} FROM numbers"
                )
            for _, statement in made:
                connection.execute(statement)
            connection.execute("PRAGMA journal_mode=WAL").fetchall()
    with closing(sqlite3.connect(folder / "large.db")) as raw:

        def read(asked: RecordQuery) -> Sequence[Sequence[object]]:
            return raw.execute(*_written_out(asked, "?")).fetchall()

        yield urls[0], urls[1], read


@contextmanager
def _postgres_logs(folder: Path, rows: int) -> Iterator[tuple[str, str, Read]]:
    with own_postgres(folder) as database:
        urls = []
        for name, count in (("small", rows // SHARE), ("large", rows)):
            urls.append(database(name))
            upgrade(for_keeper(urls[-1]))
            with psycopg.connect(urls[-1], autocommit=True) as connection:
                connection.execute("SET synchronous_commit = off")
                connection.execute("ALTER TABLE records DISABLE TRIGGER USER")
                for first, last in _stretches("postgres", count):
                    numbers = f"generate_series({first}::bigint, {last}::bigint) AS numbers(n)"
                    connection.execute(
                        f"INSERT INTO records ({', '.join(COLUMNS)}) SELECT {_POSTGRES_ROW} FROM {numbers}".encode()
                    )
                connection.execute("ALTER TABLE records ENABLE TRIGGER USER")
                # what the server does by itself later; else it would do it while the clock runs
                connection.execute("VACUUM ANALYZE records")
        with psycopg.connect(urls[1], autocommit=True) as raw:

            def read(asked: RecordQuery) -> Sequence[Sequence[object]]:
                sql, values = _written_out(asked, "%s")
                return raw.execute(sql.encode(), values).fetchall()

            yield for_keeper(urls[0]), for_keeper(urls[1]), read


def _stretches(name: str, count: int) -> Iterator[tuple[int, int]]:
    """First and last number of each statement that builds a log; what is done is told on standard error."""
    begin = time.perf_counter()
    for first in range(1, count + 1, AT_ONCE):
        last = min(count, first + AT_ONCE - 1)
        yield first, last
        if count > AT_ONCE:
            told = f"{name}: {last:,} of {count:,} records after {time.perf_counter() - begin:.0f} s"
            print(f"  {told}", file=sys.stderr, flush=True)
