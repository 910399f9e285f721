"""One page of records: the statement, and a row as a Record. Plain SQL, so that reading needs no SQLAlchemy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from keeper.adapters.audit.evidence import NotEvidence, named, unpack
from keeper.adapters.audit.times import LAST_MS, to_iso
from keeper.domain.errors import StoreUnavailable
from keeper.domain.evidence import Evidence
from keeper.domain.record import Record, RecordKind, RecordQuery

COLUMNS: Final = ("seq", "at", "kind", "market", "action", "incident", "intent", "body", "prev_hash", "hash")
OPTIONAL: Final = frozenset({"market", "action", "incident", "intent"})
"""The columns that may be NULL."""
LARGEST_PAGE: Final = 10_000
"""More than this at once is not a page; ask again with ``after``."""

_NARROW_MS: Final = 3_600_000
_AT_ONCE: Final = 500
"""Bound values of one statement."""

RecordRow = tuple[int, str, str, str | None, str | None, str | None, str | None, str, str, str]


def page_statement(query: RecordQuery, marker: str = "?") -> tuple[str, tuple[str | int, ...]]:
    """The SELECT and its bound values; ``marker`` is the driver's placeholder. Every filter is a bound value, none is in the text.

    Of several kinds each is walked along its own index, and the walks are merged: ``kind IN (..)`` would read all records of these kinds, or
    pass over all others, to find the newest few.
    """
    terms: list[str] = []
    values: list[str | int] = []

    def term(sql: str, *bound: str | int) -> None:
        terms.append(sql)
        values.extend(bound)

    columns = {name: value for name in ("market", "action", "incident") if (value := getattr(query, name)) is not None}
    for column, value in columns.items():
        term(f"{column} = {marker}", value)
    if query.since_ms is not None:
        term(f"at >= {marker}", _bound_time(query.since_ms))
    if query.until_ms is not None:
        term(f"at < {marker}", _bound_time(query.until_ms))
    if query.after > 0:
        term(f"seq {'<' if query.newest_first else '>'} {marker}", query.after)
    kinds = [kind.value for kind in dict.fromkeys(query.kinds)]
    # In a narrow stretch of time there are fewer records than of a kind, which SQLite cannot know: the sign keeps it from the kind's index.
    narrow = query.since_ms is not None and query.until_ms is not None and query.until_ms - query.since_ms <= _NARROW_MS
    column = "+kind" if narrow and marker == "?" else "kind"
    walks = [[kind] for kind in kinds] if len(kinds) > 1 and not columns and not narrow else [kinds]
    selects: list[str] = []
    bound: list[str | int] = []
    for walk in walks:
        of_kind = [f"{column} IN ({', '.join([marker] * len(walk))})"] if walk else []
        where = f" WHERE {' AND '.join([*of_kind, *terms])}" if of_kind or terms else ""
        # only names and placeholders of this module are in the text
        selects.append(f"SELECT {', '.join(COLUMNS)} FROM records{where}")  # noqa: S608
        bound += [*walk, *values]
    order = "DESC" if query.newest_first else "ASC"
    sql = f"{' UNION ALL '.join(selects)} ORDER BY seq {order} LIMIT {marker}"
    return sql, (*bound, max(0, min(query.limit, LARGEST_PAGE)))


def matches(record: Record, query: RecordQuery) -> bool:
    """Whether a record belongs to the query, its keyset and limit apart; the same rules as the SQL, for stores without SQL."""
    return (
        all(
            wanted is None or wanted == found
            for wanted, found in (
                (query.market, record.market),
                (query.action, record.action),
                (query.incident, record.incident),
            )
        )
        and (not query.kinds or record.kind in query.kinds)
        and (query.since_ms is None or record.at >= _bound_time(query.since_ms))
        and (query.until_ms is None or record.at < _bound_time(query.until_ms))
    )


def to_record(row: Sequence[object]) -> Record:
    """A row in the order of COLUMNS. Raises StoreUnavailable when it holds what the store never writes."""
    seq, at, kind, market, action, incident, intent, body, prev_hash, digest = row
    try:
        value = json.loads(body)  # type: ignore[arg-type]
        return Record(seq, at, RecordKind(kind), market, action, incident, intent, value, prev_hash, digest)  # type: ignore[arg-type]
    except (TypeError, ValueError, RecursionError):
        raise StoreUnavailable(
            f"record {seq} is damaged and cannot be read", remedy="run: keeper audit CONFIG verify"
        ) from None


def filled(
    records: Sequence[Record], rows: Callable[[str, tuple[str, ...]], Iterable[Sequence[Any]]], marker: str = "?"
) -> list[Record]:
    """The records with their evidence in their bodies, as far as it is in the database. Raises StoreUnavailable for damaged evidence."""
    hashes = tuple(dict.fromkeys(one for record in records if (one := named(record.body)) is not None))
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(hashes), _AT_ONCE):
        some = hashes[start : start + _AT_ONCE]
        sql = f"SELECT hash, encoding, size, packed FROM evidence WHERE hash IN ({', '.join([marker] * len(some))})"  # noqa: S608
        for digest, encoding, size, packed in rows(sql, some):
            try:
                found[digest] = unpack(Evidence(digest, encoding, size, packed))
            except NotEvidence as error:
                raise StoreUnavailable(
                    f"the evidence {digest} cannot be read: {error}", remedy="run: keeper audit CONFIG verify"
                ) from None
    return [replace(record, body={**found.get(named(record.body) or "", {}), **record.body}) for record in records]


def _bound_time(ms: int) -> str:
    """Times outside of what a record can have mean its first or last."""
    if ms > LAST_MS:
        return to_iso(LAST_MS) + "Z"  # longer, so after every time in every collation
    return to_iso(max(0, ms))
