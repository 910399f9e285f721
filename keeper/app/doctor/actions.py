"""The signer, and whether each armed action would work right now."""

from __future__ import annotations

from collections.abc import AsyncIterator

from keeper.adapters.chain.node import NodeClient
from keeper.app.doctor.check import Check, Health
from keeper.app.doctor.sources import PRIMARY_FIRST
from keeper.app.readiness import FEE_MARGIN, GAS_GUESS
from keeper.app.remedies import of_node
from keeper.app.wiring import open_signer
from keeper.config import model
from keeper.domain.block import BlockStamp
from keeper.domain.errors import KeeperError, MalformedAnswer, OutsideError, Refused
from keeper.execution.gate import not_adjusted, simulated
from keeper.execution.planner import ArmedAction, arm


async def examine_actions(config: model.Config, node: NodeClient, head: BlockStamp | str) -> AsyncIterator[Check]:
    """``head`` is the block to read at, or why there is none."""
    try:
        signer = await open_signer(config.signer)
    except KeeperError as error:
        yield Check("signer", Health.FAIL, error.message, error.remedy or "correct `signer` in the configuration")
        return
    if signer is None:
        yield Check("signer", Health.WARN, "no signer: shadow mode only, and actions are not simulated")
        return
    yield Check("signer", Health.OK, signer.address)
    if isinstance(head, str):
        yield Check("actions", Health.FAIL, f"not simulated: {head}", PRIMARY_FIRST)
        return
    try:
        nonce, balance = await node.account(signer.address)
        tip = await node.priority_fee_wei()
        gas = sum(action.gas_limit or GAS_GUESS for action in config.actions)
        needed = gas * (head.next_base_fee_wei + tip) * FEE_MARGIN
        message = f"{balance} wei, nonce {nonce}; every armed action at four times the current fee costs {needed} wei"
        health = Health.OK if balance >= needed else Health.FAIL
        yield Check("balance", health, message, "" if health is Health.OK else f"send ETH to {signer.address}")
        for action in config.actions:
            yield await _action(arm(action), node, head, signer.address)
    except OutsideError as error:
        yield Check("actions", Health.FAIL, error.message, of_node(error))


async def _action(armed: ArmedAction, node: NodeClient, head: BlockStamp, sender: str) -> Check:
    action = armed.action
    name = f"action {action.name} on {action.market}"
    try:
        current = armed.effect_text((await node.read([armed.effect_call], head))[0])
        armed = armed.at(current)
    except (MalformedAnswer, Refused) as error:
        return Check(name, Health.FAIL, error.message, error.remedy or "correct `target` or `read` of the action")
    if armed.in_effect(current):
        return Check(
            name, Health.WARN, f"{action.effect.read.signature} is {current}: in effect already, so not simulated"
        )
    outcome = not_adjusted(armed)
    if outcome is None:
        outcome = simulated(armed, sender, await node.simulate(armed.call, sender))
    if outcome is not None:
        remedy = outcome.remedy or "correct the action, or what its contract asks of the key"
        return Check(name, Health.FAIL, f"{outcome.reason}: {outcome.message}", remedy)
    return Check(name, Health.OK, f"would work; {action.effect.read.signature} is {current} now")
