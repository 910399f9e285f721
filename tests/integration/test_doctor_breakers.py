"""The doctor at a breaker contract: everything fits, and each thing that does not is told with its remedy."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from keeper.app.doctor import Check, Health, deployments, examine
from keeper.config import load
from keeper.devnet.guard import Bound, Limits, Registration, limit_breaker, pause_breaker
from keeper.devnet.transactions import calldata
from keeper.devnet.world import WITHDRAWAL_LIMIT, Role
from keeper.domain.address import keccak256
from keeper.domain.breaker_registration import Side
from keeper.domain.circuit_breaker import BREAKER_OF, breaker_id, view_call
from tests.support.breaker_stage import GuardedStage, guarded
from tests.support.keeper_stage import MARKET, OTHER, Setup

# One deployment for all: each test leaves the chain as it found it.
pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

BREAKER = f"breaker pause {MARKET} of action pause-market on {MARKET}"
ACTION = f"action pause-market on {MARKET}"
LIMITS = f"breaker limit {MARKET} of action pause-market on {MARKET}"
PAUSES = """\
    kind: pause
    target: "{exchange}"
    call: "pauseMarket(bytes32)"
    args: ["{{id}}"]
    read: {{call: "paused(bytes32)(bool)", args: ["{{id}}"], expect: "true"}}
    undo: {{call: "unpauseMarket(bytes32)", args: ["{{id}}"]}}
"""
ADJUSTS = """\
    kind: rate-limit
    target: "{exchange}"
    call: "setWithdrawalLimit(bytes32,uint256)"
    args: ["{{id}}", "{{new}}"]
    new: "current * {factor}"
    bounds: {{min: {least}, max: {most}}}
    max_step: {step}
    read: {{call: "withdrawalLimit(bytes32)(uint256)", args: ["{{id}}"]}}
    safe_side: {side}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[GuardedStage]:
    async with guarded(tmp_path_factory.mktemp("guarded")) as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="module")
