"""The Transaction Service of a Safe: does it answer, for this chain and this Safe, may the keeper propose there, and what lies in its queue?"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from typing import Final

from keeper.adapters.clock import SystemClock
from keeper.adapters.safe.service import SafeTransactionService
from keeper.app.doctor.check import Check, Health
from keeper.app.pages.wording import ago
from keeper.app.wiring import open_service
from keeper.config.model import Config, ProposeAs, SafeRoute
from keeper.domain.errors import OutsideError
from keeper.domain.proposal import Queued, SafeState, ServedSafe
from keeper.ports.council import QueuePage

OLD_MS: Final = 24 * 3_600_000
"""A proposal for an incident is signed within the hour: what waits in front for so long is forgotten."""
SHOWN: Final = 12


async def examine_service(
    config: Config, route: SafeRoute, state: SafeState | None, sender: str | None
) -> AsyncIterator[Check]:
    """``state`` is the Safe as the chain has it, None where nobody knows; ``sender`` the key's address, if there is a key."""
    clock = SystemClock()
    service = open_service(route, config.chain.id, clock)
    if service is None:
        remedy = "set `service` of the route, or make sure that the owners look into `files`"
        yield Check(f"safe {route.name} service", Health.WARN, "there is none: proposals are files only", remedy)
        if state is not None and route.propose_as is ProposeAs.OWNER:
            yield _owner(config, route, state, sender)
        return
    try:
        answer = await _service(config, route, service, state)
        yield answer
        if answer.health is Health.FAIL or state is None:
            return
        yield await examine_key(config, route, service, state, sender)
        yield _queue(config, route, await service.queue(route.address, state.nonce), state, clock.now_ms())
    except OutsideError as error:
        remedy = error.remedy or "try again; ask the operator of the service"
        yield Check(f"safe {route.name} queue", Health.FAIL, error.message, remedy)
    finally:
        await service.close()


async def _service(config: Config, route: SafeRoute, service: SafeTransactionService, state: SafeState | None) -> Check:
    name = f"safe {route.name} service"
    try:
        served = await service.chain_id()
        known = await service.safe(route.address) if served == config.chain.id else None
    except OutsideError as error:
        remedy = error.remedy or "correct `service` or `api_key` of the route; proposals are files until it answers"
        return Check(name, Health.FAIL, f"{route.service_shown}: {error.message}", remedy)
    if served != config.chain.id:
        message = f"{route.service_shown} serves chain {served}, and the configuration says {config.chain.id}"
        return Check(name, Health.FAIL, message, "correct `service` of the route: each chain has its own address")
    if known is None:
        message = f"{route.service_shown} does not know the Safe {route.address}"
        remedy = "wait until it has indexed the Safe, or correct `address`: nothing can be proposed there until it has"
        return Check(name, Health.FAIL, message, remedy)
    if state is not None and (wrong := _disagreements(known, state)):
        message = f"{route.service_shown} is not of one mind with the chain: {'; '.join(wrong)}"
        remedy = "it may lag: ask again in a minute; if it stays so, use another service"
        return Check(name, Health.WARN, message, remedy)
    same = "" if state is None else ", and says of it what the chain says"
    return Check(name, Health.OK, f"{route.service_shown} serves chain {served} and knows the Safe{same}")


def _disagreements(known: ServedSafe, state: SafeState) -> list[str]:
    wrong = []
    if known.nonce != state.nonce:
        wrong.append(f"its next nonce is {known.nonce} there and {state.nonce} on the chain")
    if known.threshold != state.threshold:
        wrong.append(f"{known.threshold} owners must sign there and {state.threshold} on the chain")
    if set(known.owners) != set(state.owners):
        others = sorted(set(known.owners) ^ set(state.owners))
        wrong.append(f"the owners differ: {', '.join(others)}")
    return wrong


def _no_key(route: SafeRoute) -> Check:
    message = "there is no key, so the keeper leaves nothing at the service: proposals are files only"
    return Check(f"safe {route.name} key", Health.WARN, message, "configure `signer`")


