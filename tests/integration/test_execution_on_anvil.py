"""Carrying actions out on a real node with a real database: each way to end has its own outcome, and the log of each verifies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio

from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.store import SqlAuditStore
from keeper.adapters.audit.verify import verify
from keeper.adapters.chain.node import NodeClient
from keeper.adapters.routes.public import PublicRoute
from keeper.adapters.signing.local import LocalSigner
from keeper.devnet.accounts import Account
from keeper.devnet.world import Role, World
from keeper.domain.action import Action, ActionKind, Effect, FunctionCall, SafeSide
from keeper.domain.adjustment import NEW, Adjustment
from keeper.domain.errors import Unreachable
from keeper.domain.outcome import Outcome, OutcomeKind, Reason
from keeper.domain.record import Draft, Record, RecordKind, RecordQuery
from keeper.execution.edges import Way
from keeper.execution.executor import Edges, Executor, Terms
from keeper.execution.planner import ArmedAction, arm
from keeper.execution.work import Order
from tests.support.execution_stage import StageClock

pytestmark = pytest.mark.integration

MARKET = "ETH-PERP"
ELSEWHERE = "0x00000000000000000000000000000000000c0De0"
DOES_NOTHING = "0x00"  # STOP
REVERTS = "0x60006000fd"
REVERTS_WHEN_IT_IS_PAID_FOR = (
    "0x3a600557005b60006000fd"  # a call costs nothing and succeeds, a transaction has a gas price and fails
)
BEFORE = {"pause": "false", "limit": "1000000000000"}


@dataclass
class Ground:
    """An executor's surroundings on one world, with one log."""

    world: World
    node: NodeClient
    url: str
    store: SqlAuditStore
    clock: StageClock = field(default_factory=StageClock)
    outcomes: list[Outcome] = field(default_factory=list)
    confirmations: int = 1

    async def executor(self, *armed: ArmedAction, key: Account | None = None) -> Executor:
        signer = LocalSigner(bytes.fromhex((key or self.world.keeper).private_key.removeprefix("0x")))
        route = PublicRoute("public", [self.node])
        edges = Edges(self.store, self.node, self.node, signer, {"public": Way(route)}, self.clock)
        terms = Terms(self.world.node.chain_id, self.confirmations, live=True)
        made = Executor(
            edges, terms, {each.key: each for each in armed}, lambda _, outcome: self.outcomes.append(outcome)
        )
        await made.recover()
        await made.refresh(await self.node.head())
        return made

    async def act(self, executor: Executor, *armed: ArmedAction) -> None:
        head = await self.node.head()
        items: list[tuple[Draft, Order | None]] = []
        for each in armed:
            market, name = each.key
            draft = Draft(RecordKind.DECISION, {"answer": "act"}, self.clock.ms, market=market, action=name)
            identity = f"{market}@{head.number}/{name}/{len(items)}"
            items.append((draft, Order(identity, "inc-1", each, BEFORE[name], self.clock.ms)))
        await executor.act(items, head, {"head": self.clock.monotonic_ms()})

    async def head(self, executor: Executor, *, mine: bool = True) -> None:
        if mine:
            await self.world.node.mine()
        await executor.on_head(await self.node.head())

    async def carried_out(self, armed: ArmedAction, key: Account | None = None) -> Outcome:
        """From the decision to the end."""
        executor = await self.executor(armed, key=key)
        await self.act(executor, armed)
        if not self.outcomes:
            await self.head(executor)
        assert executor.open_works == ()
        (outcome,) = self.outcomes
        return outcome

    async def records(self, *kinds: RecordKind) -> list[Record]:
        return list(await self.store.page(RecordQuery(kinds=kinds)))

    async def told(self) -> list[str]:
        return [record.kind.value for record in await self.records()]


@pytest_asyncio.fixture
async def opened() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def make_ground(world: World, folder: Path, opened: AsyncExitStack, confirmations: int = 1) -> Ground:
    url = sqlite_url(folder / "log.db")
    node = NodeClient(world.node.ws_url)
    opened.push_async_callback(node.close)
    store = await SqlAuditStore.open(url, create=True)
    opened.push_async_callback(store.close)
    return Ground(world, node, url, store, confirmations=confirmations)


@pytest_asyncio.fixture
async def ground(world: World, tmp_path: Path, opened: AsyncExitStack) -> AsyncIterator[Ground]:
    """Each transaction is mined at once. At the end the log is verified."""
    made = await make_ground(world, tmp_path, opened)
    yield made
    await verified(made)


