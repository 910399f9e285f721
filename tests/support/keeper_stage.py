"""A small world with a keeper's configuration: one market under watch, two oracles on the chain, blocks only when the test mines.

Both prices are on the chain, so that what a keeper sees depends on blocks alone and on no clock.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.reading import page_sync
from keeper.adapters.audit.verify import verify
from keeper.devnet.accounts import Account
from keeper.devnet.anvil import Anvil
from keeper.devnet.transactions import calldata
from keeper.devnet.world import World, deploy_world
from keeper.domain.record import Record, RecordKind, RecordQuery

MARKET = "ETH-PERP"
OTHER = "SPOT-PERP"
"""A second market of the exchange. Its feed is what the first market's oracle is held against; nobody ever pauses it."""
FAIR = Decimal(3000)
OFF = Decimal(2800)
"""6.7 % below: the rule's threshold is 2 %."""
PAUSE_SELECTOR = "0x" + calldata("pauseMarket(bytes32)", b"\0" * 32)[:4].hex()
POLL_S = 0.01
PATIENCE_S = 100.0
"""How long a condition may take before a test gives up. Nothing is concluded from how long it took."""


@dataclass(frozen=True)
class Setup:
    """What differs between the configurations of the tests; the defaults are the plain case."""

    node_url: str = ""
    chain_id: int = 31337
    mode: str = "live"
    target: str = ""
    expires: str = "5m"
    retry: str = "1s"
    cooldown: str = "10m"
    gas_limit: int | None = None
    confirmations: int = 1
    signer: str = "{kind: key-file, path: keeper.key}"
    notify: Sequence[str] = ("{kind: log}",)
    more_sources: str = ""
    more_endpoints: str = ""
    audit: str = "sqlite:///keeper.db"
    routes: str = "{public: {kind: public}}"
    route: str = "public"
    public_after: str = ""


def configuration(world: World, setup: Setup) -> str:
    """The YAML."""
    target = setup.target or world.exchange
    gas = f"\n    gas_limit: {setup.gas_limit}" if setup.gas_limit is not None else ""
    after = f"\n    public_after: {setup.public_after}" if setup.public_after else ""
    return f"""\
keeper: {{name: test, mode: {setup.mode}}}
chain:
  id: {setup.chain_id}
  endpoints:
    - {{url: "{setup.node_url or world.node.ws_url}", role: primary}}
{setup.more_endpoints}\
  confirmations: {setup.confirmations}
audit: {{url: "{setup.audit}"}}
signer: {setup.signer}
routes: {setup.routes}
notify:
{"".join(f"  - {each}" + chr(10) for each in setup.notify)}\
sources:
  oracle: {{kind: chainlink, address: "{world.feeds[MARKET]}", unit: price, max_age: 10h}}
  spot: {{kind: chainlink, address: "{world.feeds[OTHER]}", unit: price, max_age: 10h}}
{setup.more_sources}\
markets:
  {MARKET}:
    vars: {{id: "{world.market_id(MARKET)}"}}
    signals:
      divergence: {{kind: divergence, of: oracle, against: spot}}
    rules:
      oracle-divergence:
        when: {{signal: divergence, above: 2%}}
        clear: {{below: 1%}}
        severity: critical
        actions: [pause-market]
actions:
  pause-market:
    kind: pause
    target: "{target}"
    call: "pauseMarket(bytes32)"
    args: ["{{id}}"]
    read: {{call: "paused(bytes32)(bool)", args: ["{{id}}"], expect: "true"}}
    undo: {{call: "unpauseMarket(bytes32)", args: ["{{id}}"]}}
    route: {setup.route}
    cooldown: {setup.cooldown}
    retry: {setup.retry}
    expires: {setup.expires}{gas}{after}
"""


