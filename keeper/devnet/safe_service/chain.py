"""What the chain says: of a Safe now, and of everything that Safes have executed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from keeper.devnet.anvil import quantity
from keeper.devnet.rpc import RpcClient
from keeper.devnet.safe_service.book import Approval, Execution
from keeper.domain.address import checksum_address, keccak256
from keeper.domain.errors import Refused, UnitError
from keeper.domain.safe import ZERO_ADDRESS, Operation, SafeTransaction

_SENTINEL: Final = "0x" + 39 * "0" + "1"
_GUARD_SLOT: Final = hex(int.from_bytes(keccak256(b"guard_manager.guard.address"), "big"))
_FALLBACK_SLOT: Final = hex(int.from_bytes(keccak256(b"fallback_manager.handler.address"), "big"))
_ANNOUNCED_KINDS: Final = (
    "address", "uint256", "bytes", "uint8", "uint256", "uint256", "uint256", "address", "address", "bytes", "bytes",
)  # fmt: skip


def _topic(signature: str) -> str:
    return "0x" + keccak256(signature.encode("ascii")).hex()


SUCCESS: Final = _topic("ExecutionSuccess(bytes32,uint256)")
FAILURE: Final = _topic("ExecutionFailure(bytes32,uint256)")
APPROVE: Final = _topic("ApproveHash(bytes32,address)")
ANNOUNCED: Final = _topic(
    "SafeMultiSigTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes,bytes)"
)
"""What SafeL2 tells before it executes: all of the transaction, its signatures and its nonce."""


@dataclass(frozen=True, slots=True)
class SafeFacts:
    """A Safe as it stands now."""

    address: str
    version: str
    master_copy: str
    owners: tuple[str, ...]
    threshold: int
    nonce: int
    modules: tuple[str, ...]
    guard: str
    fallback_handler: str


@dataclass(frozen=True, slots=True)
class Found:
    """What some blocks hold of the Safes that were asked for."""

    executions: dict[str, Execution]
    approvals: tuple[Approval, ...]


class Chain:
    """Reads a node. Every method raises as ``RpcClient.call``."""

    def __init__(self, rpc: RpcClient, chain_id: int) -> None:
        self.rpc = rpc
        self.chain_id = chain_id
        self._read: dict[tuple[str, str], Execution] = {}

    async def owners(self, safe: str) -> tuple[str, ...] | None:
        """None for what is no Safe."""
        answer = await self._view(safe, "getOwners()", "address[]")
        return None if answer is None else tuple(_checked(one) for one in answer)

    async def threshold(self, safe: str) -> int:
        """Zero for what is no Safe."""
        return int(await self._view(safe, "getThreshold()", "uint256") or 0)

    async def facts(self, safe: str) -> SafeFacts | None:
        """None for what is no Safe."""
        owners, version = await self.owners(safe), await self._view(safe, "VERSION()", "string")
        if owners is None or version is None:
            return None
        modules, _ = await self._view(
            safe,
            "getModulesPaginated(address,uint256)",
            "address[],address",
            _word(_SENTINEL) + (10).to_bytes(32, "big"),
        ) or ((), None)
        return SafeFacts(
            safe,
            version,
            await self._slot(safe, "0x0"),
            owners,
            await self.threshold(safe),
            int(await self._view(safe, "nonce()", "uint256") or 0),
            tuple(_checked(one) for one in modules),
            await self._slot(safe, _GUARD_SLOT),
            await self._slot(safe, _FALLBACK_SLOT),
        )

    async def head(self) -> tuple[int, str]:
        """Number and hash of the newest block."""
        block = await self.rpc.call("eth_getBlockByNumber", "latest", False)
        return quantity(block["number"]), str(block["hash"])

    async def block_hash(self, number: int) -> str | None:
        block = await self.rpc.call("eth_getBlockByNumber", hex(number), False)
        return None if block is None else str(block["hash"])

    async def found(self, safes: Iterable[str], first: int, last: int) -> Found:
        """What these Safes executed and their owners approved in these blocks."""
        asked = {
            "address": sorted(safes),
            "fromBlock": hex(first),
            "toBlock": hex(last),
            "topics": [[SUCCESS, FAILURE, APPROVE, ANNOUNCED]],
        }
        executions: dict[str, Execution] = {}
        approvals: list[Approval] = []
        # a Safe announces, calls, and then says how it went: calls of itself lie in between, so the last announced is the first done
        announced: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for log in await self.rpc.call("eth_getLogs", asked):
            safe, topic, tx_hash = _checked(log["address"]), log["topics"][0], str(log["transactionHash"])
            if topic == ANNOUNCED:
                announced.setdefault((tx_hash, safe), []).append(log)
            elif topic == APPROVE:
                owner = checksum_address(bytes.fromhex(log["topics"][2][2:])[12:])
                approvals.append(Approval(safe, str(log["topics"][1]), owner, tx_hash))
            else:
                said = announced.get((tx_hash, safe))
                execution = await self._execution(safe, log, said.pop() if said else None)
                executions[execution.safe_tx_hash] = execution
        return Found(executions, tuple(approvals))

    async def _execution(self, safe: str, log: Mapping[str, Any], announced: Mapping[str, Any] | None) -> Execution:
        """Asked once for each place in a block: what a block holds does not change."""
        place = (str(log["blockHash"]), str(log["logIndex"]))
        if place not in self._read:
            self._read[place] = await self._asked(safe, log, announced)
        return self._read[place]

    async def _asked(self, safe: str, log: Mapping[str, Any], announced: Mapping[str, Any] | None) -> Execution:
        receipt = await self.rpc.call("eth_getTransactionReceipt", log["transactionHash"])
        block = await self.rpc.call("eth_getBlockByHash", log["blockHash"], False)
        if receipt is None or block is None:
            raise Refused("the chain changed while it was read", code=0)
        # indexed since 1.4.1, the first word of the data before
        safe_tx_hash = str(log["topics"][1] if len(log["topics"]) > 1 else log["data"][:66])
        transaction, signatures = self._announced(safe, announced)
        if transaction is not None and transaction.hash_text != safe_tx_hash:
            transaction, signatures = None, b""
        return Execution(
            safe_tx_hash,
            str(log["transactionHash"]),
            quantity(log["blockNumber"]),
            str(log["blockHash"]),
            quantity(block["timestamp"]) * 1000,
            _checked(receipt["from"]),
            log["topics"][0] == SUCCESS,
            quantity(receipt["gasUsed"]),
            quantity(receipt["effectiveGasPrice"]),
            transaction,
            signatures,
        )

    def _announced(self, safe: str, log: Mapping[str, Any] | None) -> tuple[SafeTransaction | None, bytes]:
        if log is None:
            return None, b""
        try:
            to, value, data, operation, gas, base, price, token, receiver, signatures, more = decode(
                _ANNOUNCED_KINDS, bytes.fromhex(log["data"][2:])
            )
            (nonce,) = decode(("uint256",), more)
            kind, to, token, receiver = Operation(operation), _checked(to), _checked(token), _checked(receiver)
            return SafeTransaction(
                self.chain_id, safe, nonce, to, data, value, kind, gas, base, price, token, receiver
            ), signatures
        except (DecodingError, UnitError, ValueError):
            return None, b""

    async def _slot(self, safe: str, slot: str) -> str:
        word = await self.rpc.call("eth_getStorageAt", safe, slot, "latest")
        raw = bytes.fromhex(str(word)[2:]).rjust(32, b"\0")
        return checksum_address(raw[12:])

    async def _view(self, to: str, signature: str, kinds: str, args: bytes = b"") -> Any:
        data = keccak256(signature.encode("ascii"))[:4] + args
        try:
            answer = await self.rpc.call("eth_call", {"to": to, "data": "0x" + data.hex()}, "latest")
            found = decode(kinds.split(","), bytes.fromhex(str(answer)[2:]))
        except (Refused, DecodingError, ValueError):
            return None
        return found if len(found) > 1 else found[0]


def known_or_none(address: str) -> str | None:
    """As the service says an address that is not set."""
    return None if address == ZERO_ADDRESS else address


def _checked(text: str) -> str:
    return checksum_address(bytes.fromhex(text[2:]))


def _word(address: str) -> bytes:
    return bytes(12) + bytes.fromhex(address[2:])
