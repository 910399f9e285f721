"""Keepers that sign together, without a node: a breaker double, one book in memory, and everything fails when told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from keeper.adapters.audit.memory import MemoryAuditStore
from keeper.adapters.chain.memory import MemoryChain, Storage
from keeper.adapters.orders.memory import MemoryOrderBook
from keeper.adapters.signing.local import LocalSigner
from keeper.app.breakers.cosigning import Cosigning
from keeper.app.breakers.pledges import Pledges
from keeper.app.faults import Faults
from keeper.domain.abi import parse_signature
from keeper.domain.action import Action, ActionKind, BreakerTrip, Effect, FunctionCall, SafeSide
from keeper.domain.adjustment import NEW, Adjustment
from keeper.domain.block import BlockStamp
from keeper.domain.circuit_breaker import breaker_id
from keeper.domain.errors import StoreUnavailable, Unreachable
from keeper.domain.order import SignedOrder, TripOrder, signed_order
from keeper.domain.record import Draft, Record, RecordKind, RecordQuery
from keeper.execution.planner import ArmedAction, arm
from keeper.execution.work import Order
from keeper.ports.notifier import Notice
from keeper.ports.orders import OrderPage
from tests.support.breaker_double import ADDRESS, READY, TERMS, Double, tripped
from tests.support.manual_clock import ManualClock
from tests.support.orders import KEYS

VAULT = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
LIMIT = parse_signature("limit()(uint256)").selector
EXPIRES_MS = 120_000
START = 1_000


def vault(data: bytes, _: str, storage: Storage) -> bytes:
    """Its limit is what the breaker lowers."""
    assert data[:4] == LIMIT
    return int(str(storage["limit"])).to_bytes(32, "big")


def halved(name: str = "limit") -> ArmedAction:
    """Half of the limit, through the breaker."""
    effect = Effect(FunctionCall(VAULT, "limit()(uint256)"), NEW)
    call = FunctionCall(VAULT, "setLimit(uint256)", (NEW,))
    adjustment = Adjustment("current * 0.5", SafeSide.LOWER, 1, 10**18, None)
    action = Action(name, "M", ActionKind.ADJUST, call, effect, "breaker", EXPIRES_MS, safe_side=SafeSide.LOWER)
    return arm(replace(action, adjustment=adjustment, breaker=BreakerTrip(ADDRESS, breaker_id("cut"), (NEW,))))


class Book(MemoryOrderBook):
    """``away`` makes it unreachable."""

    away = False

    async def put(self, signed: SignedOrder) -> None:
        self._reach()
        await super().put(signed)

    async def look(self, since_s: int) -> OrderPage:
        self._reach()
        return await super().look(since_s)

    def lose(self) -> None:
        """Somebody empties it."""
        self._signed.clear()

    def _reach(self) -> None:
        if self.away:
            raise Unreachable("the book is away")


class Log(MemoryAuditStore):
    away = False

    async def append(self, drafts: Sequence[Draft]) -> Sequence[Record]:
        if self.away:
            raise StoreUnavailable("the disk is full")
        return await super().append(drafts)

    async def of(self, kind: RecordKind) -> list[Record]:
        return list(await self.page(RecordQuery(kinds=(kind,))))


class Hand:
    """A real key; every signature is noted with the chain's time."""

    def __init__(self, number: int, scene: Scene) -> None:
        self._signer = LocalSigner(KEYS[number])
        self._scene = scene
        self.signed: list[tuple[int, TripOrder]] = []

    @property
    def address(self) -> str:
        return self._signer.address

    async def sign_order(self, order: TripOrder) -> bytes:
        self.signed.append((self._scene.block.timestamp_s, order))
        return await self._signer.sign_order(order)


class Member:
    """One keeper. ``restart`` forgets everything but its log."""

    def __init__(self, number: int, scene: Scene) -> None:
        self.scene = scene
        self.hand = Hand(number, scene)
        self.log = Log()
        self.acted: list[Order] = []
        self.failed: list[tuple[str, str, str]] = []
        self.told: list[Notice] = []
        self.faults = Faults(scene.clock, lambda _: None, lambda _: None)
        self.decided = 0
        self.restart()

    def restart(self) -> None:
        scene = self.scene
        self.cosigning = Cosigning(
            scene.armed,
            {ADDRESS: scene.book},
            Pledges(self.log, self.hand, scene.clock),
            scene.chain,
            self.log,
            scene.clock,
            31337,
            self.faults,
            act=self._act,
            failed=lambda *what: self.failed.append(what),
            tell=self.told.append,
        )

    def decide(self, current: int = START) -> Order:
        self.decided += 1
        evidence = bytes([self.decided]) * 32
        order = Order(
            f"M@{self.decided}", "M@1", self.scene.armed[0], str(current), self.scene.clock.now_ms(), evidence=evidence
        )
        if self.cosigning.takes(order):
            self.cosigning.take(order)
        return order

    async def look(self) -> None:
        await self.cosigning.look(self.scene.block)

    async def _act(self, items: Sequence[tuple[Draft, Order | None]], block: BlockStamp) -> None:
        await self.log.append([draft for draft, _ in items])
        for _, order in items:
            assert order is not None
            self.acted.append(order)
            if order.signed:
                self.scene.trips(order)


class Scene:
    """``required`` of the keepers must sign. Whatever is submitted is in the next block."""

    def __init__(self, members: int = 3, required: int = 2) -> None:
        self.clock = ManualClock()
        self.chain = MemoryChain()
        self.armed = (halved(),)
        self.double = Double(self.chain)
        self.double.install(heard_s=1_700_000_000, limit_s=10**9, terms=replace(TERMS, required=required))
        self.chain.install(VAULT, vault, limit=START)
        self.book = Book()
        self.block = self.chain.mine(seconds=1)
        self.trip_count = 0
        self.members = [Member(number, self) for number in range(members)]

    def trips(self, order: Order) -> None:
        """As the contract: by its nonce only the first one goes through."""
        state = self.double.value("state")
        if state.nonce != READY.nonce:
            return
        self.trip_count += 1
        self.double.set(state=tripped(self.block.timestamp_s, state.nonce + 1))
        new = order.armed.at(order.before).adjusted
        assert new is not None
        self.chain.store(VAULT, limit=new.new)
        self.block = self.chain.mine(seconds=1)

    def set_limit(self, value: int) -> None:
        self.chain.store(VAULT, limit=value)
        self.block = self.chain.mine(seconds=1)

    async def pass_s(self, seconds: int) -> None:
        await self.clock.advance(1000 * seconds)
        self.block = self.chain.mine(seconds=seconds)

    async def orders(self) -> list[SignedOrder]:
        away, self.book.away = self.book.away, False
        found = list((await self.book.look(0)).signed)
        self.book.away = away
        return found

    async def stranger_signs(self, order: TripOrder, key: int = 3) -> SignedOrder:
        return signed_order(order, await LocalSigner(KEYS[key]).sign_order(order))

    def state(self) -> Any:
        return self.double.value("state")
