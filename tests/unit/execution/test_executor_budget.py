"""What gas may cost: how offers rise within it, what happens when it is reached, and what of it is spent already."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.domain.budget import Budget
from keeper.domain.evm import Receipt
from keeper.domain.intent import Attempt, Intent, IntentState
from keeper.domain.outcome import OutcomeKind
from keeper.domain.record import RecordKind
from keeper.execution.fees import Fees, offer
from keeper.execution.purse import DAY_MS, Purse, Withheld, worst_wei
from keeper.execution.work import Work
from keeper.ports.route import SubmissionKind
from tests.support.execution_stage import T0, Stage, limit, pause
from tests.support.private_stage import SAYS

pytestmark = pytest.mark.unit

GAS = 100_000
GWEI = 10**9
LONG = pause(gas_limit=GAS, expires_ms=1_000_000)


def first_offer(stage: Stage) -> Fees:
    return offer(stage.block.next_base_fee_wei, GWEI)


def limited(*, per_action: int | None = None, per_day: int | None = None) -> Stage:
    return Stage(budget=Budget(per_action, per_day))


# -- per intent --------------------------------------------------------------------------------------------------------------------


async def test_budget_of_an_action__reached__repeats_the_last_attempt_and_tells_people_once() -> None:
    stage = Stage()
    stage.budget = Budget(per_action_wei=5 * first_offer(stage).max_fee_wei * GAS)
    stage.route.always = SAYS[SubmissionKind.ACCEPTED]
    executor = await stage.ready(LONG)
    await stage.act(executor, LONG)
    for _ in range(6):
        await stage.head(executor)
    sent = stage.route.sent
    assert len(sent) == 7, "something is sent at every head"
    assert sent[-1] == sent[-2] == sent[-3]
    limit = stage.budget.per_action_wei
    assert limit is not None
    assert max(map(worst_wei, sent)) <= limit < worst_wei(sent[-1]) * 9 // 8
    ((_, why),) = stage.withheld
    assert f"the budget of {limit} wei for one action" in why
    executor = await stage.ready(LONG)  # also a new run knows that people were told
    for _ in range(2):
        await stage.head(executor)
    assert len(stage.withheld) == 1
    stage.route.always = None
    await stage.head(executor)
    await stage.head(executor)
    assert stage.outcome.kind is OutcomeKind.INCLUDED


@pytest.mark.parametrize("short_wei", [0, 1])
async def test_budget__the_first_offer__is_lowered_to_it_as_long_as_a_block_would_take_it(short_wei: int) -> None:
    stage = Stage()
    least = (stage.block.next_base_fee_wei + 1) * GAS
    stage.budget = Budget(per_action_wei=least - short_wei)
    executor = await stage.ready(LONG)
    await stage.act(executor, LONG)
    if short_wei == 0:
        (sent,) = stage.route.sent
        assert (worst_wei(sent), sent.priority_fee_wei) == (least, 1)
        assert stage.withheld == []
        return
    assert "sign" not in stage.events
    assert stage.route.sent == []
    assert len(stage.withheld) == 1
    await stage.head(executor)  # the base fee has fallen: it is tried again, and nobody is told twice
    assert len(stage.route.sent) == 1
    assert len(stage.withheld) == 1


async def test_budget__never_enough__expires_and_says_so() -> None:
    stage = limited(per_action=1)
    executor = await stage.ready(LONG)
    await stage.act(executor, LONG)
    await stage.head(executor)
    stage.clock.ms += 1_000_001
    await stage.head(executor)
    assert stage.outcome.kind is OutcomeKind.EXPIRED
    assert "the budget of 1 wei for one action" in stage.outcome.message


# -- 24 hours ----------------------------------------------------------------------------------------------------------------------


async def test_budget_of_the_day__what_an_earlier_run_paid__counts_until_24_hours_have_passed() -> None:
    stage = Stage()
    executor = await stage.ready(LONG)
    await stage.act(executor, LONG)
    await stage.head(executor)
    (receipt,) = stage.bodies(RecordKind.RECEIPT)
    paid = int(str(receipt["gas_used"])) * int(str(receipt["effective_gas_price_wei"]))
    at_ms = stage.clock.ms
    stage.chain.store("0x5FbDB2315678afecb367f032d93F642f64180aa3", paused=0)
    stage.budget = Budget(per_day_wei=paid + 1)
    stage.block = stage.chain.mine()
    executor = await stage.ready(LONG)
    await stage.act(executor, LONG)
    assert stage.withheld[0][1].startswith("what is left of the budget")
    assert len(stage.route.sent) == 1
    stage.budget = Budget(per_day_wei=first_offer(stage).max_fee_wei * GAS)
    stage.clock.ms = at_ms + DAY_MS
    executor = await stage.ready(LONG)
    stage.expire()
    await executor.rebroadcast()  # the intent that came to nothing
    stage.clock.ms = at_ms + DAY_MS
    await stage.act(executor, LONG)
    assert len(stage.route.sent) == 2


async def test_budget_of_the_day__what_is_open__counts_with_its_dearest_attempt() -> None:
    stage = Stage()
    one = first_offer(stage).max_fee_wei * GAS
    stage.budget = Budget(per_day_wei=one + 1)
    other = limit()
    both = (LONG, replace(other, action=replace(other.action, gas_limit=GAS)))
    executor = await stage.ready(*both)
    await stage.act(executor, *both)
    assert [attempt.intent.split("/")[1] for attempt in stage.route.sent] == ["pause"]
    assert [identity.split("/")[1] for identity, _ in stage.withheld] == ["limit"]
    await stage.head(executor)  # mined, it cost much less, and the other one is next
    await stage.head(executor)
    assert len(stage.route.sent) == 2


# -- the purse itself --------------------------------------------------------------------------------------------------------------


def work(identity: str = "m/a/1", *costs: int) -> Work:
    attempts = tuple(
        Attempt(identity, number, 1, "0x01", 0, cost, 1, 1, "0x02", "0x", f"0x{number}", "0x", T0)
        for number, cost in enumerate(costs)
    )
    return Work(Intent(identity, "m", "a", "m@1", IntentState.OPEN, T0, T0, "0x02", "0x", "false", attempts), None)


def receipt(name: str, gas: int, price: int) -> Receipt:
    return Receipt(name, 1, 7, "0xb", gas, price)


@pytest.mark.parametrize(("most", "fits"), [(100, True), (99, False)])
def test_purse__an_offer_that_is_all_there_is__fits(most: int, fits: bool) -> None:
    for budget in (Budget(per_action_wei=most * 10), Budget(per_day_wei=most * 10)):
        wanted = Fees(100, 5)
        found = Purse(budget).fitted(work(), wanted, wanted, 95, 10, [], T0)
        assert (found == wanted) is fits
        assert isinstance(found, Withheld) is not fits


def test_purse__less_than_wanted__is_what_fits_and_no_less_than_the_least() -> None:
    purse = Purse(Budget(per_action_wei=1_000))
    assert purse.fitted(work(), Fees(300, 200), Fees(91, 1), 90, 10, [], T0) == Fees(100, 10)
    assert purse.fitted(work(), Fees(300, 200), Fees(91, 20), 90, 10, [], T0) == Fees(100, 20)
    assert purse.fitted(work(), Fees(300, 5), Fees(91, 1), 90, 10, [], T0) == Fees(100, 5)


def test_purse__other_open_intents__count_unless_they_are_mined() -> None:
    purse, other = Purse(Budget(per_day_wei=1_000)), work("m/b/1", 600, 400)
    assert isinstance(purse.fitted(work(), Fees(401, 1), Fees(401, 1), 1, 1, [other], T0), Withheld)
    assert purse.fitted(work(), Fees(400, 1), Fees(400, 1), 1, 1, [other, work("m/a/1", 900)], T0) == Fees(400, 1)
    other.mined = receipt("0x1", 1, 1)
    assert purse.fitted(work(), Fees(1_000, 1), Fees(1, 1), 1, 1, [other], T0) == Fees(1_000, 1)


def test_purse__what_was_paid__is_forgotten_after_a_day_and_when_it_is_returned() -> None:
    purse = Purse(Budget(per_day_wei=1))
    purse.paid(receipt("0x1", 10, 7), T0)
    purse.paid(receipt("0x1", 10, 7), T0)
    purse.paid(receipt("0x2", 1, 3), T0 + 5)
    assert purse.spent_wei(T0) == 73
    assert purse.spent_wei(T0 + DAY_MS - 1) == 73
    assert purse.spent_wei(T0 + DAY_MS) == 3
    purse.returned("0x2")
    assert purse.spent_wei(T0 + DAY_MS) == 0


async def test_reorganisation__what_was_paid__is_paid_no_more() -> None:
    stage = limited(per_day=10**18)
    stage.confirmations = 3
    executor = await stage.ready(LONG)
    await stage.act(executor, LONG)
    await stage.head(executor)
    assert executor._purse.spent_wei(stage.clock.ms) > 0
    stage.chain.undo(keep_pool=False)
    stage.block = stage.chain.mine(seconds=13)
    await executor.on_head(stage.block)
    assert executor._purse.spent_wei(stage.clock.ms) == 0


# -- nonces ------------------------------------------------------------------------------------------------------------------------


async def test_nonce_too_low__three_blocks_in_a_row_and_no_receipt__is_given_up() -> None:
    stage = Stage()
    stage.route.always = SAYS[SubmissionKind.NONCE_TOO_LOW]
    executor = await stage.ready(LONG)
    await stage.act(executor, LONG)
    await executor.rebroadcast()  # the same block does not count twice
    await stage.head(executor)
    await stage.head(executor)
    assert stage.outcomes == []
    await stage.head(executor)
    assert (stage.outcome.kind, stage.outcome.reason.value) == (OutcomeKind.FAILED, "nonce-taken")
    assert stage.route.sent[0].tx_hash == stage.outcome.tx_hash


async def test_nonce_too_low__three_times_and_mined_after_all__is_what_the_receipt_says() -> None:
    stage = Stage()
    executor = await stage.ready(LONG)
    await stage.act(executor, LONG)
    stage.route.always = SAYS[SubmissionKind.NONCE_TOO_LOW]
    held, stage.chain._pool = stage.chain._pool, []
    for _ in range(3):
        await stage.head(executor)
    assert stage.outcomes == []
    stage.chain._pool = held
    await stage.head(executor)
    assert stage.outcome.kind is OutcomeKind.INCLUDED


async def test_nonce_too_low__another_answer_in_between__begins_anew() -> None:
    stage = Stage()
    low, unsure = SAYS[SubmissionKind.NONCE_TOO_LOW], SAYS[SubmissionKind.UNREACHABLE]
    stage.route.answers = [low, low, unsure, low, low, low]
    executor = await stage.ready(LONG)
    await stage.act(executor, LONG)
    for _ in range(5):
        await stage.head(executor)
    assert stage.outcomes == []
    await stage.head(executor)
    assert stage.outcome.reason.value == "nonce-taken"


async def test_nonce_gap__the_pool_lost_the_earlier_one__the_lowest_is_sent_first() -> None:
    stage = Stage()
    armed = [pause(name="a", gas_limit=GAS), pause(name="b", gas_limit=GAS), pause(name="c", gas_limit=GAS)]
    executor = await stage.ready(*armed)
    await stage.act(executor, *armed)
    first = dict(executor._open)
    executor._open.clear()
    executor._open.update(reversed(first.items()))
    stage.chain._pool = stage.chain._pool[1:]
    await executor.rebroadcast()
    assert [attempt.nonce for attempt in stage.route.sent[3:]] == [0, 1, 2]
    await stage.head(executor)
    assert len(stage.outcomes) == 3


async def test_nonce_gap__an_earlier_nonce_is_nobodys__no_more_is_offered_behind_it_and_that_nonce_is_taken() -> None:
    stage = Stage()
    stage.route.answers = [SAYS[SubmissionKind.UNREACHABLE], "send", SAYS[SubmissionKind.INVALID]]
    executor = await stage.ready(LONG, replace(LONG, action=replace(LONG.action, name="b")))
    await stage.act(executor, LONG, replace(LONG, action=replace(LONG.action, name="b")))
    await stage.head(executor)
    assert [attempt.nonce for attempt in stage.route.sent] == [0, 1, 0]
    await stage.head(executor)
    assert [attempt.nonce for attempt in stage.route.sent] == [0, 1, 0, 0]
    await stage.head(executor)
    assert stage.outcomes[-1][1].kind is OutcomeKind.INCLUDED
    assert "(nonce 1) makes the same call, and may be mined too" in stage.outcomes[-1][1].message
