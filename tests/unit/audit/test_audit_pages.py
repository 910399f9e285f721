from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from keeper.adapters.audit.models import records
from keeper.adapters.audit.pages import LARGEST_PAGE, page_statement, to_record
from keeper.adapters.audit.times import LAST_MS
from keeper.domain.errors import StoreUnavailable
from keeper.domain.record import GENESIS, RecordKind, RecordQuery

pytestmark = pytest.mark.unit


def test_page_statement__every_filter__is_a_bound_value() -> None:
    evil = "x' OR '1'='1"
    query = RecordQuery(
        market=evil, action=evil, incident=evil, kinds=(RecordKind.TICK,), since_ms=1, until_ms=2, after=3, limit=4
    )

    sql, values = page_statement(query)

    assert evil not in sql
    assert values[:3] == (evil, evil, evil)
    assert sql.count("?") == len(values) == 8


def test_page_statement__no_filter__reads_from_the_first_record() -> None:
    sql, values = page_statement(RecordQuery())

    assert "WHERE" not in sql
    assert sql.endswith("ORDER BY seq ASC LIMIT ?")
    assert values == (100,)


def test_page_statement__newest_first__goes_down_from_the_cursor() -> None:
    sql, _ = page_statement(RecordQuery(after=9, newest_first=True), marker="%s")

    assert "seq < %s ORDER BY seq DESC LIMIT %s" in sql


@pytest.mark.parametrize("marker", ["?", "%s"])
@pytest.mark.parametrize("kinds", [(RecordKind.TICK,), (RecordKind.TICK, RecordKind.STATE, RecordKind.TICK)])
@pytest.mark.parametrize("until_ms", [None, 1_000, 10_000_000_000])
def test_page_statement__kinds__has_a_value_for_each_placeholder(
    marker: str, kinds: tuple[RecordKind, ...], until_ms: int | None
) -> None:
    sql, values = page_statement(RecordQuery(kinds=kinds, since_ms=0, until_ms=until_ms, after=3), marker)

    assert sql.count(marker) == len(values)
    assert "tick" not in sql


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (RecordQuery(kinds=(RecordKind.TICK,), after=9), "ix_records_kind_seq (kind=? AND seq>?)"),
        (RecordQuery(kinds=(RecordKind.TICK, RecordKind.GAP)), "MERGE (UNION ALL)"),
        (RecordQuery(kinds=(RecordKind.TICK,), since_ms=5, until_ms=6), "ix_records_at (at>? AND at<?)"),
    ],
)
def test_page_statement__plan_of_sqlite__is_the_one_that_does_not_grow_with_the_log(
    query: RecordQuery, index: str
) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(str(CreateTable(records).compile(dialect=sqlite.dialect())))
        for one in records.indexes:
            connection.execute(str(CreateIndex(one).compile(dialect=sqlite.dialect())))
        sql, values = page_statement(query)

        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]

    assert index in " / ".join(plan)


@pytest.mark.parametrize(
    ("asked", "given"), [(-1, 0), (0, 0), (1, 1), (LARGEST_PAGE, LARGEST_PAGE), (LARGEST_PAGE + 1, LARGEST_PAGE)]
)
def test_page_statement__limit__kept_between_nothing_and_the_largest_page(asked: int, given: int) -> None:
    assert page_statement(RecordQuery(limit=asked))[1] == (given,)


@pytest.mark.parametrize("ms", [-5, LAST_MS + 1])
def test_page_statement__times_out_of_range__mean_the_first_or_after_the_last(ms: int) -> None:
    bound = str(page_statement(RecordQuery(since_ms=ms))[1][0])

    assert (bound <= "1970-01-01T00:00:00.000Z") if ms < 0 else (bound > "9999-12-31T23:59:59.999Z")


GOOD = (1, "2023-11-14T22:13:20.123Z", "tick", None, None, None, None, "{}", GENESIS, GENESIS)


@pytest.mark.parametrize(("place", "value"), [(2, "unheard-of"), (7, "{"), (7, None), (7, "[" * 100_000)])
def test_to_record__row_the_store_never_writes__unavailable_with_the_remedy(place: int, value: object) -> None:
    row = [*GOOD]
    row[place] = value  # type: ignore[call-overload]

    with pytest.raises(StoreUnavailable, match="record 1") as caught:
        to_record(row)
    assert caught.value.remedy == "run: keeper audit CONFIG verify"


def test_to_record__good_row__is_a_record() -> None:
    assert to_record(GOOD).kind is RecordKind.TICK
