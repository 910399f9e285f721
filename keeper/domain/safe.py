"""A Safe's transaction, and the three hashes that a hardware wallet shows (EIP-712), as Safe 1.3.0 and later compute them.

Field by field that of ``Safe.getTransactionHash``: nothing here is taken from anybody's answer, and a test holds it against the contract's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from keeper.domain.abi_codec import WORD
from keeper.domain.action import Call
from keeper.domain.address import keccak256, parse_address
from keeper.domain.errors import UnitError
from keeper.domain.record import Json
from keeper.domain.text import shown

ZERO_ADDRESS: Final = "0x" + 40 * "0"
VERSIONS: Final = ("1.3.0", "1.4.1")
"""Those that are tested. Older ones hash without the chain id; the keeper proposes nothing to them."""

_DOMAIN_TYPE: Final = b"EIP712Domain(uint256 chainId,address verifyingContract)"
_SAFE_TX_TYPE: Final = (
    b"SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,uint256 gasPrice,"
    b"address gasToken,address refundReceiver,uint256 nonce)"
)


class Operation(IntEnum):
    CALL = 0
    DELEGATECALL = 1
    """Runs foreign code as the Safe: it can do anything with it."""


@dataclass(frozen=True, slots=True)
class SafeTransaction:
    """Addresses are EIP-55, amounts in wei. Everything that the owners sign, and the Safe and chain that it is for."""

    chain_id: int
    safe: str
    nonce: int
    to: str
    data: bytes = b""
    value: int = 0
    operation: Operation = Operation.CALL
    safe_tx_gas: int = 0
    base_gas: int = 0
    gas_price: int = 0
    gas_token: str = ZERO_ADDRESS
    refund_receiver: str = ZERO_ADDRESS
    _hash: bytes | None = field(default=None, init=False, repr=False, compare=False)
    """Computed once: queues of strangers may be long, and each of their transactions large."""

    def __post_init__(self) -> None:
        """Raises UnitError for what no Safe could take."""
        for address in (self.safe, self.to, self.gas_token, self.refund_receiver):
            parse_address(address)
        numbers = (self.chain_id, self.nonce, self.value, self.safe_tx_gas, self.base_gas, self.gas_price)
        for number in numbers:
            if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 1 << 256:
                raise UnitError(
                    f"{shown(number)} is no number of a Safe transaction", remedy="a whole number of 256 bits"
                )

    @property
    def refunds(self) -> bool:
        """Whether the Safe would pay whoever executes it: a way to drain it, which the keeper never proposes."""
        payments = (self.base_gas, self.gas_price)
        return any(payments) or self.gas_token != ZERO_ADDRESS or self.refund_receiver != ZERO_ADDRESS

    @property
    def call(self) -> Call:
        """What the Safe calls."""
        return Call(self.to, self.data)

    @property
    def is_rejection(self) -> bool:
        """Nothing, to itself: its only effect is that the nonce is used."""
        return (self.to, self.value, self.data, self.operation) == (self.safe, 0, b"", Operation.CALL)

    @property
    def domain_hash(self) -> bytes:
        """The EIP-712 domain separator: chain and Safe."""
        return keccak256(keccak256(_DOMAIN_TYPE) + _word(self.chain_id) + _address(self.safe))

    @property
    def message_hash(self) -> bytes:
        """The EIP-712 hash of the struct: what is to be done."""
        fields = (
            _address(self.to),
            _word(self.value),
            keccak256(self.data),
            _word(self.operation),
            _word(self.safe_tx_gas),
            _word(self.base_gas),
            _word(self.gas_price),
            _address(self.gas_token),
            _address(self.refund_receiver),
            _word(self.nonce),
        )
        return keccak256(keccak256(_SAFE_TX_TYPE) + b"".join(fields))

    @property
    def hash(self) -> bytes:
        """The safeTxHash, which owners sign: 32 bytes."""
        found = self._hash
        if found is None:
            found = keccak256(b"\x19\x01" + self.domain_hash + self.message_hash)
            object.__setattr__(self, "_hash", found)
        return found

    @property
    def hash_text(self) -> str:
        """The same as 0x and 64 digits."""
        return "0x" + self.hash.hex()

    def typed_data(self) -> dict[str, Json]:
        """The document that ``eth_signTypedData_v4`` takes; numbers as decimal text."""
        return {
            "types": {
                "EIP712Domain": _typed("chainId:uint256", "verifyingContract:address"),
                "SafeTx": _typed(
                    "to:address", "value:uint256", "data:bytes", "operation:uint8", "safeTxGas:uint256", "baseGas:uint256",
                    "gasPrice:uint256", "gasToken:address", "refundReceiver:address", "nonce:uint256",
                ),
            },
            "primaryType": "SafeTx",
            "domain": {"chainId": str(self.chain_id), "verifyingContract": self.safe},
            "message": {
                "to": self.to,
                "value": str(self.value),
                "data": "0x" + self.data.hex(),
                "operation": int(self.operation),
                "safeTxGas": str(self.safe_tx_gas),
                "baseGas": str(self.base_gas),
                "gasPrice": str(self.gas_price),
                "gasToken": self.gas_token,
                "refundReceiver": self.refund_receiver,
                "nonce": str(self.nonce),
            },
        }  # fmt: skip


def rejection(chain_id: int, safe: str, nonce: int) -> SafeTransaction:
    """What uses up a nonce and does nothing else."""
    return SafeTransaction(chain_id, safe, nonce, safe)


def _typed(*fields: str) -> list[Json]:
    pairs = (field.split(":") for field in fields)
    return [{"name": name, "type": kind} for name, kind in pairs]


def _word(number: int) -> bytes:
    return int(number).to_bytes(WORD, "big")


def _address(text: str) -> bytes:
    return parse_address(text).rjust(WORD, b"\0")
