"""What a record was made from, kept beside it: compact, named by its hash, and the only thing of a log that may be moved into an archive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

KEY: Final = "evidence"
"""In the body of a record: the hash of its evidence."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """``hash`` is ``0x`` + sha256 over the RFC 8785 text of the content, whatever the packing; ``size`` counts the bytes of that text."""

    hash: str
    encoding: str
    size: int
    packed: bytes
