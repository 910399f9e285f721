"""An encrypted keystore (Web3 Secret Storage, version 3: what geth, clef, foundry and eth-account write)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final

from keeper.adapters.signing.files import PATH_SETTING, read_key_material
from keeper.adapters.signing.local import LocalSigner, same_address
from keeper.domain.errors import SigningError

VERSION = 3
MAX_ROUNDS: Final = 10_000_000
"""Of pbkdf2: some seconds. Clients write one million at most."""
MAX_SCRYPT_BYTES: Final = 512 * 1024 * 1024
"""Twice what geth writes at its strongest (n = 262144, r = 8, p = 1)."""
_MAX_SCRYPT_FACTOR = 64
_KEY_BYTES = 32
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
    _check_costs(path, document)
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
        document = _in_lower_case(json.loads(text))
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise _not_a_keystore(path, "it is not a JSON object")
    if document.get("version") != VERSION:
        raise _not_a_keystore(path, f"it is not of version {VERSION}")
    return document


def _in_lower_case(value: Any) -> Any:
    """With all names in lower case, as old clients wrote some of them otherwise."""
    if not isinstance(value, dict):
        return value
    return {name.lower(): _in_lower_case(below) for name, below in value.items()}


def _check_costs(path: Path, document: dict[str, Any]) -> None:
    """Whether the file can be opened at a price that somebody meant: it is the file that says how much time and memory a guess takes.

    Raises SigningError. What else is wrong with it, the library says.
    """
    crypto = document.get("crypto")
    costs = crypto.get("kdfparams") if isinstance(crypto, dict) else None
    if not isinstance(crypto, dict) or not isinstance(costs, dict):
        return
    names = ("dklen", "n", "r", "p") if crypto.get("kdf") == "scrypt" else ("dklen", "c")
    numbers = {name: costs.get(name) for name in names}
    found = {name: number for name, number in numbers.items() if type(number) is int and number > 0}
    if len(found) < len(names) or found["dklen"] != _KEY_BYTES:
        raise _not_a_keystore(path, f"its parameters cannot be used ({', '.join(names)})")
    if "c" in found:
        dear = found["c"] > MAX_ROUNDS
    else:
        n, r, p = found["n"], found["r"], found["p"]
        dear = n * r * p * 128 > MAX_SCRYPT_BYTES or max(r, p) > _MAX_SCRYPT_FACTOR
    if dear:
        raise SigningError(
            f"the keystore {path} asks for more time or memory than any that is meant to be opened",
            remedy="write it anew with usual parameters: scrypt with n = 262144, r = 8, p = 1, or pbkdf2 with c = 1000000",
        )


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
