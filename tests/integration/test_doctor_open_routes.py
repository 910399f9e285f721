"""What the doctor says of the endpoints that a public route has of its own."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import pytest

from keeper.app.doctor.check import Check, Health
from keeper.app.doctor.open_routes import examine_open_routes
from keeper.config import sending
from keeper.config.secret import Secret
from keeper.devnet.anvil import Anvil

pytestmark = pytest.mark.integration


async def look(*urls: str, chain_id: int = 31337) -> list[Check]:
    route = sending.PublicRoute("sequencer", tuple(map(Secret, urls)), tuple("shown" for _ in urls))
    config: Any = SimpleNamespace(routes=(sending.PublicRoute("public"), route), chain=SimpleNamespace(id=chain_id))
    return [check async for check in examine_open_routes(config)]


async def test_endpoints__there_and_of_the_chain__are_ok_and_of_another_one_they_fail() -> None:
    async with Anvil(no_mining=True) as node:
        (good,) = await look(node.http_url)
        (other,) = await look(node.http_url, chain_id=1)
    assert (good.name, good.health, good.message) == ("endpoint 1 of route sequencer (shown)", Health.OK, "chain 31337")
    assert other.health is Health.FAIL
    assert other.message == "serves chain 31337, and the configuration says 1"


async def test_endpoints__nobody_there__fail_with_the_place_and_no_address() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{one.getsockname()[1]}/secret-path"
        (check,) = await look(gone)
    assert check.health is Health.FAIL
    assert "`routes.sequencer.endpoints`" in check.remedy
    assert "secret-path" not in check.message + check.remedy + check.name


async def test_no_endpoints_of_its_own__nothing_to_say() -> None:
    assert await look() == []
