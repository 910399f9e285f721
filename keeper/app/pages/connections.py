"""Connections to the page that do not finish what they begin: they are closed, so that they keep nobody else out."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_S: Final = 10.0
"""For one whole request to come in, its body too."""
UNREAD_S: Final = 20.0
"""How long somebody may leave an answer unread."""
SELDOM_S: Final = 60.0
MOST_WAITING: Final = 64
"""Connections at once whose request is not there yet. Of more, the oldest is closed of whoever has most."""


class _Seldom(logging.Filter):
    """Each message once a minute: whoever sends nonsense, or too much, must not fill the log with it."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno > logging.WARNING:
            return True
        if record.created - self._said.get(str(record.msg), 0.0) < SELDOM_S:
            return False
        self._said[str(record.msg)] = record.created  # the texts are those of the server itself: few
        return True


_seldom: Final = _Seldom()


def quieten() -> None:
    """Of the server's own warnings. Safe to call twice."""
    logging.getLogger("uvicorn.error").addFilter(_seldom)


def bounded() -> type[H11Protocol]:
    """The protocol of one server."""
    waiting: dict[BoundedProtocol, None] = {}  # in the order in which they began to wait

    class Bounded(BoundedProtocol):
        _waiting = waiting

    return Bounded


class BoundedProtocol(H11Protocol):
    """One connection. See ``bounded``."""

    _waiting: dict[BoundedProtocol, None]
    _request_timer: asyncio.TimerHandle | None = None
    _unread_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        self.resume_writing()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        super().handle_events()
        if self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body:
            self._wait_no_more()

    def on_response_complete(self) -> None:
        self._wait_no_more()
        if not self.transport.is_closing():
            self._wait()
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread_timer = self.loop.call_later(UNREAD_S, self.transport.abort)

    def resume_writing(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None
        super().resume_writing()

    def _wait(self) -> None:
        self._request_timer = self.loop.call_later(REQUEST_S, self.transport.abort)
        self._waiting[self] = None
        if len(self._waiting) > MOST_WAITING:
            most = Counter(each._peer for each in self._waiting).most_common(1)[0][0]
            oldest = next(each for each in self._waiting if each._peer == most)
            oldest._wait_no_more()
            oldest.transport.abort()

    def _wait_no_more(self) -> None:
        self._waiting.pop(self, None)
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None

    @property
    def _peer(self) -> str:
        return self.client[0] if self.client else ""
