"""Safe transactions, batches and signatures, whatever they hold."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_typing import URI
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safe_eth.eth import EthereumClient
from safe_eth.safe import SafeTx
from web3 import Web3

from keeper.app.council.decoding import decode
from keeper.app.council.known import Known
from keeper.app.council.remarks import differences, remarks
from keeper.domain.address import checksum_address, keccak256
from keeper.domain.errors import UnitError
from keeper.domain.multisend import InnerCall, decode_multisend, encode_multisend
from keeper.domain.proposal import Confirmation, Level, Queued, SafeState
from keeper.domain.safe import ZERO_ADDRESS, Operation, SafeTransaction
from keeper.domain.safe_calls import SAFE_CALLS, Meaning
from keeper.domain.safe_signatures import approved_signature, contract_signature, joined, recover_owner, split

pytestmark = pytest.mark.property

ADDRESSES = st.binary(min_size=20, max_size=20).map(checksum_address)
NUMBERS = st.integers(0, (1 << 256) - 1)
DATA = st.binary(max_size=300)
CALLS = st.lists(st.tuples(ADDRESSES, NUMBERS, DATA), min_size=1, max_size=8)
TRANSACTIONS = st.builds(
    SafeTransaction,
    chain_id=st.integers(1, 1 << 53),
    safe=ADDRESSES,
    nonce=NUMBERS,
    to=ADDRESSES,
    data=DATA,
    value=NUMBERS,
    operation=st.sampled_from(Operation),
    safe_tx_gas=NUMBERS,
    base_gas=NUMBERS,
    gas_price=NUMBERS,
    gas_token=ADDRESSES,
    refund_receiver=ADDRESSES,
)
KEYS = [Account.from_key(bytes([number]) * 32) for number in range(1, 6)]
SAFE = checksum_address(b"\x5a" * 20)
SIGNATURES = st.lists(st.tuples(ADDRESSES, DATA), max_size=3, unique_by=lambda one: one[0])
KNOWN = Known(SAFE, {SAFE: "this Safe"})
STATE = SafeState(1, SAFE, "1.4.1", (KEYS[0].address,), 1, 7, (), ZERO_ADDRESS, ZERO_ADDRESS, 1)
SELECTORS = st.sampled_from([*SAFE_CALLS, keccak256(b"multiSend(bytes)")[:4]])


@given(TRANSACTIONS)
@settings(max_examples=100)
def test_saf_1__hash__is_what_wallets_and_safe_eth_compute(transaction: SafeTransaction) -> None:
    signable = encode_typed_data(full_message=transaction.typed_data())
    assert (signable.header, signable.body) == (transaction.domain_hash, transaction.message_hash)
    assert keccak256(b"\x19" + signable.version + signable.header + signable.body) == transaction.hash
    t = transaction
    theirs = SafeTx(
        EthereumClient(URI("http://127.0.0.1:1")), Web3.to_checksum_address(t.safe), Web3.to_checksum_address(t.to), t.value,
        t.data, int(t.operation), t.safe_tx_gas, t.base_gas, t.gas_price, Web3.to_checksum_address(t.gas_token),
        Web3.to_checksum_address(t.refund_receiver), safe_nonce=t.nonce, safe_version="1.4.1", chain_id=t.chain_id,
    )  # fmt: skip
    assert bytes(theirs.safe_tx_hash) == transaction.hash


@given(CALLS)
def test_saf_2__batch__reads_back_as_it_was_written(calls: list[tuple[str, int, bytes]]) -> None:
    assert decode_multisend(encode_multisend(calls)) == tuple(InnerCall(Operation.CALL, *call) for call in calls)


@given(CALLS, st.data())
def test_saf_2__batch_with_one_byte_changed__never_reads_as_the_same(
    calls: list[tuple[str, int, bytes]], data: st.DataObject
) -> None:
    encoded = bytearray(encode_multisend(calls))
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= data.draw(st.integers(1, 255))
    assert decode_multisend(bytes(encoded)) != decode_multisend(encode_multisend(calls))


@given(
    st.lists(
        st.one_of(
            ADDRESSES.map(lambda owner: Confirmation(owner, approved_signature(owner))),
            st.builds(lambda owner, blob: Confirmation(owner, contract_signature(owner, blob)), ADDRESSES, DATA),
            st.sampled_from(KEYS).map(
                lambda key: Confirmation(
                    key.address, bytes(Account.unsafe_sign_hash(keccak256(b"x"), key.key).signature)
                )
            ),
        ),
        min_size=1,
        max_size=6,
        unique_by=lambda one: one.owner,
    ),
    st.data(),
)
def test_saf_3__signatures_joined__ascend_and_come_apart_again(
    confirmations: list[Confirmation], data: st.DataObject
) -> None:
    threshold = data.draw(st.integers(1, len(confirmations)))
    by_signature = {one.signature: one.owner for one in confirmations}
    apart = split(joined(confirmations, threshold), threshold)
    owners = [int(by_signature[one], 16) for one in apart]
    assert len(owners) == threshold
    assert all(before < after for before, after in pairwise(owners))


@given(TRANSACTIONS, st.sampled_from(KEYS), st.binary(max_size=200))
@settings(max_examples=50)
def test_saf_4__signature__is_its_signers_alone(
    transaction: SafeTransaction, key: LocalAccount, garbage: bytes
) -> None:
    signature = bytes(Account.unsafe_sign_hash(transaction.hash, key.key).signature)
    assert recover_owner(transaction.hash, signature) == key.address
    with suppress(UnitError):
        assert recover_owner(transaction.hash, garbage) != key.address


@given(TRANSACTIONS, st.one_of(st.just(b""), SELECTORS), DATA, SIGNATURES)
def test_saf_5__any_calldata__is_told_and_never_raises(
    transaction: SafeTransaction, selector: bytes, data: bytes, signatures: list[tuple[str, bytes]]
) -> None:
    hostile = SafeTransaction(1, SAFE, 1, transaction.to, selector + data, transaction.value, transaction.operation)
    decoded = decode(hostile, KNOWN)
    assert decoded.text.isprintable()
    assert decoded.data == "0x" + hostile.data.hex()
    found = remarks(hostile, STATE, decoded, frozenset())
    if hostile.operation is Operation.DELEGATECALL:
        assert found[0].level is Level.ALARM
    told = differences(Queued(hostile, "", tuple(Confirmation(*one) for one in signatures)), STATE)
    assert len(told) >= 1 + len(signatures)


@given(CALLS, st.integers(0, 8), st.sampled_from(list(SAFE_CALLS.values())), DATA)
@example([(SAFE, 0, b"")], 0, SAFE_CALLS[keccak256(b"enableModule(address)")[:4]], b"")
def test_saf_6__what_takes_the_safe_over__is_an_alarm_wherever_it_stands(
    calls: list[tuple[str, int, bytes]], place: int, meaning: Meaning, data: bytes
) -> None:
    library = checksum_address(b"\x11" * 20)
    calls.insert(place % (len(calls) + 1), (SAFE, 0, meaning.selector + data))
    once = encode_multisend(calls)
    for encoded in (once, encode_multisend([(library, 0, once)])):
        of = SafeTransaction(1, SAFE, 7, library, encoded, operation=Operation.DELEGATECALL)
        found = remarks(of, STATE, decode(of, KNOWN), frozenset({library}))
        if meaning.level is Level.ALARM:
            assert found[0].level is Level.ALARM
