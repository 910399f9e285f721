"""The examination before and between runs: everything the keeper depends on, asked once, read only.

Each part is asked on its own: one that is away does not hide what is wrong with the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from keeper.adapters.audit import migrate
from keeper.adapters.chain.node import NodeClient
from keeper.adapters.clock import SystemClock
from keeper.app.wiring import address_of, open_notifier, open_signer, open_sources
from keeper.config import model
from keeper.domain.block import BlockStamp
from keeper.domain.errors import AuditError, ConfigurationError, KeeperError, MalformedAnswer, OutsideError, Refused
from keeper.domain.observation import Observation, Quality
from keeper.domain.redact import redact_url
from keeper.execution.gate import simulated
from keeper.execution.planner import ArmedAction, arm
from keeper.ports.prices import ChainSource, FeedSource

HEAD_AGE_WARN_S = 60
"""A newest block older than this is a node that lags, or a chain that stands still."""
CLOCK_WARN_S = 15
"""A block from further ahead than this is a clock that is wrong, here or there."""
GAS_GUESS = 300_000
FEE_MARGIN = 4

SERVES_ANOTHER = "serves another chain"
CHECK_NODE = "check the address, the node and the network"
PRIMARY_FIRST = "see the line of the primary endpoint, and mend that first"


class Health(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """``name`` is what was looked at (``endpoint ws://...``), ``message`` what was found, ``remedy`` what to do."""

    name: str
    health: Health
    message: str
    remedy: str = ""


async def examine(config: model.Config) -> AsyncIterator[Check]:
    """Every check as it is done, in the order in which one thing needs another."""
    yield _log(config)
    nodes = [(endpoint, NodeClient(address_of(endpoint))) for endpoint in config.chain.endpoints]
    try:
        heads: dict[str, BlockStamp] = {}
        elsewhere: set[str] = set()
        for endpoint, node in nodes:
            async for check in _endpoint(config, endpoint, node, heads, elsewhere):
                yield check
        if len(heads) > 1:
            yield await _agreement(nodes, heads)
        if config.keeper.mode is model.Mode.LIVE and not config.chain.verifiers:
            message = "there is no endpoint of the role verify: actions rest on the word of one node"
            yield Check("quorum", Health.WARN, message, "add one of another operator; see docs/operator/endpoints.md")
        primary = next(node for endpoint, node in nodes if endpoint is config.chain.primary)
        head = heads.get(config.chain.primary.shown)
        away = f"the primary endpoint {SERVES_ANOTHER if config.chain.primary.shown in elsewhere else 'is away'}"
        clock = SystemClock()
        on_chain, feeds = open_sources(config.sources, clock)
        try:
            async for check in _sources(config, on_chain, feeds, primary, head or away):
                yield check
        finally:
            await asyncio.gather(*(feed.close() for feed in feeds))
        async for check in _actions(config, primary, head or away):
            yield check
    finally:
        await asyncio.gather(*(node.close() for _, node in nodes))
    for number, receiver in enumerate(config.notify):
        yield await _notifier(receiver, number)


def _log(config: model.Config) -> Check:
    name = f"log {config.audit.shown}"
    try:
        revision, wanted = migrate.current(config.audit.url.reveal())
    except AuditError as error:
        return Check(
            name, Health.FAIL, error.message, error.remedy or "check that the file is a database of the keeper's"
        )
    if revision is None:
        return Check(name, Health.OK, "not there yet; the first run makes it")
    if revision != wanted:
        remedy = f"run: keeper db {config.path} upgrade"
        return Check(name, Health.FAIL, f"schema revision {revision}, this version needs {wanted}", remedy)
    return Check(name, Health.OK, f"schema revision {revision}")


async def _endpoint(
    config: model.Config,
    endpoint: model.Endpoint,
    node: NodeClient,
    heads: dict[str, BlockStamp],
    elsewhere: set[str],
) -> AsyncIterator[Check]:
    """Puts its newest block into ``heads``, or its name into ``elsewhere`` when it serves another chain."""
    name = f"endpoint {_named(endpoint)} ({endpoint.role})"
    try:
        served = await node.chain_id()
        head = await node.head()
    except OutsideError as error:
        yield Check(name, Health.FAIL, error.message, error.remedy or CHECK_NODE)
        return
    if served != config.chain.id:
        elsewhere.add(endpoint.shown)
        message = f"serves chain {served}, and the configuration says {config.chain.id}"
        yield Check(name, Health.FAIL, message, "correct `chain.id` or the endpoint")
        return
    heads[endpoint.shown] = head
    age_s = SystemClock().now_ms() // 1000 - head.timestamp_s
    if age_s > HEAD_AGE_WARN_S:
        message = f"newest block {head.number} is {age_s} s old"
        yield Check(name, Health.WARN, message, "the node lags, or the chain stands still")
    elif age_s < -CLOCK_WARN_S:
        message = f"newest block {head.number} is {-age_s} s ahead of this machine's clock"
        yield Check(name, Health.WARN, message, "check the clock of this machine (NTP)")
    else:
        yield Check(name, Health.OK, f"chain {served}, block {head.number}, {max(0, age_s)} s old")


def _named(endpoint: model.Endpoint) -> str:
    """As it may be shown: a path or a query that was written out may be a key; what came from the environment is a name here anyway."""
    shown = endpoint.shown
    return shown if "${" in shown or "://" not in shown or shown.startswith("ipc") else redact_url(shown)


async def _agreement(nodes: Sequence[tuple[model.Endpoint, NodeClient]], heads: dict[str, BlockStamp]) -> Check:
    """The endpoints' blocks: how far apart, and whether those at one height are the same block."""
    numbers = sorted(head.number for head in heads.values())
    hashes = {head.hash for head in heads.values() if head.number == numbers[0]}
    if numbers[-1] - numbers[0] > 2:
        shown = ", ".join(f"{_named(one)} at {heads[one.shown].number}" for one, _ in nodes if one.shown in heads)
        return Check(
            "endpoints agree", Health.WARN, f"more than two blocks apart: {shown}", "replace the one that lags"
        )
    if len(hashes) > 1:
        return Check(
            "endpoints agree", Health.FAIL, f"different blocks at height {numbers[0]}", "one of them lies or forks"
        )
    return Check("endpoints agree", Health.OK, f"{len(heads)} endpoints within {numbers[-1] - numbers[0]} blocks")


async def _sources(
    config: model.Config,
    on_chain: Sequence[ChainSource],
    feeds: Sequence[FeedSource],
    node: NodeClient,
    head: BlockStamp | str,
) -> AsyncIterator[Check]:
    """``head`` is the block to read at, or why there is none."""
    ages = {source.name: source.max_age_ms for source in config.engine.sources}
    now_ms = SystemClock().now_ms()
    for source in on_chain:
        name = f"source {source.name}"
        if isinstance(head, str):
            yield Check(name, Health.FAIL, f"not asked: {head}", PRIMARY_FIRST)
            continue
        try:
            results = await node.read(source.calls(), head)
        except OutsideError as error:
            yield Check(name, Health.FAIL, error.message, error.remedy or CHECK_NODE)
            continue
        yield _observed(name, source.decode(results, head, now_ms), ages.get(source.name), now_ms)
    for feed in feeds:
        observation = await feed.poll()
        yield _observed(f"source {feed.name}", observation, ages.get(feed.name), SystemClock().now_ms())


def _observed(name: str, observation: Observation, max_age_ms: int | None, now_ms: int) -> Check:
    if observation.quality is not Quality.OK:
        remedy = "rules that need it hold; check its address, and that the configured kind fits it"
        return Check(name, Health.FAIL, f"{observation.quality}: {observation.reason}", remedy)
    age_ms = now_ms - (observation.at_ms if observation.at_ms is not None else observation.received_ms)
    if max_age_ms is not None and age_ms > max_age_ms:
        message = f"{observation.value} is {age_ms // 1000} s old, max_age is {max_age_ms // 1000} s"
        return Check(
            name, Health.FAIL, message, "rules that need it hold; raise max_age if the source is always this slow"
        )
    return Check(name, Health.OK, f"{observation.value} ({observation.unit}), {max(0, age_ms) // 1000} s old")


async def _actions(config: model.Config, node: NodeClient, head: BlockStamp | str) -> AsyncIterator[Check]:
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
        yield Check("actions", Health.FAIL, error.message, error.remedy or CHECK_NODE)


async def _action(armed: ArmedAction, node: NodeClient, head: BlockStamp, sender: str) -> Check:
    action = armed.action
    name = f"action {action.name} on {action.market}"
    try:
        current = armed.effect_text((await node.read([armed.effect_call], head))[0])
    except (MalformedAnswer, Refused) as error:
        return Check(name, Health.FAIL, error.message, error.remedy or "correct `target` or `read` of the action")
    if armed.in_effect(current):
        return Check(
            name, Health.WARN, f"{action.effect.read.signature} is {current}: in effect already, so not simulated"
        )
    outcome = simulated(armed, sender, await node.simulate(armed.call, sender))
    if outcome is not None:
        remedy = outcome.remedy or "correct the action, or what its contract asks of the key"
        return Check(name, Health.FAIL, f"{outcome.reason}: {outcome.message}", remedy)
    return Check(name, Health.OK, f"would work; {action.effect.read.signature} is {current} now")


async def _notifier(receiver: model.NotifyConfig, number: int) -> Check:
    try:
        notifier = await open_notifier(receiver, number)
    except ConfigurationError as error:
        problem = error.problems[0]
        return Check(f"notifier {number}", Health.FAIL, problem.message, problem.hint or "correct it in `notify`")
    name = f"notifier {notifier.name}"
    await notifier.close()
    return Check(name, Health.OK, f"usable for {receiver.min_severity} and above; nothing was sent")
