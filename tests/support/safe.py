"""Safe 1.4.1 on the local node: the authors' own compiled contracts from npm (@safe-global/safe-contracts, LGPL-3.0), never copied in here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode
from eth_account import Account as Signer

from keeper.devnet.accounts import Account
from keeper.devnet.anvil import Anvil
from keeper.devnet.transactions import view
from keeper.domain.address import checksum_address, keccak256
from tests.support.contract_calls import any_calldata, events, refusal, transact
from tests.support.real_contracts import NOBODY, Stand, npm_artifact

PACKAGE = "@safe-global/safe-contracts/build/artifacts/contracts"
DOMAIN = keccak256(b"EIP712Domain(uint256 chainId,address verifyingContract)")
SAFE_TX = keccak256(
    b"SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,uint256 gasPrice,"
    b"address gasToken,address refundReceiver,uint256 nonce)"
)
EXECUTE = "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)"
BY_MODULE = "execTransactionFromModuleReturnData(address,uint256,bytes,uint8)"
CALL, DELEGATE_CALL = 0, 1

BAD_SIGNATURES = any_calldata("Error(string)", "GS020")
"""Fewer signatures than the threshold."""
NOT_AN_OWNER = any_calldata("Error(string)", "GS026")
"""Signed by no owner, or twice by one, or in the wrong order."""
INNER_CALL_FAILED = any_calldata("Error(string)", "GS013")
NOT_A_MODULE = any_calldata("Error(string)", "GS104")


@dataclass(frozen=True, slots=True)
class Safe:
    """One Safe. ``owners`` in ascending order of address, as signatures stand. Whoever pays for its transactions is ``payer``."""

    node: Anvil
    address: str
    owners: tuple[Account, ...]
    threshold: int
    payer: str
    multi_send: str

    async def execute(self, to: str, data: bytes) -> dict[str, Any]:
        """The receipt of a transaction that as many owners as needed have signed. Raises Refused when it, or its inner call, reverts."""
        return await transact(self.node, self.payer, self.address, await self.signed(to, data))

    async def execute_all(self, calls: Sequence[tuple[str, bytes]]) -> dict[str, Any]:
        """Several calls in one transaction, all or none, by MultiSendCallOnly. Raises Refused as one of them reverts."""
        packed = b"".join(
            bytes([CALL]) + bytes.fromhex(to[2:]) + bytes(32) + len(data).to_bytes(32, "big") + data
            for to, data in calls
        )
        data = await self.signed(self.multi_send, any_calldata("multiSend(bytes)", packed), operation=DELEGATE_CALL)
        return await transact(self.node, self.payer, self.address, data)

    async def refused(self, to: str, data: bytes, signers: Sequence[Account] | None = None) -> bytes:
        """The Safe's revert of this transaction; fails when it goes through."""
        return await refusal(self.node, self.payer, self.address, await self.signed(to, data, signers))

    async def enable_module(self, module: str) -> None:
        await self.execute(self.address, any_calldata("enableModule(address)", module))

    async def has_module(self, module: str) -> bool:
        return bool((await view(self.node, self.address, "isModuleEnabled(address)(bool)", module))[0])

    async def nonce(self) -> int:
        return int((await view(self.node, self.address, "nonce()(uint256)"))[0])

    async def signed(
        self, to: str, data: bytes, signers: Sequence[Account] | None = None, *, operation: int = CALL
    ) -> bytes:
        """Calldata of execTransaction for the next nonce, signed by these (as many owners as needed), in the order given."""
        digest = self.digest(to, data, await self.nonce(), operation=operation)
        chosen = self.owners[: self.threshold] if signers is None else signers
        signatures = b"".join(bytes(Signer.unsafe_sign_hash(digest, one.private_key).signature) for one in chosen)
        return any_calldata(EXECUTE, to, 0, data, operation, 0, 0, 0, NOBODY, NOBODY, signatures)

    def digest(self, to: str, data: bytes, nonce: int, *, operation: int = CALL) -> bytes:
        """What owners sign, by EIP-712: no value, no refund of gas."""
        domain = keccak256(encode(["bytes32", "uint256", "address"], [DOMAIN, self.node.chain_id, self.address]))
        kinds = ["bytes32", "address", "uint256", "bytes32", "uint8", *["uint256"] * 3, "address", "address", "uint256"]
        fields = [SAFE_TX, to, 0, keccak256(data), operation, 0, 0, 0, NOBODY, NOBODY, nonce]
        return keccak256(b"\x19\x01" + domain + keccak256(encode(kinds, fields)))


@dataclass(frozen=True, slots=True)
class SafeContracts:
    """What every Safe on this chain shares."""

    stand: Stand
    singleton: str
    factory: str
    fallback_handler: str
    multi_send: str

    async def create(self, owners: Sequence[Account], threshold: int, salt: int = 0) -> Safe:
        """A new Safe behind its own proxy. Raises Refused for the same owners, threshold and salt again."""
        ordered = tuple(sorted(owners, key=lambda one: int(one.address, 16)))
        set_up = any_calldata(
            "setup(address[],uint256,address,bytes,address,address,uint256,address)",
            [one.address for one in ordered], threshold, NOBODY, b"", self.fallback_handler, NOBODY, 0, NOBODY,
        )  # fmt: skip
        data = any_calldata("createProxyWithNonce(address,bytes,uint256)", self.singleton, set_up, salt)
        receipt = await transact(self.stand.node, self.stand.sender, self.factory, data)
        ((proxy, _),) = events(receipt, self.factory, "ProxyCreation(address,address)", "(address)")
        address = checksum_address(proxy[12:])
        return Safe(self.stand.node, address, ordered, threshold, self.stand.sender, self.multi_send)


async def deploy_safe_contracts(node: Anvil) -> SafeContracts:
    """SafeL2, the proxy factory, the usual fallback handler and MultiSendCallOnly."""
    stand = Stand(node)
    places = (
        "SafeL2", "proxies/SafeProxyFactory", "handler/CompatibilityFallbackHandler", "libraries/MultiSendCallOnly",
    )  # fmt: skip
    addresses = [
        await stand.put(npm_artifact(f"{PACKAGE}/{place}.sol/{place.rpartition('/')[2]}.json")) for place in places
    ]
    return SafeContracts(stand, *addresses)
