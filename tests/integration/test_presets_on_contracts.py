"""Each preset for a protocol on contracts that it is made for: its actions work for the key with the right and no other, and can be undone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from keeper.adapters.chain.node import NodeClient
from keeper.config.template import PROTOCOLS
from keeper.devnet.anvil import Anvil
from keeper.devnet.transactions import calldata
from keeper.domain.abi import encode_call
from keeper.domain.action import PREVIOUS, Action, FunctionCall
from keeper.domain.bits import put
from keeper.domain.outcome import Reason
from keeper.execution.gate import already_there, not_adjusted, simulated
from keeper.execution.planner import ArmedAction, arm
from tests.support.contract_calls import transact
from tests.support.guarded import OPEN_INTEREST, Guarded, deploy_guarded

# One deployment for the whole file: the tests share its event loop.
pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

CASES = {
    ("openzeppelin-pausable", "pause"): ("false", "true"),
    ("safe-module", "pause"): ("false", "true"),
    ("lido-breaker", "pause"): ("false", "true"),
    ("compound-flag", "pause-comet"): ("1", "31"),
    ("compound-flag", "pause-borrow"): ("false", "true"),
    ("compound-flag", "pause-mint"): ("false", "true"),
    ("gmx-parameter", "halve-longs"): (str(OPEN_INTEREST), str(OPEN_INTEREST // 2)),
    ("gmx-parameter", "halve-shorts"): (str(OPEN_INTEREST), str(OPEN_INTEREST // 2)),
    ("aave-v3", "pause-reserve"): ("false", "true"),
    ("aave-v3", "freeze-reserve"): ("false", "true"),
    ("aave-v3", "cut-supply-cap"): ("50000", "40000"),
    ("aave-v3", "cut-borrow-cap"): ("40000", "32000"),
}
"""What the view answers before and after."""
WHO_UNDOES = {
    "safe-module": "safe",
    "lido-breaker": "nobody",
    "aave-v3": "keeper",
    "gmx-parameter": "keeper",
    "openzeppelin-pausable": "keeper",
}
SUPPLY_PAUSED = calldata("pause(bool,bool,bool,bool,bool)", True, False, False, False, False)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployed() -> AsyncIterator[tuple[Guarded, NodeClient]]:
    async with Anvil() as node:
        guarded = await deploy_guarded(node)
        await transact(node, guarded.admin, guarded.comet, SUPPLY_PAUSED)
        client = NodeClient(node.ws_url)
        yield guarded, client
        await client.close()


@pytest_asyncio.fixture(loop_scope="module")
async def stage(deployed: tuple[Guarded, NodeClient]) -> AsyncIterator[tuple[Guarded, NodeClient]]:
    """As it was deployed, whatever the test before this one did."""
    snapshot = await deployed[0].node.rpc("evm_snapshot")
    yield deployed
    assert await deployed[0].node.rpc("evm_revert", snapshot)


def of(guarded: Guarded, preset: str, name: str) -> Action:
    (action,) = {one.name: one for one in guarded.preset(preset).actions if one.name == name}.values()
    return action


async def now(client: NodeClient, armed: ArmedAction) -> str:
    return armed.effect_text((await client.read([armed.effect_call], await client.head()))[0])


async def test_cases__are_all_actions_of_all_presets(stage: tuple[Guarded, NodeClient]) -> None:
    named = {(preset, one.name) for preset in PROTOCOLS for one in stage[0].preset(preset).actions}
    assert named == set(CASES)


@pytest.mark.parametrize(("preset", "name"), CASES)
async def test_preset__its_action__works_with_the_right_and_is_shown_without(
    stage: tuple[Guarded, NodeClient], preset: str, name: str
) -> None:
    guarded, client = stage
    before, after = CASES[preset, name]
    armed = arm(of(guarded, preset, name))
    assert await now(client, armed) == before
    ready = armed.at(before)
    assert already_there(ready, before) is None
    assert not_adjusted(ready) is None
    assert simulated(ready, guarded.keeper, await client.simulate(ready.call, guarded.keeper)) is None
    refused = simulated(ready, guarded.outsider, await client.simulate(ready.call, guarded.outsider))
    assert refused is not None
    assert refused.reason is Reason.MISSING_ROLE
    await transact(guarded.node, guarded.keeper, ready.call.to, ready.call.data)
    assert await now(client, armed) == after
    assert ready.in_effect(after)


@pytest.mark.parametrize(("preset", "name"), [case for case in CASES if case[0] != "lido-breaker"])
async def test_preset__its_undo__brings_back_what_there_was(
    stage: tuple[Guarded, NodeClient], preset: str, name: str
) -> None:
    guarded, client = stage
    before, _ = CASES[preset, name]
    action = of(guarded, preset, name)
    ready = arm(action).at(before)
    await transact(guarded.node, guarded.keeper, ready.call.to, ready.call.data)
    assert action.undo is not None
    undo = encode_call(FunctionCall(action.undo.target, action.undo.signature, put(action.undo.args, PREVIOUS, before)))
    who = WHO_UNDOES.get(preset, "admin")
    if who == "safe":
        await guarded.safe.execute(undo.to, undo.data)
    else:
        await transact(guarded.node, guarded.keeper if who == "keeper" else guarded.admin, undo.to, undo.data)
    assert await now(client, ready) == before


async def test_comet__a_flag_of_somebody_else__stays_set_and_is_no_effect_of_ours(
    stage: tuple[Guarded, NodeClient],
) -> None:
    guarded, client = stage
    armed = arm(of(guarded, "compound-flag", "pause-comet"))
    only_buy = calldata("pause(bool,bool,bool,bool,bool)", False, False, False, False, True)
    await transact(guarded.node, guarded.admin, guarded.comet, only_buy)
    assert await now(client, armed) == "16"
    ready = armed.at("16")
    assert not ready.in_effect("16")
    assert not ready.in_effect("24")
    await transact(guarded.node, guarded.keeper, ready.call.to, ready.call.data)
    assert await now(client, armed) == "30"
    assert ready.in_effect("30")
    assert ready.in_effect("31")
    assert armed.at("31").call.data == b"", "all that it wants is set: nothing to send"


async def test_lido__its_one_pause_used__is_shown_as_a_missing_right(stage: tuple[Guarded, NodeClient]) -> None:
    guarded, client = stage
    armed = arm(of(guarded, "lido-breaker", "pause"))
    await transact(guarded.node, guarded.keeper, armed.call.to, armed.call.data)
    await guarded.node.rpc("evm_increaseTime", 3 * 86_400 + 1)
    await guarded.node.mine()
    assert await now(client, armed) == "false", "it has ended by itself"
    refused = simulated(armed, guarded.keeper, await client.simulate(armed.call, guarded.keeper))
    assert refused is not None
    assert refused.reason is Reason.MISSING_ROLE
    assert "SenderNotPauser()" in refused.message


async def test_safe_module__disabled_by_its_owners__is_shown(stage: tuple[Guarded, NodeClient]) -> None:
    guarded, client = stage
    armed = arm(of(guarded, "safe-module", "pause"))
    before_it = "0x0000000000000000000000000000000000000001"
    data = calldata("disableModule(address,address)", before_it, guarded.module)
    await guarded.safe.execute(guarded.safe.address, data)
    refused = simulated(armed, guarded.keeper, await client.simulate(armed.call, guarded.keeper))
    assert refused is not None
    assert refused.reason is Reason.MISSING_ROLE
    assert "GS104" in refused.message