@pytest_asyncio.fixture
async def slow(world_manual: World, tmp_path: Path, opened: AsyncExitStack) -> AsyncIterator[Ground]:
    """Blocks come when asked for, and two are wanted. At the end the log is verified."""
    made = await make_ground(world_manual, tmp_path, opened, confirmations=2)
    yield made
    await verified(made)


async def verified(ground: Ground) -> None:
    seq, head = await ground.store.head()
    await ground.store.close()
    verdict = verify(ground.url)
    assert verdict.ok, verdict.problem
    assert (verdict.records, verdict.head) == (seq, head)


def pause(world: World, *, target: str = "", market: str = MARKET) -> ArmedAction:
    """The market's pause; ``target`` another contract than the one whose view shows it."""
    key = world.market_id(market)
    call = FunctionCall(target or world.exchange, "pauseMarket(bytes32)", (key,))
    effect = Effect(FunctionCall(world.exchange, "paused(bytes32)(bool)", (key,)), "true")
    return arm(Action("pause", market, ActionKind.PAUSE, call, effect, "public", 60_000))


def limit(world: World, to: int) -> ArmedAction:
    key = world.market_id(MARKET)
    call = FunctionCall(world.exchange, "setWithdrawalLimit(bytes32,uint256)", (key, str(to)))
    effect = Effect(FunctionCall(world.exchange, "withdrawalLimit(bytes32)(uint256)", (key,)), str(to))
    return arm(Action("limit", MARKET, ActionKind.RATE_LIMIT, call, effect, "public", 60_000, safe_side=SafeSide.LOWER))


def halve(world: World, *, least: int = 1_000, max_step: Decimal | None = None) -> ArmedAction:
    """The market's limit, made of what it is."""
    key = world.market_id(MARKET)
    call = FunctionCall(world.exchange, "setWithdrawalLimit(bytes32,uint256)", (key, NEW))
    effect = Effect(FunctionCall(world.exchange, "withdrawalLimit(bytes32)(uint256)", (key,)), NEW)
    action = Action("limit", MARKET, ActionKind.ADJUST, call, effect, "public", 60_000, safe_side=SafeSide.LOWER)
    adjustment = Adjustment("current * 0.5", SafeSide.LOWER, least, 2**256 - 1, max_step)
    return arm(replace(action, adjustment=adjustment))


async def set_limit(world: World, to: int) -> None:
    """The council does it."""
    await world.grant(Role.RISK, world.admin.address)
    signature = "setWithdrawalLimit(bytes32,uint256)"
    await world.transact(world.admin, world.exchange, signature, world.market_id(MARKET), to)


SENT = ["decision", "intent", "attempt", "broadcast"]


async def test_pause__good_target__is_included_and_only_that_market_is_paused(ground: Ground) -> None:
    outcome = await ground.carried_out(pause(ground.world))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.INCLUDED, Reason.EFFECT_VERIFIED)
    assert outcome.block is not None
    assert await ground.world.paused(MARKET, block=outcome.block)
    assert not await ground.world.paused(MARKET, block=outcome.block - 1)
    assert not await ground.world.paused("BTC-PERP")
    assert await ground.told() == [*SENT, "receipt", "effect", "outcome"]
    receipt = await ground.world.node.rpc("eth_getTransactionReceipt", outcome.tx_hash)
    (record,) = await ground.records(RecordKind.RECEIPT)
    assert (receipt["blockHash"], int(receipt["gasUsed"], 16)) == (record.body["block_hash"], record.body["gas_used"])


async def test_limit__good_target__is_included_and_read_back(ground: Ground) -> None:
    outcome = await ground.carried_out(limit(ground.world, 250_000))
    assert outcome.kind is OutcomeKind.INCLUDED
    assert await ground.world.withdrawal_limit(MARKET) == 250_000


@pytest.mark.parametrize(
    ("least", "max_step", "new", "clamps"),
    [
        (1_000, None, 500_000_000_000, []),
        (1_000, Decimal("0.1"), 900_000_000_000, ["max_step"]),
        (600_000_000_000, None, 600_000_000_000, ["bounds.min"]),
    ],
)
async def test_adjust__good_target__is_made_of_the_current_value_and_read_back(
    ground: Ground, least: int, max_step: Decimal | None, new: int, clamps: list[str]
) -> None:
    outcome = await ground.carried_out(halve(ground.world, least=least, max_step=max_step))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.INCLUDED, Reason.EFFECT_VERIFIED)
    assert await ground.world.withdrawal_limit(MARKET) == new
    (intent,) = await ground.records(RecordKind.INTENT)
    said = intent.body["adjustment"]
    assert isinstance(said, dict)
    assert (said["current"], said["new"], said["clamps"]) == (BEFORE["limit"], str(new), clamps)
    (effect,) = await ground.records(RecordKind.EFFECT)
    assert (effect.body["before"], effect.body["after"], effect.body["expected"]) == (
        BEFORE["limit"],
        str(new),
        str(new),
    )


