"""The council's page without a socket: requests go straight into the application."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from keeper.app.pages.server import build_app
from keeper.app.pages.settings import PageSettings
from tests.support.council_matters import MEMBERS, NOW_MS, FakeCouncil
from tests.support.manual_clock import ManualClock

ORIGIN = "http://127.0.0.1:8642"
SAME_ORIGIN = {"origin": ORIGIN, "sec-fetch-site": "same-origin"}


@dataclass
class Page:
    """``get`` and ``post`` of one application over ``view``."""

    view: FakeCouncil = field(default_factory=FakeCouncil)
    approve: bool = False
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW_MS))
    url: str = ""
    listen_host: str = "127.0.0.1"

    def __post_init__(self) -> None:
        settings = PageSettings(
            self.clock, approve=self.approve, url=self.url, listen_host=self.listen_host, members=MEMBERS
        )
        self._transport = httpx.ASGITransport(build_app(self.view, settings), raise_app_exceptions=False)

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