@dataclass
class Stage:
    """The world, and one keeper's folder in it."""

    world: World
    folder: Path
    key: Account = field(init=False)
    _made: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.key = self.world.keeper

    @property
    def node(self) -> Anvil:
        return self.world.node

    @property
    def config(self) -> Path:
        return self.folder / "keeper.yaml"

    @property
    def database(self) -> Path:
        return self.folder / "keeper.db"

    @property
    def url(self) -> str:
        return sqlite_url(self.database)

    def write(self, setup: Setup | None = None, *, key: Account | None = None) -> Path:
        """The configuration and the key file; returns the path of the former."""
        self.key = key or self.world.keeper
        path = self.folder / "keeper.key"
        path.touch(mode=0o600)
        path.write_text(self.key.private_key + "\n", encoding="ascii")
        self.config.write_text(configuration(self.world, setup or Setup()), encoding="utf-8")
        return self.config

    async def shock(self) -> None:
        """The oracle is moved away; seen with the next block."""
        await self.world.push_price(MARKET, OFF, wait=False)

    def records(self, *kinds: RecordKind) -> list[Record]:
        """Those of the log that are of these kinds (all without any), with their evidence; empty while there is no log."""
        if not self._has_log():
            return []
        found: list[Record] = []
        query = RecordQuery(kinds=kinds, limit=1_000, full=True)
        while True:
            page = page_sync(self.url, replace(query, after=found[-1].seq if found else 0))
            found += page
            if len(page) < query.limit:
                return found

    def kinds(self) -> list[str]:
        return [record.kind.value for record in self.records()]

    def faults(self, part: str) -> list[tuple[str, str]]:
        """(state, reason) of each fault record of a part, in order."""
        bodies = [record.body for record in self.records(RecordKind.FAULT)]
        return [(str(body["state"]), str(body["reason"])) for body in bodies if body["part"] == part]

    def outcomes(self) -> list[tuple[str, str]]:
        """(kind, reason) of each outcome, in order."""
        bodies = [record.body for record in self.records(RecordKind.OUTCOME)]
        return [(str(body["kind"]), str(body["reason"])) for body in bodies]

    def evaluated(self) -> int:
        """The newest block with a tick record; 0 before the first."""
        if not self._has_log():
            return 0
        # the newest alone: this is asked every few milliseconds, and the service may run in the same process
        newest = page_sync(self.url, RecordQuery(kinds=(RecordKind.TICK,), newest_first=True, limit=1))
        block: Any = newest[0].body["block"] if newest else {"number": 0}
        return int(block["number"])

    async def mine_until(
        self, done: Callable[[], bool], *, ended: Callable[[], bool] = lambda: False, pace_s: float = 0.0
    ) -> None:
        """Mines block after block, each once the one before it was evaluated, until ``done`` or ``ended``.

        ``pace_s``: a block lasts at least so long, where something is read at it after the evaluation: while it mines, this node answers for its
        newest block with what the next one has done already, which no real node does.
        """
        async with asyncio.timeout(PATIENCE_S):
            while not done() and not ended():
                block = await self.node.mine()
                await until(lambda block=block: self.evaluated() >= block or done() or ended())  # type: ignore[misc]
                await asyncio.sleep(pace_s)

    async def sent(self) -> list[Mapping[str, Any]]:
        """Every mined transaction of the keeper's key, each with its receipt's ``status``."""
        found: list[Mapping[str, Any]] = []
        for number in range(self.world.deployed_block + 1, await self.node.block_number() + 1):
            block = await self.node.rpc("eth_getBlockByNumber", hex(number), True)
            for transaction in block["transactions"]:
                if transaction["from"].lower() == self.key.address.lower():
                    receipt = await self.node.rpc("eth_getTransactionReceipt", transaction["hash"])
                    found.append({**transaction, "status": receipt["status"]})
        return found

    async def waiting(self) -> list[str]:
        """The hashes of the key's transactions that wait for a block."""
        content = await self.node.rpc("txpool_content")
        mine = [by for sender, by in content["pending"].items() if sender.lower() == self.key.address.lower()]
        return [transaction["hash"] for by in mine for transaction in by.values()]

    async def assert_paused_once(self) -> None:
        """One pause of the keeper's key is on the chain, it worked, nothing else was mined for it, and only that market is paused."""
        sent = await self.sent()
        assert [(each["input"][:10], each["status"]) for each in sent] == [(PAUSE_SELECTOR, "0x1")]
        assert sent[0]["to"].lower() == self.world.exchange.lower()
        assert await self.world.paused(MARKET)
        assert not await self.world.paused(OTHER)

    def assert_log_holds(self, *, ends_with: str = "stop") -> None:
        """Every hash and link holds, no record is missing, and every intent has exactly one end."""
        verdict = verify(self.url)
        assert verdict.ok, verdict.problem
        records = self.records()
        assert [record.seq for record in records] == list(range(1, len(records) + 1))
        assert records[-1].kind == ends_with
        intents = [record.intent for record in records if record.kind is RecordKind.INTENT]
        ends = [record.intent for record in records if record.kind is RecordKind.OUTCOME]
        assert sorted(map(str, intents)) == sorted(map(str, ends))
        with closing(sqlite3.connect(f"{self.database.as_uri()}?mode=ro", uri=True)) as connection:
            assert connection.execute("SELECT count(*) FROM intents WHERE state <> 'done'").fetchone() == (0,)

    def _has_log(self) -> bool:
        if not self.database.exists():
            return False
        if not self._made:  # once there, its tables stay
            with closing(sqlite3.connect(f"{self.database.as_uri()}?mode=ro", uri=True)) as connection:
                tables = connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'alembic_version'")
                self._made = tables.fetchone() == (1,) and (
                    connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
                )
        return self._made


class PostgresStage(Stage):
    """The stage with its log in ``postgres``."""

    postgres = ""

    @property
    def url(self) -> str:
        return self.postgres

    def _has_log(self) -> bool:
        return True


async def until(condition: Callable[[], bool]) -> None:
    """Waits for the condition. Raises TimeoutError when it does not come."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - another process makes it true
            await asyncio.sleep(POLL_S)


@asynccontextmanager
async def staged(folder: Path) -> AsyncIterator[Stage]:
    """A node of its own, the exchange with both markets at the same price, and a folder with the plain configuration."""
    async with Anvil(no_mining=True) as node:
        world = await deploy_world(node, (MARKET, OTHER))
        hashes = [await world.push_price(market, FAIR, wait=False) for market in (MARKET, OTHER)]
        await world.settle(hashes)
        stage = Stage(world, folder)
        stage.write()
        yield stage
