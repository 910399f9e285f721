"""``keeper init --contract`` on real contracts: what it finds, what it proposes, and that what it writes can be used as it stands."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from keeper.adapters.chain.node import NodeClient
from keeper.config import Config, load
from keeper.devnet.anvil import Anvil
from keeper.devnet.world import deploy_world
from keeper.domain.outcome import Reason
from keeper.execution.gate import simulated
from keeper.execution.planner import arm
from tests.support.aave import DOLLAR, ETHER
from tests.support.guarded import Guarded, deploy_guarded
from tests.support.keeper_process import Done, in_process, keeper

# One deployment for the whole file, which only reads it: the tests share its event loop.
pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

NOTIFY = {"KEEPER_NOTIFY_URL": "json://127.0.0.1:1/x"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded() -> AsyncIterator[Guarded]:
    async with Anvil() as node:
        yield await deploy_guarded(node)


async def init(
    guarded: Guarded, folder: Path, *flags: str | Path, code: int = 0, keeper_address: str = ""
) -> dict[str, Any]:
    """The answer as a document."""
    who = ("--keeper-address", keeper_address or guarded.keeper)
    done = await asyncio.to_thread(in_process, "--json", "init", folder, "--rpc", guarded.node.ws_url, *who, *flags)
    assert done.code == code, done.err
    document: dict[str, Any] = json.loads(done.out)
    return document


def written(guarded: Guarded, folder: Path) -> Config:
    """The configuration, which is one."""
    return load(folder / "keeper.yaml", environ={"KEEPER_RPC_URL": guarded.node.ws_url, **NOTIFY})


def actions(document: dict[str, Any]) -> dict[str, bool | None]:
    return {one["name"]: one["keeper_may"] for one in document["actions"]}


def rights(document: dict[str, Any]) -> set[tuple[str, str, bool | None]]:
    return {(one["contract"], one["right"], one["keeper_has"]) for one in document["rights"]}


async def test_openzeppelin__with_its_role__pause_is_proposed_and_the_keeper_may(
    guarded: Guarded, tmp_path: Path
) -> None:
    found = await init(guarded, tmp_path / "new", "--contract", f"vault={guarded.vault}")
    assert (found["ok"], found["chain_id"]) == (True, 31337)
    assert actions(found) == {"pause": True}
    (action,) = found["actions"]
    assert (action["call"], action["read"], action["now"], action["undo"]) == (
        "pause()", "paused()(bool)", "false", "unpause()",
    )  # fmt: skip
    assert action["needs"] == "PAUSER_ROLE"
    assert rights(found) == {("vault", "PAUSER_ROLE", True), ("vault", "DEFAULT_ADMIN_ROLE", False)}
    config = written(guarded, tmp_path / "new")
    assert config.keeper.mode.value == "shadow"
    assert config.signer is None
    (armed,) = [arm(one) for one in config.actions]
    assert armed.call.to == guarded.vault
    assert (tmp_path / "new" / ".env").stat().st_mode & 0o077 == 0


async def test_openzeppelin__without_its_role__it_is_proposed_and_said_that_the_keeper_may_not(
    guarded: Guarded, tmp_path: Path
) -> None:
    flags = ("--contract", f"vault={guarded.vault}")
    found = await init(guarded, tmp_path, *flags, keeper_address=guarded.outsider)
    assert actions(found) == {"pause": False}
    assert "AccessControlUnauthorizedAccount" in found["actions"][0]["why"]
    assert ("vault", "PAUSER_ROLE", False) in rights(found)
    assert "THE KEEPER MAY NOT" in (tmp_path / "keeper.yaml").read_text()


async def test_proxy__is_followed__and_a_cap_is_proposed_with_a_bound(guarded: Guarded, tmp_path: Path) -> None:
    # the proxy's storage is its own: nobody owns it, and its cap is 0
    found = await init(guarded, tmp_path / "one", "--contract", f"vault={guarded.proxied}")
    assert found["contracts"][0]["through"] == [guarded.behind]
    assert actions(found) == {"pause": False}
    assert any("depositCap()(uint256) is 0, so there is nothing to cut" in doubt for doubt in found["not_told"])
    found = await init(guarded, tmp_path / "two", "--contract", f"vault={guarded.behind}", keeper_address=guarded.admin)
    assert actions(found) == {"pause": True, "cut-deposit-cap": True}
    assert ("vault", "owner", True) in rights(found)
    cut = {one.name: one for one in written(guarded, tmp_path / "two").actions}["cut-deposit-cap"]
    assert cut.adjustment is not None
    assert (cut.adjustment.least, arm(cut).at("1000000").action.effect.expect) == (500_000, "800000")


async def test_aave__found_from_its_pool__all_actions_of_the_reserve_and_its_rights(
    guarded: Guarded, tmp_path: Path
) -> None:
    market = guarded.aave
    flags = ("--contract", f"pool={market.pool}", "--contract", f"asset={market.asset(ETHER)}", "--market", "WETH")
    found = await init(guarded, tmp_path, *flags)
    names = {"pause-reserve", "freeze-reserve", "cut-supply-cap", "cut-borrow-cap"}
    assert actions(found) == dict.fromkeys(names, True)
    assert found["markets"] == {"WETH": market.asset(ETHER)}
    assert {one["contract"] for one in found["actions"]} == {market.configurator}
    assert {one["read_at"] for one in found["actions"]} == {market.data_provider}
    assert rights(found) >= {
        ("acl", "EMERGENCY_ADMIN", True),
        ("acl", "RISK_ADMIN", True),
        ("acl", "POOL_ADMIN", False),
    }
    needs = {one["name"]: one["needs"] for one in found["actions"]}
    # this market is of 3.0, where the emergency admin pauses and does not freeze
    assert needs["pause-reserve"].startswith("EMERGENCY_ADMIN in")
    assert needs["freeze-reserve"].startswith("RISK_ADMIN in")
    config = written(guarded, tmp_path)
    client = NodeClient(guarded.node.ws_url)
    try:
        for action in config.actions:
            armed = arm(action)
            current = armed.effect_text((await client.read([armed.effect_call], await client.head()))[0])
            ready = armed.at(current)
            refused = simulated(ready, guarded.outsider, await client.simulate(ready.call, guarded.outsider))
            assert simulated(ready, guarded.keeper, await client.simulate(ready.call, guarded.keeper)) is None
            assert refused is not None
            assert refused.reason is Reason.MISSING_ROLE
    finally:
        await client.close()


async def test_aave__half_of_the_rights__which_actions_lack_one_is_said(guarded: Guarded, tmp_path: Path) -> None:
    flags = ("--contract", f"pool={guarded.aave.pool}")
    found = await init(guarded, tmp_path, *flags, keeper_address=guarded.aave.guardian)
    others = ("freeze-reserve", "cut-supply-cap", "cut-borrow-cap")
    assert actions(found) == {"pause-reserve": True} | dict.fromkeys(others, False)
    assert any("is 0, so there is nothing to cut by setBorrowCap" in doubt for doubt in found["not_told"])
    assert len(found["markets"]) == 2, "both reserves, each a market"
    assert set(found["markets"].values()) == {guarded.aave.asset(name) for name in (DOLLAR, ETHER)}
    assert {action.market for action in written(guarded, tmp_path).actions} == set(found["markets"])


async def test_aave__its_configurator_alone__says_what_else_to_name(guarded: Guarded, tmp_path: Path) -> None:
    found = await init(guarded, tmp_path / "new", "--contract", f"it={guarded.aave.configurator}", code=1)
    assert found["ok"] is False
    assert any("name its Pool or PoolAddressesProvider too" in doubt for doubt in found["not_told"])
    assert not (tmp_path / "new").exists()


async def test_safe__with_a_module__its_state_is_said_and_the_module_s_pause_proposed(
    guarded: Guarded, tmp_path: Path
) -> None:
    flags = [f"--contract={name}={at}" for name, at in (("safe", guarded.safe.address), ("module", guarded.module))]
    found = await init(guarded, tmp_path / "new", *flags, code=1)
    modules = {(one["right"], one["held_by"]) for one in found["rights"] if one["contract"] == "safe"}
    assert modules == {("module module", "enabled"), ("module keeper", "not enabled")}
    assert any("module has pause(), but paused()(bool) does not answer" in doubt for doubt in found["not_told"])


async def test_compound_comet_and_lido__are_known(guarded: Guarded, tmp_path: Path) -> None:
    named = {"comet": guarded.comet, "comptroller": guarded.comptroller, "ctoken": guarded.ctoken}
    named |= {"breaker": guarded.breaker, "queue": guarded.timed, "settings": guarded.config}
    found = await init(guarded, tmp_path, *[f"--contract={name}={at}" for name, at in named.items()])
    assert actions(found) == {
        "pause-flags": True,
        "pause-borrow": True,
        "pause-mint": True,
        "pause-for": None,
        "pause": True,
    }
    assert any("begin with --preset gmx-parameter" in doubt for doubt in found["not_told"])
    by_name = {one.name: one for one in written(guarded, tmp_path).actions}
    assert arm(by_name["pause-flags"]).at("1").action.call.args == ("true", "true", "true", "true", "true")


async def test_demo_protocol__markets_by_identifier__are_known(tmp_path: Path, guarded: Guarded) -> None:
    async with Anvil() as node:
        world = await deploy_world(node)
        flags = ("--rpc", node.ws_url, "--contract", f"exchange={world.exchange}", "--market", "ETH-PERP")
        who = ("--keeper-address", world.keeper.address)
        done = await asyncio.to_thread(in_process, "--json", "init", tmp_path, *flags, *who)
        assert done.code == 0, done.err
        assert {"pause-market", "tighten-withdrawals"} <= actions(json.loads(done.out)).keys()


# -- what is wrong ------------------------------------------------------------------------------------------------------------


async def refused(*flags: str | Path) -> Done:
    return await asyncio.to_thread(in_process, "init", *flags)


async def test_address_without_code__is_refused_and_nothing_is_written(guarded: Guarded, tmp_path: Path) -> None:
    flags = ("--rpc", guarded.node.ws_url, "--contract", f"vault={guarded.keeper}")
    done = await refused(tmp_path / "new", *flags)
    assert done.code == 2
    assert f"there is no contract at {guarded.keeper} (vault)" in done.err
    assert not (tmp_path / "new").exists()


async def test_another_chain__is_refused(guarded: Guarded, tmp_path: Path) -> None:
    flags = ("--rpc", guarded.node.ws_url, "--contract", guarded.vault, "--chain", "1")
    done = await refused(tmp_path / "new", *flags)
    assert (done.code, "is of chain 31337, and --chain says 1" in done.err) == (2, True)
    assert not (tmp_path / "new").exists()


async def test_node_out_of_reach__exit_3_and_its_key_is_not_shown(guarded: Guarded, tmp_path: Path) -> None:
    flags = ("--rpc", "http://127.0.0.1:9/v3/0123456789abcdef0123456789abcdef", "--contract", guarded.vault)
    done = await refused(tmp_path / "new", *flags)
    assert done.code == 3
    assert "0123456789abcdef" not in done.out + done.err
    assert not (tmp_path / "new").exists()


async def test_file_that_exists__is_kept(guarded: Guarded, tmp_path: Path) -> None:
    (tmp_path / "keeper.yaml").write_text("mine")
    done = await refused(tmp_path, "--rpc", guarded.node.ws_url, "--contract", guarded.vault)
    assert done.code == 2
    assert "exists already" in done.err
    assert [(tmp_path / "keeper.yaml").read_text(), (tmp_path / ".env").exists()] == ["mine", False]


async def test_abi__of_a_contract_whose_code_does_not_tell__is_taken(guarded: Guarded, tmp_path: Path) -> None:
    node = guarded.node
    # answers 0 to everything and takes every call: no selector is in its code
    mute = "0x00000000000000000000000000000000000A11cE"
    await node.rpc("anvil_setCode", mute, "0x60205ff3")
    flags = ("--contract", f"mute={mute}")
    found = await init(guarded, tmp_path / "without", *flags, code=1)
    assert any("none of its 0 functions is known here" in doubt for doubt in found["not_told"])
    abi = tmp_path / "abi.json"
    abi.write_text(
        '{"abi": [{"type": "function", "name": "pause", "inputs": []}, {"type": "event", "name": "Paused"}]}'
    )
    assert actions(await init(guarded, tmp_path / "with", *flags, "--abi", abi)) == {"pause": True}
    abi.write_text("{}")
    done = await refused(tmp_path / "bad", "--rpc", node.ws_url, *flags, "--abi", abi)
    assert (done.code, "holds no JSON ABI" in done.err) == (2, True)


async def test_preset_and_contract__together__are_refused(guarded: Guarded, tmp_path: Path) -> None:
    done = await refused(tmp_path / "new", "--preset", "safe", "--contract", guarded.vault)
    assert (done.code, "reads no contract" in done.err) == (2, True)


async def test_process__from_the_environment_without_a_terminal__asks_nothing(guarded: Guarded, tmp_path: Path) -> None:
    env = {"KEEPER_RPC_URL": guarded.node.ws_url}
    flags = ("--contract", f"vault={guarded.vault}")
    done = await asyncio.to_thread(keeper, "init", tmp_path / "new", *flags, env=env)
    assert done.code == 0, done.err
    assert "action pause: pause() of vault; paused()(bool) is false now" in done.out
    assert "whether the keeper may cannot be told: no --keeper-address was given" in done.out
    checked = await asyncio.to_thread(keeper, "check", tmp_path / "new" / "keeper.yaml", env=env | NOTIFY)
    assert checked.code == 0, checked.out + checked.err
