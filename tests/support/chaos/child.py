"""A keeper without eyes, for many short runs: the executor with its real edges, told by the test when the rule trips.

``child TRACE ORDER FOLDER`` as a program of ``ForkedRunning``; TRACE and ORDER are those of ``tests/chaos/launcher.py``. What it needs to know
is in FOLDER/run.json. It looks at the effect at every head and decides as the engine does: act while the rule trips and the effect is not
there, again some blocks after an action came to nothing.
"""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import sys
from contextlib import aclosing, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from keeper.adapters.audit.store import SqlAuditStore
from keeper.adapters.chain.node import NodeClient
from keeper.adapters.clock import SystemClock
from keeper.adapters.routes.private import PrivateRoute
from keeper.adapters.routes.public import PublicRoute
from keeper.adapters.routes.relay_client import Builder, Cancelling, RelayClient
from keeper.adapters.signing.local import LocalSigner
from keeper.app import notices
from keeper.domain.action import Action, ActionKind, Effect, FunctionCall
from keeper.domain.block import BlockStamp
from keeper.domain.budget import Budget
from keeper.domain.errors import AuditError, OutsideError
from keeper.domain.outcome import Outcome
from keeper.domain.record import Draft, Json, RecordKind
from keeper.execution.edges import Edges, Terms, Way
from keeper.execution.executor import Executor
from keeper.execution.planner import ArmedAction, arm
from keeper.execution.work import Order, Work
from tests.chaos.launcher import Trap, instrument
from tests.support.chaos.panel import Cell, Panel, short

MARKET = "ETH-PERP"
RETRY_BLOCKS = 2
REBROADCAST_BLOCKS = 4
AGAIN_S = 0.02
LOOK_S = 0.5
BUSY_MS = 40
"""How long a write waits for another process that holds the database."""
RELAY_MS = 250
KNOWN = {
    "titan": Builder("titan", "", header="", private_transactions=True),
    "buildernet": Builder("buildernet", "", cancel=Cancelling.EMPTY),
    "quasar": Builder("quasar", ""),
}
"""What a configuration would say of the builders of the relay stand-in, their addresses apart."""


@dataclass(frozen=True)
class Orders:
    """What a run's keeper is told: FOLDER/run.json."""

    node_url: str
    database: str
    key: str
    exchange: str
    market_id: str
    chain_id: int
    confirmations: int
    expires_ms: int
    route: str
    public_after: int | None
    builders: dict[str, str]
    """Their addresses by name; none where nothing goes to builders."""
    identity: str
    per_action_wei: int | None

    def write(self, folder: Path) -> None:
        (folder / "run.json").write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Orders:
        return cls(**json.loads((folder / "run.json").read_text("utf-8")))

    def action(self) -> ArmedAction:
        call = FunctionCall(self.exchange, "pauseMarket(bytes32)", (self.market_id,))
        effect = Effect(FunctionCall(self.exchange, "paused(bytes32)(bool)", (self.market_id,)), "true")
        action = Action(
            "pause-market",
            MARKET,
            ActionKind.PAUSE,
            call,
            effect,
            self.route,
            self.expires_ms,
            public_after=self.public_after,
        )
        return arm(action)


