"""ADJ: what must hold of a parameter's new value, whatever the current one, the expression, the bounds and the largest step."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.domain.action import SafeSide
from keeper.domain.adjustment import Adjusted, Adjustment, Refusal
from keeper.domain.errors import StoreUnavailable, UnitError, Unreachable
from keeper.domain.expression import parse_expression
from keeper.domain.intent import Attempt
from keeper.domain.record import RecordKind
from keeper.ports.route import Submission, SubmissionKind
from tests.support.execution_stage import SET_LIMIT, VAULT, Stage, adjust

pytestmark = pytest.mark.property

TIMES = settings(max_examples=300, deadline=None)

WORD = 2**256 - 1
NUMBERS = st.one_of(st.integers(-300, 300), st.integers(-WORD, WORD))
SHARES = st.decimals("0.0001", "1", places=4)
LITERALS = st.one_of(
    st.integers(0, 300).map(str), st.integers(0, WORD // 10).map(str), st.decimals("0", "20", places=3).map(str)
)
LEAVES = st.one_of(st.just("current"), LITERALS)
RISING = st.sampled_from(["({} + {})", "min({}, {})", "max({}, {})"])


def joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    forms = st.sampled_from(["({} + {})", "({} - {})", "({} * {})", "({} / {})", "min({}, {})", "max({}, {})"])
    return st.one_of(
        st.builds(str.format, forms, inner, inner),
        inner.map("-{}".format),
    )


def joined_rising(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Never less for a greater current value."""
    return st.one_of(
        st.builds(str.format, RISING, inner, inner),
        st.builds("({} * {})".format, inner, LITERALS),
        st.builds("({} - {})".format, inner, LITERALS),
        st.builds("({} / {})".format, inner, st.integers(1, 300)),
    )


ANY = st.recursive(LEAVES, joined, max_leaves=6).filter(lambda text: len(text) <= 200)
EVER_RISING = st.recursive(LEAVES, joined_rising, max_leaves=5).filter(lambda text: len(text) <= 200)


@st.composite
def adjustments(draw: st.DrawFn, expressions: st.SearchStrategy[str] = ANY) -> Adjustment:
    ends = sorted([draw(NUMBERS), draw(NUMBERS)])
    step = draw(st.none() | SHARES)
    return Adjustment(draw(expressions), draw(st.sampled_from(SafeSide)), ends[0], ends[1], step)


def new_of(adjustment: Adjustment, current: int) -> int | None:
    return adjustment.adjusted(current).new


@TIMES
@given(adjustments(), NUMBERS)
def test_adj_1__any_adjustment__the_new_value_is_tighter_or_there_is_none(adjustment: Adjustment, current: int) -> None:
    adjusted = adjustment.adjusted(current)
    assert (adjusted.new is None) is (adjusted.refusal is not None)
    if adjusted.new is not None:
        assert adjusted.new < current if adjustment.safe_side is SafeSide.LOWER else adjusted.new > current


@TIMES
@given(adjustments(), NUMBERS)
def test_adj_2__any_adjustment__the_new_value_is_within_the_bounds(adjustment: Adjustment, current: int) -> None:
    new = new_of(adjustment, current)
    assert new is None or adjustment.least <= new <= adjustment.most


@TIMES
@given(adjustments(), NUMBERS)
def test_adj_3__any_adjustment__the_new_value_is_within_the_step(adjustment: Adjustment, current: int) -> None:
    new = new_of(adjustment, current)
    if new is not None and adjustment.max_step is not None:
        assert abs(new - current) <= abs(current) * Fraction(adjustment.max_step)


@TIMES
@given(adjustments(EVER_RISING), NUMBERS, NUMBERS)
def test_adj_4__an_expression_that_rises__the_new_value_never_falls_when_the_current_one_rises(
    adjustment: Adjustment, one: int, other: int
) -> None:
    low, high = (new_of(adjustment, current) for current in sorted([one, other]))
    assert low is None or high is None or low <= high


@TIMES
@given(adjustments(), NUMBERS)
def test_adj_5__nothing_clamps__the_new_value_is_the_exact_one_rounded_to_the_safe_side(
    adjustment: Adjustment, current: int
) -> None:
    adjusted = adjustment.adjusted(current)
    if adjusted.exact is None or adjusted.wanted is None:
        assert adjusted.refusal is Refusal.NOT_COMPUTABLE
        return
    safer = adjusted.exact - adjusted.wanted
    assert 0 <= (safer if adjustment.safe_side is SafeSide.LOWER else -safer) < 1
    if adjusted.new is not None:
        assert (adjusted.new == adjusted.wanted) or adjusted.clamps
        assert (adjusted.new != adjusted.wanted) or not adjusted.clamps


@TIMES
@given(ANY, NUMBERS)
def test_adj_6__any_expression__is_what_python_makes_of_it_in_exact_fractions(text: str, current: int) -> None:
    expression = parse_expression(text)
    names = {"current": Fraction(current), "min": min, "max": max, "Fraction": Fraction}
    exact = re.sub(r"[0-9.]+", lambda match: f"Fraction('{match.group()}')", text)
    try:
        value = eval(exact, {"__builtins__": {}}, names)
    except ZeroDivisionError:
        with pytest.raises(UnitError):
            expression.value(current)
    else:
        assert expression.value(current) == value


@TIMES
@given(st.text(alphabet="curentmixa0123456789.+-*/(), \t%e", max_size=30))
def test_adj_7__any_text__is_an_expression_or_refused_with_a_place(text: str) -> None:
    refusal = ""
    try:
        parse_expression(text)
    except UnitError as error:
        refusal = error.message
    if not refusal:
        with suppress(UnitError):
            assert isinstance(parse_expression(text).value(7), Fraction)
        return
    found = re.match(r"character ([0-9]+): .", refusal)
    assert found
    assert 1 <= int(found.group(1)) <= len(text) + 1


