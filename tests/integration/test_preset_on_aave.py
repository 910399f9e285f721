"""The preset ``aave-v3`` with the whole service on the real Aave v3: it pauses and cuts with the right roles, and says before what lacks one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from keeper.adapters.audit.reading import page_sync
from keeper.adapters.chain.node import NodeClient
from keeper.app.council.restoring import plan_restore
from keeper.config import load
from keeper.devnet.transactions import view
from keeper.domain.record import Record, RecordKind, RecordQuery
from tests.support.aave import ETHER, RESERVE_PAUSED, SUPPLY_CAP_EXCEEDED, Right
from tests.support.aave_stage import BORROW_CAP, FAIR, MARKET, AaveStage, aave_staged
from tests.support.contract_calls import transact
from tests.support.keeper_inside import Inside, inside
from tests.support.keeper_process import in_process

pytestmark = pytest.mark.integration

CUTS = ("cut-supply-cap", "cut-borrow-cap")


def outcomes(stage: AaveStage) -> dict[str, tuple[str, str]]:
    """(kind, reason) of the newest outcome of each action."""
    found = stage.stage.records(RecordKind.OUTCOME)
    return {str(one.action): (str(one.body["kind"]), str(one.body["reason"])) for one in found}


def down(service: Inside) -> dict[str, str]:
    """The readiness of this market's actions: what is down, and why."""
    return {
        fault.part.rpartition("/")[2]: fault.reason for fault in service.faults if fault.part.startswith("readiness:")
    }


async def borrow_cap(stage: AaveStage) -> int:
    signature = "getReserveCaps(address)(uint256,uint256)"
    return int((await view(stage.node, stage.aave.data_provider, signature, stage.aave.asset(ETHER)))[0])


async def put_back(stage: AaveStage, incident: str | None) -> dict[str, tuple[str, tuple[str, ...]]]:
    """The call that would take back each action of the incident."""

    async def page(query: RecordQuery) -> Sequence[Record]:
        return page_sync(stage.stage.url, query)

    client = NodeClient(stage.node.ws_url)
    try:
        plan = await plan_restore(str(incident), page, load(stage.stage.config, environ={}).actions, client)
    finally:
        await client.close()
    return {item.action: (item.undo.signature, item.undo.args) for item in plan.back if item.undo is not None}


async def test_with_its_roles__caps_are_cut_on_volatility_and_the_reserve_is_paused_on_divergence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with aave_staged(tmp_path, Right.EMERGENCY, Right.RISK) as stage:
        stage.write()
        monkeypatch.setattr("keeper.app.wiring.SystemClock", lambda: stage.clock)
        async with inside(stage.stage.config, {}) as service:
            await service.watching()
            assert down(service) == {}
            for number in range(45):
                # up and down by 2 % a minute, the oracle with it
                price = FAIR * (100 + 2 * (number % 2)) // 100
                await stage.step(spot=price, oracle=price, ended=service.ended)
                if stage.stage.records(RecordKind.INCIDENT):
                    break
            await stage.stage.mine_until(lambda: len(outcomes(stage)) == len(CUTS), ended=service.ended)
            assert outcomes(stage) == dict.fromkeys(CUTS, ("included", "effect-verified"))
            assert await stage.aave.supply_cap(ETHER) == 40_000
            assert await borrow_cap(stage) == BORROW_CAP * 8 // 10
            assert not await stage.aave.paused(ETHER)
            # now Aave's oracle alone falls by 5 %
            await stage.step(spot=FAIR, oracle=FAIR * 95 // 100, ended=service.ended)
            await stage.stage.mine_until(lambda: "pause-reserve" in outcomes(stage), ended=service.ended)
            assert outcomes(stage)["pause-reserve"] == ("included", "effect-verified")
            await service.end()
        assert await stage.aave.paused(ETHER)
        sent = await stage.stage.sent()
        assert {each["to"].lower() for each in sent} == {stage.aave.configurator.lower()}
        assert len(sent) == 3
        assert {each["status"] for each in sent} == {"0x1"}
        stage.stage.assert_log_holds()
        # what the council would be proposed: each cap as it was, by the log, although one view answers both
        undone = await put_back(stage, next(one.incident for one in stage.stage.records(RecordKind.OUTCOME)))
        asset = stage.aave.asset(ETHER)
        assert undone == {
            "pause-reserve": ("setReservePause(address,bool)", (asset, "false")),
            "cut-supply-cap": ("setSupplyCap(address,uint256)", (asset, "50000")),
            "cut-borrow-cap": ("setBorrowCap(address,uint256)", (asset, str(BORROW_CAP))),
        }
        await stage.node.rpc("evm_setAutomine", True)
        aave = stage.aave
        assert await aave.supply_refused(ETHER, 10**18, aave.supplier) == RESERVE_PAUSED
        # the council's undo, as the preset has it; then the cap is what stops a large supply
        await transact(stage.node, aave.guardian, aave.configurator, aave.pause_data(ETHER, False))
        assert await aave.supply_refused(ETHER, 36_000 * 10**18, aave.supplier) == SUPPLY_CAP_EXCEEDED


async def test_without_a_role__readiness_and_doctor_say_so_before_any_incident(tmp_path: Path) -> None:
    async with aave_staged(tmp_path, Right.EMERGENCY) as stage:
        stage.write()
        done = await asyncio.to_thread(in_process, "--json", "doctor", stage.stage.config)
        checks = {one["name"]: one for one in json.loads(done.out)["checks"]}
        assert checks[f"action pause-reserve on {MARKET}"]["state"] == "ok"
        for name in (*CUTS, "freeze-reserve"):
            check = checks[f"action {name} on {MARKET}"]
            assert check["state"] == "fail"
            assert "missing-role" in check["message"]
            assert "the caller is not a risk or pool admin" in check["message"]
            assert stage.stage.key.address in check["remedy"]
        async with inside(stage.stage.config, {}) as service:
            await service.watching()
            await stage.step(spot=FAIR, oracle=FAIR, ended=service.ended)
            assert down(service) == dict.fromkeys((*CUTS, "freeze-reserve"), "missing-role")
            assert not stage.stage.records(RecordKind.INCIDENT)
            # the role is given: all are ready; then the other one is taken away
            await stage.grant(Right.RISK)
            await stage.stage.mine_until(lambda: not down(service), ended=service.ended)
            await stage.revoke(Right.EMERGENCY)
            await stage.stage.mine_until(lambda: bool(down(service)), ended=service.ended)
            assert down(service) == {"pause-reserve": "missing-role"}
            await service.end()
        assert not stage.stage.outcomes()
        assert not await stage.aave.paused(ETHER)
