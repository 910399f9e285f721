"""Reading the chain."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol, runtime_checkable

from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.domain.evm import CallResult, Log, Receipt, Simulation
from keeper.domain.rehearsal import Rehearsal
from keeper.domain.testimony import Testimony


class ChainReader(Protocol):
    """Heads, and all reads of a tick at one block.

    Every method raises Unreachable (no answer), Refused (an error answer) or MalformedAnswer.
    """

    async def chain_id(self) -> int:
        """The chain the node serves."""

    async def head(self) -> BlockStamp:
        """The newest block."""

    def heads(self) -> AsyncIterator[BlockStamp]:
        """Every new head as it is announced. Ends by raising Unreachable when the connection is lost; call again to reconnect.

        One node gives all heads, each as announced. Several nodes behind one reader give each block once, in the order of the chain, with missed
        ones fetched, and pass over those for which the listener was too slow.
        """

    async def read(self, calls: Sequence[Call], block: BlockStamp) -> Sequence[CallResult]:
        """The answers to all calls, pinned to this block, in one request where Multicall3 is there. Same length and order as ``calls``."""

    async def close(self) -> None:
        """Let go of the connection. Safe to call twice."""


@runtime_checkable
class RehearsingReader(Protocol):
    """A ChainReader that simulates calls in the message that it reads with. Raises as ChainReader does."""

    async def read_and_rehearse(
        self, calls: Sequence[Call], rehearsals: Sequence[Rehearsal], block: BlockStamp
    ) -> tuple[Sequence[CallResult], Sequence[Simulation | None]]:
        """As ``read``, and what each rehearsal comes to at the same block: None where the node has no word on it, or takes no such message."""


@runtime_checkable
class PoolReader(Protocol):
    """What waits to be mined. Raises as ChainReader does."""

    async def pending_nonce(self, address: str) -> int:
        """The account's next nonce, with the transactions counted that wait in the node's pool without a gap."""


class BlockReader(Protocol):
    """Headers of the past. Raises as ChainReader does."""

    async def blocks(self, first: int, last: int) -> Sequence[BlockStamp]:
        """The blocks from number ``first`` to ``last``, both included, as the node's chain is now: those that it has, in order."""

    async def block_of(self, block_hash: str) -> BlockStamp | None:
        """The block with this hash, or None."""


class AccountReader(Protocol):
    """What a sender must know before and after it sends. Raises as ChainReader does."""

    async def simulate(self, call: Call, sender: str, block: BlockStamp | None = None) -> Simulation:
        """``eth_call`` from this sender, at this block (None: the newest). A revert is an answer, not an error."""

    async def account(self, address: str) -> tuple[int, int]:
        """(nonce, balance in wei) at the newest block; pending transactions not counted."""

    async def gas(self, call: Call, sender: str) -> int:
        """The node's estimate of the gas limit. Raises Refused when the call would revert."""

    async def receipt(self, tx_hash: str) -> Receipt | None:
        """The receipt, or None while there is none."""

    async def priority_fee_wei(self) -> int:
        """A priority fee that the last blocks would have taken (eth_feeHistory, high percentile)."""


class EventReader(Protocol):
    """What contracts told. Raises as ChainReader does."""

    async def logs(self, address: str, topics: Sequence[str | None], first: int, last: int) -> Sequence[Log]:
        """What this contract told in the blocks ``first`` to ``last``, both included, in order. None in ``topics`` stands for any.

        Raises Refused also where the node does not look at so many blocks at once, or has forgotten them.
        """


class CodeReader(Protocol):
    """What contracts are. Raises as ChainReader does."""

    async def code(self, address: str) -> bytes:
        """The runtime code at the newest block; empty where there is no contract."""


class ContractReader(EventReader, CodeReader, Protocol):
    """What contracts are, and what they told. Raises as ChainReader does."""

    async def logs_of(self, tx_hash: str) -> Sequence[Log] | None:
        """What all contracts told in this transaction, in order; None while there is no receipt."""


class Broadcaster(Protocol):
    """One endpoint that takes signed transactions."""

    async def send_raw(self, raw: str) -> str:
        """``eth_sendRawTransaction``: the hash. Raises Refused with the node's words, Unreachable, or MalformedAnswer."""


class Witness(Protocol):
    """Independent nodes, asked for their word on what another node said. Never raises for what they do."""

    async def testify(
        self,
        block: BlockStamp,
        calls: Sequence[Call],
        results: Sequence[CallResult],
        deadline_ms: int,
        *,
        enough: int | None = None,
    ) -> Testimony:
        """Whether they have this block at its number and give these results to these calls at it.

        All are asked at once and have ``deadline_ms`` in all; one that does not have the block yet is asked again until then.
        Comes back as soon as everyone has answered, or ``enough`` agree (counted with the endpoint that gave the results).
        """

    async def compare_head(self, block: BlockStamp) -> Testimony:
        """The same about the block alone, off the hot path and with more time."""
