"""``keeper drill`` as an operator runs it: on a fork of a chain that goes on meanwhile and feels nothing of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keeper.devnet.world import Role
from keeper.domain.record import RecordKind
from tests.support.forked_keeper import forked_keeper
from tests.support.keeper_stage import MARKET, Setup, staged

pytestmark = pytest.mark.e2e


async def test_drill__on_a_fork__passes_and_leaves_the_chain_as_it_was(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.write()
        block = await stage.node.block_number()
        done = forked_keeper("--json", "drill", stage.config, "--block-time", "0.3", "--report", tmp_path / "page.md")
        assert done.code == 0, done.out + done.err
        said = json.loads(done.out)
        (action,) = said["actions"]
        assert (action["outcome"], action["before"], action["after"], action["restored"]) == (
            "included",
            "false",
            "true",
            "false",
        )
        assert said["log_verified"] is True
        assert "on the fork" in said["how"]
        assert list(action["stages_ms"])[:3] == ["head", "reads", "decided"]
        assert "**Passed**" in (tmp_path / "page.md").read_text(encoding="utf-8")
        (record,) = stage.records(RecordKind.DRILL)
        assert record.body["breach"] == said["breach"]
        stage.assert_log_holds(ends_with="drill")
        assert await stage.node.block_number() == block
        assert not await stage.world.paused(MARKET)
        assert await stage.sent() == []


async def test_drill__the_key_has_lost_its_role__fails_and_says_which(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.write()
        await stage.world.revoke(Role.PAUSER, stage.world.keeper.address)
        done = forked_keeper(
            "drill", stage.config, "--block-time", "0.3", "--in-source", "--report", tmp_path / "r.json"
        )
        assert done.code == 1
        assert "FAILED" in done.out
        assert "may not call pauseMarket(bytes32)" in done.out
        report = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
        assert report["ok"] is False
        assert report["actions"][0]["outcome"] == "failed"
        (record,) = stage.records(RecordKind.DRILL)
        assert record.body["ok"] is False


async def test_drill__no_key__is_a_dry_run_that_says_so(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.write(Setup(mode="shadow"))
        text = stage.config.read_text(encoding="utf-8")
        stage.config.write_text(
            "".join(line for line in text.splitlines(True) if not line.startswith("signer:")), encoding="utf-8"
        )
        done = forked_keeper("drill", stage.config, "--block-time", "0.3", "--report", tmp_path / "r.md")
        assert done.code == 1
        assert "add the section `signer`" in done.out
