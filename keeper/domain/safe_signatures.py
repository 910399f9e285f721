"""Owners' signatures of a Safe: whose they are, and how ``execTransaction`` takes them together.

Source: ``checkNSignatures`` of Safe 1.3.0 and 1.4.1. One signature is r, s, v in 65 bytes, and v tells its kind. A contract's has its bytes behind
all heads, at the offset that stands in s; alone, as services give it, that offset is 65.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import Final

from keeper.domain.abi import parse_signature
from keeper.domain.abi_codec import WORD, encode_values
from keeper.domain.action import Call
from keeper.domain.address import checksum_address, keccak256, parse_address
from keeper.domain.errors import UnitError
from keeper.domain.order import SIGNATURE_BYTES, recover
from keeper.domain.proposal import Confirmation
from keeper.domain.safe import SafeTransaction
from keeper.domain.text import shown

EXEC_TRANSACTION: Final = (
    "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)(bool)"
)
APPROVE_HASH: Final = "approveHash(bytes32)"
APPROVED_HASHES: Final = "approvedHashes(address,bytes32)(uint256)"
"""The view of a Safe that answers not 0 where an owner has approved a hash on chain."""
CHECK_SIGNATURES: Final = "checkNSignatures(bytes32,bytes,bytes,uint256)"

_CONTRACT_V, _APPROVED_V = 0, 1
_PREFIX: Final = b"\x19Ethereum Signed Message:\n32"
_ETH_SIGN_SHIFT = 4
MAX_CONTRACT_BYTES: Final = 16_384
"""Of one contract's signature: more than any contract in use needs."""


class SignatureKind(StrEnum):
    EOA = "eoa"
    """A key's, over the safeTxHash."""
    ETH_SIGN = "eth-sign"
    """A key's, over the safeTxHash as a message of eth_sign."""
    CONTRACT = "contract"
    """An owner that is a contract says whether it is good (EIP-1271): only the chain can tell."""
    APPROVED = "approved"
    """The owner has approved the hash on chain, or is who executes: only the chain can tell."""


def kind_of(signature: bytes) -> SignatureKind:
    """Raises UnitError for what no Safe could take as one signature."""
    if len(signature) < SIGNATURE_BYTES:
        raise UnitError(f"a signature has at least {SIGNATURE_BYTES} bytes, not {len(signature)}")
    v = signature[SIGNATURE_BYTES - 1]
    if v == _CONTRACT_V:
        _contract_bytes(signature, SIGNATURE_BYTES, SIGNATURE_BYTES)
        return SignatureKind.CONTRACT
    if len(signature) != SIGNATURE_BYTES:
        raise UnitError(f"a signature that is not a contract's has {SIGNATURE_BYTES} bytes, not {len(signature)}")
    if v == _APPROVED_V:
        return SignatureKind.APPROVED
    if v in (27, 28):
        return SignatureKind.EOA
    if v in (27 + _ETH_SIGN_SHIFT, 28 + _ETH_SIGN_SHIFT):
        return SignatureKind.ETH_SIGN
    raise UnitError(f"a signature with v of {v} is none that a Safe takes", remedy="v is 0, 1, 27, 28, 31 or 32")


def recover_owner(digest: bytes, signature: bytes) -> str:
    """Whose key signed the safeTxHash (32 bytes), EIP-55: plainly (v 27, 28) or by eth_sign (v 31, 32). The lower s only.

    Raises UnitError when nobody's did, and for the kinds that no key makes.
    """
    if len(digest) != WORD:
        raise UnitError(f"a safeTxHash has {WORD} bytes, not {len(digest)}")
    if len(signature) > SIGNATURE_BYTES:
        raise UnitError(f"a key's signature has {SIGNATURE_BYTES} bytes, not {len(signature)}")
    owner, why = _recovered(digest, signature)
    if why:
        raise UnitError(why)
    return owner


@lru_cache(maxsize=8192)
def _recovered(digest: bytes, signature: bytes) -> tuple[str, str]:
    """The owner, or why there is none: the same signatures are looked at again at every block."""
    try:
        return _recover(digest, signature), ""
    except UnitError as error:
        return "", error.message


def _recover(digest: bytes, signature: bytes) -> str:
    kind = kind_of(signature)
    if kind is SignatureKind.EOA:
        return recover(digest, signature)
    if kind is SignatureKind.ETH_SIGN:
        plain = signature[:-1] + bytes([signature[-1] - _ETH_SIGN_SHIFT])
        return recover(keccak256(_PREFIX + digest), plain)
    raise UnitError(f"no key makes a signature of the kind {kind.value}")


def named_owner(signature: bytes) -> str:
    """The owner that a signature of the kinds ``contract`` and ``approved`` names, EIP-55. Raises UnitError."""
    if kind_of(signature) not in (SignatureKind.CONTRACT, SignatureKind.APPROVED) or any(signature[:12]):
        raise UnitError("the signature names no owner")
    return checksum_address(signature[12:WORD])


def approved_signature(owner: str) -> bytes:
    """Stands for a hash that the owner has approved on chain, and for the owner who executes. Raises UnitError."""
    return parse_address(owner).rjust(WORD, b"\0") + bytes(WORD) + bytes([_APPROVED_V])


def contract_signature(owner: str, blob: bytes) -> bytes:
    """What the contract ``owner`` is to be asked with (EIP-1271), as one signature. Raises UnitError."""
    if len(blob) > MAX_CONTRACT_BYTES:
        raise UnitError(f"a contract's signature of {len(blob)} bytes is too long", remedy=f"{MAX_CONTRACT_BYTES}")
    return _contract_head(owner, SIGNATURE_BYTES) + _word(len(blob)) + blob


