"""Orders of several keepers: what is signed, who signed it, and the call that carries the signatures."""

from __future__ import annotations

import json

import pytest
from eth_abi.abi import decode
from eth_account.messages import _hash_eip191_message, encode_typed_data

from keeper.domain.action import BreakerTrip
from keeper.domain.circuit_breaker import TRIP_SIGNED, evidence_of
from keeper.domain.errors import UnitError
from keeper.domain.order import (
    SignedOrder,
    TripOrder,
    order_body,
    order_from,
    recover,
    signed_order,
    trip_signed_call,
)
from keeper.domain.record import Json
from tests.support.orders import BREAKER, ORDER, order, signed_now

pytestmark = pytest.mark.unit

N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def typed(what: TripOrder) -> bytes:
    """The digest as eth_account makes it of the same order."""
    types = {
        "Trip": [
            {"name": "id", "type": "bytes32"},
            {"name": "values", "type": "uint256[]"},
            {"name": "evidence", "type": "bytes32"},
            {"name": "nonce", "type": "uint256"},
            {"name": "deadline", "type": "uint256"},
        ]
    }
    domain = {
        "name": "CircuitBreaker",
        "version": "1",
        "chainId": what.chain_id,
        "verifyingContract": what.contract,
    }
    message = {
        "id": bytes.fromhex(what.id[2:]),
        "values": list(what.values),
        "evidence": what.evidence,
        "nonce": what.nonce,
        "deadline": what.deadline_s,
    }
    return bytes(_hash_eip191_message(encode_typed_data(domain, types, message)))


@pytest.mark.parametrize(
    "what",
    [
        ORDER,
        order(values=(0,)),
        order(values=(1, 2**256 - 1)),
        order(chain_id=1, nonce=2**32 - 1, deadline_s=2**40 - 1),
        order(contract="0x70997970C51812dc3A010C7d01b50e0d17dc79C8"),
        order(id="0x" + "ff" * 32, evidence=b"\x00" * 31 + b"\x01"),
    ],
    ids=["none", "zero", "two values", "largest numbers", "contract", "identifier"],
)
def test_digest__is_that_of_eth_account(what: TripOrder) -> None:
    assert what.digest == typed(what)


@pytest.mark.parametrize(
    "other",
    [
        order(chain_id=1),
        order(contract="0x70997970C51812dc3A010C7d01b50e0d17dc79C8"),
        order(id="0x" + "01" * 32),
        order(values=(1,)),
        order(evidence=b"\x12" * 32),
        order(nonce=2),
        order(deadline_s=ORDER.deadline_s + 1),
    ],
    ids=["chain", "contract", "breaker", "values", "evidence", "nonce", "deadline"],
)
def test_digest__another_field__is_another(other: TripOrder) -> None:
    assert other.digest != ORDER.digest


@pytest.mark.parametrize(
    "wrong",
    [
        {"evidence": bytes(32)},
        {"evidence": b"\x11" * 31},
        {"id": "0x" + "00" * 32},
        {"id": "0x" + "AA" * 32},
        {"id": "pause"},
        {"contract": BREAKER.lower()},
        {"nonce": -1},
        {"nonce": 2**32},
        {"deadline_s": 2**40},
        {"chain_id": 2**53},
        {"chain_id": True},
        {"values": (2**256,)},
        {"values": (-1,)},
        {"values": (1, 2, 3, 4, 5)},
    ],
    ids=lambda wrong: str(next(iter(wrong.items())))[:40],
)
def test_order__what_the_contract_could_not_take__is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UnitError):
        order(**wrong)


def test_recover__a_real_signature__names_its_signer() -> None:
    for number, address in enumerate(
        ("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
    ):
        assert signed_now(number).signer == address


def test_recover__the_other_s__is_refused_as_the_contract_does() -> None:
    signature = signed_now(0).signature
    s = N - int.from_bytes(signature[32:64], "big")
    twin = signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])
    with pytest.raises(UnitError, match="takes"):
        recover(ORDER.digest, twin)


