"""From the configuration's text to the book that it names."""

from __future__ import annotations

from pathlib import Path

from keeper.adapters.orders.files import FileOrderBook
from keeper.ports.orders import OrderBook


def open_order_book(text: str) -> OrderBook:
    """The address of a database (``postgresql+psycopg://..``, ``sqlite:///..``), or else a folder. Raises Unreachable for an address of none."""
    if "://" not in text:
        return FileOrderBook(Path(text))
    from keeper.adapters.orders.database import (
        DatabaseOrderBook,
    )  # SQLAlchemy is slow to import, and a folder needs none

    return DatabaseOrderBook(text)
