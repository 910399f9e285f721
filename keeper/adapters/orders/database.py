"""A database that all keepers share: one table, made on first use. SQLite for keepers on one machine, PostgreSQL for those on several.

Table ``breaker_orders``: a row for each signature, in the words of the files (``keeper.adapters.orders.document``). Rows are only ever added.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    MetaData,
    PrimaryKeyConstraint,
    Row,
    Table,
    Text,
    create_engine,
    event,
    insert,
    make_url,
    select,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError, SQLAlchemyError

from keeper.adapters.aside import Aside
from keeper.adapters.orders.document import FORMAT, from_document, to_document
from keeper.domain.errors import UnitError, Unreachable
from keeper.domain.order import SignedOrder
from keeper.domain.redact import redact_text, redact_url, secret_parts
from keeper.domain.text import printable
from keeper.ports.orders import OrderPage, Skipped

MOST_ROWS = 2_000
BUSY_S = 5
CONNECT_S = 4
STATEMENT_MS = 4_000
"""Below what the caller waits, so that the server says itself what is wrong. What the address says itself is left as it is."""
_POSTGRES: Final = {
    "connect_timeout": CONNECT_S,
    "tcp_user_timeout": STATEMENT_MS,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "options": f"-c statement_timeout={STATEMENT_MS} -c lock_timeout={STATEMENT_MS}",
}

metadata = MetaData()

# The signature is part of the key: a forged row cannot take the place of a real one.
breaker_orders: Final = Table(
    "breaker_orders",
    metadata,
    Column("digest", Text, nullable=False),
    Column("signer", Text, nullable=False),
    Column("signature", Text, nullable=False),
    Column("chain_id", BigInteger, nullable=False),
    Column("contract", Text, nullable=False),
    Column("breaker", Text, nullable=False),
    Column("values", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("nonce", BigInteger, nullable=False),
    Column("deadline_s", BigInteger, nullable=False, index=True),
    PrimaryKeyConstraint("digest", "signer", "signature", name="pk_breaker_orders"),
)
_COLUMNS: Final = tuple(column.name for column in breaker_orders.columns)


MAKING_TRIES: Final = 4
"""One attempt may meet what another keeper has made halfway: the table without its index, or a lock."""


class DatabaseOrderBook:
    """Implements ``keeper.ports.orders.OrderBook``."""

    def __init__(self, url: str) -> None:
        """Raises Unreachable for an address of no usable database; nothing is connected to before the first use."""
        self._url = url
        self._engine = _engine(url)
        self._ready = False
        self._closed = False
        self._aside = Aside(
            f"the database of orders {redact_url(url)}",
            remedy="look at `orders` of the route: is the server up, the network open?",
        )

    async def put(self, signed: SignedOrder) -> None:
        self._check_open()
        await self._aside.run(partial(self._put, signed))

    async def look(self, since_s: int) -> OrderPage:
        self._check_open()
        return await self._aside.run(partial(self._look, since_s))

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            with suppress(Unreachable):  # it hangs, and goes with the process
                await self._aside.run(self._engine.dispose)

    def _put(self, signed: SignedOrder) -> None:
        row = to_document(signed)
        row = {name: row[name] for name in _COLUMNS} | {"values": json.dumps(row["values"])}
        with self._errors():
            self._make_ready()
            try:
                with self._engine.begin() as connection:
                    connection.execute(insert(breaker_orders).values(row))
            except IntegrityError:
                return  # it is there already

    def _look(self, since_s: int) -> OrderPage:
        query = (
            select(breaker_orders)
            .where(breaker_orders.c.deadline_s >= since_s)
            .order_by(breaker_orders.c.deadline_s.desc())
            .limit(MOST_ROWS + 1)
        )
        with self._errors():
            self._make_ready()
            with self._engine.connect() as connection:
                rows = connection.execute(query).all()
        signed: dict[tuple[bytes, str], SignedOrder] = {}
        skipped = []
        if len(rows) > MOST_ROWS:
            skipped.append(Skipped("breaker_orders", f"more than {MOST_ROWS} rows: the others are not read"))
        for row in rows[:MOST_ROWS]:
            try:
                found = _from_row(row)
            except UnitError as error:
                where = f"breaker_orders, digest {row.digest}, signer {row.signer}"
                skipped.append(Skipped(printable(where), printable(error.message)))
            else:
                signed[found.order.digest, found.signer] = found
        return OrderPage(tuple(signed.values()), tuple(skipped))

    def _make_ready(self) -> None:
        """The table, if it is not there. Of two keepers that make it at once, one finds it the next time, or the time after that."""
        if self._ready:
            return
        for tries_left in reversed(range(MAKING_TRIES)):
            try:
                metadata.create_all(self._engine)
                break
            except DBAPIError:
                if tries_left == 0:
                    raise
        self._ready = True

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Whatever the database raises as Unreachable: without statement and values, without the password."""
        try:
            yield
        except DBAPIError as error:
            reason = redact_text(printable(str(error.orig or type(error).__name__)), *secret_parts(self._url))
        except SQLAlchemyError as error:
            reason = type(error).__name__
        else:
            return
        raise Unreachable(
            f"the database of orders {redact_url(self._url)}: {reason}",
            remedy="look at `orders` of the route: is the database up, and may the keeper make and fill a table there?",
        ) from None

    def _check_open(self) -> None:
        if self._closed:
            raise Unreachable("the order book is closed")


def _engine(url: str) -> Engine:
    try:
        if not url.startswith("sqlite"):
            limits = {name: value for name, value in _POSTGRES.items() if name not in make_url(url).query}
            return create_engine(url, connect_args=limits, pool_pre_ping=True, pool_size=1, max_overflow=1)
        engine = create_engine(url, connect_args={"timeout": BUSY_S})
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError):
        raise Unreachable(
            f"{redact_url(url)} names no database that can be used",
            remedy="write sqlite:////absolute/path/orders.db, postgresql+psycopg://.., or a folder",
        ) from None

    @event.listens_for(engine, "connect")
    def _settings(connection: Any, _: Any) -> None:
        # a row that is no text is one bad row, and not the end of the book
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        # a commit is on disk before it returns, and whoever reads does not wait for whoever writes
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}").fetchall()

    return engine


def _from_row(row: Row[Any]) -> SignedOrder:
    """Raises UnitError."""
    found = dict(row._mapping)  # the documented way to a row's columns by name
    try:
        values = json.loads(found["values"])
    except (ValueError, TypeError, RecursionError):
        values = None
    return from_document(found | {"values": values, "format": FORMAT})
