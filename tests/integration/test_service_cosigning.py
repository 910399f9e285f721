"""Two keepers, each with its own key, log and configuration, and a breaker that asks for both: the whole service, over a folder and a database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from keeper.adapters.audit.location import sqlite_url
from keeper.devnet.world import Role
from keeper.domain.circuit_breaker import TRIP_SIGNED
from keeper.domain.record import RecordKind
from tests.support.breaker_service import NAME, BreakerStage
from tests.support.cosigning_service import paired, trips
from tests.support.forked_keeper import forked_keeper
from tests.support.keeper_inside import inside
from tests.support.keeper_process import keeper
from tests.support.keeper_stage import MARKET

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture(params=["folder", "database"])
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[BreakerStage, BreakerStage]]:
    """The breaker asks for two of the two keepers."""
    place = str(tmp_path / "orders") if request.param == "folder" else sqlite_url(tmp_path / "orders.db")
    async with paired(tmp_path, place) as both:
        yield both


async def test_both_trip__one_order_one_transaction_and_both_logs_tell_the_same(
    pair: tuple[BreakerStage, BreakerStage],
) -> None:
    one, two = pair
    async with inside(one.stage.config) as first, inside(two.stage.config) as second:
        for service in (first, second):
            await service.watching()
            assert [fault.part for fault in service.faults] == [], "it is ready although it cannot trip alone"
        await one.stage.mine_until(lambda: one.stage.evaluated() > 0 and two.stage.evaluated() > 0)
        await one.stage.shock()
        await one.stage.mine_until(lambda: bool(one.outcomes("pause-market") and two.outcomes("pause-market")))
        assert await one.stage.world.paused(MARKET)

        (tripped,) = await trips(one)
        await first.end()
        await second.end()
    kinds = {one.outcomes("pause-market")[0], two.outcomes("pause-market")[0]}
    assert kinds == {("included", "effect-verified"), ("superseded", "already-in-effect")}
    digests = set()
    for each in pair:
        steps = [record.body for record in each.stage.records(RecordKind.ORDER)]
        assert [body["step"] for body in steps[:1]] == ["signed"]
        digests |= {body["digest"] for body in steps if body["step"] == "complete"}
        each.stage.assert_log_holds()
    assert len(digests) == 1
    sent = [transaction["input"][:10] for each in pair for transaction in await each.stage.sent()]
    assert sent.count("0x" + TRIP_SIGNED.hex()) == 1
    (intent,) = [
        record.body
        for each in pair
        for record in each.stage.records(RecordKind.INTENT)
        if str(record.body["data"]).startswith("0x" + TRIP_SIGNED.hex())
    ]
    assert tripped["topics"][3] == intent["evidence"]


async def test_one_of_two_trips__nothing_happens_until_the_other_does(pair: tuple[BreakerStage, BreakerStage]) -> None:
    one, two = pair
    async with inside(one.stage.config) as first:
        await first.watching()
        await one.stage.shock()
        await one.stage.mine_until(lambda: bool(one.stage.records(RecordKind.ORDER)), ended=first.ended)
        block = await one.stage.node.block_number()
        await one.stage.mine_until(lambda: one.stage.evaluated() >= block + 3, ended=first.ended)
        assert not await one.stage.world.paused(MARKET)
        assert one.outcomes("pause-market") == []
        async with inside(two.stage.config) as second:
            await second.watching()
            await one.stage.mine_until(lambda: bool(one.outcomes("pause-market") and two.outcomes("pause-market")))
            assert await one.stage.world.paused(MARKET)
            await second.end()
        await first.end()
    assert one.outcomes("pause-market") == [("superseded", "already-in-effect")]
    assert two.outcomes("pause-market") == [("included", "effect-verified")]


async def command(config: Path, *args: str | Path) -> tuple[int, dict[str, Any]]:
    """What ``keeper --json breaker CONFIG ..`` answers."""
    done = await asyncio.to_thread(forked_keeper, "--json", "breaker", config, *args)
    return done.code, json.loads(done.out) if done.out else {"error": done.err}


@pytest.mark.parametrize("pair", ["folder"], indirect=True)
async def test_by_hand__an_operator_lists_signs_and_gets_the_call(
    pair: tuple[BreakerStage, BreakerStage], tmp_path: Path
) -> None:
    one, two = pair
    async with inside(one.stage.config) as first:
        await first.watching()
        await one.stage.shock()
        await one.stage.mine_until(lambda: any((tmp_path / "orders").glob("*.json")), ended=first.ended)
        await first.end()
    (file,) = sorted((tmp_path / "orders").glob("*.json"))
    config = two.stage.config

    code, listed = await command(config, "orders")
    (order,) = listed["orders"]
    assert (code, order["state"], order["required"], order["missing"]) == (0, "open", 2, 1)
    assert (order["name"], order["signed_by"], order["not_counted"]) == (NAME, [one.stage.key.address], [])
    code, refused = await command(config, "call", file)
    assert (code, refused["ok"]) == (1, False)
    assert "1 signature" in refused["error"]["message"]

    code, signed = await command(config, "sign", file)
    assert (code, signed["signer"], signed["order"]["state"]) == (0, two.stage.key.address, "complete")
    (record,) = two.stage.records(RecordKind.ORDER)
    assert record.body["by_hand"] is True
    code, made = await command(config, "call", file)
    assert code == 0
    fields = {"from": two.stage.key.address, "to": made["to"], "data": made["data"], "gas": hex(1_000_000)}
    await one.stage.node.rpc("eth_call", fields, "latest")

    await one.council("revokeKeeper(address)", one.stage.key.address)
    code, listed = await command(config, "orders")
    (order,) = listed["orders"]
    assert (order["state"], order["signed_by"]) == ("open", [two.stage.key.address])
    assert order["not_counted"] == [one.stage.key.address]
    code, refused = await command(config, "sign", file)
    assert (code, refused["ok"]) == (1, False)
    assert one.stage.key.address in refused["error"]["message"]

    (tmp_path / "forged.json").write_text(file.read_text().replace('"nonce": ', '"nonce": 1'))
    code, refused = await command(config, "sign", tmp_path / "forged.json")
    assert code == 2
    assert "no signed order" in str(refused["error"])


@pytest.mark.parametrize("pair", ["folder"], indirect=True)
async def test_contract_without_its_role__is_known_before_anything_trips(
    pair: tuple[BreakerStage, BreakerStage],
) -> None:
    one, _ = pair
    await one.stage.world.revoke(Role.PAUSER, one.contract)
    async with inside(one.stage.config) as service:
        await service.watching()
        (fault,) = service.faults
        assert (fault.part, fault.reason) == (f"readiness:{MARKET}/pause-market", "missing-role")
        await service.end()


@pytest.mark.parametrize("pair", ["folder"], indirect=True)
async def test_by_hand__no_route_has_orders__says_where_to_write_them(pair: tuple[BreakerStage, BreakerStage]) -> None:
    one, _ = pair
    one.write()
    done = await asyncio.to_thread(keeper, "--json", "breaker", one.stage.config, "orders")
    assert done.code == 2
    assert "`orders`" in str(json.loads(done.out)["error"])