async def stage(deployed: GuardedStage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[GuardedStage]:
    """As it was deployed, with no deployments file anywhere."""
    monkeypatch.setattr(deployments, "REPOSITORY", tmp_path / "nowhere")
    snapshot = await deployed.stage.node.rpc("evm_snapshot")
    deployed.write()
    yield deployed
    assert await deployed.stage.node.rpc("evm_revert", snapshot)


async def examined(stage: GuardedStage) -> dict[str, Check]:
    """Each check of a breaker, its council, its keeper and its actions, with the contract's address left out; what is not ok has a remedy."""
    await stage.stage.node.mine()
    found = {}
    async for check in examine(load(stage.config)):
        assert check.remedy or check.health is not Health.FAIL, check
        if check.name.startswith(("breaker", "action")):
            assert check.remedy or check.health is Health.OK or "in effect already" in check.message, check
            found[check.name.replace(stage.guard.address, "IT")] = check
    return found


async def only(stage: GuardedStage, name: str, health: Health, *, action: bool = True) -> Check:
    """The one check that is not ok; with ``action`` the simulation of the action may not be either."""
    found = await examined(stage)
    bad = {each: check for each, check in found.items() if check.health is not Health.OK}
    if action:
        bad.pop(ACTION, None)
    bad.pop("breaker contract IT council", None)  # one key of the local world
    assert list(bad) == [name], bad
    assert bad[name].health is health
    return bad[name]


async def register(stage: GuardedStage, registration: Registration, name: str = f"pause {MARKET}") -> None:
    """In the place of what is registered."""
    identifier = breaker_id(name)
    await stage.council("unregister(bytes32)", identifier)
    await by_council(stage, registration.register(identifier))


async def by_council(stage: GuardedStage, data: bytes) -> None:
    from keeper.devnet.transactions import send

    node = stage.stage.node
    tx_hash = await send(node, stage.stage.world.admin.address, stage.guard.address, data, gas=5_000_000)
    await node.mine()
    assert (await node.rpc("eth_getTransactionReceipt", tx_hash))["status"] == "0x1"


async def test_doctor__everything_fits__says_so(stage: GuardedStage) -> None:
    found = await examined(stage)
    assert {name: check.health.value for name, check in found.items()} == {
        "breaker contract IT": "ok",
        "breaker contract IT council": "warn",
        "breaker contract IT keeper": "ok",
        BREAKER: "ok",
        ACTION: "ok",
    }
    assert found[BREAKER].message.startswith("ready, and does what the action says; a trip lasts 6 h, at most 3 in ")
    assert "is one key" in found["breaker contract IT council"].message
    assert "Safe" in found["breaker contract IT council"].remedy


async def test_contract__nobody_there__fails(stage: GuardedStage) -> None:
    stage.write(change=lambda text: text.replace(stage.guard.address, stage.stage.world.trader.address))
    found = await examined(stage)
    (check,) = [check for name, check in found.items() if name.startswith("breaker contract")]
    assert (check.health, check.message) == (Health.FAIL, "there is no contract at this address")


async def test_contract__another_one__fails(stage: GuardedStage) -> None:
    text = stage.config.read_text("utf-8")
    stage.config.write_text(
        text.replace(f'address: "{stage.guard.address}"}}}}', f'address: "{stage.stage.world.exchange}"}}}}')
    )
    found = await examined(stage)
    check = found[f"breaker contract {stage.stage.world.exchange}"]
    assert check.health is Health.FAIL
    assert "is no CircuitBreaker" in check.message


async def test_contract__frozen__fails(stage: GuardedStage) -> None:
    await stage.council("freeze()")
    check = await only(stage, "breaker contract IT", Health.FAIL)
    assert "frozen" in check.message
    assert "unfreeze()" in check.remedy


async def test_council__ownership_offered_and_no_guardian__are_told(stage: GuardedStage) -> None:
    world = stage.stage.world
    await stage.council("transferOwnership(address)", world.trader.address)
    await stage.council("setGuardian(address)", "0x" + "0" * 40)
    messages = []
    async for check in examine(load(stage.config)):
        if check.name.endswith("council"):
            messages.append((check.health, check.message))
    assert [health for health, _ in messages] == [Health.WARN] * 3
    assert f"offered to {world.trader.address}" in messages[1][1]
    assert "no guardian" in messages[2][1]


async def test_council__a_contract__is_ok(stage: GuardedStage) -> None:
    await stage.stage.node.set_code(stage.stage.world.admin.address, "0x00")
    found = await examined(stage)
    assert found["breaker contract IT council"].health is Health.OK
    await stage.stage.node.set_code(stage.stage.world.admin.address, "0xef0100" + "11" * 20)
    found = await examined(stage)
    assert found["breaker contract IT council"].health is Health.WARN, "a delegated account is one key still"
    await stage.stage.node.set_code(stage.stage.world.admin.address, "0x")


async def test_keeper__revoked__fails(stage: GuardedStage) -> None:
    await stage.council("revokeKeeper(address)", stage.stage.world.keeper.address)
    check = await only(stage, "breaker contract IT keeper", Health.FAIL)
    assert "is no keeper of this contract" in check.message
    assert f"addKeeper({stage.stage.world.keeper.address})" in check.remedy


@pytest.mark.parametrize(
    ("hours", "health"), [(11, Health.OK), (13, Health.WARN), (23, Health.WARN), (25, Health.FAIL)]
)
async def test_keeper__silent_for_hours__is_told_before_it_is_too_late(
    stage: GuardedStage, hours: int, health: Health
) -> None:
    """The limit is a day, the heartbeat six hours: less than twelve left means that one was missed."""
    await stage.stage.node.rpc("evm_increaseTime", hours * 3_600)
    found = await examined(stage)
    assert found["breaker contract IT keeper"].health is health


@pytest.mark.parametrize(("heartbeat", "health"), [("12h", Health.OK), ("721m", Health.WARN)])
async def test_keeper__heartbeat_longer_than_half_of_the_limit__is_told(
    stage: GuardedStage, heartbeat: str, health: Health
) -> None:
    stage.write(route=f", heartbeat: {heartbeat}")
    check = (await examined(stage))["breaker contract IT keeper"]
    assert check.health is health
    assert ("each 721 min, and the contract's limit is 1 d" in check.message) is (health is Health.WARN)


async def test_breaker__not_registered__fails(stage: GuardedStage) -> None:
    stage.write(change=lambda text: text.replace(f'"pause {MARKET}"', '"pause nothing"'))
    await only(stage, f"breaker pause nothing of action pause-market on {MARKET}", Health.FAIL)


async def test_breaker__disarmed__fails(stage: GuardedStage) -> None:
    await stage.council("disarm(bytes32)", stage.guard.pauses[MARKET])
    assert "arm(bytes32)" in (await only(stage, BREAKER, Health.FAIL)).remedy


async def test_breaker__tripped_then_resting__is_told_with_its_time_and_nothing_fails(stage: GuardedStage) -> None:
    await stage.trip_by_hand(MARKET)
    found = await examined(stage)
    assert found[BREAKER].health is Health.WARN
    assert "it is tripped until" in found[BREAKER].message
    assert (found[ACTION].health, "in effect already" in found[ACTION].message) == (Health.WARN, True)
    await stage.council("lift(bytes32,bool)", stage.guard.pauses[MARKET], True)
    found = await examined(stage)
    assert found[BREAKER].health is found[ACTION].health is Health.WARN
    assert "it is locked until" in found[BREAKER].message, "the lock of an hour outlasts the cooldown of ten minutes"
    assert found[ACTION].message.startswith("resting: breaker pause ETH-PERP of ")
    assert "it is locked until" in found[ACTION].message
    assert "it works again from" in found[ACTION].remedy
    assert all(check.health is not Health.FAIL for check in found.values())


async def test_action__tripped_and_undone_by_hand__rests(stage: GuardedStage) -> None:
    await stage.trip_by_hand(MARKET)
    await undone_by_hand(stage)
    check = (await examined(stage))[ACTION]
    assert check.health is Health.WARN
    assert "may trip again from" in check.message


async def test_action__ratified_and_undone_by_hand__fails(stage: GuardedStage) -> None:
    await stage.trip_by_hand(MARKET)
    await stage.council("ratify(bytes32)", stage.guard.pauses[MARKET])
    await undone_by_hand(stage)
    check = (await examined(stage))[ACTION]
    assert (check.health, "has not ended" in check.message) == (Health.FAIL, True)


async def test_action__resting_and_the_contract_lost_its_role__fails(stage: GuardedStage) -> None:
    await stage.trip_by_hand(MARKET)
    await stage.council("lift(bytes32,bool)", stage.guard.pauses[MARKET], True)
    await stage.stage.world.revoke(Role.PAUSER, stage.guard.address)
    check = (await examined(stage))[ACTION]
    assert (check.health, check.message.partition(":")[0]) == (Health.FAIL, "missing-role")


async def undone_by_hand(stage: GuardedStage) -> None:
    from keeper.devnet.transactions import send

    world = stage.stage.world
    data = calldata("unpauseMarket(bytes32)", world.market_id(MARKET))
    await send(stage.stage.node, world.admin.address, world.exchange, data, gas=500_000)
    await stage.stage.node.mine()
    assert not int(
        await stage.stage.node.rpc(
            "eth_call",
            {"to": world.exchange, "data": "0x" + calldata("paused(bytes32)", world.market_id(MARKET)).hex()},
            "latest",
        ),
        16,
    )


async def test_breaker__another_market__would_pause_something_else(stage: GuardedStage) -> None:
    stage.write(change=lambda text: text.replace(f'breaker: "pause {MARKET}"', f'breaker: "pause {OTHER}"'))
    check = await only(stage, f"breaker pause {OTHER} of action pause-market on {MARKET}", Health.FAIL)
    assert "argument 1 of its call is 0x" in check.message
    assert "argument 1 of its undo is 0x" in check.message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: replace(r, call=calldata("unpauseMarket(bytes32)", r.call[4:])), "its call has the selector"),
        (lambda r: replace(r, undo=r.call), "its undo has the selector"),
        (lambda r: replace(r, call=r.call + bytes(32)), "its call has 68 bytes"),
        (lambda r: replace(r, expected=bytes(32), call=r.undo), "selector"),
        (lambda r: replace(r, expected=bytes(31) + b"\2"), "it expects 0x" + "0" * 63 + "2 of paused(bytes32)(bool)"),
    ],
)
async def test_breaker__registered_otherwise__fails(
    stage: GuardedStage, change: Callable[[Registration], Registration], words: str
) -> None:
    usual = pause_breaker(stage.stage.world, MARKET, Limits())
    await register(stage, change(usual))
    assert words in (await only(stage, BREAKER, Health.FAIL)).message


