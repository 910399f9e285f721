"""The log's own process: it answers what the keeper hands on, yields to it, is started again when it dies, and ends with the keeper."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest

from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.clock import SystemClock
from keeper.app.api.access import Access, AccessSettings, token_hash
from keeper.app.api.desk import LogApart
from keeper.app.faults import Faults
from keeper.app.pages import relay as relaying
from keeper.app.pages.log_child import MODULE, PART, LogChild
from keeper.app.pages.log_orders import LogOrders, line_of
from keeper.app.pages.log_process import NICER
from keeper.app.pages.relay import Relay
from keeper.app.pages.server import build_app, serve
from keeper.app.pages.settings import PageSettings
from keeper.domain.checkpoint import SignedCheckpoint
from tests.support.audit_log import write_log
from tests.support.log_site import API, TOKEN, filled

pytestmark = pytest.mark.integration

BEARER = {"authorization": f"Bearer {TOKEN}"}
SECRET = "hidden-from-the-child"


@pytest.fixture
async def log(tmp_path: Path) -> Path:
    await write_log(tmp_path / "log.db", filled())
    return tmp_path / "log.db"


class Beside:
    """A server with the log beside it, as a keeper has it."""

    def __init__(self, log: Path, *, tokens: bool, url: str = "") -> None:
        self.told: list[str] = []
        self.clock = SystemClock()
        known = {"auditor": token_hash(TOKEN)} if tokens else {}
        orders = LogOrders(sqlite_url(log), "127.0.0.1", url, known, 5, witness=True)
        faults = Faults(self.clock, lambda draft: None, lambda notice: self.told.append(f"{notice.key} {notice.title}"))
        self.child = LogChild(orders, self.clock, faults)
        self.settings = PageSettings(self.clock, url=url)
        self.relay = Relay(self.child, self.settings)
        self.access = Access(AccessSettings("127.0.0.1", known, 5, url), self.clock)

    async def pid(self) -> int:
        await until(lambda: self.child.pid is not None)
        assert self.child.pid is not None
        return self.child.pid


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not what():  # noqa: ASYNC110 - another process is waited for
            await asyncio.sleep(0.01)


@asynccontextmanager
async def beside(log: Path, *, tokens: bool = False, url: str = "") -> AsyncIterator[tuple[Beside, httpx.AsyncClient]]:
    found = Beside(log, tokens=tokens, url=url)

    async def take(document: object) -> SignedCheckpoint:
        raise AssertionError("nothing is taken here")

    app = build_app(None, found.settings, LogApart(found.relay, found.access, take))
    stop: asyncio.Event = asyncio.Event()
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    keeping = asyncio.create_task(found.child.run())
    serving = asyncio.create_task(serve(app, "127.0.0.1", 0, stop, port.set_result))
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{await port}", timeout=60) as client:
            yield found, client
    finally:
        stop.set()
        await serving
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping
        await found.relay.close()


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_log__beside_the_keeper__answers_as_it_does_alone(log: Path) -> None:
    async with beside(log) as (found, client):
        assert found.child.pid is None, "it is started by the first request only"
        records = await client.get(f"{API}/records?limit=3")
        assert [one["seq"] for one in records.json()["records"]] == [1, 2, 3]
        assert len(records.headers.get_list("date")) == 1
        tag = {"if-none-match": records.headers["etag"]}
        assert (await client.get(f"{API}/records?limit=3", headers=tag)).status_code == 304
        head = await client.head("/audit")
        assert (head.status_code, head.content) == (200, b"")
        assert (await client.get("/audit?incident=ETH-PERP%401000")).status_code == 200
        assert (await client.get("/static/page.css")).status_code == 200


async def test_process__of_the_log__yields_has_no_secrets_and_ends_with_its_server(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGNER_PASSWORD", SECRET)
    async with beside(log) as (found, client):
        await client.get("/audit")
        pid = await found.pid()
        folder = Path(found.child.path).parent
        assert os.getpriority(os.PRIO_PROCESS, pid) >= NICER
        assert folder.stat().st_mode & 0o777 == 0o700
        process = Path(f"/proc/{pid}")
        seen = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        assert SECRET.encode() not in seen
        assert str(log).encode() not in seen
    assert not is_there(pid)
    assert not folder.exists()


async def test_process__that_died__is_503_told_and_started_again(log: Path) -> None:
    async with beside(log) as (found, client):
        assert (await client.get("/audit")).status_code == 200
        os.kill(await found.pid(), signal.SIGKILL)
        await until(lambda: found.child.away)
        refused = await client.get(f"{API}/verification")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert refused.headers["content-type"] == "application/problem+json"
        assert "not running" in (await client.get("/audit")).text
        assert (await client.get("/healthz")).status_code == 200
        await until(lambda: not found.child.away)
        assert (await client.get(f"{API}/verification")).status_code == 200
        assert found.told == [f"fault/{PART} {PART} is down", f"fault/{PART} {PART} is up"]


def test_process__whose_keeper_is_gone__ends_and_leaves_nothing(tmp_path: Path) -> None:
    """However the keeper ends, the system closes its end of the pipe."""
    folder = tmp_path / "own"
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "log"))
        listening.listen()
        number = listening.fileno()
        command = [sys.executable, "-P", "-m", MODULE, str(number)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=(number,)) as process:
            assert process.stdin is not None
            process.stdin.write(line_of(LogOrders("sqlite:///nowhere.db", "127.0.0.1"), str(folder)))
            process.stdin.flush()
            with httpx.Client(transport=httpx.HTTPTransport(uds=str(folder / "log")), timeout=60) as client:
                assert client.get("http://127.0.0.1/healthz").status_code == 200
            process.stdin.close()
            assert process.wait(30) == 0
    assert not folder.exists()


def test_process__without_orders__ends() -> None:
    done = subprocess.run([sys.executable, "-P", "-m", MODULE, "3"], stdin=subprocess.DEVNULL, timeout=60, check=False)
    assert done.returncode == 0


def test_process__is_started_without_what_only_a_keeper_needs() -> None:
    words = f"import sys, {MODULE}; print(sorted({{'web3', 'eth_account', 'sqlalchemy'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


async def test_token__and_limits__hold_for_the_address_that_asked_and_none_that_it_names(log: Path) -> None:
    async with beside(log, tokens=True) as (_, client):
        forged = [{"x-keeper-client": f"203.0.113.{number}"} for number in range(7)]
        found = [(await client.get(f"{API}/records", headers=each)).status_code for each in forged]
        assert found == [401] * 5 + [429] * 2
        assert (await client.get(f"{API}/records", headers=BEARER)).status_code == 200
        form = await client.get("/audit", headers=BEARER)
        assert form.status_code == 429


async def test_witness__stays_with_the_keeper(log: Path) -> None:
    async with beside(log, tokens=True) as (found, client):
        assert (await client.post(f"{API}/witness", json={})).status_code == 401
        assert (await client.post(f"{API}/witness", content=b"x", headers=BEARER)).status_code == 415
        assert found.child.pid is None, "the other process was not asked"
        description = (await client.get(f"{API}/openapi.json", headers=BEARER)).json()
        assert "/witness" in description["paths"]


async def test_log__handed_on_by_a_proxy_without_tokens__is_closed(log: Path) -> None:
    async with beside(log) as (_, client):
        assert (await client.get(f"{API}/records")).status_code == 200
        answer = await client.get(f"{API}/records", headers={"x-forwarded-for": "203.0.113.7"})
        assert answer.status_code == 403
        assert "token" in answer.json()["remedy"]


async def test_request__with_too_much_or_too_many_at_once__is_refused_by_the_keeper_itself(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with beside(log) as (found, client):
        long = await client.post("/login", content=b"x" * (relaying.BODY_MAX + 1))
        assert long.status_code == 413
        assert found.child.pid is None
        monkeypatch.setattr(relaying, "OF_ONE_CALLER", 0)
        busy = await client.get(f"{API}/records")
        assert (busy.status_code, busy.headers["retry-after"]) == (503, "1")


async def test_request__with_two_lengths__is_refused_and_the_connection_closed(log: Path) -> None:
    async with beside(log) as (_, client):
        reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        writer.write(
            b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        answer = await asyncio.wait_for(reader.read(), 30)
        writer.close()
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.count(b"HTTP/1.1") == 1


async def test_asker__that_leaves__leaves_no_work_behind(log: Path) -> None:
    """The other side is told, however it is busy."""
    gone = threading.Event()
    ready = asyncio.Event()
    loop = asyncio.get_running_loop()

    def never_answers(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.settimeout(30)
            connection.recv(65_536)
            loop.call_soon_threadsafe(ready.set)
            if connection.recv(1) == b"":
                gone.set()

    found = Beside(log, tokens=False)
    path = str(log.with_name("s"))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        found.child.path = path
        thread = threading.Thread(target=never_answers, args=(listening,))
        thread.start()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(found.relay), base_url="http://127.0.0.1") as client:
            asking = asyncio.create_task(client.get(f"{API}/records"))
            await asyncio.wait_for(ready.wait(), 30)
            asking.cancel()
            with suppress(asyncio.CancelledError):
                await asking
        await asyncio.to_thread(thread.join, 30)
        await found.relay.close()
    assert gone.is_set()