def _owner(config: Config, route: SafeRoute, state: SafeState, sender: str | None) -> Check:
    if sender is None:
        return _no_key(route)
    if sender in state.owners:
        return Check(f"safe {route.name} key", Health.OK, f"{sender} is an owner, and signs what it proposes")
    remedy = f"let the owners add it, or write `propose_as: delegate` and run: {_add(config, sender)}"
    return Check(f"safe {route.name} key", Health.FAIL, f"{sender} is no owner of the Safe", remedy)


async def examine_key(
    config: Config, route: SafeRoute, service: SafeTransactionService, state: SafeState, sender: str | None
) -> Check:
    """Raises OutsideError."""
    if sender is None:
        return _no_key(route)
    if route.propose_as is ProposeAs.OWNER:
        return _owner(config, route, state, sender)
    name = f"safe {route.name} key"
    if sender in state.owners:
        message = f"{sender} is an owner: what the keeper proposes has its signature, which counts"
        remedy = "give the keeper a key that is no owner's, or write `propose_as: owner` if that is meant"
        return Check(name, Health.WARN, message, remedy)
    found = await service.delegates(route.address, state.owners)
    giving = [each.delegator for each in found if each.delegate == sender and each.delegator in state.owners]
    if not giving:
        message = f"{sender} is no delegate of an owner: the service takes no proposal of it"
        return Check(name, Health.FAIL, message, f"an owner runs: {_add(config, sender)}")
    owners = ", ".join(route.members.get(owner, owner) for owner in dict.fromkeys(giving))
    return Check(name, Health.OK, f"{sender} is a delegate of {owners}: it proposes, and cannot sign")


def _add(config: Config, sender: str) -> str:
    return f"keeper council {config.path} delegate add {sender}"


def _queue(config: Config, route: SafeRoute, page: QueuePage, state: SafeState, now_ms: int) -> Check:
    name, queued = f"safe {route.name} queue", page.queued
    for one in queued:
        if one.claimed_hash != one.transaction.hash_text:
            message = f"the service calls a proposal {one.claimed_hash[:SHOWN]}.., and its fields have the hash {one.transaction.hash_text}"
            return Check(name, Health.FAIL, message, "sign nothing there: find out who alters the service's answers")
    wrong, remedy = _blocking(config, queued, state, now_ms)
    if page.skipped:
        first = page.skipped[0]
        wrong.append(f"{len(page.skipped)} cannot be read: {first.place}: {first.why}")
        remedy = remedy or "look at the queue in the Safe web app"
    if wrong:
        return Check(name, Health.WARN, "; ".join(wrong), remedy)
    waits = f"{len(queued)} wait" if queued else "nothing waits"
    return Check(name, Health.OK, f"{waits}, next nonce {state.nonce}")


def _blocking(config: Config, queued: tuple[Queued, ...], state: SafeState, now_ms: int) -> tuple[list[str], str]:
    """What keeps others from being executed, and what to do about it."""
    wrong, remedy = [], ""
    nonces = Counter(one.transaction.nonce for one in queued)
    gap = next(number for number in range(state.nonce, state.nonce + len(nonces) + 1) if number not in nonces)
    behind = sum(count for nonce, count in nonces.items() if nonce > gap)
    if behind:
        wrong.append(f"nothing is proposed at nonce {gap}, and {behind} behind it cannot be executed before")
        remedy = f"propose something at nonce {gap} in the Safe web app (a rejection does), or propose the others anew"
    for one in queued:
        since_ms = one.submitted_ms
        if one.transaction.nonce == state.nonce and since_ms is not None and now_ms - since_ms >= OLD_MS:
            others = len(queued) - nonces[state.nonce]
            wrong.append(
                f"{one.transaction.hash_text[:SHOWN]}.. waits in front, proposed {ago(since_ms, now_ms)}, {others} behind it"
            )
            reject = f"keeper council {config.path} reject {one.transaction.hash_text[:SHOWN]}"
            remedy = remedy or f"sign and execute it, or run: {reject}"
    return wrong, remedy
