"""One page of records: the statement, and a row as a Record. Plain SQL, so that reading needs no SQLAlchemy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from keeper.adapters.audit.times import LAST_MS, to_iso
from keeper.domain.errors import StoreUnavailable
from keeper.domain.evidence import Evidence
from keeper.domain.record import Record, RecordKind, RecordQuery

COLUMNS: Final = ("seq", "at", "kind", "market", "action", "incident", "intent", "body", "prev_hash", "hash")
OPTIONAL: Final = frozenset({"market", "action", "incident", "intent"})
"""The columns that may be NULL."""
LARGEST_PAGE: Final = 10_000
"""More than this at once is not a page; ask again with ``after``."""

AHEAD: Final = "SELECT first, prev_hash, hashes, intents, attempts, records FROM ahead"
"""What is in no table yet; in SQLite only, and a row at most."""

_NARROW_MS: Final = 3_600_000
# only names and placeholders of this module are in the texts of statements
_SELECT: Final = f"SELECT {', '.join(COLUMNS)} FROM records"  # noqa: S608
_AT_ONCE: Final = 500
"""Bound values of one statement."""

RecordRow = tuple[int, str, str, str | None, str | None, str | None, str | None, str, str, str]


def page_statement(query: RecordQuery, marker: str = "?") -> tuple[str, tuple[str | int, ...]]:
    """The SELECT and its bound values; ``marker`` is the driver's placeholder. Every filter is a bound value, none is in the text."""
    terms, values = _terms(query, marker)
    limit = max(0, min(query.limit, LARGEST_PAGE))
    kinds = tuple(kind.value for kind in dict.fromkeys(query.kinds))
    column = "kind"
    if kinds and query.market is query.action is query.incident is None:
        # In a narrow stretch of time there are fewer records than of a kind. SQLite cannot know that: the sign keeps it from the kind's index.
        if query.since_ms is not None and query.until_ms is not None and query.until_ms - query.since_ms <= _NARROW_MS:
            column = "kind" if marker == "%s" else "+kind"
        elif marker == "%s":
            return _walked(query, kinds, terms, values, limit)
        elif len(kinds) > 1:
            return _merged(query, kinds, terms, values, limit)
    if kinds:
        terms.append(f"{column} IN ({', '.join([marker] * len(kinds))})")
    if query.after > 0:
        terms.append(f"seq {'<' if query.newest_first else '>'} {marker}")
    where = f" WHERE {' AND '.join(terms)}" if terms else ""
    bound = (*values, *kinds, *_keyset(query), limit)
    return f"{_SELECT}{where} ORDER BY seq {_order(query)} LIMIT {marker}", bound


def _terms(query: RecordQuery, marker: str) -> tuple[list[str], list[str | int]]:
    """Every filter but kinds and keyset."""
    terms: list[str] = []
    values: list[str | int] = []
    for column in ("market", "action", "incident"):
        value = getattr(query, column)
        if value is not None:
            terms.append(f"{column} = {marker}")
            values.append(value)
    for ms, sign in ((query.since_ms, ">="), (query.until_ms, "<")):
        if ms is not None:
            terms.append(f"at {sign} {marker}")
            values.append(_bound_time(ms))
    return terms, values


def _merged(
    query: RecordQuery, kinds: Sequence[str], terms: Sequence[str], values: Sequence[str | int], limit: int
) -> tuple[str, tuple[str | int, ...]]:
    """SQLite walks along the index of each kind and merges the walks as far as the page goes. For ``kind IN (..)`` it would read and sort all
    records of these kinds.
    """
    keyset = [f"seq {'<' if query.newest_first else '>'} ?"] if query.after > 0 else []
    walk = f"{_SELECT} WHERE {' AND '.join([*terms, 'kind = ?', *keyset])}"
    bound = [one for kind in kinds for one in (*values, kind, *_keyset(query))]
    return f"{' UNION ALL '.join([walk] * len(kinds))} ORDER BY seq {_order(query)} LIMIT ?", (*bound, limit)


def _walked(
    query: RecordQuery, kinds: Sequence[str], terms: Sequence[str], values: Sequence[str | int], limit: int
) -> tuple[str, tuple[str | int, ...]]:
    """PostgreSQL takes the records by number and passes over all others whenever it takes a kind for frequent, and in a prepared statement it
    takes every kind for that. By kind and number in this order only the index of the two gives them.
    """
    order = _order(query)
    keyset = [f"(kind, seq) {'<' if query.newest_first else '>'} (%s, %s)"] if query.after > 0 else []
    rest = (
        f"FROM records WHERE {' AND '.join([*terms, 'kind >= %s', 'kind <= %s', *keyset])} "
        f"ORDER BY kind {order}, seq {order} LIMIT %s"
    )
    bound: list[str | int] = []
    for kind in kinds:
        place = (kind, query.after) if query.after > 0 else ()
        bound += [*values, kind, kind, *place, limit]
    if len(kinds) == 1:
        return f"SELECT {', '.join(COLUMNS)} {rest}", tuple(bound)
    walks = " UNION ALL ".join([f"(SELECT seq {rest})"] * len(kinds))
    found = f"SELECT seq FROM ({walks}) AS walks ORDER BY seq {order} LIMIT %s"  # noqa: S608
    return f"{_SELECT} WHERE seq IN ({found}) ORDER BY seq {order}", (*bound, limit)


def _keyset(query: RecordQuery) -> tuple[int, ...]:
    return (query.after,) if query.after > 0 else ()


def _order(query: RecordQuery) -> str:
    return "DESC" if query.newest_first else "ASC"


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


def beyond(seq: int, query: RecordQuery) -> bool:
    """Whether the record of this number comes after the keyset of the query."""
    return query.after <= 0 or (seq < query.after if query.newest_first else seq > query.after)


def joined(records: Sequence[Record], ahead: Sequence[Record], query: RecordQuery) -> list[Record]:
    """The page with what of ``ahead``, records that follow all others and are in no table yet, belongs to it."""
    more = [one for one in ahead if beyond(one.seq, query) and matches(one, query)]
    both = [*reversed(more), *records] if query.newest_first else [*records, *more]
    return both[: max(0, min(query.limit, LARGEST_PAGE))]


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
    # here, because a page without it need not wait for what it takes
    from keeper.adapters.audit.evidence import NotEvidence, named, unpack

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
