"""Real Safes on the local node, from the authors' compiled contracts that safe-eth-py carries (LGPL-3.0), never copied in here.

They stand where they stand everywhere: deployed through Safe's singleton factory with salt 0, so the addresses that people know are right here too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from eth_abi.abi import encode
from eth_account import Account as Signer

from keeper.devnet.accounts import Account
from keeper.devnet.anvil import Anvil, quantity
from keeper.devnet.transactions import calldata, send, settle, view
from keeper.domain.address import checksum_address, keccak256
from keeper.domain.errors import SetupError
from keeper.domain.safe import VERSIONS, ZERO_ADDRESS, SafeTransaction

SINGLETON_FACTORY: Final = "0x914d7Fec6aaC8cd542e72Bca78B30650d45643d7"
"""Deploys at an address that depends on the code and the salt alone."""
MULTI_SEND_CALL_ONLY: Final = "0x9641d764fc13c8B624c04430C7356C1C7C8102e2"
"""Where 1.4.1's stands. There is none of 1.3.0 here, and both take the same batches: a Safe of 1.3.0 uses it too."""
EXECUTE: Final = "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)"

# Its runtime code, as its deployment transaction leaves it: calldata is a salt and creation code, which goes through CREATE2.
_FACTORY_CODE: Final = (
    "0x7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0"
    "3601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
)
_SALT: Final = bytes(32)
_CONTRACTS: Final = {
    "1.4.1": ("Safe_V1_4_1", "ProxyFactory_V1_4_1", "CompatibilityFallbackHandler_V1_4_1"),
    "1.3.0": ("GnosisSafe_V1_3_0", "ProxyFactory_V1_3_0", "CompatibilityFallbackHandler_V1_3_0"),
}
_BATCHES: Final = ("MultiSendCallOnly_V1_4_1", "MultiSend_V1_4_1")
_DEPLOY_GAS: Final = 8_000_000
_EXECUTE_GAS: Final = 4_000_000
_PROXY_CREATION: Final = "0x" + keccak256(b"ProxyCreation(address,address)").hex()
_SETUP: Final = "setup(address[],uint256,address,bytes,address,address,uint256,address)"
_SETUP_TYPES: Final = ("address[]", "uint256", "address", "bytes", "address", "address", "uint256", "address")


@dataclass(frozen=True, slots=True)
class DevSafe:
    """One Safe. ``owners`` in ascending order of address; ``payer``, an unlocked account of the node, pays for its transactions."""

    node: Anvil
    address: str
    owners: tuple[Account, ...]
    threshold: int
    version: str
    payer: str
    multi_send: str

    def transaction(self, to: str, data: bytes, nonce: int, *, value: int = 0) -> SafeTransaction:
        """A plain call of this Safe, ``value`` in wei."""
        return SafeTransaction(self.node.chain_id, self.address, nonce, to, data, value)

    def sign(self, account: Account, safe_tx_hash: bytes) -> bytes:
        """65 bytes: r, s, v over the hash itself, as a wallet gives them for its typed data."""
        return bytes(Signer.unsafe_sign_hash(safe_tx_hash, account.private_key).signature)

    def signatures(self, transaction: SafeTransaction, signers: Sequence[Account]) -> bytes:
        """Theirs in the order that the contract wants: ascending by address."""
        ordered = sorted(signers, key=lambda one: int(one.address, 16))
        return b"".join(self.sign(one, transaction.hash) for one in ordered)

    async def execute(
        self, transaction: SafeTransaction, signers: Sequence[Account], *, approved: Sequence[str] = ()
    ) -> dict[str, Any]:
        """The receipt, once it is in a block. Raises Refused when it reverts.

        ``approved`` are owners who said yes on chain by ``approve_hash``. An inner call that fails reverts the whole unless ``safe_tx_gas`` is
        set; then the receipt is a success and the Safe's event says that it failed.
        """
        tx_hash = await self.submit(transaction, signers, approved=approved)
        return (await settle(self.node, [tx_hash]))[0]

    async def submit(
        self, transaction: SafeTransaction, signers: Sequence[Account], *, approved: Sequence[str] = ()
    ) -> str:
        """The same without waiting for a block: the transaction's hash."""
        parts = {int(one.address, 16): self.sign(one, transaction.hash) for one in signers}
        parts |= {int(owner, 16): bytes(12) + bytes.fromhex(owner[2:]) + bytes(32) + b"\x01" for owner in approved}
        data = execution_data(transaction, b"".join(parts[owner] for owner in sorted(parts)))
        return await send(self.node, self.payer, self.address, data, _EXECUTE_GAS)

    async def nonce(self) -> int:
        """That of the next transaction."""
        return int((await view(self.node, self.address, "nonce()(uint256)"))[0])

    async def approve_hash(self, owner: Account, safe_tx_hash: bytes) -> dict[str, Any]:
        """An owner says yes on chain. The owner is one of the node's accounts."""
        data = calldata("approveHash(bytes32)", safe_tx_hash)
        return (await settle(self.node, [await send(self.node, owner.address, self.address, data)]))[0]

    async def hash_of(self, transaction: SafeTransaction) -> bytes:
        """What the contract itself says is to be signed."""
        t = transaction
        (found,) = await view(
            self.node, self.address,
            "getTransactionHash(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,uint256)(bytes32)",
            t.to, t.value, t.data, int(t.operation), t.safe_tx_gas, t.base_gas, t.gas_price, t.gas_token, t.refund_receiver, t.nonce,
        )  # fmt: skip
        return found if isinstance(found, bytes) else bytes.fromhex(str(found)[2:])


