"""PRI: what must hold of what goes to builders first, whatever they and the nodes answer, in whatever order, across restarts."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.domain.budget import Budget
from keeper.domain.errors import AuditError, OutsideError, StoreUnavailable, Unreachable
from keeper.domain.intent import IntentState
from keeper.domain.record import RecordKind
from keeper.execution.executor import Executor
from keeper.execution.planner import ArmedAction
from keeper.ports.route import SubmissionKind
from tests.support.execution_stage import VAULT, check_chained, limit, pause
from tests.support.private_stage import SAYS, PrivateStage

pytestmark = pytest.mark.property

TIMES = settings(max_examples=40, deadline=None)
PAID_WEI = 10**15
"""Enough for a first offer and some of what follows."""
KINDS = [kind for kind in SubmissionKind if kind is not SubmissionKind.NOT_SENT]

kinds = st.sampled_from(KINDS)
step = st.one_of(
    st.tuples(st.just("head"), st.booleans()),
    st.tuples(st.just("head"), st.booleans()),
    st.tuples(st.just("settle"), st.none()),
    st.tuples(st.just("pricey_head"), st.integers(1, 5)),
    st.tuples(st.just("act"), st.sampled_from([(0,), (1,), (0, 1)])),
    st.tuples(st.just("rebroadcast"), st.none()),
    st.tuples(st.just("restart"), st.booleans()),
    st.tuples(st.just("builders"), st.lists(kinds, min_size=1, max_size=4)),
    st.tuples(st.just("nodes"), kinds),
    st.tuples(st.just("hang"), st.booleans()),
    st.tuples(st.just("store"), st.tuples(st.integers(1, 4), st.sampled_from(["before", "after"]))),
    st.tuples(st.just("node"), st.tuples(st.integers(1, 6), st.integers(1, 4))),
    st.tuples(st.just("reorg"), st.booleans()),
    st.tuples(st.just("time"), st.sampled_from([1_000, 30_000, 61_000])),
)
plans = st.lists(step, min_size=4, max_size=30).map(lambda rest: [("act", (0,)), *rest])
ways = st.tuples(st.sampled_from(["private", "private", "only", "race"]), st.sampled_from([None, 1, 2, 3]))


@dataclass
class Run:
    """``bugs`` are errors of what runs behind the scenes."""

    stage: PrivateStage
    armed: tuple[ArmedAction, ...]
    executor: Executor
    bugs: list[BaseException] = field(default_factory=list)
    seconds: int = 13

    async def head(self, included: bool) -> None:
        if included:
            await self.stage.builders.include(self.stage.block)
        await self.stage.head(self.executor, seconds=2)

    async def settle(self, _: None) -> None:
        self.stage.builders.go_on()
        await self.executor.settle()

    async def pricey_head(self, gwei: int) -> None:
        self.stage.block = self.stage.chain.mine()
        await self.executor.on_head(replace(self.stage.block, next_base_fee_wei=gwei * 10**9))

    async def act(self, which: tuple[int, ...]) -> None:
        await self.stage.act(self.executor, *(self.armed[index] for index in which))

    async def rebroadcast(self, _: None) -> None:
        await self.executor.rebroadcast()

    async def restart(self, refreshed: bool) -> None:
        await self.executor.settle(0)
        self.executor = self.stage.executor(*self.armed)
        await self.executor.recover()
        if refreshed:
            await self.executor.refresh(self.stage.block)

    async def builders(self, kinds: list[SubmissionKind]) -> None:
        self.stage.builders.answers += kinds

    async def nodes(self, kind: SubmissionKind) -> None:
        self.stage.route.answers.append("lost" if kind is SubmissionKind.UNREACHABLE else SAYS[kind])

    async def hang(self, hangs: bool) -> None:
        if hangs:
            self.stage.builders.hang()
        else:
            self.stage.builders.go_on()

    async def store(self, when: tuple[int, str]) -> None:
        self.stage.store_faults.fail(*when)

    async def node(self, when: tuple[int, int]) -> None:
        first = self.stage.chain_faults.asked + when[0]
        self.stage.chain_faults.failing = lambda asked: "down" if first <= asked < first + when[1] else ""

    async def reorg(self, keep_pool: bool) -> None:
        self.seconds += 1
        self.stage.chain.undo(keep_pool=keep_pool)
        self.stage.chain.mine(seconds=self.seconds)

    async def time(self, ms: int) -> None:
        self.stage.clock.ms += ms

    async def heal(self) -> None:
        self.stage.chain_faults.heal()
        self.stage.store_faults.heal()
        self.stage.route.answers, self.stage.builders.answers = [], []
        self.stage.builders.go_on()
        await self.executor.settle()
        self.stage.clock.ms += 61_000
        for _ in range(6):
            await self.stage.head(self.executor, seconds=2)
            await self.executor.settle()


def run(plan: list[tuple[str, Any]], way: tuple[str, int | None]) -> Run:
    """The whole plan, then everything works again and all time is up."""
    stage = PrivateStage(confirmations=2, budget=Budget(per_action_wei=PAID_WEI, per_day_wei=3 * PAID_WEI))
    route, public_after = way

    def to(armed: ArmedAction) -> ArmedAction:
        return replace(armed, action=replace(armed.action, route=route, public_after=public_after, gas_limit=100_000))

    async def all_of_it() -> Run:
        armed = (to(pause()), to(limit(100)))
        tasks: list[asyncio.Task[Any]] = []
        loop = asyncio.get_running_loop()

        def kept(loop: asyncio.AbstractEventLoop, coroutine: Any, **more: Any) -> asyncio.Task[Any]:
            tasks.append(asyncio.Task(coroutine, loop=loop, **more))
            return tasks[-1]

        loop.set_task_factory(kept)
        one = Run(stage, armed, stage.executor(*armed))
        for name, value in plan:
            with suppress(Unreachable, StoreUnavailable):
                await getattr(one, name)(value)
        await one.heal()
        errors = (task.exception() for task in tasks if task.done() and not task.cancelled())
        one.bugs = [error for error in errors if error is not None and not isinstance(error, OutsideError | AuditError)]
        return one

    return asyncio.run(all_of_it())


@TIMES
@given(plans, ways)
def test_pri_1__any_answers__one_effect_or_a_typed_end_and_nothing_public_too_early(
    plan: list[tuple[str, Any]], way: tuple[str, int | None]
) -> None:
    one = run(plan, way)
    stage = one.stage
    assert (stage.leaks, one.bugs) == ([], [])
    if way[0] == "only" or way == ("private", None):
        assert stage.route.sent == []
    intents = stage.store.intents()
    assert {intent.state for intent in intents.values()} == {IntentState.DONE}
    for intent in intents.values():
        found = [stage.chain._receipts.get(attempt.tx_hash) for attempt in intent.attempts]
        lower = sum(later.nonce < sooner.nonce for sooner, later in pairwise(intent.attempts))
        assert sum(receipt is not None and receipt.status == 1 for receipt in found) <= 1 + lower, (
            "only what was signed once more with an earlier nonce, which was nobody's, may be mined once more"
        )
        assert all(attempt.max_fee_wei * attempt.gas_limit <= PAID_WEI for attempt in intent.attempts)
    ends = Counter(record.intent for record in stage.records(RecordKind.OUTCOME) if record.intent)
    assert ends == dict.fromkeys(intents, 1)
    for record in stage.records(RecordKind.OUTCOME):
        assert (record.body["kind"], record.body["reason"]) != ("failed", "refused-by-node") or way[0] != "only"
    check_chained(stage.store.all())


@TIMES
@given(plans, ways)
def test_pri_2__any_answers__a_fallback_is_written_once_and_before_what_it_allows(
    plan: list[tuple[str, Any]], way: tuple[str, int | None]
) -> None:
    stage = run(plan, way).stage
    fell: Counter[str] = Counter()
    for record in stage.records(RecordKind.BROADCAST):
        assert record.intent is not None
        if "fallback" in record.body:
            fell[record.intent] += 1
        elif record.body.get("public") is True and way[0] == "private":
            assert fell[record.intent] == 1
    assert set(fell.values()) <= {1}
    assert way[0] == "private" or not fell
    told = {intent for intent, _ in stage.fallbacks}
    assert told <= set(fell)
    if way[0] == "private":
        assert told >= {attempt.intent for attempt in stage.route.sent}, "it is public, and nobody was told"


def test_stage__a_private_run_without_faults__does_what_it_is_there_for() -> None:
    one = run([("act", (0,)), ("settle", None), ("head", True), ("head", False)], ("private", 3))
    assert [outcome.kind.value for _, outcome in one.stage.outcomes] == ["included"]
    assert one.stage.route.sent == []
    one = run([("act", (0,)), *[("settle", None), ("head", False)] * 5], ("private", 2))
    assert len(one.stage.fallbacks) == 1
    assert pause().key in [each.key for each in one.armed]
    assert VAULT in one.stage.records(RecordKind.INTENT)[0].body["to"]  # type: ignore[operator]
