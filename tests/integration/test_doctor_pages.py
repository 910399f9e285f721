"""The doctor at the port of the pages."""

from __future__ import annotations

import asyncio
import socket

import pytest

from keeper.app.doctor import Health
from keeper.app.doctor.pages import examine_pages
from keeper.app.pages.server import serve
from keeper.config.model import HttpConfig
from tests.support.council_matters import FakeCouncil
from tests.support.council_page import app_of

pytestmark = pytest.mark.integration


async def answering(answer: bytes) -> tuple[Health, str]:
    """What is said of a port where somebody gives this answer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = int(server.sockets[0].getsockname()[1])
        check = await examine_pages(HttpConfig("127.0.0.1", port, "", approve=False))
    assert check.remedy or check.health is Health.OK
    return check.health, check.message


async def test_port__free__is_ok_and_stays_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = int(listening.getsockname()[1])
    for _ in range(2):
        check = await examine_pages(HttpConfig("127.0.0.1", port, "", approve=False))
        assert (check.name, check.health, check.message) == (f"http 127.0.0.1:{port}", Health.OK, "free")


async def test_port__of_a_running_keeper__is_ok() -> None:
    stop = asyncio.Event()
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    app = app_of(FakeCouncil())
    task = asyncio.create_task(serve(app, "127.0.0.1", 0, stop, port.set_result))
    check = await examine_pages(HttpConfig("127.0.0.1", await port, "", approve=False))
    stop.set()
    await asyncio.wait_for(task, 10)
    assert (check.health, check.message) == (Health.OK, "in use: the pages of a running keeper answer")


async def test_port__of_somebody_else__fails() -> None:
    for answer in (b"HTTP/1.1 200 OK\r\n\r\n<html>", b'HTTP/1.1 404 Not Found\r\n\r\n{"ok":true}', b""):
        assert (await answering(answer))[0] is Health.FAIL


async def test_address__of_another_machine__fails() -> None:
    check = await examine_pages(HttpConfig("192.0.2.1", 8642, "", approve=False))
    assert check.health is Health.FAIL
    assert check.message.startswith("nothing can listen there")
    assert check.remedy
