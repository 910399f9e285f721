"""What the keeper's keys sent on the chain, the other way round: each nonce that a key has used must be an attempt of the log that was mined.

An account's transactions are numbered without holes. So nothing that a stolen key sent can hide, whatever it called: the numbers would not fit.
"""

from __future__ import annotations

from collections.abc import Callable

from keeper.app.onchain.findings import Found, Report, Subject, Unchecked
from keeper.app.onchain.nodes import Nodes
from keeper.app.onchain.telling import Story, number, text
from keeper.app.onchain.transactions import receipts_of
from keeper.domain.address import checksum_address
from keeper.domain.errors import OutsideError, Refused
from keeper.domain.evm import Sent

MOST_SHOWN = 20
"""Unknown transactions of one key that are looked up and told one by one."""
UNKNOWN = (
    "the key is used elsewhere or stolen, or records were taken out of the log: take its rights away until it is "
    "explained, and compare the log with a backup"
)

Progress = Callable[[str], None]


async def search_sent(nodes: Nodes, story: Story, report: Report, progress: Progress) -> None:
    """Every key that the log says it sent with, from the first block that was evaluated to the newest that any endpoint has."""
    if not story.senders:
        why = "what the keys sent: the log names none, which is right where nothing was ever to be sent; else name them with --key"
        report.unchecked.append(Unchecked(Subject.NONCE, None, why))
        return
    if story.first_block is None or report.block < story.first_block:
        why = "what the keys sent that the log does not tell: no endpoint has the blocks in which the log begins"
        report.unchecked.append(Unchecked(Subject.NONCE, None, why))
        return
    for sender in sorted(story.senders):
        progress(f"transactions of {sender}")
        try:
            await _Search(nodes, story, report, sender, story.first_block).run()
        except OutsideError as error:
            why = f"transactions of {sender} that the log does not tell: {error.message}"
            # that a node has let go of old state is no failure; anything else may be mended
            subject = Subject.NONCE if isinstance(error, Refused) else Subject.TRANSACTION
            report.unchecked.append(Unchecked(subject, None, why))


class _Search:
    def __init__(self, nodes: Nodes, story: Story, report: Report, sender: str, first_block: int) -> None:
        self._nodes = nodes
        self._report = report
        self._sender = checksum_address(bytes.fromhex(sender.removeprefix("0x")))
        self._before = max(0, first_block - 1)
        self._mined = {
            tx_hash for told in story.told for tx_hash, receipt in told.receipts.items() if receipt is not None
        }
        self._attempts: dict[int, list[str]] = {}
        for body in (*story.aside, *(attempt.body for told in story.told for attempt in told.attempts)):
            nonce = number(body, "nonce")
            same_chain = number(body, "chain_id") == report.chain_id
            if nonce is not None and same_chain and text(body, "sender").lower() == sender.lower():
                self._attempts.setdefault(nonce, []).append(text(body, "tx_hash"))

    async def run(self) -> None:
        first, after = await self._begin(), await self._nonce(self._report.block)
        # nonces below the log's own beginning were used before it; the log's own words reach as far as its attempts
        unknown = [nonce for nonce in range(first, after) if not await self._told(nonce)]
        self._report.checked[Subject.NONCE] += max(0, after - first) - len(unknown)
        for nonce in unknown[:MOST_SHOWN]:
            message, tx_hash = await self._named(nonce)
            if tx_hash is None or not any(
                tx_hash in found.message for found in self._report.found
            ):  # a trip, told of already
                self._report.found.append(Found(Subject.NONCE, None, message, UNKNOWN))
        if len(unknown) > MOST_SHOWN:
            more = f"{len(unknown) - MOST_SHOWN} more transactions of {self._sender} that the log does not have"
            self._report.found.append(Found(Subject.NONCE, None, more, UNKNOWN))

    async def _begin(self) -> int:
        """The nonce with which the key came into the log's time. Where no node keeps state so old: that of the log's first attempt."""
        try:
            return await self._nonce(self._before)
        except Refused as error:
            least = min(self._attempts, default=None)
            if least is None:
                raise
            why = f"transactions of {self._sender} before its first one in the log, nonce {least}: {error.message}"
            self._report.unchecked.append(Unchecked(Subject.NONCE, None, why))
            return least

    async def _nonce(self, block: int) -> int:
        """The highest that any node says: one that hides a transaction does not speak for the others."""
        said = await self._nodes.ask(lambda node: node.nonce_at(self._sender, block), having=block)
        return max(nonce for _, nonce in said)

    async def _told(self, nonce: int) -> bool:
        """Whether an attempt of the log took this nonce. One that was mined without a receipt record is told of as a transaction."""
        attempts = self._attempts.get(nonce, [])
        if any(tx_hash in self._mined for tx_hash in attempts):
            return True
        for tx_hash in attempts:
            if await receipts_of(self._nodes, tx_hash, self._report.block):
                return True
        return False

    async def _named(self, nonce: int) -> tuple[str, str | None]:
        """The transaction in words, and its hash, as far as the nodes still know where it is."""
        plain = f"{self._sender} sent a transaction with nonce {nonce} by block {self._report.block}, and the log has no such transaction"
        try:
            block = await self._block_of(nonce)
            said = await self._nodes.ask(lambda node: node.sent_in(block, self._sender, nonce), having=block)
        except OutsideError:
            return plain, None
        found: Sent | None = next((sent for _, sent in said if sent is not None), None)
        if found is None:
            return plain, None
        call = f"call {found.selector} of {found.to}" if found.to else "a new contract"
        return (
            f"{self._sender} sent {found.tx_hash} in block {block} (nonce {nonce}, {call}, value {found.value_wei} wei), "
            "and the log has no such transaction"
        ), found.tx_hash

    async def _block_of(self, nonce: int) -> int:
        """The first block after which the nonce is used. Raises OutsideError where old state is gone."""
        low, high = self._before, self._report.block
        while high - low > 1:
            middle = (low + high) // 2
            if await self._nonce(middle) > nonce:
                high = middle
            else:
                low = middle
        return high
