"""EXE: nonces, where several keys sign at the same time, some of them slowly, and anything else goes on meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.domain.action import ActionKind
from keeper.domain.errors import OutsideError, StoreUnavailable
from keeper.domain.evm import SignedTransaction, UnsignedTransaction
from keeper.domain.intent import Attempt
from keeper.execution.executor import Executor
from keeper.execution.planner import ArmedAction, arm
from keeper.ports.route import Submission, SubmissionKind
from tests.support.execution_stage import OTHER_KEY, Stage, StageSigner, limit, pause

pytestmark = pytest.mark.property

THIRD_KEY = bytes.fromhex("5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a")


def armed(lane: str, market: str, kind: ActionKind = ActionKind.PAUSE) -> ArmedAction:
    base = limit(200) if kind is ActionKind.UPKEEP else pause()
    return arm(replace(base.action, market=market, lane=lane, kind=kind))


ARMED = (
    armed("", "A"),
    armed("", "B"),
    armed("", "C", ActionKind.UPKEEP),
    armed("fast", "D"),
    armed("fast", "E"),
    armed("third", "F", ActionKind.UPKEEP),
)

ONE = st.one_of(
    st.tuples(st.just("act"), st.lists(st.integers(0, len(ARMED) - 1), min_size=1, max_size=4, unique=True)),
    st.tuples(st.just("act"), st.lists(st.integers(0, len(ARMED) - 1), min_size=1, max_size=2, unique=True)),
    st.tuples(st.just("head"), st.none()),
    st.tuples(st.just("follow up"), st.none()),
    st.tuples(st.just("rebroadcast"), st.none()),
    st.tuples(st.just("sign beforehand"), st.none()),
    st.tuples(st.just("pricey"), st.integers(2, 5)),
    st.tuples(st.just("answer"), st.sampled_from(["lost", "unreachable", "underpriced", "refused"])),
    st.tuples(st.just("slow"), st.tuples(st.sampled_from(["", "fast", "third"]), st.integers(0, 30))),
    st.tuples(st.just("store fails"), st.tuples(st.integers(1, 4), st.sampled_from(["before", "after"]))),
    st.tuples(st.just("crash"), st.none()),
)
BATCHES = st.lists(st.lists(ONE, min_size=1, max_size=4), min_size=4, max_size=14)
"""What stands in one list goes on at the same time."""


class SlowSigner(StageSigner):
    """Gives way to everything else so many times before it signs."""

    turns = 0

    async def sign(self, transaction: UnsignedTransaction) -> SignedTransaction:
        for _ in range(self.turns):
            await asyncio.sleep(0)
        return await super().sign(transaction)


class Run:
    """Carries the batches out, and looks at every submission."""

    def __init__(self) -> None:
        self.stage = Stage(confirmations=2)
        self.signers = {"": SlowSigner(self.stage.events)}
        for name, key in (("fast", OTHER_KEY), ("third", THIRD_KEY)):
            self.signers[name] = SlowSigner(self.stage.events, key)
            self.stage.add_lane(name, self.signers[name])
        self.stage.signer = self.signers[""]
        self.executor = self.begin()
        self.sent: dict[tuple[str, int], set[str]] = {}
        self.taken: set[str] = set()
        self.twice: list[str] = []
        submit = self.stage.route.submit

        async def looked_at(attempt: Attempt, block: int) -> Submission:
            place = (attempt.sender, attempt.nonce)
            still_open = {work.intent.id for work in self.executor.open_works}
            for other in self.sent.get(place, set()) & still_open - {attempt.intent}:
                self.twice.append(f"{attempt.intent} and {other} share nonce {attempt.nonce} of {attempt.sender}")
            self.sent.setdefault(place, set()).add(attempt.intent)
            answer = await submit(attempt, block)
            if answer.kind is SubmissionKind.REFUSED and attempt.tx_hash not in self.taken:
                self.sent[place].discard(attempt.intent)  # nobody has it, so the nonce is for whoever comes next
            elif answer.kind is not SubmissionKind.REFUSED:
                self.taken.add(attempt.tx_hash)
            return answer

        self.stage.route.submit = looked_at  # type: ignore[method-assign]

    def begin(self) -> Executor:
        return self.stage.executor(*ARMED)

    async def take(self, batch: list[tuple[str, object]]) -> None:
        async def one(name: str, value: object) -> None:
            with suppress(StoreUnavailable, OutsideError):
                await STEPS[name](self, value)

        await asyncio.gather(*(one(*each) for each in batch if each[0] != "crash"))
        if any(name == "crash" for name, _ in batch):
            await self.quiet()
            self.executor = self.begin()
            with suppress(StoreUnavailable):
                await self.executor.recover()
                await self.executor.refresh(self.stage.block)

    async def quiet(self) -> None:
        """A run that is over does nothing more."""
        for task in list(self.executor.lanes._running.values()):
            task.cancel()
            with suppress(asyncio.CancelledError, StoreUnavailable, OutsideError):
                await task

    async def act(self, which: object) -> None:
        assert isinstance(which, list)
        await self.stage.act(self.executor, *(ARMED[index] for index in which))

    async def head(self, _: object) -> None:
        await self.stage.head(self.executor, seconds=2)

    async def follow_up(self, _: object) -> None:
        await self.executor.on_head(self.stage.block)

    async def pricey(self, gwei: object) -> None:
        self.stage.block = self.stage.chain.mine()
        await self.executor.on_head(replace(self.stage.block, next_base_fee_wei=int(str(gwei)) * 10**9))

    async def rebroadcast(self, _: object) -> None:
        await self.executor.rebroadcast()

    async def sign_beforehand(self, _: object) -> None:
        await self.executor.sign_beforehand()

    async def answer(self, kind: object) -> None:
        words = Submission(SubmissionKind(str(kind)), "words") if kind != "lost" else "lost"
        self.stage.route.answers.append(words)

    async def slow(self, what: object) -> None:
        assert isinstance(what, tuple)
        self.signers[what[0]].turns = what[1]

    async def store_fails(self, what: object) -> None:
        assert isinstance(what, tuple)
        self.stage.store_faults.fail(*what)


STEPS: dict[str, Callable[[Run, object], Awaitable[None]]] = {
    name: partial(lambda method, run, value: getattr(run, method)(value), name.replace(" ", "_"))
    for name in (
        "act", "head", "follow up", "pricey", "rebroadcast", "sign beforehand", "answer", "slow", "store fails",
    )
}  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(BATCHES)
def test_exe_6__any_interleaving_of_keys__no_two_open_intents_send_with_one_nonce_of_one_key(
    batches: list[list[tuple[str, object]]],
) -> None:
    async def scenario() -> None:
        run = Run()
        await run.executor.refresh(run.stage.block)
        for each in ARMED:
            await run.executor.measure_gas(each)
        for batch in batches:
            await run.take(batch)
            assert run.twice == []
        for signer in run.signers.values():
            signer.turns = 0
        run.stage.store_faults.heal()
        run.stage.route.answers.clear()
        await run.quiet()
        for _ in range(8):
            await run.stage.head(run.executor)
        assert run.twice == []
        assert run.executor.open_works == ()
        senders = {signer.address for signer in run.signers.values()}
        assert {attempt.sender for attempt in run.stage.route.sent} <= senders
        assert run.stage.refused == []

    asyncio.run(scenario())
