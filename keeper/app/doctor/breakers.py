"""The breaker contracts: are they what the configuration takes them for, may this key trip there, and would a trip do what the action says?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

from keeper.adapters.chain.node import NodeClient
from keeper.app.breakers.registered import Contract, contracts_in
from keeper.app.doctor.breaker_contract import (
    COUNCIL,
    Seen,
    answer_data,
    ask,
    council_checks,
    identity_check,
    keeper_check,
    named,
    not_a_breaker,
)
from keeper.app.doctor.check import Check, Health
from keeper.app.doctor.deployments import Deployment, deployment_of
from keeper.app.doctor.fitting import blind, wider
from keeper.app.doctor.sources import PRIMARY_FIRST
from keeper.app.remedies import of_node
from keeper.config.model import BreakerRoute, Config
from keeper.domain.address import keccak256
from keeper.domain.block import BlockStamp
from keeper.domain.breaker_registration import Registration, decode_registration
from keeper.domain.circuit_breaker import (
    BREAKER_OF,
    STATE_OF,
    BreakerState,
    BreakerStatus,
    breaker_name,
    decode_state,
    refusal,
    span,
    view_call,
)
from keeper.domain.errors import MalformedAnswer, OutsideError
from keeper.execution.fitting import misfits
from keeper.execution.planner import ArmedAction, arm

WRONG_BREAKER = "correct `breaker` or the action; or the council registers what is meant under another name"


async def examine_breakers(
    config: Config, node: NodeClient, head: BlockStamp | str, senders: Mapping[str, str]
) -> AsyncIterator[Check]:
    """``head`` is the block to read at, or why there is none; ``senders`` the address of each key by its lane."""
    routes = [route for route in config.routes if isinstance(route, BreakerRoute)]
    if not routes:
        return
    if isinstance(head, str):
        yield Check("breakers", Health.FAIL, f"not asked: {head}", PRIMARY_FIRST)
        return
    armed = [arm(action) for action in config.actions if action.breaker is not None]
    contracts = contracts_in(armed, routes)
    used = {contract.address for contract in contracts}
    for route in routes:
        if route.address not in used:
            contracts += (Contract(route.address, route.name, route.heartbeat_ms, ()),)
            used.add(route.address)
    orders = {route.name for route in routes if route.orders is not None}
    deployment = deployment_of(config.path, config.chain.id)
    for contract in contracts:
        mine = [each for each in armed if each.action.breaker and each.action.breaker.contract == contract.address]
        try:
            async for check in _contract(contract, mine, node, head, config.chain.id, senders, orders, deployment):
                yield check
        except MalformedAnswer as error:
            remedy = "correct the address of the route: it must be that of a CircuitBreaker on this chain"
            yield Check(named(contract), Health.FAIL, error.message, remedy)
        except OutsideError as error:
            yield Check(named(contract), Health.FAIL, error.message, of_node(error))


async def _contract(
    contract: Contract,
    armed: Sequence[ArmedAction],
    node: NodeClient,
    head: BlockStamp,
    chain_id: int,
    senders: Mapping[str, str],
    orders: set[str],
    deployment: Deployment | str | None,
) -> AsyncIterator[Check]:
    """Raises MalformedAnswer for what is no CircuitBreaker, OutsideError."""
    code = await node.code(contract.address)
    if wrong := await not_a_breaker(contract.address, code, node, head, chain_id):
        remedy = "correct the address of the route, or `chain.id`"
        yield Check(named(contract), Health.FAIL, wrong, remedy)
        return
    keys = contract.keys(senders)
    seen = await ask(contract, node, head, list(keys.values()))
    yield identity_check(contract, seen)
    for check in await council_checks(contract, seen, node):
        yield check
    for lane, sender in keys.items():
        yield keeper_check(contract, seen, lane, sender, head)
    raw = await _registrations(contract, node, head)
    for each in armed:
        yield _action(each, seen, raw, head, orders)
    if deployment is not None:
        yield _deployed(contract, deployment, code, {identifier: data for identifier, (_, data) in raw.items()})


async def _registrations(
    contract: Contract, node: NodeClient, head: BlockStamp
) -> dict[str, tuple[BreakerState, bytes]]:
    """By identifier: where the breaker stands, and what ``breakerOf`` answers."""
    names = list(dict.fromkeys(each.id for each in contract.breakers))
    calls = [view_call(contract.address, view, name) for name in names for view in (STATE_OF, BREAKER_OF)]
    results = await node.read(calls, head) if calls else ()
    data = [answer_data(result, "stateOf or breakerOf") for result in results]
    return {name: (decode_state(data[2 * place]), data[2 * place + 1]) for place, name in enumerate(names)}


def _action(
    armed: ArmedAction,
    seen: Seen,
    raw: Mapping[str, tuple[BreakerState, bytes]],
    head: BlockStamp,
    orders: set[str],
) -> Check:
    action = armed.action
    assert action.breaker is not None, "only actions through a breaker are asked about"
    name = f"breaker {breaker_name(action.breaker.id)} of action {action.name} on {action.market}"
    state, data = raw[action.breaker.id]
    if state.status is BreakerStatus.UNKNOWN:
        remedy = f"correct `breaker` of the action, or {COUNCIL} registers it"
        return Check(name, Health.FAIL, "no such breaker is registered", remedy)
    try:
        registered = decode_registration(data)
    except MalformedAnswer as error:
        return Check(name, Health.FAIL, f"its registration cannot be read: {error.message}", WRONG_BREAKER)
    if wrong := list(misfits(armed, registered)):
        return Check(name, Health.FAIL, f"it is not what the action says: {'; '.join(wrong)}", WRONG_BREAKER)
    required = registered.terms.required
    if required > 1 and action.route not in orders:
        message = f"it asks for {required} keepers, and the route has no place where they could sign together"
        return Check(name, Health.FAIL, message, f"set `orders` of route {action.route}")
    if not state.armed:
        return Check(name, Health.FAIL, "it is disarmed", f"{COUNCIL} looks why, and calls arm(bytes32)")
    # That the contract is frozen has a line of its own.
    if why := refusal(state, registered.terms, head.timestamp_s, frozen=False):
        remedy = "wait, or act by hand if the market is at risk; the keeper tries again by itself"
        return Check(name, Health.WARN, f"would not trip now: {why}", remedy)
    if loose := list(wider(action, registered)):
        remedy = "narrow `bounds` and `max_step` of the action to what is registered"
        return Check(name, Health.WARN, f"the action allows itself more: {'; '.join(loose)}", remedy)
    if blind(armed, registered):
        message = f"it does not ask {action.effect.read.signature} for the effect, as the action does, but another view"
        return Check(name, Health.WARN, message, "make sure that both always say the same")
    return Check(name, Health.OK, _terms(registered, seen))


def _terms(registered: Registration, seen: Seen) -> str:
    terms = registered.terms
    keepers = f", {terms.required} keepers sign" if terms.required > 1 else ""
    ready = "does what the action says" if seen.frozen else "ready, and does what the action says"
    return (
        f"{ready}; a trip lasts {span(terms.duration_s)}, at most {terms.budget} in {span(terms.window_s)}, "
        f"{span(terms.cooldown_s)} apart{keepers}"
    )


def _deployed(contract: Contract, deployment: Deployment | str, code: bytes, raw: Mapping[str, bytes]) -> Check:
    name = f"{named(contract)} deployment"
    if isinstance(deployment, str):
        return Check(name, Health.FAIL, deployment, "restore the file, or move it away")
    if deployment.address != contract.address:
        message = f"{deployment.path}: the reviewed file is about another contract (address {deployment.address})"
        remedy = "verify the deployment of this one (scripts/verify_breaker.py), or correct the address of the route"
        return Check(name, Health.WARN, message, remedy)
    if wrong := list(_differences(deployment, code, raw)):
        remedy = "find out who changed what; then verify the deployment again (scripts/verify_breaker.py)"
        return Check(name, Health.FAIL, f"{deployment.path}: {'; '.join(wrong)}", remedy)
    if not deployment.in_force:
        message = f"{deployment.path}: the council had not accepted it, or it had not its rights, when it was verified"
        return Check(name, Health.WARN, message, "verify the deployment again (scripts/verify_breaker.py --fork)")
    registrations = "1 registration" if len(raw) == 1 else f"{len(raw)} registrations"
    message = f"address, code and {registrations} are as in {deployment.path}"
    return Check(name, Health.OK, message)


def _differences(deployment: Deployment, code: bytes, raw: Mapping[str, bytes]) -> Iterator[str]:
    if "0x" + keccak256(code).hex() != deployment.code_hash:
        yield f"the code is another one than {deployment.code_hash}"
    for identifier, data in raw.items():
        reviewed = deployment.registrations.get(identifier)
        if reviewed is None:
            yield f"breaker {breaker_name(identifier)} was not reviewed"
        elif "0x" + keccak256(data).hex() != reviewed:
            yield f"breaker {breaker_name(identifier)} is registered otherwise than reviewed"