async def test_breaker__another_target__fails(stage: GuardedStage) -> None:
    usual = pause_breaker(stage.stage.world, MARKET, Limits())
    await register(stage, replace(usual, target=stage.stage.world.token))
    message = (await only(stage, BREAKER, Health.FAIL)).message
    assert f"it calls {stage.stage.world.token}, and the action {stage.stage.world.exchange}" in message


async def test_breaker__another_view__is_told(stage: GuardedStage) -> None:
    world = stage.stage.world
    usual = pause_breaker(world, MARKET, Limits())
    other = calldata("withdrawalLimit(bytes32)", world.market_id(MARKET))
    await register(stage, replace(usual, probe=other, expected=bytes(32)))
    assert "another view" in (await only(stage, BREAKER, Health.WARN)).message


async def test_breaker__of_several_keepers__needs_a_place_and_the_action_is_simulated_as_the_contract(
    stage: GuardedStage, tmp_path: Path
) -> None:
    await register(stage, pause_breaker(stage.stage.world, MARKET, Limits(required=2)))
    check = await only(stage, BREAKER, Health.FAIL)
    assert "it asks for 2 keepers" in check.message
    assert "orders" in check.remedy
    stage.write(route=f', orders: "{tmp_path}"')
    found = await examined(stage)
    assert found[BREAKER].message.endswith("2 keepers sign")
    assert found[ACTION].health is Health.OK
    assert found[ACTION].message.startswith("would work, once enough keepers have signed")
    await stage.stage.world.revoke(Role.PAUSER, stage.guard.address)
    found = await examined(stage)
    assert found[ACTION].message.startswith(f"missing-role: {stage.guard.address} may not call pauseMarket")


