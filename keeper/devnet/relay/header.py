"""The signature in the header of a request, verified on the bytes that came, as go-utils of Flashbots does it."""

from __future__ import annotations

import re
from typing import Final

from eth_account import Account
from eth_account.messages import encode_defunct
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from keeper.domain.address import keccak256

NAMES: Final = ("X-Flashbots-Signature", "X-BuilderNet-Signature")
_HEADER: Final = re.compile(r"(0x[0-9a-fA-F]{40}):(0x[0-9a-fA-F]{128}(?:00|01|1[bB]|1[cC]))")


def verified(header: str, body: bytes) -> str | None:
    """The EIP-55 address that signed these bytes, where it is the one that the header names; else None.

    The message is EIP-191 over the text of the body's hash, with its ``0x``. Address and signature need theirs too. The signature's last byte says
    which of the two possible keys it was, as 0 and 1 or as 27 and 28.
    """
    match = _HEADER.fullmatch(header)
    if match is None:
        return None
    message = encode_defunct(text="0x" + keccak256(body).hex())
    try:
        signer = str(Account.recover_message(message, signature=match[2]))
    except (BadSignature, ValidationError, ValueError):
        return None
    return signer if signer.lower() == match[1].lower() else None
