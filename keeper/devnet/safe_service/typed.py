"""What is signed for the service itself (EIP-712): who may propose for an owner, and taking a proposal back. Good for its hour and the next."""

from __future__ import annotations

from typing import Final

from keeper.domain.address import keccak256

_HOUR_MS: Final = 3_600_000
_NAME = keccak256(b"Safe Transaction Service")
_VERSION = keccak256(b"1.0")


def delegate_hashes(delegate: str, chain_id: int, now_ms: int) -> tuple[bytes, bytes]:
    """What a delegator signs now, or signed in the hour before."""
    domain = keccak256(
        keccak256(b"EIP712Domain(string name,string version,uint256 chainId)") + _NAME + _VERSION + _word(chain_id)
    )
    kind = keccak256(b"Delegate(address delegateAddress,uint256 totp)")
    return _both(domain, kind + _word(int(delegate, 16)), now_ms)


def delete_hashes(safe: str, safe_tx_hash: bytes, chain_id: int, now_ms: int) -> tuple[bytes, bytes]:
    """What a proposer signs now, or signed in the hour before."""
    kind = keccak256(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
    domain = keccak256(kind + _NAME + _VERSION + _word(chain_id) + _word(int(safe, 16)))
    return _both(domain, keccak256(b"DeleteRequest(bytes32 safeTxHash,uint256 totp)") + safe_tx_hash, now_ms)


def _both(domain: bytes, struct: bytes, now_ms: int) -> tuple[bytes, bytes]:
    hour = now_ms // _HOUR_MS
    current, previous = (keccak256(b"\x19\x01" + domain + keccak256(struct + _word(at))) for at in (hour, hour - 1))
    return current, previous


def _word(number: int) -> bytes:
    return number.to_bytes(32, "big")
