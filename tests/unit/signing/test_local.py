"""A key in memory: what it refuses, and what it never shows."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from dataclasses import replace

import pytest

from keeper.adapters.signing.local import LocalSigner, same_address
from keeper.domain.errors import SigningError
from keeper.domain.evm import UnsignedTransaction

pytestmark = pytest.mark.unit

# The first account of every development node: its key is public knowledge.
KEY = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
TRANSACTION = UnsignedTransaction(31337, 0, ADDRESS, b"\x01\x02", 21_000, 2_000_000_000, 1_000_000_000)


def test_address__of_a_known_key__is_the_known_one() -> None:
    assert LocalSigner(KEY).address == ADDRESS


@pytest.mark.parametrize("value", [1, ORDER - 1])
def test_key__at_the_edge_of_the_range__is_taken(value: int) -> None:
    assert LocalSigner(value.to_bytes(32, "big")).address.startswith("0x")


@pytest.mark.parametrize("value", [0, ORDER, 2**256 - 1])
def test_key__just_outside_of_the_range__is_refused(value: int) -> None:
    with pytest.raises(SigningError, match="not a private key") as caught:
        LocalSigner(value.to_bytes(32, "big"))
    assert "secp256k1" in caught.value.remedy


@pytest.mark.parametrize("length", [0, 31, 33])
def test_key__of_another_length__is_refused_and_not_shown(length: int) -> None:
    with pytest.raises(SigningError) as caught:
        LocalSigner(b"\x7a" * length)
    shown = str(caught.value) + caught.value.remedy
    assert "7a7a" not in shown
    assert "zz" not in shown


@pytest.mark.parametrize("expected", [ADDRESS, ADDRESS.lower(), ADDRESS.removeprefix("0x"), ""])
def test_expected_address__the_same_account_in_any_writing__is_taken(expected: str) -> None:
    assert LocalSigner(KEY, expected_address=expected).address == ADDRESS


def test_expected_address__another_account__names_both() -> None:
    other = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
    with pytest.raises(SigningError) as caught:
        LocalSigner(KEY, expected_address=other)
    assert ADDRESS in str(caught.value)
    assert other in str(caught.value)


def test_same_address__differing_in_one_digit__is_another() -> None:
    assert same_address(ADDRESS, ADDRESS.lower())
    assert not same_address(ADDRESS, ADDRESS[:-1] + "7")


def test_repr__of_a_signer__shows_the_address_and_not_the_key() -> None:
    signer = LocalSigner(KEY)
    shown = f"{signer!r} {signer}"
    assert ADDRESS in shown
    assert KEY.hex() not in shown


@pytest.mark.parametrize("leak", [pickle.dumps, copy.copy, copy.deepcopy])
def test_signer__pickled_or_copied__refuses(leak: object) -> None:
    assert callable(leak)
    with pytest.raises(TypeError, match="not pickled"):
        leak(LocalSigner(KEY))


@pytest.mark.parametrize(
    "broken",
    [
        replace(TRANSACTION, to=""),
        replace(TRANSACTION, to=ADDRESS[:-2]),
        replace(TRANSACTION, to=ADDRESS + "00"),
        replace(TRANSACTION, to="0x" + "zz" * 20),
        replace(TRANSACTION, nonce=-1),
        replace(TRANSACTION, chain_id=-1),
        replace(TRANSACTION, gas_limit=-1),
        replace(TRANSACTION, max_fee_wei=-1),
    ],
    ids=["no recipient", "short", "long", "not hex", "nonce", "chain", "gas", "fee"],
)
async def test_sign__a_field_that_cannot_be_encoded__is_a_signing_error(broken: UnsignedTransaction) -> None:
    with pytest.raises(SigningError, match="cannot be encoded") as caught:
        await LocalSigner(KEY).sign(broken)
    assert caught.value.remedy
    assert KEY.hex() not in str(caught.value)


async def test_sign__a_lower_case_recipient__gives_the_same_bytes_as_its_checksummed_form() -> None:
    signer = LocalSigner(KEY)
    lower = await signer.sign(replace(TRANSACTION, to=ADDRESS.lower()))
    assert lower == await signer.sign(TRANSACTION)


@pytest.mark.parametrize(
    "backend", ["eth_keys.backends.NativeECCBackend", "eth_keys.backends.Nothing", "nowhere.Backend", "x"]
)
def test_backend__other_than_coincurve__is_refused_with_the_remedy(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECC_BACKEND_CLASS", backend)
    with pytest.raises(SigningError, match="signs with") as caught:
        LocalSigner(KEY)
    assert "coincurve" in caught.value.remedy


def test_backend__when_coincurve_is_not_installed__is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "coincurve", None)  # import coincurve now raises ImportError
    with pytest.raises(SigningError, match="NativeECCBackend"):
        LocalSigner(KEY)


def test_import__of_the_package__does_not_import_eth_account() -> None:
    modules = "keeper.adapters.signing.keystore, keeper.adapters.signing.key_file, keeper.adapters.signing.local"
    code = f"import sys, {modules}; sys.exit('eth_account' in sys.modules or 'eth_keys' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
