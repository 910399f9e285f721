"""Who gets the metrics over HTTP: as with the log, and in plain text. A replica that stands by shows that it does, and no more."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from keeper.app.api.access import token_hash
from keeper.app.metrics.page import TYPE
from keeper.app.metrics.standing import standing_app
from keeper.app.parts import Parts
from keeper.config.model import HttpConfig, Mode
from tests.support.manual_clock import ManualClock
from tests.support.metrics_scene import samples

pytestmark = pytest.mark.unit

TOKEN = "t0ken"
BEARER = {"authorization": f"Bearer {TOKEN}"}
ELSEWHERE = {"host": "10.0.0.7:8642"}


def page(
    *, tokens: bool = False, host: str = "127.0.0.1", rate: int = 100, replicas: object = None
) -> httpx.AsyncClient:
    known = {"prometheus": token_hash(TOKEN)} if tokens else {}
    http = HttpConfig(host, 8642, "", approve=False, tokens=known, rate=rate)
    config = SimpleNamespace(keeper=SimpleNamespace(name="test", mode=Mode.LIVE, replicas=replicas), http=http)
    parts = cast(Parts, SimpleNamespace(config=config, edges=SimpleNamespace(clock=ManualClock())))
    transport = httpx.ASGITransport(cast(Any, standing_app(parts, http)))
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8642")


async def test_metrics__without_tokens__are_for_this_machine() -> None:
    async with page() as client:
        here, there = await client.get("/metrics"), await client.get("/metrics", headers=ELSEWHERE)
        handed_on = await client.get("/metrics", headers={"x-forwarded-for": "10.0.0.7"})
    assert (here.status_code, here.headers["content-type"]) == (200, TYPE)
    assert (there.status_code, handed_on.status_code) == (403, 403)
    assert "keeper audit CONFIG token NAME" in there.text


async def test_metrics__where_others_reach_it_and_no_token_is_there__are_for_nobody() -> None:
    async with page(host="0.0.0.0") as client:
        assert (await client.get("/metrics")).status_code == 403


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer no"}, {"authorization": f"Basic {TOKEN}"}])
async def test_metrics__with_tokens_and_without_the_right_one__asks_for_it(headers: dict[str, str]) -> None:
    async with page(tokens=True) as client:
        refused = await client.get("/metrics", headers=headers)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert refused.headers["content-type"].startswith("text/plain")
    assert "keeper_" not in refused.text


async def test_metrics__with_a_token__come_by_whatever_address_the_machine_has() -> None:
    async with page(tokens=True, host="0.0.0.0") as client:
        assert (await client.get("/metrics", headers=BEARER | ELSEWHERE)).status_code == 200


async def test_metrics__asked_for_too_often__says_when_to_come_again() -> None:
    async with page(tokens=True, rate=2) as client:
        codes = [(await client.get("/metrics", headers=BEARER)) for _ in range(3)]
    assert [one.status_code for one in codes] == [200, 200, 429]
    assert int(codes[-1].headers["retry-after"]) > 0


@pytest.mark.parametrize("replicas", [None, object()])
async def test_standby__shows_its_role_and_judges_nothing(replicas: object) -> None:
    async with page(replicas=replicas) as client:
        found = samples((await client.get("/metrics")).text)
        assert (await client.get("/healthz")).json() == {"ok": True}
        elsewhere = await client.get("/status")
        assert (elsewhere.status_code, "stands by" in elsewhere.text) == (503, True)
    assert found["keeper_role", frozenset({("role", "standby")})] == 1
    assert found["keeper_role", frozenset({("role", "leading")})] == 0
    assert found["keeper_replicated", frozenset()] == (replicas is not None)
    own = {name for name, _ in found if name.startswith("keeper_")}
    assert own == {"keeper_info", "keeper_role", "keeper_replicated"}
    assert "process_resident_memory_bytes" in {name for name, _ in found}
