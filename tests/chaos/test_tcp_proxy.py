"""The way that tests cut: what passes, what is swallowed, what comes later, what is broken."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.tcp_proxy import TcpProxy

pytestmark = pytest.mark.chaos

NOTHING_S = 0.1


@dataclass
class Echo:
    """A server that answers each line with itself, and says what it was told and whose connections ended."""

    port: int = 0
    heard: list[bytes] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while line := await reader.readline():
                self.heard.append(line)
                writer.write(line)
                await writer.drain()
        self.ended.set()
        writer.transport.abort()


@pytest_asyncio.fixture
async def echo() -> AsyncIterator[Echo]:
    one = Echo()
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]
    yield one
    server.close()


@pytest_asyncio.fixture
async def proxy(echo: Echo) -> AsyncIterator[TcpProxy]:
    async with TcpProxy(("127.0.0.1", echo.port)) as started:
        yield started


@dataclass
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, line: bytes) -> bytes:
        self.writer.write(line)
        return await self.reader.readline()


@pytest_asyncio.fixture
async def client(proxy: TcpProxy) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    yield Client(reader, writer)
    writer.transport.abort()


async def test_proxy__with_nothing_the_matter__passes_both_ways(client: Client) -> None:
    assert await client.ask(b"one\n") == b"one\n"
    assert await client.ask(b"two\n") == b"two\n"


async def test_proxy__over_a_socket_of_the_file_system__passes(tmp_path: Path) -> None:
    one = Echo()
    server = await asyncio.start_unix_server(one.serve, tmp_path / "s")
    async with TcpProxy(tmp_path / "s") as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await Client(reader, writer).ask(b"one\n") == b"one\n"
        writer.close()
    server.close()


async def test_cut__while_connected__swallows_without_a_word_and_brings_it_after_healing(
    echo: Echo, proxy: TcpProxy, client: Client
) -> None:
    await client.ask(b"before\n")
    proxy.cut()
    assert not proxy.passes
    asking = asyncio.create_task(client.ask(b"during\n"))
    _, open_yet = await asyncio.wait({asking}, timeout=NOTHING_S)
    assert open_yet
    assert echo.heard == [b"before\n"]
    await proxy.heal()
    assert await asking == b"during\n"


@pytest.mark.parametrize(("up", "down"), [(True, False), (False, True)], ids=["up", "down"])
async def test_cut__of_one_direction__lets_the_other_pass(
    echo: Echo, proxy: TcpProxy, client: Client, up: bool, down: bool
) -> None:
    await client.ask(b"before\n")
    proxy.cut(up=up, down=down)
    asking = asyncio.create_task(client.ask(b"during\n"))
    _, open_yet = await asyncio.wait({asking}, timeout=NOTHING_S)
    assert open_yet
    assert (b"during\n" in echo.heard) is down
    await proxy.heal()
    assert await asking == b"during\n"


async def test_cut__of_who_goes_away_meanwhile__is_heard_of_after_healing_only(
    echo: Echo, proxy: TcpProxy, client: Client
) -> None:
    await client.ask(b"before\n")
    proxy.cut()
    client.writer.transport.abort()
    await asyncio.sleep(NOTHING_S)
    assert not echo.ended.is_set()
    await proxy.heal()
    await asyncio.wait_for(echo.ended.wait(), 10)


async def test_cut__before_a_connection__is_taken_and_leads_nowhere_until_healed(echo: Echo, proxy: TcpProxy) -> None:
    proxy.cut()
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    asking = asyncio.create_task(Client(reader, writer).ask(b"during\n"))
    _, open_yet = await asyncio.wait({asking}, timeout=NOTHING_S)
    assert open_yet
    assert echo.heard == []
    await proxy.heal()
    assert await asking == b"during\n"
    writer.close()


async def test_lose__until_it_is_healed__nobody_else_gets_the_port(proxy: TcpProxy) -> None:
    await proxy.lose()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", proxy.port))
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", proxy.port)
    await proxy.heal()
    _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.close()


async def test_lose__breaks_what_is_there_and_refuses_what_comes__until_healed_at_the_same_port(
    echo: Echo, proxy: TcpProxy, client: Client
) -> None:
    await client.ask(b"before\n")
    port = proxy.port
    await proxy.lose()
    with suppress(ConnectionError):  # the end of the file is as good as an error
        assert await client.reader.readline() == b""
    await asyncio.wait_for(echo.ended.wait(), 10)
    with pytest.raises(OSError, match=r"."):
        await asyncio.open_connection("127.0.0.1", port)
    await proxy.heal()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await Client(reader, writer).ask(b"after\n") == b"after\n"
    assert proxy.connections == 1
    writer.close()


async def test_proxy__whose_upstream_ends_the_connection__ends_it_for_the_client(proxy: TcpProxy, echo: Echo) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write_eof()
    assert await reader.read() == b""
    await asyncio.wait_for(echo.ended.wait(), 10)
    writer.close()
