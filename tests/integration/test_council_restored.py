"""``keeper restore`` and ``keeper council`` against a real Safe, a local service and a real log: from what the keeper left to what is read back."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from keeper.adapters.audit.store import SqlAuditStore
from keeper.adapters.clock import SystemClock
from keeper.app.cli import run_command
from keeper.devnet.accounts import Account
from keeper.devnet.anvil import Anvil
from keeper.devnet.safe import DevSafe, deploy_safe_contracts
from keeper.devnet.safe_service import SafeService, faults
from keeper.devnet.world import Role, World, deploy_world
from keeper.domain.record import Draft, Json, RecordKind
from tests.support.keeper_stage import MARKET, OTHER, Setup, Stage

pytestmark = pytest.mark.integration

NOW_MS = SystemClock().now_ms
TIGHT = 250_000_000_000
UNDO = """\
  tighten:
    kind: rate-limit
    target: "{exchange}"
    call: "setWithdrawalLimit(bytes32,uint256)"
    args: ["{{id}}", "{tight}"]
    read: {{call: "withdrawalLimit(bytes32)(uint256)", args: ["{{id}}"], expect: "{tight}"}}
    undo: {{call: "setWithdrawalLimit(bytes32,uint256)", args: ["{{id}}", "{{previous}}"]}}
    safe_side: lower
    route: public
"""


@dataclass
class Council:
    """One keeper's folder, its world and its Safe of two among three."""

    stage: Stage
    safe: DevSafe
    service: SafeService
    folder: Path

    @property
    def world(self) -> World:
        return self.stage.world

    async def typed(self, *words: str) -> tuple[int, dict[str, Any]]:
        """The command as it is typed, in a loop of its own."""

        def run() -> tuple[int, str]:
            with contextlib.redirect_stdout(io.StringIO()) as out:
                return run_command(["--json", *words]), out.getvalue()

        code, out = await asyncio.to_thread(run)
        return code, json.loads(out)

    async def council(self, *words: str) -> tuple[int, dict[str, Any]]:
        return await self.typed("council", str(self.stage.config), *words)

    async def restore(self, *words: str) -> tuple[int, dict[str, Any]]:
        return await self.typed("restore", str(self.stage.config), *words)

    def key(self, account: Account) -> tuple[str, str]:
        path = self.folder / f"{account.address}.key"
        path.touch(mode=0o600)
        path.write_text(account.private_key + "\n")
        return "--key-file", str(path)

    async def tightened(self, incident: str) -> int:
        """The market is paused and its limit lowered, and the log says so; the limit before."""
        world = self.world
        limit, market = await world.withdrawal_limit(MARKET), world.market_id(MARKET)
        await world.transact(world.keeper, world.exchange, "pauseMarket(bytes32)", market)
        await world.transact(world.admin, world.exchange, "setWithdrawalLimit(bytes32,uint256)", market, TIGHT)
        store = await SqlAuditStore.open(self.stage.url, create=True)
        try:
            await self._acted(store, incident, "pause-market", "paused(bytes32)(bool)", "false", "true")
            view = "withdrawalLimit(bytes32)(uint256)"
            await self._acted(store, incident, "tighten", view, str(limit), str(TIGHT))
        finally:
            await store.close()
        return limit

    async def _acted(
        self, store: SqlAuditStore, incident: str, action: str, view: str, before: str, after: str
    ) -> None:
        contract, intent = self.world.exchange, f"{incident}/{action}/1"
        intended: dict[str, Json] = {"to": contract, "data": "0x", "expires_ms": "9", "effect_before": before}
        effect: dict[str, Json] = {
            "contract": contract, "call": view, "args": [self.world.market_id(MARKET)], "before": before, "after": after, "block": 1,
        }  # fmt: skip
        outcome: dict[str, Json] = {
            "kind": "included", "reason": "effect-verified", "message": "", "remedy": "", "tx_hash": None, "block": 1,
        }  # fmt: skip
        bodies = ((RecordKind.INTENT, intended), (RecordKind.EFFECT, effect), (RecordKind.OUTCOME, outcome))
        await store.append([Draft(kind, body, NOW_MS(), MARKET, action, incident, intent) for kind, body in bodies])


@pytest_asyncio.fixture
async def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Council]:
    async with Anvil() as node, SafeService.open(node.http_url, node.chain_id, NOW_MS) as service:
        world = await deploy_world(node, [MARKET, OTHER])
        contracts = await deploy_safe_contracts(node, node.accounts[0].address)
        safe = await contracts.create(node.accounts[5:8], 2)
        for role in (Role.RISK, Role.ADMIN):
            await world.grant(role, safe.address)
        await world.grant(Role.RISK, world.admin.address)
        stage = Stage(world, tmp_path)
        text = stage.write(Setup()).read_text("utf-8")
        route = f'{{public: {{kind: public}}, council: {{kind: safe, address: "{safe.address}", service: "{service.url}"}}}}'
        text = text.replace("{public: {kind: public}}", route).replace("[pause-market]", "[pause-market, tighten]")
        stage.config.write_text(text + UNDO.format(exchange=world.exchange, tight=TIGHT), "utf-8")
        monkeypatch.chdir(tmp_path)
        yield Council(stage, safe, service, tmp_path)


