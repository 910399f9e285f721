"""What every signer does, however it keeps its key."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.address import is_checksum_address
from eth_utils.crypto import keccak
from hexbytes import HexBytes

from keeper.adapters.signing.curve import ORDER as ORDER_OF_CURVE
from keeper.adapters.signing.env import open_env
from keeper.adapters.signing.key_file import open_key_file
from keeper.adapters.signing.keystore import open_keystore
from keeper.adapters.signing.kms import KmsSigner, open_kms
from keeper.adapters.signing.local import LocalSigner
from keeper.adapters.signing.remote import RemoteSigner, open_remote
from keeper.domain.council_words import Delegation
from keeper.domain.errors import SigningError
from keeper.domain.evm import SignedTransaction, UnsignedTransaction
from keeper.domain.order import recover
from keeper.ports.signer import IdentitySigner, OrderSigner, SafeSigner, Signer
from tests.support.kms_endpoint import ALIAS, REGION, kms_endpoint, use_credentials
from tests.support.orders import ORDER, order
from tests.support.remote_signer import RemoteEndpoint, remote_endpoint

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


PATIENCE_S = 60.0
"""On a busy machine. The time-outs themselves have tests of their own."""


@asynccontextmanager
async def in_memory(_: Path) -> AsyncIterator[Signer]:
    yield LocalSigner(bytes.fromhex(KEY))


@asynccontextmanager
async def from_key_file(folder: Path) -> AsyncIterator[Signer]:
    path = folder / "key"
    path.write_text(KEY + "\n")
    path.chmod(0o600)
    yield await open_key_file(path, expected_address=ADDRESS)


@asynccontextmanager
async def from_keystore(folder: Path) -> AsyncIterator[Signer]:
    path = folder / "keystore.json"
    path.write_text(json.dumps(Account.encrypt(bytes.fromhex(KEY), "secret", kdf="pbkdf2", iterations=2)))
    yield await open_keystore(path, "secret", expected_address=ADDRESS)


@asynccontextmanager
async def from_environment(_: Path) -> AsyncIterator[Signer]:
    yield await open_env(f"0x{KEY}", expected_address=ADDRESS)


@asynccontextmanager
async def from_remote(_: Path) -> AsyncIterator[Signer]:
    with remote_endpoint(KEY) as remote:
        yield ObedientRemote(await open_remote(remote.url, ADDRESS, timeout_s=PATIENCE_S), remote)


class ObedientRemote:
    """A service for every chain: a real one has its chain from its command line."""

    def __init__(self, signer: RemoteSigner, remote: RemoteEndpoint) -> None:
        self._signer = signer
        self._remote = remote

    @property
    def address(self) -> str:
        return self._signer.address

    async def sign(self, transaction: UnsignedTransaction) -> SignedTransaction:
        self._remote.chain_id = transaction.chain_id
        return await self._signer.sign(transaction)

    def __repr__(self) -> str:
        return repr(self._signer)


Maker = Callable[[Path], AbstractAsyncContextManager[Signer]]
HERE: list[Maker] = [in_memory, from_key_file, from_keystore, from_environment]
"""The key lies in this process: it also signs texts, and the same thing twice the same way."""


@pytest.fixture(scope="module")
def kms() -> Iterator[KmsSigner]:
    """One for all tests: AWS' client takes a while to make."""
    with kms_endpoint(int(KEY, 16)) as endpoint, pytest.MonkeyPatch.context() as patch:
        use_credentials(patch)
        opening = open_kms(ALIAS, REGION, endpoint=endpoint.url, expected_address=ADDRESS, timeout_s=PATIENCE_S)
        yield asyncio.run(opening)


@pytest.fixture(params=[*HERE, KmsSigner, from_remote])
async def signer(request: pytest.FixtureRequest, tmp_path: Path, kms: KmsSigner) -> AsyncIterator[Signer]:
    if request.param is KmsSigner:
        yield kms
        return
    make: Maker = request.param
    async with make(tmp_path) as made:
        yield made


@pytest.fixture(params=HERE)
async def local(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Signer]:
    make: Maker = request.param
    async with make(tmp_path) as made:
        yield made


