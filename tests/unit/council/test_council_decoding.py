"""Calldata in words: what the configuration knows, what everybody knows, and what nobody can read."""

from __future__ import annotations

import pytest

from keeper.app.council.decoding import MAX_DEPTH, MAX_LIST_BYTES, argument_types
from keeper.domain.address import keccak256
from keeper.domain.breaker_registration import BREAKER_TYPE
from keeper.domain.multisend import MAX_CALLS, encode_multisend
from keeper.domain.safe import Operation
from keeper.domain.safe_calls import BY_MODULE, EXECUTE
from tests.unit.council.calls import (
    ALICE,
    BOB,
    BREAKER,
    BTC,
    ETH,
    EXCHANGE,
    MULTI_SEND,
    OTHER_SAFE,
    SAFE,
    STRANGER,
    TOKEN,
    batch,
    calldata,
    decoded,
    known,
    transaction,
)

pytestmark = pytest.mark.unit

ID = bytes.fromhex(ETH[2:])
ROLE = keccak256(b"PAUSER_ROLE")
UNPAUSE = calldata("unpauseMarket(bytes32)", ID)
ON_BREAKER = "on the breaker contract"
LIMIT = calldata("setWithdrawalLimit(bytes32,uint256)", bytes.fromhex(BTC[2:]), 250)


@pytest.mark.parametrize(
    ("to", "data", "text"),
    [
        (EXCHANGE, UNPAUSE, "Unpauses the market ETH on the protocol's contract"),
        (EXCHANGE, LIMIT, "Sets the withdrawal limit of the market BTC to 250 on the protocol's contract"),
        (EXCHANGE, calldata("setLimits(bytes32,uint256)", ID, 9), "Sets the limits of the market ETH to 9 on the protocol's contract"),
        (EXCHANGE, calldata("pauseMarket(bytes32)", b"SOL".ljust(32, b"\0")),
         "Pauses the market SOL (not in the configuration) on the protocol's contract"),
        (STRANGER, UNPAUSE, f"Unpauses the market ETH on {STRANGER} (an unknown address)"),
        (BREAKER, calldata("ratify(bytes32)", ID), f"Makes the trip of the breaker ETH-PERP last until the council lifts it, {ON_BREAKER}"),
        (BREAKER, calldata("lift(bytes32,bool)", ID, True),
         f"Ends the trip of the breaker ETH-PERP and locks it (its undo is called: true), {ON_BREAKER}"),
        (BREAKER, calldata("trip(bytes32,uint256[],bytes32)", ID, [1, 2], ID), "Trips the breaker ETH-PERP, on the breaker contract"),
        (BREAKER, calldata("revokeKeeper(address)", BOB), f"Takes all rights of the keeper {BOB} away, on the breaker contract"),
        (BREAKER, calldata("freeze()"), "Keeps all breakers from tripping, on the breaker contract"),
        (TOKEN, calldata("transfer(address,uint256)", ALICE, 5),
         f"Sends 5 of the token's smallest units to Alice ({ALICE}), on {TOKEN} (an unknown address)"),
        (EXCHANGE, calldata("grantRole(bytes32,address)", ROLE, BOB), f"Gives the role PAUSER_ROLE to {BOB}, on the protocol's contract"),
        (EXCHANGE, calldata("pause()"), "Pauses it as a whole, on the protocol's contract"),
        (EXCHANGE, calldata("transferOwnership(address)", BOB), f"Makes {BOB} the owner, on the protocol's contract"),
        (SAFE, calldata("addOwnerWithThreshold(address,uint256)", BOB, 1), f"Makes {BOB} an owner of this Safe; 1 must sign from then on"),
        (SAFE, calldata("setGuard(address)", "0x" + "0" * 40),
         "Lets nobody (the zero address) forbid any transaction of this Safe (guard; zero: nobody)"),
        (EXCHANGE, b"\xde\xad\xbe\xef\x01", "Calls the protocol's contract with 5 bytes that nobody here can read, 0xdeadbeef..."),
        (EXCHANGE, b"\xde", "Calls the protocol's contract with 1 bytes that nobody here can read, 0xde..."),
        (EXCHANGE, b"", "Calls the protocol's contract with nothing"),
        (SAFE, b"", "Does nothing, but uses up its nonce"),
    ],
)  # fmt: skip
def test_decode__one_call__in_words(to: str, data: bytes, text: str) -> None:
    found = decoded(transaction(to, data))
    assert (found.text, found.doubt, found.data) == (text, "", "0x" + data.hex())


