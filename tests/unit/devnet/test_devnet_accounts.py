"""Anvil's accounts, read from what it prints."""

from __future__ import annotations

import pytest

from keeper.devnet.accounts import Account, read_accounts
from keeper.domain.errors import SetupError

pytestmark = pytest.mark.unit

BANNER = """
Available Accounts
==================

(0) 0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266 (10000.000000000000000000 ETH)
(1) 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 (10000.000000000000000000 ETH)

Private Keys
==================

(0) 0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80
(1) 0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d

Wallet
==================
"""


def test_read_accounts__banner__pairs_addresses_with_keys_in_order() -> None:
    accounts = read_accounts(BANNER)
    assert [account.address for account in accounts] == [
        "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
        "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    ]
    assert accounts[1].private_key.endswith("8690d")


@pytest.mark.parametrize("banner", ["", BANNER.split("Private Keys", maxsplit=1)[0], BANNER.replace("(1) 0x59", "")])
def test_read_accounts__missing_or_unpaired__raises_with_remedy(banner: str) -> None:
    with pytest.raises(SetupError) as caught:
        read_accounts(banner)
    assert "make setup" in caught.value.remedy


def test_account__repr__does_not_show_the_key() -> None:
    account = Account("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "0xac0974be")
    assert "ac0974be" not in repr(account)
