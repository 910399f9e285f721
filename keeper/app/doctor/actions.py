"""Whether each armed action would work right now, and whether the keys can pay."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from keeper.adapters.chain.node import NodeClient
from keeper.app.doctor.check import Check, Health
from keeper.app.doctor.keys import Keys
from keeper.app.doctor.sources import PRIMARY_FIRST
from keeper.app.readiness_keys import FEE_MARGIN, GAS_GUESS
from keeper.app.remedies import of_node
from keeper.app.resting import RESTING, Rest, behind_breaker, says_rest
from keeper.config import model
from keeper.domain.abi import parse_signature
from keeper.domain.action import UPKEEP_LANE, Action
from keeper.domain.block import BlockStamp
from keeper.domain.budget import Budget
from keeper.domain.errors import MalformedAnswer, OutsideError, Refused
from keeper.domain.outcome import Outcome
from keeper.execution.fees import offer
from keeper.execution.gate import not_adjusted, simulated
from keeper.execution.planner import ArmedAction, arm

MIN_GAS = 21_000
"""No transaction takes less."""
SIGNED_TOGETHER = parse_signature("WrongNumberOfSignatures(uint256,uint256)").selector
"""What the breaker contract answers to one key where it asks for several."""


async def examine_actions(
    config: model.Config, node: NodeClient, head: BlockStamp | str, keys: Keys
) -> AsyncIterator[Check]:
    """``head`` is the block to read at, or why there is none; each action is its lane's key's. What a Safe does needs no key, and no ETH of it."""
    safes = {route.name: route.address for route in config.routes if isinstance(route, model.SafeRoute)}
    senders = [keys.sender, *keys.lanes.values()]
    actions = [action for action in config.actions if action.route in safes or keys.of(action.lane) is not None]
    if not any(senders) and not actions:
        return
    if isinstance(head, str):
        yield Check("actions", Health.FAIL, f"not simulated: {head}", PRIMARY_FIRST)
        return
    try:
        paid = [action for action in actions if action.route not in safes]
        for lane, sender in {"": keys.sender, **keys.lanes}.items():
            if sender is not None:
                yield await _balance(lane, [action for action in paid if action.lane == lane], node, head, sender)
        if config.budget.limited and paid:
            fee = offer(head.next_base_fee_wei, await node.priority_fee_wei()).max_fee_wei
            yield examine_budget(config.budget, paid, fee)
        for action in actions:
            sender = keys.of(action.lane)
            if action.route in safes:
                yield await _action(arm(action), node, head, safes[action.route], by_safe=True)
            elif sender is not None:
                yield await _action(arm(action), node, head, sender)
    except OutsideError as error:
        yield Check("actions", Health.FAIL, error.message, of_node(error))


async def _balance(lane: str, paid: Sequence[Action], node: NodeClient, head: BlockStamp, sender: str) -> Check:
    """``paid`` are the actions that the key sends itself; ``lane`` is empty for the first key. Raises OutsideError."""
    nonce, balance = await node.account(sender)
    tip = await node.priority_fee_wei()
    own = lane == UPKEEP_LANE and not paid
    gas = GAS_GUESS if own else sum(action.gas_limit or GAS_GUESS for action in paid)
    needed = gas * (head.next_base_fee_wei + tip) * FEE_MARGIN
    what = "a transaction of the keeper's own" if own else "every armed action"
    costs = f"{what} at four times the current fee costs {needed} wei" if gas else "it pays for no action"
    short = Health.WARN if own else Health.FAIL
    health = Health.OK if balance >= needed else short
    remedy = "" if health is Health.OK else f"send ETH to {sender}"
    return Check(
        f"balance of lane {lane}" if lane else "balance", health, f"{balance} wei, nonce {nonce}; {costs}", remedy
    )


def examine_budget(budget: Budget, paid: Sequence[Action], max_fee_wei: int) -> Check:
    """Whether each of these could be sent at all now: a first offer that is over a budget is withheld. ``max_fee_wei`` is that offer's, per gas."""
    limits = [wei for wei in (budget.per_action_wei, budget.per_day_wei) if wei is not None]
    most = min(limits) // max_fee_wei
    short = [one for one in paid if most < (one.gas_limit or MIN_GAS)]
    dearest = max(one.gas_limit or GAS_GUESS for one in paid)
    says = (
        f"the dearest action may cost {dearest * max_fee_wei} wei in a first offer now; the budget is {min(limits)} wei"
    )
    if not short and most >= dearest:
        return Check("budget", Health.OK, says)
    remedy = "raise `gas_budget_eth_per_action` and `gas_budget_eth_per_day` in `limits`"
    if short:
        names = ", ".join(sorted({one.name for one in short}))
        return Check("budget", Health.FAIL, f"{says}, so these would not be sent: {names}", remedy)
    guess = f"what has no gas_limit is guessed at {GAS_GUESS} gas"
    return Check("budget", Health.WARN, f"{says}; {guess}", f"{remedy}, or set `gas_limit`")


async def _action(
    armed: ArmedAction, node: NodeClient, head: BlockStamp, sender: str, *, by_safe: bool = False
) -> Check:
    """``sender`` is who makes the call: the key, or a Safe whose owners must sign first."""
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
    outcome: Outcome | Rest | None = not_adjusted(armed)
    together = ", once enough owners have signed" if by_safe else ""
    if outcome is None:
        simulation = await node.simulate(armed.call, sender)
        outcome = simulated(armed, sender, simulation)
        if simulation.data[:4] == SIGNED_TOGETHER:
            outcome = await behind_breaker(armed, node, head, node.simulate)
            together = ", once enough keepers have signed"
        elif action.breaker is not None and says_rest(simulation.data):
            outcome = await behind_breaker(armed, node, head, node.simulate) or outcome
    if isinstance(outcome, Rest):
        return Check(name, Health.WARN, f"{RESTING}: {outcome.message}", outcome.remedy)
    if outcome is not None:
        actor = "Safe" if by_safe else "key"
        remedy = outcome.remedy or f"correct the action, or what its contract asks of the {actor}"
        return Check(name, Health.FAIL, f"{outcome.reason}: {outcome.message}", remedy)
    return Check(name, Health.OK, f"would work{together}; {action.effect.read.signature} is {current} now")