def test_decode__call__its_function_and_arguments() -> None:
    found = decoded(transaction(EXCHANGE, LIMIT, 3))
    assert found.function == "setWithdrawalLimit(bytes32,uint256)"
    assert found.args == (("bytes32", BTC), ("uint256", "250"))
    assert (found.to, found.contract_name, found.value_wei) == (EXCHANGE, "the protocol's contract", 3)
    assert found.text.endswith(", and sends 0.000000000000000003 of the chain's own currency with it")


def test_decode__value_alone__is_sent() -> None:
    found = decoded(transaction(ALICE, value=15 * 10**17))
    assert found.text == "Sends 1.5 of the chain's own currency to Alice"
    assert found.function is None


def test_decode__registration__reads_tuples_and_lists() -> None:
    probe, bound = (EXCHANGE, 0, b"\x01", ID), (EXCHANGE, 0, 0, 0, 1, 2, 3, b"\x02")
    breaker = (EXCHANGE, 1, 2, 3, SAFE, 4, 5, 6, calldata("pauseMarket(bytes32)", ID), UNPAUSE, probe, [bound])
    found = decoded(transaction(BREAKER, calldata(f"register(bytes32,{BREAKER_TYPE})", ID, breaker)))
    assert found.text == (
        f"Registers the breaker ETH-PERP, {ON_BREAKER}. "
        "Keepers may then do this: Pauses the market ETH on the protocol's contract (numbers of theirs within 1 bounds); "
        "taken back by this: Unpauses the market ETH on the protocol's contract"
    )
    assert found.args[1][1].startswith(f"[{EXCHANGE}, 1, 2, 3, {SAFE}, 4, 5, 6, 0x")
    assert found.args[1][1].endswith(f", [{EXCHANGE}, 0, 0x01, {ETH}], [[{EXCHANGE}, 0, 0, 0, 1, 2, 3, 0x02]]]")


def test_decode__registration_without_an_undo_and_of_a_batch__says_so() -> None:
    probe = (EXCHANGE, 0, b"", bytes(32))
    data = encode_multisend([(EXCHANGE, 0, UNPAUSE)])
    breaker: tuple[object, ...] = (MULTI_SEND, 1, 2, 3, SAFE, 4, 5, 6, data, b"", probe, [])
    found = decoded(transaction(BREAKER, calldata(f"register(bytes32,{BREAKER_TYPE})", ID, breaker)))
    assert "Keepers may then do this: Makes calls that cannot be read" in found.text
    assert found.text.endswith("; taken back by this: nothing")


def test_decode__batch__its_calls_in_order() -> None:
    found = decoded(batch((EXCHANGE, 0, UNPAUSE), (EXCHANGE, 0, LIMIT)))
    assert found.text == "Makes 2 calls, all or none"
    assert found.delegatecall
    assert [one.text.split(" on ")[0] for one in found.inner] == [
        "Unpauses the market ETH",
        "Sets the withdrawal limit of the market BTC to 250",
    ]
    assert not any(one.delegatecall for one in found.inner)


def test_decode__batch_by_plain_call__is_not_in_the_name_of_the_safe() -> None:
    found = decoded(transaction(MULTI_SEND, encode_multisend([(EXCHANGE, 0, UNPAUSE)])))
    assert found.text == "Makes 1 call in the name of MultiSend (calls only), not of this Safe"


def test_decode__batch_by_an_unknown_library__says_that_the_words_prove_nothing() -> None:
    data = encode_multisend([(EXCHANGE, 0, UNPAUSE)])
    found = decoded(transaction(STRANGER, data, operation=Operation.DELEGATECALL))
    assert found.text.startswith(f"Runs the code at {STRANGER} as the Safe itself, which may have nothing to do with")


def test_decode__transaction_of_another_safe__what_it_carries() -> None:
    data = calldata(EXECUTE, EXCHANGE, 1, UNPAUSE, 0, 0, 0, 0, "0x" + "0" * 40, "0x" + "0" * 40, b"\x01")
    found = decoded(transaction(OTHER_SAFE, data))
    (inner,) = found.inner
    assert (inner.to, inner.value_wei, inner.function) == (EXCHANGE, 1, "unpauseMarket(bytes32)")
    assert found.doubt == ""


def test_decode__call_by_module__its_delegatecall_is_told() -> None:
    (inner,) = decoded(transaction(OTHER_SAFE, calldata(BY_MODULE, STRANGER, 0, b"\x01", 1))).inner
    assert inner.delegatecall


def test_decode__operation_that_does_not_exist__cannot_be_read() -> None:
    found = decoded(transaction(OTHER_SAFE, calldata(BY_MODULE, STRANGER, 0, b"\x01", 2)))
    assert found.inner == ()
    assert "could do anything" in found.doubt


