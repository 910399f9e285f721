"""Invariants on the state after, on a real chain: the demo exchange, a book of positions, and the market's price over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio

from keeper.adapters.chain.forking import Forked
from keeper.adapters.chain.node import NodeClient
from keeper.adapters.clock import SystemClock
from keeper.app.council.after import after
from keeper.app.council.market_prices import market_prices
from keeper.app.council.matter import After
from keeper.app.doctor.check import Health
from keeper.app.doctor.invariants import examine_invariants
from keeper.app.futures import fork_of, open_future
from keeper.config import loads
from keeper.config.model import Config
from keeper.devnet.anvil import Anvil
from keeper.devnet.exchange import Exchange
from keeper.devnet.markets import demo_market
from keeper.devnet.toolchain import load_artifact
from keeper.devnet.transactions import deploy, deployed
from keeper.devnet.world import POOL, World, deploy_world
from keeper.domain.abi import encode_call
from keeper.domain.action import FunctionCall
from keeper.domain.errors import SetupError
from keeper.domain.future import Step
from keeper.domain.invariant import Invariant
from keeper.ports.future import StateAfter
from tests.support.keeper_inside import inside
from tests.support.keeper_stage import MARKET, Setup, Stage, staged
from tests.support.lying_node import lying_node

pytestmark = pytest.mark.integration

ANN, BOB, CAT = ("0x" + digit * 40 for digit in "123")
ETHER = 10**18
CONFIG = """\
keeper: {{name: demo}}
chain: {{id: 31337, endpoints: [{{url: "{node}", role: primary}}]}}
sources:
  spot: {{kind: http, url: "{ticker}", value: lastPrice, unit: price, every: 1s, max_age: 10s}}
  same: {{kind: derived, how: unchanged, of: [spot], stuck_after: 1h}}
markets:
  ETH-PERP:
    vars: {{id: "{id}"}}
    signals: {{age: {{kind: staleness, of: spot}}}}
    rules: {{old: {{when: {{signal: age, above: 1h}}, clear: {{below: 30m}}, severity: warning, actions: [alert]}}}}
actions: {{}}
invariants:
  price-in-use:
    kind: price
    target: "{feed}"
    call: "latestRoundData()(uint80,int256,uint256,uint256,uint80)"
    index: 1
    decimals: 8
    label: the price the exchange uses
    source: {source}
    within: 2%
  cap-covers-use:
    kind: bound
    target: "{exchange}"
    call: "withdrawalLimit(bytes32)(uint256)"
    args: ["{{id}}"]
    decimals: 6
    at_least: {{call: "poolOf(bytes32)(uint256)", args: ["{{id}}"], decimals: 6, times: 0.1}}
  listed:
    kind: liquidatable
    target: "{book}"
    accounts: {{call: "accounts()(address[])"}}
    health: {{call: "healthOf(address)(uint256)", args: ["{{account}}"], decimals: 18, below: 1}}
    value: {{call: "debtOf(address)(uint256)", args: ["{{account}}"], decimals: 6}}
    at_most: 1
    value_at_most: 1500
  counted:
    kind: liquidatable
    target: "{book}"
    accounts: {{count: "count()(uint256)", at: "accountAt(uint256)(address)", most: {most}}}
    health: {{call: "healthOf(address)(uint256)", args: ["{{account}}"], decimals: 18, below: 1}}
    at_most: 0
