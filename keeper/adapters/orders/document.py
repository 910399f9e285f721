"""A signed order as a document: the text of a file, and the row of a table. What is read is believed only as far as its signature proves it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from keeper.domain.errors import UnitError
from keeper.domain.order import SIGNATURE_BYTES, SignedOrder, order_body, order_from, signed_order
from keeper.domain.record import Json

FORMAT = "keeper-order-1"
LARGEST = 8 * 1024
"""Bytes of one document; a real one has less than 1 KiB."""


def to_document(signed: SignedOrder) -> dict[str, Json]:
    """For people and machines; ``digest`` is there to be compared, and computed anew by whoever reads it."""
    return {
        "format": FORMAT,
        **order_body(signed.order),
        "signer": signed.signer,
        "signature": "0x" + signed.signature.hex(),
    }


def to_text(signed: SignedOrder) -> str:
    return json.dumps(to_document(signed), indent=2) + "\n"


def from_text(text: bytes) -> SignedOrder:
    """Raises UnitError for anything that ``to_text`` does not write, and for a signature that is not the signer's for this order."""
    if len(text) > LARGEST:
        raise UnitError(f"it has more than {LARGEST} bytes")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise UnitError("it is not JSON") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise UnitError(f"it is not a document of the format {FORMAT}")
    return from_document(found)


def from_document(found: Mapping[str, Json]) -> SignedOrder:
    """Raises UnitError."""
    signer, signature = found.get("signer"), found.get("signature")
    if not isinstance(signer, str) or not isinstance(signature, str):
        raise UnitError("it has no signer or no signature")
    digits = signature.removeprefix("0x")
    if len(digits) != 2 * SIGNATURE_BYTES or not all(digit in "0123456789abcdef" for digit in digits):
        raise UnitError("its signature is not 0x and 130 lower-case hexadecimal digits")
    signed = signed_order(order_from(found), bytes.fromhex(digits), signer)
    if set(found) - set(to_document(signed)):
        raise UnitError("it says more than an order does")  # nobody shall read something into it that is not signed
    return signed
