"""``keeper watch`` beside a real keeper: what it misses, that it hangs or is gone, that the database or the chain is away; each in its own words."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.keeper_process import Running, keeper
from tests.support.keeper_stage import MARKET, OTHER, Setup, Stage, configuration, staged, until
from tests.support.webhook import Webhook, webhook

pytestmark = pytest.mark.e2e


class Venue:
    """``/fair`` says what the reference price is, ``/told`` what the keeper is told; ``asked`` counts the latter."""

    def __init__(self) -> None:
        self.told = "3000"
        self.asked = 0
        self.address = ""

    async def lies(self, price: str) -> None:
        """Waits until the keeper has heard it."""
        self.told = price
        enough = self.asked + 3
        await until(lambda: self.asked >= enough)


@contextmanager
def prices() -> Iterator[Venue]:
    venue = Venue()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            venue.asked += self.path == "/told"
            body = json.dumps({"price": venue.told if self.path == "/told" else "3000"}).encode("ascii")
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    venue.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield venue
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def write(stage: Stage, hook: Webhook) -> Path:
    """A keeper whose reference price and key come from the environment; the watcher tells by itself."""
    stage.write()
    text = configuration(stage.world, Setup(signer='{kind: env, key: "${KEEPER_KEY}"}'))
    chain = f'  spot: {{kind: chainlink, address: "{stage.world.feeds[OTHER]}", unit: price, max_age: 10h}}\n'
    venue = '  spot: {kind: http, url: "${SPOT_URL}", value: price, unit: price, every: 200ms, max_age: 10h}\n'
    assert chain in text
    watch = f'watch: {{stands: 5s, notify: [{{kind: apprise, url: "{hook.address()}"}}]}}\n'
    stage.config.write_text(text.replace(chain, venue) + watch, encoding="utf-8")
    return stage.config


def titles(hook: Webhook) -> list[str]:
    return [str(document["title"]) for _, document in hook.received]


class Scene:
    def __init__(self, stage: Stage, hook: Webhook, watcher: Running) -> None:
        self.stage, self._hook, self._watcher = stage, hook, watcher

    async def told(self, title: str, *, blocks: int = 0) -> str:
        """Waits until people are told this, since now, and mines so many blocks; what the notice says."""
        before = len(self._hook.received)
        for _ in range(blocks):
            await self.stage.node.mine()
        await self._watcher.until(lambda: any(title in each for each in titles(self._hook)[before:]), title)
        found = next(document for _, document in self._hook.received[before:] if title in str(document["title"]))
        return str(found["message"])


async def test_watch__beside_a_keeper__tells_what_happens_to_it_and_what_it_misses(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        with prices() as venue, webhook() as hook:
            config = write(stage, hook)
            env = {"KEEPER_KEY": stage.key.private_key, "SPOT_URL": f"{venue.address}/told"}
            seeing = {"SPOT_URL": f"{venue.address}/fair"}  # and no key
            async with (
                Running(["run", config], tmp_path, env=env) as run,
                Running(["watch", config], tmp_path, env=seeing) as watcher,
            ):
                await run.watching()
                await watcher.watching()
                scene = Scene(stage, hook, watcher)
                await stage.node.mine()
                await scene.told("the chain stands")
                await scene.told("over: the chain stands", blocks=1)
                await venue.lies("2800")
                await stage.shock()
                said = await scene.told(f"the keeper missed a trip: {MARKET}, oracle-divergence", blocks=5)
                assert "divergence = 0.0666667, threshold 0.02" in said
                assert "neither an incident nor a decision" in said
                assert stage.outcomes() == []
                moved = stage.database.rename(tmp_path / "away.db")
                assert "the watcher goes on" in (await scene.told("the keeper's database cannot be read")).lower()
                moved.rename(stage.database)
                await scene.told("over: the keeper's database cannot be read")
                os.kill(run.pid, signal.SIGSTOP)
                await scene.told("the keeper is gone", blocks=4)
                os.kill(run.pid, signal.SIGCONT)
                await scene.told("over: the keeper is gone")
                os.kill(run.pid, signal.SIGKILL)
                assert "nothing was recorded since" in await scene.told("the keeper is gone", blocks=4)
                done = keeper("--json", "watch", config, "--once", env=seeing)
                assert done.code == 1
                assert "keeper-gone" in [each["matter"] for each in json.loads(done.out)["findings"]]
                assert await watcher.end() == 0
