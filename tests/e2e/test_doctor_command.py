"""``keeper doctor`` on a real node: one line for each part, and a remedy for whatever is wrong."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from keeper.devnet.world import Role
from tests.support.forked_keeper import forked_keeper
from tests.support.keeper_process import keeper
from tests.support.keeper_stage import MARKET, Setup, Stage, staged

pytestmark = pytest.mark.e2e


def examined(stage: Stage) -> dict[str, dict[str, Any]]:
    """Each check by its name; whatever failed says what to do."""
    done = forked_keeper("--json", "doctor", stage.config)
    document = json.loads(done.out)
    assert done.code == (0 if document["ok"] else 1), done.err
    for check in document["checks"]:
        assert check["remedy"] or check["state"] != "fail", check
    return {check["name"]: check for check in document["checks"]}


def states(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Of each check that depends on the node."""
    return {
        name: each["state"]
        for name, each in found.items()
        if name.split()[0] not in {"log", "spool", "checkpoints", "notifier", "signer", "quorum"}
    }


async def test_doctor__everything_works__says_so(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        found = examined(stage)
        assert set(states(found).values()) == {"ok"}, found
        assert found[f"action pause-market on {MARKET}"]["message"].startswith("would work")
        assert found["quorum"]["state"] == "warn", "one node's word is all there is"


async def test_doctor__a_key_in_the_path_of_an_endpoint__is_not_shown(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.write(Setup(more_endpoints='    - {url: "http://127.0.0.1:1/secretkey?x=sec", role: verify}\n'))
        done = keeper("--json", "doctor", stage.config)
        assert "127.0.0.1:1" in done.out
        assert "secret" not in done.out + done.err
        assert "=sec" not in done.out + done.err
        assert not any(check["name"] == "quorum" for check in json.loads(done.out)["checks"])


async def test_doctor__node_of_another_chain__is_not_said_to_be_away(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.write(Setup(chain_id=1))
        found = examined(stage)
        assert states(found) == dict.fromkeys(states(found), "fail")
        for name in ("source oracle", "source spot", "actions"):
            assert found[name]["message"].endswith("the primary endpoint serves another chain")
            assert "primary endpoint" in found[name]["remedy"]


async def test_doctor__node_is_down__each_line_has_a_remedy(tmp_path: Path) -> None:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with staged(tmp_path) as stage:
        stage.write(Setup(node_url=f"ws://127.0.0.1:{port}"))
        found = examined(stage)
        assert states(found) == dict.fromkeys(states(found), "fail")
        assert found["source oracle"]["message"] == "not asked: the primary endpoint is away"
        assert found["actions"]["message"] == "not simulated: the primary endpoint is away"


async def test_doctor__key_without_its_role__names_what_to_grant(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        await stage.world.revoke(Role.PAUSER, stage.world.keeper.address)
        await stage.node.mine()
        found = examined(stage)
        action = found[f"action pause-market on {MARKET}"]
        assert (action["state"], action["message"].split(":")[0]) == ("fail", "missing-role")
        assert "PAUSER" in action["remedy"] or "grant" in action["remedy"]


async def test_doctor__text__the_remedy_stands_below_what_failed(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.write(Setup(more_endpoints='    - {url: "ws://127.0.0.1:1", role: verify}\n'))
        done = keeper("doctor", stage.config)
        assert done.code == 1
        lines = done.out.splitlines()
        (place,) = [number for number, line in enumerate(lines) if line.startswith("fail")]
        assert lines[place] == "fail  endpoint ws://127.0.0.1:1 (verify-1): ws://127.0.0.1:1: connection refused"
        assert lines[place + 1].startswith("      -> nothing listens there")
        assert lines[-1].endswith("checks, 1 failed")
