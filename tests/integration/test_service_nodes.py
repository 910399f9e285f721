"""The service over several nodes of which one lies, lags or dies: found out within one block, and nothing is done on its word alone.

All nodes are proxies in front of one real node, so that they have the same chain until one of them says something else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from keeper.adapters.clock import SystemClock
from keeper.app import pulse
from keeper.devnet.anvil import Anvil
from keeper.devnet.world import deploy_world
from keeper.domain.record import RecordKind
from tests.support.keeper_inside import Inside, inside
from tests.support.keeper_stage import FAIR, MARKET, OFF, OTHER, PATIENCE_S, Setup, Stage, staged, until
from tests.support.lying_node import (
    EVERY_CALL,
    FAKE_HASH,
    Json,
    Lie,
    LyingNode,
    altered_hash,
    altered_value,
    invented_head,
    lying_node,
)
from tests.support.proxy import Proxy
from tests.support.webhook import Webhook, webhook

pytestmark = pytest.mark.integration

TRUTH: Lie = lambda _, result: result  # noqa: E731
FEED_SCALE = 10**8
PATIENT = "{agree: 2, deadline: 10s, otherwise: hold}"
"""Only as long as it takes: whoever answers ends the waiting."""


def word(price: Decimal) -> str:
    return f"{int(price * FEED_SCALE):064x}"


def altered_price(told: Decimal, true: Decimal) -> Lie:
    """Every answer with the true price has another one; the first of both oracles is enough."""

    def lie(request: Json, result: Any) -> Any:
        if request["method"] != "eth_call" or not isinstance(result, str):
            return result
        return result.replace(word(true), word(told), 1)

    return lie


@dataclass
class Course:
    """A keeper with a primary and verify endpoints that tell the truth until the test says otherwise."""

    stage: Stage
    primary: LyingNode
    verify: list[LyingNode]
    service: Inside
    hook: Webhook

    def liar(self, who: str) -> LyingNode:
        return self.primary if who == "primary" else self.verify[0]

    async def block(self) -> int:
        """One more block, evaluated; its number."""
        number = await self.stage.node.mine()
        await self.service.until(lambda: self.stage.evaluated() >= number)
        return number

    async def mine_until(self, done: Callable[[], bool]) -> None:
        """Block after block, as on a chain: with time in between, so that retries and comparisons have theirs."""
        async with asyncio.timeout(PATIENCE_S):
            while not done():
                await self.block()
                await asyncio.sleep(0.1)

    def decisions(self) -> list[Any]:
        return [record.body for record in self.stage.records(RecordKind.DECISION)]

    def told(self, words: str) -> list[dict[str, Any]]:
        return [document for _, document in self.hook.received if words in document["title"]]

    async def found_out_at(self, number: int) -> str:
        """The message of the fault, which must be about this block, or about the one before when that was still being compared."""
        await self.service.until(lambda: self.down("witness:verify-1") == ["disagrees"])
        await until(lambda: self.stage.faults("witness:verify-1") == [("down", "disagrees")])
        (body,) = [r.body for r in self.stage.records(RecordKind.FAULT) if r.body["part"] == "witness:verify-1"]
        message = str(body["message"])
        assert message.startswith((f"at block {number} ", f"at block {number - 1} "))
        return message

    def down(self, part: str) -> list[str]:
        """The reasons for which a part is down now."""
        return [fault.reason for fault in self.service.faults if fault.part == part]


@asynccontextmanager
async def course(
    folder: Path, *, verifiers: int = 1, quorum: str = PATIENT, second: bool = False
) -> AsyncIterator[Course]:
    """``second``: there is an honest second primary."""
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(staged(folder))
        nodes = [await stack.enter_async_context(lying_node(stage.node.http_url)) for _ in range(1 + verifiers)]
        hook = stack.enter_context(webhook())
        others = "".join(f'    - {{url: "{node.url}", role: verify}}\n' for node in nodes[1:])
        if second:
            others += f'    - {{url: "{stage.node.ws_url}", role: primary}}\n'
        setup = Setup(
            node_url=nodes[0].url,
            more_endpoints=f"{others}  quorum: {{critical: {quorum}}}\n",
            notify=(f'{{kind: apprise, url: "{hook.address()}", min_severity: info}}',),
        )
        service = await stack.enter_async_context(inside(stage.write(setup)))
        await service.watching()
        made = Course(stage, nodes[0], nodes[1:], service, hook)
        await made.mine_until(lambda: stage.evaluated() > 0)
        await made.block()
        assert stage.records(RecordKind.FAULT) == []
        yield made


# -- nothing trips: found out all the same ------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["primary", "verify"])
async def test_one_altered_value__nothing_trips__is_found_out_at_that_block(tmp_path: Path, who: str) -> None:
    async with course(tmp_path) as c:
        c.liar(who).lie = altered_price(FAIR + 1, FAIR)
        number = await c.block()
        message = await c.found_out_at(number)
        assert "source:oracle is " in message or "source:spot is " in message
        assert word(FAIR) in message
        await until(lambda: bool(c.told("witness:verify-1 is down")))
        assert c.told("witness:verify-1 is down")[0]["type"] == "failure"
        assert c.decisions() == []
        c.liar(who).lie = TRUTH
        await c.block()
        await c.service.until(lambda: c.down("witness:verify-1") == [])
        await c.service.end()
        c.stage.assert_log_holds()


async def test_primary_hides_the_shock__nothing_trips_and_it_is_found_out_at_that_block(tmp_path: Path) -> None:
    async with course(tmp_path) as c:
        c.primary.lie = altered_price(FAIR, OFF)
        await c.stage.shock()
        number = await c.block()
        await c.found_out_at(number)
        assert c.decisions() == []
        c.primary.lie = TRUTH
        await c.mine_until(lambda: bool(c.stage.outcomes()))
        await c.service.end()
        await c.stage.assert_paused_once()


async def test_verify_alters_a_block_hash__is_found_out_at_that_block(tmp_path: Path) -> None:
    async with course(tmp_path) as c:
        c.verify[0].lie = altered_hash
        number = await c.block()
        message = await c.found_out_at(number)
        assert f"the block's hash is {FAKE_HASH} there" in message
        c.verify[0].lie = TRUTH
        await c.block()
        await c.service.until(lambda: c.down("witness:verify-1") == [])


async def test_primary_alters_a_block_hash__is_found_out_and_nothing_is_done_at_it(tmp_path: Path) -> None:
    async with course(tmp_path) as c:
        c.primary.lie = altered_hash
        await c.stage.shock()
        await c.stage.node.mine()
        await c.service.until(lambda: c.down("endpoint:primary-1") == ["unknown-blocks"])
        assert c.stage.outcomes() == []
        assert await c.stage.sent() == []
        c.primary.lie = TRUTH
        await c.mine_until(lambda: bool(c.stage.outcomes()))
        await c.service.until(lambda: c.down("witness:verify-1") == [])
        await c.service.end()
        await c.stage.assert_paused_once()
        c.stage.assert_log_holds()


@pytest.mark.parametrize(("who", "part"), [("primary", "endpoint:primary-1"), ("verify", "endpoint:verify-1")])
async def test_lags_five_blocks__is_a_fault_before_the_next_block(tmp_path: Path, who: str, part: str) -> None:
    async with course(tmp_path) as c:
        for _ in range(6):
            await c.block()
        liar = c.liar(who)
        liar.lag = 5
        for _ in range(4):
            await c.stage.node.mine()
        await c.service.until(lambda: c.down(part) == ["lagging"])
        liar.lag = 0
        await c.service.until(lambda: c.down(part) == [])
        await c.block()
        await c.service.end()
        blocks: list[Any] = [record.body["block"] for record in c.stage.records(RecordKind.TICK)]
        hashes = [block["hash"] for block in blocks]
        assert len(set(hashes)) == len(hashes), "nothing is evaluated twice"


async def test_verify_lags__the_quorum_is_a_fault_before_it_is_needed(tmp_path: Path) -> None:
    async with course(tmp_path) as c:
        for _ in range(6):
            await c.block()
        c.verify[0].lag = 5
        await c.block()
        await c.service.until(lambda: c.service._service._agreement._unmet == 1)
        assert c.down("quorum") == [], "one late block is nothing"
        await c.block()
        await c.service.until(lambda: c.down("quorum") == ["held"])
        await until(lambda: bool(c.told("quorum is down")))
        (notice,) = c.told("quorum is down")
        assert notice["type"] == "failure"
        assert "does-not-have-the-block" in notice["message"]
        assert c.decisions() == []
        c.verify[0].lag = 0
        await c.mine_until(lambda: c.down("quorum") == [])


# -- something trips: nothing is done on one node's word ----------------------------------------------------------------------


async def test_all_agree__the_pause_lands_and_the_record_has_what_was_said(tmp_path: Path) -> None:
    async with course(tmp_path) as c:
        await c.stage.shock()
        await c.mine_until(lambda: bool(c.stage.outcomes()))
        await c.service.end()
        await c.stage.assert_paused_once()
        act = c.decisions()[0]
        assert (act["kind"], act["testimony"]["met"], act["testimony"]["agreeing"]) == ("act", True, 2)
        timeline: Any = c.stage.records(RecordKind.OUTCOME)[0].body["timeline_ms"]
        assert float(timeline["decided"]) < float(timeline["agreed"]) < float(timeline["intent_durable"])
        assert c.stage.records(RecordKind.FAULT) == []
        c.stage.assert_log_holds()


async def test_primary_invents_a_shock__held_recorded_and_paged_and_nothing_is_sent(tmp_path: Path) -> None:
    async with course(tmp_path) as c:
        c.primary.lie = altered_price(OFF, FAIR)
        await c.mine_until(lambda: len(c.decisions()) >= 2)
        await until(lambda: bool(c.told("HELD")))
        c.primary.lie = TRUTH
        await c.mine_until(lambda: c.down("quorum") == [] and c.down("witness:verify-1") == [])
        for _ in range(3):
            await c.block()
        await c.service.end()
        held = [each for each in c.decisions() if each["reason"] == "no-quorum"]
        assert held[0]["kind"] == "declined"
        assert held[0]["resolved"] == {"kind": "act", "reason": "tripped"}
        (statement,) = held[0]["testimony"]["statements"]
        assert statement["word"] == "disagrees"
        assert {one["about"] for one in statement["differences"]} <= {"source:oracle", "source:spot"}
        assert all(each["kind"] != "act" for each in c.decisions())
        assert c.told("HELD")[0]["type"] == "failure"
        assert ("down", "held") in c.stage.faults("quorum")
        assert c.stage.records(RecordKind.INTENT) == []
        assert await c.stage.sent() == []
        c.stage.assert_log_holds()


async def test_primary_says_that_it_is_paused_already__is_not_believed(tmp_path: Path) -> None:
    """The last word of the tick's answer is that of the effect's view: the alteration makes it say true."""
    async with course(tmp_path) as c:
        c.primary.lie = altered_value
        await c.stage.shock()
        await c.mine_until(lambda: bool(c.decisions()))
        assert c.decisions()[0]["reason"] == "no-quorum"
        assert c.stage.outcomes() == []
        c.primary.lie = TRUTH
        await c.mine_until(lambda: bool(c.stage.outcomes()))
        await c.service.end()
        await c.stage.assert_paused_once()


@pytest.mark.parametrize("lie", [altered_value, altered_hash])
async def test_verify_lies__hold__held_until_it_tells_the_truth_and_then_paused_once(tmp_path: Path, lie: Lie) -> None:
    quorum = "{agree: 2, deadline: 1s, otherwise: hold}"
    async with course(tmp_path, quorum=quorum) as c:
        c.verify[0].lie = lie
        await c.stage.shock()
        await c.mine_until(lambda: any(each["reason"] == "no-quorum" for each in c.decisions()))
        assert await c.stage.sent() == []
        c.verify[0].lie = TRUTH
        await c.mine_until(lambda: bool(c.stage.outcomes()))
        await c.service.end()
        acted = next(each for each in c.decisions() if each["kind"] == "act")
        assert acted["reason"] == "retry-after-failure"
        await c.stage.assert_paused_once()
        c.stage.assert_log_holds()


@pytest.mark.parametrize("lie", [altered_value, altered_hash])
async def test_verify_lies__act__paused_and_recorded_as_standing_alone(tmp_path: Path, lie: Lie) -> None:
    async with course(tmp_path, quorum="{agree: 2, deadline: 300ms, otherwise: act}") as c:
        c.verify[0].lie = lie
        await c.stage.shock()
        await c.mine_until(lambda: bool(c.stage.outcomes()))
        await until(lambda: bool(c.told("goes ahead although too few nodes agree")))
        await c.service.end()
        await c.stage.assert_paused_once()
        testimony = c.decisions()[0]["testimony"]
        assert (testimony["met"], testimony["otherwise"]) == (False, "act")
        assert testimony["statements"][0]["word"] == "disagrees"
        assert ("down", "alone") in c.stage.faults("quorum")
        c.stage.assert_log_holds()


async def test_one_of_three_lies__the_other_two_are_enough(tmp_path: Path) -> None:
    async with course(tmp_path, verifiers=2) as c:
        c.verify[0].lie = altered_value
        await c.stage.shock()
        await c.mine_until(lambda: bool(c.stage.outcomes()))
        await c.service.until(lambda: c.down("witness:verify-1") == ["disagrees"])
        await c.service.end()
        await c.stage.assert_paused_once()
        assert c.decisions()[0]["testimony"]["met"] is True
        assert c.stage.faults("quorum") == []
        assert c.told("HELD") == []


# -- three nodes and more: who is to blame -----------------------------------------------------------------------------------------


async def test_primary_alters_a_value__two_others_contradict_it_and_the_second_primary_is_used(tmp_path: Path) -> None:
    async with course(tmp_path, verifiers=2, second=True) as c:
        c.primary.lie = altered_price(FAIR + 1, FAIR)
        await c.block()
        await c.service.until(lambda: c.down("endpoint:primary-1") == ["outvoted"])
        await c.mine_until(lambda: not c.down("witness:verify-1") and not c.down("witness:verify-2"))
        assert c.service.parts.nodes.fleet.active == "primary-2"
        assert c.down("endpoint:primary-2") == []
        bodies = [r.body for r in c.stage.records(RecordKind.FAULT) if r.body["part"] == "witness:verify-1"]
        assert "2 endpoints say the same: most likely primary-1 is wrong" in str(bodies[0]["remedy"])
        await c.service.end()
        assert c.stage.faults("endpoint:primary-1") == [("down", "outvoted")]
        c.stage.assert_log_holds()


async def test_primary_invents_blocks__they_are_not_evaluated_and_every_real_one_is_once(tmp_path: Path) -> None:
    async with course(tmp_path, second=True) as c:
        c.primary.lie = invented_head(1_000)
        for _ in range(2):
            number = await c.stage.node.mine()
            await asyncio.sleep(0.3)
        await c.service.until(lambda: c.stage.evaluated() == number)
        await c.service.until(lambda: c.down("endpoint:primary-1") == ["unknown-blocks"])
        await c.stage.shock()
        await c.mine_until(lambda: bool(c.stage.outcomes()))
        await c.service.end()
        numbers = evaluated(c.stage)
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        assert not {"gap", "reorg", "skipped"} & set(events(c.stage))
        assert c.stage.faults("endpoint:primary-1") == [("down", "unknown-blocks")]
        assert [each for each in ("primary-2", "verify-1") if c.stage.faults(f"endpoint:{each}")] == []
        await c.stage.assert_paused_once()
        c.stage.assert_log_holds()


async def test_one_of_two_verify_endpoints_alters_a_value__it_is_the_one_that_is_named(tmp_path: Path) -> None:
    async with course(tmp_path, verifiers=2, second=True) as c:
        c.verify[0].lie = altered_price(FAIR + 1, FAIR)
        await c.block()
        await c.service.until(lambda: c.down("witness:verify-1") == ["disagrees"])
        await until(lambda: bool(c.stage.faults("witness:verify-1")))
        (body,) = [r.body for r in c.stage.records(RecordKind.FAULT)]
        assert "2 endpoints say the same as primary-1: most likely verify-1 is wrong" in str(body["remedy"])
        assert c.service.parts.nodes.fleet.active == "primary-1"


async def test_two_nodes_disagree__both_are_named_and_neither_is_blamed(tmp_path: Path) -> None:
    async with course(tmp_path) as c:
        c.primary.lie = altered_price(FAIR + 1, FAIR)
        message = await c.found_out_at(await c.block())
        assert "verify-1 says something else than primary-1" in message
        (body,) = [r.body for r in c.stage.records(RecordKind.FAULT)]
        assert "who is wrong is not known" in str(body["remedy"])


async def test_verify_refuses_everything__the_others_reach_the_quorum_and_it_is_a_fault_all_the_same(
    tmp_path: Path,
) -> None:
    async with course(tmp_path, verifiers=2) as c:
        c.verify[0].refuses = EVERY_CALL
        await c.mine_until(lambda: c.down("endpoint:verify-1") == ["requests-fail"])
        assert c.down("quorum") == []
        assert c.down("endpoint:verify-2") == []
        for _ in range(3):
            await c.block()
        c.verify[0].refuses = frozenset()
        await c.mine_until(lambda: c.down("endpoint:verify-1") == [])
        await c.service.end()
        assert c.stage.faults("endpoint:verify-1") == [("down", "requests-fail"), ("up", "recovered")]
        c.stage.assert_log_holds()


# -- the primary dies ---------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def mortal(folder: Path, *, second: bool) -> AsyncIterator[tuple[Stage, Proxy, Inside]]:
    """A keeper whose first primary can be killed; ``second``: there is another one."""
    async with staged(folder) as stage, Proxy(stage.node.ws_url) as proxy:
        more = f'    - {{url: "{stage.node.ws_url}", role: primary}}\n' if second else ""
        stage.write(Setup(node_url=proxy.url, more_endpoints=more))
        async with inside(stage.config) as service:
            await service.watching()
            await stage.mine_until(lambda: stage.evaluated() > 0, ended=service.ended)
            yield stage, proxy, service


def evaluated(stage: Stage) -> list[int]:
    blocks: list[Any] = [record.body["block"] for record in stage.records(RecordKind.TICK)]
    return [int(block["number"]) for block in blocks]


def events(stage: Stage) -> list[str]:
    return [str(record.body["event"]) for record in stage.records(RecordKind.CHAIN)]


async def test_primary_is_killed__heads_go_on_within_two_blocks_and_each_block_is_evaluated_once(
    tmp_path: Path,
) -> None:
    async with mortal(tmp_path, second=True) as (stage, proxy, service):
        for _ in range(3):
            number = await stage.node.mine()
            await service.until(lambda number=number: stage.evaluated() >= number)  # type: ignore[misc]
        await proxy.lose()
        for _ in range(2):
            number = await stage.node.mine()
        await service.until(lambda: stage.evaluated() >= number)  # no third block is needed
        # a request in flight notices first, and the better reason is told: once
        await service.until(lambda: stage.faults("endpoint:primary-1") == [("down", "connection-lost")])
        assert stage.faults("heads") == [], "there were heads all the time"
        await stage.shock()
        await stage.mine_until(lambda: bool(stage.outcomes()), ended=service.ended)
        await service.end()
        numbers = evaluated(stage)
        skipped = [r.body for r in stage.records(RecordKind.CHAIN) if r.body["event"] == "skipped"]
        passed = {n for body in skipped for n in range(int(str(body["first"])), int(str(body["last"])) + 1)}
        assert numbers == [n for n in range(numbers[0], numbers[-1] + 1) if n not in passed]
        assert "failed-over" in events(stage)
        assert "gap" not in events(stage)
        await stage.assert_paused_once()
        stage.assert_log_holds()


@asynccontextmanager
async def twin_stage(folder: Path) -> AsyncIterator[tuple[Stage, Anvil, Inside]]:
    """Two real nodes with the same chain, hash for hash; the keeper prefers the one that is given, the stage is over the other."""
    extra = ("--timestamp", str(SystemClock().now_ms() // 1000 - 60))
    async with Anvil(no_mining=True, extra=extra) as first, Anvil(no_mining=True, extra=extra) as second:
        for node in (first, second):
            await node.rpc("anvil_setBlockTimestampInterval", 1)
            world = await deploy_world(node, (MARKET, OTHER))
            await world.settle([await world.push_price(market, FAIR, wait=False) for market in (MARKET, OTHER)])
        stage = Stage(world, folder)
        more = f'    - {{url: "{second.ws_url}", role: primary}}\n'
        stage.write(Setup(node_url=first.ws_url, more_endpoints=more))
        async with inside(stage.config) as service:
            await service.watching()
            for _ in range(3):
                for node in (first, second):
                    number = await node.mine()
                await service.until(lambda number=number: stage.evaluated() >= number)  # type: ignore[misc]
            assert service.parts.nodes.fleet.active == "primary-1"
            yield stage, first, service


@pytest.mark.parametrize(("stopped", "reason"), [(False, "connection-lost"), (True, "requests-fail")])
async def test_process_of_the_primary_is_killed_or_stopped__heads_go_on_within_two_blocks_and_each_is_evaluated_once(
    tmp_path: Path, stopped: bool, reason: str
) -> None:
    """SIGKILL breaks its connections; SIGSTOP leaves them open and silent."""
    async with twin_stage(tmp_path) as (stage, first, service):
        if stopped:
            first.freeze()
        else:
            first.kill()
        for _ in range(2):
            number = await stage.node.mine()
            await asyncio.sleep(0.3)
        await service.until(lambda: stage.evaluated() >= number)  # no third block is needed
        assert service.parts.nodes.fleet.active == "primary-2"
        await service.until(lambda: stage.faults("endpoint:primary-1") == [("down", reason)])
        assert stage.faults("heads") == [], "there were heads all the time"
        await stage.shock()
        await stage.mine_until(lambda: bool(stage.outcomes()), ended=service.ended)
        assert stage.faults("endpoint:primary-1") == [("down", reason)], "one outage, one notice"
        if stopped:
            first.thaw()  # whoever answers again before the end is told as recovered
        await service.end()
        numbers = evaluated(stage)
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        assert not {"gap", "skipped", "reorg"} & set(events(stage))
        assert events(stage).count("failed-over") == 1
        outage = [("down", reason), ("up", "recovered")]
        assert stage.faults("endpoint:primary-1") in (outage[:1], outage[: 1 + stopped])
        await stage.assert_paused_once()
        stage.assert_log_holds()


async def test_the_only_primary_is_gone_for_some_blocks__they_are_evaluated_late_in_order_and_once(
    tmp_path: Path,
) -> None:
    async with mortal(tmp_path, second=False) as (stage, proxy, service):
        await proxy.lose()
        await service.until(lambda: stage.faults("heads") == [("down", "unreachable")])
        for _ in range(5):
            number = await stage.node.mine()
        await proxy.restore()
        await service.until(lambda: stage.evaluated() >= number)
        await service.until(lambda: stage.faults("heads") == [("down", "unreachable"), ("up", "recovered")])
        await service.end()
        numbers = evaluated(stage)
        assert numbers == list(range(numbers[0], number + 1))
        assert events(stage) == ["backfilled"]
        assert stage.faults("endpoint:primary-1") == [], "the only node is told as `heads`, not twice"
        stage.assert_log_holds()


async def test_the_only_primary_is_gone_for_too_many_blocks__the_gap_is_recorded_and_told(tmp_path: Path) -> None:
    async with mortal(tmp_path, second=False) as (stage, proxy, service):
        await proxy.lose()
        await service.until(lambda: stage.faults("heads") == [("down", "unreachable")])
        await stage.node.rpc("anvil_mine", hex(70))
        number = await stage.node.block_number()
        await proxy.restore()
        await service.until(lambda: stage.evaluated() >= number)
        await service.end()
        assert sorted(events(stage)) == ["backfilled", "gap"]
        numbers = evaluated(stage)
        (gap,) = [r.body for r in stage.records(RecordKind.CHAIN) if r.body["event"] == "gap"]
        first, last = int(str(gap["first"])), int(str(gap["last"]))
        assert numbers == [n for n in range(numbers[0], number + 1) if not first <= n <= last]
        assert last == number - 65


async def test_node_makes_no_blocks__heads_are_stalled_until_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "FLOOR_S", 0.3)
    monkeypatch.setattr(pulse, "MISSED", 0)  # the blocks of the stage say that they are years apart
    monkeypatch.setattr(pulse, "LOOK_S", 0.05)
    async with mortal(tmp_path, second=False) as (stage, _, service):
        await service.until(lambda: stage.faults("heads")[-1:] == [("down", "stalled")])
        number = await stage.node.mine()
        await service.until(lambda: stage.evaluated() >= number)
        await service.until(lambda: ("up", "recovered") in stage.faults("heads"))
        await service.end()
        stage.assert_log_holds()