ACT = st.tuples(st.just("act"), st.just(0))
HEAD = st.tuples(st.just("head"), st.just(0))
SILENT = st.tuples(st.just("silent block"), st.just(0))
SOMEBODY = st.tuples(st.just("somebody"), st.sampled_from([0, 99, 100, 101, 450, 500, 900, 1_000, 4_000]))
ANSWER = st.tuples(st.just("answer"), st.sampled_from(["lost", "unreachable", "unreachable", "underpriced"]))
REBROADCAST = st.tuples(st.just("rebroadcast"), st.just(0))
OTHER = st.one_of(
    st.tuples(st.just("pricey head"), st.integers(1, 5)),
    st.tuples(st.just("crash"), st.booleans()),
    st.tuples(st.just("forget"), st.just(0)),
    st.tuples(st.just("node fails"), st.integers(1, 5)),
    st.tuples(st.just("store fails"), st.tuples(st.integers(1, 4), st.sampled_from(["before", "after"]))),
    st.tuples(st.just("time"), st.sampled_from([1_000, 61_000])),
)
SPOILED = st.lists(st.one_of(ANSWER, OTHER), max_size=2)
LATER = st.lists(st.one_of(SOMEBODY, HEAD, SILENT, REBROADCAST, ANSWER, OTHER), max_size=6)
ROUND = st.builds(lambda before, act, after: [*before, act, *after], SPOILED, ACT, LATER)
STEPS = st.lists(ROUND, min_size=1, max_size=5).map(lambda rounds: [step for each in rounds for step in each])


ARMED = adjust(max_step=Decimal("0.5"))


class WatchedStage(Stage):
    """Holds every attempt that is sent against what the parameter is at the newest block."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.checked = 0
        submit = self.route.submit

        async def watched(attempt: Attempt, block: int) -> Submission:
            now = self.limit_now()
            assert ARMED.at(str(now)).call.data == bytes.fromhex(attempt.data.removeprefix("0x")), f"blind at {now}"
            (body,) = [record.body for record in self.records(RecordKind.INTENT) if record.intent == attempt.intent]
            assert body["effect_before"] == str(now)
            self.checked += 1
            return await submit(attempt, block)

        self.route.submit = watched  # type: ignore[method-assign]

    def limit_now(self) -> int:
        newest = self.chain._blocks[-1]
        return int(str(self.chain._states[newest.hash][VAULT][1]["limit"]))


class Play:
    """Takes the steps one by one; what fails inside of them is what the service would catch."""

    def __init__(self, plan: list[tuple[str, object]]) -> None:
        self.stage = WatchedStage()
        self._plan = plan
        self._executor = self.stage.executor(ARMED)

    async def play(self) -> None:
        self._executor = await self.stage.ready(ARMED, measured=True)
        for name, value in self._plan:
            with suppress(Unreachable, StoreUnavailable):
                await getattr(self, "do_" + name.replace(" ", "_"))(value)

    async def do_act(self, _: object) -> None:
        self.stage.block = self.stage.chain._blocks[-1]
        await self.stage.act(self._executor, ARMED, before=str(self.stage.limit_now()))

    async def do_head(self, _: object) -> None:
        await self.stage.head(self._executor, seconds=2)

    async def do_pricey_head(self, gwei: int) -> None:
        self.stage.block = self.stage.chain.mine()
        await self._executor.on_head(replace(self.stage.block, next_base_fee_wei=gwei * 10**9))

    async def do_silent_block(self, _: object) -> None:
        self.stage.chain.mine()

    async def do_rebroadcast(self, _: object) -> None:
        await self._executor.rebroadcast()

    async def do_crash(self, refreshed: bool) -> None:
        self._executor = self.stage.executor(ARMED)
        await self._executor.recover()
        if refreshed:
            await self._executor.refresh(self.stage.block)

    async def do_somebody(self, limit: int) -> None:
        self.stage.chain.store(VAULT, limit=limit)

    async def do_answer(self, kind: str) -> None:
        self.stage.route.answers.append(kind if kind == "lost" else Submission(SubmissionKind(kind), "words"))

    async def do_forget(self, _: object) -> None:
        self.stage.chain.forget_pool()

    async def do_node_fails(self, number: int) -> None:
        self.stage.chain_faults.fail(number)

    async def do_store_fails(self, when: tuple[int, str]) -> None:
        self.stage.store_faults.fail(*when)

    async def do_time(self, ms: int) -> None:
        self.stage.clock.ms += ms


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_adj_8__whatever_others_do_meanwhile__nothing_is_sent_that_is_not_made_of_the_newest_value(
    plan: list[tuple[str, object]],
) -> None:
    run = Play(plan)
    asyncio.run(run.play())
    for record in run.stage.records(RecordKind.INTENT):
        said = record.body["adjustment"]
        assert isinstance(said, dict)
        adjustment = ARMED.action.adjustment
        assert adjustment is not None
        adjusted: Adjusted = adjustment.adjusted(int(str(record.body["effect_before"])))
        assert said["new"] == (None if adjusted.new is None else str(adjusted.new))
        assert record.body["data"] == ("0x" if adjusted.new is None else "0x" + calldata(adjusted.new).hex())


def calldata(value: int) -> bytes:
    return SET_LIMIT + value.to_bytes(32, "big")


def test_stage__a_calm_run__sends_and_is_checked() -> None:
    run = Play([("act", 0), ("head", 0), ("act", 0), ("head", 0)])
    asyncio.run(run.play())
    assert run.stage.checked == 2
    assert run.stage.chain.value("limit") == 250
