"""The Safes: is there one that the keeper can speak to, who owns it, what else rules it, and can a proposal be made, left and executed?"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from keeper.adapters.chain.node import NodeClient
from keeper.app.council.onchain import SafeReader
from keeper.app.doctor.check import Check, Health
from keeper.app.doctor.safe_service import examine_service
from keeper.app.doctor.sources import PRIMARY_FIRST
from keeper.app.readiness_keys import FEE_MARGIN, GAS_GUESS
from keeper.app.remedies import of_node
from keeper.config.model import Config, SafeRoute
from keeper.domain.block import BlockStamp
from keeper.domain.errors import MalformedAnswer, OutsideError
from keeper.domain.multisend import TRUSTED_MULTI_SEND
from keeper.domain.proposal import SafeState
from keeper.domain.safe import VERSIONS, ZERO_ADDRESS

OWNERS_DO = "the owners look at it in the Safe web app, and take away what they do not know"


async def examine_safes(
    config: Config, node: NodeClient, head: BlockStamp | str, sender: str | None
) -> AsyncIterator[Check]:
    """``head`` is the block to read at, or why there is none; ``sender`` the key's address, if there is a key."""
    for route in config.routes:
        if not isinstance(route, SafeRoute):
            continue
        if isinstance(head, str):
            yield Check(named(route), Health.FAIL, f"not asked: {head}", PRIMARY_FIRST)
            state = None
        else:
            reader = SafeReader(node, node, config.chain.id, route.address)
            try:
                state = await reader.state(head)
                for check in _of_state(route, state):
                    yield check
                yield await _batches(route, node)
                if route.execute:
                    yield await _execution(route, node, head, sender)
            except MalformedAnswer as error:
                remedy = error.remedy or "correct `address` of the route"
                yield Check(named(route), Health.FAIL, error.message, remedy)
                state = None
            except OutsideError as error:
                yield Check(named(route), Health.FAIL, error.message, of_node(error))
                state = None
        async for check in examine_service(config, route, state, sender):
            yield check
        yield _files(route)


def named(route: SafeRoute) -> str:
    return f"safe {route.name}"


def _of_state(route: SafeRoute, state: SafeState) -> Iterator[Check]:
    yield _safe(route, state)
    yield _members(route, state)
    yield _powers(route, state)


def _safe(route: SafeRoute, state: SafeState) -> Check:
    owners = ", ".join(route.members.get(owner, owner) for owner in state.owners)
    message = f"{state.safe}, version {state.version}, {state.threshold} of {len(state.owners)} owners sign ({owners}), next nonce {state.nonce}"
    if state.version.partition("+")[0] not in VERSIONS:
        remedy = f"the keeper proposes nothing to it: supported are {' and '.join(VERSIONS)}; migrate the Safe, or propose by hand"
        return Check(named(route), Health.FAIL, message, remedy)
    return Check(named(route), Health.OK, message)


def _members(route: SafeRoute, state: SafeState) -> Check:
    strangers = [f"{name} ({address})" for address, name in route.members.items() if address not in state.owners]
    nameless = [owner for owner in state.owners if owner not in route.members]
    wrong = []
    if strangers:
        wrong.append(f"no owner of this Safe: {', '.join(strangers)}")
    if nameless:
        wrong.append(f"owners without a name: {', '.join(nameless)}")
    name = f"{named(route)} members"
    if wrong:
        return Check(name, Health.WARN, "; ".join(wrong), "correct `members` of the route: people are told by name")
    return Check(name, Health.OK, "every owner has a name")


def _powers(route: SafeRoute, state: SafeState) -> Check:
    found = []
    if state.modules:
        found.append(f"modules can make it do anything without its owners: {', '.join(state.modules)}")
    if state.guard != ZERO_ADDRESS:
        found.append(f"the guard {state.guard} can refuse whatever the owners have signed")
    name = f"{named(route)} modules"
    if found:
        return Check(name, Health.WARN, "; ".join(found), OWNERS_DO)
    return Check(name, Health.OK, "no module and no guard: nothing happens without its owners")


async def _batches(route: SafeRoute, node: NodeClient) -> Check:
    """Raises OutsideError. A Safe that runs a library without code does nothing, and says that it worked."""
    name = f"{named(route)} batches"
    if not await node.code(route.multisend):
        message = f"there is no contract at {route.multisend}: several calls at once would do nothing"
        return Check(name, Health.FAIL, message, "set `multisend` of the route to MultiSendCallOnly of this chain")
    if route.multisend not in TRUSTED_MULTI_SEND:
        message = f"{route.multisend} is none of the known addresses of MultiSendCallOnly, and would run as the Safe"
        return Check(name, Health.WARN, message, "make sure that it is MultiSendCallOnly, or leave `multisend` out")
    return Check(name, Health.OK, f"MultiSendCallOnly at {route.multisend}")


async def _execution(route: SafeRoute, node: NodeClient, head: BlockStamp, sender: str | None) -> Check:
    """Whether the keeper can pay for what the owners have signed. Raises OutsideError."""
    name = f"{named(route)} execution"
    if sender is None:
        remedy = "configure `signer`, or write `execute: false`: the owners execute then"
        return Check(name, Health.FAIL, "`execute` is set, and there is no key", remedy)
    _, balance = await node.account(sender)
    needed = GAS_GUESS * (head.next_base_fee_wei + await node.priority_fee_wei()) * FEE_MARGIN
    message = f"the keeper executes what enough owners have signed: {balance} wei; at four times the current fee that costs {needed} wei"
    if balance < needed:
        return Check(name, Health.FAIL, message, f"send ETH to {sender}")
    return Check(name, Health.OK, message)


def _files(route: SafeRoute) -> Check:
    """Asked without writing anything: where the folder is not there yet, of the first one above it that is."""
    name, folder = f"{named(route)} files", Path(route.files)
    there = next((each for each in (folder, *folder.parents) if each.exists()), folder)
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        message = f"proposals cannot be left in {route.files}: {there} is no folder that this user can write to"
        return Check(name, Health.FAIL, message, "correct `files` of the route, or the folder's rights")
    return Check(name, Health.OK, route.files if there == folder else f"{route.files}, which is made when it is needed")
