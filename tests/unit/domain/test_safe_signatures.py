"""Whose a Safe's signatures are, and how they stand together."""

from __future__ import annotations

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_keys.constants import SECPK1_N

from keeper.domain.abi import parse_signature
from keeper.domain.abi_codec import decode_values
from keeper.domain.errors import UnitError
from keeper.domain.proposal import Confirmation
from keeper.domain.safe import Operation, SafeTransaction
from keeper.domain.safe_signatures import (
    EXEC_TRANSACTION,
    MAX_CONTRACT_BYTES,
    SignatureKind,
    approve_call,
    approved_signature,
    ask_call,
    contract_blob,
    contract_signature,
    exec_call,
    joined,
    kind_of,
    named_owner,
    recover_owner,
    split,
)

pytestmark = pytest.mark.unit

SAFE = "0x9641d764fc13c8B624c04430C7356C1C7C8102e2"
LOW = "0x0000000000000000000000000000000000000001"
MIDDLE = "0x40A2aCCbd92BCA938b02010E17A5b8929b49130D"
HIGH = "0xA1dabEF33b3B82c7814B6D82A79e50F4AC44102B"
KEY = Account.from_key("0x" + "11" * 32)
TRANSACTION = SafeTransaction(1, SAFE, 7, MIDDLE, b"\x01\x02", 3, Operation.CALL)
DIGEST = TRANSACTION.hash
PLAIN = bytes(Account.unsafe_sign_hash(DIGEST, KEY.key).signature)
MESSAGE = bytes(Account.sign_message(encode_defunct(DIGEST), KEY.key).signature)
BY_ETH_SIGN = MESSAGE[:-1] + bytes([MESSAGE[-1] + 4])


def with_v(v: int) -> bytes:
    return PLAIN[:-1] + bytes([v])


def test_recover_owner__plain_signature__is_the_signer() -> None:
    assert kind_of(PLAIN) is SignatureKind.EOA
    assert recover_owner(DIGEST, PLAIN) == KEY.address


def test_recover_owner__eth_sign__is_the_signer() -> None:
    assert kind_of(BY_ETH_SIGN) is SignatureKind.ETH_SIGN
    assert recover_owner(DIGEST, BY_ETH_SIGN) == KEY.address


def test_recover_owner__message_signature_said_to_be_plain__is_somebody_else() -> None:
    assert recover_owner(DIGEST, MESSAGE) != KEY.address


def test_recover_owner__another_digest__is_somebody_else() -> None:
    assert recover_owner(bytes(31) + b"\x01", PLAIN) != KEY.address


@pytest.mark.parametrize("v", [2, 26, 29, 30, 33, 255])
def test_kind_of__v_beside_those_of_a_safe__refused(v: int) -> None:
    with pytest.raises(UnitError, match=f"v of {v} "):
        kind_of(with_v(v))


@pytest.mark.parametrize("v", [27, 28, 31, 32])
def test_kind_of__byte_too_few_or_many__refused(v: int) -> None:
    kind_of(with_v(v))
    with pytest.raises(UnitError, match="65 bytes"):
        kind_of(with_v(v)[1:])
    with pytest.raises(UnitError, match="65 bytes"):
        kind_of(with_v(v) + b"\0")


@pytest.mark.parametrize("shift", [0, 4])
def test_recover_owner__upper_s__refused(shift: int) -> None:
    s = SECPK1_N - int.from_bytes(PLAIN[32:64])
    mirrored = PLAIN[:32] + s.to_bytes(32) + bytes([55 - PLAIN[64] + shift])
    with pytest.raises(UnitError, match="no signature"):
        recover_owner(DIGEST, mirrored)


@pytest.mark.parametrize("digest", [b"", DIGEST[1:], DIGEST + b"\0"])
def test_recover_owner__no_digest__refused(digest: bytes) -> None:
    with pytest.raises(UnitError, match="32 bytes"):
        recover_owner(digest, PLAIN)


@pytest.mark.parametrize("signature", [approved_signature(LOW), contract_signature(LOW, b"x")])
def test_recover_owner__kind_that_no_key_makes__refused(signature: bytes) -> None:
    with pytest.raises(UnitError, match=r"no key makes|a key.s signature has"):
        recover_owner(DIGEST, signature)


def test_named_owner__approved_and_contract__is_the_owner() -> None:
    assert kind_of(approved_signature(HIGH)) is SignatureKind.APPROVED
    assert named_owner(approved_signature(HIGH)) == HIGH
    assert kind_of(contract_signature(HIGH, b"")) is SignatureKind.CONTRACT
    assert named_owner(contract_signature(HIGH, b"")) == HIGH


@pytest.mark.parametrize("signature", [PLAIN, BY_ETH_SIGN, b"\x01" + approved_signature(HIGH)[1:]])
def test_named_owner__names_none__refused(signature: bytes) -> None:
    with pytest.raises(UnitError, match="names no owner"):
        named_owner(signature)


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 65, MAX_CONTRACT_BYTES])
def test_contract_signature__any_size_with_and_without_padding__is_read_back(size: int) -> None:
    signature = contract_signature(HIGH, b"\x07" * size)
    assert contract_blob(signature) == b"\x07" * size
    assert contract_blob(signature + bytes(-size % 32)) == b"\x07" * size


