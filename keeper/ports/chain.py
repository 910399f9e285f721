"""Reading the chain."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.domain.evm import CallResult, Receipt, Simulation


class ChainReader(Protocol):
    """Heads, and all reads of a tick at one block.

    Every method raises Unreachable (no answer), Refused (an error answer) or MalformedAnswer.
    """

    async def chain_id(self) -> int:
        """The chain the node serves."""

    async def head(self) -> BlockStamp:
        """The newest block."""

    def heads(self) -> AsyncIterator[BlockStamp]:
        """Every new head as it is announced. Ends by raising Unreachable when the connection is lost; call again to reconnect."""

    async def read(self, calls: Sequence[Call], block: BlockStamp) -> Sequence[CallResult]:
        """The answers to all calls, pinned to this block, in one request where Multicall3 is there. Same length and order as ``calls``."""

    async def close(self) -> None:
        """Let go of the connection. Safe to call twice."""


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


class Broadcaster(Protocol):
    """One endpoint that takes signed transactions."""

    async def send_raw(self, raw: str) -> str:
        """``eth_sendRawTransaction``: the hash. Raises Refused with the node's words, Unreachable, or MalformedAnswer."""
