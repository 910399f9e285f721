"""A checkpoint: the keeper's signed word that its log had this head. Kept in the log's database, and by witnesses outside of it.

A chain of hashes shows that nothing inside of it was changed. That its end was not cut off, and that it was not made anew as a whole, only
somebody can say who saw it before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from keeper.domain.address import keccak256
from keeper.domain.errors import UnitError
from keeper.domain.order import recover

TITLE: Final = "keeper audit checkpoint v1"
_HASH = re.compile(r"0x[0-9a-f]{64}")
_AT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_SIGNATURE = re.compile(r"0x[0-9a-f]{130}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """``number`` counts from 1 without holes; ``seq`` and ``head`` are the last record's; ``genesis`` is the hash of record 1, which names the log.

    ``prev`` is the signature of the checkpoint before (empty for the first), ``at`` ISO 8601 UTC with milliseconds, ``signer`` EIP-55.
    """

    number: int
    seq: int
    head: str
    genesis: str
    at: str
    keeper: str
    chain_id: int
    signer: str
    prev: str


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """``signature``: 65 bytes as 0x-text, EIP-191 (``personal_sign``) over ``message``."""

    checkpoint: Checkpoint
    signature: str


def message(checkpoint: Checkpoint) -> str:
    """The text that is signed: one ``name: value`` a line, so that any wallet shows it and any tool can check it."""
    lines = [TITLE]
    lines += [
        f"{name}: {getattr(checkpoint, name)}"
        for name in ("keeper", "chain_id", "genesis", "number", "seq", "head", "at", "signer", "prev")
    ]
    return "\n".join(lines)


def digest(checkpoint: Checkpoint) -> bytes:
    """What is signed of ``message``: the 32 bytes of EIP-191 (``personal_sign``)."""
    return text_digest(message(checkpoint))


def text_digest(text: str) -> bytes:
    """EIP-191, version 0x45: keccak256 over the prefix, the length in bytes and the text."""
    data = text.encode()
    return keccak256(b"\x19Ethereum Signed Message:\n" + str(len(data)).encode() + data)


def signed_by(signed: SignedCheckpoint) -> str:
    """Whose key made the signature, EIP-55: only when this is ``signer``, it is that keeper's word. Raises UnitError when nobody's did."""
    if not _SIGNATURE.fullmatch(signed.signature):
        raise UnitError("the signature is not 65 bytes as 0x and lower case hex")
    for name in ("keeper", "genesis", "head", "at", "signer", "prev"):
        if not str(getattr(signed.checkpoint, name)).isprintable():
            raise UnitError(f"{name} is more than one line, so that the text could be read in two ways")
    return recover(digest(signed.checkpoint), bytes.fromhex(signed.signature[2:]))


def is_well_formed(checkpoint: Checkpoint) -> bool:
    """Whether hashes, the signature before and the numbers have the form that a keeper writes; whether they are true is another question."""
    return (
        bool(_HASH.fullmatch(checkpoint.head) and _HASH.fullmatch(checkpoint.genesis))
        and bool(not checkpoint.prev if checkpoint.number == 1 else _SIGNATURE.fullmatch(checkpoint.prev))
        and _AT.fullmatch(checkpoint.at) is not None
        and checkpoint.number >= 1
        and checkpoint.seq >= checkpoint.number
    )


def to_document(signed: SignedCheckpoint) -> dict[str, str | int]:
    """As witnesses keep it: a flat JSON object."""
    one = signed.checkpoint
    return {
        "number": one.number,
        "seq": one.seq,
        "head": one.head,
        "genesis": one.genesis,
        "at": one.at,
        "keeper": one.keeper,
        "chain_id": one.chain_id,
        "signer": one.signer,
        "prev": one.prev,
        "signature": signed.signature,
    }


def from_document(document: Mapping[str, object]) -> SignedCheckpoint:
    """Raises ValueError for what is no such object; a signature is not checked here."""
    wanted = to_document(SignedCheckpoint(Checkpoint(1, 1, "", "", "", "", 1, "", ""), ""))
    for name, like in wanted.items():
        value = document.get(name)
        if type(value) is not type(like) or (isinstance(value, int) and not 0 <= value < 2**53):
            raise ValueError(f"{name} is not what a checkpoint has there")
    values = {name: document[name] for name in wanted if name != "signature"}
    return SignedCheckpoint(Checkpoint(**values), str(document["signature"]))  # type: ignore[arg-type]
