"""The routes of the status page: who may see it, what it says for programs, and the stream that keeps it up to date."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from keeper.app.api.access import Access, AccessSettings, token_hash
from keeper.app.pages import status_pages, status_press
from keeper.app.pages.handed_over import HandedOver
from keeper.app.pages.log_pages import COOKIE
from keeper.app.pages.settings import PageSettings
from keeper.app.pages.status_press import Press
from tests.support.manual_clock import ManualClock, settle
from tests.support.status_stage import StatusStage, app_of, no_log

pytestmark = pytest.mark.unit

ETH = "ETH-PERP"
ORIGIN = "http://127.0.0.1:8643"
TOKEN = "the-token-of-this-test-0123456789abcdef"


@pytest.fixture(autouse=True)
def _no_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_pages, "read_facts", no_log)


async def got(app: FastAPI, path: str, **more: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        return await client.request(more.pop("method", "GET"), path, **more)


@pytest.fixture
def stage() -> StatusStage:
    made = StatusStage((ETH, "BTC-PERP"))
    made.run(12)
    made.probed()
    return made


async def test_status__on_this_machine__is_a_page_under_the_guard_and_home_leads_there(stage: StatusStage) -> None:
    app = app_of(stage)
    answer = await got(app, "/status")
    assert answer.status_code == 200
    assert "All calm" in answer.text
    assert '<a class="home" href="/status">Status</a>' in answer.text
    assert '<meta http-equiv="refresh" content="5">' in answer.text
    assert "connect-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert "style=" not in answer.text, "the policy would not apply it"
    assert (await got(app, "/")).headers["location"] == "/status"
    assert '<a class="home" href="/status">Status</a>' in (await got(app, "/audit")).text


async def test_status_json__says_the_same(stage: StatusStage) -> None:
    stage.tick({ETH: "0.05"})
    document = (await got(app_of(stage), "/status.json")).json()
    assert document["ok"] is False
    assert document["markets"][0]["rules"][0]["standing"] == "tripped"
    assert document["block"] == stage.block - 1
    assert document["keeper"] == "demo"


@pytest.mark.parametrize("path", ["/status", "/status.json", "/status/events"])
async def test_status__tokens_are_configured__asks_for_one(stage: StatusStage, path: str) -> None:
    app = app_of(stage, tokens={"smith": token_hash(TOKEN)})
    refused = await got(app, path)
    assert refused.status_code == 401
    assert "asks for a token" in refused.text
    assert "All calm" not in refused.text
    if path != "/status/events":
        let_in = await got(app, path, headers={"authorization": f"Bearer {TOKEN}"})
        assert let_in.status_code == 200
        assert (await got(app, path, headers={"authorization": "Bearer wrong"})).status_code == 401


async def test_status__logged_in_by_the_form__is_shown_and_the_form_leads_back(stage: StatusStage) -> None:
    app = app_of(stage, tokens={"smith": token_hash(TOKEN)})
    assert 'name="next" value="/status"' in (await got(app, "/status")).text
    form = {"token": TOKEN, "next": "/status"}
    answer = await got(app, "/login", method="POST", data=form, headers={"origin": ORIGIN})
    assert (answer.status_code, answer.headers["location"]) == (303, "/status")
    session = answer.cookies[COOKIE]
    assert (await got(app, "/status", headers={"cookie": f"{COOKIE}={session}"})).status_code == 200


async def test_status__others_reach_the_address_and_no_token_is_configured__is_refused(stage: StatusStage) -> None:
    app = app_of(stage, listen="0.0.0.0")
    assert (await got(app, "/status")).status_code == 403
    assert (await got(app, "/status/events")).status_code == 403


@pytest.mark.parametrize("path", ["/status.json", "/status/events"])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_status__asked_for_by_the_page_of_another_site__is_refused(
    stage: StatusStage, path: str, site: str
) -> None:
    """It could not read the answer, and could hold every stream."""
    assert (await got(app_of(stage), path, headers={"sec-fetch-site": site})).status_code == 403
    assert (await got(app_of(stage), "/status", headers={"sec-fetch-site": site})).status_code == 200  # a link is one


async def test_status__too_many_listeners__one_more_is_sent_away(
    stage: StatusStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_pages, "LISTENERS_MAX", 0)
    answer = await got(app_of(stage), "/status/events")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


async def test_session_of_the_other_process__opens_the_status_until_it_is_ended() -> None:
    clock = ManualClock()
    access = Access(AccessSettings(tokens={"smith": token_hash(TOKEN)}), clock)
    opened = False

    async def other(scope: Any, receive: Any, send: Any) -> None:
        cookie = [(b"set-cookie", f"{COOKIE}=abc123; HttpOnly; Path=/".encode())] if opened else []
        await send({"type": "http.response.start", "status": 303 if opened else 401, "headers": cookie})

    async def ask(path: str, cookie: str = "", method: str = "POST") -> None:
        async def sent(message: Any) -> None:
            pass

        async def nothing() -> Any:
            return {"type": "http.request"}

        headers = [(b"cookie", cookie.encode())] if cookie else []
        scope = {"type": "http", "method": method, "path": path, "headers": headers}
        await HandedOver(other, access)(scope, nothing, sent)

    def known() -> bool:
        return access._named_by("abc123") is not None

    await ask("/login")
    assert not known()
    opened = True
    await ask("/audit", method="GET")
    assert not known()
    await ask("/login")
    assert known()
    await ask("/logout", f"{COOKIE}=abc123")
    assert not known()


class Reader:
    """Reads a stream of events, one at a time."""

    def __init__(self, stream: AsyncIterator[str]) -> None:
        self.stream = stream

    async def next(self) -> tuple[str, Any]:
        text = await asyncio.wait_for(anext(self.stream), 30)
        lines = dict(line.split(": ", 1) for line in text.strip().split("\n"))
        return lines.get("event", "retry"), json.loads(lines["data"]) if "data" in lines else lines

    async def parts(self) -> dict[str, str]:
        while True:
            name, found = await self.next()
            if name == "parts":
                return dict(found["parts"])


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with each rendering."""
    times: list[int] = []
    real = status_press.rendered

    def spied(*some: Any, **more: Any) -> Any:
        times.append(1)
        return real(*some, **more)

    monkeypatch.setattr(status_press, "rendered", spied)
    return times


