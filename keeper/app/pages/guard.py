"""What stands between the page and whoever asks: names it answers to, headers on every answer, and what a browser's POST must show."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from keeper.app.api.problems import problem_response
from keeper.app.pages.problem import PageProblem
from keeper.app.pages.settings import PageSettings
from keeper.ports.clock import Clock

HEALTH: Final = "/healthz"
METRICS: Final = "/metrics"
_BY_ADDRESS: Final = frozenset({HEALTH, METRICS})
"""What machines ask for, by whatever address they have. Metrics need a token, or this machine's own name as host."""
BODY_MAX: Final = 8 * 1024
HEADERS: Final[Mapping[str, str]] = {  # those of _OWN only where an answer does not bring its own
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_OWN: Final = frozenset({"Content-Security-Policy", "Cache-Control", "Referrer-Policy"})
ELSEWHERE: Final = PageProblem(
    421,
    "This page does not answer under that host name.",
    "Set `http: url:` to the address under which people reach it.",
)
_PLAIN: Final = f"{ELSEWHERE.message}\n{ELSEWHERE.remedy}\n"
_HOST: Final = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(:[0-9]{1,5})?")


def host_name(header: str) -> str | None:
    """The name in a Host header, lower case, without port and brackets; None when it is not one."""
    match = _HOST.fullmatch(header.lower())
    return match.group(1).strip("[]") if match else None


class Guard:
    """ASGI: puts HEADERS on every answer, and refuses requests for a host that is not ours, but for what machines ask by address."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    if name not in _OWN or name not in headers:
                        headers[name] = value
            await send(message)

        headers = Headers(scope=scope)
        if "content-length" in headers and "transfer-encoding" in headers:
            unclear = PlainTextResponse("Two lengths.\n", status_code=400, headers={"Connection": "close"})
            await unclear(scope, receive, sealed)  # where it ends, another server may see otherwise
            return
        if scope["path"] not in _BY_ADDRESS and host_name(headers.get("host", "")) not in self._hosts:
            of_api = (scope["path"] + "/").startswith("/api/")
            refusal: Response = problem_response(ELSEWHERE) if of_api else PlainTextResponse(_PLAIN, status_code=421)
            await refusal(scope, receive, sealed)
            return
        await self._app(scope, receive, sealed)


class RateLimit:
    """So many requests of one caller in a minute; ``callers_max`` addresses are remembered at most."""

    def __init__(self, clock: Clock, per_minute: int = 30, callers_max: int = 1024) -> None:
        self._clock = clock
        self._per_minute = per_minute
        self._callers_max = callers_max
        self._recent: dict[str, deque[float]] = {}

    def take(self, caller: str, whose: str = "from this address") -> None:
        """Raises PageProblem (429) when it was too many."""
        now_ms = self._clock.monotonic_ms()
        times = self._recent.pop(caller, deque())
        while times and times[0] <= now_ms - 60_000:
            times.popleft()
        full = len(times) >= self._per_minute
        if not full:
            times.append(now_ms)
        self._recent[caller] = times  # the last one asked is the last one forgotten
        if len(self._recent) > self._callers_max:
            del self._recent[next(iter(self._recent))]
        if full:
            wait_s = int((times[0] + 60_000 - now_ms) // 1000) + 1
            raise PageProblem(429, f"Too many requests {whose}.", "wait a minute and try again", retry_s=wait_s)


async def posted(request: Request, settings: PageSettings) -> dict[str, Any]:
    """The JSON object of a POST that this page itself sent. Raises PageProblem."""
    headers = request.headers
    if not _same_origin(headers, settings):
        raise PageProblem(
            403,
            "This request did not come from this page.",
            "open the page itself; without a browser, use the command line",
        )
    if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise PageProblem(415, "This is not JSON.", "send it as application/json")
    declared = headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared[:9]) > BODY_MAX:
        raise PageProblem(413, f"More than {BODY_MAX} bytes are not read.")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > BODY_MAX:
            raise PageProblem(413, f"More than {BODY_MAX} bytes are not read.")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise PageProblem(400, "This is no JSON object.")
    return document


def _same_origin(headers: Headers, settings: PageSettings) -> bool:
    """A browser says where a POST comes from, and no page can make it lie."""
    origin = urlsplit(headers.get("origin", ""))
    ours = {headers.get("host", "").lower(), settings.netloc} - {""}
    return (
        origin.scheme in ("http", "https")
        and origin.netloc.lower() in ours
        and headers.get("sec-fetch-site", "same-origin") == "same-origin"
    )
