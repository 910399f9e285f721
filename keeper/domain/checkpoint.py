"""A checkpoint: the keeper's signed word that its log had this head. Kept in the log's database, and by witnesses outside of it.

A chain of hashes shows that nothing inside of it was changed. That its end was not cut off, and that it was not made anew as a whole, only
somebody can say who saw it before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

TITLE: Final = "keeper audit checkpoint v1"


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
        if type(value) is not type(like) or (isinstance(value, int) and not 0 <= value < 2**63):
            raise ValueError(f"{name} is not what a checkpoint has there")
    values = {name: document[name] for name in wanted if name != "signature"}
    return SignedCheckpoint(Checkpoint(**values), str(document["signature"]))  # type: ignore[arg-type]
