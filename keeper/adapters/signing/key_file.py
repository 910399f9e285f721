"""A private key as hex in a file that only its owner may read."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from keeper.adapters.signing.files import PATH_SETTING, read_key_material
from keeper.adapters.signing.local import LocalSigner
from keeper.domain.errors import SigningError

_KEY = re.compile(r"(?:0x)?([0-9a-fA-F]{64})")


async def open_key_file(path: Path, *, expected_address: str = "", setting: str = PATH_SETTING) -> LocalSigner:
    """The signer of the key in this file: 64 hex digits, with or without 0x; white space around them does not matter.
    ``setting`` is where the path was written, for remedies.

    Raises SigningError: not there, readable by others, not a key, or the key of another address.
    """
    return await asyncio.to_thread(_open, path, expected_address, setting)


def _open(path: Path, expected_address: str, setting: str) -> LocalSigner:
    match = _KEY.fullmatch(read_key_material(path, what="key file", private=True, setting=setting).strip())
    if match is None:
        raise SigningError(
            f"the key file {path} does not hold a key",
            remedy="it must hold 64 hex digits and nothing else; an encrypted file is `kind: keystore`",
        )
    return LocalSigner(bytes.fromhex(match.group(1)), expected_address=expected_address)
