"""A shared database is trusted with nothing either."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.orders.database import DatabaseOrderBook
from keeper.adapters.orders.files import FileOrderBook
from keeper.adapters.orders.opening import open_order_book
from keeper.domain.errors import Unreachable
from tests.support.orders import ORDER, signed_by

pytestmark = pytest.mark.unit


@pytest.fixture
async def place(tmp_path: Path) -> Path:
    """A database with one good order."""
    path = tmp_path / "orders.db"
    book = DatabaseOrderBook(sqlite_url(path))
    await book.put(await signed_by(0))
    await book.close()
    return path


def change(place: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(place) as connection:
        connection.execute(statement, values)
    connection.close()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("nonce", 9),
        ("values", '["1"]'),
        ("values", "{"),
        ("values", None),
        ("signer", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"),
        ("signature", "0x00"),
        ("contract", "nonsense"),
        ("deadline_s", ORDER.deadline_s + 1),
        ("chain_id", "many"),
    ],
)
async def test_changed_row__is_skipped_with_its_place(place: Path, column: str, value: object) -> None:
    if value is None:
        value = ""
    change(place, f'UPDATE breaker_orders SET "{column}" = ?', value)
    book = DatabaseOrderBook(sqlite_url(place))
    page = await book.look(0)
    await book.close()
    assert page.signed == ()
    (one,) = page.skipped
    assert one.place.startswith("breaker_orders, digest ")
    assert one.why


@pytest.mark.parametrize("column", ["digest", "signer", "signature", "values", "evidence", "contract", "deadline_s"])
async def test_row_that_is_no_text__is_skipped_and_the_others_are_read(place: Path, column: str) -> None:
    book = DatabaseOrderBook(sqlite_url(place))
    await book.put(await signed_by(1))
    where = (await signed_by(0)).signer
    change(place, f"UPDATE breaker_orders SET \"{column}\" = CAST(x'ff' AS TEXT) WHERE signer = ?", where)
    page = await book.look(0)
    await book.close()
    assert page.signed == (await signed_by(1),)
    (one,) = page.skipped
    assert one.place.isprintable()


async def test_forged_row_of_the_same_order_and_signer__does_not_keep_the_real_one_out(place: Path) -> None:
    change(place, "UPDATE breaker_orders SET signature = ?", "0x" + "11" * 65)
    book = DatabaseOrderBook(sqlite_url(place))
    await book.put(await signed_by(0))
    page = await book.look(0)
    await book.close()
    assert page.signed == (await signed_by(0),)
    assert len(page.skipped) == 1


def test_address_of_no_database__is_unreachable_without_the_password() -> None:
    with pytest.raises(Unreachable) as error:
        open_order_book("nosuch://user:sesame@host/orders")
    assert "sesame" not in error.value.message + error.value.remedy


async def test_database_that_is_away__is_unreachable_without_the_password(tmp_path: Path) -> None:
    book = open_order_book(sqlite_url(tmp_path / "no folder" / "orders.db"))
    with pytest.raises(Unreachable) as error:
        await book.look(0)
    assert "orders" in error.value.remedy
    await book.close()


def test_text__without_a_scheme__is_a_folder(tmp_path: Path) -> None:
    assert isinstance(open_order_book(str(tmp_path)), FileOrderBook)
