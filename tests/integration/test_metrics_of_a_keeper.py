"""A running keeper, one process, and Prometheus that scrapes it: the metrics that alerts and dashboard name are there, and an alert fires."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import httpx
import pytest

from keeper.app.api.access import token_hash
from keeper.app.metrics.page import TYPE
from tests.support import secrets_seen
from tests.support.keeper_process import ROOT, Running
from tests.support.keeper_stage import PATIENCE_S, Setup, Stage, staged
from tests.support.metrics_scene import described, everything, samples
from tests.support.prometheus import Server, prometheus

pytestmark = pytest.mark.integration

TOKEN = "t0ken-of-prometheus"
HEADER = {"Authorization": f"Bearer {TOKEN}"}
ADDRESS = r'"url": "http://(127\.0\.0\.1:\d+)/"'
SECRETS = {
    "HOOK": "hookpath88e1",
    "HEADER_KEY": "headerkey44b0",
    "RPC_KEY": "rpckey7f3a9c",
}


def configuration(stage: Stage) -> None:
    """With secrets wherever there is room for one: nodes, sources, notifiers."""
    setup = Setup(
        notify=(
            "{kind: log}",
            '{kind: apprise, url: "json://user:${HOOK}@127.0.0.1:9/${HOOK}", min_severity: critical}',
        ),
        more_sources="""\
  feed:
    kind: http
    url: "http://127.0.0.1:9/${RPC_KEY}?key=${RPC_KEY}"
    value: price
    unit: price
    max_age: 90s
    every: 1s
    headers: {Authorization: "${HEADER_KEY}"}
""",
        more_endpoints='    - {url: "http://127.0.0.1:9/${RPC_KEY}", role: verify}\n',
    )
    stage.write(
        setup,
        key=stage.world.roleless,  # which may pause nothing: its action is not ready
    )
    http = f'http: {{listen: "127.0.0.1:0", tokens: {{prometheus: "{token_hash(TOKEN)}"}}}}\n'
    stage.config.write_text(stage.config.read_text("utf-8") + http, "utf-8")


async def test_metrics__of_a_running_keeper__are_complete_and_without_secrets_and_make_alerts_fire(
    tmp_path: Path,
) -> None:
    async with staged(tmp_path) as stage:
        configuration(stage)
        async with Running(["run", stage.config], tmp_path, env=SECRETS) as keeper:
            await keeper.says(ADDRESS)
            found = re.search(ADDRESS, keeper.out + keeper.err)
            assert found is not None
            address = found.group(1)
            async with (
                prometheus(tmp_path, address, TOKEN) as server,
                httpx.AsyncClient(base_url=f"http://{address}") as client,
            ):
                await _opens_with_a_token_alone(client)
                block = await stage.node.mine()
                await keeper.until(lambda: stage.evaluated() >= block)
                text = (await client.get("/metrics", headers=HEADER)).text
                _complete(text)
                secrets_seen.note(text, "metrics")
                key = stage.key.private_key.removeprefix("0x")
                assert [secret for secret in (*SECRETS.values(), TOKEN, key) if secret in text] == []
                await _fires(server, {"KeeperActionNotReady"})
                assert await server.value('keeper_info{job="keeper",mode="live"}') == 1
                await _is_over(server, "KeeperDown")  # it was there before the first scrape
                refused = [await server.refuses(query) for query in _of_the_dashboard()]
                assert len(refused) > 30
                assert not any(refused), refused
                assert await keeper.end() == 0
                await _fires(server, {"KeeperDown"})


async def _opens_with_a_token_alone(client: httpx.AsyncClient) -> None:
    refused = await client.get("/metrics")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert "keeper_" not in refused.text
    assert (await client.get("/metrics", headers={"Authorization": "Bearer no"})).status_code == 401
    by_address = await client.get("/metrics", headers={**HEADER, "host": "10.0.0.7:8642"})
    assert by_address.status_code == 200
    assert by_address.headers["content-type"] == TYPE


async def _fires(server: Server, alerts: set[str]) -> None:
    firing: set[str] = set()
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not alerts <= firing:
                firing = await server.firing()
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(f"{firing} fire, and the targets are {await server.targets()}") from None


async def _is_over(server: Server, alert: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while alert in await server.firing():  # noqa: ASYNC110 - no event is told of it
            await asyncio.sleep(0.2)


def _of_the_dashboard() -> list[str]:
    """Its queries, as it asks them where everything is chosen."""
    board = json.loads((ROOT / "deploy/grafana/keeper.json").read_text("utf-8"))
    found = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    return [query.replace("$job", "keeper").replace("$instance", ".*") for query in found]


def _complete(text: str) -> None:
    """Every metric that the documents name is there, with the same labels wherever it has a line."""
    here, promised = described(text), described(everything().text())
    assert set(here) == set(promised)
    for name, (kind, labels, _) in here.items():
        assert (kind, labels) in {promised[name][:2], (kind, ())}, name
    assert samples(text)["keeper_ticks_total", frozenset()] >= 1
