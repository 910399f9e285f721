"""The demo protocol behind the real CircuitBreaker, whose breakers ask for two of three keepers; and keepers that share one book."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.store import SqlAuditStore
from keeper.adapters.audit.verify import verify
from keeper.adapters.chain.node import NodeClient
from keeper.adapters.routes.public import PublicRoute
from keeper.adapters.signing.local import LocalSigner
from keeper.app.breakers.cosigning import Cosigning
from keeper.app.breakers.pledges import Pledges
from keeper.app.evidence_hash import evidence_hash
from keeper.app.faults import Faults
from keeper.devnet.accounts import Account
from keeper.devnet.toolchain import load_artifact
from keeper.devnet.transactions import calldata
from keeper.devnet.world import Role, World
from keeper.domain.action import Action, ActionKind, BreakerTrip, Effect, FunctionCall, SafeSide
from keeper.domain.adjustment import NEW, Adjustment
from keeper.domain.circuit_breaker import STATE_OF, TRIPPED_TOPIC, BreakerState, breaker_id, decode_state, view_call
from keeper.domain.order import SignedOrder, TripOrder, signed_order
from keeper.domain.outcome import Outcome
from keeper.domain.record import Draft, Json, Record, RecordKind, RecordQuery
from keeper.execution.edges import Way
from keeper.execution.executor import Edges, Executor, Terms
from keeper.execution.planner import ArmedAction, arm
from keeper.execution.work import Order
from keeper.ports.notifier import Notice
from keeper.ports.orders import OrderBook
from tests.support.aave_breaker import register_data
from tests.support.contract_calls import transact
from tests.support.execution_stage import StageClock
from tests.support.real_contracts import NOBODY, Stand

MARKET = "ETH-PERP"
PAUSE, LIMIT = breaker_id("pause ETH-PERP"), breaker_id("limit ETH-PERP")
SILENCE_S = 86_400
EXPIRES_MS = 600_000


class QuorumClock(StageClock):
    """Both of its times go on only when they are moved. Whoever sleeps waits for real, so that nothing is cut short."""

    def monotonic_ms(self) -> float:
        return float(self.ms)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass
class Keeper:
    """One keeper with its own key, log and executor; ``turn_s`` is how long it leaves submitting to whoever made the order complete."""

    stage: QuorumStage
    account: Account
    log: Path
    book: OrderBook
    turn_s: float = 12.0
    outcomes: list[Outcome] = field(default_factory=list)
    failed: list[tuple[str, str, str]] = field(default_factory=list)
    told: list[Notice] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    decided: int = 0

    async def start(self, opened: AsyncExitStack) -> None:
        """Also what a restart is: the log and the book are what they were."""
        self.clock = self.stage.clock
        self.store = await SqlAuditStore.open(sqlite_url(self.log), create=True)
        opened.push_async_callback(self.store.close)
        node = self.stage.node
        self.signer = LocalSigner(bytes.fromhex(self.account.private_key[2:]))
        edges = Edges(self.store, node, node, self.signer, {"breaker": Way(PublicRoute("breaker", [node]))}, self.clock)
        terms = Terms(self.stage.world.node.chain_id, 1, live=True)
        armed = {each.key: each for each in self.stage.armed}
        self.executor = Executor(edges, terms, armed, lambda _, outcome: self.outcomes.append(outcome))
        await self.executor.recover()
        await self.executor.refresh(await node.head())

        async def act(items: Sequence[Any], block: Any) -> None:
            await self.executor.act(items, block, {})

        self.cosigning = Cosigning(
            self.stage.armed,
            {self.stage.contract: self.book},
            Pledges(self.store, self.signer, self.clock),
            node,
            self.store,
            self.clock,
            self.stage.world.node.chain_id,
            Faults(self.clock, lambda draft: self.faults.append(str(draft.body)), lambda _: None),
            act=act,
            failed=lambda *what: self.failed.append(what),
            tell=self.told.append,
            turn_s=self.turn_s,
        )

    async def decide(self, armed: ArmedAction, before: str = "false") -> Order:
        """Its own rule has tripped: the decision is in its log, and waits for the others."""
        self.decided += 1
        market, action = armed.key
        body: dict[str, Json] = {"kind": "act", "by": self.account.address, "number": self.decided}
        draft = Draft(RecordKind.DECISION, body, self.clock.ms, market=market, action=action, incident="inc-1")
        await self.store.append([draft])
        identity = f"{market}@{self.decided}/{action}"
        order = Order(identity, "inc-1", armed, before, self.clock.ms, evidence=evidence_hash(draft))
        assert self.cosigning.takes(order)
        self.cosigning.take(order)
        return order

    async def look(self) -> None:
        """What it does at a head."""
        block = await self.stage.node.head()
        await self.cosigning.look(block)
        await self.executor.on_head(block)

    async def records(self, *kinds: RecordKind) -> list[Record]:
        return list(await self.store.page(RecordQuery(kinds=kinds)))

    async def signs(self, order: TripOrder) -> SignedOrder:
        """By hand, past everything that the keeper checks."""
        return signed_order(order, await self.signer.sign_order(order))

    async def steps(self) -> list[str]:
        return [str(record.body["step"]) for record in await self.records(RecordKind.ORDER)]


@dataclass
class QuorumStage:
    """``contract`` is owned by the world's admin. Keepers are the node's accounts from 5 on; the first three are listed."""

    world: World
    node: NodeClient
    contract: str
    clock: QuorumClock = field(default_factory=QuorumClock)

    @property
    def armed(self) -> tuple[ArmedAction, ...]:
        return self.pause(), self.limit()

    def pause(self) -> ArmedAction:
        key = self.world.market_id(MARKET)
        effect = Effect(FunctionCall(self.world.exchange, "paused(bytes32)(bool)", (key,)), "true")
        call = FunctionCall(self.world.exchange, "pauseMarket(bytes32)", (key,))
        trip = BreakerTrip(self.contract, PAUSE)
        return arm(Action("pause", MARKET, ActionKind.PAUSE, call, effect, "breaker", EXPIRES_MS, breaker=trip))

    def limit(self) -> ArmedAction:
        """Half of the withdrawal limit."""
        key = self.world.market_id(MARKET)
        effect = Effect(FunctionCall(self.world.exchange, "withdrawalLimit(bytes32)(uint256)", (key,)), NEW)
        call = FunctionCall(self.world.exchange, "setWithdrawalLimit(bytes32,uint256)", (key, NEW))
        adjustment = Adjustment("current * 0.5", SafeSide.LOWER, 1, 10**18, None)
        trip = BreakerTrip(self.contract, LIMIT, (NEW,))
        return arm(
            Action(
                "limit",
                MARKET,
                ActionKind.RATE_LIMIT,
                call,
                effect,
                "breaker",
                EXPIRES_MS,
                safe_side=SafeSide.LOWER,
                adjustment=adjustment,
                breaker=trip,
            )
        )

    async def council(self, signature: str, *args: Any) -> None:
        await transact(self.world.node, self.world.admin.address, self.contract, calldata(signature, *args))

    async def state(self, identifier: str = PAUSE) -> BreakerState:
        call = view_call(self.contract, STATE_OF, identifier)
        (result,) = await self.node.read([call], await self.node.head())
        return decode_state(result.data)

    async def trips(self) -> int:
        """Events Tripped of the contract, ever."""
        asked = {"address": self.contract, "topics": [TRIPPED_TOPIC], "fromBlock": "0x0"}
        return len(await self.world.node.rpc("eth_getLogs", asked))

    async def pass_s(self, seconds: int) -> None:
        """For the chain and for the keepers."""
        self.clock.ms += 1000 * seconds
        await self.world.node.rpc("evm_increaseTime", seconds)
        await self.world.node.mine()

    async def order(self, *, life_s: int) -> TripOrder:
        """A pause that somebody might ask for now."""
        now_s, nonce = (await self.node.head()).timestamp_s, (await self.state()).nonce
        chain_id = self.world.node.chain_id
        return TripOrder(chain_id, self.contract, PAUSE, (), b"\x07" * 32, nonce, now_s + life_s)

    async def in_time(self) -> None:
        """The keepers' clock is the chain's."""
        self.clock.ms = (await self.node.head()).timestamp_s * 1000


@asynccontextmanager
async def quorum_staged(world: World) -> AsyncIterator[QuorumStage]:
    """The contract holds the protocol's roles; two of its keepers must sign."""
    node = NodeClient(world.node.ws_url)
    try:
        contract = await Stand(world.node).put(load_artifact("CircuitBreaker"), world.admin.address, NOBODY, SILENCE_S)
        for role in (Role.PAUSER, Role.RISK, Role.ADMIN):
            await world.transact(world.admin, world.exchange, "grantRole(bytes32,address)", role.id, contract)
        stage = QuorumStage(world, node, contract)
        for account in world.node.accounts[5:8]:
            await stage.council("addKeeper(address)", account.address)
        await _register(stage)
        await stage.in_time()
        yield stage
    finally:
        await node.close()


