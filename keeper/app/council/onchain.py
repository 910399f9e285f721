"""A Safe as the chain has it: who owns it, what comes next, what was executed. Raises OutsideError."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from keeper.domain.abi import encode_call
from keeper.domain.abi_codec import WORD, decode_values
from keeper.domain.action import Call, FunctionCall
from keeper.domain.address import checksum_address, keccak256
from keeper.domain.block import BlockStamp
from keeper.domain.errors import MalformedAnswer, UnitError
from keeper.domain.evm import CallResult, Log
from keeper.domain.proposal import Confirmation, SafeState
from keeper.domain.safe import ZERO_ADDRESS, SafeTransaction
from keeper.domain.safe_signatures import APPROVED_HASHES, SignatureKind, ask_call, kind_of, named_owner
from keeper.domain.text import printable
from keeper.ports.chain import ChainReader, EventReader

EXECUTED_TOPIC: Final = "0x" + keccak256(b"ExecutionSuccess(bytes32,uint256)").hex()
FAILED_TOPIC: Final = "0x" + keccak256(b"ExecutionFailure(bytes32,uint256)").hex()

MODULES_SHOWN: Final = 16
MOST_OWNERS: Final = 256
BLOCKS_AT_ONCE: Final = 5_000
"""Of one request for events; nodes refuse much more."""

_GUARD_SLOT = int.from_bytes(keccak256(b"guard_manager.guard.address"))
_FALLBACK_SLOT = int.from_bytes(keccak256(b"fallback_manager.handler.address"))
_FIRST_MODULE = "0x" + 39 * "0" + "1"


@dataclass(frozen=True, slots=True)
class Execution:
    """``ok`` False: the Safe's own call failed, and the nonce is used all the same."""

    safe_tx_hash: str
    ok: bool
    tx_hash: str
    block: int
    block_hash: str


class SafeReader:
    """Reads one Safe. ``events`` may look through other nodes than ``chain``."""

    def __init__(self, chain: ChainReader, events: EventReader, chain_id: int, safe: str) -> None:
        self._chain = chain
        self._events = events
        self._chain_id = chain_id
        self.safe = safe

    async def state(self, block: BlockStamp) -> SafeState:
        """All of it at one block. Raises MalformedAnswer where there is no Safe at the address."""
        asked = [
            self._call("VERSION()"),
            self._call("getOwners()"),
            self._call("getThreshold()"),
            self._call("nonce()"),
            self._call("getModulesPaginated(address,uint256)", _FIRST_MODULE, str(MODULES_SHOWN)),
            self._call("getStorageAt(uint256,uint256)", str(_GUARD_SLOT), "1"),
            self._call("getStorageAt(uint256,uint256)", str(_FALLBACK_SLOT), "1"),
        ]
        results = await self._chain.read(asked, block)
        try:
            version, owners, threshold, nonce, modules, guard, fallback = (_data(each) for each in results)
            listed, least = _addresses(owners, 0), _number(threshold)
            if not 0 < least <= len(listed):
                raise MalformedAnswer(f"{least} of {len(listed)} owners is no threshold")
            return SafeState(
                chain_id=self._chain_id,
                safe=self.safe,
                version=printable(str(decode_values(("string",), version)[0]))[:32],
                owners=listed,
                threshold=least,
                nonce=_number(nonce),
                modules=_addresses(modules, 0),
                guard=_slot(guard),
                fallback=_slot(fallback),
                block=block.number,
            )
        except MalformedAnswer as error:
            raise MalformedAnswer(
                f"{self.safe} does not answer as a Safe does at block {block.number}: {error.message}",
                remedy="correct `address` of the route: it is the Safe's own address on this chain",
            ) from None

    async def approvals(self, safe_tx_hash: bytes, owners: Sequence[str], block: BlockStamp) -> frozenset[str]:
        """The owners who have approved the hash on chain."""
        text = "0x" + safe_tx_hash.hex()
        view = APPROVED_HASHES.removesuffix("(uint256)")
        results = await self._chain.read([self._call(view, owner, text) for owner in owners], block)
        return frozenset(
            owner for owner, result in zip(owners, results, strict=True) if result.ok and _number(_data(result))
        )

    async def taken(
        self, transaction: SafeTransaction, given: Sequence[Confirmation], block: BlockStamp
    ) -> frozenset[bytes]:
        """Of these the signatures of contracts that the Safe takes: it asks each contract (EIP-1271). Nobody else can tell."""
        asked = [one for one in given if _of_contract(one)]
        calls = await asyncio.to_thread(lambda: [ask_call(transaction, one) for one in asked])
        results = await self._chain.read(calls, block) if calls else ()
        return frozenset(one.signature for one, result in zip(asked, results, strict=True) if result.ok)

    async def executions(self, hashes: Collection[str], first: int, last: int) -> dict[str, Execution]:
        """Which of these (safeTxHash, as 0x and 64 digits) were executed in the blocks ``first`` to ``last``; the newest are asked for first."""
        found: dict[str, Execution] = {}
        while last >= first and len(found) < len(hashes):
            start = max(first, last - BLOCKS_AT_ONCE + 1)
            for topic in (EXECUTED_TOPIC, FAILED_TOPIC):
                for log in await self._events.logs(self.safe, [topic], start, last):
                    execution = execution_in(log)
                    if execution is not None and execution.safe_tx_hash in hashes:
                        found[execution.safe_tx_hash] = execution
            last = start - 1
        return found

    def _call(self, signature: str, *args: str) -> Call:
        return encode_call(FunctionCall(self.safe, signature, args))