async def test_adjust__again_and_again__stops_at_the_bound(ground: Ground) -> None:
    armed = halve(ground.world, least=300_000_000_000)
    executor = await ground.executor(armed)
    seen = []
    for number in range(3):
        seen.append(await ground.world.withdrawal_limit(MARKET))
        order = Order(f"i-{number}", "inc-1", armed, str(seen[-1]), ground.clock.ms)
        await executor.act([(Draft(RecordKind.DECISION, {}, ground.clock.ms), order)], await ground.node.head(), {})
        await ground.head(executor)
    assert seen == [10**12, 5 * 10**11, 3 * 10**11]
    assert [outcome.reason for outcome in ground.outcomes] == [
        Reason.EFFECT_VERIFIED,
        Reason.EFFECT_VERIFIED,
        Reason.ALREADY_IN_EFFECT,
    ]


async def test_adjust__the_council_changed_the_value_meanwhile__is_dropped_and_then_made_of_the_new_one(
    slow: Ground,
) -> None:
    armed = halve(slow.world)
    executor = await slow.executor(armed)
    await slow.act(executor, armed)
    (attempt,) = await slow.records(RecordKind.ATTEMPT)
    await slow.world.node.rpc("anvil_dropTransaction", attempt.body["tx_hash"])  # the node forgets it
    await set_limit(slow.world, 800_000_000_000)
    await executor.on_head(await slow.node.head())
    await executor.rebroadcast()
    assert [outcome.reason for outcome in slow.outcomes] == [Reason.CURRENT_CHANGED]
    assert await slow.world.withdrawal_limit(MARKET) == 800_000_000_000
    order = Order("i-2", "inc-1", armed, "800000000000", slow.clock.ms)
    await executor.act([(Draft(RecordKind.DECISION, {}, slow.clock.ms), order)], await slow.node.head(), {})
    for _ in range(2):
        await slow.head(executor)
    assert [outcome.kind for outcome in slow.outcomes] == [OutcomeKind.FAILED, OutcomeKind.INCLUDED]
    assert await slow.world.withdrawal_limit(MARKET) == 400_000_000_000


async def test_target__succeeds_and_does_not_pause__is_no_success(ground: Ground) -> None:
    await ground.world.node.set_code(ELSEWHERE, DOES_NOTHING)
    outcome = await ground.carried_out(pause(ground.world, target=ELSEWHERE))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.FAILED, Reason.NO_EFFECT)
    assert outcome.remedy
    (effect,) = await ground.records(RecordKind.EFFECT)
    assert (effect.body["after"], effect.body["verified"]) == ("false", False)


async def test_target__reverts_only_when_it_is_mined__is_reverted(ground: Ground) -> None:
    await ground.world.node.set_code(ELSEWHERE, REVERTS_WHEN_IT_IS_PAID_FOR)
    outcome = await ground.carried_out(pause(ground.world, target=ELSEWHERE))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.REVERTED, Reason.REVERTED_ON_CHAIN)
    assert outcome.remedy
    assert await ground.told() == [*SENT, "receipt", "outcome"]


async def test_target__reverts__is_found_out_before_anything_is_signed(ground: Ground) -> None:
    await ground.world.node.set_code(ELSEWHERE, REVERTS)
    outcome = await ground.carried_out(pause(ground.world, target=ELSEWHERE))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.FAILED, Reason.SIMULATION_REVERTED)
    assert await ground.told() == ["decision", "intent", "outcome"]


async def test_key__without_the_role__is_told_which_and_nothing_is_signed(ground: Ground) -> None:
    outcome = await ground.carried_out(pause(ground.world), key=ground.world.roleless)
    assert (outcome.kind, outcome.reason) == (OutcomeKind.FAILED, Reason.MISSING_ROLE)
    assert ground.world.roleless.address in outcome.remedy
    assert "AccessControlUnauthorizedAccount" in outcome.message
    assert await ground.told() == ["decision", "intent", "outcome"]


@pytest.mark.parametrize("wei", [0, 1_000])
async def test_key__without_gas__is_told_how_much(ground: Ground, wei: int) -> None:
    await ground.world.node.set_balance(ground.world.keeper.address, wei)
    outcome = await ground.carried_out(pause(ground.world))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.FAILED, Reason.INSUFFICIENT_FUNDS)
    assert f"send ETH to {ground.world.keeper.address}" in outcome.remedy
    assert not await ground.world.paused(MARKET)
    assert await ground.told() == [*SENT, "outcome"]


