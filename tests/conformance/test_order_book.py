"""What every book of orders does: in memory, a folder, a database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.orders.memory import MemoryOrderBook
from keeper.adapters.orders.opening import open_order_book
from keeper.domain.errors import Unreachable
from keeper.domain.order import SignedOrder
from keeper.ports.orders import OrderBook
from tests.support.orders import ORDER, order, signed_by

pytestmark = pytest.mark.conformance


@pytest.fixture(params=["memory", "folder", "sqlite", "postgresql"])
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[OrderBook, OrderBook]]:
    """The same book, as two keepers hold it."""
    made: tuple[OrderBook, OrderBook]
    if request.param == "memory":
        one = MemoryOrderBook()
        made = (one, one)
    else:
        text = {"folder": str(tmp_path / "an orders folder"), "sqlite": sqlite_url(tmp_path / "the orders.db")}
        place = text.get(request.param) or request.getfixturevalue("postgres_url")
        made = (open_order_book(place), open_order_book(place))
    yield made
    for book in made:
        await book.close()


def found(signed: tuple[SignedOrder, ...]) -> set[tuple[bytes, str, bytes]]:
    return {(one.order.digest, one.signer, one.signature) for one in signed}


async def test_look__nothing_was_put__is_empty(pair: tuple[OrderBook, OrderBook]) -> None:
    for book in pair:
        page = await book.look(0)
        assert (page.signed, page.skipped) == ((), ())


async def test_put__is_seen_by_the_other_keeper_as_it_was(pair: tuple[OrderBook, OrderBook]) -> None:
    one, other = pair
    signed = await signed_by(0)
    await one.put(signed)
    assert (await other.look(0)).signed == (signed,)


async def test_put__large_values__come_back_exactly(pair: tuple[OrderBook, OrderBook]) -> None:
    one, other = pair
    signed = await signed_by(0, order(values=(0, 2**256 - 1), nonce=2**32 - 1, deadline_s=2**40 - 1))
    await one.put(signed)
    assert (await other.look(2**40 - 1)).signed == (signed,)


async def test_put__again__changes_nothing(pair: tuple[OrderBook, OrderBook]) -> None:
    one, other = pair
    signed = await signed_by(0)
    for book in (one, one, other):
        await book.put(signed)
    assert (await other.look(0)).signed == (signed,)


async def test_put__by_two_keepers_at_once__both_are_there(pair: tuple[OrderBook, OrderBook]) -> None:
    signed = [await signed_by(number) for number in range(4)]
    await asyncio.gather(*(pair[number % 2].put(one) for number, one in enumerate(signed)))
    for book in pair:
        page = await book.look(0)
        assert found(page.signed) == found(tuple(signed))
        assert page.skipped == ()


async def test_look__since_the_deadline__has_it_and_a_second_later_not(pair: tuple[OrderBook, OrderBook]) -> None:
    one, _ = pair
    signed = await signed_by(0)
    await one.put(signed)
    await one.put(await signed_by(0, order(deadline_s=ORDER.deadline_s - 1)))
    assert (await one.look(ORDER.deadline_s)).signed == (signed,)
    assert (await one.look(ORDER.deadline_s + 1)).signed == ()
    assert len((await one.look(ORDER.deadline_s - 1)).signed) == 2


async def test_close__twice__and_then_it_is_unreachable(pair: tuple[OrderBook, OrderBook]) -> None:
    one, _ = pair
    await one.close()
    await one.close()
    with pytest.raises(Unreachable):
        await one.look(0)
    with pytest.raises(Unreachable):
        await one.put(await signed_by(0))
