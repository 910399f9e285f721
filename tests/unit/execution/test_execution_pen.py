"""Writing attempts: nonce, fees, gas limit, and why there may be none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_abi.abi import encode
from eth_account import Account

from keeper.domain.errors import Refused, Unreachable
from keeper.domain.intent import Attempt, Intent, IntentState
from keeper.domain.outcome import Outcome, OutcomeKind, Reason
from keeper.execution.fees import Fees, offer, raised
from keeper.execution.mandate import MandatedSigner, Mandates
from keeper.execution.pen import Lane, Pen
from keeper.execution.planner import ArmedAction
from keeper.execution.work import Work
from tests.support.execution_stage import OTHER_KEY, T0, Stage, StageSigner, limit, pause

pytestmark = pytest.mark.unit

GWEI = 10**9


def make_work(armed: ArmedAction | None = None, name: str = "pause", *attempts: Attempt) -> Work:
    armed = armed or pause()
    data = "0x" + armed.call.data.hex()
    intent = Intent(f"i/{name}", "ETH-PERP", name, "inc", IntentState.OPEN, T0, T0 + 1, armed.call.to, data, "false")
    return Work(replace(intent, attempts=attempts), armed)


def make_pen(stage: Stage, signer: StageSigner | None = None) -> Pen:
    key = signer or stage.signer
    mandates = Mandates(31337, [(key.address, call) for call in (pause().call, limit().call)])
    return Pen(stage.chain, stage.chain, MandatedSigner(key, mandates), stage.clock, 31337)


def known_nonce(pen: Pen) -> int | None:
    return pen.lane.nonce if pen.lane else None


async def written(pen: Pen, work: Work, *others: Work, replaces: Attempt | None = None) -> Attempt:
    attempt = await pen.write(work, [work, *others], replaces)
    assert isinstance(attempt, Attempt), attempt
    return attempt


async def refused(pen: Pen, work: Work) -> Outcome:
    outcome = await pen.write(work, [work], None)
    assert isinstance(outcome, Outcome), outcome
    return outcome


async def test_write__first_attempt__is_the_intents_call_signed_by_the_key() -> None:
    stage = Stage()
    pen, work = make_pen(stage), make_work()
    await pen.refresh(stage.block)
    attempt = await written(pen, work)
    assert (attempt.number, attempt.nonce, attempt.sender) == (1, 0, stage.signer.address)
    assert (attempt.to, attempt.data) == (work.intent.to, work.intent.data)
    assert Fees(attempt.max_fee_wei, attempt.priority_fee_wei) == offer(stage.block.next_base_fee_wei, GWEI)
    assert attempt.gas_limit == 65_000
    assert attempt.signed_ms == T0
    assert Account.recover_transaction(attempt.raw) == stage.signer.address


async def test_write__nothing_known_of_the_sender__is_asked_first() -> None:
    stage = Stage()
    stage.chain.spend_nonce(stage.signer.address)
    pen = make_pen(stage)
    assert (await written(pen, make_work())).nonce == 1
    assert pen.head == stage.block


async def test_write__open_attempts_of_others__their_nonces_are_taken() -> None:
    stage = Stage()
    pen = make_pen(stage)
    first = await written(pen, make_work())
    second = await written(pen, make_work(name="b"), make_work(None, "a", first))
    assert (first.nonce, second.nonce) == (0, 1)
    third = await written(pen, make_work(name="c"), make_work(None, "a", first), make_work(None, "b", second))
    assert third.nonce == 2


async def test_write__a_nonce_was_given_up__is_used_before_any_later_one() -> None:
    stage = Stage()
    pen = make_pen(stage)
    first = await written(pen, make_work())
    later = replace(first, nonce=1)
    assert (await written(pen, make_work(name="c"), make_work(None, "b", later))).nonce == 0


async def test_write__attempts_of_another_key__take_no_nonce() -> None:
    stage = Stage()
    other = await written(make_pen(stage, StageSigner([], OTHER_KEY)), make_work())
    assert (await written(make_pen(stage), make_work(name="b"), make_work(None, "a", other))).nonce == 0


async def test_write__same_nonce_and_fees_as_before__differs_by_a_wei() -> None:
    stage = Stage()
    pen = make_pen(stage)
    first, second, third = [await written(pen, make_work()) for _ in range(3)]
    assert [each.max_fee_wei - first.max_fee_wei for each in (first, second, third)] == [0, 1, 2]
    assert len({first.tx_hash, second.tx_hash, third.tx_hash}) == 3


async def test_write__nonce_that_an_earlier_run_may_have_sent__offers_what_replaces_it() -> None:
    stage = Stage()
    first = await written(make_pen(stage), make_work())
    pen = make_pen(stage)
    pen.remember([(0, Fees(first.max_fee_wei, first.priority_fee_wei))])
    second = await written(pen, make_work())
    least = raised(Fees(first.max_fee_wei, first.priority_fee_wei))
    assert Fees(second.max_fee_wei, second.priority_fee_wei) == least


async def test_write__replacement__keeps_nonce_and_gas_and_outbids() -> None:
    stage = Stage()
    first = await written(make_pen(stage), make_work())
    pen, work = make_pen(stage), make_work(None, "pause", first)  # after a restart: no gas limit is known
    stage.chain.store(work.intent.to, mode="reverts")  # what a call looks like once its first attempt is in the block
    stage.chain.mine()
    second = await written(pen, work, replaces=first)
    assert (second.number, second.nonce, second.gas_limit) == (2, first.nonce, first.gas_limit)
    assert second.max_fee_wei * 8 >= first.max_fee_wei * 9
    assert second.priority_fee_wei * 8 >= first.priority_fee_wei * 9


async def test_spent__attempt_is_mined__its_nonce_is_not_used_again_before_the_next_look() -> None:
    stage = Stage()
    pen = make_pen(stage)
    first = await written(pen, make_work())
    pen.spent(first)
    assert (await written(pen, make_work())).nonce == 1
    pen.spent(replace(first, nonce=0))
    assert known_nonce(pen) == 1
    pen.spent(replace(first, nonce=7, sender="0x" + "1" * 40))
    assert known_nonce(pen) == 1


async def test_spent__nothing_known_of_the_sender__stays_so() -> None:
    stage = Stage()
    first = await written(make_pen(stage), make_work())
    pen = make_pen(stage)
    pen.spent(first)
    assert known_nonce(pen) is None


async def test_gas__measured_before__is_not_asked_again() -> None:
    stage = Stage()
    pen, work = make_pen(stage), make_work()
    await pen.refresh(stage.block)
    assert work.armed is not None
    await pen.measure_gas(work.armed)
    stage.chain.go_down()
    assert (await written(pen, work)).gas_limit == 65_000


async def test_gas__limit_is_configured__is_used_as_it_is() -> None:
    stage = Stage()
    pen, work = make_pen(stage), make_work(pause(gas_limit=123_456))
    await pen.refresh(stage.block)
    asked = stage.chain.requests_made
    assert work.armed is not None
    await pen.measure_gas(work.armed)
    assert (await written(pen, work)).gas_limit == 123_456
    assert stage.chain.requests_made == asked


async def test_gas__the_call_would_revert__is_an_end_with_the_reason() -> None:
    stage = Stage()
    work = make_work()
    stage.chain.store(work.intent.to, mode="reverts")
    stage.chain.mine()
    outcome = await refused(make_pen(stage), work)
    assert (outcome.kind, outcome.reason) == (OutcomeKind.FAILED, Reason.SIMULATION_REVERTED)
    assert "0xdeadbeef" in outcome.message
    assert "gas_limit" in outcome.remedy
    assert "sign" not in stage.events


@pytest.mark.parametrize(
    ("answer", "is_end"),
    [
        (Refused("limit exceeded", code=-32005), False),
        (Refused("header not found", code=-32000), False),
        (Refused("execution reverted", code=-32000), True),
        (Refused("no", code=3), True),
        (Refused("VM error", code=-32015, data="0x" + (b"\x08\xc3\x79\xa0" + encode(["string"], ["x"])).hex()), True),
    ],
)
async def test_gas__refused__is_an_end_only_when_the_contract_said_no(
    answer: Refused, is_end: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage()

    async def gas(*_: object) -> int:
        raise answer

    monkeypatch.setattr(stage.chain, "gas", gas)
    if is_end:
        assert (await refused(make_pen(stage), make_work())).reason is Reason.SIMULATION_REVERTED
    else:
        with pytest.raises(Refused):
            await make_pen(stage).write(make_work(), [], None)


async def test_write__no_signer__is_an_end() -> None:
    stage = Stage()
    pen = Pen(stage.chain, stage.chain, None, stage.clock, 31337)
    await pen.refresh(stage.block)
    assert (pen.sender, pen.lane, pen.head) == (None, None, stage.block)
    await pen.measure_gas(pause())
    assert (await refused(pen, make_work())).reason is Reason.SIGNING_FAILED


async def test_write__the_key_does_not_answer__is_an_end_with_its_remedy() -> None:
    stage = Stage()
    stage.signer.broken = True
    outcome = await refused(make_pen(stage), make_work())
    assert (outcome.kind, outcome.reason) == (OutcomeKind.FAILED, Reason.SIGNING_FAILED)
    assert outcome.remedy == "plug it in"


async def test_refresh__node_does_not_answer__keeps_the_head_and_the_old_lane() -> None:
    stage = Stage()
    pen = make_pen(stage)
    await pen.refresh(stage.block)
    lane = Lane(0, 10**18, GWEI, offer(stage.block.next_base_fee_wei, GWEI))
    assert pen.lane == lane
    stage.chain.go_down()
    newer = replace(stage.block, number=99)
    with pytest.raises(Unreachable):
        await pen.refresh(newer)
    assert (pen.head, pen.lane) == (newer, lane)


# -- signed beforehand -------------------------------------------------------------------------------------------------------------


async def signed_beforehand(stage: Stage, *armed: ArmedAction) -> Pen:
    pen = make_pen(stage)
    await pen.refresh(stage.block)
    for each in armed or (pause(),):
        await pen.measure_gas(each)
    await pen.sign_beforehand(armed or (pause(),), [])
    return pen


async def test_beforehand__the_trip_comes__nothing_is_left_to_sign() -> None:
    stage = Stage()
    pen = await signed_beforehand(stage)
    assert stage.events == ["sign"]
    attempt = await written(pen, make_work())
    assert stage.events == ["sign"]
    other = make_pen(stage)
    await other.refresh(stage.block)
    assert (await written(other, make_work())).raw == attempt.raw


async def test_beforehand__taken_once__is_not_taken_a_second_time() -> None:
    stage = Stage()
    pen = await signed_beforehand(stage)
    first, second = await written(pen, make_work()), await written(pen, make_work(name="b"))
    assert first.tx_hash != second.tx_hash
    assert stage.events == ["sign", "sign"]


@pytest.mark.parametrize(("rise", "signs"), [(0, 0), (GWEI // 8, 0), (GWEI // 4, 1)])
async def test_beforehand__the_base_fee_rose__as_far_as_one_block_can__still_fits(rise: int, signs: int) -> None:
    stage = Stage()
    stage.block = replace(stage.block, next_base_fee_wei=GWEI)
    pen = await signed_beforehand(stage)
    pen.head = replace(stage.block, next_base_fee_wei=GWEI + rise)
    attempt = await written(pen, make_work())
    assert stage.events.count("sign") == 1 + signs
    assert attempt.max_fee_wei >= offer(GWEI + rise, GWEI, 5).max_fee_wei


@pytest.mark.parametrize("change", ["nonce", "gas", "call", "market"])
async def test_beforehand__something_else_is_to_be_signed__is_signed_anew(change: str) -> None:
    stage = Stage()
    pen = await signed_beforehand(stage)
    armed = pause(gas_limit=70_000) if change == "gas" else limit() if change == "call" else pause()
    if change == "nonce":
        assert pen.lane is not None
        pen.lane = replace(pen.lane, nonce=1)
    attempt = await written(pen, make_work(armed))
    assert attempt.data == "0x" + armed.call.data.hex()
    assert attempt.nonce == (1 if change == "nonce" else 0)
    # the same call for another market is the same transaction
    assert stage.events.count("sign") == (1 if change == "market" else 2)


async def test_beforehand__again_with_nothing_new__signs_nothing() -> None:
    stage = Stage()
    pen = await signed_beforehand(stage, pause(), limit())
    await pen.sign_beforehand((pause(), limit()), [])
    assert stage.events == ["sign", "sign"]


async def test_beforehand__gas_not_known_or_sender_not_known__signs_nothing() -> None:
    stage = Stage()
    pen = make_pen(stage)
    await pen.sign_beforehand([pause()], [])
    await pen.refresh(stage.block)
    await pen.sign_beforehand([pause()], [])
    assert stage.events == []


async def test_beforehand__the_key_does_not_answer__is_no_error() -> None:
    stage = Stage()
    stage.signer.broken = True
    pen = await signed_beforehand(stage)
    stage.signer.broken = False
    assert (await written(pen, make_work())).nonce == 0


@pytest.mark.parametrize("live", [True, False])
async def test_beforehand__shadow_mode__signs_nothing(live: bool) -> None:
    stage = Stage()
    executor = await stage.ready(live=live, measured=True)
    await executor.sign_beforehand()
    assert stage.events == (["sign"] if live else [])
