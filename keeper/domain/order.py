"""What several keepers sign together so that a breaker trips that asks for more than one of them (EIP-712).

Field by field that of ``contracts/CircuitBreaker.sol``: the digest is computed here, never taken from anybody, and a test holds it against the
contract's own ``orderDigest``. Times are unix seconds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from keeper.domain.abi_codec import WORD
from keeper.domain.action import BreakerTrip, Call
from keeper.domain.address import checksum_address, keccak256, parse_address
from keeper.domain.circuit_breaker import TRIP_SIGNED, encode_list
from keeper.domain.errors import UnitError
from keeper.domain.record import Json
from keeper.domain.text import shown

MAX_ORDER_LIFE_S: Final = 3_600
"""How far ahead a deadline may lie: MAX_ORDER_LIFE of the contract."""
SIGNATURE_BYTES: Final = 65

_DOMAIN_TYPE: Final = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_TRIP_TYPE: Final = b"Trip(bytes32 id,uint256[] values,bytes32 evidence,uint256 nonce,uint256 deadline)"
_NAME: Final = b"CircuitBreaker"
_VERSION: Final = b"1"
_CURVE_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_MAX_VALUES: Final = 4
"""MAX_BOUNDS of the contract."""


@dataclass(frozen=True, slots=True)
class TripOrder:
    """``contract`` is EIP-55, ``id`` 0x and 64 lower-case digits, ``values`` one for each bound, ``evidence`` the 32 bytes of the hash of the
    proposer's decision, ``nonce`` the breaker's own when it was proposed, ``deadline_s`` the last second at which it may be carried out.
    """

    chain_id: int
    contract: str
    id: str
    values: tuple[int, ...]
    evidence: bytes
    nonce: int
    deadline_s: int

    def __post_init__(self) -> None:
        """Raises UnitError for what the contract could not take."""
        parse_address(self.contract)
        identifier = _hex_bytes(self.id, WORD, "identifier of a breaker")
        if not any(identifier) or len(self.evidence) != WORD or not any(self.evidence):
            raise UnitError("an order names its breaker and its evidence", remedy="neither of them is zero")
        for what, number, limit in (
            ("chain id", self.chain_id, 1 << 53),
            ("nonce", self.nonce, 1 << 32),
            ("deadline", self.deadline_s, 1 << 40),
            *(("value", value, 1 << 256) for value in self.values),
        ):
            if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < limit:
                raise UnitError(f"{shown(number)} is no {what} of an order", remedy=f"a whole number below {limit}")
        if len(self.values) > _MAX_VALUES:
            raise UnitError(f"{len(self.values)} values are more than a breaker has bounds")

    @property
    def digest(self) -> bytes:
        """What is signed; 32 bytes."""
        domain = keccak256(
            keccak256(_DOMAIN_TYPE)
            + keccak256(_NAME)
            + keccak256(_VERSION)
            + _word(self.chain_id)
            + parse_address(self.contract).rjust(WORD, b"\0")
        )
        trip = keccak256(
            keccak256(_TRIP_TYPE)
            + bytes.fromhex(self.id[2:])
            + keccak256(b"".join(map(_word, self.values)))
            + self.evidence
            + _word(self.nonce)
            + _word(self.deadline_s)
        )
        return keccak256(b"\x19\x01" + domain + trip)

    def trips(self, trip: BreakerTrip) -> bool:
        """Whether it asks for this trip: same contract, same breaker, same values."""
        same = (self.contract, self.id) == (trip.contract, trip.id)
        return same and self.values == tuple(int(value) for value in trip.values)

    def excludes(self, other: TripOrder) -> bool:
        """Whether at most one of the two may be signed: the same nonce of the same breaker, and other values."""
        mine = self.chain_id, self.contract, self.id, self.nonce
        return mine == (other.chain_id, other.contract, other.id, other.nonce) and self.values != other.values


@dataclass(frozen=True, slots=True)
class SignedOrder:
    """An order with one keeper's signature. Made by ``signed_order``, so that ``signer`` is who really signed."""

    order: TripOrder
    signer: str
    signature: bytes


def signed_order(order: TripOrder, signature: bytes, claimed: str = "") -> SignedOrder:
    """The order with who signed it, recovered from the signature. Raises UnitError when nobody did, or another than ``claimed``."""
    signer = recover(order.digest, signature)
    if claimed and claimed != signer:
        raise UnitError(f"the signature is not that of {shown(claimed)} for this order", remedy="do not use it")
    return SignedOrder(order, signer, signature)


