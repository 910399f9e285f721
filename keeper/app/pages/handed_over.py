"""Sessions that the log's own process has opened or ended: the keeper hears of them, so that one token opens its own pages too."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from keeper.app.api.access import Access
from keeper.app.pages.log_pages import COOKIE, FORMS

DONE: Final = 303
"""How a form that was accepted is answered."""


class HandedOver:
    """ASGI, in front of the ``relay``: what it says of cookies is what the other process has decided, and nobody else can make it say that."""

    def __init__(self, relay: ASGIApp, access: Access) -> None:
        self._relay = relay
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] not in FORMS or scope["method"] != "POST":
            await self._relay(scope, receive, send)
            return

        async def heard(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == DONE:
                self._hear(scope, message)
            await send(message)

        await self._relay(scope, receive, heard)

    def _hear(self, scope: Scope, message: Message) -> None:
        before = cookie_parser(Headers(scope=scope).get("cookie", "")).get(COOKIE)
        if scope["path"] == "/logout" and before:
            self._access.log_out(before)
        if scope["path"] == "/login":
            for value in Headers(raw=message["headers"]).getlist("set-cookie"):
                if session := _session_in(value):
                    self._access.adopt(session)


def _session_in(set_cookie: str) -> str:
    try:
        found = SimpleCookie(set_cookie).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found is not None else ""
