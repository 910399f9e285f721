"""The end of an action that must keep invariants, the accounts that they are about, and who simulates where a node cannot."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal

import pytest

from keeper.adapters.chain import simulating
from keeper.adapters.chain.memory import MemoryChain, Reverted, Storage
from keeper.adapters.chain.simulating import FirstThatCan
from keeper.app import keeping
from keeper.app.council.accounts import find_accounts
from keeper.app.keeping import Keeping
from keeper.domain.abi import encode_call
from keeper.domain.action import Action, ActionKind, Call, Effect, FunctionCall
from keeper.domain.block import BlockStamp
from keeper.domain.errors import MalformedAnswer, OutsideError, Refused, Unreachable
from keeper.domain.evm import CallResult, Simulation
from keeper.domain.future import Future, Step
from keeper.domain.invariant import Accounts, BoundInvariant, Invariant, Otherwise, PriceInvariant, View
from keeper.domain.observation import Observation
from keeper.domain.outcome import Reason
from keeper.domain.units import Unit
from keeper.execution.planner import ArmedAction, arm

pytestmark = pytest.mark.unit

VAULT = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
SENDER = "0x" + "1" * 40
ANN, BOB = "0x" + "2" * 40, "0x" + "3" * 40
LIMIT = encode_call(FunctionCall(VAULT, "limit()(uint256)")).data
SET_LIMIT = encode_call(FunctionCall(VAULT, "setLimit(uint256)", ("1",))).data[:4]
OWNERS = encode_call(FunctionCall(VAULT, "owners()")).data
COUNT = encode_call(FunctionCall(VAULT, "count()(uint256)")).data
OWNER_AT = encode_call(FunctionCall(VAULT, "ownerAt(uint256)(address)", ("0",))).data[:4]


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def vault(data: bytes, _: str, storage: Storage) -> bytes:
    owners = [int(ANN, 16), int(BOB, 16), int(ANN, 16)]
    if data == LIMIT:
        return word(int(str(storage["limit"])))
    if data[:4] == SET_LIMIT:
        storage["limit"] = int.from_bytes(data[4:], "big")
        return b""
    if data == OWNERS:
        return b"".join(word(one) for one in (32, 3, *owners))
    if data == COUNT:
        return word(3)
    if data[:4] == OWNER_AT:
        return word(owners[int.from_bytes(data[4:], "big")])
    raise Reverted


@pytest.fixture
def chain() -> MemoryChain:
    chain = MemoryChain()
    chain.install(VAULT, vault, limit=1_000)
    chain.mine()
    return chain


def bound(
    name: str = "cap",
    *,
    call: str = "limit()(uint256)",
    otherwise: Otherwise = Otherwise.BLOCK,
    market: str | None = None,
) -> BoundInvariant:
    return BoundInvariant(name, market, otherwise, View(FunctionCall(VAULT, call)), Decimal(100), None)


PRICE = PriceInvariant(
    "price", None, Otherwise.BLOCK, View(FunctionCall(VAULT, "limit()(uint256)")), "spot", Decimal("0.02")
)


def armed(limit: int, *keep: str) -> ArmedAction:
    call = FunctionCall(VAULT, "setLimit(uint256)", (str(limit),))
    effect = Effect(FunctionCall(VAULT, "limit()(uint256)"), str(limit))
    return arm(Action("limit", "ETH-PERP", ActionKind.RATE_LIMIT, call, effect, "public", 1_000, keep=keep))


async def broken(chain: MemoryChain, action: ArmedAction, *invariants: Invariant) -> Reason | None:
    outcome = await Keeping(invariants, chain, chain).broken(action, action.call, SENDER)
    return outcome.reason if outcome is not None else None


# -- the end of an action


@pytest.mark.parametrize(("limit", "reason"), [(100, None), (99, Reason.INVARIANT_BROKEN)])
async def test_broken__both_sides_of_the_bound__ends_the_action_or_not(
    limit: int, reason: Reason | None, chain: MemoryChain
) -> None:
    assert await broken(chain, armed(limit, "cap"), bound()) is reason


async def test_broken__its_words__have_the_numbers_and_what_to_do(chain: MemoryChain) -> None:
    action = armed(99, "cap")
    outcome = await Keeping([bound()], chain, chain).broken(action, action.call, SENDER)
    assert outcome is not None
    assert (
        outcome.message == f"it would break cap: limit of {VAULT} would be 99; at least 100 is allowed (before: 1000)"
    )
    assert "nothing was sent" in outcome.remedy


async def test_broken__invariants_that_it_need_not_keep__do_not_count(chain: MemoryChain) -> None:
    assert await broken(chain, armed(1, "cap"), bound("other"), bound("cap", market="BTC-PERP")) is None
    assert await broken(chain, armed(1, "cap"), bound("cap", market="ETH-PERP")) is Reason.INVARIANT_BROKEN


@pytest.mark.parametrize(("otherwise", "reason"), [(Otherwise.BLOCK, Reason.INVARIANT_UNKNOWN), (Otherwise.ACT, None)])
async def test_broken__cannot_be_read__does_what_it_says_for_that(
    otherwise: Otherwise, reason: Reason | None, chain: MemoryChain
) -> None:
    unreadable = bound(call="nothing()(uint256)", otherwise=otherwise)
    assert await broken(chain, armed(500, "cap"), unreadable) is reason


async def test_broken__one_known_broken_and_one_unknown__is_broken(chain: MemoryChain) -> None:
    unknown, known = bound("a", call="nothing()(uint256)"), bound("b", otherwise=Otherwise.ACT)
    assert await broken(chain, armed(1, "a", "b"), unknown, known) is Reason.INVARIANT_BROKEN


async def test_broken__call_that_reverts__says_so(chain: MemoryChain) -> None:
    action = armed(500, "cap")
    outcome = await Keeping([bound()], chain, chain).broken(action, Call(VAULT, b"nope"), SENDER)
    assert outcome is not None
    assert outcome.reason is Reason.SIMULATION_REVERTED


@pytest.mark.parametrize(("price", "reason"), [(500, None), (600, Reason.INVARIANT_BROKEN)])
async def test_broken__price__is_held_against_what_was_seen_last(
    price: int, reason: Reason | None, chain: MemoryChain
) -> None:
    judge, action = Keeping([PRICE], chain, chain), armed(500, "price")
    unseen = await judge.broken(action, action.call, SENDER)
    assert unseen is not None
    assert unseen.reason is Reason.INVARIANT_UNKNOWN
    judge.saw([Observation("spot", Decimal(price), Unit.PRICE, 0)])
    outcome = await judge.broken(action, action.call, SENDER)
    assert (outcome.reason if outcome else None) is reason


async def test_broken__simulation_that_hangs__counts_as_unknown(
    chain: MemoryChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hangs:
        async def after(self, *_: object) -> Future:
            await asyncio.Event().wait()
            raise AssertionError

        async def close(self) -> None: ...

    monkeypatch.setattr(keeping, "WITHIN_S", 0.01)
    action = armed(500, "cap")
    outcome = await Keeping([bound()], chain, Hangs()).broken(action, action.call, SENDER)
    assert outcome is not None
    assert (outcome.reason, "longer than 0.01 s" in outcome.message) == (Reason.INVARIANT_UNKNOWN, True)


async def test_judge__a_proposal__sees_all_and_is_ended_by_those_it_must_keep(chain: MemoryChain) -> None:
    invariants = [bound("kept"), bound("told")]
    judge, block = Keeping(invariants, chain, chain), await chain.head()
    step = Step(SENDER, armed(1).call)
    seen, ended = await judge.judge(armed(1, "kept").action, [step], block)
    assert [(kept.name, kept.holds) for kept in seen.kept] == [("kept", False), ("told", False)]
    assert ended is not None
    assert "told" not in ended.message
    assert (await judge.judge(armed(1).action, [step], block))[1] is None


# -- accounts


@pytest.mark.parametrize(
    "accounts",
    [
        Accounts(fixed=(ANN, BOB)),
        Accounts(listed=FunctionCall(VAULT, "owners()")),
        Accounts(
            count=FunctionCall(VAULT, "count()(uint256)"),
            at=FunctionCall(VAULT, "ownerAt(uint256)(address)", ("{index}",)),
        ),
    ],
    ids=["fixed", "listed", "counted"],
)
async def test_accounts__however_they_are_named__are_each_there_once(accounts: Accounts, chain: MemoryChain) -> None:
    assert await find_accounts(accounts, chain, await chain.head()) == ((ANN, BOB), "")


@pytest.mark.parametrize(("most", "missing"), [(3, ""), (2, "there are 3 accounts, and 2 are looked at")])
async def test_accounts__more_than_are_looked_at__is_said(most: int, missing: str, chain: MemoryChain) -> None:
    accounts = Accounts(listed=FunctionCall(VAULT, "owners()"), most=most)
    assert (await find_accounts(accounts, chain, await chain.head()))[1] == missing


async def test_accounts__view_that_reverts__is_said(chain: MemoryChain) -> None:
    accounts = Accounts(listed=FunctionCall(VAULT, "nobody()"))
    found, missing = await find_accounts(accounts, chain, await chain.head())
    assert found == ()
    assert "nobody()" in missing


# -- who simulates


class Says:
    def __init__(self, answer: Future | OutsideError) -> None:
        self._answer = answer
        self.asked = 0
        self.closed = False

    async def after(self, steps: Sequence[Step], reads: Sequence[Call], block: BlockStamp) -> Future:
        self.asked += 1
        if isinstance(self._answer, OutsideError):
            raise self._answer
        return self._answer

    async def close(self) -> None:
        self.closed = True


BLOCK = BlockStamp(1, "0x" + "1" * 64, "0x" + "0" * 64, 1)
NONE = Future((), (), "a fork")


@pytest.mark.parametrize("error", [Refused("Method not found", code=-32601), Unreachable("no answer")])
async def test_first_that_can__one_that_cannot__asks_the_next(error: OutsideError) -> None:
    ways = Says(error), Says(NONE), Says(NONE)
    first = FirstThatCan(ways)
    assert await first.after([], [], BLOCK) == NONE
    assert [way.asked for way in ways] == [1, 1, 0]
    await first.close()
    assert all(way.closed for way in ways)


async def test_first_that_can__nobody_can__says_what_each_said() -> None:
    ways = Says(Refused("Method not found")), Says(Refused("there is no anvil here to fork with"))
    with pytest.raises(Refused) as caught:
        await FirstThatCan(ways).after([], [], BLOCK)
    assert caught.value.message == "it cannot be simulated: Method not found; there is no anvil here to fork with"
    assert "eth_simulateV1" in caught.value.remedy


async def test_nobody_can_simulate__an_action_that_must_keep_something__is_blocked(chain: MemoryChain) -> None:
    action, nobody = armed(500, "cap"), FirstThatCan([Says(Refused("Method not found"))])
    outcome = await Keeping([bound()], chain, nobody).broken(action, action.call, SENDER)
    assert outcome is not None
    assert outcome.reason is Reason.INVARIANT_UNKNOWN
    assert "it cannot be simulated" in outcome.message


# -- what a node answers


def called(status: str = "0x1", data: object = "0x", **more: object) -> dict[str, object]:
    return {"status": status, "returnData": data, **more}


def test_simulated__an_answer__is_split_into_steps_and_reads() -> None:
    error = {"code": 3, "message": "execution reverted: no\n"}
    answer = [{"calls": [called("0x0", "0x1234", error=error), called(data="0x05")]}]
    expected = Future(
        (Simulation(False, b"\x12\x34", "execution reverted: no"),), (CallResult(True, b"\x05"),), "eth_simulateV1"
    )
    assert simulating.future(answer, 1, 1) == expected


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        [{}],
        [{"calls": []}],
        [{"calls": [called(), called()]}],
        [{"calls": [called(status="yes")]}],
        [{"calls": [called(data=None)]}],
        [{"calls": ["0x"]}],
        [{"calls": [called()]}, {"calls": [called()]}],
    ],
)
def test_simulated__hostile_answers__are_malformed(answer: object) -> None:
    with pytest.raises(MalformedAnswer):
        simulating.future(answer, 1, 0)