async def test_action__the_contract_lost_its_role__says_whom_to_grant_it(stage: GuardedStage) -> None:
    await stage.stage.world.revoke(Role.PAUSER, stage.guard.address)
    found = await examined(stage)
    assert found[BREAKER].health is Health.OK
    assert found[ACTION].health is Health.FAIL
    assert "missing-role: not possible through breaker" in found[ACTION].message
    assert "to the breaker contract" in found[ACTION].remedy


def adjusting(
    stage: GuardedStage,
    *,
    least: int = WITHDRAWAL_LIMIT // 10,
    most: int = WITHDRAWAL_LIMIT,
    step: str = "75%",
    side: str = "lower",
    more: str = "",
) -> None:
    """The action lowers the withdrawal limit, through the breaker of that."""
    exchange = stage.stage.world.exchange

    def change(text: str) -> str:
        old = PAUSES.format(exchange=exchange)
        assert text.count(old) == 1
        text = text.replace(
            old,
            ADJUSTS.format(
                exchange=exchange, least=least, most=most, step=step, side=side, factor=0.5 if side == "lower" else 1.5
            ),
        )
        return text.replace(f'breaker: "pause {MARKET}"\n', f'breaker: "limit {MARKET}"\n{more}')

    stage.write(change=change)


async def test_adjustment__within_its_breaker__is_ok(stage: GuardedStage) -> None:
    adjusting(stage)
    found = await examined(stage)
    assert (found[LIMITS].health, found[ACTION].health) == (Health.OK, Health.OK), found


