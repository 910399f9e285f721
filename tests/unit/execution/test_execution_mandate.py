"""What a key may sign: the calls of open intents and of armed actions, and nothing else, whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from keeper.domain.action import Call
from keeper.domain.budget import Budget
from keeper.domain.errors import SigningError, StoreUnavailable
from keeper.domain.evm import UnsignedTransaction
from keeper.domain.outcome import OutcomeKind, Reason
from keeper.domain.record import RecordKind
from keeper.execution.executor import Executor
from keeper.execution.mandate import MAX_GAS, MandatedSigner, Mandates, Unmandated, within
from tests.support.execution_stage import OTHER_KEY, SET_LIMIT, VAULT, Stage, StageSigner, adjust, limit, pause

pytestmark = pytest.mark.unit

CALL = Call(VAULT, bytes.fromhex("8456cb59") + bytes(32))
OTHER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
TRANSACTION = UnsignedTransaction(31337, 7, CALL.to, CALL.data, 21_000, 2_000, 1_000)
NEW_LIMIT = Call(VAULT, SET_LIMIT + (500).to_bytes(32, "big"))
"""What ``adjust()`` comes to where the limit is 1,000."""


class Office:
    """A key and its mandates."""

    def __init__(self, budget: Budget | None = None) -> None:
        self.key = StageSigner([])
        self.refused: list[Unmandated] = []
        self.mandates = Mandates(31337, (), within(budget) if budget else None, self.refused.append)
        self.signer = MandatedSigner(self.key, self.mandates)

    def give(self, intent: str = "one", call: Call = CALL) -> None:
        self.mandates.give(intent, self.key.address, call)

    async def signs(self, transaction: UnsignedTransaction = TRANSACTION) -> bool:
        """Whether it does; a refusal must be told, and must not reach the key."""
        asked, told = len(self.key.signed), len(self.refused)
        try:
            await self.signer.sign(transaction)
        except SigningError:
            assert (len(self.key.signed), len(self.refused)) == (asked, told + 1)
            return False
        assert (self.key.signed[-1], len(self.refused)) == (transaction, told)
        return True


async def test_sign__an_open_intents_call__is_signed_by_the_key() -> None:
    office = Office()
    office.give()
    assert await office.signs()
    assert office.signer.address == office.key.address


CHANGES: dict[str, Callable[[UnsignedTransaction], UnsignedTransaction]] = {
    "chain": lambda one: replace(one, chain_id=1),
    "target": lambda one: replace(one, to=OTHER),
    "selector": lambda one: replace(one, data=bytes.fromhex("8456cb58") + one.data[4:]),
    "last byte": lambda one: replace(one, data=one.data[:-1] + b"\1"),
    "more data": lambda one: replace(one, data=one.data + b"\0"),
    "less data": lambda one: replace(one, data=one.data[:4]),
    "no data": lambda one: replace(one, data=b""),
    "no gas": lambda one: replace(one, gas_limit=0),
    "too much gas": lambda one: replace(one, gas_limit=MAX_GAS + 1),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_sign__anything_else__is_refused_and_told(change: str) -> None:
    office = Office()
    office.give()
    assert not await office.signs(CHANGES[change](TRANSACTION))
    assert office.key.address in office.refused[0].message
    assert office.refused[0].remedy


@pytest.mark.parametrize("gas_limit", [1, MAX_GAS])
async def test_sign__as_much_gas_as_a_transaction_may_have__is_signed(gas_limit: int) -> None:
    office = Office()
    office.give()
    assert await office.signs(replace(TRANSACTION, gas_limit=gas_limit))
    assert MAX_GAS == 16_777_216


@pytest.mark.parametrize(("per_action_wei", "signs"), [(42_000_000, True), (41_999_999, False), (None, True)])
async def test_sign__dearer_than_an_action_may_be__is_refused(per_action_wei: int | None, signs: bool) -> None:
    office = Office(Budget(per_action_wei=per_action_wei))
    office.give()
    assert await office.signs() is signs


async def test_sign__the_mandate_of_another_key__does_not_cover_it() -> None:
    office = Office()
    office.mandates.give("one", OTHER, CALL)
    assert not await office.signs()


async def test_take_back__the_intent_has_ended__its_call_is_not_signed_any_more() -> None:
    office = Office()
    assert not await office.signs()
    office.give()
    office.mandates.take_back("one")
    assert not await office.signs()
    office.mandates.take_back("one")
    office.mandates.take_back("never given")


async def test_take_back__two_intents_have_the_same_call__the_other_one_still_covers_it() -> None:
    office = Office()
    office.give("one")
    office.give("one")
    office.give("two")
    office.mandates.take_back("one")
    assert await office.signs()
    office.mandates.take_back("two")
    assert not await office.signs()


async def test_give__again_with_another_call__the_first_one_is_not_covered_any_more() -> None:
    office = Office()
    office.give()
    office.give("one", replace(CALL, to=OTHER))
    assert not await office.signs()
    assert await office.signs(replace(TRANSACTION, to=OTHER))


async def test_armed__what_a_trip_would_send__may_be_signed_without_an_intent() -> None:
    key = StageSigner([])
    signer = MandatedSigner(key, Mandates(31337, [(key.address, CALL)]))
    await signer.sign(TRANSACTION)
    with pytest.raises(SigningError):
        await signer.sign(replace(TRANSACTION, to=OTHER))
    assert key.signed == [TRANSACTION]


def test_repr__shows_the_address_alone() -> None:
    office = Office()
    assert repr(office.signer) == f"MandatedSigner({office.key.address})"


# -- put in place where intents are carried out ------------------------------------------------------------------------------------


async def signs(executor: Executor, call: Call) -> bool:
    """Whether the first key signs this now."""
    signer = executor.lanes.first._signer  # what a path around everything above it would use
    assert isinstance(signer, MandatedSigner)
    try:
        await signer.sign(UnsignedTransaction(31337, 0, call.to, call.data, 50_000, 2, 1))
    except SigningError:
        return False
    return True


async def test_executor__every_key__is_behind_its_mandates() -> None:
    stage = Stage()
    stage.add_lane("fast", StageSigner(stage.events, OTHER_KEY))
    executor = await stage.ready(pause(), adjust())
    assert {pen.sender for pen in executor.lanes.pens} == {stage.signer.address, stage.lanes["fast"].address}
    for pen in executor.lanes.pens:
        assert isinstance(pen._signer, MandatedSigner)
    assert await signs(executor, pause().call)
    assert not await signs(executor, limit().call)
    assert not await signs(executor, NEW_LIMIT)


async def test_executor__from_the_intent_to_its_end__its_call_may_be_signed() -> None:
    stage = Stage()
    executor = await stage.ready(adjust())
    await stage.act(executor, adjust())
    assert await signs(executor, NEW_LIMIT)
    assert not await signs(executor, Call(VAULT, SET_LIMIT + (499).to_bytes(32, "big")))
    await stage.head(executor)
    assert stage.outcome.kind is OutcomeKind.INCLUDED
    assert not await signs(executor, NEW_LIMIT)


async def test_executor__the_intent_ends_without_a_transaction__its_call_is_not_signed_any_more() -> None:
    stage = Stage()
    stage.chain.store(VAULT, mode="reverts")
    stage.block = stage.chain.mine()
    executor = await stage.ready(adjust())
    await stage.act(executor, adjust())
    assert stage.outcome.kind is OutcomeKind.FAILED
    assert not await signs(executor, NEW_LIMIT)


async def test_executor__the_intent_was_not_written_down__its_call_is_not_signed() -> None:
    stage = Stage()
    executor = await stage.ready(adjust())
    stage.store_faults.fail(1)
    with suppress(StoreUnavailable):
        await stage.act(executor, adjust())
    assert stage.store.all() == []
    assert not await signs(executor, NEW_LIMIT)


async def test_executor__written_down_though_it_said_not__has_its_mandate_when_it_is_taken_up() -> None:
    stage = Stage()
    executor = await stage.ready(adjust())
    stage.store_faults.fail(1, "after")
    with suppress(StoreUnavailable):
        await stage.act(executor, adjust())
    assert not await signs(executor, NEW_LIMIT)
    await stage.head(executor)
    assert await signs(executor, NEW_LIMIT)
    await stage.head(executor)
    assert stage.outcome.kind is OutcomeKind.INCLUDED


@pytest.mark.parametrize("configured", [True, False])
async def test_executor__taken_up_by_the_next_run__has_its_mandate_while_it_is_configured(configured: bool) -> None:
    stage = Stage()
    await stage.act(await stage.ready(adjust()), adjust())
    executor = await stage.ready(adjust() if configured else pause())
    assert await signs(executor, NEW_LIMIT) is configured


async def test_executor__asked_to_sign_what_nobody_gave_a_mandate_for__ends_with_a_record_and_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage()
    executor = await stage.ready(adjust())
    monkeypatch.setattr(executor.lanes.mandates, "give", lambda *_: None)
    await stage.act(executor, adjust())
    assert (stage.outcome.kind, stage.outcome.reason) == (OutcomeKind.FAILED, Reason.SIGNING_FAILED)
    assert stage.signer.signed == []
    assert stage.route.sent == []
    assert stage.refused[0].sender == stage.signer.address
    assert stage.refused[0].message in str(stage.bodies(RecordKind.OUTCOME)[0]["message"])


async def test_executor__more_gas_than_a_transaction_may_have__is_not_signed() -> None:
    stage = Stage()
    armed = pause(gas_limit=MAX_GAS + 1)
    executor = await stage.ready(armed)
    await stage.act(executor, armed)
    assert stage.outcome.reason is Reason.SIGNING_FAILED
    assert "gas_limit" in stage.outcome.remedy
    assert stage.signer.signed == []
