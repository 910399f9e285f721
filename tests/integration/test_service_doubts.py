"""What rests on one node's word stays held although all nodes agree again, through the whole service on a real node; a true breach is not held.

Both nodes are proxies in front of one real node. One of them tells another oracle price for one block, and the truth before and after.
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
from keeper.devnet.toolchain import load_artifact
from keeper.domain.record import RecordKind
from tests.support.keeper_inside import Inside, inside
from tests.support.keeper_stage import FAIR, MARKET, OFF, PATIENCE_S, Setup, Stage, staged, until
from tests.support.lying_node import Json, Lie, LyingNode, lying_node
from tests.support.real_contracts import Stand, put_token
from tests.support.webhook import Webhook, webhook

pytestmark = pytest.mark.integration

PACE_MS = 400
"""From block to block, by the keeper's clock: a window goes by in some fifteen blocks, whatever the machine needs for them."""
TRUTH: Lie = lambda _, result: result  # noqa: E731
FEED_SCALE = 10**8
HOLD = "{agree: 2, deadline: 10s, otherwise: hold}"
ACT = "{agree: 2, deadline: 10s, otherwise: act}"
"""Only as long as it takes: whoever answers ends the waiting."""
GAP = "{kind: divergence, of: oracle, against: spot}"
WINDOW_MS, SAMPLING_MS = 6_000, 500
SWINGS = f"{{kind: realised-volatility, of: oracle, window: {WINDOW_MS // 1000}s, sampling: {SAMPLING_MS}ms}}"
LASTING = "{below: 1%, for: 10000 blocks}"
"""Once tripped, the rule stays so for the rest of the test."""
AT_ONCE = "{below: 1%}"


def word(price: Decimal) -> str:
    return f"{int(price * FEED_SCALE):064x}"


def told_price(told: Decimal, true: Decimal) -> Lie:
    """The oracle, which is the first of both prices in the answer, has another price."""

    def lie(request: Json, result: Any) -> Any:
        if request["method"] != "eth_call" or not isinstance(result, str):
            return result
        return result.replace(word(true), word(told), 1)

    return lie


class MovedClock:
    """The machine's clock, which is set ahead instead of waited for."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._ahead_ms = 0
        true_ns = SystemClock._read_ns
        patch.setattr(SystemClock, "_read_ns", lambda clock: true_ns(clock) + self._ahead_ms * 1_000_000)

    def pass_by(self, length_ms: int) -> None:
        self._ahead_ms += length_ms


@dataclass
class Course:
    """A keeper with a primary and a verify endpoint that tell the truth but for the blocks at which the test says otherwise."""

    clock: MovedClock
    stage: Stage
    primary: LyingNode
    verify: LyingNode
    service: Inside
    hook: Webhook

    async def block(self) -> int:
        """One more block, evaluated; its number."""
        number = await self.stage.node.mine()
        await self.service.until(lambda: self.stage.evaluated() >= number)
        return number

    async def lied_block(self, liar: LyingNode, lie: Lie) -> int:
        """One block at which the node lies, found out; its number. The next block is a true one."""
        liar.lie = lie
        number = await self.block()
        await self.service.until(lambda: self.disagrees())
        liar.lie = TRUTH
        return number

    async def lied_interval(self, liar: LyingNode, lie: Lie) -> int:
        """The same, and the lie is the last price of its sampling interval: a true one in the same interval would take its place."""
        number = await self.lied_block(liar, lie)
        self.clock.pass_by(SAMPLING_MS)
        return number

    async def agreed_block(self) -> int:
        """One block about which all agree, and are known to; its number."""
        number = await self.block()
        await self.service.until(lambda: not self.disagrees())
        return number

    async def mine_until(self, done: Callable[[], bool]) -> None:
        """Block after block, as on a chain: with time in between, so that retries and comparisons have theirs."""
        async with asyncio.timeout(PATIENCE_S):
            while not done():
                await self.block()
                self.clock.pass_by(PACE_MS)
                await asyncio.sleep(0.05)

    def disagrees(self) -> bool:
        return any(fault.part == "witness:verify-1" for fault in self.service.faults)

    def decisions(self, *kinds: str, block_after: int = 0) -> list[dict[str, Any]]:
        """About actions: that a window was not full at the start is none."""
        bodies: list[Any] = [record.body for record in self.stage.records(RecordKind.DECISION)]
        asked = kinds or ("act", "declined")
        return [body for body in bodies if body["kind"] in asked and body["block"] > block_after]

    def held(self, *, block_after: int = 0) -> list[dict[str, Any]]:
        """The actions that too few nodes stood for; in between, the engine waits for the retry time."""
        declined = self.decisions("declined", block_after=block_after)
        assert {one["reason"] for one in declined} <= {"no-quorum", "cooldown", "already-in-flight", "already-done"}
        return [one for one in declined if one["reason"] == "no-quorum"]

    def told(self, words: str) -> list[dict[str, Any]]:
        """What somebody was told with these words, but for that it is over."""
        begun = [document for _, document in self.hook.received if not document["title"].startswith("over: ")]
        return [document for document in begun if words in document["title"]]

    def verdict(self) -> Any:
        """The rule's verdict at the newest tick."""
        verdicts: Any = self.stage.records(RecordKind.TICK)[-1].body["verdicts"]
        return verdicts[0]

    def ticks(self) -> list[Any]:
        return [record.body for record in self.stage.records(RecordKind.TICK)]

    def at_ms(self, block: int) -> int:
        """The keeper's time of the tick of a block."""
        return next(int(tick["at_ms"]) for tick in self.ticks() if tick["block"]["number"] == block)

    def share_rate(self, block: int) -> tuple[str, str]:
        """Value and quality at a block."""
        tick = next(tick for tick in self.ticks() if tick["block"]["number"] == block)
        return next((one["value"], one["quality"]) for one in tick["observations"] if one["source"] == "share-rate")


