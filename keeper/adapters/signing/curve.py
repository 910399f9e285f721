"""Signatures over secp256k1 that somebody else made: read, put into the form that chains take, and held against the key."""

from __future__ import annotations

from keeper.domain.address import checksum_address
from keeper.domain.errors import SigningError

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Of the curve's group (SEC 2, 2.4.1)."""

_POINT_BYTES = 64
_ADDRESS_BYTES = 20
_BACKEND = "CoinCurveECCBackend"
_SEQUENCE, _INTEGER = 0x30, 0x02
_SPKI = bytes.fromhex("3056301006072a8648ce3d020106052b8104000a03420004")
"""What stands before the 64 bytes of a key of this curve as SubjectPublicKeyInfo (RFC 5480): its kind, its curve, uncompressed."""


def require_fast_backend() -> None:
    """eth_keys falls back to pure Python in silence (8 to 13 ms a signature, not constant time), or is told to by ECC_BACKEND_CLASS.

    Raises SigningError with the remedy.
    """
    from eth_keys.backends import get_backend

    try:
        backend = type(get_backend()).__name__
    except (ImportError, AttributeError, ValueError):
        backend = "unknown"
    if backend != _BACKEND:
        raise SigningError(
            f"eth_keys signs with {backend}, which is slow and leaks time",
            remedy="install coincurve into this environment (make setup), and unset ECC_BACKEND_CLASS",
        )


def address_of_spki(encoded: bytes) -> str:
    """The account of a public key as SubjectPublicKeyInfo, EIP-55. Raises ValueError: no key of this curve.

    Whether the point is on the curve is not looked at: nobody could sign for one that is not.
    """
    from eth_hash.auto import keccak

    point = encoded.removeprefix(_SPKI)
    if len(point) != _POINT_BYTES or len(encoded) != len(_SPKI) + _POINT_BYTES:
        raise ValueError("not a public key of secp256k1")
    return checksum_address(keccak(point)[-_ADDRESS_BYTES:])


def from_der(encoded: bytes) -> tuple[int, int]:
    """r and s of a signature as DER (X.690) has it, strictly. Raises ValueError."""
    body, rest = _element(encoded, _SEQUENCE)
    r, body = _element(body, _INTEGER)
    s, body = _element(body, _INTEGER)
    if rest or body:
        raise ValueError("more than a signature")
    return _positive(r), _positive(s)


def lower(s: int) -> int:
    """Of the two s that are as good, the one that chains take (EIP-2)."""
    return min(s, ORDER - s)


def recovered(digest: bytes, v: int, r: int, s: int) -> str:
    """Who signed the digest, EIP-55; empty when nobody can have. ``v`` is the parity, 0 or 1."""
    from eth_keys.datatypes import Signature
    from eth_keys.exceptions import BadSignature
    from eth_utils.exceptions import ValidationError

    try:
        key = Signature(vrs=(v, r, s)).recover_public_key_from_msg_hash(digest)
    except (BadSignature, ValidationError, ValueError):
        return ""
    return str(key.to_checksum_address())


def parity(digest: bytes, r: int, s: int, address: str) -> int | None:
    """The v with which this account made the signature, by trial, since DER does not hold it; None: with neither."""
    return next((v for v in (0, 1) if recovered(digest, v, r, s) == address), None)


def _element(encoded: bytes, tag: int) -> tuple[bytes, bytes]:
    """Its content, and what follows. A signature is shorter than 128 bytes, so a length is one byte."""
    if len(encoded) < 2 or encoded[0] != tag or encoded[1] >= 0x80 or len(encoded) < 2 + encoded[1]:
        raise ValueError("not as DER has it")
    end = 2 + encoded[1]
    return encoded[2:end], encoded[end:]


def _positive(encoded: bytes) -> int:
    number = int.from_bytes(encoded, "big", signed=True)
    padded = len(encoded) > 1 and encoded[0] == 0 and encoded[1] < 0x80
    if padded or not 0 < number < ORDER:
        raise ValueError("not a part of a signature")
    return number
