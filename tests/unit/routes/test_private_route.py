"""All builders at once: the first that takes it decides, nothing that is on its way is lost, and what is over is forgotten everywhere."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from keeper.adapters.routes.private import FORGOTTEN_BLOCKS, NAMES, PRIVATE_BLOCKS, PrivateRoute
from keeper.adapters.routes.relay_client import Cancelling
from keeper.domain.errors import SigningError, UnitError
from keeper.domain.intent import Attempt
from keeper.ports.route import Answer, SubmissionKind
from tests.support.eventually import eventually
from tests.support.scripted_relay import Posted, Script, ScriptedRelay, attempt, identity, says, usual

pytestmark = pytest.mark.unit

ACCEPTED, REFUSED, UNREACHABLE = SubmissionKind.ACCEPTED, SubmissionKind.REFUSED, SubmissionKind.UNREACHABLE
FIRST = attempt()
REFUSES = says(403, {"error": "no"})
AWAY = says(502, b"<html>")


class Stage:
    """One builder for each script, and what was told late."""

    def __init__(self, *scripts: Script, timeout_ms: int = 60_000, grace_ms: int = 60_000, **settings: Any) -> None:
        self.relays = [ScriptedRelay([script]) for script in scripts]
        clients = [relay.client(f"b{number}", **settings) for number, relay in enumerate(self.relays)]
        self.late: list[tuple[Attempt, Answer]] = []
        self.route = PrivateRoute(
            "private",
            clients,
            identity(),
            timeout_ms=timeout_ms,
            grace_ms=grace_ms,
            on_answer=lambda attempt, answer: self.late.append((attempt, answer)),
        )


class Gate:
    """A builder that answers when it is let."""

    def __init__(self, then: Script = usual) -> None:
        self.open = asyncio.Event()
        self._then = then

    async def __call__(self, posted: Posted) -> httpx.Response:
        await self.open.wait()
        reply = self._then(posted)
        assert isinstance(reply, httpx.Response)
        return reply


def blocks(relay: ScriptedRelay) -> list[int]:
    return [int(one.params["blockNumber"], 16) for one in relay.posted if one.method == "eth_sendBundle"]


def names(relay: ScriptedRelay) -> list[str]:
    return [one.params["replacementUuid"] for one in relay.posted if "replacementUuid" in one.params]


def privates(relay: ScriptedRelay) -> list[Posted]:
    return [one for one in relay.posted if one.method == "eth_sendPrivateTransaction"]


# -- submitting ---------------------------------------------------------------------------------------------------------------


async def test_submit__every_builder__gets_bundles_for_the_two_next_blocks() -> None:
    stage = Stage(usual, usual, REFUSES)
    submission = await stage.route.submit(FIRST, 10)
    assert submission.kind is ACCEPTED
    assert submission.message == "taken by b0, b1"
    assert [sorted(blocks(relay)) for relay in stage.relays] == [[11, 12]] * 3
    assert {one.params["txs"][0] for relay in stage.relays for one in relay.posted} == {FIRST.raw}
    assert [answer.kind for answer in submission.answers] == [ACCEPTED] * 4 + [REFUSED] * 2
    assert stage.late == []


async def test_submit__refused_by_all__names_each_once_and_the_reason_once() -> None:
    submission = await Stage(REFUSES, REFUSES).route.submit(FIRST, 10)
    assert submission.message.count("b0") == submission.message.count("b1") == 1
    assert submission.message.startswith("refused by b0, b1 (")


async def test_submit__others_also_tell__each_is_told_what_came_late() -> None:
    gate = Gate()
    stage = Stage(usual, gate, grace_ms=1)
    told: list[str] = []
    stage.route.also_tell(lambda attempt, answer: told.append(answer.to))
    await stage.route.submit(FIRST, 10)
    gate.open.set()
    await stage.route.close()
    assert told == [answer.to for _, answer in stage.late] == ["b1", "b1"]


SUMMARIES: list[tuple[list[Script], SubmissionKind]] = [
    ([usual], ACCEPTED),
    ([REFUSES, usual], ACCEPTED),
    ([AWAY, usual], ACCEPTED),
    ([says(200, {"error": {"message": "already known"}}), REFUSES], SubmissionKind.KNOWN),
    ([says(200, {"error": {"message": "already known"}}), usual], ACCEPTED),
    ([REFUSES], REFUSED),
    ([REFUSES, REFUSES], REFUSED),
    ([REFUSES, AWAY], UNREACHABLE),
    ([AWAY], UNREACHABLE),
]


@pytest.mark.parametrize(("scripts", "kind"), SUMMARIES)
async def test_submit__answers_of_all__make_one(scripts: list[Script], kind: SubmissionKind) -> None:
    assert (await Stage(*scripts).route.submit(FIRST, 10)).kind is kind


@pytest.mark.parametrize("words", ["nonce too low", "insufficient funds", "replacement transaction underpriced"])
async def test_submit__a_builder_says_what_only_the_chain_knows__it_is_no_more_than_refused(words: str) -> None:
    submission = await Stage(says(200, {"error": {"message": words}}), REFUSES).route.submit(FIRST, 10)
    assert submission.kind is REFUSED
    assert words in submission.message
    assert submission.answers[0].kind not in (ACCEPTED, REFUSED)


async def test_submit__one_hangs__the_answer_comes_and_its_own_is_told_later() -> None:
    gate = Gate()
    stage = Stage(usual, gate, grace_ms=1)
    submission = await stage.route.submit(FIRST, 10)
    assert submission.kind is ACCEPTED
    assert {answer.to for answer in submission.answers} == {"b0"}
    assert stage.late == []
    gate.open.set()
    await stage.route.close()
    assert (
        sorted((one.tx_hash, answer.to, answer.kind.value) for one, answer in stage.late)
        == [(FIRST.tx_hash, "b1", "accepted")] * 2
    )


async def test_submit__first_answer_is_bad__waits_for_a_good_one() -> None:
    gate = Gate()
    stage = Stage(REFUSES, gate)
    submitting = asyncio.create_task(stage.route.submit(FIRST, 10))
    await eventually(lambda: len(stage.relays[1].posted) == 2)
    assert not submitting.done()
    gate.open.set()
    assert (await submitting).kind is ACCEPTED


async def test_submit__nobody_answers__is_over_in_time_and_says_who() -> None:
    gate = Gate()
    stage = Stage(gate, REFUSES, timeout_ms=200)
    submission = await stage.route.submit(FIRST, 10)
    assert submission.kind is UNREACHABLE
    assert "no answer yet from b0" in submission.message
    gate.open.set()
    await stage.route.close()
    assert "b0" in {answer.to for _, answer in stage.late}


async def test_submit__cancelled__what_is_sent_goes_on() -> None:
    gate = Gate()
    stage = Stage(gate)
    submitting = asyncio.create_task(stage.route.submit(FIRST, 10))
    await eventually(lambda: len(stage.relays[0].posted) == 2)
    submitting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await submitting
    gate.open.set()
    await stage.route.close()
    assert len(stage.late) == 2


async def test_submit__identity_fails__nothing_is_sent() -> None:
    class Broken:
        address = "0x" + "11" * 20

        async def sign_text(self, text: str) -> str:
            raise SigningError("the key is gone")

    relay = ScriptedRelay()
    route = PrivateRoute("private", [relay.client()], Broken(), timeout_ms=1_000)
    assert (await route.submit(FIRST, 10)).kind is REFUSED
    assert relay.posted == []


def test_route__without_builders__is_refused() -> None:
    with pytest.raises(UnitError):
        PrivateRoute("private", [], identity(), timeout_ms=1)


async def test_submission__echoing_builders__repeat_no_transaction() -> None:
    def echo(posted: Posted) -> httpx.Response:
        return httpx.Response(400, json={"error": {"message": posted.body.decode()}})

    submission = await Stage(echo, echo, private_transactions=True).route.submit(FIRST, 10)
    assert FIRST.raw[2:80] not in repr(submission)


# -- names of bundles ---------------------------------------------------------------------------------------------------------


async def test_names__are_uuids_of_version_4_and_never_the_same_for_two_blocks() -> None:
    stage = Stage(usual)
    for block in (10, 11, 12):
        await stage.route.submit(FIRST, block)
    by_block = dict(zip(blocks(stage.relays[0]), names(stage.relays[0]), strict=True))
    assert sorted(by_block) == [11, 12, 13, 14]
    assert len(set(by_block.values())) == 4
    assert all(uuid.UUID(name).version == 4 and str(uuid.UUID(name)) == name for name in by_block.values())
    assert set(names(stage.relays[0])) == set(by_block.values())


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (FIRST, True),
        (attempt("i", number=2), True),
        (attempt("another intent", number=3), True),
        (attempt("i", number=2, nonce=1), False),
    ],
)
async def test_names__another_run__are_the_same_for_the_same_nonce(other: Attempt, same: bool) -> None:
    before, after = Stage(usual), Stage(usual)
    await before.route.submit(FIRST, 10)
    await after.route.submit(other, 10)
    assert (set(names(before.relays[0])) == set(names(after.relays[0]))) is same


async def test_names__cannot_be_guessed_from_what_is_sent() -> None:
    """The signature that they are made with is never sent: it is over a text that is no hash."""
    stage = Stage(usual)
    await stage.route.submit(FIRST, 10)
    secret = await identity().sign_text(NAMES)
    assert not [one for one in stage.relays[0].posted if secret[2:40] in repr(one)]


async def test_bundle__failed_once_and_replaced_meanwhile__is_not_sent_a_second_time() -> None:
    """Under the same name it would undo the dearer offer."""
    gate = Gate(AWAY)
    stage = Stage(usual)
    (relay,) = stage.relays
    relay.scripts[:] = [gate, gate, usual]
    first = asyncio.create_task(stage.route.submit(FIRST, 10))
    await eventually(lambda: len(relay.posted) == 2)
    dearer = attempt(number=2)
    assert (await stage.route.submit(dearer, 10)).kind is ACCEPTED
    gate.open.set()
    assert (await first).kind is UNREACHABLE
    assert [one.params["txs"][0] for one in relay.posted] == [FIRST.raw] * 2 + [dearer.raw] * 2


async def test_bundle__failed_once_and_withdrawn_meanwhile__is_not_sent_a_second_time() -> None:
    gate = Gate(AWAY)
    stage = Stage(usual)
    (relay,) = stage.relays
    relay.scripts[:] = [gate, gate, usual]
    first = asyncio.create_task(stage.route.submit(FIRST, 10))
    await eventually(lambda: len(relay.posted) == 2)
    withdrawing = asyncio.create_task(stage.route.withdraw([FIRST]))
    await asyncio.sleep(0)
    gate.open.set()
    await withdrawing
    assert (await first).kind is UNREACHABLE
    assert relay.methods == ["eth_sendBundle"] * 2 + ["eth_cancelBundle"] * 2


# -- private transactions -----------------------------------------------------------------------------------------------------


async def test_private__taken__is_sent_again_only_when_the_builder_has_stopped_trying() -> None:
    stage = Stage(usual, private_transactions=True)
    for block in range(10, 10 + PRIVATE_BLOCKS + 1):
        await stage.route.submit(FIRST, block)
    last = [int(one.params["maxBlockNumber"], 16) for one in privates(stage.relays[0])]
    assert last == [10 + PRIVATE_BLOCKS, 10 + 2 * PRIVATE_BLOCKS]


async def test_private__refused__is_tried_again_at_the_next_block() -> None:
    stage = Stage(REFUSES, private_transactions=True)
    for block in (10, 11):
        await stage.route.submit(FIRST, block)
    assert len(privates(stage.relays[0])) == 2


async def test_private__still_on_its_way__is_not_sent_twice() -> None:
    gate = Gate()
    stage = Stage(gate, private_transactions=True, timeout_ms=50)
    for block in (10, 11):
        await stage.route.submit(FIRST, block)
    await eventually(lambda: len(stage.relays[0].posted) == 5)
    gate.open.set()
    await stage.route.close()
    assert len(privates(stage.relays[0])) == 1


async def test_private__another_attempt__is_another_transaction() -> None:
    stage = Stage(usual, private_transactions=True)
    for one in (FIRST, attempt(number=2)):
        await stage.route.submit(one, 10)
    assert len({one.params["tx"] for one in privates(stage.relays[0])}) == 2


async def test_private__not_offered__is_not_sent() -> None:
    stage = Stage(usual)
    await stage.route.submit(FIRST, 10)
    assert set(stage.relays[0].methods) == {"eth_sendBundle"}


# -- withdrawing --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cancel", "method"), [(Cancelling.METHOD, "eth_cancelBundle"), (Cancelling.EMPTY, "eth_sendBundle")]
)
async def test_withdraw__what_could_still_be_mined__is_cancelled_by_its_name(cancel: Cancelling, method: str) -> None:
    stage = Stage(usual, cancel=cancel, private_transactions=True)
    for block in (10, 11):
        await stage.route.submit(FIRST, block)
    sent = dict(zip(blocks(stage.relays[0]), names(stage.relays[0]), strict=True))
    stage.relays[0].posted.clear()
    answers = await stage.route.withdraw([FIRST])
    posted = stage.relays[0].posted
    assert sorted(one.params["replacementUuid"] for one in posted if one.method == method) == sorted(
        [sent[12], sent[13]]
    )
    assert [one.params for one in posted if one.method == "eth_cancelPrivateTransaction"] == [{"txHash": FIRST.tx_hash}]
    assert [answer.kind for answer in answers] == [ACCEPTED] * 3
    assert all(not one.params.get("txs") for one in posted)


async def test_withdraw__another_intent_has_the_nonce_by_now__its_bundles_are_left_alone() -> None:
    stage = Stage(usual)
    await stage.route.submit(FIRST, 10)
    await stage.route.submit(attempt("next", number=2), 10)
    stage.relays[0].posted.clear()
    assert await stage.route.withdraw([FIRST]) == ()
    assert stage.relays[0].posted == []


async def test_withdraw__several_attempts_of_one_nonce__are_one_bundle_for_a_block() -> None:
    stage = Stage(usual)
    second = attempt(number=2)
    for one in (FIRST, second):
        await stage.route.submit(one, 10)
    assert len(await stage.route.withdraw([FIRST, second])) == 2


async def test_withdraw__still_on_its_way__comes_after_it() -> None:
    gate = Gate()
    stage = Stage(gate, timeout_ms=50)
    await stage.route.submit(FIRST, 10)
    withdrawing = asyncio.create_task(stage.route.withdraw([FIRST]))
    await eventually(lambda: len(stage.relays[0].posted) == 2)
    for _ in range(20):
        await asyncio.sleep(0)
    assert stage.relays[0].methods == ["eth_sendBundle"] * 2
    gate.open.set()
    await withdrawing
    assert stage.relays[0].methods[-2:] == ["eth_cancelBundle"] * 2


async def test_withdraw__twice_or_nothing__asks_nobody_again() -> None:
    stage = Stage(usual)
    await stage.route.submit(FIRST, 10)
    await stage.route.withdraw([FIRST])
    before = len(stage.relays[0].posted)
    assert await stage.route.withdraw([FIRST]) == ()
    assert await stage.route.withdraw([]) == ()
    assert len(stage.relays[0].posted) == before


async def test_withdraw__then_submitted_again__is_sent_in_full() -> None:
    stage = Stage(usual, private_transactions=True)
    await stage.route.submit(FIRST, 10)
    await stage.route.withdraw([FIRST])
    await stage.route.submit(FIRST, 10)
    assert len(privates(stage.relays[0])) == 2


async def test_route__a_long_run__remembers_only_what_matters() -> None:
    stage = Stage(usual, private_transactions=True)
    for number in range(4):
        await stage.route.submit(attempt(number=number, nonce=number), number * FORGOTTEN_BLOCKS * 2)
    assert (len(stage.route._targets), len(stage.route._private), stage.route._running) == (1, 1, {})


# -- the rest -----------------------------------------------------------------------------------------------------------------


def states(*words: str) -> Callable[[Stage], None]:
    def put(stage: Stage) -> None:
        for relay, word in zip(stage.relays, words, strict=True):
            relay.on_get = says(200, {"status": word})

    return put


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("UNKNOWN", "UNKNOWN"), ""),
        (("UNKNOWN", "PENDING"), "PENDING"),
        (("FAILED", "PENDING"), "PENDING"),
        (("CANCELLED", "INCLUDED"), "INCLUDED"),
        (("CANCELLED", "FAILED"), "FAILED"),
    ],
)
async def test_status__of_several__the_word_that_says_most(words: tuple[str, str], expected: str) -> None:
    stage = Stage(usual, usual, status="https://status.example")
    states(*words)(stage)
    assert await stage.route.status(FIRST) == expected


async def test_prove__one_answer_of_each_in_their_order() -> None:
    stage = Stage(usual, says(200, {"error": {"message": "invalid signature"}}), AWAY)
    answers = await stage.route.prove()
    assert [(answer.to, answer.kind) for answer in answers] == [("b0", ACCEPTED), ("b1", REFUSED), ("b2", UNREACHABLE)]


async def test_figures__are_of_each_builder() -> None:
    stage = Stage(usual, REFUSES)
    await stage.route.submit(FIRST, 10)
    assert [(one.builder, dict(one.answers)) for one in stage.route.figures] == [
        ("b0", {("eth_sendBundle", ACCEPTED): 2}),
        ("b1", {("eth_sendBundle", REFUSED): 2}),
    ]


async def test_close__twice__is_safe() -> None:
    stage = Stage(usual)
    await stage.route.close()
    await stage.route.close()
    assert (await stage.route.submit(FIRST, 10)).kind is UNREACHABLE
