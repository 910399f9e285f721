"""The page of the status in parts, printed once for all who listen: when something has changed, never more often than twice a second."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog
from markupsafe import Markup

from keeper.app.pages import rendering
from keeper.app.pages.problem import PageProblem
from keeper.app.pages.settings import PageSettings
from keeper.app.pages.status_rows import View
from keeper.app.pages.status_words import IN_WORDS, SIGN

PARTS: Final = ("headline", "numbers", "attention", "markets", "armed", "incidents", "work", "sources", "log")
APART_S: Final = 0.5
"""Between two editions."""
AFTER_S: Final = 0.05
"""After what has changed: a tick's own work, and what it leads to, goes first."""
BEAT_S: Final = 3.0
STREAM_S: Final = 600.0
"""Then whoever listens has to ask again, and is looked at again."""
LISTENERS_MAX: Final = 16
RETRY_MS: Final = 2_000
BUSY: Final = PageProblem(503, "Too many are listening already.", "close another page of the status", retry_s=5)


def rendered(view: View, settings: PageSettings, now_ms: int, *, live: bool) -> dict[str, Markup]:
    """The HTML of each part; ``live`` without what changes by the mere passing of time, which a script puts in."""
    names = {"now_ms": now_ms, "live": live, "settings": settings, "sign": SIGN, "words": IN_WORDS}
    module = rendering.environment().get_template("status_parts.html").make_module(names)
    return {name: getattr(module, name)(view) for name in PARTS}


@dataclass(frozen=True, slots=True)
class Printed:
    """One part, and the number of the edition in which it last changed."""

    edition: int
    html: str


class Press:
    """``look`` gives what is to be shown. Nobody has a queue: whoever reads slowly gets the newest of what has changed."""

    def __init__(
        self,
        look: Callable[[], Awaitable[View]],
        settings: PageSettings,
        ending: asyncio.Event,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._look = look
        self._settings = settings
        self._ending = ending
        self._sleep = sleep
        self._listeners: set[asyncio.Event] = set()
        self._parts: dict[str, Printed] = {}
        self._edition = 0
        self._printing: asyncio.Task[None] | None = None
        self._again = False

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    def wake(self) -> None:
        """Something has changed. Costs nothing where nobody listens."""
        if not self._listeners:
            return
        if self._printing is None:
            self._printing = asyncio.get_running_loop().create_task(self._print())
        else:
            self._again = True

    async def _print(self) -> None:
        """Until nothing new came while it printed."""
        try:
            await self._sleep(AFTER_S)
            while self._listeners:
                self._again = False
                try:
                    self._take(await self._rendered())
                except Exception:  # noqa: BLE001 - the page must not take anything else with it
                    structlog.get_logger("keeper").exception("the page of the status could not be rendered")
                await self._sleep(APART_S)
                if not self._again:
                    break
        finally:
            self._printing = None

    async def _rendered(self) -> Mapping[str, str]:
        view, now_ms = await self._look(), self._settings.clock.now_ms()
        return await asyncio.to_thread(rendered, view, self._settings, now_ms, live=True)

    def _take(self, parts: Mapping[str, str]) -> None:
        self._edition += 1
        for name, html in parts.items():
            if name not in self._parts or self._parts[name].html != html:
                self._parts[name] = Printed(self._edition, html)
        for listener in self._listeners:
            listener.set()

    async def stream(self, admitted: Callable[[], bool] = lambda: True) -> AsyncIterator[str]:
        """Events for one listener: ``parts`` with all that has changed since its last one, ``beat`` while nothing does.

        Ends when it is not ``admitted`` any more: a session that is ended ends what it opened.
        """
        news = asyncio.Event()
        if not self._listeners:
            self._parts = {}  # nobody has kept them up to date
        self._listeners.add(news)
        try:
            yield f"retry: {RETRY_MS}\n\n"
            self.wake()
            had = 0
            until_ms = self._settings.clock.monotonic_ms() + STREAM_S * 1000
            while not self._ending.is_set() and self._settings.clock.monotonic_ms() < until_ms and admitted():
                changed = {name: one.html for name, one in self._parts.items() if one.edition > had}
                had = self._edition
                news.clear()
                now = {"now": self._settings.clock.now_ms()}
                yield _event("parts", now | {"parts": changed}) if changed else _event("beat", now)
                await self._news(news)
        finally:
            self._listeners.discard(news)

    async def _news(self, news: asyncio.Event) -> None:
        waiting = [asyncio.ensure_future(one.wait()) for one in (news, self._ending)]
        try:
            with suppress(TimeoutError):
                await asyncio.wait(waiting, timeout=BEAT_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()
        if not news.is_set():
            self.wake()  # what only the log knows may have changed without a word


def _event(name: str, document: Mapping[str, object]) -> str:
    return f"event: {name}\ndata: {json.dumps(document, separators=(',', ':'), ensure_ascii=False)}\n\n"
