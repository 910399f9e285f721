"""What is signed for the service itself: the same as safe-eth-py and eth-account make of it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from eth_account.messages import _hash_eip191_message, encode_typed_data

from keeper.domain.council_words import HOUR_MS, Delegation, Withdrawal, hash_bytes, hour_of
from keeper.domain.errors import UnitError
from tests.support.safe_proposals import CHAIN_ID, KEEPER, NOW_MS, OTHER_SAFE, PAUSE, SAFE

pytestmark = pytest.mark.unit

HASH = PAUSE.hash_text
HOUR = hour_of(NOW_MS)


@pytest.mark.parametrize("chain_id", [1, 31337, 99_999_999])
def test_hashes__are_those_of_the_client(chain_id: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import_module("keeper.adapters.safe.api")  # before safe-eth-py: it keeps the recursion limit
    from safe_eth.eth.eip712 import eip712_encode_hash
    from safe_eth.safe.api.transaction_service_api import transaction_service_messages as theirs

    monkeypatch.setattr(theirs, "get_totp", lambda: NOW_MS // 1000 // 3600)
    delegate: Any = theirs.get_delegate_message(KEEPER, chain_id)  # type: ignore[arg-type]
    assert Delegation(chain_id, KEEPER, HOUR).hash == eip712_encode_hash(delegate)
    deletion: Any = theirs.get_remove_transaction_message(SAFE, PAUSE.hash, chain_id)  # type: ignore[arg-type]
    assert Withdrawal(chain_id, SAFE, HASH, HOUR).hash == eip712_encode_hash(deletion)


@pytest.mark.parametrize("words", [Delegation(CHAIN_ID, KEEPER, HOUR), Withdrawal(CHAIN_ID, SAFE, HASH, HOUR)])
def test_typed_data__has_the_same_hash(words: Delegation | Withdrawal) -> None:
    assert bytes(_hash_eip191_message(encode_typed_data(full_message=words.typed_data()))) == words.hash


def test_hashes__change_with_every_part() -> None:
    all_of_them = {
        Delegation(CHAIN_ID, KEEPER, HOUR).hash,
        Delegation(CHAIN_ID, KEEPER, HOUR + 1).hash,
        Delegation(CHAIN_ID, SAFE, HOUR).hash,
        Delegation(CHAIN_ID + 1, KEEPER, HOUR).hash,
        Withdrawal(CHAIN_ID, SAFE, HASH, HOUR).hash,
        Withdrawal(CHAIN_ID, OTHER_SAFE, HASH, HOUR).hash,
        Withdrawal(CHAIN_ID, SAFE, HASH[:-1] + ("0" if HASH[-1] != "0" else "1"), HOUR).hash,
        Withdrawal(CHAIN_ID + 1, SAFE, HASH, HOUR).hash,
        Withdrawal(CHAIN_ID, SAFE, HASH, HOUR - 1).hash,
    }
    assert len(all_of_them) == 9


def test_hour__is_the_same_until_the_next_begins() -> None:
    begin = HOUR * HOUR_MS
    assert [hour_of(at) - HOUR for at in (begin - 1, begin, begin + HOUR_MS - 1, begin + HOUR_MS)] == [-1, 0, 0, 1]


@pytest.mark.parametrize("text", ["", HASH[2:], HASH[:-1], HASH + "0", HASH.upper(), "0x" + "g" * 64, HASH + "\n"])
def test_hash__of_another_form__is_refused(text: str) -> None:
    with pytest.raises(UnitError, match="no safeTxHash"):
        hash_bytes(text)
    with pytest.raises(UnitError, match="no safeTxHash"):
        Withdrawal(CHAIN_ID, SAFE, text, HOUR)


def test_hashes__of_an_address_without_checksum__are_refused() -> None:
    for words in (Delegation(CHAIN_ID, KEEPER.lower(), HOUR), Withdrawal(CHAIN_ID, SAFE.lower(), HASH, HOUR)):
        with pytest.raises(UnitError):
            _ = words.hash