@asynccontextmanager
async def course(
    folder: Path,
    patch: pytest.MonkeyPatch,
    *,
    signal: str = GAP,
    hold: str = "",
    clear: str = LASTING,
    quorum: str = HOLD,
    vault: bool = False,
) -> AsyncIterator[Course]:
    """``vault``: the rate of one is a source too, with a cap; it is 1."""
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(staged(folder))
        share = await vault_source(Stand(stage.node)) if vault else ""
        primary, verify = [await stack.enter_async_context(lying_node(stage.node.http_url)) for _ in range(2)]
        hook = stack.enter_context(webhook())
        setup = Setup(
            node_url=primary.url,
            more_endpoints=f'    - {{url: "{verify.url}", role: verify}}\n  quorum: {{critical: {quorum}}}\n',
            notify=(f'{{kind: apprise, url: "{hook.address()}", min_severity: info, group: 0s}}',),
            more_sources=share,
        )
        stage.write(setup)
        text = stage.config.read_text("utf-8")
        for old, new in (
            (GAP, signal),
            ("above: 2%}", f"above: 2%{hold}}}"),
            ("clear: {below: 1%}", f"clear: {clear}"),
        ):
            assert text.count(old) == 1
            text = text.replace(old, new)
        stage.config.write_text(text, "utf-8")
        service = await stack.enter_async_context(inside(stage.config))
        await service.watching()
        made = Course(MovedClock(patch), stage, primary, verify, service, hook)
        await made.mine_until(lambda: stage.evaluated() > 0 and made.verdict()["reason"] == "inside-threshold")
        assert made.decisions() == []
        assert stage.records(RecordKind.FAULT) == []
        yield made


async def vault_source(stand: Stand) -> str:
    asset = await put_token(stand, 18)
    vault = await stand.put(load_artifact("AnyVault", file="Vault"), asset, 0)
    return (
        f'  share-rate: {{kind: erc4626, vault: "{vault}", asset: "{asset}", max_growth_per_day: 1%, max_age: 10h}}\n'
    )


def halved_rate(request: Json, result: Any) -> Any:
    """``convertToAssets`` of 10**24 shares is half of what it is."""
    if request["method"] != "eth_call" or not isinstance(result, str):
        return result
    return result.replace(f"{10**24:064x}", f"{10**24 // 2:064x}", 1)


def assert_held_for(decision: dict[str, Any], block: int, *, met: bool) -> None:
    """Nothing was done, and the record says on which block it rests, and that the nodes did (not) agree about its own."""
    assert (decision["kind"], decision["reason"]) == ("declined", "no-quorum")
    assert decision["resolved"]["kind"] == "act"
    assert decision["disputed_block"] == block
    assert decision["testimony"]["met"] is met


# -- hysteresis: the rule is still tripped by what was a lie ----------------------------------------------------------------------


