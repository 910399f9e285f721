"""What the builders have been sent and not yet mined: bundles for one block each, and transactions that are tried for some blocks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from keeper.devnet.relay.decoded import Decoded
from keeper.domain.address import keccak256

LIFE_BLOCKS: Final = 25
"""So many blocks a private transaction is tried for."""


class Status(StrEnum):
    """Of a private transaction, in the words of the status page."""

    PENDING = "PENDING"
    INCLUDED = "INCLUDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Bundle:
    """``signer`` is empty where nobody signed the request. Times are seconds since 1970 UTC.

    ``may_revert`` are hashes; ``buried``: taken, and never to be mined.
    """

    builder: str
    signer: str
    transactions: tuple[Decoded, ...]
    block: int
    uuid: str = ""
    min_timestamp_s: int | None = None
    max_timestamp_s: int | None = None
    may_revert: frozenset[str] = frozenset()
    buried: bool = False

    @property
    def bundle_hash(self) -> str:
        """keccak256 over the hashes of its transactions."""
        return "0x" + keccak256(b"".join(bytes.fromhex(one.tx_hash[2:]) for one in self.transactions)).hex()

    def is_for(self, block: int, timestamp_s: int) -> bool:
        lowest, highest = self.min_timestamp_s or 0, self.max_timestamp_s or timestamp_s
        return self.block == block and lowest <= timestamp_s <= highest


@dataclass(slots=True)
class Private:
    """A transaction that is tried in each block up to ``last_block``, that included. ``sim_error`` is why the newest try failed.

    ``settled``: its nonce is used, by itself or by another.
    """

    builder: str
    signer: str
    transaction: Decoded
    last_block: int
    buried: bool = False
    cancelled: bool = False
    settled: bool = False
    sim_error: str = ""

    def is_for(self, block: int) -> bool:
        return not (self.cancelled or self.settled) and block <= self.last_block


class Book:
    """Of all builders. Bundles are by builder, block, ``replacementUuid`` (or their hash) and signer: the same again replaces."""

    def __init__(self) -> None:
        self.bundles: dict[tuple[str, int, str, str], Bundle] = {}
        self.privates: dict[tuple[str, str], Private] = {}

    def add(self, bundle: Bundle) -> None:
        key = bundle.builder, bundle.block, bundle.uuid or bundle.bundle_hash, bundle.signer
        self.bundles.pop(key, None)  # it arrives anew
        self.bundles[key] = bundle

    def cancel(self, builder: str, uuid: str, signer: str) -> list[str]:
        """Takes back all of this ``replacementUuid`` and signer; the bundles' hashes."""
        keys = [key for key in self.bundles if (key[0], key[2], key[3]) == (builder, uuid, signer)]
        return [self.bundles.pop(key).bundle_hash for key in keys]

    def add_private(self, private: Private) -> None:
        """The same again does not prolong its life, unless it was taken back or is over."""
        key = private.builder, private.transaction.tx_hash
        known = self.privates.get(key)
        if known is None or known.cancelled or known.last_block < private.last_block - LIFE_BLOCKS:
            self.privates[key] = private

    def cancel_private(self, builder: str, tx_hash: str, signer: str) -> bool:
        """Whether there was one of this signer."""
        private = self.privates.get((builder, tx_hash))
        if private is None or private.signer != signer:
            return False
        private.cancelled = True
        return True

    def bundles_for(self, builders: Iterable[str], block: int, timestamp_s: int) -> list[Bundle]:
        """In the order of their arrival."""
        names = set(builders)
        found = [one for one in self.bundles.values() if one.builder in names and not one.buried]
        return [one for one in found if one.is_for(block, timestamp_s)]

    def privates_for(self, builders: Iterable[str], block: int) -> list[Private]:
        names = set(builders)
        return [one for one in self.privates.values() if one.builder in names and not one.buried and one.is_for(block)]

    def forget_before(self, block: int) -> None:
        """Bundles for earlier blocks are over."""
        for key in [key for key in self.bundles if key[1] < block]:
            del self.bundles[key]