@pytest.mark.parametrize(
    ("wide", "words"),
    [
        ({"least": WITHDRAWAL_LIMIT // 10 - 1}, "`bounds.min` is"),
        ({"most": WITHDRAWAL_LIMIT + 1}, "`bounds.max` is"),
        ({"step": "75.01%"}, "`max_step` is 75.01%, the breaker's 7500 bps"),
    ],
)
async def test_adjustment__wider_than_its_breaker__is_told(
    stage: GuardedStage, wide: dict[str, Any], words: str
) -> None:
    adjusting(stage, **wide)
    check = await only(stage, LIMITS, Health.WARN)
    assert words in check.message


async def test_adjustment__to_the_other_side__fails(stage: GuardedStage) -> None:
    adjusting(stage, side="higher")
    assert "its safe side of argument 2 is lower" in (await only(stage, LIMITS, Health.FAIL)).message


async def test_adjustment__its_argument_fixed_in_the_breaker__fails(stage: GuardedStage) -> None:
    world = stage.stage.world
    usual = limit_breaker(world, MARKET, Limits())
    other = Bound(world.exchange, 0, 0, Side.LOWER, 7_500, 1, 2**256 - 1, usual.bounds[0].view)
    await register(stage, replace(usual, bounds=(other,)), f"limit {MARKET}")
    adjusting(stage)
    assert (
        "the argument that the action adjusts is fixed in its call" in (await only(stage, LIMITS, Health.FAIL)).message
    )


async def test_values__another_number_than_bounds__fails(stage: GuardedStage) -> None:
    adjusting(stage, more='    breaker_values: ["{new}", "7"]\n')
    message = (await only(stage, LIMITS, Health.FAIL)).message
    assert "it has 1 bound, and the action gives 2 values" in message


# -- the reviewed file --------------------------------------------------------------------------------------------------------


async def reviewed(stage: GuardedStage, **changes: Any) -> None:
    """The file beside the configuration, as ``scripts/verify_breaker.py`` writes it."""
    node, address = stage.stage.node, stage.guard.address
    code = bytes.fromhex((await node.rpc("eth_getCode", address, "latest"))[2:])
    identifier = stage.guard.pauses[MARKET]
    call = view_call(address, BREAKER_OF, identifier)
    answer = await node.rpc("eth_call", {"to": address, "data": "0x" + call.data.hex()}, "latest")
    record = {
        "schema": 1,
        "chain_id": 31337,
        "address": address,
        "code_hash": "0x" + keccak256(code).hex(),
        "council_accepted": True,
        "rights_given": True,
        "breakers": [
            {
                "id": f"pause {MARKET}",
                "id_bytes32": identifier,
                "registration_hash": "0x" + keccak256(bytes.fromhex(answer[2:])).hex(),
            }
        ],
    }
    path = stage.stage.folder / "deployments" / "31337.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(record | changes), encoding="utf-8")


@pytest.mark.parametrize(
    ("changes", "health", "words"),
    [
        ({}, Health.OK, "address, code and 1 registration are as in"),
        ({"rights_given": False}, Health.WARN, "it had not its rights"),
        ({"council_accepted": None}, Health.WARN, "had not accepted"),
        ({"address": "0x" + "1" * 40}, Health.WARN, "the reviewed file is about another contract (address 0x1111"),
        ({"code_hash": "0x" + "1" * 64}, Health.FAIL, "the code is another one"),
        ({"breakers": []}, Health.FAIL, f"breaker pause {MARKET} was not reviewed"),
        (
            {"breakers": [{"id_bytes32": breaker_id(f"pause {MARKET}"), "registration_hash": "0x"}]},
            Health.FAIL,
            f"breaker pause {MARKET} is registered otherwise than reviewed",
        ),
        ({"schema": 2}, Health.FAIL, "is of schema 2"),
        ({"chain_id": 1}, Health.FAIL, "chain 1"),
        ({"breakers": 5}, Health.FAIL, "cannot be read: TypeError"),
    ],
)
async def test_deployment__held_against_the_chain(
    stage: GuardedStage, changes: dict[str, Any], health: Health, words: str
) -> None:
    await reviewed(stage, **changes)
    try:
        found = await examined(stage)
    finally:
        (stage.stage.folder / "deployments" / "31337.json").unlink()
    check = found["breaker contract IT deployment"]
    assert check.health is health
    assert words in check.message


async def test_deployment__no_json__fails(stage: GuardedStage) -> None:
    path = stage.stage.folder / "deployments" / "31337.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text("[" * 100_000, encoding="utf-8")
    try:
        found = await examined(stage)
    finally:
        path.unlink()
    assert found["breaker contract IT deployment"].health is Health.FAIL


async def test_no_key__the_contract_and_its_breakers_are_examined_all_the_same(stage: GuardedStage) -> None:
    stage.write(
        Setup(mode="shadow"), change=lambda text: text.replace("signer: {kind: key-file, path: keeper.key}\n", "")
    )
    found = await examined(stage)
    assert found[BREAKER].health is Health.OK
    assert "breaker contract IT keeper" not in found