def test_contract_signature__too_long__refused() -> None:
    with pytest.raises(UnitError, match="too long"):
        contract_signature(HIGH, bytes(MAX_CONTRACT_BYTES + 1))


@pytest.mark.parametrize(
    "signature",
    [
        contract_signature(HIGH, b"abc")[:-1],
        contract_signature(HIGH, b"abc") + b"\0",
        contract_signature(HIGH, b"abc") + bytes(28) + b"\x01",
        contract_signature(HIGH, b"abc") + bytes(29 + 32),
        contract_signature(HIGH, b"abc")[:65],
        contract_signature(HIGH, b"abc").replace(b"\x41\0", b"\x42\0"),
    ],
)
def test_contract_signature__byte_too_few_or_many_or_elsewhere__refused(signature: bytes) -> None:
    with pytest.raises(UnitError):
        kind_of(signature)


def test_joined__every_kind__ascending_with_the_bytes_behind_the_heads() -> None:
    found = joined(
        [
            Confirmation(HIGH, contract_signature(HIGH, b"second")),
            Confirmation(LOW, contract_signature(LOW, b"first")),
            Confirmation(KEY.address, PLAIN),
            Confirmation(MIDDLE, approved_signature(MIDDLE)),
        ],
        4,
    )
    places = sorted([LOW, KEY.address, MIDDLE, HIGH], key=lambda one: int(one, 16))
    heads = {owner: found[65 * place : 65 * place + 65] for place, owner in enumerate(places)}
    assert heads[KEY.address] == PLAIN
    assert heads[MIDDLE] == approved_signature(MIDDLE)
    assert int.from_bytes(heads[LOW][32:64]) == 260
    assert int.from_bytes(heads[HIGH][32:64]) == 260 + 32 + 5
    assert found[260:] == (5).to_bytes(32) + b"first" + (6).to_bytes(32) + b"second"


def test_joined__more_than_needed__only_as_many() -> None:
    all_of_them = [Confirmation(owner, approved_signature(owner)) for owner in (HIGH, LOW, MIDDLE)]
    assert joined(all_of_them, 2) == approved_signature(LOW) + approved_signature(MIDDLE)


@pytest.mark.parametrize("threshold", [-1, 0, 3])
def test_joined__not_as_many_as_asked_for__refused(threshold: int) -> None:
    two = [Confirmation(owner, approved_signature(owner)) for owner in (HIGH, LOW)]
    with pytest.raises(UnitError, match="2 signatures are not"):
        joined(two, threshold)


def test_joined__owner_twice__refused() -> None:
    with pytest.raises(UnitError, match="signed twice"):
        joined([Confirmation(KEY.address, PLAIN), Confirmation(KEY.address, BY_ETH_SIGN)], 1)


@pytest.mark.parametrize("signature", [approved_signature(LOW), contract_signature(LOW, b"")])
def test_joined__signature_that_names_another__refused(signature: bytes) -> None:
    with pytest.raises(UnitError, match=f"names {LOW}"):
        joined([Confirmation(HIGH, signature)], 1)


def test_split__what_joined_made__the_single_ones_again() -> None:
    singles = [contract_signature(LOW, b"a" * 40), PLAIN, approved_signature(HIGH)]
    owners = [LOW, KEY.address, HIGH]
    together = joined([Confirmation(o, s) for o, s in zip(owners, singles, strict=True)], 3)
    assert sorted(split(together, 3)) == sorted(singles)


@pytest.mark.parametrize("count", [-1, 0, 2])
def test_split__another_number_than_there_are__refused(count: int) -> None:
    assert split(PLAIN, 1) == (PLAIN,)
    with pytest.raises(UnitError):
        split(PLAIN, count)


@pytest.mark.parametrize("offset", [0, 64, 66, 1 << 255])
def test_split__bytes_where_none_are__refused(offset: int) -> None:
    head = contract_signature(LOW, b"")[:32] + offset.to_bytes(32) + b"\0"
    with pytest.raises(UnitError):
        split(head + bytes(32), 1)


def test_exec_call__transaction__every_field_in_its_place() -> None:
    transaction = SafeTransaction(1, SAFE, 7, MIDDLE, b"\x01", 3, Operation.DELEGATECALL, 4, 5, 6, LOW, HIGH)
    call = exec_call(transaction, PLAIN)
    function = parse_signature(EXEC_TRANSACTION)
    assert (call.to, call.data[:4].hex()) == (SAFE, "6a761202")
    assert decode_values(function.inputs, call.data[4:]) == (MIDDLE, 3, b"\x01", 1, 4, 5, 6, LOW, HIGH, PLAIN)


def test_approve_call__transaction__its_hash() -> None:
    call = approve_call(TRANSACTION)
    assert (call.to, call.data.hex()) == (SAFE, "d4d9bdcd" + DIGEST.hex())


def test_ask_call__confirmation__hash_and_what_it_is_the_hash_of() -> None:
    from keeper.domain.address import keccak256

    digest, preimage, alone, count = decode_values(
        ("bytes32", "bytes", "bytes", "uint256"), ask_call(TRANSACTION, Confirmation(KEY.address, PLAIN)).data[4:]
    )
    assert isinstance(preimage, bytes)
    assert (digest, keccak256(preimage), alone, count) == (DIGEST, DIGEST, PLAIN, 1)
