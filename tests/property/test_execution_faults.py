"""EXE: what must hold of carrying actions out, whatever node, database, process, chain and other people do meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.domain.errors import StoreUnavailable, Unreachable
from keeper.domain.intent import Intent, IntentState
from keeper.domain.record import RecordKind
from keeper.execution.executor import Executor
from keeper.execution.fees import Fees, bump, offer
from keeper.ports.route import Submission, SubmissionKind
from tests.support.execution_stage import VAULT, Stage, adjust, check_chained, limit, pause

pytestmark = pytest.mark.property

TIMES = settings(max_examples=100, deadline=None)
ARMED = (pause(), limit(100), adjust())

ACT = st.tuples(
    st.just("act"),
    st.tuples(st.sampled_from([(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)]), st.sampled_from([None, "false", "false"])),
)
COMMON = [
    ACT,
    ACT,
    st.tuples(st.just("head"), st.just(0)),
    st.tuples(st.just("head"), st.just(0)),
    st.tuples(st.just("pricey head"), st.integers(1, 5)),
    st.tuples(st.just("rebroadcast"), st.just(0)),
    st.tuples(st.just("crash"), st.booleans()),
    st.tuples(st.just("node fails"), st.tuples(st.integers(1, 6), st.integers(1, 4))),
    st.tuples(st.just("store fails"), st.tuples(st.integers(1, 4), st.sampled_from(["before", "after"]))),
    st.tuples(
        st.just("answer"),
        st.sampled_from(["lost", "unreachable", "underpriced", "refused", "insufficient-funds", "invalid", "over-cap"]),
    ),
    st.tuples(st.just("time"), st.sampled_from([1_000, 30_000, 61_000])),
    st.tuples(st.just("lifted"), st.just(0)),
    st.tuples(st.just("contract"), st.sampled_from(["good", "silent", "reverts", "no role"])),
]
REORG = st.tuples(st.just("reorg"), st.booleans())
THIEF = st.tuples(st.just("nonce used"), st.just(0))

Steps = list[tuple[str, object]]


def plans(rest: list[st.SearchStrategy[tuple[str, object]]]) -> st.SearchStrategy[Steps]:
    """Something to spoil what comes, an action, and all that can come after it."""
    any_step = st.one_of(*rest)
    return st.builds(
        lambda before, act, after: [*before, act, *after],
        st.lists(any_step, max_size=2),
        ACT,
        st.lists(any_step, min_size=4, max_size=40),
    )


# Not both in one run: a nonce that somebody else used, and then did not, is what confirmations cannot tell.
steps = st.one_of(plans([*COMMON, REORG]), plans([*COMMON, THIEF]))


class Run:
    """Takes the steps one by one; what fails inside of them is what the service would catch."""

    def __init__(self) -> None:
        self.stage = Stage(confirmations=2)
        self.executor = self.stage.executor(*ARMED)
        self.seconds = 13

    async def take(self, name: str, value: object) -> None:
        await getattr(self, "do_" + name.replace(" ", "_"))(value)

    async def do_act(self, what: tuple[tuple[int, ...], str | None]) -> None:
        which, before = what
        await self.stage.act(self.executor, *(ARMED[index] for index in which), before=before)

    async def do_head(self, _: object) -> None:
        await self.stage.head(self.executor, seconds=2)

    async def do_pricey_head(self, gwei: int) -> None:
        self.stage.block = self.stage.chain.mine()
        await self.executor.on_head(replace(self.stage.block, next_base_fee_wei=gwei * 10**9))

    async def do_rebroadcast(self, _: object) -> None:
        await self.executor.rebroadcast()

    async def do_crash(self, refreshed: bool) -> None:
        self.executor = self.stage.executor(*ARMED)
        await self.executor.recover()
        if refreshed:
            await self.executor.refresh(self.stage.block)

    async def do_node_fails(self, when: tuple[int, int]) -> None:
        first = self.stage.chain_faults.asked + when[0]
        self.stage.chain_faults.failing = lambda asked: "down" if first <= asked < first + when[1] else ""

    async def do_store_fails(self, when: tuple[int, str]) -> None:
        self.stage.store_faults.fail(*when)

    async def do_answer(self, kind: str) -> None:
        answer = kind if kind == "lost" else Submission(SubmissionKind(kind), "words")
        self.stage.route.answers.append(answer)

    async def do_time(self, ms: int) -> None:
        self.stage.clock.ms += ms

    async def do_lifted(self, _: object) -> None:
        self.stage.chain.store(VAULT, paused=0, limit=1_000)

    async def do_contract(self, mode: str) -> None:
        self.stage.chain.store(VAULT, mode=mode)

    async def do_reorg(self, keep_pool: bool) -> None:
        self.seconds += 1  # another block, not the same again
        self.stage.chain.undo(keep_pool=keep_pool)
        self.stage.chain.mine(seconds=self.seconds)

    async def do_nonce_used(self, _: object) -> None:
        self.stage.chain.spend_nonce(self.stage.signer.address)

    async def heal(self) -> None:
        self.stage.chain_faults.heal()
        self.stage.store_faults.heal()
        self.stage.route.answers = []
        self.stage.clock.ms += 61_000
        for _ in range(6):
            await self.stage.head(self.executor, seconds=2)

    def intents(self) -> dict[str, Intent]:
        return self.stage.store.intents()


def run(plan: Steps) -> Run:
    """The whole plan, then everything works again and all time is up."""
    one = Run()

    async def all_of_it() -> None:
        for name, value in plan:
            with suppress(Unreachable, StoreUnavailable):  # anything else, an InvalidTransition above all, is a bug
                await one.take(name, value)
        await one.heal()

    asyncio.run(all_of_it())
    return one


def successes(one: Run, intent: Intent) -> int:
    receipts = [one.stage.chain._receipts.get(attempt.tx_hash) for attempt in intent.attempts]
    return sum(1 for receipt in receipts if receipt is not None and receipt.status == 1)


@TIMES
@given(steps)
def test_exe_1__any_faults__an_intent_takes_effect_at_most_once(plan: Steps) -> None:
    one = run(plan)
    for intent in one.intents().values():
        lower = sum(later.nonce < sooner.nonce for sooner, later in pairwise(intent.attempts))
        assert successes(one, intent) <= 1 + lower, "once more only with an earlier nonce, which was nobody's"
    assert one.stage.calls == sum(successes(one, intent) for intent in one.intents().values())


@TIMES
@given(steps)
def test_exe_2__any_faults__every_intent_ends_once_and_the_log_holds(plan: Steps) -> None:
    one = run(plan)
    stage = one.stage
    assert one.executor.open_works == ()
    assert {intent.state for intent in one.intents().values()} <= {IntentState.DONE}
    ends = Counter(record.intent for record in stage.records(RecordKind.OUTCOME) if record.intent)
    assert ends == dict.fromkeys(one.intents(), 1)
    told = Counter(identity for identity, _ in stage.outcomes)
    assert set(told.values()) <= {1}
    check_chained(stage.store.all())


@TIMES
@given(steps)
def test_exe_3__any_faults__nothing_is_signed_or_sent_that_is_not_written(plan: Steps) -> None:
    one = run(plan)  # the route of the stage refuses an attempt without its record
    stage = one.stage
    kept = {attempt.tx_hash: attempt for intent in one.intents().values() for attempt in intent.attempts}
    for sent in stage.route.sent:
        assert kept[sent.tx_hash] == sent
    opened = signed = 0
    for event in stage.events:
        opened, signed = opened + (event == "intent"), signed + (event == "sign")
        assert opened or not signed


@TIMES
@given(steps)
def test_exe_4__any_faults__success_is_told_only_with_a_receipt_and_the_effect_read(plan: Steps) -> None:
    one = run(plan)
    stage = one.stage
    for record in stage.records(RecordKind.OUTCOME):
        assert record.intent is not None
        before = [each for each in stage.store.all() if each.intent == record.intent and each.seq < record.seq]
        effects = [each.body for each in before if each.kind is RecordKind.EFFECT]
        if record.body["kind"] == "included":
            receipt = stage.chain._receipts[str(record.body["tx_hash"])]
            assert (receipt.status, receipt.block_number) == (1, record.body["block"])
            assert [effect["verified"] for effect in effects] == [True]
            written = [each.body for each in before if each.kind is RecordKind.RECEIPT][-1]
            assert written["block_hash"] == receipt.block_hash
        else:
            assert not any(effect["verified"] for effect in effects)


@TIMES
@given(
    st.integers(0, 10**12),
    st.integers(0, 10**11),
    st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 10**11)), max_size=8),
)
def test_exe_5__any_course_of_fees__each_replacement_is_one_that_a_node_takes(
    base: int, tip: int, later: list[tuple[int, int]]
) -> None:
    fees = offer(base, tip)
    for next_base, next_tip in later:
        old, fees = fees, bump(fees, next_base, next_tip)
        assert fees.max_fee_wei * 10 >= old.max_fee_wei * 11
        assert fees.priority_fee_wei * 10 >= old.priority_fee_wei * 11
        assert fees.max_fee_wei >= next_base + next_tip
    assert fees != Fees(0, 0) or (base, tip) == (0, 0)
    assert fees.priority_fee_wei <= fees.max_fee_wei


def test_stage__a_run_without_faults__does_what_it_is_there_for() -> None:
    one = run([("act", ((0, 1), "false")), ("head", 0), ("reorg", True), ("head", 0), ("head", 0)])
    assert [outcome.kind.value for _, outcome in one.stage.outcomes] == ["included", "included"]
    assert isinstance(one.executor, Executor)
