"""A stage for the executor: a chain that can be reorganised, a store, a route and a signer that fail when told, and one list of all that happened."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count

from keeper.adapters.audit.canonical import canonical, record_hash
from keeper.adapters.audit.memory import MemoryAuditStore
from keeper.adapters.chain.memory import MemoryChain, Reverted, Storage
from keeper.adapters.routes.public import PublicRoute
from keeper.adapters.signing.local import LocalSigner
from keeper.domain.abi import parse_signature
from keeper.domain.action import Action, ActionKind, Effect, FunctionCall, SafeSide
from keeper.domain.adjustment import NEW, Adjustment
from keeper.domain.block import BlockStamp
from keeper.domain.budget import NO_BUDGET, Budget
from keeper.domain.errors import SigningError, StoreUnavailable, Unreachable
from keeper.domain.evm import SignedTransaction, UnsignedTransaction
from keeper.domain.intent import Attempt, Intent
from keeper.domain.outcome import Outcome
from keeper.domain.record import GENESIS, Draft, Json, Record, RecordKind
from keeper.execution.edges import Keeps, Way
from keeper.execution.executor import Edges, Executor, Terms
from keeper.execution.journal import Fallback
from keeper.execution.mandate import Unmandated
from keeper.execution.planner import ArmedAction, arm
from keeper.execution.purse import Withheld
from keeper.execution.work import Order, Work
from keeper.ports.route import Submission, SubmissionKind

VAULT = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
KEY = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
OTHER_KEY = bytes.fromhex("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d")
ETHER = 10**18
T0 = 1_763_700_000_000
EXPIRES_MS = 60_000

PAUSE, PAUSED, LIMIT, SET_LIMIT = (
    parse_signature(text).selector for text in ("pause()", "paused()(bool)", "limit()(uint256)", "setLimit(uint256)")
)
MISSING_ROLE = bytes.fromhex("e2517d3f") + bytes(64)


def vault(data: bytes, _: str, storage: Storage) -> bytes:
    """What the keeper acts on. ``mode`` says how it takes a call, ``calls`` counts those that succeeded; it never minds a second one."""
    selector, mode = data[:4], storage["mode"]
    if selector in (PAUSED, LIMIT):
        if storage["unreadable"]:
            raise Reverted
        return int(str(storage["paused" if selector == PAUSED else "limit"])).to_bytes(32, "big")
    if mode == "reverts":
        raise Reverted(bytes.fromhex("deadbeef"))
    if mode == "no role":
        raise Reverted(MISSING_ROLE)
    storage["calls"] = int(str(storage["calls"])) + 1
    if mode == "silent":
        return b""
    if selector == PAUSE:
        storage["paused"] = 1
    elif selector == SET_LIMIT:
        storage["limit"] = int.from_bytes(data[4:36], "big")
    return b""


def pause(
    market: str = "ETH-PERP", name: str = "pause", *, gas_limit: int | None = None, expires_ms: int = EXPIRES_MS
) -> ArmedAction:
    effect = Effect(FunctionCall(VAULT, "paused()(bool)"), "true")
    call = FunctionCall(VAULT, "pause()")
    return arm(Action(name, market, ActionKind.PAUSE, call, effect, "public", expires_ms, gas_limit=gas_limit))


def limit(to: int = 100, *, side: SafeSide = SafeSide.LOWER, market: str = "ETH-PERP") -> ArmedAction:
    effect = Effect(FunctionCall(VAULT, "limit()(uint256)"), str(to))
    call = FunctionCall(VAULT, "setLimit(uint256)", (str(to),))
    return arm(Action("limit", market, ActionKind.RATE_LIMIT, call, effect, "public", EXPIRES_MS, safe_side=side))


def adjust(
    expression: str = "current * 0.5",
    *,
    least: int = 100,
    most: int = 1_000_000,
    max_step: Decimal | None = None,
    side: SafeSide = SafeSide.LOWER,
    name: str = "adjust",
) -> ArmedAction:
    """The limit, made of what it is."""
    effect = Effect(FunctionCall(VAULT, "limit()(uint256)"), NEW)
    call = FunctionCall(VAULT, "setLimit(uint256)", (NEW,))
    action = Action(name, "ETH-PERP", ActionKind.ADJUST, call, effect, "public", EXPIRES_MS, safe_side=side)
    return arm(replace(action, adjustment=Adjustment(expression, side, least, most, max_step)))


class Faults:
    """Counts what is asked for, by kind, and says which of it fails. ``ask`` returns the number of this request, from 1 on."""

    def __init__(self) -> None:
        self.asked = 0
        self.failing: Callable[[int], str] = lambda _: ""

    def ask(self) -> str:
        """Empty: goes well; else the way in which it fails."""
        self.asked += 1
        return self.failing(self.asked)

    def fail(self, number: int, how: str = "before") -> None:
        """The request of this number, counted from now on, fails."""
        wanted = self.asked + number
        self.failing = lambda asked: how if asked == wanted else ""

    def heal(self) -> None:
        self.failing = lambda _: ""


class StageChain(MemoryChain):
    """ChainReader, AccountReader and Broadcaster. ``undo`` takes the newest block away, as a reorganisation does."""

    def __init__(self, faults: Faults) -> None:
        super().__init__()
        self.faults = faults
        self.watched = False
        self._before: list[tuple[object, ...]] = []

    def mine(self, *, seconds: int = 12) -> BlockStamp:
        accounts = {name: (account.nonce, account.balance_wei) for name, account in self._accounts.items()}
        code = {address: (contract, dict(storage)) for address, (contract, storage) in self._code.items()}
        self._before.append((list(self._pool), accounts, dict(self._receipts), code))
        return super().mine(seconds=seconds)

    def undo(self, *, keep_pool: bool = True) -> None:
        """The newest block is gone. Its transactions wait again, or nobody remembers them."""
        pool, accounts, receipts, code = self._before.pop()
        del self._states[self._blocks.pop().hash]
        if keep_pool:
            self._pool = list(pool)  # type: ignore[call-overload]
        for name, (nonce, balance) in accounts.items():  # type: ignore[attr-defined]
            account = self._account(name)
            account.nonce, account.balance_wei = nonce, balance
        self._receipts = dict(receipts)  # type: ignore[call-overload]
        self._code = dict(code)  # type: ignore[call-overload]

    def forget_pool(self) -> None:
        self._pool = []

    def pool_size(self) -> int:
        return len(self._pool)

    def spend_nonce(self, address: str) -> None:
        """Somebody else uses the key: a transaction of theirs is mined with the next nonce."""
        self._account(address).nonce += 1

    def value(self, name: str) -> int:
        return int(str(self._code[VAULT][1][name]))

    async def _reach(self) -> None:
        await super()._reach()
        if self.faults.ask():
            raise Unreachable("no answer")


class StageStore(MemoryAuditStore):
    """``before``: nothing is stored and it says so; ``after``: it is stored, and the answer is lost."""

    def __init__(self, faults: Faults, events: list[str]) -> None:
        super().__init__()
        self.faults = faults
        self.events = events

    async def append(self, drafts: Sequence[Draft]) -> Sequence[Record]:
        how = self.faults.ask()
        if how == "before":
            raise StoreUnavailable("the database is away")
        stored = await super().append(drafts)
        self.events += [f"{record.kind}" for record in stored]
        if how == "after":
            raise StoreUnavailable("the connection was lost")
        return stored

    def all(self) -> list[Record]:
        return list(self._records)

    def intents(self) -> dict[str, Intent]:
        return dict(self._journal.intents)


class StageSigner:
    """A real key; ``broken`` makes it refuse, and with ``held`` it answers when that is set, as one that is elsewhere."""

    def __init__(self, events: list[str], key: bytes = KEY) -> None:
        self._signer = LocalSigner(key)
        self._events = events
        self.broken = False
        self.held: asyncio.Event | None = None
        self.signed: list[UnsignedTransaction] = []

    @property
    def address(self) -> str:
        return self._signer.address

    async def sign(self, transaction: UnsignedTransaction) -> SignedTransaction:
        self._events.append("sign")
        self.signed.append(transaction)
        if self.held is not None:
            await self.held.wait()
        if self.broken:
            raise SigningError("the key does not answer", remedy="plug it in")
        return await self._signer.sign(transaction)


class StageRoute:
    """Sends to the chain, unless ``answers`` holds something else for the next submission.

    A Submission is answered without sending; ``lost`` sends and says that nobody answered.
    """

    name = "public"

    def __init__(self, chain: MemoryChain, store: StageStore, events: list[str]) -> None:
        self._public = PublicRoute("public", [chain])
        self._store = store
        self._events = events
        self.answers: list[Submission | str] = []
        self.always: Submission | None = None
        self.sent: list[Attempt] = []
        self.check: Callable[[Attempt], None] = lambda _: None

    async def submit(self, attempt: Attempt, block: int) -> Submission:
        written = [record.body["tx_hash"] for record in self._store.all() if record.kind is RecordKind.ATTEMPT]
        assert attempt.tx_hash in written, "an attempt is sent that is not written down"
        self.check(attempt)
        self._events.append("submit")
        self.sent.append(attempt)
        answer = self.answers.pop(0) if self.answers else self.always
        if isinstance(answer, Submission):
            return answer
        found = await self._public.submit(attempt, block)
        return Submission(SubmissionKind.UNREACHABLE, "no answer") if answer == "lost" else found

    async def close(self) -> None:
        await self._public.close()


class StageClock:
    """Stands still but for ``advance``; the monotonic one moves a millisecond each time it is read."""

    def __init__(self) -> None:
        self.ms = T0
        self._monotonic = count(1_000)

    def now_ms(self) -> int:
        return self.ms

    def monotonic_ms(self) -> float:
        return float(next(self._monotonic))

    async def sleep(self, seconds: float) -> None:
        self.ms += int(seconds * 1000)


@dataclass
class Stage:
    """Everything outside, and the executors that come and go on it."""

    events: list[str] = field(default_factory=list)
    chain_faults: Faults = field(default_factory=Faults)
    store_faults: Faults = field(default_factory=Faults)
    outcomes: list[tuple[str, Outcome]] = field(default_factory=list)
    told_sent: list[str] = field(default_factory=list)
    withheld: list[tuple[str, str]] = field(default_factory=list)
    fallbacks: list[tuple[str, Fallback]] = field(default_factory=list)
    budget: Budget = NO_BUDGET
    confirmations: int = 1
    lanes: dict[str, StageSigner] = field(default_factory=dict)
    refused: list[Unmandated] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = StageClock()
        self.chain = StageChain(self.chain_faults)
        self.chain.install(VAULT, vault, mode="good", paused=0, limit=1_000, calls=0, unreadable=0)
        self.store = StageStore(self.store_faults, self.events)
        self.signer = StageSigner(self.events)
        self.route = StageRoute(self.chain, self.store, self.events)
        self.ways = {"public": Way(self.route)}
        self.chain.fund(self.signer.address, ETHER)
        self.block = self.chain.mine()
        self._decisions = count(1)

    def executor(
        self,
        *armed: ArmedAction,
        live: bool = True,
        signer: StageSigner | None = None,
        without_signer: bool = False,
        keeps: Keeps | None = None,
    ) -> Executor:
        """A new one on the same store: what a restart after a crash is."""
        edges = Edges(
            store=self.store,
            chain=self.chain,
            accounts=self.chain,
            signer=None if without_signer else (signer or self.signer),
            ways=self.ways,
            clock=self.clock,
            keeps=keeps,
            lanes=self.lanes,
        )
        terms = Terms(31337, self.confirmations, live=live, budget=self.budget)
        return Executor(
            edges,
            terms,
            {each.key: each for each in armed or (pause(),)},
            self._ended,
            self._sent,
            self.refused.append,
            on_fallback=self._fell_back,
            on_withheld=self._withheld,
        )

    def add_lane(self, name: str, signer: StageSigner) -> StageSigner:
        """One more key, which can pay."""
        self.lanes[name] = signer
        self.chain.fund(signer.address, ETHER)
        self.block = self.chain.mine()
        return signer

    async def ready(self, *armed: ArmedAction, live: bool = True, measured: bool = False) -> Executor:
        """One that knows its nonce, as after start-up; ``measured``: and the gas of its actions, as after the first readiness probe."""
        executor = self.executor(*armed, live=live)
        await executor.recover()
        await executor.refresh(self.block)
        if measured:
            for each in armed or (pause(),):
                await executor.measure_gas(each)
        return executor

    def items(self, *armed: ArmedAction, before: str | None = "false") -> list[tuple[Draft, Order | None]]:
        """One decision to act for each."""
        items: list[tuple[Draft, Order | None]] = []
        for each in armed or (pause(),):
            number = next(self._decisions)
            market, name = each.key
            draft = Draft(
                RecordKind.DECISION,
                {"answer": "act"},
                self.clock.ms,
                market=market,
                action=name,
                incident=f"{market}@1",
            )
            known = "1000" if each.action.safe_side and before == "false" else before
            items.append((draft, Order(f"{market}@1/{name}/{number}", f"{market}@1", each, known, self.clock.ms)))
        return items

    async def act(self, executor: Executor, *armed: ArmedAction, before: str | None = "false") -> None:
        await executor.act(self.items(*armed, before=before), self.block, {"head": self.clock.monotonic_ms()})

    async def head(self, executor: Executor, *, seconds: int = 12) -> None:
        """The next block, and the executor hears of it."""
        self.block = self.chain.mine(seconds=seconds)
        self.clock.ms += seconds * 1000
        await executor.on_head(self.block)

    def expire(self) -> None:
        self.clock.ms += EXPIRES_MS + 1

    def records(self, kind: RecordKind) -> list[Record]:
        return [record for record in self.store.all() if record.kind is kind]

    def bodies(self, kind: RecordKind) -> list[Mapping[str, Json]]:
        return [record.body for record in self.records(kind)]

    @property
    def kinds(self) -> list[str]:
        return [record.kind.value for record in self.store.all()]

    @property
    def outcome(self) -> Outcome:
        """The only end so far."""
        assert len(self.outcomes) == 1, self.outcomes
        return self.outcomes[0][1]

    @property
    def calls(self) -> int:
        """How many transactions of the keeper the contract has carried out."""
        return self.chain.value("calls")

    def _sent(self, work: Work) -> None:
        assert work.last_attempt is not None
        accepted = [record for record in self.records(RecordKind.BROADCAST) if record.body["accepted"]]
        assert accepted, "it is told before it is written down"
        self.told_sent.append(work.last_attempt.tx_hash)

    def _fell_back(self, work: Work, fallback: Fallback) -> None:
        assert "fallback" in self.bodies(RecordKind.BROADCAST)[-1], "it is told before it is written down"
        self.fallbacks.append((work.intent.id, fallback))

    def _withheld(self, work: Work, withheld: Withheld) -> None:
        self.withheld.append((work.intent.id, withheld.message))

    def _ended(self, work: Work, outcome: Outcome) -> None:
        written = [record for record in self.records(RecordKind.OUTCOME) if record.body["reason"] == outcome.reason]
        assert written, "an end is told that is not written down"
        self.outcomes.append((work.intent.id, outcome))


def check_chained(records: Sequence[Record]) -> None:
    """Every record's number, link and hash."""
    head = GENESIS
    for number, record in enumerate(records, start=1):
        digest = record_hash(
            seq=number,
            at=record.at,
            kind=record.kind.value,
            market=record.market,
            action=record.action,
            incident=record.incident,
            intent=record.intent,
            body=canonical(record.body),
            prev_hash=head,
        )
        assert (record.seq, record.prev_hash, record.hash) == (number, head, digest)
        head = digest