@pytest.fixture
def press(stage: StatusStage, monkeypatch: pytest.MonkeyPatch) -> Press:
    monkeypatch.setattr(status_press, "APART_S", 0.02)
    monkeypatch.setattr(status_press, "AFTER_S", 0.0)
    monkeypatch.setattr(status_press, "BEAT_S", 0.05)
    desk = status_pages.StatusDesk(stage.parts, stage.board)
    made = Press(desk.view, PageSettings(stage.clock), asyncio.Event())
    stage.board.changed = made.wake
    return made


async def test_stream__a_new_block__brings_what_has_changed_and_nothing_else(stage: StatusStage, press: Press) -> None:
    reader = Reader(press.stream())
    assert (await reader.next())[0] == "retry"
    first = await reader.parts()
    assert tuple(first) == status_press.PARTS
    stage.tick({ETH: "0.05"})
    second = await reader.parts()
    assert "tripped" in second["headline"]
    assert "log" not in second
    stage.tick({ETH: "0.05"})
    third = await reader.parts()
    assert "numbers" in third
    assert "headline" not in third, "said once: it is read aloud"
    await reader.stream.aclose()  # type: ignore[attr-defined]
    assert press.listeners == 0


async def test_stream__nothing_happens__beats_with_the_keepers_time(stage: StatusStage, press: Press) -> None:
    reader = Reader(press.stream())
    await reader.parts()
    while (found := await reader.next())[0] != "beat":
        pass
    assert found[1] == {"now": stage.clock.now_ms()}
    await reader.stream.aclose()  # type: ignore[attr-defined]


async def test_stream__nobody_listens__nothing_is_rendered(
    stage: StatusStage, press: Press, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = counted(monkeypatch)
    stage.run(5)
    await settle()
    assert (times, press._printing) == ([], None)


async def test_stream__many_listen_and_much_happens__is_rendered_once_for_all(
    stage: StatusStage, press: Press, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = counted(monkeypatch)
    monkeypatch.setattr(status_press, "BEAT_S", 30.0)
    readers = [Reader(press.stream()) for _ in range(8)]
    for each in readers:
        await each.next()
    waiting = [asyncio.create_task(each.parts()) for each in readers]
    stage.run(50)
    assert all("headline" in parts for parts in await asyncio.gather(*waiting))
    assert len(times) <= 3
    for each in readers:
        await each.stream.aclose()  # type: ignore[attr-defined]


async def test_stream__who_reads_slowly__gets_the_newest_and_no_queue(stage: StatusStage, press: Press) -> None:
    quick, slow = Reader(press.stream()), Reader(press.stream())
    for each in (quick, slow):
        await each.parts()
    for _ in range(5):
        stage.tick()
        await quick.parts()
    newest = f"{stage.block - 1:,}"
    assert newest in (await slow.parts())["numbers"]
    for each in (quick, slow):
        await each.stream.aclose()  # type: ignore[attr-defined]


async def test_stream__a_new_listener_after_a_while__gets_nothing_old(stage: StatusStage, press: Press) -> None:
    first = Reader(press.stream())
    await first.parts()
    await first.stream.aclose()  # type: ignore[attr-defined]
    stage.run(5)
    second = Reader(press.stream())
    assert f"{stage.block - 1:,}" in (await second.parts())["numbers"]
    await second.stream.aclose()  # type: ignore[attr-defined]


async def test_stream__the_server_ends__ends_at_once(stage: StatusStage, press: Press) -> None:
    reader = Reader(press.stream())
    await reader.parts()
    press._ending.set()
    left = [event async for event in reader.stream]
    assert len(left) <= 1, "what was on its way"


async def test_stream__the_session_is_ended__ends_with_it(stage: StatusStage, press: Press) -> None:
    access = Access(AccessSettings(tokens={"smith": token_hash(TOKEN)}), stage.clock)
    session = access.log_in(TOKEN, "127.0.0.1")
    reader = Reader(press.stream(lambda: access.still(session)))
    await reader.parts()
    access.log_out(session)
    left = [event async for event in reader.stream]
    assert len(left) <= 1, "what was on its way"
    assert press.listeners == 0


async def test_stream__rendering_fails__goes_on_beating(
    stage: StatusStage, press: Press, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> dict[str, str]:
        raise RuntimeError("broken")

    real = status_press.rendered
    monkeypatch.setattr(status_press, "rendered", broken)
    reader = Reader(press.stream())
    assert [(await reader.next())[0] for _ in range(3)] == ["retry", "beat", "beat"]
    monkeypatch.setattr(status_press, "rendered", real)
    assert "headline" in await reader.parts()
    await reader.stream.aclose()  # type: ignore[attr-defined]