@pytest.mark.parametrize("data", [LIMIT + b"\0", LIMIT + bytes(32)])
def test_decode__bytes_behind_the_arguments__are_read_with_doubt(data: bytes) -> None:
    found = decoded(transaction(EXCHANGE, data))
    assert found.args == (("bytes32", BTC), ("uint256", "250"))
    assert found.doubt == f"{len(data) - len(LIMIT)} bytes follow its arguments"


def test_decode__oddly_encoded__is_read_with_doubt() -> None:
    data = calldata("upgradeToAndCall(address,bytes)", BOB, b"")
    moved = data[:36] + (96).to_bytes(32) + bytes(32) + data[68:]
    found = decoded(transaction(EXCHANGE, moved))
    assert found.doubt == "its arguments are oddly encoded"
    assert found.args == (("address", BOB), ("bytes", "0x"))


@pytest.mark.parametrize(
    "data", [LIMIT[:-1], LIMIT[:4], calldata("transfer(address,uint256)", ALICE, 1).replace(bytes(12), b"\1" * 12, 1)]
)
def test_decode__arguments_that_are_none__are_not_shown(data: bytes) -> None:
    found = decoded(transaction(EXCHANGE, data))
    assert found.function is not None
    assert found.args == ()
    assert found.doubt == f"its arguments do not read as those of {found.function}"
    assert "do not read as such" in found.text


def test_decode__batch_with_a_byte_more__cannot_be_read() -> None:
    data = encode_multisend([(EXCHANGE, 0, UNPAUSE)]) + b"\0"
    found = decoded(transaction(MULTI_SEND, data, operation=Operation.DELEGATECALL))
    assert (found.inner, found.text) == ((), "Makes calls that cannot be read")
    assert "could do anything" in found.doubt


@pytest.mark.parametrize("depth", [MAX_DEPTH, MAX_DEPTH + 1])
def test_decode__batches_in_batches__to_the_depth_that_is_told(depth: int) -> None:
    data = UNPAUSE
    for level in range(depth):
        data = encode_multisend([(EXCHANGE if level == 0 else MULTI_SEND, 0, data)])
    found = decoded(transaction(MULTI_SEND, data, operation=Operation.DELEGATECALL))
    while found.inner:
        (found,) = found.inner
    assert ("too many" in found.doubt) == (depth > MAX_DEPTH)
    assert (found.to == EXCHANGE) == (depth <= MAX_DEPTH)


@pytest.mark.parametrize("more", [0, 1])
def test_decode__many_calls_in_two_batches__to_the_number_that_is_told(more: int) -> None:
    half = encode_multisend([(EXCHANGE, 0, UNPAUSE)] * (MAX_CALLS // 2 - 1))
    rest = encode_multisend([(EXCHANGE, 0, UNPAUSE)] * (MAX_CALLS // 2 - 1 + more))
    found = decoded(batch((MULTI_SEND, 0, half), (MULTI_SEND, 0, rest)))
    assert [bool(one.doubt) for one in found.inner] == [False, bool(more)]


def test_decode__most_calls_of_one_batch__all_told() -> None:
    assert len(decoded(batch(*[(EXCHANGE, 0, UNPAUSE)] * MAX_CALLS)).inner) == MAX_CALLS


def test_decode__long_list__is_not_read() -> None:
    words = (MAX_LIST_BYTES - 128) // 32
    for count, doubt in ((words, ""), (words + 1, f"{MAX_LIST_BYTES + 32} bytes of arguments are too many to be read")):
        data = calldata("trip(bytes32,uint256[],bytes32)", ID, [1] * count, ID)
        assert decoded(transaction(BREAKER, data)).doubt == doubt


def test_decode__long_bytes__are_cut() -> None:
    found = decoded(transaction(EXCHANGE, calldata("upgradeToAndCall(address,bytes)", BOB, b"\x01" * 257)))
    assert found.args[1][1] == f"0x{'01' * 32}... (257 bytes)"


def test_known_from__configuration__names_and_markets() -> None:
    found = known()
    assert found.names[SAFE] == "this Safe"
    assert found.names[BREAKER] == "the breaker contract"
    assert found.breakers == {BREAKER}
    assert MULTI_SEND in found.multisend
    assert found.markets[("pauseMarket(bytes32)", 0, ETH)] == "ETH"
    assert ("setWithdrawalLimit(bytes32,uint256)", 1, "5") not in found.markets


@pytest.mark.parametrize(
    ("signature", "types"),
    [("f()", ()), ("f(uint256)", ("uint256",)), ("f((a,b)[],c,(d,(e,f)))", ("(a,b)[]", "c", "(d,(e,f))"))],
)
def test_argument_types__signature__its_outermost_types(signature: str, types: tuple[str, ...]) -> None:
    assert argument_types(signature) == types