def execution_in(log: Log) -> Execution | None:
    """What a Safe says that it executed; None where this is another event. Safe 1.4.1 has the hash as a topic, 1.3.0 in the data."""
    if not log.topics or log.topics[0] not in (EXECUTED_TOPIC, FAILED_TOPIC):
        return None
    ok = log.topics[0] == EXECUTED_TOPIC
    if len(log.topics) > 1:
        safe_tx_hash = log.topics[1]
    elif len(log.data) >= WORD:
        safe_tx_hash = "0x" + log.data[:WORD].hex()
    else:
        return None
    return Execution(safe_tx_hash, ok, log.tx_hash, log.block_number, log.block_hash)


def _of_contract(one: Confirmation) -> bool:
    """Whether it is a contract's signature that names its owner."""
    try:
        return kind_of(one.signature) is SignatureKind.CONTRACT and named_owner(one.signature) == one.owner
    except UnitError:
        return False


def _data(result: CallResult) -> bytes:
    if not result.ok:
        raise MalformedAnswer("a view reverted")
    return result.data


def _number(data: bytes) -> int:
    return int(decode_values(("uint256",), data)[0])


def _slot(data: bytes) -> str:
    """The address in a storage slot, as ``getStorageAt`` gives it."""
    (raw,) = decode_values(("bytes",), data)
    if not isinstance(raw, bytes) or len(raw) != WORD:
        raise MalformedAnswer("a storage slot has 32 bytes")
    return checksum_address(raw[12:]) if any(raw[12:]) else ZERO_ADDRESS


def _addresses(data: bytes, word: int) -> tuple[str, ...]:
    """The ``address[]`` whose offset stands in this word. Raises MalformedAnswer."""
    offset = int.from_bytes(data[word * WORD : (word + 1) * WORD], "big")
    size = int.from_bytes(data[offset : offset + WORD], "big")
    if len(data) < (word + 1) * WORD or size > MOST_OWNERS or len(data) < offset + (1 + size) * WORD:
        raise MalformedAnswer("this is no list of addresses")
    start = offset + WORD
    items = data[start : start + size * WORD]
    return tuple(str(one) for one in decode_values(("address",) * size, items)) if size else ()
