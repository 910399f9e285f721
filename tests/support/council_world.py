"""A council in memory: a Safe as a Python function on a chain in memory, a service that forgets, a log, and a clock that the test moves."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from eth_abi.abi import encode

from keeper.adapters.audit.memory import MemoryAuditStore
from keeper.adapters.chain.memory import MemoryChain, Reverted, Storage
from keeper.adapters.safe.memory import KnownSafe, MemoryProposalService
from keeper.adapters.signing.local import LocalSigner
from keeper.app.council.council import Council
from keeper.app.council.desk import Desk
from keeper.app.council.explaining import Explainer
from keeper.app.council.filing import Filing
from keeper.app.council.known import Known
from keeper.app.council.ledger import Ledger, Proposed, Step
from keeper.app.council.matter import After
from keeper.app.council.onchain import EXECUTED_TOPIC, FAILED_TOPIC, SafeReader
from keeper.app.council.proposer import Proposer
from keeper.app.council.reading import CallReader
from keeper.app.council.telling import Links
from keeper.app.council.told import Gathering
from keeper.app.council.vigil import Vigil
from keeper.app.faults import Faults
from keeper.config.model import ProposeAs, SafeRoute
from keeper.config.secret import Secret
from keeper.domain.action import Action, ActionKind, Effect, FunctionCall
from keeper.domain.address import keccak256
from keeper.domain.block import BlockStamp
from keeper.domain.council_words import Delegation, hour_of
from keeper.domain.decision import IncidentEvent, IncidentPhase
from keeper.domain.evm import Log, Receipt
from keeper.domain.intent import IntentState
from keeper.domain.outcome import Outcome
from keeper.domain.proposal import Confirmation, Delegate, Queued, SafeState
from keeper.domain.record import Draft, Record, RecordKind, RecordQuery
from keeper.domain.safe import SafeTransaction
from keeper.execution.edges import Edges, Terms
from keeper.execution.planner import arm
from keeper.execution.work import Order
from keeper.ports.council import QueuePage, Skipped
from keeper.ports.notifier import Notice
from tests.support.manual_clock import ManualClock
from tests.support.orders import KEYS
from tests.support.safe_proposals import CHAIN_ID, OWNERS, SAFE, TARGET, signature

ID = "0x" + b"ETH-PERP".ljust(32, b"\0").hex()
OTHER_ID = "0x" + b"BTC-PERP".ljust(32, b"\0").hex()
MULTISEND = "0x9641d764fc13c8B624c04430C7356C1C7C8102e2"
SECOND_KEY = bytes(31) + b"\x07"
FIRST_NONCE = 7


def _selector(text: str) -> bytes:
    return keccak256(text.encode())[:4]


def multi_send_code() -> bytes:
    """The runtime code of MultiSendCallOnly 1.4.1, as its authors compiled it."""
    place = files("safe_eth").joinpath("eth", "contracts", "abis", "MultiSendCallOnly_V1_4_1.json")
    return bytes.fromhex(json.loads(place.read_text(encoding="utf-8"))["deployedBytecode"][2:])


def safe_contract(data: bytes, sender: str, storage: Storage) -> bytes:
    """The views of a Safe that are asked for; ``takes`` are the single contract signatures that it finds good."""
    answers: dict[bytes, tuple[tuple[str, ...], tuple[Any, ...]]] = {
        _selector("VERSION()"): (("string",), (storage["version"],)),
        _selector("getOwners()"): (("address[]",), (storage["owners"],)),
        _selector("getThreshold()"): (("uint256",), (storage["threshold"],)),
        _selector("nonce()"): (("uint256",), (storage["nonce"],)),
        _selector("getModulesPaginated(address,uint256)"): (("address[]", "address"), ([], "0x" + 39 * "0" + "1")),
        _selector("getStorageAt(uint256,uint256)"): (("bytes",), (bytes(32),)),
    }
    if data[:4] in answers:
        return encode(*answers[data[:4]])
    if data[:4] == _selector("approvedHashes(address,bytes32)"):
        approved: Any = storage["approved"]
        return encode(("uint256",), (int((data[16:36], data[36:68]) in approved),))
    if data[:4] == _selector("checkNSignatures(bytes32,bytes,bytes,uint256)"):
        takes: Any = storage["takes"]
        if any(one in data for one in takes):
            return b""
    raise Reverted


def exchange(data: bytes, sender: str, storage: Storage) -> bytes:
    """Markets that the Safe pauses."""
    paused: Any = storage["paused"]
    key = data[4:36]
    if data[:4] == _selector("paused(bytes32)"):
        return encode(("bool",), (key in paused,))
    if data[:4] == _selector("pauseMarket(bytes32)"):
        if sender != SAFE:
            raise Reverted
        storage["paused"] = paused | {key}
        return b""
    raise Reverted


class SafeChain(MemoryChain):
    """With a Safe that ``execute`` makes execute."""

    def __init__(self, *, version: str = "1.4.1") -> None:
        super().__init__(chain_id=CHAIN_ID)
        self._safe_logs: list[Log] = []
        self._safe_receipts: dict[str, Receipt] = {}
        self._layout = version
        self.libraries = {MULTISEND: multi_send_code()}
        self.codes_asked: list[str] = []
        self.install(
            SAFE, safe_contract, version=version, owners=list(OWNERS), threshold=2, nonce=FIRST_NONCE, approved=frozenset(), takes=frozenset()
        )  # fmt: skip
        self.install(TARGET, exchange, paused=frozenset())
        self.mine()

    def execute(self, transaction: SafeTransaction, *, ok: bool = True, effect: bool = True) -> BlockStamp:
        """In the next block. ``effect`` False: the market is not paused by it."""
        if ok and effect and transaction.to == TARGET:
            paused: Any = self._code[TARGET][1]["paused"]
            self.store(TARGET, paused=paused | {transaction.data[4:36]})
        self.store(SAFE, nonce=transaction.nonce + 1)
        block = self.mine()
        tx_hash = "0x" + keccak256(transaction.hash + block.number.to_bytes(8)).hex()
        topic = EXECUTED_TOPIC if ok else FAILED_TOPIC
        old = self._layout == "1.3.0"
        topics = (topic,) if old else (topic, transaction.hash_text)
        data = transaction.hash + bytes(32) if old else bytes(32)
        self._safe_logs.append(Log(SAFE, topics, data, block.number, block.hash, tx_hash, 0))
        self._safe_receipts[tx_hash] = Receipt(tx_hash, 1, block.number, block.hash, 21_000, 1)
        return block

    async def code(self, address: str) -> bytes:
        self.codes_asked.append(address)
        return self.libraries.get(address, b"")

    def undo(self, depth: int, nonce: int) -> BlockStamp:
        """A reorganisation: what was executed in those blocks was not."""
        self.rewind(depth)
        self.store(SAFE, nonce=nonce)
        self.store(TARGET, paused=frozenset())
        return self.mine()

    def approve(self, owner: str, transaction: SafeTransaction) -> None:
        """``approveHash``; seen with the next block."""
        approved: Any = self._code[SAFE][1]["approved"]
        self.store(SAFE, approved=approved | {(bytes.fromhex(owner[2:]), transaction.hash)})

    async def logs(self, address: str, topics: Sequence[str | None], first: int, last: int) -> Sequence[Log]:
        await self._reach()
        return [
            log
            for log in self._safe_logs
            if first <= log.block_number <= last and log.topics[0] in topics and self._stands(log.block_hash)
        ]

    async def receipt(self, tx_hash: str) -> Receipt | None:
        await self._reach()
        found = self._safe_receipts.get(tx_hash)
        return found if found is not None and self._stands(found.block_hash) else None

    def _stands(self, block_hash: str) -> bool:
        return any(block.hash == block_hash for block in self._blocks)


class TellingService(MemoryProposalService):
    """``tell`` changes what it says of its queue; ``lost`` are hashes that it does not show; ``asked`` are the questions put to it.

    ``skipped`` and ``whole`` are what it says of its queue beside that.
    """

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(CHAIN_ID, clock=clock)
        self.tell: list[Queued] | None = None
        self.lost: set[str] = set()
        self.asked: list[str] = []
        self.lose_answers = False
        self.skipped: tuple[Skipped, ...] = ()
        self.whole = True

    async def queue(self, safe: str, since_nonce: int) -> QueuePage:
        self.asked.append("queue")
        page = await super().queue(safe, since_nonce)
        told = page.queued if self.tell is None else tuple(self.tell)
        kept = tuple(one for one in told if one.claimed_hash not in self.lost)
        return QueuePage(kept, self.skipped, self.whole)

    async def find(self, safe_tx_hash: str) -> Queued | None:
        self.asked.append("find")
        return await super().find(safe_tx_hash)

    async def propose(self, transaction: SafeTransaction, sender: str, signature: bytes, origin: str) -> None:
        self.asked.append("propose")
        await super().propose(transaction, sender, signature, origin)
        self.lost.discard(transaction.hash_text)

    async def withdraw(self, safe: str, safe_tx_hash: str, signature: bytes) -> None:
        self.asked.append("withdraw")
        await super().withdraw(safe, safe_tx_hash, signature)


class CarryingFake:
    """What the vigil gave to be executed."""

    def __init__(self) -> None:
        self.given: list[tuple[str, tuple[str, ...]]] = []

    async def execute(
        self, proposed: Proposed, confirmations: Sequence[Confirmation], state: SafeState, block: BlockStamp
    ) -> bool:
        self.given.append((proposed.hash, tuple(one.owner for one in confirmations)))
        return True

    def keep(self, hashes: Collection[str]) -> None:
        """Nothing to let go of."""

    def rest(self) -> None:
        """Nothing to let go of."""


def action(market: str = "ETH-PERP", key: str = ID, *, expires_ms: int = 600_000) -> Action:
    call = FunctionCall(TARGET, "pauseMarket(bytes32)", (key,))
    effect = Effect(FunctionCall(TARGET, "paused(bytes32)(bool)", (key,)), "true")
    return Action("pause-market", market, ActionKind.PAUSE, call, effect, "council", expires_ms)


def pause_of(nonce: int = FIRST_NONCE, key: str = ID) -> SafeTransaction:
    """What the keeper proposes for it."""
    return SafeTransaction(CHAIN_ID, SAFE, nonce, TARGET, _selector("pauseMarket(bytes32)") + bytes.fromhex(key[2:]))


def a_route(folder: Path, **changed: Any) -> SafeRoute:
    plain = SafeRoute(
        name="council",
        address=SAFE,
        service=Secret("http://service"),
        service_shown="http://service",
        api_key=None,
        propose_as=ProposeAs.DELEGATE,
        execute=False,
        files=str(folder / "proposals"),
        remind_ms=600_000,
        escalate_ms=1_800_000,
        web="",
        members={OWNERS[0]: "Ada"},
        multisend=MULTISEND,
    )
    return replace(plain, **changed)


@dataclass
class CouncilWorld:
    """One keeper's desk and facade over a shared chain and service; ``another`` is a second keeper with a key and a log of its own."""

    folder: Path
    clock: ManualClock = field(default_factory=ManualClock)
    chain: SafeChain = field(default_factory=SafeChain)
    service: TellingService = field(init=False)
    key: bytes = KEYS[3]
    route: SafeRoute = field(init=False)
    confirmations: int = 1
    with_service: bool = True
    live: bool = True
    carrying: CarryingFake | None = None

    def __post_init__(self) -> None:
        self.service = TellingService(self.clock)
        self.service.safes[SAFE] = KnownSafe(OWNERS, FIRST_NONCE)
        self.route = a_route(self.folder)
        self.store = MemoryAuditStore()
        self.notices: list[Notice] = []
        self.faults_said: list[Draft] = []
        self.ends: list[Outcome] = []
        self.keeps: Outcome | None = None
        self.start()

    def start(self) -> Desk:
        """A new run of the same keeper: only the log remembers."""
        self.signer = LocalSigner(self.key)
        if not self.with_service:
            self.route = replace(self.route, service=None)
        service = self.service if self.with_service else None
        self.faults = Faults(self.clock, self.faults_said.append, self.notices.append)
        self.ledger = Ledger(self.store, self.clock, SAFE)
        self.reader = SafeReader(self.chain, self.chain, CHAIN_ID, SAFE)
        self.filing = Filing(self.route)
        self.proposer = Proposer(self.route, service, self.ledger, self.signer, self.clock, self.filing)
        self.gathering = Gathering(self.route, service, self.ledger, self.reader)
        links = Links(self.route, "")
        self.vigil = Vigil(
            self.route, self.reader, self.proposer, self.ledger, self.gathering, self.chain, self.clock, self.faults, links,
            live=self.live, carrying=self.carrying, tell=self.notices.append,  # type: ignore[arg-type]
        )  # fmt: skip

        async def judge(*_: object) -> tuple[After, Outcome | None]:
            return After(True, "it goes through"), self.keeps

        async def joint(*_: object) -> After:
            return After(True, "it goes through")

        edges = Edges(self.store, self.chain, self.chain, self.signer, {}, self.clock)
        terms = Terms(CHAIN_ID, self.confirmations, self.live)
        self.armed = {one.key: one for one in (arm(action()), arm(action("BTC-PERP", OTHER_ID)))}
        self.desk = Desk(
            self.route, self.reader, self.proposer, self.ledger, self.vigil, edges, terms, self.armed, self.faults,
            judge=judge, ended=lambda work, outcome: self.ends.append(outcome), tell=self.notices.append,
        )  # fmt: skip
        explainer = Explainer(
            self.chain,
            self.store,
            self.ledger,
            links,
            [one.action for one in self.armed.values()],
            self.chain,
            joint,
            CallReader(self.chain),
        )
        self.council = Council(
            self.route, self.reader, self.chain, self.ledger, self.proposer, self.gathering, explainer, service,
            self.signer, Known(SAFE, multisend=frozenset({MULTISEND})), self.clock,
        )  # fmt: skip
        return self.desk

    async def delegate(self) -> None:
        """The first owner makes this keeper's key its delegate."""
        words = Delegation(CHAIN_ID, self.signer.address, hour_of(self.clock.now_ms()))
        delegate = Delegate(self.signer.address, OWNERS[0], "keeper", SAFE)
        await self.service.add(delegate, signature(0, words.hash))

    async def another(self, folder: Path) -> CouncilWorld:
        other = CouncilWorld(folder, self.clock, self.chain, key=SECOND_KEY)
        other.service = self.service
        other.start()
        await other.delegate()
        return other

    async def order(self, market: str = "ETH-PERP", *, incident: str = "") -> Order:
        """A decision to pause, taken by the desk."""
        armed = self.armed[market, "pause-market"]
        now_ms = self.clock.now_ms()
        number = len(await self.bodies(RecordKind.INTENT))
        order = Order(f"{market}/{number}", incident or f"{market}@1", armed, "false", now_ms, b"\x11" * 32)
        await self.desk.take(order)
        return order

    async def look(self, *, mine: bool = True) -> None:
        if mine:
            self.chain.mine()
        await self.desk.look(await self.chain.head())

    async def recover(self) -> None:
        self.start()
        await self.desk.recover()

    async def sign(self, transaction: SafeTransaction, *owners: int) -> None:
        """These owners sign at the service."""
        for owner in owners:
            await self.service.confirm(transaction.hash_text, signature(owner, transaction.hash))

    async def queued(self) -> list[SafeTransaction]:
        """What really lies in the service."""
        safe = self.service.safes[SAFE]
        page = await MemoryProposalService.queue(self.service, SAFE, safe.nonce)
        return [one.transaction for one in page.queued]

    async def records(self, *kinds: RecordKind) -> list[Record]:
        return list(await self.store.page(RecordQuery(kinds=kinds, limit=1_000)))

    async def bodies(self, kind: RecordKind = RecordKind.PROPOSAL) -> list[dict[str, Any]]:
        return [dict(record.body) for record in await self.records(kind)]

    async def steps(self) -> list[str]:
        return [body["step"] for body in await self.bodies()]

    async def step(self, step: Step) -> dict[str, Any]:
        """The newest record of this step."""
        return [body for body in await self.bodies() if body["step"] == step][-1]

    async def outcomes(self) -> list[tuple[str, str]]:
        return [(body["kind"], body["reason"]) for body in await self.bodies(RecordKind.OUTCOME)]

    async def open_intents(self) -> int:
        return sum(one.state is not IntentState.DONE for one in await self.store.open_intents())

    def down(self) -> dict[str, str]:
        """The parts that are down, with their reasons."""
        return {fault.part: fault.reason for fault in self.faults.current}

    def told(self, prefix: str) -> list[Notice]:
        return [one for one in self.notices if one.key.startswith(prefix)]

    def incident_over(self, incident: str = "ETH-PERP@1") -> None:
        verdict: Any = None
        self.desk.incident(IncidentEvent(incident, "ETH-PERP", IncidentPhase.CLOSED, verdict, 0, 0))


def contract_word(owner: str, blob: bytes) -> Confirmation:
    """A contract's signature, alone as services give it."""
    head = bytes(12) + bytes.fromhex(owner[2:]) + (65).to_bytes(32) + b"\0"
    return Confirmation(owner, head + len(blob).to_bytes(32) + blob)