@pytest.mark.parametrize(
    "bad",
    [b"", bytes(64), bytes(65), bytes(66), b"\x01" * 64 + b"\x00", b"\xff" * 64 + b"\x1b", b"\x01" * 64 + b"\x1d"],
    ids=["none", "short", "zeros", "long", "v 0", "r too large", "v 29"],
)
def test_recover__no_signature__is_refused(bad: bytes) -> None:
    with pytest.raises(UnitError):
        recover(ORDER.digest, bad)


def test_signed_order__signature_of_another_order__is_not_the_signers() -> None:
    signed = signed_now(0)
    with pytest.raises(UnitError, match="not that of"):
        signed_order(order(nonce=2), signed.signature, signed.signer)


@pytest.mark.parametrize("values", [(), (7,), (1, 2**256 - 1)], ids=["none", "one", "two"])
def test_call__decoded_by_the_abi__is_the_order_with_its_signatures_ascending_by_signer(
    values: tuple[int, ...],
) -> None:
    what = order(values=values)
    signed = [signed_now(number, what) for number in range(3)]
    call = trip_signed_call(signed)
    assert (call.to, call.data[:4]) == (BREAKER, TRIP_SIGNED)
    decoded = decode(["(bytes32,uint256[],bytes32)", "uint256", "bytes[]"], call.data[4:], strict=True)
    ordered = sorted(signed, key=lambda one: int(one.signer, 16))
    assert decoded == (
        (bytes.fromhex(what.id[2:]), values, what.evidence),
        what.deadline_s,
        tuple(one.signature for one in ordered),
    )


def test_evidence_of__a_signed_trip__is_the_orders() -> None:
    assert evidence_of(trip_signed_call([signed_now(0)]).data) == ORDER.evidence


@pytest.mark.parametrize(
    "signed",
    [(), (signed_now(0), signed_now(0)), (signed_now(0), signed_now(1, order(nonce=2)))],
    ids=["nobody", "one twice", "two orders"],
)
def test_call__of_what_makes_no_trip__is_refused(signed: tuple[SignedOrder, ...]) -> None:
    with pytest.raises(UnitError):
        trip_signed_call(signed)


def test_trips__same_contract_breaker_and_values__only() -> None:
    assert order(values=(5,)).trips(BreakerTrip(BREAKER, ORDER.id, ("5",)))
    assert not order(values=(5,)).trips(BreakerTrip(BREAKER, ORDER.id, ("6",)))
    assert not order(values=(5,)).trips(BreakerTrip(BREAKER, ORDER.id))
    assert not ORDER.trips(BreakerTrip(BREAKER, "0x" + "01" * 32))
    assert not ORDER.trips(BreakerTrip("0x70997970C51812dc3A010C7d01b50e0d17dc79C8", ORDER.id))


def test_excludes__same_nonce_and_other_values__only() -> None:
    assert ORDER.excludes(order(values=(1,)))
    assert not ORDER.excludes(order(evidence=b"\x12" * 32, deadline_s=ORDER.deadline_s + 9))
    assert not ORDER.excludes(order(values=(1,), nonce=2))
    assert not ORDER.excludes(order(values=(1,), id="0x" + "01" * 32))


def test_body__through_json_and_back__is_the_same_order() -> None:
    for what in (ORDER, order(values=(1, 2**256 - 1))):
        assert order_from(json.loads(json.dumps(order_body(what)))) == what


@pytest.mark.parametrize(
    "wrong",
    [
        {"digest": "0x" + "00" * 32},
        {"values": ["1"]},
        {"values": [1]},
        {"values": ["-1"]},
        {"values": "1"},
        {"nonce": "1"},
        {"nonce": True},
        {"nonce": 1.0},
        {"contract": None},
        {"breaker": 7},
        {"evidence": "0x" + "11" * 31},
        {"deadline_s": None},
    ],
    ids=str,
)
def test_body__changed__is_refused(wrong: dict[str, Json]) -> None:
    with pytest.raises(UnitError):
        order_from(order_body(ORDER) | wrong)