async def test_hysteresis__primary_lied_for_one_block__held_while_tripped_until_all_see_a_breach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with course(tmp_path, monkeypatch) as c:
        lied = await c.lied_block(c.primary, told_price(OFF, FAIR))
        assert_held_for(c.decisions()[0], lied, met=False)
        await c.agreed_block()
        await c.mine_until(lambda: len(c.held(block_after=lied)) >= 3)
        for decision in c.held(block_after=lied):
            assert_held_for(decision, lied, met=True)
            assert decision["verdict"]["state"] == "clearing"
            assert decision["testimony"]["agreeing"] == 2
        assert await c.stage.sent() == []
        assert not await c.stage.world.paused(MARKET)
        await until(lambda: len(c.told("HELD")) >= 2)
        first, again = c.told("HELD")
        assert "verify-1 disagrees: source:oracle is " in first["message"]
        assert f"but the rule rests on block {lied}, about which too few agreed" in again["message"]
        assert first["type"] == again["type"] == "failure"

        await c.stage.shock()
        await c.mine_until(lambda: bool(c.stage.outcomes()))
        await c.service.end()
        (act,) = c.decisions("act")
        assert act["testimony"]["met"] is True
        assert "disputed_block" not in act
        assert act["verdict"]["value"].startswith("0.0666")
        await c.stage.assert_paused_once()
        assert c.stage.faults("witness:verify-1") == [("down", "disagrees"), ("up", "recovered")]
        assert len(c.told("HELD")) == 2, "nobody is told the same again"
        c.stage.assert_log_holds()


async def test_hysteresis__verify_lied_for_one_block__found_out_and_a_true_breach_later_is_not_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with course(tmp_path, monkeypatch) as c:
        await c.lied_block(c.verify, told_price(OFF, FAIR))
        await c.agreed_block()
        assert c.decisions() == []
        await c.stage.shock()
        await c.mine_until(lambda: bool(c.stage.outcomes()))
        await c.service.end()
        assert c.held() == []
        await c.stage.assert_paused_once()
        assert c.stage.faults("witness:verify-1") == [("down", "disagrees"), ("up", "recovered")]
        c.stage.assert_log_holds()


async def test_hysteresis__verify_hid_the_breach_for_one_block__held_there_and_paused_when_all_see_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with course(tmp_path, monkeypatch) as c:
        await c.stage.shock()
        lied = await c.lied_block(c.verify, told_price(FAIR, OFF))
        assert_held_for(c.decisions()[0], lied, met=False)
        assert await c.stage.sent() == []
        await c.mine_until(lambda: bool(c.stage.outcomes()))
        await c.service.end()
        (act,) = c.decisions("act")
        assert (act["reason"], act["testimony"]["met"]) == ("retry-after-failure", True)
        await c.stage.assert_paused_once()
        c.stage.assert_log_holds()


# -- a window: the lie is in the value for as long as it is in the window -----------------------------------------------------------


async def test_window__primary_lied_for_one_block__held_while_the_lie_is_in_it_and_clear_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with course(tmp_path, monkeypatch, signal=SWINGS, clear=AT_ONCE) as c:
        lied = await c.lied_interval(c.primary, told_price(OFF, FAIR))
        await c.agreed_block()
        await c.mine_until(lambda: c.verdict()["state"] == "clear")
        decisions = c.held()
        assert_held_for(decisions[0], lied, met=False)
        assert len(decisions) > 3
        for decision in decisions[1:]:
            assert_held_for(decision, lied, met=True)
            assert float(decision["verdict"]["value"]) > 0.02, "all agree, and the value is beyond all the same"
        assert c.at_ms(c.stage.evaluated()) - c.at_ms(lied) > WINDOW_MS - SAMPLING_MS
        assert await c.stage.sent() == []
        assert f"rests on block {lied}" in c.told("HELD")[-1]["message"]
        await until(lambda: len(c.told("all rules are clear")) == 1)

        await c.stage.shock()
        await c.mine_until(lambda: bool(c.stage.outcomes()))
        await c.service.end()
        (act,) = c.decisions("act")
        assert "disputed_block" not in act
        await c.stage.assert_paused_once()
        c.stage.assert_log_holds()


