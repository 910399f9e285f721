"""What every signer does, however it keeps its key."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.address import is_checksum_address
from eth_utils.crypto import keccak
from hexbytes import HexBytes

from keeper.adapters.signing.key_file import open_key_file
from keeper.adapters.signing.keystore import open_keystore
from keeper.adapters.signing.local import LocalSigner
from keeper.domain.evm import UnsignedTransaction
from keeper.domain.order import recover
from keeper.ports.signer import IdentitySigner, OrderSigner, Signer
from tests.support.orders import ORDER, order

pytestmark = pytest.mark.conformance

KEY = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
ADDRESS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
TARGET = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
PAUSE = UnsignedTransaction(
    chain_id=31337,
    nonce=7,
    to=TARGET,
    data=bytes.fromhex("8d5bcb1e") + b"ETH-PERP".ljust(32, b"\0"),
    gas_limit=120_000,
    max_fee_wei=40_000_000_000,
    priority_fee_wei=2_000_000_000,
)


async def in_memory(_: Path) -> Signer:
    return LocalSigner(bytes.fromhex(KEY))


async def from_key_file(folder: Path) -> Signer:
    path = folder / "key"
    path.write_text(KEY + "\n")
    path.chmod(0o600)
    return await open_key_file(path)


async def from_keystore(folder: Path) -> Signer:
    path = folder / "keystore.json"
    path.write_text(json.dumps(Account.encrypt(bytes.fromhex(KEY), "secret", kdf="pbkdf2", iterations=2)))
    return await open_keystore(path, "secret")


@pytest.fixture(params=[in_memory, from_key_file, from_keystore])
async def signer(request: pytest.FixtureRequest, tmp_path: Path) -> Signer:
    make: Callable[[Path], Awaitable[Signer]] = request.param
    return await make(tmp_path)


@pytest.fixture
def orders(signer: Signer) -> OrderSigner:
    """The same one, as keepers that sign together use it."""
    assert hasattr(signer, "sign_order")
    return cast(OrderSigner, signer)


async def fields(signer: Signer, transaction: UnsignedTransaction) -> dict[str, object]:
    raw = HexBytes((await signer.sign(transaction)).raw)
    return dict(TypedTransaction.from_bytes(raw).as_dict())


async def test_address__is_the_accounts_in_eip_55(signer: Signer) -> None:
    assert signer.address == ADDRESS
    assert is_checksum_address(signer.address)


async def test_sign__the_sender_recovered_from_the_bytes__is_the_address(signer: Signer) -> None:
    signed = await signer.sign(PAUSE)
    assert Account.recover_transaction(signed.raw) == signer.address


async def test_sign__the_hash__is_the_keccak_of_the_bytes(signer: Signer) -> None:
    signed = await signer.sign(PAUSE)
    assert signed.tx_hash == "0x" + keccak(hexstr=signed.raw).hex()


async def test_sign__the_bytes__are_an_eip_1559_transaction_in_lower_case_hex(signer: Signer) -> None:
    signed = await signer.sign(PAUSE)
    assert signed.raw.startswith("0x02")
    assert signed.raw == signed.raw.lower()
    assert len(signed.tx_hash) == 66


async def test_sign__every_field__is_in_the_bytes_as_it_was_given(signer: Signer) -> None:
    found = await fields(signer, PAUSE)
    assert found["chainId"] == PAUSE.chain_id
    assert found["nonce"] == PAUSE.nonce
    assert HexBytes(found["to"]) == HexBytes(PAUSE.to)  # type: ignore[arg-type]
    assert HexBytes(found["data"]) == PAUSE.data  # type: ignore[arg-type]
    assert found["gas"] == PAUSE.gas_limit
    assert found["maxFeePerGas"] == PAUSE.max_fee_wei
    assert found["maxPriorityFeePerGas"] == PAUSE.priority_fee_wei


async def test_sign__value_and_access_list__are_zero_and_empty(signer: Signer) -> None:
    found = await fields(signer, PAUSE)
    assert found["value"] == 0
    assert found["accessList"] == ()


@pytest.mark.parametrize(
    "edge",
    [
        replace(PAUSE, nonce=0),
        replace(PAUSE, nonce=2**64 - 2),
        replace(PAUSE, chain_id=1),
        replace(PAUSE, chain_id=2**53 + 1),
        replace(PAUSE, data=b""),
        replace(PAUSE, data=b"\xff" * 4096),
        replace(PAUSE, priority_fee_wei=0),
        replace(PAUSE, priority_fee_wei=PAUSE.max_fee_wei),
    ],
    ids=["nonce 0", "last nonce", "mainnet", "beyond a double", "no data", "much data", "no tip", "tip = fee"],
)
async def test_sign__values_at_the_edges__round_trip(signer: Signer, edge: UnsignedTransaction) -> None:
    signed = await signer.sign(edge)
    found = await fields(signer, edge)
    assert Account.recover_transaction(signed.raw) == signer.address
    assert (found["nonce"], found["chainId"]) == (edge.nonce, edge.chain_id)
    assert HexBytes(found["data"]) == edge.data  # type: ignore[arg-type]
    assert found["maxPriorityFeePerGas"] == edge.priority_fee_wei


async def test_sign__twice__gives_the_same_bytes(signer: Signer) -> None:
    assert await signer.sign(PAUSE) == await signer.sign(PAUSE)


@pytest.mark.parametrize(
    "other",
    [
        replace(PAUSE, nonce=8),
        replace(PAUSE, chain_id=1),
        replace(PAUSE, data=b"\x00"),
        replace(PAUSE, max_fee_wei=PAUSE.max_fee_wei + 1),
    ],
    ids=["nonce", "chain", "data", "fee"],
)
async def test_sign__another_transaction__has_another_hash(signer: Signer, other: UnsignedTransaction) -> None:
    assert (await signer.sign(PAUSE)).tx_hash != (await signer.sign(other)).tx_hash


async def test_repr__never_shows_the_key(signer: Signer) -> None:
    assert KEY not in repr(signer)


# -- orders of several keepers -------------------------------------------------------------------------------------------------


async def test_sign_order__the_signer_recovered_by_eth_account__is_the_address(orders: OrderSigner) -> None:
    signature = await orders.sign_order(ORDER)
    assert len(signature) == 65
    assert Account._recover_hash(ORDER.digest, signature=signature) == orders.address == ADDRESS


async def test_sign_order__twice__gives_the_same_bytes_and_another_order_others(orders: OrderSigner) -> None:
    assert await orders.sign_order(ORDER) == await orders.sign_order(ORDER)
    assert await orders.sign_order(ORDER) != await orders.sign_order(order(nonce=2))


@pytest.mark.parametrize("number", range(16))
async def test_sign_order__any_order__is_what_the_contract_takes(orders: OrderSigner, number: int) -> None:
    """The lower s, and v of 27 or 28: our own reading is as strict."""
    what = order(nonce=number)
    assert recover(what.digest, await orders.sign_order(what)) == ADDRESS


@pytest.mark.parametrize("text", ["", "keeper audit checkpoint v1\nseq: 7", "naïve ✓", "x" * 5000])
async def test_sign_text__any_text__is_what_a_wallet_signs(signer: Signer, text: str) -> None:
    assert hasattr(signer, "sign_text")
    signature = await cast(IdentitySigner, signer).sign_text(text)
    assert Account.recover_message(encode_defunct(text=text), signature=signature) == signer.address
    assert signature == Account.sign_message(encode_defunct(text=text), KEY).signature.to_0x_hex()


async def test_sign_text__another_text__is_not_signed_by_it(signer: Signer) -> None:
    signature = await cast(IdentitySigner, signer).sign_text("one")
    assert Account.recover_message(encode_defunct(text="other"), signature=signature) != signer.address