"""


@dataclass(frozen=True)
class Scene:
    world: World
    book: str
    exchange: Exchange
    client: NodeClient

    def config(self, *, source: str = "spot", most: int = 500, node: str = "") -> Config:
        text = CONFIG.format(
            node=node or self.world.node.http_url,
            ticker=self.exchange.ticker_url(demo_market(MARKET).symbol),
            id=self.world.market_id(MARKET),
            feed=self.world.feeds[MARKET],
            exchange=self.world.exchange,
            book=self.book,
            source=source,
            most=most,
        )
        return loads(text.encode(), folder=Path(), environ={})

    def step(self, sender: str, target: str, signature: str, *args: str) -> Step:
        return Step(sender, encode_call(FunctionCall(target, signature, args)))

    def push(self, price: str) -> Step:
        answer = str(int(Decimal(price) * 10**8))
        return self.step(self.world.reporter.address, self.world.feeds[MARKET], "push(int256)", answer)

    def limit(self, dollars: str) -> Step:
        units = str(int(Decimal(dollars) * 10**6))
        key = self.world.market_id(MARKET)
        return self.step(
            self.world.keeper.address, self.world.exchange, "setWithdrawalLimit(bytes32,uint256)", key, units
        )

    def price(self, dollars: int) -> Step:
        return self.step(ANN, self.book, "setPrice(uint256)", str(dollars * 10**8))

    async def after(
        self, *steps: Step, config: Config | None = None, names: Sequence[str] = (), future: StateAfter | None = None
    ) -> After:
        config = config or self.config()
        invariants: list[Invariant] = [one for one in config.invariants if not names or one.name in names]
        block = await self.client.head()
        prices = await market_prices(config, invariants, self.client, SystemClock(), block)
        way = future or self.client
        return await after(steps, invariants, chain=self.client, future=way, block=block, market=prices)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene() -> AsyncIterator[Scene]:
    async with Anvil() as node, Exchange(SystemClock().now_ms) as exchange:
        world = await deploy_world(node, [MARKET])
        admin = node.accounts[0].address
        (book,) = await deployed(node, [await deploy(node, admin, load_artifact("PositionBook"), 3000 * 10**8)])
        for account, debt in (
            (ANN, 2000),
            (BOB, 1000),
            (CAT, 3500),
        ):  # each with 1 of the underlying: CAT is under water already
            call = "open(address,uint256,uint256)"
            await world.transact(world.admin, book, call, account, ETHER, debt * 10**6)
        exchange.set_price(demo_market(MARKET).symbol, Decimal("2999.9"))
        client = NodeClient(node.http_url)
        yield Scene(world, book, exchange, client)
        await client.close()


@pytest.mark.asyncio(loop_scope="module")
async def test_after__nothing_broken__every_invariant_holds(scene: Scene) -> None:
    seen = await scene.after(scene.push("3000"), scene.limit("500000"))
    assert seen.goes_through is True
    assert {kept.name: kept.holds for kept in seen.kept} == {
        "price-in-use": True,
        f"cap-covers-use ({MARKET})": True,
        "listed": True,
        "counted": True,
    }
    assert "all 2 calls would go through" in seen.text


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("source", ["spot", "same"])
async def test_price__stale_one_back_in_use__is_broken_in_numbers(source: str, scene: Scene) -> None:
    seen = await scene.after(scene.push("2822.2"), config=scene.config(source=source), names=["price-in-use"])
    (kept,) = seen.kept
    assert kept.holds is False
    assert kept.text == (
        "the price the exchange uses, 2822.2, would be 5.924% off the market's 2999.9; at most 2% is allowed"
    )
    assert kept.before.startswith("3000 (")


@pytest.mark.asyncio(loop_scope="module")
async def test_bound__cap_below_a_share_of_the_pool__is_broken(scene: Scene) -> None:
    assert POOL == 5_000_000 * 10**6
    (at,) = (await scene.after(scene.limit("500000"), names=["cap-covers-use"])).kept
    (below,) = (await scene.after(scene.limit("499999.999999"), names=["cap-covers-use"])).kept
    assert (at.holds, below.holds) == (True, False)
    assert (below.before, below.after) == ("1000000", "499999.999999")


@pytest.mark.asyncio(loop_scope="module")
async def test_liquidatable__a_price_falls__the_new_ones_are_counted_with_their_value(scene: Scene) -> None:
    seen = await scene.after(scene.price(1999), names=["listed", "counted"])
    listed, counted = seen.kept
    assert (listed.holds, counted.holds) == (False, False)
    assert (listed.before, listed.after) == ("1 of 3 liquidatable", "2 of 3 liquidatable")
    assert listed.text == (
        f"1 position would become liquidatable ({ANN}); at most 1 may, and together they are worth 2000 of at most 1500"
    )
    at_the_edge = await scene.after(scene.price(2000), names=["listed", "counted"])
    assert [kept.holds for kept in at_the_edge.kept] == [True, True]


@pytest.mark.asyncio(loop_scope="module")
async def test_liquidatable__more_accounts_than_are_looked_at__is_not_judged(scene: Scene) -> None:
    seen = await scene.after(scene.price(3000), config=scene.config(most=2), names=["counted"])
    assert (seen.kept[0].holds, seen.kept[0].text) == (None, "there are 3 accounts, and 2 are looked at")


@pytest.mark.asyncio(loop_scope="module")
async def test_after__one_of_the_calls_fails__nothing_is_judged(scene: Scene) -> None:
    wrong = replace(scene.limit("1"), sender=scene.world.roleless.address)
    seen = await scene.after(scene.push("3000"), wrong)
    assert (seen.goes_through, seen.kept) == (False, ())
    assert "call 2 of 2" in seen.text
    assert "AccessControlUnauthorizedAccount" in seen.text


@pytest.mark.asyncio(loop_scope="module")
async def test_after__by_a_fork__says_the_same_as_the_node(scene: Scene) -> None:
    steps = scene.push("2822.2"), scene.limit("499999"), scene.price(1999)
    by_node = await scene.after(*steps)
    by_fork = await scene.after(*steps, future=Forked(fork_of(scene.world.node.http_url, 31337)))
    assert by_fork.kept == by_node.kept
    assert ("eth_simulateV1" in by_node.text, "a fork" in by_fork.text) == (True, True)


@pytest.mark.asyncio(loop_scope="module")
async def test_after__node_without_the_method__a_fork_of_it_does_it(scene: Scene) -> None:
    async with lying_node(scene.world.node.http_url) as node:
        node.refuses = frozenset({"eth_simulateV1"})
        future = open_future(scene.config(node=node.url).chain)
        seen = await scene.after(scene.limit("499999"), names=["cap-covers-use"], future=future)
        await future.close()
        assert node.counts["eth_simulateV1"] == 1
    assert (seen.goes_through, seen.kept[0].holds) == (True, False)
    assert "a fork" in seen.text


@pytest.mark.asyncio(loop_scope="module")
async def test_after__node_without_the_method_and_no_anvil__says_so(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere() -> Path:
        raise SetupError("there is no anvil")

    monkeypatch.setattr("keeper.devnet.toolchain.anvil_binary", nowhere)
    async with lying_node(scene.world.node.http_url) as node:
        node.refuses = frozenset({"eth_simulateV1"})
        future = open_future(scene.config(node=node.url).chain)
        seen = await scene.after(scene.limit("499999"), names=["cap-covers-use"], future=future)
        await future.close()
    assert (seen.goes_through, [kept.holds for kept in seen.kept]) == (None, [None])
    assert seen.text.startswith("it cannot be simulated: ")
    assert "there is no anvil here to fork with" in seen.text


@pytest.mark.asyncio(loop_scope="module")
async def test_doctor__each_invariant__is_judged_on_the_state_as_it_is(scene: Scene) -> None:
    config = scene.config(most=2)
    found = {check.name: check async for check in examine_invariants(config, scene.client, await scene.client.head())}
    assert [check.health for check in found.values()] == [Health.OK, Health.OK, Health.OK, Health.WARN]
    assert found["invariant price-in-use"].message.startswith("holds: now 3000 (")
    assert "there are 3 accounts, and 2 are looked at" in found["invariant counted"].message
    assert found["invariant counted"].remedy


@pytest.mark.asyncio(loop_scope="module")
async def test_after__simulated_and_really_done__leave_the_same(scene: Scene) -> None:
    step = scene.limit("600000")
    said = (await scene.after(step, names=["cap-covers-use"])).kept[0].after
    key = scene.world.market_id(MARKET)
    call = "setWithdrawalLimit(bytes32,uint256)"
    await scene.world.transact(scene.world.keeper, scene.world.exchange, call, key, 600_000 * 10**6)
    assert await scene.world.withdrawal_limit(MARKET) == int(said) * 10**6


# -- the whole keeper


ADJUSTS = """\
    kind: adjust
    target: "{exchange}"
    call: "setWithdrawalLimit(bytes32,uint256)"
    args: ["{{id}}", "{{new}}"]
    new: "current * 0.5"
    bounds: {{min: 1000}}
    read: {{call: "withdrawalLimit(bytes32)(uint256)", args: ["{{id}}"]}}
    safe_side: lower
    keep: [enough-may-leave]