class SetClock(SystemClock):
    """The machine's clock, as the test has set it."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        super().__init__()

    def _read_ns(self) -> int:
        return super()._read_ns() + self._panel[Cell.CLOCK_MS] * 1_000_000


class Keeper:
    """From its start to SIGTERM."""

    def __init__(self, folder: Path) -> None:
        self._orders = Orders.read(folder)
        self._panel = Panel(folder / "panel")
        self._pages = folder / "pages"
        self._clock = SetClock(self._panel)
        self._armed = self._orders.action()
        self._node = NodeClient(self._orders.node_url, request_timeout_s=1.0, connect_timeout_s=1.0)
        self._ended_at = -RETRY_BLOCKS
        self._head: BlockStamp | None = None

    async def run(self) -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        self._store = store = await self._open()
        orders = self._orders
        way = self._way()
        edges = Edges(store, self._node, self._node, _signer(orders.key), {orders.route: way}, self._clock)
        budget = Budget(per_action_wei=orders.per_action_wei)
        terms = Terms(orders.chain_id, orders.confirmations, live=True, budget=budget)
        self._executor = Executor(
            edges,
            terms,
            {self._armed.key: self._armed},
            self._ended,
            on_fallback=lambda work, fallback: self._page(f"fallback/{work.intent.id}", "critical", fallback.message),
            on_withheld=lambda work, why: self._page(f"withheld/{work.intent.id}", "critical", why.message),
        )
        working = asyncio.create_task(self._work())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (working, stopping):
            task.cancel()
        with suppress(asyncio.CancelledError):
            await working  # a bug in it ends this process with an error
        for route in (way.open, way.secret):
            if route is not None:
                await route.close()
        await self._node.close()
        await store.close()

    def _way(self) -> Way:
        orders = self._orders
        public = PublicRoute("public", [self._node])
        if not orders.builders:
            return Way(public)
        identity, tls = _signer(orders.identity), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        clients = [
            RelayClient(replace(KNOWN[name], url=url), identity, self._clock, timeout_ms=RELAY_MS, tls=tls)
            for name, url in orders.builders.items()
        ]
        private = PrivateRoute("private", clients, identity, timeout_ms=RELAY_MS)
        never = orders.public_after is None
        return Way(None if never else public, private, together=orders.route == "race")

    async def _open(self) -> SqlAuditStore:
        while True:
            try:
                return await SqlAuditStore.open(self._orders.database, busy_timeout_ms=BUSY_MS)
            except AuditError:
                await asyncio.sleep(AGAIN_S)

    async def _work(self) -> None:
        """As the service: connect, take up what is open, then every head."""
        ready = False
        while True:
            try:
                if not ready:
                    await self._executor.refresh(await self._node.head())
                    await self._executor.recover()
                    with suppress(OutsideError):
                        await self._executor.measure_gas(self._armed)
                    ready = True
                await self._follow()
            except (OutsideError, AuditError) as error:
                print(type(error).__name__, error.message, flush=True)
                await asyncio.sleep(AGAIN_S)

    async def _follow(self) -> None:
        """Every head that is announced; the newest one where nothing is for a while. Raises OutsideError."""
        announced: asyncio.Queue[BlockStamp | OutsideError] = asyncio.Queue()
        listening = asyncio.create_task(self._listen(announced))
        try:
            head: BlockStamp | OutsideError = await self._node.head()
            while not isinstance(head, OutsideError):
                await self._deal_with(head)
                try:
                    async with asyncio.timeout(LOOK_S):
                        head = await announced.get()
                except TimeoutError:
                    head = await self._node.head()
            raise head
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _listen(self, announced: asyncio.Queue[BlockStamp | OutsideError]) -> None:
        try:
            async with aclosing(self._node.heads()) as heads:
                async for head in heads:
                    announced.put_nowait(head)
        except OutsideError as error:
            announced.put_nowait(error)

    async def _deal_with(self, head: BlockStamp) -> None:
        if self._head is not None and head.hash == self._head.hash:
            return
        try:
            await self._decide(head)
            tick: dict[str, Json] = {"block": {"number": head.number, "hash": head.hash}}
            await self._store.append([Draft(RecordKind.TICK, tick, self._clock.now_ms())])
            await self._executor.on_head(head)
            await self._executor.settle()
            await self._executor.sign_beforehand()
            if head.number % REBROADCAST_BLOCKS == 0:
                await self._executor.rebroadcast()
        except AuditError as error:
            print(type(error).__name__, error.message, flush=True)
        finally:
            self._head = head
            self._panel[Cell.OPEN] = len(self._executor.open_works)
            self._panel[Cell.HANDLED] = short(head.hash)

    async def _decide(self, head: BlockStamp) -> None:
        (seen,) = await self._node.read([self._armed.effect_call], head)
        effect = self._armed.effect_text(seen)
        if not self._panel[Cell.TRIPPED] or effect == "true" or self._executor.open_works:
            return
        if head.number < self._ended_at + RETRY_BLOCKS:
            return
        now = self._clock.now_ms()
        market, action = self._armed.key
        incident = f"{market}@1"
        body: dict[str, Json] = {"answer": "act", "block": {"number": head.number, "hash": head.hash}}
        draft = Draft(RecordKind.DECISION, body, now, market=market, action=action, incident=incident)
        order = Order(f"{incident}/{action}/{head.hash[2:14]}-{now}", incident, self._armed, effect, now)
        await self._executor.act([(draft, order)], head, {"head": self._clock.monotonic_ms()})

    def _ended(self, work: Work, outcome: Outcome) -> None:
        self._ended_at = self._head.number if self._head is not None else 0
        notice = notices.of_outcome(work, outcome)
        self._page(notice.key, str(notice.severity), notice.title)

    def _page(self, key: str, severity: str, title: str) -> None:
        with self._pages.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": key, "severity": severity, "title": title}) + "\n")


def _signer(key: str) -> LocalSigner:
    return LocalSigner(bytes.fromhex(key.removeprefix("0x")))


def main() -> None:
    trace, order, folder = sys.argv[1:]
    instrument(Trap(Path(trace), order))
    asyncio.run(Keeper(Path(folder)).run())
