"""The service that calls people when it is not asked any more: whatever it answers, a heartbeat ends, and its address is in no word."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from keeper.adapters.notify import dead_man
from keeper.domain.errors import OutsideError, Refused, Unreachable

pytestmark = pytest.mark.integration

SECRET = "0d6a1b7e-ping-key"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"


@asynccontextmanager
async def service(first: bytes, then: bytes = b"", every_s: float = 0.01) -> AsyncIterator[str]:
    """Answers ``first``, and ``then`` again and again until the caller has gone. Gives its address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            writer.write(first)
            await writer.drain()
            while then and not reader.at_eof():
                writer.write(then)
                await writer.drain()
                await asyncio.sleep(every_s)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://user:{SECRET}@127.0.0.1:{server.sockets[0].getsockname()[1]}/{SECRET}"
    finally:
        server.close()


def words(error: OutsideError) -> str:
    return f"{error.message} {error.remedy} {error!r}"


async def test_ask__an_answer_of_2xx__is_one(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        async with service(OK) as url:
            await dead_man.ask(url)
    assert SECRET not in caplog.text


@pytest.mark.parametrize("status", ["302 Found", "404 Not Found", "500 Oh"])
async def test_ask__any_other_answer__is_refused_and_no_redirect_followed(status: str) -> None:
    answer = f"HTTP/1.1 {status}\r\nLocation: http://127.0.0.1:1/{SECRET}\r\nContent-Length: 0\r\n\r\n".encode()
    async with service(answer) as url:
        with pytest.raises(Refused, match=status[:3]) as refused:
            await dead_man.ask(url)
    assert SECRET not in words(refused.value)


async def test_ask__a_service_that_sends_a_byte_now_and_then__is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_man, "TIMEOUT_S", 0.2)
    async with asyncio.timeout(20), service(b"HTTP/1.1 200 OK\r\n", then=b"X-A: b\r\n") as url:
        with pytest.raises(Unreachable) as away:
            await dead_man.ask(url)
    assert SECRET not in words(away.value)


async def test_ask__an_answer_without_end__is_not_read() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with asyncio.timeout(20), service(head, then=b"1\r\nx\r\n") as url:
        await dead_man.ask(url)


@pytest.mark.parametrize("port", ["1", "x"])
async def test_ask__nobody_there_or_no_address__is_unreachable(port: str) -> None:
    with pytest.raises(Unreachable) as away:
        await dead_man.ask(f"http://127.0.0.1:{port}/{SECRET}")
    assert SECRET not in words(away.value)
