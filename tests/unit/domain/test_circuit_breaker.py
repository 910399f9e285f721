"""The breaker contract's calldata, what its views answer, and why it would refuse a trip."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_abi.abi import encode

from keeper.domain.action import BreakerTrip
from keeper.domain.circuit_breaker import (
    NO_EVIDENCE,
    TRIP,
    BreakerState,
    BreakerStatus,
    BreakerTerms,
    breaker_id,
    breaker_name,
    budget_free_at_s,
    decode_state,
    decode_terms,
    evidence_of,
    refusal,
    rests_until_s,
    span,
    trip_call,
    utc,
)
from keeper.domain.errors import MalformedAnswer, UnitError

pytestmark = pytest.mark.unit

CONTRACT = "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0"
PAUSE = breaker_id("pause ETH-PERP")
STATE = BreakerState((), BreakerStatus.READY, True, 0, 0, 0, 1)
TERMS = BreakerTerms(CONTRACT, 1_000, 100, 10_000, "0x" + "00" * 20, 500, 2, 1)


@pytest.mark.parametrize("text", ["pause ETH-PERP", "a", "x" * 32, "0x" + "ab" * 32, "0xzz"[:1] + "1"])
def test_breaker_id__a_name_or_digits__is_32_bytes_and_reads_back(text: str) -> None:
    identifier = breaker_id(text)
    assert len(bytes.fromhex(identifier[2:])) == 32
    assert breaker_name(identifier) == text


@pytest.mark.parametrize(
    "text", ["", "x" * 33, "päuse", "two\nlines", "0x", "0xzz", "0x" + "ab" * 31, "0x" + "00" * 32]
)
def test_breaker_id__anything_else__is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(UnitError) as caught:
        breaker_id(text)
    assert caught.value.remedy


def test_breaker_name__bytes_that_are_no_text__stay_digits() -> None:
    assert breaker_name("0x" + "ff" * 32) == "0x" + "ff" * 32
    assert breaker_name("0x" + "0a".ljust(64, "0")) == "0x" + "0a".ljust(64, "0")


@pytest.mark.parametrize("values", [(), ("5",), ("0", str(2**256 - 1))])
def test_trip_call__any_values__is_what_an_abi_library_writes(values: tuple[str, ...]) -> None:
    call = trip_call(BreakerTrip(CONTRACT, PAUSE, values), b"\x07" * 32)
    args = [bytes.fromhex(PAUSE[2:]), [int(value) for value in values], b"\x07" * 32]
    assert call.data == TRIP + encode(["bytes32", "uint256[]", "bytes32"], args)
    assert evidence_of(call.data) == b"\x07" * 32
    assert call.to == CONTRACT


def test_trip_call__before_a_decision__names_the_blank_evidence() -> None:
    assert evidence_of(trip_call(BreakerTrip(CONTRACT, PAUSE)).data) == NO_EVIDENCE


@pytest.mark.parametrize("value", ["-1", str(2**256), "", "1.5", "0x5", "١", "9" * 79])
def test_trip_call__value_that_is_no_uint256__is_refused(value: str) -> None:
    with pytest.raises(UnitError):
        trip_call(BreakerTrip(CONTRACT, PAUSE, (value,)))


def test_evidence_of__another_call__is_empty() -> None:
    assert evidence_of(b"") == b""
    assert evidence_of(b"\x01\x02\x03\x04" + bytes(200)) == b""


def state_words(recent: int, *rest: int) -> bytes:
    return b"".join(number.to_bytes(32, "big") for number in (recent, *rest))


def test_decode_state__six_times__newest_first_without_the_blanks() -> None:
    recent = (3 << 80) | (5 << 40) | 9
    found = decode_state(state_words(recent, 2, 1, 70, 80, 90, 4))
    assert found == BreakerState((9, 5, 3), BreakerStatus.TRIPPED, True, 70, 80, 90, 4)


@pytest.mark.parametrize(
    "words", [(0, 4, 1, 0, 0, 0, 0), (0, 1, 2, 0, 0, 0, 0), (1 << 240, 1, 1, 0, 0, 0, 0), (0, 1, 1, 1 << 40, 0, 0, 0)]
)
def test_decode_state__a_word_that_no_contract_writes__is_malformed(words: tuple[int, ...]) -> None:
    with pytest.raises(MalformedAnswer):
        decode_state(state_words(*words))


@pytest.mark.parametrize("data", [b"", bytes(31), bytes(32), bytes(32 * 9), (32).to_bytes(32, "big") + bytes(32 * 7)])
def test_decode_terms__no_registration__is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        decode_terms(data)


def test_decode_terms__nothing_registered__is_zeros() -> None:
    assert decode_terms((32).to_bytes(32, "big") + bytes(32 * 8)).budget == 0


@pytest.mark.parametrize(
    ("state", "frozen", "words"),
    [
        (replace(STATE, status=BreakerStatus.UNKNOWN), False, "not registered"),
        (STATE, True, "frozen"),
        (replace(STATE, armed=False), False, "disarmed"),
        (replace(STATE, status=BreakerStatus.TRIPPED, expires_at_s=60), False, "tripped until 1970-01-01 00:01:00 UTC"),
        (replace(STATE, status=BreakerStatus.RATIFIED), False, "ratified"),
    ],
)
def test_refusal__a_state_that_does_not_trip__says_so(state: BreakerState, frozen: bool, words: str) -> None:
    assert words in refusal(state, TERMS, 10**9, frozen=frozen)


@pytest.mark.parametrize(
    ("state", "until_s", "words"),
    [
        (replace(STATE, ready_at_s=1_000), 1_000, "rests until"),
        (replace(STATE, locked_until_s=2_000), 2_000, "locked until"),
        (replace(STATE, recent_s=(700, 500)), 10_500, "budget of 2 trips in 10000 s"),
    ],
)
def test_refusal__a_time__is_over_at_its_second(state: BreakerState, until_s: int, words: str) -> None:
    assert words in refusal(state, TERMS, until_s - 1, frozen=False)
    assert refusal(state, TERMS, until_s, frozen=False) == ""


@pytest.mark.parametrize(
    ("ready_s", "locked_s", "recent", "words"),
    [
        (3_000, 2_000, (), "rests until 1970-01-01 00:50:00 UTC"),
        (1_000, 2_000, (), "locked until 1970-01-01 00:33:20 UTC"),
        (1_000, 2_000, (700, 500), "used up until 1970-01-01 02:55:00 UTC"),
        (11_000, 2_000, (700, 500), "rests until 1970-01-01 03:03:20 UTC"),
    ],
)
def test_refusal__several_terms_run__says_the_one_that_ends_last(
    ready_s: int, locked_s: int, recent: tuple[int, ...], words: str
) -> None:
    state = replace(STATE, ready_at_s=ready_s, locked_until_s=locked_s, recent_s=recent)
    assert words in refusal(state, TERMS, 800, frozen=False)
    until_s = max(ready_s, locked_s, 10_500 if recent else 0)
    assert rests_until_s(state, TERMS, 800) == rests_until_s(state, TERMS, until_s - 1) == until_s
    assert rests_until_s(state, TERMS, until_s) == 0
    assert "frozen" in refusal(state, TERMS, 800, frozen=True)
    assert "disarmed" in refusal(replace(state, armed=False), TERMS, 800, frozen=False)


@pytest.mark.parametrize(
    ("locked_s", "now_s", "again_s"), [(0, 50, 60 + 30), (0, 70, 70 + 30), (500, 50, 500)], ids=["ahead", "due", "lock"]
)
def test_refusal__tripped__says_when_it_works_again(locked_s: int, now_s: int, again_s: int) -> None:
    terms = replace(TERMS, cooldown_s=30)
    state = replace(STATE, status=BreakerStatus.TRIPPED, expires_at_s=60, locked_until_s=locked_s)
    assert rests_until_s(state, terms, now_s) == again_s
    why = refusal(state, terms, now_s, frozen=False)
    assert why == f"it is tripped until {utc(60)}, and may trip again from {utc(again_s)} on at the earliest"


@pytest.mark.parametrize(
    "state",
    [
        replace(STATE, ready_at_s=10**9, armed=False),
        replace(STATE, ready_at_s=10**9, status=BreakerStatus.RATIFIED),
        replace(STATE, ready_at_s=10**9, status=BreakerStatus.UNKNOWN),
    ],
)
def test_rests__what_waits_for_people__does_not_rest(state: BreakerState) -> None:
    assert rests_until_s(state, TERMS, 50) == 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (90, "90 s"),
        (600, "10 min"),
        (21_600, "6 h"),
        (86_400, "1 d"),
        (604_800, "7 d"),
        (86_401, "86401 s"),
    ],
)
def test_span__is_exact(seconds: int, words: str) -> None:
    assert span(seconds) == words


@pytest.mark.parametrize("recent", [(), (700,)])
def test_budget__fewer_trips_than_it_allows__is_free_at_any_time(recent: tuple[int, ...]) -> None:
    assert budget_free_at_s(replace(STATE, recent_s=recent), TERMS) == 0


def test_budget__more_trips_than_it_allows__counts_from_the_one_that_uses_it_up() -> None:
    assert budget_free_at_s(replace(STATE, recent_s=(900, 700, 500)), TERMS) == 10_700


def test_utc__beyond_any_calendar__is_the_number() -> None:
    assert utc(2**40) == f"second {2**40}"