"""
PAUSES = """\
    kind: pause
    target: "{exchange}"
    call: "pauseMarket(bytes32)"
    args: ["{{id}}"]
    read: {{call: "paused(bytes32)(bool)", args: ["{{id}}"], expect: "true"}}
    undo: {{call: "unpauseMarket(bytes32)", args: ["{{id}}"]}}
"""
KEPT = """\
invariants:
  enough-may-leave:
    kind: bound
    target: "{exchange}"
    call: "withdrawalLimit(bytes32)(uint256)"
    args: ["{{id}}"]
    at_least: {least}
"""
HALF = 500_000_000_000


def write(stage: Stage, least: int) -> None:
    text = stage.write(Setup()).read_text("utf-8")
    exchange = stage.world.exchange
    old = PAUSES.format(exchange=exchange)
    assert text.count(old) == 1
    text = text.replace(old, ADJUSTS.format(exchange=exchange)) + KEPT.format(exchange=exchange, least=least)
    stage.config.write_text(text, "utf-8")


@pytest.mark.parametrize(
    ("least", "outcome", "limit"),
    [
        (HALF, ("included", "effect-verified"), HALF),
        (HALF + 1, ("failed", "invariant-broken"), 2 * HALF),
    ],
)
async def test_adjust__kept_and_broken__is_sent_and_is_not(
    least: int, outcome: tuple[str, str], limit: int, tmp_path: Path
) -> None:
    async with staged(tmp_path) as stage:
        write(stage, least)
        async with inside(stage.config) as service:
            await service.watching()
            await stage.mine_until(lambda: stage.evaluated() > 0, ended=service.ended)
            await stage.shock()
            await stage.mine_until(lambda: bool(stage.outcomes()), ended=service.ended)
            await service.end()
        assert stage.outcomes()[0] == outcome
        assert await stage.world.withdrawal_limit(MARKET) == limit
        stage.assert_log_holds()
