"""What a node refuses now, or for reasons that nobody knows, is tried again at every block; what costs too much there is offered for less."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from keeper.domain.budget import Budget
from keeper.domain.errors import StoreUnavailable
from keeper.domain.intent import Attempt
from keeper.domain.outcome import OutcomeKind, Reason
from keeper.execution.executor import Executor
from keeper.execution.mandate import MAX_GAS
from keeper.execution.opening import intent_of
from keeper.execution.pen import with_margin
from keeper.execution.purse import cap_after, worst_wei
from keeper.execution.work import Work
from keeper.ports.route import Submission, SubmissionKind
from tests.support.execution_stage import ETHER, OTHER_KEY, VAULT, Stage, StageSigner, limit, pause

pytestmark = pytest.mark.unit

GAS = 100_000
LONG = pause(gas_limit=GAS, expires_ms=1_000_000)
FULL = Submission(SubmissionKind.REFUSED, "txpool is full")


def over(cap_wei: int | None) -> Submission:
    return Submission(SubmissionKind.OVER_CAP, "tx fee exceeds the configured cap", cap_wei=cap_wei)


async def acted(stage: Stage) -> Executor:
    executor = await stage.ready(LONG)
    await stage.act(executor, LONG)
    return executor


# -- refused -----------------------------------------------------------------------------------------------------------------------


async def test_refused__by_a_full_pool__is_tried_again_at_each_head_and_told_once() -> None:
    stage = Stage()
    stage.route.answers = [FULL, FULL, FULL]
    executor = await acted(stage)
    await stage.head(executor)
    await stage.head(executor)
    assert stage.outcomes == []
    assert len(stage.route.sent) == 3
    assert len(set(stage.route.sent)) == 1, "the same bytes"
    ((_, why),) = stage.withheld
    assert "txpool is full" in why
    await stage.head(executor)
    await stage.head(executor)
    assert stage.outcome.kind is OutcomeKind.INCLUDED
    assert stage.calls == 1


async def test_refused__until_it_expires__ends_with_the_words_and_no_transaction() -> None:
    stage = Stage()
    stage.route.always = FULL
    executor = await acted(stage)
    stage.clock.ms += 1_000_001
    await stage.head(executor)
    assert stage.outcome.kind is OutcomeKind.EXPIRED
    assert "txpool is full" in stage.outcome.message
    assert stage.outcome.tx_hash is None


async def test_refused__and_somebody_else_did_it__is_superseded() -> None:
    stage = Stage()
    stage.route.always = FULL
    executor = await acted(stage)
    stage.chain.store(VAULT, paused=1)
    await stage.head(executor)
    assert (stage.outcome.kind, stage.outcome.reason) == (OutcomeKind.SUPERSEDED, Reason.ALREADY_IN_EFFECT)
    assert len(stage.route.sent) == 1


async def test_refused__first_of_two__the_second_takes_its_nonce_and_the_first_the_next() -> None:
    stage = Stage()
    stage.route.answers = [FULL]
    executor = await stage.ready(pause(), limit())
    await stage.act(executor, pause(), limit())
    assert [attempt.nonce for attempt in stage.route.sent] == [0, 0]
    await executor.on_head(stage.block)
    assert [attempt.nonce for attempt in stage.route.sent] == [0, 0, 1]
    await stage.head(executor)
    assert {outcome.kind for _, outcome in stage.outcomes} == {OutcomeKind.INCLUDED}
    assert stage.calls == 2


async def test_refused__its_nonce_was_given_away__a_new_run_knows_whose_it_is() -> None:
    stage = Stage()
    stage.route.answers = [FULL]
    executor = await stage.ready(pause(), limit())
    await stage.act(executor, pause(), limit())
    executor = await stage.ready(pause(), limit())
    await executor.on_head(stage.block)
    nonces = {attempt.intent.split("/")[1]: attempt.nonce for attempt in stage.route.sent}
    assert nonces == {"limit": 0, "pause": 1}
    await stage.head(executor)
    assert stage.calls == 2


# -- the cap of a node -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [1, 3])
async def test_over_cap__the_first_attempt__is_offered_for_what_the_node_takes(share: int) -> None:
    """A cap that would allow what was refused is a rounded one."""
    stage = Stage()
    first: list[Attempt] = []

    def capped(attempt: Attempt) -> None:
        first.append(attempt)
        cap = worst_wei(first[0]) * 2 // 3
        if worst_wei(attempt) > cap:
            stage.route.answers.insert(0, over(cap * share))

    stage.route.check = capped
    executor = await acted(stage)
    assert stage.outcomes == []
    assert len(stage.withheld) == 1
    await stage.head(executor)
    dear, cheaper = stage.route.sent
    assert dear.nonce == cheaper.nonce
    assert worst_wei(dear) // 4 < worst_wei(cheaper) <= worst_wei(dear) * 2 // 3
    await stage.head(executor)
    assert stage.outcome.tx_hash == cheaper.tx_hash


async def test_over_cap__the_node_does_not_say_which__the_same_is_tried_again() -> None:
    stage = Stage()
    stage.route.answers = [over(None), over(None)]
    executor = await acted(stage)
    await stage.head(executor)
    await stage.head(executor)
    assert len(stage.route.sent) == 3
    assert len(set(stage.route.sent)) == 1
    await stage.head(executor)
    assert stage.outcome.kind is OutcomeKind.INCLUDED
    assert len(stage.withheld) == 1


async def test_over_cap__nothing_fits_below_it__is_tried_again_and_told() -> None:
    stage = Stage()
    stage.route.always = over(1)
    executor = await acted(stage)
    await stage.head(executor)
    await stage.head(executor)
    assert stage.outcomes == []
    assert len(stage.route.sent) == 3
    assert stage.events.count("sign") == 1
    assert len(stage.withheld) == 1


@pytest.mark.parametrize("said", [True, False])
async def test_over_cap__a_replacement__the_last_one_that_was_taken_is_published_again(said: bool) -> None:
    stage = Stage()
    stage.route.always = Submission(SubmissionKind.ACCEPTED, "taken, and put into no block")
    executor = await acted(stage)
    (taken,) = stage.route.sent
    cap = worst_wei(taken)
    stage.route.check = lambda attempt: (
        stage.route.answers.insert(0, over(cap if said else None)) if worst_wei(attempt) > cap else None
    )
    for _ in range(4):
        await stage.head(executor)
    assert stage.outcomes == []
    dearest = max(stage.route.sent, key=worst_wei)
    assert {attempt.tx_hash for attempt in stage.route.sent} == {taken.tx_hash, dearest.tx_hash}
    assert stage.route.sent.count(taken) == 5, "at every head"
    assert len(stage.withheld) == 1
    stage.route.always = None
    await stage.head(executor)
    await stage.head(executor)
    assert stage.outcome.tx_hash == taken.tx_hash


async def test_over_cap__a_replacement_with_room_below__is_offered_for_as_much_as_fits() -> None:
    stage = Stage(budget=Budget(per_action_wei=ETHER))
    stage.route.always = Submission(SubmissionKind.ACCEPTED, "taken, and put into no block")
    executor = await acted(stage)
    for _ in range(6):  # until the tip is most of it
        await stage.head(executor)
    taken = stage.route.sent[-1]
    cap = worst_wei(taken) * 5 // 4
    stage.route.check = lambda attempt: stage.route.answers.insert(0, over(cap)) if worst_wei(attempt) > cap else None
    await stage.head(executor)
    await stage.head(executor)
    newest = stage.route.sent[-1]
    assert worst_wei(taken) * 9 // 8 <= worst_wei(newest) <= cap
    assert newest.nonce == taken.nonce


def test_cap_after__each_refusal__is_what_to_stay_within() -> None:
    refused = Attempt("i", 2, 1, "0x1", 0, 30, 1, 10, "0x2", "0x", "0xb", "0x", 0)
    older = Attempt("i", 1, 1, "0x1", 0, 20, 1, 10, "0x2", "0x", "0xa", "0x", 0)
    assert cap_after(refused, 299, None) == cap_after(refused, 299, older) == 299
    assert cap_after(refused, 300, None) == 150
    assert cap_after(refused, None, older) == 200
    assert cap_after(refused, None, None) is None


# -- the day's budget and two keys -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slow", [True, False])
async def test_budget_of_the_day__two_keys_sign_at_the_same_time__what_one_is_signing_counts_for_the_other(
    slow: bool,
) -> None:
    stage = Stage()
    probe = await stage.ready(LONG)
    await stage.act(probe, LONG)
    one = worst_wei(stage.route.sent[0])
    stage = Stage(budget=Budget(per_day_wei=one * 11 // 10))
    signers = [stage.signer, stage.add_lane("fast", StageSigner(stage.events, OTHER_KEY))]
    executor = stage.executor(LONG)
    await executor.refresh(stage.block)
    works = []
    for _, order in stage.items(LONG, pause("BTC-PERP", gas_limit=GAS)):
        assert order is not None
        works.append(Work(intent_of(order, order.armed), order.armed))
    held = asyncio.Event()
    for signer in signers:
        signer.held = held if slow else None
    pens = executor.lanes.pens
    for pen, work in zip(pens, works, strict=True):
        executor.lanes.mandates.give(work.intent.id, pen.sender, work.call)
    writing = [asyncio.create_task(pen.write(work, [], None)) for pen, work in zip(pens, works, strict=True)]
    for _ in range(20):  # both get as far as they can
        await asyncio.sleep(0)
    held.set()
    written = await asyncio.gather(*writing)
    signed = [each for each in written if isinstance(each, Attempt)]
    assert sum(map(worst_wei, signed)) <= one * 11 // 10
    assert len(signed) == 1


async def test_reservation__the_key_fails__is_released() -> None:
    stage = Stage(budget=Budget(per_day_wei=ETHER))
    executor = await stage.ready(LONG)
    await stage.act(executor, LONG)
    assert executor._purse._reserved == {}, "it is one of the attempts now"
    stage.signer.broken = True
    executor = await stage.ready(pause("BTC-PERP", gas_limit=GAS))
    await stage.act(executor, pause("BTC-PERP", gas_limit=GAS))
    assert stage.outcomes[-1][1].reason is Reason.SIGNING_FAILED
    assert executor._purse._reserved == {}


async def test_reservation__the_database_fails__is_released() -> None:
    stage = Stage(budget=Budget(per_day_wei=ETHER))
    executor = await stage.ready(LONG, measured=True)
    for number in (1, 2):
        stage.store_faults.fail(number)
        with suppress(StoreUnavailable):
            await stage.act(executor, LONG)
        assert executor._purse._reserved == {}


# -- gas ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimate", "limit_"),
    [
        (100_000, 130_000),
        (MAX_GAS * 10 // 13, MAX_GAS * 10 // 13 * 13 // 10),
        (MAX_GAS * 10 // 13 + 1, MAX_GAS),
        (MAX_GAS, MAX_GAS),
        (MAX_GAS + 1, MAX_GAS + 1),
    ],
)
def test_margin__of_an_estimate__ends_at_what_a_transaction_may_have(estimate: int, limit_: int) -> None:
    assert with_margin(estimate) == limit_


@pytest.mark.parametrize("above", [0, 1])
async def test_estimate__more_than_a_transaction_may_have__is_an_end_that_says_so(above: int) -> None:
    stage = Stage()

    async def gas(*_: object) -> int:
        return MAX_GAS + above

    stage.chain.gas = gas  # type: ignore[method-assign, assignment]
    executor = await stage.ready(measured=True)
    await executor.sign_beforehand()
    await stage.act(executor)
    assert stage.refused == [], "nobody misused the key"
    if above:
        assert stage.outcome.reason is Reason.SIGNING_FAILED
        assert str(MAX_GAS + 1) in stage.outcome.message
        assert stage.route.sent == []
    else:
        assert [attempt.gas_limit for attempt in stage.route.sent] == [MAX_GAS]
