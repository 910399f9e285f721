"""In front of every route of the API: who asks, how often, and how long the question is. What is not there is told to nobody without a token."""

from __future__ import annotations

import re
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from keeper.app.api.access import Access
from keeper.app.api.asked import CALLER, said_twice
from keeper.app.api.problems import problem_response
from keeper.app.pages.problem import PageProblem

QUERY_MAX: Final = 4_096
PATH_MAX: Final = 1_024
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")


class Gate:
    """ASGI."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._judge(scope)
        except PageProblem as problem:
            await problem_response(problem)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _judge(self, scope: Scope) -> None:
        client = scope.get("client")
        scope[CALLER] = self._access.of_api(Headers(scope=scope), client[0] if client else "")
        query = scope["query_string"]
        if len(query) > QUERY_MAX or len(scope["path"]) > PATH_MAX:
            raise PageProblem(414, "The address is too long.", f"at most {QUERY_MAX} characters of query are read")
        if b"%00" in query or _CONTROLS.search(scope["path"]):
            raise PageProblem(422, "The address holds signs that are no text.", "leave them out")
        if (name := said_twice(query)) is not None:
            raise PageProblem(422, f"{name} is given more than once.", "give it once")
