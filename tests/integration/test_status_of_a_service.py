"""What a running keeper says of itself over HTTP: with a token of the log's own form, with what its log holds, until it is told to stop."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from keeper.adapters.audit.location import sqlite_url
from keeper.app.api.access import token_hash
from keeper.app.pages.log_pages import COOKIE
from keeper.app.pages.status_facts import INCIDENTS, read_facts
from keeper.app.parts import Parts
from keeper.config.secret import Secret
from keeper.domain.intent import Intent
from keeper.domain.record import RecordKind
from tests.support.audit_log import write_log
from tests.support.keeper_process import Running
from tests.support.keeper_stage import MARKET, staged
from tests.support.log_site import filled, incident, incident_id

pytestmark = pytest.mark.integration

TOKEN = "the-token-of-this-test-0123456789abcdef"
LISTENS = '"event": "pages"'


class Journal:
    """Of a keeper that has nothing open."""

    async def open_intents(self) -> list[Intent]:
        return []


def parts_of(url: str) -> Parts:
    found = SimpleNamespace(
        config=SimpleNamespace(audit=SimpleNamespace(url=Secret(url))),
        edges=SimpleNamespace(store=Journal()),
        signing=None,
    )
    return cast(Parts, found)


async def test_facts__of_a_log__open_incidents_first_then_the_last_ones_and_its_head(tmp_path: Path) -> None:
    drafts = [*filled()[:1], *(one for number in range(9) for one in incident(number, closed=number != 4))]
    await write_log(tmp_path / "log.db", drafts)
    facts = await read_facts(parts_of(sqlite_url(tmp_path / "log.db")))
    assert facts.trouble == ""
    names = [one.id for one in facts.incidents]
    assert names == [incident_id(4), *(incident_id(number) for number in (8, 7, 6, 5, 3))]
    assert [one.closed_ms is None for one in facts.incidents] == [True] + [False] * INCIDENTS
    assert (facts.incidents[0].market, facts.incidents[0].rule) == (MARKET, "oracle-divergence")
    assert facts.head is not None
    assert facts.head.seq == len(drafts)
    assert (facts.signs, facts.checkpoint) == (False, None)


async def test_facts__the_database_is_gone__says_so_and_raises_nothing(tmp_path: Path) -> None:
    facts = await read_facts(parts_of(sqlite_url(tmp_path / "none.db")))
    assert "none.db" in facts.trouble
    assert facts.head is None


async def test_status__of_a_running_keeper__opens_with_the_logs_token_and_ends_with_it(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    origin = f"http://127.0.0.1:{port}"
    async with staged(tmp_path) as stage:
        stage.write()
        with stage.config.open("a", encoding="utf-8") as file:
            file.write(f'http: {{listen: "127.0.0.1:{port}", tokens: {{smith: "{token_hash(TOKEN)}"}}}}\n')
        async with (
            Running(["run", stage.config], tmp_path) as keeper,
            httpx.AsyncClient(base_url=origin, trust_env=False, timeout=60) as client,
        ):
            await keeper.says(LISTENS)
            home = await client.get("/")
            assert (home.status_code, home.headers.get("location"), home.text) == (307, "/status", "")
            assert (await client.get("/status")).status_code == 401
            form = {"token": TOKEN, "next": "/status"}
            entered = await client.post("/login", data=form, headers={"origin": origin})
            assert (entered.status_code, entered.headers.get("location")) == (303, "/status")
            assert COOKIE in client.cookies
            assert 'href="/status">Status</a>' in (await client.get("/audit")).text
            await stage.node.mine()
            await stage.mine_until(lambda: stage.evaluated() > 0, ended=keeper.ended)
            async with client.stream("GET", "/status/events") as stream:
                assert stream.headers["content-type"].startswith("text/event-stream")
                lines = stream.aiter_lines()
                parts = await parts_in(lines)
                assert "oracle-divergence" in parts["markets"]
                document = (await client.get("/status.json")).json()
                head = stage.records(RecordKind.START)[0].seq
                assert document["log"]["seq"] >= head
                assert (document["mode"], document["role"]) == ("live", "")
                ending = asyncio.create_task(keeper.end())
                async for _ in lines:  # ends with the keeper, whole
                    pass
                assert await ending == 0
            assert "graceful" not in keeper.err


async def parts_in(lines: AsyncIterator[str]) -> dict[str, Any]:
    """Those of the first event that has any."""
    named = False
    async for line in lines:
        if named:
            return dict(json.loads(line.removeprefix("data: "))["parts"])
        named = line == "event: parts"
    raise AssertionError("the stream ended before")
