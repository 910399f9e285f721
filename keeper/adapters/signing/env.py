"""A key that the environment holds as it is: for development, where it can be lost."""

from __future__ import annotations

import asyncio
import re

from keeper.adapters.signing.local import LocalSigner
from keeper.domain.errors import SigningError

_KEY = re.compile(r"(?:0x)?([0-9a-fA-F]{64})")


async def open_env(key: str, *, expected_address: str = "", setting: str = "`signer.key`") -> LocalSigner:
    """The signer of this key: 64 hex digits, with or without 0x. ``setting`` is where it was written, for remedies.

    Whether the chain is one with money on it is for whoever reads the configuration to ask. Raises SigningError: not a key, or the key of
    another address.
    """
    return await asyncio.to_thread(_open, key, expected_address, setting)


def _open(key: str, expected_address: str, setting: str) -> LocalSigner:
    match = _KEY.fullmatch(key.strip())
    if match is None:
        raise SigningError(
            f"what {setting} stands for is not a key",
            remedy="the variable must hold 64 hex digits and nothing else: see how it is exported",
        )
    return LocalSigner(bytes.fromhex(match.group(1)), expected_address=expected_address)
