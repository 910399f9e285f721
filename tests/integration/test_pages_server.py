"""The server under the council's page: it starts, answers, and ends without a trace."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket

import httpx
import pytest

from keeper.app.pages import connections
from keeper.app.pages.server import serve
from keeper.domain.errors import OutsideError
from tests.support.council_matters import FakeCouncil
from tests.support.council_page import app_of

pytestmark = pytest.mark.integration

APP = app_of(FakeCouncil())


async def started(stop: asyncio.Event, host: str = "127.0.0.1") -> tuple[asyncio.Task[None], int]:
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(APP, host, 0, stop, port.set_result))
    return task, await asyncio.wait_for(port, 10)


def free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


async def test_serve__until_it_is_told_to_stop__answers_and_says_nothing_of_itself() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    stop = asyncio.Event()
    task, port = await started(stop)
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{port}/")
    assert answer.status_code == 200
    assert "server" not in answer.headers
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    stop.set()
    await asyncio.wait_for(task, 10)
    assert free(port)


async def test_serve__cancelled__lets_the_port_go() -> None:
    task, port = await started(asyncio.Event())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 10)
    assert free(port)


async def test_serve__with_a_connection_that_says_nothing__ends_all_the_same() -> None:
    stop = asyncio.Event()
    task, port = await started(stop, "localhost")
    _, writer = await asyncio.open_connection("localhost", port)
    writer.write(b"GET / HTTP/1.1\r\n")
    await writer.drain()
    stop.set()
    await asyncio.wait_for(task, 10)
    writer.close()
    await writer.wait_closed()


HALF = b"GET / HTTP/1.1\r\nHost: x\r\n"
SLOW_BODY = b"POST /proposals/0x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"


async def test_serve__more_half_requests_than_it_holds__the_oldest_go_and_a_member_is_answered() -> None:
    stop = asyncio.Event()
    task, port = await started(stop)
    held = []
    for _ in range(130):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HALF)
        held.append((reader, writer))
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{port}/", timeout=60)
    assert answer.status_code == 200
    gone = 0
    for reader, _ in held[: 130 - connections.MOST_WAITING]:
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 10) == b""
        gone += 1
    assert gone == 66
    assert not held[-1][0].at_eof()
    stop.set()
    await asyncio.wait_for(task, 10)
    for _, writer in held:
        writer.close()


@pytest.mark.parametrize("begun", [b"", HALF, SLOW_BODY], ids=["nothing", "half a header", "half a body"])
async def test_serve__a_request_that_does_not_come_to_its_end__is_closed(
    begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "REQUEST_S", 0.2)
    stop = asyncio.Event()
    task, port = await started(stop)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(begun)
    with contextlib.suppress(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 10)
    writer.close()
    stop.set()
    await asyncio.wait_for(task, 10)


async def test_serve__one_connection_for_several_requests__each_is_answered() -> None:
    stop = asyncio.Event()
    task, port = await started(stop)
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=1)) as client:
        for _ in range(3):
            assert (await client.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200
    stop.set()
    await asyncio.wait_for(task, 10)


async def test_serve__forwarded_for_others__counts_as_who_is_connected() -> None:
    stop = asyncio.Event()
    task, port = await started(stop)
    url = f"http://127.0.0.1:{port}/proposals/0x{'1' * 64}/seen"
    async with httpx.AsyncClient() as client:
        found = [
            (await client.post(url, headers={"x-forwarded-for": f"10.0.0.{n}"}, json={})).status_code for n in range(31)
        ]
    assert (found[:30].count(429), found[30]) == (0, 429)
    stop.set()
    await asyncio.wait_for(task, 10)


async def test_serve__on_a_port_that_is_taken__says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OutsideError, match=f"cannot listen on 127.0.0.1:{port}") as caught:
            await serve(APP, "127.0.0.1", port, asyncio.Event())
    assert "http: listen:" in caught.value.remedy


async def test_serve__on_a_name_that_is_none__says_so() -> None:
    with pytest.raises(OutsideError, match="cannot listen on no such name"):
        await serve(APP, "no such name", 0, asyncio.Event())
