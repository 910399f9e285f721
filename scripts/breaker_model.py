"""What a reviewed file (scripts/deploy_params/README.md) says, as values, and as the words that the contract stores."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode

from keeper.domain.address import checksum_address, keccak256
from keeper.domain.breaker_registration import BREAKER_TYPE, Side

ZERO = "0x" + 40 * "0"
# Through which CREATE2 deployments of forge go: the same on every chain.
FACTORY = "0x4e59b44847b379578588920cA78FbF26c0B4956C"


@dataclass(frozen=True, slots=True)
class Called:
    """A call in both forms: ``text`` as people read it, ``data`` as the chain takes it. ``inputs`` and ``outputs`` are ABI types."""

    text: str
    data: bytes
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Probe:
    """A view, and the word of its answer after a trip."""

    target: str
    view: Called
    word: int
    expected: bytes


@dataclass(frozen=True, slots=True)
class Bound:
    """An argument that the keeper chooses. ``view`` of ``target`` answers its current value."""

    target: str
    view: Called
    word: int
    answer_word: int
    side: Side
    max_step_bps: int
    minimum: int
    maximum: int


@dataclass(frozen=True, slots=True)
class Breaker:
    """One breaker. Addresses are EIP-55, times seconds."""

    name: str
    target: str
    safe: str
    call: Called
    undo: Called
    probe: Probe | None
    bounds: tuple[Bound, ...]
    duration_s: int
    cooldown_s: int
    window_s: int
    budget: int
    required: int
    lock_s: int

    @property
    def id(self) -> bytes:
        """The bytes32 of the name."""
        return self.name.encode("ascii").ljust(32, b"\0")

    def words(self) -> tuple[Any, ...]:
        """The struct's fields in the contract's order."""
        probe = self.probe
        return (
            self.target,
            self.duration_s,
            self.cooldown_s,
            self.window_s,
            self.safe,
            self.lock_s,
            self.budget,
            self.required,
            self.call.data,
            self.undo.data,
            (probe.target, probe.word, probe.view.data, probe.expected) if probe else (ZERO, 0, b"", bytes(32)),
            tuple(
                (
                    one.target,
                    one.word,
                    one.answer_word,
                    int(one.side),
                    one.max_step_bps,
                    one.minimum,
                    one.maximum,
                    one.view.data,
                )
                for one in self.bounds
            ),
        )

    def encoded(self) -> bytes:
        """What ``breakerOf`` answers when it is registered like this."""
        return encode([BREAKER_TYPE], [self.words()])


@dataclass(frozen=True, slots=True)
class Right:
    """A call by which the protocol's owner gives the breaker a right. ``head`` and ``tail`` stand around the breaker's address in its calldata."""

    by: str
    target: str
    text: str
    head: bytes
    tail: bytes

    def data(self, breaker: str) -> bytes:
        """The calldata, for a breaker at this address."""
        return self.head + bytes.fromhex(breaker[2:]) + self.tail


@dataclass(frozen=True, slots=True)
class Params:
    """The whole file. ``sha256`` is that of its bytes, lower-case hex."""

    name: str
    chain_id: int
    deployer: str
    council: str
    guardian: str
    silence_limit_s: int
    keepers: tuple[str, ...]
    breakers: tuple[Breaker, ...]
    rights: tuple[Right, ...]
    sha256: str

    def address(self, creation_code: bytes) -> str:
        """Where the contract will stand, or stands: it follows from the file and the compiled code alone (CREATE2)."""
        arguments = encode(["address", "address", "uint32"], [self.deployer, self.guardian, self.silence_limit_s])
        salt = keccak256(self.name.encode("ascii"))
        seed = b"\xff" + bytes.fromhex(FACTORY[2:]) + salt + keccak256(creation_code + arguments)
        return checksum_address(keccak256(seed)[12:])


def digest(text: bytes) -> str:
    """SHA-256 of a file, lower-case hex: what ``sha256sum`` prints."""
    return hashlib.sha256(text).hexdigest()
