"""A replica that stands by listens where the one that leads will, and lets go of the port when it takes over."""

from __future__ import annotations

import asyncio
import socket
from types import SimpleNamespace
from typing import cast

import httpx
import pytest

from keeper.app.metrics.standing import standing
from keeper.app.parts import Parts
from keeper.config.model import HttpConfig, Mode
from tests.support.eventually import eventually
from tests.support.manual_clock import ManualClock
from tests.support.metrics_scene import samples

pytestmark = pytest.mark.integration


def parts(http: HttpConfig | None) -> Parts:
    config = SimpleNamespace(keeper=SimpleNamespace(name="test", mode=Mode.LIVE, replicas=object()), http=http)
    return cast(Parts, SimpleNamespace(config=config, edges=SimpleNamespace(clock=ManualClock())))


def test_standby__without_a_section_http__shows_nothing() -> None:
    assert standing(parts(None)) is None


async def test_standby__is_scraped_and_cancelled__the_port_is_free_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    page = standing(parts(HttpConfig("127.0.0.1", port, "", approve=False)))
    assert page is not None
    task = asyncio.create_task(page())
    found: list[str] = []

    async def ask() -> None:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            while not found:
                try:
                    found.append((await client.get("/metrics")).text)
                except httpx.TransportError:
                    await asyncio.sleep(0.01)

    asking = asyncio.create_task(ask())
    async with asyncio.timeout(60):
        await eventually(lambda: bool(found) or task.done())
        await asking
    assert samples(found[0])["keeper_role", frozenset({("role", "standby")})] == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    with socket.create_server(("127.0.0.1", port)):
        pass


async def test_standby__the_port_is_taken__goes_on_and_tries_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        page = standing(parts(HttpConfig("127.0.0.1", taken.getsockname()[1], "", approve=False)))
        assert page is not None
        task = asyncio.create_task(page())
        await asyncio.sleep(0.1)
        still = not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert still