def contract_blob(signature: bytes) -> bytes:
    """What the contract is asked with. Raises UnitError for another kind of signature."""
    if kind_of(signature) is not SignatureKind.CONTRACT:
        raise UnitError("this is no contract's signature")
    return _contract_bytes(signature, SIGNATURE_BYTES, SIGNATURE_BYTES)


def joined(confirmations: Sequence[Confirmation], threshold: int) -> bytes:
    """The argument ``signatures`` of execTransaction: of these, the ``threshold`` owners with the lowest addresses, ascending.

    Whether each one is good is the caller's to know. Raises UnitError: too few, an owner twice, or a signature that names another owner.
    """
    ordered = sorted(confirmations, key=lambda one: parse_address(one.owner))
    owners = [one.owner for one in ordered]
    if twice := [owner for owner, after in pairwise(owners) if owner == after]:
        raise UnitError(f"{twice[0]} has signed twice", remedy="leave one of the two signatures away")
    if not 0 < threshold <= len(ordered):
        raise UnitError(f"{len(ordered)} signatures are not the {threshold} that the Safe asks for")
    chosen = ordered[:threshold]
    heads, tails = b"", b""
    for one in chosen:
        kind = kind_of(one.signature)
        if kind in (SignatureKind.CONTRACT, SignatureKind.APPROVED) and named_owner(one.signature) != one.owner:
            raise UnitError(f"the signature of {one.owner} names {named_owner(one.signature)}", remedy="do not use it")
        if kind is SignatureKind.CONTRACT:
            blob = contract_blob(one.signature)
            heads += _contract_head(one.owner, threshold * SIGNATURE_BYTES + len(tails))
            tails += _word(len(blob)) + blob
        else:
            heads += one.signature
    return heads + tails


def split(signatures: bytes, count: int) -> tuple[bytes, ...]:
    """The single signatures of what ``joined`` makes, in their order. Raises UnitError for what a Safe would not take."""
    heads = count * SIGNATURE_BYTES
    if count < 1 or len(signatures) < heads:
        raise UnitError(f"{len(signatures)} bytes do not hold {count} signatures")
    found = []
    for at in range(0, heads, SIGNATURE_BYTES):
        head = signatures[at : at + SIGNATURE_BYTES]
        if head[-1] == _CONTRACT_V:
            if any(head[:12]):
                raise UnitError("a contract's signature names no owner")
            offset = int.from_bytes(head[WORD : 2 * WORD], "big")
            blob = _blob_at(signatures, offset, heads)
            found.append(contract_signature(checksum_address(head[12:WORD]), blob))
        else:
            kind_of(head)
            found.append(head)
    return tuple(found)


def exec_call(transaction: SafeTransaction, signatures: bytes) -> Call:
    """What carries it out; ``signatures`` as ``joined`` makes them."""
    values = (
        transaction.to, transaction.value, transaction.data, int(transaction.operation), transaction.safe_tx_gas,
        transaction.base_gas, transaction.gas_price, transaction.gas_token, transaction.refund_receiver, signatures,
    )  # fmt: skip
    function = parse_signature(EXEC_TRANSACTION)
    return Call(transaction.safe, function.selector + encode_values(function.inputs, values))


def approve_call(transaction: SafeTransaction) -> Call:
    """``approveHash``: an owner that sends it has signed, and needs no service."""
    return Call(transaction.safe, parse_signature(APPROVE_HASH).selector + transaction.hash)


def ask_call(transaction: SafeTransaction, confirmation: Confirmation) -> Call:
    """A view of the Safe that answers nothing where it takes this one signature, and reverts where it does not: the only judge of the kinds
    ``contract`` and ``approved``. To be asked from an address that is no owner, as the Safe takes a caller's own approval as given.
    """
    preimage = b"\x19\x01" + transaction.domain_hash + transaction.message_hash
    function = parse_signature(CHECK_SIGNATURES)
    alone = joined([confirmation], 1)
    return Call(
        transaction.safe, function.selector + encode_values(function.inputs, (transaction.hash, preimage, alone, 1))
    )


def _contract_head(owner: str, offset: int) -> bytes:
    return parse_address(owner).rjust(WORD, b"\0") + _word(offset) + bytes([_CONTRACT_V])


def _contract_bytes(signature: bytes, offset: int, heads: int) -> bytes:
    """Of one contract's signature that stands alone."""
    if int.from_bytes(signature[WORD : 2 * WORD], "big") != offset:
        raise UnitError("a contract's signature alone has its bytes right behind its head", remedy="s is 65")
    blob = _blob_at(signature, offset, heads)
    rest = signature[offset + WORD + len(blob) :]
    if any(rest) or len(rest) not in (0, -len(blob) % WORD):  # encoders of the ABI fill the last word
        raise UnitError("bytes follow a contract's signature")
    return blob


def _blob_at(signatures: bytes, offset: int, heads: int) -> bytes:
    if not heads <= offset <= len(signatures) - WORD:
        raise UnitError(f"a contract's signature begins at byte {shown(offset)} of {len(signatures)}")
    size = int.from_bytes(signatures[offset : offset + WORD], "big")
    start = offset + WORD
    if size > min(MAX_CONTRACT_BYTES, len(signatures) - start):
        raise UnitError(f"a contract's signature of {shown(size)} bytes does not fit")
    return signatures[start : start + size]


def _word(number: int) -> bytes:
    return number.to_bytes(WORD, "big")
