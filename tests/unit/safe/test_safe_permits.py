"""What is signed for the service itself: the same as safe-eth-py and eth-account make of it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from eth_account.messages import _hash_eip191_message, encode_typed_data

from keeper.adapters.safe.permits import (
    HOUR_MS,
    delegate_digest,
    delegate_typed_data,
    hash_bytes,
    withdrawal_digest,
    withdrawal_typed_data,
)
from keeper.domain.errors import UnitError
from tests.support.safe_proposals import CHAIN_ID, KEEPER, NOW_MS, OTHER_SAFE, PAUSE, SAFE

pytestmark = pytest.mark.unit

HASH = PAUSE.hash_text


@pytest.mark.parametrize("chain_id", [1, 31337, 99_999_999])
def test_digests__are_those_of_the_client(chain_id: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import_module("keeper.adapters.safe.api")  # before safe-eth-py: it keeps the recursion limit
    from safe_eth.eth.eip712 import eip712_encode_hash
    from safe_eth.safe.api.transaction_service_api import transaction_service_messages as theirs

    monkeypatch.setattr(theirs, "get_totp", lambda: NOW_MS // 1000 // 3600)
    delegate: Any = theirs.get_delegate_message(KEEPER, chain_id)  # type: ignore[arg-type]
    assert delegate_digest(chain_id, KEEPER, NOW_MS) == eip712_encode_hash(delegate)
    deletion: Any = theirs.get_remove_transaction_message(SAFE, PAUSE.hash, chain_id)  # type: ignore[arg-type]
    assert withdrawal_digest(chain_id, SAFE, HASH, NOW_MS) == eip712_encode_hash(deletion)


def test_typed_data__hashes_to_the_digest() -> None:
    for document, digest in (
        (delegate_typed_data(CHAIN_ID, KEEPER, NOW_MS), delegate_digest(CHAIN_ID, KEEPER, NOW_MS)),
        (withdrawal_typed_data(CHAIN_ID, SAFE, HASH, NOW_MS), withdrawal_digest(CHAIN_ID, SAFE, HASH, NOW_MS)),
    ):
        assert bytes(_hash_eip191_message(encode_typed_data(full_message=document))) == digest


def test_digests__change_with_every_part_and_with_the_hour_only() -> None:
    hour = NOW_MS - NOW_MS % HOUR_MS
    same = {delegate_digest(CHAIN_ID, KEEPER, at) for at in (hour, hour + HOUR_MS - 1)}
    assert len(same) == 1
    others = {
        delegate_digest(CHAIN_ID, KEEPER, hour + HOUR_MS),
        delegate_digest(CHAIN_ID, KEEPER, hour - 1),
        delegate_digest(CHAIN_ID, SAFE, hour),
        delegate_digest(CHAIN_ID + 1, KEEPER, hour),
        withdrawal_digest(CHAIN_ID, SAFE, HASH, hour),
        withdrawal_digest(CHAIN_ID, OTHER_SAFE, HASH, hour),
        withdrawal_digest(CHAIN_ID, SAFE, HASH[:-1] + ("0" if HASH[-1] != "0" else "1"), hour),
        withdrawal_digest(CHAIN_ID + 1, SAFE, HASH, hour),
        withdrawal_digest(CHAIN_ID, SAFE, HASH, hour - 1),
    }
    assert len(others | same) == 10


@pytest.mark.parametrize("text", ["", HASH[2:], HASH[:-1], HASH + "0", HASH.upper(), "0x" + "g" * 64, HASH + "\n"])
def test_hash__of_another_form__is_refused(text: str) -> None:
    with pytest.raises(UnitError, match="no safeTxHash"):
        hash_bytes(text)


def test_digests__of_an_address_without_checksum__are_refused() -> None:
    for ask in (
        lambda: delegate_digest(CHAIN_ID, KEEPER.lower(), NOW_MS),
        lambda: delegate_typed_data(CHAIN_ID, KEEPER.lower(), NOW_MS),
        lambda: withdrawal_digest(CHAIN_ID, SAFE.lower(), HASH, NOW_MS),
        lambda: withdrawal_typed_data(CHAIN_ID, SAFE.lower(), HASH, NOW_MS),
    ):
        with pytest.raises(UnitError):
            ask()
