"""The stamp of one block: every read of a tick is made at exactly one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BlockStamp:
    """``hash`` and ``parent_hash`` are 0x-prefixed lower case; ``timestamp_s`` is the block's own time in seconds UTC.

    ``next_base_fee_wei`` is the base fee that the following block will ask for, computed from this header (EIP-1559).
    """

    number: int
    hash: str
    parent_hash: str
    timestamp_s: int
    next_base_fee_wei: int = 0
