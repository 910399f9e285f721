"""``keeper council serve``: the council's pages with those of the log beside them, and how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI

import keeper.config
from keeper.adapters.audit.location import sqlite_url
from keeper.app.pages import server
from keeper.config.model import HttpConfig
from tests.support.audit_log import write_log
from tests.support.council_commands import CommandCouncil, typed_over
from tests.support.council_matters import INCIDENT, matter, story

pytestmark = pytest.mark.integration

PATHS = ("/", f"/proposals/{matter().hash}", f"/incidents/{INCIDENT}", "/incidents", "/audit", "/api/v1/records")


@pytest.mark.parametrize(
    ("told", "code", "http", "answers"),
    [
        (signal.SIGINT, 130, None, [200] * 6),
        (signal.SIGTERM, 0, HttpConfig("192.0.2.7", 1, "", approve=False), [200, 200, 200, 403, 403, 403]),
    ],
    ids=["this-machine", "elsewhere"],
)
def test_serve__until_it_is_ended__shows_proposals_and_their_incident_from_the_log(
    told: signal.Signals,
    code: int,
    http: HttpConfig | None,
    answers: list[int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    asyncio.run(write_log(tmp_path / "keeper.db", story()))
    typed = typed_over(CommandCouncil(), monkeypatch, capsys, tmp_path)
    url = SimpleNamespace(reveal=lambda: sqlite_url(tmp_path / "keeper.db"))
    monkeypatch.setattr(keeper.config, "load", lambda _: SimpleNamespace(http=http, audit=SimpleNamespace(url=url)))
    pages: dict[str, httpx.Response] = {}

    async def asked(app: FastAPI, host: str, port: int, stop: asyncio.Event, started: Callable[[int], None]) -> None:
        """In the place of a server: everything is asked, and then the process is told to end."""
        started(port)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{host}:{port}") as client:
            for path in PATHS:
                pages[path] = await client.get(path)
        os.kill(os.getpid(), told)
        await stop.wait()

    monkeypatch.setattr(server, "serve", asked)
    ended, document = typed.document("council", "keeper.yaml", "serve")
    assert ended == code
    where = "http://127.0.0.1:8642/" if http is None else "http://192.0.2.7:1/"
    assert document == {"ok": True, "url": where, "approve": False}
    assert [pages[path].status_code for path in PATHS] == answers
    assert f'href="/proposals/{matter().hash}"' in pages[f"/incidents/{INCIDENT}"].text