async def _register(stage: QuorumStage) -> None:
    world, key = stage.world, bytes.fromhex(stage.world.market_id(MARKET)[2:])
    times = (3_600, 60, 86_400, NOBODY, 600, 6, 2)
    calls = (calldata("pauseMarket(bytes32)", key), calldata("unpauseMarket(bytes32)", key))
    probe = (world.exchange, 0, calldata("paused(bytes32)", key), (1).to_bytes(32, "big"))
    pause: tuple[Any, ...] = (world.exchange, *times, *calls, probe, [])
    sets = calldata("setWithdrawalLimit(bytes32,uint256)", key, 0)
    bound = (world.exchange, 1, 0, 0, 6_000, 1, 10**18, calldata("withdrawalLimit(bytes32)", key))
    limit: tuple[Any, ...] = (world.exchange, *times, sets, sets, (NOBODY, 0, b"", bytes(32)), [bound])
    for identifier, registration in ((PAUSE, pause), (LIMIT, limit)):
        data = register_data(bytes.fromhex(identifier[2:]), registration)
        await transact(world.node, world.admin.address, stage.contract, data)


async def keepers(
    stage: QuorumStage, books: Sequence[OrderBook], folder: Path, opened: AsyncExitStack, turn_s: float = 12.0
) -> list[Keeper]:
    """As many as there are books; the first three are keepers of the contract."""
    found = []
    for number, book in enumerate(books):
        account = stage.world.node.accounts[5 + number]
        await stage.world.node.rpc("anvil_setBalance", account.address, hex(10**18))
        keeper = Keeper(stage, account, folder / f"keeper-{number}.db", book, turn_s)
        await keeper.start(opened)
        found.append(keeper)
    return found


def logs_hold(found: Sequence[Keeper]) -> None:
    for keeper in found:
        verdict = verify(sqlite_url(keeper.log))
        assert verdict.ok, verdict.problem
