"""Anvil's ten funded accounts, as the node itself prints them.

They come from a mnemonic that the whole world knows: public test keys, worth nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from keeper.domain.address import checksum_address
from keeper.domain.errors import SetupError

_ADDRESS = re.compile(r"^\(\d+\) 0x([0-9a-fA-F]{40}) \(", re.MULTILINE)
_KEY = re.compile(r"^\(\d+\) (0x[0-9a-fA-F]{64})\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Account:
    """``address`` is EIP-55, ``private_key`` 0x-prefixed hex. The key is left out of ``repr`` as that of a real account would be."""

    address: str
    private_key: str = field(repr=False)


def read_accounts(banner: str) -> tuple[Account, ...]:
    """The accounts in what anvil prints when it starts, in its order. Raises SetupError when there are none."""
    addresses = [checksum_address(bytes.fromhex(digits)) for digits in _ADDRESS.findall(banner)]
    keys = _KEY.findall(banner)
    if not addresses or len(addresses) != len(keys):
        raise SetupError(
            "anvil did not print its accounts as expected", remedy="run: make setup (anvil is pinned there)"
        )
    return tuple(Account(address, key) for address, key in zip(addresses, keys, strict=True))
