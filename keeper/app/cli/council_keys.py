"""An owner's key on the command line, and the question before it is used. The key is read for one signature and kept nowhere."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from keeper.app.cli.asking import NOTHING_TYPED, ask, ask_hidden, at_terminal
from keeper.domain.errors import UnitError

if TYPE_CHECKING:
    from keeper.adapters.signing.local import LocalSigner
    from keeper.app.cli.output import Output

ASKED_DIGITS: Final = 6
"""So many of the hash must be typed: whoever types them has compared the end of it."""
DONE: Final = {"sign": "signed", "execute": "executed"}
_A_KEY: Final = re.compile(r"(?:0x)?[0-9a-fA-F]{64}")
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
        """Raises SigningError, UnitError without a password, Interrupted."""
        from keeper.adapters.signing.files import read_key_material
        from keeper.adapters.signing.key_file import open_key_file
        from keeper.adapters.signing.keystore import open_keystore

        if self.key_file is not None:
            return await open_key_file(self.key_file, setting=_option("--key-file", self.key_file))
        assert self.keystore is not None, "named was not asked"
        keystore = _option("--keystore", self.keystore)
        read_key_material(self.keystore, what="keystore", private=False, setting=keystore)  # before a password is asked
        if self.password_file is not None:
            typed = _option("--password-file", self.password_file)
            password = read_key_material(self.password_file, what="password file", private=True, setting=typed)
            password = password.rstrip("\r\n")
        else:
            typed, password = "the password that was typed", _password(self.keystore)
        return await open_keystore(self.keystore, password, setting=keystore, password_setting=typed)


def _option(name: str, file: Path) -> str:
    """The option as it was typed; without its file where somebody has typed the key itself."""
    return name if _A_KEY.fullmatch(str(file)) else f"{name} {shlex.quote(str(file))}"


def _password(keystore: Path) -> str:
    if not at_terminal():
        raise UnitError("the keystore's password is not given", remedy="--password-file FILE, or run it on a terminal")
    password = ask_hidden(f"Password of {keystore}: ", "signed")
    if password is None:
        raise UnitError("no password was typed: nothing was signed", remedy="type the keystore's password")
    return password


def agreed(output: Output, safe_tx_hash: str, *, yes: bool, verb: str = "sign") -> str:
    """Why it may not be done; empty when whoever sits here has said yes: by ``--yes``, or by typing the end of the hash on a terminal.

    ``verb`` is what is asked for, of DONE. Raises Interrupted.
    """
    if yes:
        return ""
    if output.as_json or not at_terminal():
        return NOBODY_ASKED
    typed = ask(f"Type the last {ASKED_DIGITS} digits of the hash to {verb}: ", DONE[verb]).lower()
    if not typed:
        return NOTHING_TYPED
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