@dataclass(frozen=True, slots=True)
class SafeContracts:
    """What every Safe of this version shares on this chain. ``multi_send`` allows calls only, ``multi_send_any`` delegate calls too."""

    node: Anvil
    sender: str
    version: str
    singleton: str
    factory: str
    fallback_handler: str
    multi_send: str
    multi_send_any: str

    async def create(self, owners: Sequence[Account], threshold: int, salt: int = 0) -> DevSafe:
        """A new Safe behind its own proxy. Raises Refused for the same owners, threshold and salt again."""
        ordered = tuple(sorted(owners, key=lambda one: int(one.address, 16)))
        # fmt: off
        set_up = keccak256(_SETUP.encode("ascii"))[:4] + encode(_SETUP_TYPES, (
            [one.address for one in ordered], threshold, ZERO_ADDRESS, b"", self.fallback_handler, ZERO_ADDRESS, 0, ZERO_ADDRESS,
        ))
        # fmt: on
        data = calldata("createProxyWithNonce(address,bytes,uint256)", self.singleton, set_up, salt)
        (receipt,) = await settle(self.node, [await send(self.node, self.sender, self.factory, data, _EXECUTE_GAS)])
        address = _created(receipt, self.factory)
        return DevSafe(self.node, address, ordered, threshold, self.version, self.sender, self.multi_send)


async def deploy_safe_contracts(node: Anvil, sender: str, version: str = "1.4.1") -> SafeContracts:
    """Puts SafeL2, the proxy factory, the usual fallback handler and MultiSend at their known addresses; what stands already is left.

    ``sender`` is an unlocked account. Raises SetupError for another version than those of ``VERSIONS``.
    """
    if version not in _CONTRACTS:
        raise SetupError(f"there is no Safe {version} here", remedy=f"one of {', '.join(VERSIONS)}")
    await node.set_code(SINGLETON_FACTORY, _FACTORY_CODE)
    codes = [_creation_code(name) for name in (*_CONTRACTS[version], *_BATCHES)]
    places = [_address_of(code) for code in codes]
    missing = [
        code
        for code, place in zip(codes, places, strict=True)
        if await node.rpc("eth_getCode", place, "latest") == "0x"
    ]
    # all are on their way before the first is waited for: one block where blocks come by the clock
    hashes = [await send(node, sender, SINGLETON_FACTORY, _SALT + code, _DEPLOY_GAS) for code in missing]
    await settle(node, hashes, hurry=True)
    return SafeContracts(node, sender, version, *places)


def execution_data(transaction: SafeTransaction, signatures: bytes) -> bytes:
    """Calldata of execTransaction; ``signatures`` joined in ascending order of owner."""
    t = transaction
    return calldata(
        EXECUTE, t.to, t.value, t.data, int(t.operation), t.safe_tx_gas, t.base_gas, t.gas_price, t.gas_token, t.refund_receiver, signatures
    )  # fmt: skip


def _creation_code(name: str) -> bytes:
    place = files("safe_eth").joinpath("eth", "contracts", "abis", f"{name}.json")
    try:
        return bytes.fromhex(json.loads(place.read_text(encoding="utf-8"))["bytecode"][2:])
    except (OSError, ValueError, KeyError):
        raise SetupError(f"safe-eth-py has no compiled {name}", remedy="run: make setup") from None


def _address_of(code: bytes) -> str:
    """EIP-1014."""
    return checksum_address(keccak256(b"\xff" + bytes.fromhex(SINGLETON_FACTORY[2:]) + _SALT + keccak256(code))[12:])


def _created(receipt: dict[str, Any], factory: str) -> str:
    """The proxy of ProxyCreation, which is indexed since 1.4.1 and the first word of the data before."""
    for log in receipt["logs"]:
        if log["address"].lower() == factory.lower() and log["topics"][0] == _PROXY_CREATION:
            word = log["topics"][1] if len(log["topics"]) > 1 else log["data"][:66]
            return checksum_address(bytes.fromhex(word[2:])[12:])
    raise SetupError(
        f"the factory created no Safe in block {quantity(receipt['blockNumber'])}", remedy="is the node's state whole?"
    )
