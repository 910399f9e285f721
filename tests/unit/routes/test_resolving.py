"""Look-ups of builders' names: one at a time, apart from everybody else's, and never in the way of a request that has an address."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import httpx
import pytest

from keeper.adapters.routes.resolving import FRESH_MS, ResolvingTransport
from tests.support.eventually import eventually

pytestmark = pytest.mark.unit

HOST = "builder.example"


class Inner(httpx.AsyncBaseTransport):
    """Says where it was asked to connect to."""

    def __init__(self) -> None:
        self.asked: list[httpx.Request] = []
        self.down: set[str] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if request.url.host in self.down:
            raise httpx.ConnectError("down")
        return httpx.Response(200, content=b"ok")


class Names:
    """A name server that hangs when told."""

    def __init__(self, *found: str) -> None:
        self.found: Sequence[str] = found
        self.asked = 0
        self.may_answer = threading.Event()
        self.may_answer.set()

    def look_up(self, host: str, port: int) -> Sequence[str]:
        self.asked += 1
        assert (host, port) == (HOST, 443)
        assert self.may_answer.wait(60)
        if not self.found:
            raise OSError("no such name")
        return self.found


class Stage:
    def __init__(self, *found: str) -> None:
        self.inner, self.names, self.now_ms = Inner(), Names(*found), 1_000_000.0
        self.transport = ResolvingTransport(self.inner, lambda: self.now_ms, self.names.look_up)
        self.client = httpx.AsyncClient(transport=self.transport)

    async def ask(self, url: str = f"https://{HOST}/x") -> str:
        await self.client.post(url)
        return self.inner.asked[-1].url.host


async def test_name__is_looked_up__and_tls_and_host_still_have_the_name() -> None:
    stage = Stage("203.0.113.7")
    assert await stage.ask() == "203.0.113.7"
    request = stage.inner.asked[-1]
    assert request.headers["host"] == HOST
    assert request.extensions["sni_hostname"] == HOST
    assert await stage.ask() == "203.0.113.7"
    assert stage.names.asked == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_address__is_not_looked_up(host: str) -> None:
    stage = Stage()
    await stage.ask(f"http://{host}/")
    assert stage.names.asked == 0
    assert "sni_hostname" not in stage.inner.asked[-1].extensions


async def test_old_address__look_up_hangs__is_used_and_one_look_up_is_enough() -> None:
    stage = Stage("203.0.113.7")
    await stage.ask()
    stage.now_ms += FRESH_MS + 1
    stage.names.may_answer.clear()
    stage.names.found = ("203.0.113.8",)
    assert [await stage.ask() for _ in range(5)] == ["203.0.113.7"] * 5
    await eventually(lambda: stage.names.asked == 2)
    stage.names.may_answer.set()
    host = stage.transport._hosts[HOST, 443]
    await eventually(lambda: host.running is None)
    assert await stage.ask() == "203.0.113.8"
    assert stage.names.asked == 2


async def test_no_address_yet__requests_given_up__wait_for_the_same_look_up() -> None:
    stage = Stage("203.0.113.7")
    stage.names.may_answer.clear()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stage.ask(), 0.01)
    assert stage.names.asked == 1
    stage.names.may_answer.set()
    assert await stage.ask() == "203.0.113.7"


async def test_no_such_name__is_no_connection__and_asked_again_the_next_time() -> None:
    stage = Stage()
    with pytest.raises(httpx.ConnectError):
        await stage.ask()
    stage.names.found = ("203.0.113.7",)
    assert await stage.ask() == "203.0.113.7"


async def test_address__nobody_there__another_one_is_tried_the_next_time() -> None:
    stage = Stage("203.0.113.7", "203.0.113.8")
    stage.inner.down.add("203.0.113.7")
    with pytest.raises(httpx.ConnectError):
        await stage.ask()
    assert await stage.ask() == "203.0.113.8"
