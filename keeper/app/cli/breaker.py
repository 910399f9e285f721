"""``keeper breaker``: what several keepers sign together, for operators who look, and for those who sign by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from keeper.app.cli import logs
from keeper.app.cli.output import Output, counted
from keeper.app.exit_codes import Exit
from keeper.domain.circuit_breaker import breaker_name, utc
from keeper.domain.errors import UnitError

if TYPE_CHECKING:
    from keeper.app.breakers.views import Standing
    from keeper.config import model
    from keeper.domain.block import BlockStamp
    from keeper.domain.order import SignedOrder, TripOrder
    from keeper.ports.chain import ChainReader
    from keeper.ports.orders import OrderBook, Skipped

NO_ORDERS = "no route of the kind `breaker` has `orders`"
NO_ORDERS_REMEDY = "name the folder or database that the keepers share in `orders` of the route"


@dataclass(frozen=True, slots=True)
class Table:
    """Everything that is asked about orders: the books by contract, and the chain at one block."""

    config: model.Config
    books: dict[str, OrderBook]
    chain: ChainReader
    block: BlockStamp


@dataclass(frozen=True, slots=True)
class Row:
    """One order with who signed it. ``live`` are those of them whose signatures count."""

    order: TripOrder
    signers: tuple[str, ...]
    live: frozenset[str]
    standing: Standing

    @property
    def missing(self) -> int:
        return max(0, self.standing.required - len(self.live))

    @property
    def state(self) -> str:
        """``void``: the breaker has another nonce now, so that it can never be carried out."""
        if self.order.nonce != self.standing.state.nonce or not self.standing.required:
            return "void"
        return "open" if self.missing else "complete"


def show(output: Output, config: str) -> int:
    """Every order whose deadline is not past. Raises KeeperError."""
    logs.set_up(output.verbosity)
    return asyncio.run(_show(output, config))


def sign(output: Output, config: str, file: Path) -> int:
    """This keeper's signature under the order of a file; FOUND when it would be worth nothing, or contradict another. Raises KeeperError."""
    logs.set_up(output.verbosity)
    return asyncio.run(_sign(output, config, file))


def call(output: Output, config: str, file: Path) -> int:
    """The call that carries the signatures of the order in a file; FOUND when there are too few. Raises KeeperError."""
    logs.set_up(output.verbosity)
    return asyncio.run(_call(output, config, file))


async def _show(output: Output, config: str) -> int:
    async with _table(config) as table:
        rows: list[Row] = []
        skipped: list[Skipped] = []
        for contract, book in table.books.items():
            page = await book.look(table.block.timestamp_s)
            skipped += page.skipped
            rows += await _rows(table, [one for one in page.signed if one.order.contract == contract])
    now_s = table.block.timestamp_s
    for row in rows:
        _say(output, row, now_s)
    if not rows:
        output.say("no order waits for a signature")
    for each in skipped:
        output.say(f"skipped: {each.place}: {each.why}", "yellow")
    output.document(
        {
            "ok": True,
            "orders": [_document(row, now_s) for row in rows],
            "skipped": [{"place": each.place, "why": each.why} for each in skipped],
        }
    )
    return Exit.DONE


async def _sign(output: Output, config: str, file: Path) -> int:
    from keeper.adapters.audit.store import SqlAuditStore
    from keeper.adapters.clock import SystemClock
    from keeper.app.breakers.pledges import Pledges
    from keeper.app.breakers.views import live_keepers
    from keeper.app.signers import able_to, open_signer
    from keeper.config.model import Mode
    from keeper.domain.order import SignedOrder

    async with _table(config) as table:
        given = _read(table, file)
        if table.config.keeper.mode is not Mode.LIVE:
            raise UnitError(
                "`mode` is shadow: nothing is signed", remedy="sign with the configuration of a live keeper"
            )
        key = await open_signer(table.config.signer)
        if key is None:
            raise UnitError("no signer is configured", remedy="configure `signer`")
        if (signer := able_to(key)) is None:
            raise UnitError("`signer` signs transactions alone", remedy="sign with a keystore, a key file or AWS KMS")
        row = (await _rows(table, [given]))[0]
        asked = await live_keepers(table.chain, given.order.contract, {signer.address, given.signer}, table.block)
        why = _worthless(row, table.block.timestamp_s, {signer.address, given.signer} - asked)
        if why:
            output.failed(f"not signed: {why}", "ask who sent the file for a new order")
            return Exit.FOUND
        store = await SqlAuditStore.open(table.config.audit.url.reveal(), create=True)
        try:
            pledges = Pledges(store, signer, SystemClock())
            signed = await pledges.sign(given.order, table.block.timestamp_s, {"by_hand": True})
        finally:
            await store.close()
        if not isinstance(signed, SignedOrder):
            values = ", ".join(map(str, signed.values)) or "none"
            why = f"this key has signed other values ({values}) for the same nonce, until {utc(signed.deadline_s)}"
            output.failed(f"not signed: {why}", "wait until then, or let the others sign that one")
            return Exit.FOUND
        await table.books[given.order.contract].put(given)  # where the file came another way, the others see it too
        await table.books[given.order.contract].put(signed)
        page = await table.books[given.order.contract].look(given.order.deadline_s)
        row = (await _rows(table, [one for one in page.signed if one.order == given.order]))[0]
    output.say(f"signed by {signed.signer}", "bold green")
    _say(output, row, table.block.timestamp_s)
    output.document({"ok": True, "signer": signed.signer, "order": _document(row, table.block.timestamp_s)})
    return Exit.DONE


