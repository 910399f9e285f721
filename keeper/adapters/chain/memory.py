"""A chain in memory: blocks, accounts, a small mempool, and contracts that are Python functions.

It passes the same conformance suite as a real node. It has no EVM and no gas market; a reorganisation takes blocks away, not the transactions
in them. It stands in where the subject of a test is what happens around the chain.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace

from keeper.adapters.chain import hexes
from keeper.adapters.chain.fees import next_base_fee_wei
from keeper.domain.abi import describe_revert
from keeper.domain.action import Call
from keeper.domain.address import checksum_address, keccak256
from keeper.domain.block import BlockStamp
from keeper.domain.errors import Refused, Unreachable
from keeper.domain.evm import CallResult, Log, Receipt, Simulation
from keeper.domain.future import Future, Step

GWEI = 10**9
GAS_LIMIT = 30_000_000
CALL_GAS = 50_000
"""What every transaction uses here."""


class Reverted(Exception):
    """Raised by a contract function: it reverts with this data."""

    def __init__(self, data: bytes = b"") -> None:
        super().__init__(describe_revert(data))
        self.data = data


Storage = dict[str, object]

Contract = Callable[[bytes, str, Storage], bytes]
"""(calldata, sender, storage) -> return data. What it writes into the storage lasts only when it is a transaction that succeeds; so does what it
tells with ``tell``."""

_TOLD = "what it told"

Code = tuple[Contract, Storage]


def tell(storage: Storage, topics: Sequence[str], data: bytes) -> None:
    """A log, as a contract function emits it."""
    told = storage.setdefault(_TOLD, [])
    assert isinstance(told, list)
    told.append((tuple(topics), data))


@dataclass(frozen=True, slots=True)
class _Waiting:
    tx_hash: str
    sender: str
    nonce: int
    call: Call
    max_fee_wei: int


@dataclass(slots=True)
class _Account:
    nonce: int = 0
    balance_wei: int = 0


class MemoryChain:
    """ChainReader, BlockReader, AccountReader, StateAfter, ContractReader and Broadcaster.

    ``mine`` makes a block; ``go_down`` and ``come_back`` stand for a lost node.
    """

    def __init__(
        self, *, chain_id: int = 31337, first_timestamp_s: int = 1_700_000_000, base_fee_wei: int = GWEI
    ) -> None:
        self._chain_id = chain_id
        self._base_fee_wei = base_fee_wei
        self._code: dict[str, Code] = {}
        self._accounts: dict[str, _Account] = {}
        self._pool: list[_Waiting] = []
        self._receipts: dict[str, Receipt] = {}
        self._logs: list[Log] = []
        self._states: dict[str, dict[str, Code]] = {}
        self._blocks: list[BlockStamp] = []
        self._known: dict[str, BlockStamp] = {}
        self._branch = 0
        self._listeners: set[asyncio.Queue[BlockStamp | None]] = set()
        self._down = False
        self._closed = False
        self.requests_made = 0
        self._add_block(first_timestamp_s, gas_used=0)

    # -- the hand that moves it ------------------------------------------------------------------------------------------------

    def install(self, address: str, contract: Contract, **storage: object) -> None:
        """Puts a contract at an address; it is there from the next block on."""
        self._code[address] = (contract, dict(storage))

    def store(self, address: str, **storage: object) -> None:
        """Changes a contract's storage; seen from the next block on."""
        self._code[address][1].update(storage)

    def fund(self, address: str, wei: int) -> None:
        """Sets a balance."""
        self._account(address).balance_wei = wei

    def mine(self, *, seconds: int = 12) -> BlockStamp:
        """One more block, ``seconds`` after the last, with every transaction of the pool whose turn it is; announces it."""
        number = len(self._blocks)
        mined = [waiting for waiting in sorted(self._pool, key=lambda one: one.nonce) if self._execute(waiting, number)]
        self._pool = [waiting for waiting in self._pool if waiting not in mined]
        block = self._add_block(self._blocks[-1].timestamp_s + seconds, gas_used=CALL_GAS * len(mined))
        for waiting in mined:
            self._receipts[waiting.tx_hash] = replace(self._receipts[waiting.tx_hash], block_hash=block.hash)
        self._logs = [log if log.block_hash else replace(log, block_hash=block.hash) for log in self._logs]
        for listener in self._listeners:
            listener.put_nowait(block)
        return block

    def rewind(self, depth: int) -> None:
        """Takes the newest ``depth`` blocks away (never the first one); those that are mined then are others."""
        self._branch += 1
        del self._blocks[max(1, len(self._blocks) - depth) :]

    def go_down(self) -> None:
        """From now on nothing answers."""
        self._down = True
        for listener in self._listeners:
            listener.put_nowait(None)

    def come_back(self) -> None:
        """Answers again; blocks that were missed are not announced."""
        self._down = False

    # -- ChainReader -----------------------------------------------------------------------------------------------------------

    async def chain_id(self) -> int:
        await self._reach()
        return self._chain_id

    async def head(self) -> BlockStamp:
        await self._reach()
        return self._blocks[-1]

    async def heads(self) -> AsyncGenerator[BlockStamp]:
        await self._reach()
        listener: asyncio.Queue[BlockStamp | None] = asyncio.Queue()
        self._listeners.add(listener)
        try:
            while (block := await listener.get()) is not None:
                yield block
            raise Unreachable("the chain in memory is down")
        finally:
            self._listeners.discard(listener)

    async def read(self, calls: Sequence[Call], block: BlockStamp) -> Sequence[CallResult]:
        if calls:
            await self._reach()
        state = self._state(block)
        return [self._call(state, call, "0x" + "0" * 40) for call in calls]

    async def close(self) -> None:
        self._closed = True
        self.go_down()

    # -- BlockReader -----------------------------------------------------------------------------------------------------------

    async def blocks(self, first: int, last: int) -> Sequence[BlockStamp]:
        await self._reach()
        return self._blocks[max(first, 0) : max(last + 1, 0)]

    async def block_of(self, block_hash: str) -> BlockStamp | None:
        await self._reach()
        return self._known.get(block_hash)

    # -- AccountReader ---------------------------------------------------------------------------------------------------------

    async def simulate(self, call: Call, sender: str, block: BlockStamp | None = None) -> Simulation:
        await self._reach()
        result = self._call(self._state(block or self._blocks[-1]), call, sender)
        return Simulation(result.ok, result.data, "" if result.ok else f"execution {describe_revert(result.data)}")

    async def account(self, address: str) -> tuple[int, int]:
        await self._reach()
        account = self._account(address)
        return account.nonce, account.balance_wei

    async def gas(self, call: Call, sender: str) -> int:
        simulation = await self.simulate(call, sender)
        if not simulation.ok:
            raise Refused(simulation.error, code=3, data="0x" + simulation.data.hex())
        return CALL_GAS

    async def receipt(self, tx_hash: str) -> Receipt | None:
        await self._reach()
        return self._receipts.get(tx_hash.lower())

    async def priority_fee_wei(self) -> int:
        await self._reach()
        return GWEI

    # -- StateAfter -----------------------------------------------------------------------------------------------------------

    async def after(self, steps: Sequence[Step], reads: Sequence[Call], block: BlockStamp) -> Future:
        await self._reach()
        state = {address: (contract, dict(storage)) for address, (contract, storage) in self._state(block).items()}
        ends = []
        for step in steps:
            short = step.value_wei > self._account(step.sender).balance_wei
            result = CallResult(False, b"") if short else self._call(state, step.call, step.sender, keep=True)
            words = "insufficient funds for transfer" if short else f"execution {describe_revert(result.data)}"
            ends.append(Simulation(result.ok, result.data, "" if result.ok else words))
        found = [self._call(state, call, "0x" + "0" * 40) for call in reads]
        return Future(tuple(ends), tuple(found), "the chain in memory")

    # -- ContractReader --------------------------------------------------------------------------------------------------------

    async def code(self, address: str) -> bytes:
        await self._reach()
        return address.encode() if address in self._state(self._blocks[-1]) else b""

    async def logs_of(self, tx_hash: str) -> Sequence[Log] | None:
        await self._reach()
        if tx_hash.lower() not in self._receipts:
            return None
        return [log for log in self._logs if log.tx_hash == tx_hash.lower()]

    async def logs(self, address: str, topics: Sequence[str | None], first: int, last: int) -> Sequence[Log]:
        await self._reach()
        return [
            log
            for log in self._logs
            if log.address == address
            and first <= log.block_number <= last
            and len(log.topics) >= len(topics)
            and all(want in (None, topic) for want, topic in zip(topics, log.topics, strict=False))
        ]

    # -- Broadcaster -----------------------------------------------------------------------------------------------------------

    async def send_raw(self, raw: str) -> str:
        await self._reach()
        waiting = _read_transaction(raw)
        account = self._account(waiting.sender)
        if any(waiting.tx_hash == other.tx_hash for other in self._pool):
            raise Refused("already known", code=-32000)
        if waiting.nonce < account.nonce:
            raise Refused(f"nonce too low: next nonce {account.nonce}, tx nonce {waiting.nonce}", code=-32000)
        if account.balance_wei < waiting.max_fee_wei * CALL_GAS:
            raise Refused("insufficient funds for gas * price + value", code=-32000)
        rivals = [other for other in self._pool if (other.sender, other.nonce) == (waiting.sender, waiting.nonce)]
        if any(waiting.max_fee_wei * 10 < other.max_fee_wei * 11 for other in rivals):
            raise Refused("replacement transaction underpriced", code=-32000)
        self._pool = [other for other in self._pool if other not in rivals] + [waiting]
        return waiting.tx_hash

    # -- inside ----------------------------------------------------------------------------------------------------------------

    async def _reach(self) -> None:
        await asyncio.sleep(0)  # as a real node, it never answers in the same breath
        self.requests_made += 1
        if self._down or self._closed:
            raise Unreachable("the chain in memory is down")

    def _account(self, address: str) -> _Account:
        return self._accounts.setdefault(address.lower(), _Account())

    def _state(self, block: BlockStamp) -> dict[str, Code]:
        if block.hash not in self._states:
            raise Refused("header not found", code=-32001)
        return self._states[block.hash]

    def _add_block(self, timestamp_s: int, *, gas_used: int) -> BlockStamp:
        number = len(self._blocks)
        parent = self._blocks[-1].hash if self._blocks else "0x" + "0" * 64
        base_fee_wei = self._blocks[-1].next_base_fee_wei if self._blocks else self._base_fee_wei
        digest = keccak256(f"{self._chain_id}/{number}/{parent}/{timestamp_s}/{self._branch}".encode())
        next_fee_wei = next_base_fee_wei(base_fee_wei, gas_used, GAS_LIMIT)
        block = BlockStamp(number, "0x" + digest.hex(), parent, timestamp_s, next_fee_wei)
        self._blocks.append(block)
        self._known[block.hash] = block
        self._states[block.hash] = {
            address: (contract, dict(storage)) for address, (contract, storage) in self._code.items()
        }
        return block

    def _call(self, state: dict[str, Code], call: Call, sender: str, *, keep: bool = False) -> CallResult:
        """``keep``: what it writes stays in ``state`` when it succeeds."""
        if call.to not in state:
            return CallResult(True, b"")  # as on a chain: nobody there is not an error
        contract, storage = state[call.to]
        after = dict(storage)
        try:
            answer = contract(call.data, sender, after)
        except Reverted as error:
            return CallResult(False, error.data)
        if keep:
            state[call.to] = (contract, after)
        return CallResult(True, answer)

    def _hear(self, waiting: _Waiting, number: int, storage: Storage) -> None:
        """Keeps what the contract told. ``mine`` gives it the block's hash."""
        told = storage.pop(_TOLD, [])
        assert isinstance(told, list)
        before = sum(log.block_number == number and not log.block_hash for log in self._logs)
        self._logs += [
            Log(waiting.call.to, topics, data, number, "", waiting.tx_hash, before + place)
            for place, (topics, data) in enumerate(told)
        ]

    def _execute(self, waiting: _Waiting, number: int) -> bool:
        """Whether it was mined (successfully or not)."""
        account = self._account(waiting.sender)
        price_wei = self._blocks[-1].next_base_fee_wei
        if waiting.nonce != account.nonce or waiting.max_fee_wei < price_wei:
            return False
        account.nonce += 1
        account.balance_wei -= price_wei * CALL_GAS
        status = 1
        if waiting.call.to in self._code:
            contract, storage = self._code[waiting.call.to]
            after = dict(storage)
            try:
                contract(waiting.call.data, waiting.sender, after)
                self._hear(waiting, number, after)
                self._code[waiting.call.to] = (contract, after)
            except Reverted:
                status = 0
        self._receipts[waiting.tx_hash] = Receipt(waiting.tx_hash, status, number, "", CALL_GAS, price_wei)
        return True


def _read_transaction(raw: str) -> _Waiting:
    """Raises Refused for what is not a signed EIP-1559 transaction."""
    from eth_account import Account  # imported late: it is slow, and only senders need it
    from eth_account.typed_transactions.typed_transaction import TypedTransaction
    from hexbytes import HexBytes

    try:
        payload = hexes.data(raw)
        sender = Account.recover_transaction(payload)
        found = TypedTransaction.from_bytes(HexBytes(payload)).as_dict()
        to = checksum_address(bytes(found["to"]))
        call = Call(to, bytes(found["data"]))
        nonce, max_fee_wei = int(found["nonce"]), int(found["maxFeePerGas"])
    except Exception as error:  # noqa: BLE001 - whatever the decoder does not like is not a transaction
        raise Refused(f"failed to decode the transaction ({type(error).__name__})", code=-32602) from None
    return _Waiting("0x" + keccak256(payload).hex(), str(sender), nonce, call, max_fee_wei)
