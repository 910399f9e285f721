"""The council's page without a socket: requests go straight into the application."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI

from keeper.adapters.audit.memory import MemoryAuditStore
from keeper.app.api.access import Access, AccessSettings
from keeper.app.api.desk import AuditDesk
from keeper.app.pages.server import build_app
from keeper.app.pages.settings import PageSettings
from keeper.domain.record import Record, RecordQuery
from tests.support.council_matters import MEMBERS, NOW_MS, FakeCouncil
from tests.support.log_site import MemoryReader
from tests.support.manual_clock import ManualClock

ORIGIN = "http://127.0.0.1:8642"
SAME_ORIGIN = {"origin": ORIGIN, "sec-fetch-site": "same-origin"}


class LogOf(MemoryReader):
    """The log of ``view``: written when it is first asked."""

    def __init__(self, view: FakeCouncil) -> None:
        self._store = MemoryAuditStore()
        super().__init__(self._store)
        self._view, self._read = view, self.page
        self.page = self._page

    async def _page(self, query: RecordQuery) -> Sequence[Record]:
        self._view.fail()
        if (await self._store.head())[0] == 0:
            await self._store.append(self._view.log)
        return await self._read(query)


def desk_of(view: FakeCouncil, clock: ManualClock, access: AccessSettings | None = None) -> AuditDesk:
    """The log that belongs to ``view``; open to this machine."""
    return AuditDesk(LogOf(view), Access(access or AccessSettings(rate=100_000), clock), clock)


def app_of(view: FakeCouncil) -> FastAPI:
    """Its pages, on this machine."""
    clock = ManualClock(NOW_MS)
    return build_app(view, PageSettings(clock), desk_of(view, clock))


@dataclass
class Page:
    """``get`` and ``post`` of one application over ``view``."""

    view: FakeCouncil = field(default_factory=FakeCouncil)
    approve: bool = False
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW_MS))
    url: str = ""
    listen_host: str = "127.0.0.1"
    tokens: Mapping[str, str] = field(default_factory=dict)
    rate: int = 100_000

    def __post_init__(self) -> None:
        settings = PageSettings(
            self.clock, approve=self.approve, url=self.url, listen_host=self.listen_host, members=MEMBERS
        )
        access = AccessSettings(self.listen_host, self.tokens, self.rate)
        self._transport = httpx.ASGITransport(
            build_app(self.view, settings, desk_of(self.view, self.clock, access)),
            raise_app_exceptions=False,
        )

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.request("GET", path, headers=headers)

    async def post(self, path: str, document: Any, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """As the page's own script sends it, unless ``headers`` say otherwise."""
        return await self.request(
            "POST", path, json=document, headers=dict(SAME_ORIGIN if headers is None else headers)
        )

    async def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        async with httpx.AsyncClient(transport=self._transport, base_url=ORIGIN) as client:
            return await client.request(method, path, **more)
