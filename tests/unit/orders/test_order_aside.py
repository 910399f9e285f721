"""A book that hangs costs one thread and a few seconds, and nothing for ever."""

from __future__ import annotations

import os
import threading
from functools import partial
from pathlib import Path

import pytest

from keeper.adapters.aside import ANSWER_S, Aside
from keeper.adapters.orders import database
from keeper.adapters.orders.database import DatabaseOrderBook
from keeper.adapters.orders.files import FileOrderBook
from keeper.domain.errors import Unreachable
from tests.support.orders import signed_by

pytestmark = pytest.mark.unit


async def test_run__gives_what_the_call_gives_and_raises_what_it_raises() -> None:
    aside = Aside("the book", remedy="look at `orders`")
    assert await aside.run(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await aside.run(lambda: 1 // 0)
    assert await aside.run(lambda: 8) == 8


async def test_run__hangs__is_unreachable_at_once_until_it_is_back() -> None:
    aside, go = Aside("the book", 0.01, remedy="look at `orders`"), threading.Event()
    calls: list[int] = []
    with pytest.raises(Unreachable, match=r"the book has not answered within 0\.01 s") as error:
        await aside.run(go.wait)
    assert "orders" in error.value.remedy
    with pytest.raises(Unreachable, match="still has not answered"):
        await aside.run(partial(calls.append, 1))
    assert calls == [], "no second thread is given to it"
    hanging = aside._running
    assert hanging is not None
    go.set()
    hanging.result()
    aside._answer_s = ANSWER_S
    assert await aside.run(lambda: 9) == 9


async def test_run__with_less_time__is_unreachable_after_that() -> None:
    aside, go = Aside("the book", ANSWER_S, remedy="look at `orders`"), threading.Event()
    with pytest.raises(Unreachable, match=r"has not answered within 0\.01 s"):
        await aside.run(go.wait, 0.01)
    go.set()


async def test_run__hangs__does_not_keep_the_process_from_ending() -> None:
    aside, go = Aside("the book", 0.01, remedy="look at `orders`"), threading.Event()
    with pytest.raises(Unreachable):
        await aside.run(go.wait)
    (thread,) = [one for one in threading.enumerate() if one.name == "aside"]
    assert thread.daemon
    go.set()
    thread.join()


async def test_folder_that_hangs__is_unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book, go = FileOrderBook(tmp_path), threading.Event()
    monkeypatch.setattr(book._aside, "_answer_s", 0.01)
    scandir = os.scandir

    def stuck(path: Path) -> object:
        go.wait()
        return scandir(path)

    monkeypatch.setattr(os, "scandir", stuck)
    with pytest.raises(Unreachable, match="has not answered"):
        await book.look(0)
    with pytest.raises(Unreachable, match="still"):
        await book.put(await signed_by(0))
    hanging = book._aside._running
    go.set()
    assert hanging is not None
    hanging.result()
    monkeypatch.setattr(book._aside, "_answer_s", ANSWER_S)
    assert (await book.look(0)).signed == ()


def test_postgresql__is_told_its_limits_and_keeps_those_of_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg")
    made: list[dict[str, object]] = []
    monkeypatch.setattr(database, "create_engine", lambda _, **given: made.append(given["connect_args"]))
    for query in ("", "?connect_timeout=2"):
        DatabaseOrderBook(f"postgresql+psycopg://k@db/orders{query}")
    ours, theirs = made
    assert ours["connect_timeout"] == database.CONNECT_S < ANSWER_S
    assert f"statement_timeout={database.STATEMENT_MS}" in str(ours["options"])
    assert database.STATEMENT_MS < ANSWER_S * 1000
    assert {"tcp_user_timeout", "keepalives_idle"} <= set(ours)
    assert set(ours) - set(theirs) == {"connect_timeout"}
