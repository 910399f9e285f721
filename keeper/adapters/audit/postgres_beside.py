"""What PostgreSQL finds out by itself while Python reads the records: on another processor, over a connection of its own."""

from __future__ import annotations

from contextlib import suppress
from threading import Thread
from types import TracebackType
from typing import Final, Self

import psycopg

from keeper.adapters.audit.postgres import Connection, connect
from keeper.domain.errors import StoreUnavailable

JSON_SINCE: Final = 160_000
"""The version of the server that has ``IS JSON``."""
_NOT_JSON: Final = "SELECT 1 FROM public.records WHERE (body IS JSON OBJECT) IS NOT TRUE LIMIT 1"
_ENDING_S: Final = 0.01


class PostgresBeside:
    """Begins with ``with``; leaving ends it. What is asked for is waited for.

    Its snapshot is not older than that of whoever began to read before: records are only ever added.
    """

    def __init__(self, url: str, lock_ms: int) -> None:
        self._url = url
        self._lock_ms = lock_ms
        self._connection: Connection | None = None
        self._as_written = False
        self._left = False
        self._thread = Thread(target=self._look, name="audit-beside", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left = True
        while self._thread.is_alive():  # again and again: it may be just before its statement
            if self._connection is not None:
                with suppress(psycopg.Error):
                    self._connection.cancel_safe()
            self._thread.join(_ENDING_S)

    def as_written(self) -> bool:
        """Whether the server reads all bodies as objects of JSON; not, where it cannot tell."""
        self._thread.join()
        return self._as_written

    def _look(self) -> None:
        # that there is no second connection is no answer
        with suppress(psycopg.Error, StoreUnavailable):
            connection = connect(self._url, task="verify", lock_ms=self._lock_ms, statement_ms=0, read_only=True)
            try:
                self._connection = connection
                if not self._left:
                    self._as_written = connection.execute(_NOT_JSON).fetchone() is None
            finally:
                self._connection = None
                connection.close()