@pytest.mark.parametrize("who", ["primary", "verify"])
async def test_window__a_true_shock_while_the_lie_is_in_it__paused_as_soon_as_the_lie_has_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    async with course(tmp_path, monkeypatch, signal=SWINGS, clear=AT_ONCE) as c:
        liar = c.primary if who == "primary" else c.verify
        lied = await c.lied_interval(liar, told_price(OFF, FAIR))
        await c.agreed_block()
        assert bool(c.decisions()) is (who == "primary"), "what the verify node alone says trips nothing"
        left_ms = c.at_ms(lied) + WINDOW_MS
        await c.mine_until(lambda: c.at_ms(c.stage.evaluated()) >= left_ms - WINDOW_MS // 2)
        await c.stage.shock()
        shocked = await c.block()
        await c.mine_until(lambda: bool(c.stage.outcomes()))
        await c.service.end()
        held = c.held(block_after=shocked - 1)
        assert held
        for decision in held:
            assert_held_for(decision, lied, met=True)
        (act,) = c.decisions("act")
        assert int(act["at_ms"]) > left_ms
        assert "disputed_block" not in act
        await c.stage.assert_paused_once()
        c.stage.assert_log_holds()


async def test_window__slow_blocks__the_return_after_the_lie_counts_from_the_block_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way back from the lie enters the window with the next block, and is in it for a whole window from there."""
    async with course(tmp_path, monkeypatch, signal=SWINGS, clear=AT_ONCE) as c:
        lied = await c.lied_interval(c.primary, told_price(OFF, FAIR))
        c.clock.pass_by(WINDOW_MS // 2)
        back = await c.agreed_block()
        assert c.at_ms(back) - c.at_ms(lied) >= WINDOW_MS / 2
        await c.mine_until(lambda: c.verdict()["state"] == "clear")
        await c.service.end()
        assert c.at_ms(c.stage.evaluated()) - c.at_ms(lied) > WINDOW_MS + SAMPLING_MS
        for decision in c.held()[1:]:
            assert_held_for(decision, lied, met=True)
        assert c.decisions("act") == []
        assert await c.stage.sent() == []


async def test_window__pending_at_the_lie_and_tripped_at_a_block_that_all_agree_about__held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with course(tmp_path, monkeypatch, signal=SWINGS, hold=", for: 2 blocks", clear=LASTING) as c:
        lied = await c.lied_interval(c.primary, told_price(OFF, FAIR))
        assert c.decisions() == []
        assert c.verdict()["state"] == "pending"
        tripped = await c.agreed_block()
        (first,) = c.decisions()
        assert first["block"] == tripped
        assert_held_for(first, lied, met=True)
        assert await c.stage.sent() == []
        await until(lambda: len(c.told("HELD")) == 1)


# -- the configuration says to act, and to record --------------------------------------------------------------------------------


async def test_act__primary_lied__paused_on_its_word_recorded_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with course(tmp_path, monkeypatch, quorum=ACT) as c:
        lied = await c.lied_block(c.primary, told_price(OFF, FAIR))
        await c.mine_until(lambda: bool(c.stage.outcomes()))
        await until(lambda: bool(c.told("goes ahead although too few nodes agree")))
        await c.service.end()
        await c.stage.assert_paused_once()
        (act,) = c.decisions("act")
        assert (act["block"], act["disputed_block"]) == (lied, lied)
        assert (act["testimony"]["met"], act["testimony"]["otherwise"]) == (False, "act")
        assert "resolved" not in act
        c.stage.assert_log_holds()


async def test_act__all_agree_and_the_rule_rests_on_a_lie__paused_recorded_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with course(tmp_path, monkeypatch, signal=SWINGS, hold=", for: 2 blocks", quorum=ACT) as c:
        lied = await c.lied_interval(c.primary, told_price(OFF, FAIR))
        assert c.decisions() == []
        tripped = await c.agreed_block()
        await c.mine_until(lambda: bool(c.stage.outcomes()))
        await until(lambda: bool(c.told("goes ahead although too few nodes agree")))
        await c.service.end()
        await c.stage.assert_paused_once()
        (act,) = c.decisions("act")
        assert (act["block"], act["disputed_block"]) == (tripped, lied)
        assert act["testimony"]["met"] is True
        (notice,) = c.told("goes ahead")
        assert f"but the rule rests on block {lied}, about which too few agreed" in notice["message"]
        c.stage.assert_log_holds()


async def test_act__verify_lied__paused_recorded_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with course(tmp_path, monkeypatch, quorum=ACT) as c:
        await c.stage.shock()
        lied = await c.lied_block(c.verify, told_price(FAIR, OFF))
        await c.mine_until(lambda: bool(c.stage.outcomes()))
        await c.service.end()
        await c.stage.assert_paused_once()
        (act,) = c.decisions("act")
        assert (act["disputed_block"], act["testimony"]["met"]) == (lied, False)
        c.stage.assert_log_holds()


# -- what a source remembers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["primary", "verify"])
async def test_vault__one_node_told_half_the_rate_for_one_block__the_growth_cap_forgets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    async with course(tmp_path, monkeypatch, vault=True) as c:
        assert c.share_rate(c.stage.evaluated()) == ("1", "ok")
        lied = await c.lied_block(c.primary if who == "primary" else c.verify, halved_rate)
        assert c.share_rate(lied) == ("0.5" if who == "primary" else "1", "ok")
        true = await c.agreed_block()
        again = await c.block()
        assert [c.share_rate(number) for number in (true, again)] == [("1", "ok")] * 2
        told = [body["disputed_ms"] for body in c.ticks() if "disputed_ms" in body]
        assert told
        assert all(int(after) < c.at_ms(lied) == int(through) for spans in told for after, through in spans)
        assert [body["block"]["number"] for body in c.ticks() if "disputed_ms" in body] == [true]
        await c.service.end()
        assert c.decisions() == []
        c.stage.assert_log_holds()
