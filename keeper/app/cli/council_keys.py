"""An owner's key on the command line, and the question before it is used. The key is read for one signature and kept nowhere."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from keeper.domain.errors import UnitError

if TYPE_CHECKING:
    from keeper.adapters.signing.local import LocalSigner
    from keeper.app.cli.output import Output

ASKED_DIGITS: Final = 6
"""So many of the hash must be typed: whoever types them has compared the end of it."""
NOBODY_ASKED: Final = "nobody was asked: this is no terminal"


@dataclass(frozen=True, slots=True)
class Key:
    """Where an owner's key is: an encrypted keystore with the file of its password, or a key file."""

    keystore: Path | None = None
    password_file: Path | None = None
    key_file: Path | None = None

    def __post_init__(self) -> None:
        if self.keystore is not None and self.key_file is not None:
            raise UnitError("--keystore and --key-file are two keys", remedy="name one of them")
        if self.password_file is not None and self.keystore is None:
            raise UnitError("--password-file belongs to --keystore", remedy="name the keystore, or leave it out")

    @property
    def named(self) -> bool:
        return self.keystore is not None or self.key_file is not None

    @property
    def kind(self) -> str:
        """For the record: how it was signed."""
        return "keystore" if self.keystore is not None else "key-file"

    async def open(self) -> LocalSigner:
        """Raises SigningError, UnitError without a password."""
        from keeper.adapters.signing.files import read_key_material
        from keeper.adapters.signing.key_file import open_key_file
        from keeper.adapters.signing.keystore import open_keystore

        if self.key_file is not None:
            return await open_key_file(self.key_file)
        assert self.keystore is not None, "named was not asked"
        if self.password_file is not None:
            password = read_key_material(self.password_file, what="password file", private=True).rstrip("\r\n")
        else:
            password = _password(self.keystore)
        return await open_keystore(self.keystore, password)


def _password(keystore: Path) -> str:
    if not sys.stdin.isatty():
        raise UnitError("the keystore's password is not given", remedy="--password-file FILE, or run it on a terminal")
    import getpass

    return getpass.getpass(f"Password of {keystore}: ", stream=sys.stderr)


def agreed(output: Output, safe_tx_hash: str, *, yes: bool) -> str:
    """Why it may not be signed; empty when whoever sits here has said yes: by ``--yes``, or by typing the end of the hash on a terminal."""
    if yes:
        return ""
    if output.as_json or not sys.stdin.isatty():
        return NOBODY_ASKED
    sys.stderr.write(f"Type the last {ASKED_DIGITS} digits of the hash to sign: ")
    sys.stderr.flush()
    typed = sys.stdin.readline().strip().lower()
    return "" if typed == safe_tx_hash[-ASKED_DIGITS:] else "the digits typed are not those of the hash"


def read_signature(text: str) -> bytes:
    """0x and the digits of a signature made elsewhere. Raises UnitError."""
    digits = text.strip().removeprefix("0x")
    try:
        raw = bytes.fromhex(digits)
    except ValueError:
        raw = b""
    if len(raw) < 65:
        raise UnitError("the signature is not 0x and 130 digits or more", remedy="copy all of what the wallet printed")
    return raw[:-1] + bytes([raw[-1] + 27]) if len(raw) == 65 and raw[-1] in (0, 1) and any(raw[32:64]) else raw
