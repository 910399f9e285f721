"""Whose signature it is, found by recovery and asked of the chain: read here by itself, not with the keeper's own reading of signatures."""

from __future__ import annotations

from eth_abi.abi import encode
from eth_account import Account as Signer
from eth_account.messages import defunct_hash_message
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from keeper.devnet.rpc import RpcClient
from keeper.devnet.safe_service.book import APPROVED, CONTRACT, EOA, ETH_SIGN, Signed
from keeper.domain.address import checksum_address, keccak256
from keeper.domain.errors import Refused
from keeper.domain.safe import ZERO_ADDRESS

_SIZE = 65
_LEGACY, _CURRENT = "20c13b0b", "1626ba7e"
"""The two answers of ``isValidSignature`` (EIP-1271) that mean yes: for a message, and for its hash."""


def parse_signatures(joined: bytes, digest: bytes) -> list[Signed]:
    """Each of 65 bytes, in the order given; the bytes of contracts' signatures lie behind them. Nonsense is signed by the zero address."""
    found: list[Signed] = []
    end = len(joined)
    for start in range(0, len(joined), _SIZE):
        one = joined[start : start + _SIZE]
        if start >= end or len(one) < _SIZE:
            break
        r, s, v = one[:32], int.from_bytes(one[32:64], "big"), one[64]
        if v == 0:
            end = min(end, s)
            length = int.from_bytes(joined[s : s + 32], "big")
            behind = joined[s : s + 32 + min(length, len(joined))]
            alone = r + _SIZE.to_bytes(32, "big") + b"\0" + behind
            found.append(Signed(checksum_address(r[12:]), CONTRACT, alone))
        elif v == 1:
            found.append(Signed(checksum_address(r[12:]), APPROVED, one))
        elif v > 30:
            message = bytes(defunct_hash_message(digest))
            found.append(Signed(_recovered(message, one[:64] + bytes([v - 4])), ETH_SIGN, one))
        else:
            found.append(Signed(_recovered(digest, one), EOA, one))
    return found


async def is_valid(rpc: RpcClient, signed: Signed, digest: bytes, safe: str, preimage: bytes = b"") -> bool:
    """Whether it holds: recovered ones do, approved hashes are asked of the Safe, contracts are asked themselves."""
    if signed.kind == APPROVED:
        answer = await _asked(
            rpc, safe, "approvedHashes(address,bytes32)", ("address", "bytes32"), signed.owner, digest
        )
        return int.from_bytes(answer, "big") != 0
    if signed.kind != CONTRACT:
        return signed.owner != ZERO_ADDRESS
    behind = signed.signature[_SIZE + 32 :]
    legacy = await _asked(rpc, signed.owner, "isValidSignature(bytes,bytes)", ("bytes", "bytes"), preimage, behind)
    current = await _asked(rpc, signed.owner, "isValidSignature(bytes32,bytes)", ("bytes32", "bytes"), digest, behind)
    return legacy[:4].hex() == _LEGACY or current[:4].hex() == _CURRENT


def _recovered(digest: bytes, signature: bytes) -> str:
    try:
        return str(Signer._recover_hash(digest, signature=signature))
    except (BadSignature, ValidationError, ValueError):
        return ZERO_ADDRESS


async def _asked(rpc: RpcClient, to: str, signature: str, types: tuple[str, ...], *args: object) -> bytes:
    data = keccak256(signature.encode("ascii"))[:4] + encode(types, args)
    try:
        answer = await rpc.call("eth_call", {"to": to, "data": "0x" + data.hex()}, "latest")
    except Refused:
        return b""
    return bytes.fromhex(str(answer)[2:])
