"""Our encoding of a transaction against eth_account's, over the whole range of every field."""

from __future__ import annotations

import asyncio

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.signing.local import LocalSigner
from keeper.domain.evm import UnsignedTransaction

pytestmark = pytest.mark.property

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
WORD = st.integers(0, 2**256 - 1) | st.integers(0, 300)


@given(
    key=st.integers(1, ORDER - 1),
    chain_id=WORD,
    nonce=WORD,
    to=st.binary(min_size=20, max_size=20),
    data=st.binary(max_size=300),
    gas_limit=WORD,
    max_fee_wei=WORD,
    priority_fee_wei=WORD,
)
def test_sign__any_transaction__gives_the_bytes_and_the_hash_of_eth_account(
    key: int,
    chain_id: int,
    nonce: int,
    to: bytes,
    data: bytes,
    gas_limit: int,
    max_fee_wei: int,
    priority_fee_wei: int,
) -> None:
    secret = key.to_bytes(32, "big")
    transaction = UnsignedTransaction(chain_id, nonce, "0x" + to.hex(), data, gas_limit, max_fee_wei, priority_fee_wei)
    theirs = Account.from_key(secret).sign_transaction(
        {
            "type": 2,
            "chainId": chain_id,
            "nonce": nonce,
            "to": to,
            "value": 0,
            "data": data,
            "gas": gas_limit,
            "maxFeePerGas": max_fee_wei,
            "maxPriorityFeePerGas": priority_fee_wei,
            "accessList": (),
        }
    )
    ours = asyncio.run(LocalSigner(secret).sign(transaction))
    assert ours.raw == "0x" + theirs.raw_transaction.hex()
    assert ours.tx_hash == "0x" + theirs.hash.hex()