async def test_effect__is_there_already__is_superseded(ground: Ground) -> None:
    await ground.world.transact(
        ground.world.keeper, ground.world.exchange, "pauseMarket(bytes32)", ground.world.market_id(MARKET)
    )
    armed = pause(ground.world)
    executor = await ground.executor(armed)
    order = Order("i-1", "inc-1", armed, "true", ground.clock.ms)
    await executor.act([(Draft(RecordKind.DECISION, {}, ground.clock.ms), order)], await ground.node.head(), {})
    assert [outcome.reason for outcome in ground.outcomes] == [Reason.ALREADY_IN_EFFECT]


async def test_two_actions__in_one_tick__land_in_one_block_in_order(slow: Ground) -> None:
    actions = pause(slow.world), limit(slow.world, 1)
    executor = await slow.executor(*actions)
    await slow.act(executor, *actions)
    await slow.head(executor)
    await slow.head(executor)
    assert [outcome.kind for outcome in slow.outcomes] == [OutcomeKind.INCLUDED] * 2
    assert len({outcome.block for outcome in slow.outcomes}) == 1
    first, second = [record.body["nonce"] for record in await slow.records(RecordKind.ATTEMPT)]
    assert isinstance(first, int)
    assert second == first + 1


async def test_fees_run_away__a_real_node_takes_the_replacement(slow: Ground) -> None:
    armed = pause(slow.world)
    executor = await slow.executor(armed)
    await slow.act(executor, armed)
    await executor.on_head(replace(await slow.node.head(), next_base_fee_wei=100 * 10**9))
    await slow.head(executor)
    await slow.head(executor)
    (outcome,) = slow.outcomes
    first, second = await slow.records(RecordKind.ATTEMPT)
    assert first.body["nonce"] == second.body["nonce"]
    assert [record.body["accepted"] for record in await slow.records(RecordKind.BROADCAST)] == [True, True]
    assert (outcome.kind, outcome.tx_hash) == (OutcomeKind.INCLUDED, second.body["tx_hash"])


async def test_reorganisation__takes_the_block_back__it_is_sent_again_and_lands(slow: Ground) -> None:
    armed = pause(slow.world)
    executor = await slow.executor(armed)
    before = await slow.world.node.rpc("evm_snapshot")
    await slow.act(executor, armed)
    await slow.head(executor)
    assert (await slow.told())[-1] == "receipt"
    assert await slow.world.node.rpc("evm_revert", before) is True
    assert not await slow.world.paused(MARKET)
    for _ in range(4):
        await slow.head(executor)
    (outcome,) = slow.outcomes
    assert outcome.kind is OutcomeKind.INCLUDED
    receipts = [record.body for record in await slow.records(RecordKind.RECEIPT)]
    assert [("gone" in body) for body in receipts] == [False, True, False]
    assert len(await slow.records(RecordKind.ATTEMPT)) == 1
    assert await slow.world.paused(MARKET)


async def test_restart__with_a_transaction_on_its_way__takes_it_up_and_sends_no_other(slow: Ground) -> None:
    armed = pause(slow.world)
    await slow.act(await slow.executor(armed), armed)
    nonce = await slow.node.account(slow.world.keeper.address)
    slow.store = await SqlAuditStore.open(slow.url)  # another process, as far as the log can tell
    executor = await slow.executor(armed)
    (work,) = executor.open_works
    assert work.intent.attempts[0].sender == slow.world.keeper.address
    for _ in range(3):
        await slow.head(executor)
    assert [outcome.kind for outcome in slow.outcomes] == [OutcomeKind.INCLUDED]
    assert len(await slow.records(RecordKind.ATTEMPT)) == 1
    assert (await slow.node.account(slow.world.keeper.address))[0] == nonce[0] + 1


async def test_node__dies_with_a_transaction_on_its_way__ends_as_unreachable(slow: Ground) -> None:
    armed = pause(slow.world)
    executor = await slow.executor(armed)
    await slow.act(executor, armed)
    slow.world.node.kill()
    with pytest.raises(Unreachable):
        await executor.on_head(await slow.node.head())
    await executor.rebroadcast()
    assert slow.outcomes == []
    slow.clock.ms += 60_001
    await executor.rebroadcast()
    (outcome,) = slow.outcomes
    assert (outcome.kind, outcome.reason) == (OutcomeKind.EXPIRED, Reason.NODE_UNREACHABLE)
    assert "may still be" in outcome.message
