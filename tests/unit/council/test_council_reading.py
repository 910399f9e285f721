"""Calldata of strangers, read aside of the event loop and once; and the library that a batch goes through."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from keeper.app.council import reading
from keeper.app.council.decoding import MAX_BYTES, decode
from keeper.app.council.known import Known
from keeper.app.council.matter import Decoded, Level
from keeper.app.council.reading import MOST_KEPT, CallReader
from keeper.domain.address import keccak256
from keeper.domain.multisend import MULTI_SEND_CALL_ONLY_CODE
from keeper.domain.safe import Operation, SafeTransaction
from tests.support.council_world import multi_send_code
from tests.unit.council.calls import (
    ETH,
    EXCHANGE,
    MULTI_SEND,
    SAFE,
    STRANGER,
    batch,
    calldata,
    decoded,
    known,
    said,
    transaction,
)

pytestmark = pytest.mark.unit
PAUSE = calldata("pauseMarket(bytes32)", bytes.fromhex(ETH[2:]))
PAIR = batch((EXCHANGE, 0, PAUSE), (EXCHANGE, 0, PAUSE))


class Codes:
    """What stands where; ``asked`` are the questions."""

    def __init__(self, **codes: bytes) -> None:
        self.codes: dict[str, bytes] = codes
        self.asked: list[str] = []

    async def code(self, address: str) -> bytes:
        self.asked.append(address)
        return self.codes.get(address, b"")


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The thread of each decoding."""
    found: list[str] = []

    def counted(of: SafeTransaction, knows: Known) -> Decoded:
        found.append(threading.current_thread().name)
        return decode(of, knows)

    monkeypatch.setattr(reading, "decode", counted)
    return found


async def test_read__again_and_again__is_decoded_once_and_not_in_the_loop(decodings: list[str]) -> None:
    reader, knows = CallReader(Codes()), known()
    first = await reader.read(PAIR, knows)
    for _ in range(5):
        assert await reader.read(replace(PAIR), knows) is first
    assert len(decodings) == 1
    assert decodings[0] != threading.main_thread().name
    assert [step.call.to for step in first.steps] == [EXCHANGE, EXCHANGE]


async def test_read__with_other_names__is_decoded_anew(decodings: list[str]) -> None:
    reader = CallReader(Codes())
    await reader.read(PAIR, known())
    await reader.read(PAIR, known())
    assert len(decodings) == 2


async def test_read__more_than_are_kept__the_oldest_is_decoded_anew(decodings: list[str]) -> None:
    reader, knows = CallReader(Codes()), known()
    for nonce in (*range(MOST_KEPT), 0, MOST_KEPT, 0, 1):
        await reader.read(transaction(data=PAUSE, nonce=nonce), knows)
    assert len(decodings) == MOST_KEPT + 2, "0 was looked at lately, 1 was not"


@pytest.mark.parametrize(("size", "large"), [(MAX_BYTES, False), (MAX_BYTES + 1, True)])
async def test_read__too_many_bytes__an_alarm_and_nothing_is_read_or_simulated(size: int, large: bool) -> None:
    of = transaction(data=PAUSE + bytes(size - len(PAUSE)))
    found = decoded(of)
    assert (found.function is None) == large
    alarms = [text for level, text in said(of) if level is Level.ALARM]
    assert alarms == ([f"too large to be read here: {size} bytes; do not sign what cannot be read"] if large else [])
    calls = await CallReader(Codes()).read(of, known())
    assert (bool(calls.steps), bool(calls.blind)) == (not large, large)


def test_read__huge_batch__no_call_of_it_is_decoded() -> None:
    setup = calldata(
        "setup(address[],uint256,address,bytes,address,address,uint256,address)",
        [SAFE] * 495, 1, SAFE, b"", SAFE, SAFE, 0, SAFE,
    )  # fmt: skip
    found = decoded(batch(*[(SAFE, 0, setup)] * 64))
    assert found.inner == ()
    assert len(found.data) + len(found.text) + len(found.doubt) < 1_000


def test_the_code_of_the_library__is_that_of_its_authors() -> None:
    assert keccak256(multi_send_code()) == MULTI_SEND_CALL_ONLY_CODE["1.4.1"]


async def test_library__known_code__is_asked_for_once() -> None:
    codes = Codes(**{MULTI_SEND: multi_send_code()})
    reader = CallReader(codes)
    for _ in range(3):
        assert await reader.library(PAIR, known()) is None
    assert codes.asked == [MULTI_SEND]


async def test_library__no_contract__is_an_alarm_until_there_is_one() -> None:
    codes = Codes()
    reader = CallReader(codes)
    for _ in range(2):
        remark = await reader.library(PAIR, known())
        assert remark is not None
        assert (remark.level, f"there is no contract at {MULTI_SEND}" in remark.text) == (Level.ALARM, True)
    codes.codes[MULTI_SEND] = multi_send_code()
    assert await reader.library(PAIR, known()) is None


async def test_library__other_code__is_a_warning() -> None:
    remark = await CallReader(Codes(**{MULTI_SEND: multi_send_code() + b"\0"})).library(PAIR, known())
    assert remark is not None
    assert (remark.level, "is not that of MultiSendCallOnly 1.3.0 or 1.4.1" in remark.text) == (Level.WARNING, True)


async def test_library__no_batch__is_not_asked_for() -> None:
    codes = Codes()
    plain = transaction(data=PAUSE)
    foreign = replace(PAIR, to=STRANGER)
    for of in (plain, foreign, replace(PAIR, operation=Operation.CALL)):
        assert await CallReader(codes).library(of, known()) is None
    assert codes.asked == []
