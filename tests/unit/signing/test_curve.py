"""Signatures that somebody else made: DER read as strictly as it is written, the lower s, the parity by trial."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from eth_account import Account

from keeper.adapters.signing.curve import ORDER, address_of_spki, from_der, lower, parity, recovered

pytestmark = pytest.mark.unit

KEY = bytes.fromhex("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d")
ADDRESS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
DIGEST = bytes(range(32))


def spki(curve: ec.EllipticCurve, *, form: PublicFormat = PublicFormat.SubjectPublicKeyInfo) -> bytes:
    key = ec.derive_private_key(int.from_bytes(KEY, "big"), curve).public_key()
    return key.public_bytes(Encoding.DER, form)


def test_address__of_a_public_key__is_the_accounts() -> None:
    assert address_of_spki(spki(ec.SECP256K1())) == ADDRESS


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        spki(ec.SECP256R1()),
        spki(ec.SECP384R1()),
        spki(ec.SECP256K1())[:-1],
        spki(ec.SECP256K1()) + b"\0",
        spki(ec.SECP256K1())[-64:],
        spki(ec.SECP256K1())[-65:],
    ],
    ids=["nothing", "P-256", "P-384", "short", "long", "bare", "bare with its mark"],
)
def test_address__of_anything_else__is_refused(encoded: bytes) -> None:
    with pytest.raises(ValueError, match="secp256k1"):
        address_of_spki(encoded)


@pytest.mark.parametrize(
    ("r", "s"), [(1, 1), (127, 128), (255, 256), (ORDER - 1, ORDER - 1), (1 << 255, ORDER // 2), (ORDER // 2, 1 << 200)]
)
def test_der__what_a_library_writes__is_read(r: int, s: int) -> None:
    assert from_der(encode_dss_signature(r, s)) == (r, s)


@pytest.mark.parametrize(
    ("r", "s"), [(0, 1), (1, 0), (ORDER, 1), (1, ORDER)], ids=["r zero", "s zero", "r the order", "s the order"]
)
def test_der__a_number_just_out_of_range__is_refused(r: int, s: int) -> None:
    with pytest.raises(ValueError, match="not a part of a signature"):
        from_der(encode_dss_signature(r, s))


GOOD = encode_dss_signature(1 << 255, 7)


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        GOOD[:1],
        GOOD[:-1],
        GOOD + b"\0",
        b"\x31" + GOOD[1:],
        bytes.fromhex("3006020101030101"),
        bytes.fromhex("3003020101"),
        bytes.fromhex("3009020101020101020101"),
        bytes.fromhex("300702020001020101"),
        bytes.fromhex("30060201ff020101"),
        bytes.fromhex("30050200020101"),
        bytes.fromhex("308106020101020101"),
    ],
    ids=["nothing", "one byte", "cut off", "more behind", "no sequence", "no integer", "one number", "three numbers",
         "padded", "negative", "empty number", "long form"],
)  # fmt: skip
def test_der__anything_else__is_refused(encoded: bytes) -> None:
    with pytest.raises(ValueError, match=r"DER|signature"):
        from_der(encoded)


@pytest.mark.parametrize(
    ("s", "expected"),
    [(1, 1), (ORDER // 2, ORDER // 2), (ORDER // 2 + 1, ORDER // 2), (ORDER - 1, 1)],
    ids=["least", "last low", "first high", "greatest"],
)
def test_lower__on_both_sides_of_the_middle__is_the_one_that_chains_take(s: int, expected: int) -> None:
    assert lower(s) == expected


@pytest.mark.parametrize("number", range(8))
def test_parity__of_a_signature__is_that_of_eth_account(number: int) -> None:
    signed = Account.unsafe_sign_hash(bytes([number]) * 32, KEY)
    assert parity(bytes([number]) * 32, signed.r, signed.s, ADDRESS) == signed.v - 27


def test_parity__of_another_account_or_another_digest__is_none() -> None:
    signed = Account.unsafe_sign_hash(DIGEST, KEY)
    assert parity(DIGEST, signed.r, signed.s, "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266") is None
    assert parity(DIGEST[::-1], signed.r, signed.s, ADDRESS) is None


def test_recovered__numbers_that_nobody_can_have_made__is_empty() -> None:
    assert [recovered(DIGEST, v, 5, 1) for v in (0, 1)] == ["", ""], "no point of the curve has this x"
    assert recovered(DIGEST, 0, 2**256, 1) == ""
