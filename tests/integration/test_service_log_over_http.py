"""A running keeper without any Safe serves its log: pages and API, and takes checkpoints of others where it is told whose."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from keeper.app.api.access import token_hash
from keeper.app.pages import server
from keeper.domain.checkpoint import to_document
from keeper.domain.record import RecordKind
from tests.support.keeper_inside import inside
from tests.support.keeper_stage import staged
from tests.support.signed_checkpoints import OTHER, row_of

pytestmark = pytest.mark.integration


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> asyncio.Queue[int]:
    """Where the keeper listens, once it does."""
    found: asyncio.Queue[int] = asyncio.Queue()
    real = server.serve

    async def spied(app: Any, host: str, wanted: int, stop: asyncio.Event, started: Any) -> None:
        def told(number: int) -> None:
            found.put_nowait(number)
            started(number)

        await real(app, host, wanted, stop, told)

    monkeypatch.setattr(server, "serve", spied)
    return found


async def test_keeper__without_a_safe__serves_its_log_and_keeps_the_checkpoints_of_others(
    tmp_path: Path, port: asyncio.Queue[int]
) -> None:
    async with staged(tmp_path) as stage:
        stage.write()
        text = stage.config.read_text()
        plain = 'audit: {url: "sqlite:///keeper.db"}'
        assert plain in text
        section = f'audit: {{url: "sqlite:///keeper.db", witness_for: {{other: "{OTHER.address}"}}}}'
        http = f'http: {{listen: "127.0.0.1:0", tokens: {{smith: "{token_hash("t0ken")}"}}}}\n'
        stage.config.write_text(text.replace(plain, section) + http)
        async with inside(stage.config) as keeper:
            await keeper.watching()
            address = f"http://127.0.0.1:{await asyncio.wait_for(port.get(), 30)}"
            token = {"authorization": "Bearer t0ken"}
            async with httpx.AsyncClient(base_url=address) as client:
                assert (await client.get("/api/v1/records")).status_code == 401
                assert (await client.get("/")).headers["location"] == "/audit"
                start = (await client.get("/api/v1/records?kind=start", headers=token)).json()["records"]
                kept = await client.post(
                    "/api/v1/witness", json=to_document((await row_of(1, OTHER))[0]), headers=token
                )
            assert len(start) == 1
            assert kept.status_code == 200, kept.text
            await keeper.end()
        assert len(stage.records(RecordKind.WITNESS)) == 1