async def _call(output: Output, config: str, file: Path) -> int:
    from keeper.domain.order import trip_signed_call

    async with _table(config) as table:
        given = _read(table, file)
        page = await table.books[given.order.contract].look(given.order.deadline_s)
        found = {one.signer: one for one in (*page.signed, given) if one.order == given.order}
        row = (await _rows(table, list(found.values())))[0]
    why = _worthless(row, table.block.timestamp_s, set())
    if why or row.missing:
        why = why or f"{counted(row.missing, 'signature')} of live keepers missing"
        output.failed(f"this order cannot be carried out: {why}", "look at it with: keeper breaker CONFIG orders")
        return Exit.FOUND
    counted_ = sorted(row.live, key=lambda address: int(address, 16))[: row.standing.required]
    made = trip_signed_call([found[signer] for signer in counted_])
    output.say(f"to    {made.to}\ndata  0x{made.data.hex()}")
    output.say(f"Any live keeper may send it until {utc(given.order.deadline_s)}, without value.")
    output.document({"ok": True, "to": made.to, "data": "0x" + made.data.hex(), "signers": counted_})
    return Exit.DONE


@asynccontextmanager
async def _table(path: str) -> AsyncIterator[Table]:
    """Opened for one command. Raises ConfigurationError, UnitError without any orders, OutsideError."""
    from keeper.adapters.clock import SystemClock
    from keeper.adapters.orders.opening import open_order_book
    from keeper.app.nodes import open_nodes
    from keeper.config import load
    from keeper.config.model import BreakerRoute

    config = load(path)
    async with AsyncExitStack() as opened:
        books = {}
        for route in config.routes:
            if isinstance(route, BreakerRoute) and route.orders is not None:
                books[route.address] = open_order_book(route.orders.reveal())
                opened.push_async_callback(books[route.address].close)
        if not books:
            raise UnitError(NO_ORDERS, remedy=NO_ORDERS_REMEDY)
        nodes = open_nodes(config.chain, SystemClock())
        opened.push_async_callback(nodes.close)
        yield Table(config, books, nodes.fleet, await nodes.fleet.head())


def _read(table: Table, file: Path) -> SignedOrder:
    """Raises UnitError for a file that is no signed order of this chain and one of these contracts."""
    from keeper.adapters.orders.document import LARGEST, from_text

    try:
        with file.open("rb") as opened:
            text = opened.read(LARGEST + 1)
    except OSError as error:
        raise UnitError(f"{file} cannot be read ({type(error).__name__})", remedy="name the file of an order") from None
    try:
        found = from_text(text)
    except UnitError as error:
        raise UnitError(f"{file} is no signed order: {error.message}", remedy="do not use it") from None
    if found.order.chain_id != table.config.chain.id or found.order.contract not in table.books:
        raise UnitError(
            f"{file} is for {found.order.contract} on chain {found.order.chain_id}, which no route of the configuration is",
            remedy="do not sign it",
        )
    return found


async def _rows(table: Table, signed: Sequence[SignedOrder]) -> list[Row]:
    from keeper.app.breakers.views import live_keepers, standing_of

    by_order: dict[TripOrder, list[str]] = {}
    for one in signed:
        if one.order.chain_id == table.config.chain.id:
            by_order.setdefault(one.order, []).append(one.signer)
    rows = []
    for order, signers in sorted(by_order.items(), key=lambda item: (item[0].deadline_s, item[0].digest)):
        standing = await standing_of(table.chain, order.contract, order.id, table.block)
        live = await live_keepers(table.chain, order.contract, signers, table.block)
        rows.append(Row(order, tuple(sorted(signers)), live, standing))
    return rows


def _worthless(row: Row, now_s: int, no_keepers: set[str]) -> str:
    """Why nothing can come of the order; empty when something can."""
    if row.state == "void":
        return "the breaker has moved on: the order has another nonce"
    if now_s > row.order.deadline_s:
        return f"its deadline was {utc(row.order.deadline_s)}"
    if why := row.standing.refusal(now_s):
        return f"the breaker would not trip: {why}"
    return f"no keeper of the contract, or silent for too long: {', '.join(sorted(no_keepers))}" if no_keepers else ""


def _say(output: Output, row: Row, now_s: int) -> None:
    order = row.order
    styles = {"open": "bold yellow", "complete": "bold green", "void": ""}
    left = order.deadline_s - now_s
    output.say(
        f"{breaker_name(order.id)}  {row.state}, {left} s left, until {utc(order.deadline_s)}", styles[row.state]
    )
    output.say(f"  contract  {order.contract}, nonce {order.nonce}")
    output.say(f"  values    {', '.join(map(str, order.values)) or 'none'}")
    output.say(f"  evidence  0x{order.evidence.hex()}")
    output.say(f"  digest    0x{order.digest.hex()}")
    for signer in row.signers:
        output.say(f"  signed by {signer}" + ("" if signer in row.live else "  (does not count: no live keeper)"))
    if row.state == "open":
        output.say(f"  {counted(row.missing, 'signature')} of {row.standing.required} missing")


def _document(row: Row, now_s: int) -> dict[str, object]:
    from keeper.adapters.audit.times import to_iso
    from keeper.domain.order import order_body

    body = order_body(row.order)
    deadline_s = row.order.deadline_s
    return {
        **{name: value for name, value in body.items() if name != "deadline_s"},
        "name": breaker_name(row.order.id),
        "deadline": to_iso(deadline_s * 1000),
        "left_s": deadline_s - now_s,
        "state": row.state,
        "required": row.standing.required,
        "missing": row.missing,
        "signed_by": [signer for signer in row.signers if signer in row.live],
        "not_counted": [signer for signer in row.signers if signer not in row.live],
    }