@pytest.fixture(params=[*HERE, KmsSigner])
async def orders(request: pytest.FixtureRequest, tmp_path: Path, kms: KmsSigner) -> AsyncIterator[OrderSigner]:
    """Those that sign more than transactions, as keepers that sign together use them."""
    if request.param is KmsSigner:
        yield kms
        return
    make: Maker = request.param
    async with make(tmp_path) as made:
        yield cast(OrderSigner, made)


def read(signed: SignedTransaction) -> dict[str, Any]:
    return dict(TypedTransaction.from_bytes(HexBytes(signed.raw)).as_dict())


async def fields(signer: Signer, transaction: UnsignedTransaction) -> dict[str, Any]:
    return read(await signer.sign(transaction))


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
    assert HexBytes(found["to"]) == HexBytes(PAUSE.to)
    assert HexBytes(found["data"]) == PAUSE.data
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
    found = read(signed)
    assert Account.recover_transaction(signed.raw) == signer.address
    assert (found["nonce"], found["chainId"]) == (edge.nonce, edge.chain_id)
    assert HexBytes(found["data"]) == edge.data
    assert found["maxPriorityFeePerGas"] == edge.priority_fee_wei


async def test_sign__twice__gives_the_same_bytes(local: Signer) -> None:
    assert await local.sign(PAUSE) == await local.sign(PAUSE)


@pytest.mark.parametrize("number", range(8))
async def test_sign__any_transaction__has_the_lower_s_and_a_parity(signer: Signer, number: int) -> None:
    found = await fields(signer, replace(PAUSE, nonce=number))
    assert 0 < found["s"] <= ORDER_OF_CURVE // 2
    assert found["v"] in (0, 1)


@pytest.mark.parametrize(
    "broken",
    [replace(PAUSE, to=""), replace(PAUSE, to=TARGET[:-2]), replace(PAUSE, nonce=-1), replace(PAUSE, gas_limit=-1)],
    ids=["no recipient", "short recipient", "nonce", "gas"],
)
async def test_sign__what_cannot_be_encoded__is_a_signing_error_with_a_remedy(
    signer: Signer, broken: UnsignedTransaction
) -> None:
    with pytest.raises(SigningError, match="cannot be encoded") as caught:
        await signer.sign(broken)
    assert caught.value.remedy


async def test_sign__several_at_once__are_each_their_own(signer: Signer) -> None:
    async def one(nonce: int) -> int:
        return int((await fields(signer, replace(PAUSE, nonce=nonce)))["nonce"])

    assert await asyncio.gather(*map(one, range(6))) == list(range(6))


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


async def test_sign_order__another_order__has_another_signature(orders: OrderSigner) -> None:
    assert await orders.sign_order(ORDER) != await orders.sign_order(order(nonce=2))


async def test_sign_order__twice__gives_the_same_bytes(local: Signer) -> None:
    signer = cast(OrderSigner, local)
    assert await signer.sign_order(ORDER) == await signer.sign_order(ORDER)


async def test_sign_safe__the_signer_recovered_by_eth_account__is_the_address(orders: OrderSigner) -> None:
    """A Safe's hash is no message: what is signed is the digest itself."""
    words = Delegation(chain_id=1, delegate=TARGET, hour=7)
    signature = await cast(SafeSigner, orders).sign_safe(words)
    assert Account._recover_hash(words.hash, signature=signature) == ADDRESS
    assert recover(words.hash, signature) == ADDRESS


@pytest.mark.parametrize("number", range(16))
async def test_sign_order__any_order__is_what_the_contract_takes(orders: OrderSigner, number: int) -> None:
    """The lower s, and v of 27 or 28: our own reading is as strict."""
    what = order(nonce=number)
    assert recover(what.digest, await orders.sign_order(what)) == ADDRESS


@pytest.mark.parametrize("text", ["", "keeper audit checkpoint v1\nseq: 7", "naïve ✓", "x" * 5000])
async def test_sign_text__any_text__is_what_a_wallet_signs(local: Signer, text: str) -> None:
    assert hasattr(local, "sign_text")
    signature = await cast(IdentitySigner, local).sign_text(text)
    assert Account.recover_message(encode_defunct(text=text), signature=signature) == local.address
    assert signature == Account.sign_message(encode_defunct(text=text), KEY).signature.to_0x_hex()


async def test_sign_text__another_text__is_not_signed_by_it(local: Signer) -> None:
    signature = await cast(IdentitySigner, local).sign_text("one")
    assert Account.recover_message(encode_defunct(text="other"), signature=signature) != local.address