def recover(digest: bytes, signature: bytes) -> str:
    """Who signed the digest, EIP-55. As strict as the contract: 65 bytes r, s, v with the lower s and v of 27 or 28. Raises UnitError."""
    from eth_keys.datatypes import Signature  # imported late: only keepers that sign together pay for it
    from eth_keys.exceptions import BadSignature
    from eth_utils.exceptions import ValidationError

    if len(signature) != SIGNATURE_BYTES:
        raise UnitError(f"a signature has {SIGNATURE_BYTES} bytes, not {len(signature)}")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    v = signature[64]
    if v not in (27, 28) or not 0 < r < _CURVE_ORDER or not 0 < s <= _CURVE_ORDER // 2:
        raise UnitError("this is no signature that the contract takes")
    try:
        key = Signature(vrs=(v - 27, r, s)).recover_public_key_from_msg_hash(digest)
    except (BadSignature, ValidationError, ValueError):
        raise UnitError("nobody can have made this signature") from None
    return checksum_address(key.to_canonical_address())


def trip_signed_call(signed: Collection[SignedOrder]) -> Call:
    """``tripSigned(order, deadline, signatures)`` with the signatures ascending by signer. Raises UnitError: several orders, a signer twice, none."""
    orders = {one.order for one in signed}
    ordered = sorted(signed, key=lambda one: int(one.signer, 16))
    if len(orders) != 1 or len({one.signer for one in ordered}) != len(ordered):
        raise UnitError("one order, signed once by each of several keepers, makes a trip")
    (order,) = orders
    tuple_ = (
        bytes.fromhex(order.id[2:])
        + _word(3 * WORD)
        + order.evidence
        + encode_list([str(value) for value in order.values])
    )
    head = _word(3 * WORD) + _word(order.deadline_s) + _word(3 * WORD + len(tuple_))
    return Call(order.contract, TRIP_SIGNED + head + tuple_ + _encode_bytes_list([one.signature for one in ordered]))


def order_body(order: TripOrder) -> dict[str, Json]:
    """The order and its digest for records and files. Values are text: they may be larger than JSON's exact numbers."""
    return {
        "digest": "0x" + order.digest.hex(),
        "chain_id": order.chain_id,
        "contract": order.contract,
        "breaker": order.id,
        "values": [str(value) for value in order.values],
        "evidence": "0x" + order.evidence.hex(),
        "nonce": order.nonce,
        "deadline_s": order.deadline_s,
    }


def order_from(body: Mapping[str, Json]) -> TripOrder:
    """The order of ``order_body``; its digest is computed anew, and must be the one that stands there. Raises UnitError."""
    values = body.get("values")
    contract, identifier = body.get("contract"), body.get("breaker")
    if not isinstance(values, list) or not isinstance(contract, str) or not isinstance(identifier, str):
        raise UnitError("a part of the order is missing, or is none")
    order = TripOrder(
        chain_id=_whole(body.get("chain_id")),
        contract=contract,
        id=identifier,
        values=tuple(_decimal(value) for value in values),
        evidence=_hex_bytes(body.get("evidence"), WORD, "evidence"),
        nonce=_whole(body.get("nonce")),
        deadline_s=_whole(body.get("deadline_s")),
    )
    if body.get("digest") != "0x" + order.digest.hex():
        raise UnitError("the digest that stands there is not that of the order", remedy="do not use it")
    return order


def _encode_bytes_list(items: Sequence[bytes]) -> bytes:
    """``bytes[]`` behind its offset."""
    heads, tails = b"", b""
    for item in items:
        heads += _word(WORD * len(items) + len(tails))
        tails += _word(len(item)) + item + bytes(-len(item) % WORD)
    return _word(len(items)) + heads + tails


def _word(number: int) -> bytes:
    return number.to_bytes(WORD, "big")


def _whole(value: Json) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise UnitError(f"{shown(value)} is not a whole number")
    return value


def _decimal(value: Json) -> int:
    if not (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 78):
        raise UnitError(f"{shown(value)} is no value of a bound")
    return int(value)


def _hex_bytes(value: Json, size: int, what: str) -> bytes:
    """Of exactly this form: 0x and lower-case digits."""
    if isinstance(value, str) and len(value) == 2 + 2 * size and value.startswith("0x"):
        digits = value[2:]
        if all(digit in "0123456789abcdef" for digit in digits):
            return bytes.fromhex(digits)
    raise UnitError(f"{shown(value)} is no {what}", remedy=f"0x and {2 * size} lower-case hexadecimal digits")
