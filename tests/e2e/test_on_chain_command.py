"""``keeper audit verify --on-chain`` and ``keeper doctor`` as a user starts them, on a keeper that tripped a breaker."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from keeper.domain.record import RecordKind
from tests.support.breaker_stage import GuardedStage, forge, guarded
from tests.support.forked_keeper import forked_keeper
from tests.support.keeper_process import Done, keeper
from tests.support.keeper_stage import MARKET, Stage

pytestmark = pytest.mark.e2e


async def verify(stage: Stage | GuardedStage, *options: str) -> Done:
    return await asyncio.to_thread(forked_keeper, *options, "audit", stage.config, "verify", "--on-chain")


async def document(stage: Stage | GuardedStage) -> tuple[int, dict[str, Any]]:
    done = await verify(stage, "--json")
    assert done.err == ""
    return done.code, json.loads(done.out)


async def test_verify__on_chain__from_a_run_to_a_stolen_key(tmp_path: Path) -> None:
    async with guarded(tmp_path) as stage:
        await stage.run_until_paused()

        done = await asyncio.to_thread(keeper, "audit", stage.config, "verify", "--on-chain")
        assert (done.code, done.err) == (0, "")
        assert "every hash and link holds" in done.out
        assert "1 transaction, 1 effect, 1 trip, 0 executions, 1 nonce as the log tells" in done.out
        assert "trips by the keeper's keys searched for in blocks" in done.out
        code, found = await document(stage)
        assert (code, found["ok"], found["on_chain"]["ok"], found["on_chain"]["complete"]) == (0, True, True, True)
        assert found["on_chain"]["checked"] == {
            "transactions": 1,
            "effects": 1,
            "trips": 1,
            "executions": 0,
            "nonces": 1,
        }
        assert found["head"].startswith("0x"), "the keys of the plain verification stay"
        plain = json.loads(forked_keeper("--json", "audit", stage.config, "verify").out)
        assert "on_chain" not in plain
        assert plain == {key: value for key, value in found.items() if key != "on_chain"}

        tx_hash = await stage.trip_by_hand()
        done = await verify(stage)
        assert done.code == 1
        assert "DIFFERS at no record (trip)" in done.out
        assert tx_hash in done.out
        assert "revokeKeeper" in done.out
        code, found = await document(stage)
        assert (code, found["ok"], found["first_bad"]) == (1, False, None)
        assert [each["subject"] for each in found["on_chain"]["findings"]] == ["trip"]

        await forge(stage.stage, lambda kind, body: body | ({"reason": "x"} if kind is RecordKind.DECISION else {}))
        assert json.loads(forked_keeper("--json", "audit", stage.config, "verify").out)["ok"], "forged as a whole"
        code, found = await document(stage)
        assert code == 1
        assert any("is not the hash of decision record" in each["message"] for each in found["on_chain"]["findings"])

    done = await verify(stage)
    assert done.code == 3
    assert "keeper: " in done.err
    assert "every hash and link holds" in done.out, "what the database alone shows is said all the same"


async def test_verify__on_chain__of_a_broken_log__does_not_ask_the_chain(finished: Path, folder: Path) -> None:
    database = folder / "keeper.db"
    database.write_bytes(b"\xff" * 600)
    done = keeper("--json", "audit", folder / "keeper.yaml", "verify", "--on-chain")
    assert done.code in (1, 3), done
    if done.code == 1:
        assert json.loads(done.out)["on_chain"] is None


async def test_verify__on_chain__before_the_first_run__says_that_there_is_no_log(tmp_path: Path) -> None:
    path = tmp_path / "keeper.yaml"
    path.write_text("chain: {id: 1, endpoints: [{url: 'ws://127.0.0.1:1', role: primary}]}\n")
    done = forked_keeper("audit", path, "verify", "--on-chain")
    assert done.code == 1
    assert "no log" in done.out + done.err or "nothing" in done.out + done.err


async def test_verify__on_chain__without_a_chain_in_the_file__is_a_usage_error(finished: Path, folder: Path) -> None:
    path = folder / "keeper.yaml"
    path.write_text("keeper: {name: x}\n")
    done = forked_keeper("audit", path, "verify", "--on-chain")
    assert done.code == 2
    assert "chain" in done.err


async def test_doctor__through_a_breaker__tells_the_contract_and_the_action(tmp_path: Path) -> None:
    async with guarded(tmp_path) as stage:
        done = await asyncio.to_thread(keeper, "--json", "doctor", stage.config)
        checks = {check["name"]: check for check in json.loads(done.out)["checks"]}
        assert checks[f"breaker contract {stage.guard.address}"]["state"] == "ok"
        assert checks[f"breaker pause {MARKET} of action pause-market on {MARKET}"]["state"] == "ok"
        await stage.council("disarm(bytes32)", stage.guard.pauses[MARKET])
        done = await asyncio.to_thread(forked_keeper, "doctor", stage.config)
        assert done.code == 1
        assert f"fail  breaker pause {MARKET} of action pause-market on {MARKET}: it is disarmed" in done.out
        assert "      -> the council looks why, and calls arm(bytes32)" in done.out