async def test_restore__from_the_log_to_what_is_read_back(built: Council) -> None:
    alice, bob, _ = built.safe.owners
    limit = await built.tightened("ETH-PERP@7")

    code, said = await built.council("delegate", "add", *built.key(alice))
    assert (code, said["delegate"]) == (0, built.world.keeper.address)

    code, said = await built.restore("ETH-PERP@7", "--dry-run")
    assert (code, said["proposed"]) == (0, False)
    assert [(item["fate"], item["before_incident"], item["now"]) for item in said["items"]] == [
        ("put-back", str(limit), str(TIGHT)),
        ("put-back", "false", "true"),
    ]
    assert said["matter"]["after"]["goes_through"] is True, said["matter"]["after"]
    assert [(one["before"], one["after"], one["recorded"]) for one in said["matter"]["changes"]] == [
        (str(TIGHT), str(limit), str(limit)),
        ("true", "false", "false"),
    ]
    assert (await built.council("queue"))[1]["queue"] == []

    code, said = await built.restore("ETH-PERP@7", "--yes")
    assert (code, said["proposed"]) == (0, True)
    name = said["matter"]["hash"]
    assert said["matter"]["alarms"] == []
    assert said["matter"]["delegate"] == built.world.keeper.address
    code, again = await built.restore("ETH-PERP@7", "--yes")
    assert (code, again["matter"]["hash"]) == (0, name)
    _, queue = await built.council()
    assert [one["hash"] for one in queue["queue"]] == [name]

    code, said = await built.council("execute", name)
    assert code == 1
    assert "2 signatures missing" in said["error"]["message"]
    for owner, missing in ((alice, 1), (bob, 0)):
        code, said = await built.council("confirm", name[:10], *built.key(owner), "--yes")
        assert (code, said["missing"]) == (0, missing)
    code, said = await built.council("execute", name, *built.key(built.stage.node.accounts[9]), "--yes")
    assert (code, said["executed"]) == (0, True), said
    assert [one["now"] for one in said["effects"]] == [str(limit), "false"]
    assert await built.world.withdrawal_limit(MARKET) == limit

    code, said = await built.restore("ETH-PERP@7")
    assert code == 0
    assert [item["fate"] for item in said["items"]] == ["as-before", "as-before"]
    _, said = await built.council("show", name)
    assert (said["standing"], said["failed"], said["alarms"]) == ("executed", False, [])

    world, market = built.world, built.world.market_id(MARKET)
    await world.transact(world.keeper, world.exchange, "pauseMarket(bytes32)", market)
    code, said = await built.restore("ETH-PERP@7", "--yes")
    assert (code, said["proposed"]) == (0, False)
    fates = {item["action"]: item for item in said["items"]}
    assert fates["pause-market"]["fate"] == "changed-since", "somebody paused it again: that is their decision"
    assert "put back already" in fates["pause-market"]["why"]


async def test_restore__without_a_service__goes_by_files_and_the_chain(built: Council) -> None:
    alice, bob, _ = built.safe.owners
    text = built.stage.config.read_text("utf-8")
    built.stage.config.write_text(re.sub(r', service: "[^"]*"', "", text), "utf-8")
    limit = await built.tightened("ETH-PERP@9")
    code, said = await built.restore("ETH-PERP@9", "--yes")
    assert code == 0
    name = said["matter"]["hash"]
    assert list((built.folder / "proposals").glob("*.json"))
    code, again = await built.restore("ETH-PERP@9", "--yes")
    assert (code, again["matter"]["hash"]) == (0, name)
    (built.folder / "keeper.key").unlink()  # members have keys of their own, and not the keeper's
    assert (await built.council("confirm", name, *built.key(alice), "--yes"))[0] == 0
    _, said = await built.council("confirm", name, "--typed-data", str(built.folder / "sign.json"))
    signature = built.safe.sign(bob, bytes.fromhex(said["transaction"]["safe_tx_hash"][2:]))
    code, said = await built.council("confirm", name, "--signature", "0x" + signature.hex())
    assert (code, said["missing"]) == (0, 0)
    code, said = await built.council("execute", name, *built.key(built.stage.node.accounts[9]), "--yes")
    assert (code, [one["now"] for one in said["effects"]]) == (0, [str(limit), "false"])


async def test_reject__uses_the_nonce_up_and_the_other_is_dead(built: Council) -> None:
    alice, bob, carol = built.safe.owners
    await built.tightened("ETH-PERP@8")
    await built.council("delegate", "add", *built.key(alice))
    _, said = await built.restore("ETH-PERP@8", "--yes")
    name = said["matter"]["hash"]
    code, said = await built.council("reject", name, *built.key(bob), "--yes")
    assert code == 0, said
    rejection = said["hash"]
    assert (said["missing"], said["transaction"]["nonce"]) == (1, 0)
    code, said = await built.council("reject", name, *built.key(carol), "--yes")
    assert (code, said["hash"], said["missing"]) == (0, rejection, 0)
    code, said = await built.council("execute", rejection, *built.key(built.stage.node.accounts[9]), "--yes")
    assert (code, said["executed"]) == (0, True), said
    _, said = await built.council("show", name)
    assert (said["standing"], said["unsure"], said["executed_tx"]) == ("dead", False, None)
    built.service.alter = faults.executed()
    code, said = await built.council("show", name)
    assert (code, said["standing"], said["executed_tx"]) == (1, "dead", None)
    assert "by the Safe's own events" in said["alarms"][0]
    built.service.alter = None
    code, said = await built.council("confirm", name, *built.key(alice), "--yes")
    assert code == 1
    assert "can never be executed" in said["error"]["message"]
