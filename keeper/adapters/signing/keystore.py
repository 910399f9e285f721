"""An encrypted keystore (Web3 Secret Storage, version 3: what geth, clef, foundry and eth-account write)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from keeper.adapters.signing.files import PATH_SETTING, read_key_material
from keeper.adapters.signing.local import LocalSigner, same_address
from keeper.domain.errors import SigningError

VERSION = 3
_WRONG_PASSWORD = "MAC mismatch"  # noqa: S105 the library's words

# What the library raises for a file whose parameters are missing, of another type or out of range: it checks none of them.
_MALFORMED = (ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError, TypeError, ValueError)


async def open_keystore(
    path: Path,
    password: str,
    *,
    expected_address: str = "",
    setting: str = PATH_SETTING,
    password_setting: str = "`signer.password`",  # noqa: S107 a place, not a password
) -> LocalSigner:
    """Decrypts the keystore once (about a second by design, in a thread) and keeps the key in memory.

    ``setting`` and ``password_setting`` are where path and password were written, for remedies.

    Raises SigningError: not there, not a keystore of version 3, wrong password, or the key of another address than the
    file or ``expected_address`` says.
    """
    return await asyncio.to_thread(_open, path, password, expected_address, setting, password_setting)


def _open(path: Path, password: str, expected_address: str, setting: str, password_setting: str) -> LocalSigner:
    document = _parse(path, read_key_material(path, what="keystore", private=False, setting=setting))
    signer = LocalSigner(_decrypt(path, document, password, password_setting), expected_address=expected_address)
    stated = document.get("address")
    if isinstance(stated, str) and stated and not same_address(stated, signer.address):
        raise SigningError(
            f"the keystore {path} says that it holds {stated}, and holds the key of {signer.address}",
            remedy="the file was changed: take it from the backup",
        )
    return signer


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise _not_a_keystore(path, "it is not a JSON object")
    document = {str(name).lower(): value for name, value in document.items()}
    if document.get("version") != VERSION:
        raise _not_a_keystore(path, f"it is not of version {VERSION}")
    return document


def _decrypt(path: Path, document: dict[str, Any], password: str, password_setting: str) -> bytes:
    from eth_account import Account

    try:
        return bytes(Account.decrypt(document, password))
    except _MALFORMED as error:  # its text is left out: it may quote what was read
        if _WRONG_PASSWORD in str(error):
            raise SigningError(
                f"the password does not open the keystore {path}",
                remedy=f"check {password_setting} for this file: every character counts, a space at the end too",
            ) from None
        raise _not_a_keystore(path, f"its parameters cannot be used ({type(error).__name__})") from None


def _not_a_keystore(path: Path, why: str) -> SigningError:
    return SigningError(
        f"{path} is not a keystore: {why}",
        remedy="name a Web3 Secret Storage file, as `cast wallet import` or `geth account new` write it",
    )
