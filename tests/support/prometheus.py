"""Prometheus of the system's packages: the server, and the tool that checks rules. The set-up cannot install them without root; CI does."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.keeper_process import ROOT, environment


def found(program: str) -> str:
    """Its path. Skips, and says so, where the machine has none."""
    path = shutil.which(program)
    if path is None:  # a machine may lack it; .ci/run installs it first, so that CI always runs these
        pytest.skip(f"NOT TESTED: alerts: {program} is not installed (Debian's package prometheus has it)")
    return path


def promtool(*args: str | Path) -> subprocess.CompletedProcess[str]:
    """One command, waited for."""
    command = [found("promtool"), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100, env=environment())


class Server:
    """Asked over its HTTP interface."""

    def __init__(self, url: str) -> None:
        self._client = httpx.AsyncClient(base_url=url)

    async def __aenter__(self) -> Server:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def refuses(self, query: str) -> str:
        """What is wrong with a query; empty where nothing is."""
        answer = await self._client.get("/api/v1/query", params={"query": query})
        return "" if answer.status_code == 200 else str(answer.json()["error"])

    async def _get(self, path: str, **params: str) -> Any:
        """The data of an answer; None while it does not answer."""
        try:
            answer = await self._client.get(f"/api/v1/{path}", params=params)
        except httpx.TransportError:
            return None
        return answer.json()["data"] if answer.status_code == 200 else None

    async def targets(self) -> list[tuple[str, str]]:
        """(health, last error) of each target."""
        data = await self._get("targets", state="active")
        return [(one["health"], one["lastError"]) for one in data["activeTargets"]] if data else []

    async def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        data = await self._get("alerts")
        return {one["labels"]["alertname"] for one in data["alerts"] if one["state"] == "firing"} if data else set()

    async def value(self, query: str) -> float | None:
        """Of the first series; None where there is none."""
        data = await self._get("query", query=query)
        return float(data["result"][0]["value"][1]) if data and data["result"] else None


def _prepare(folder: Path, target: str, token: str) -> None:
    """The example's files with another target, a scrape a second, and rules that do not wait."""
    example = ROOT / "deploy/prometheus"
    config = yaml.safe_load((example / "prometheus.yaml").read_text("utf-8"))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s", "scrape_timeout": "1s"}
    config["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
    rules = yaml.safe_load((example / "alerts.yaml").read_text("utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule.pop("for", None)
    (folder / "alerts.yaml").write_text(yaml.safe_dump(rules), "utf-8")
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config), "utf-8")
    (folder / "keeper.token").write_text(token, "utf-8")


@asynccontextmanager
async def prometheus(folder: Path, target: str, token: str) -> AsyncIterator[Server]:
    """A server with the example configuration and the alerts, which scrapes this target; ended when the block ends."""
    program = found("prometheus")
    _prepare(folder, target, token)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    options = ("--config.file=prometheus.yaml", f"--web.listen-address={address}", "--storage.tsdb.path=data")
    with (folder / "prometheus.out").open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            program, *options, cwd=folder, stdout=out, stderr=out, env=environment()
        )
    try:
        async with Server(f"http://{address}") as server:
            yield server
    finally:
        process.terminate()
        await process.wait()
