"""Reading an action's receipt and its effect: now, and after it was mined. Raises OutsideError."""

from __future__ import annotations

from dataclasses import replace

from keeper.domain.block import BlockStamp
from keeper.domain.errors import MalformedAnswer, Refused
from keeper.domain.evm import CallResult, Receipt
from keeper.domain.intent import Intent
from keeper.domain.outcome import Outcome
from keeper.execution import endings
from keeper.execution.gate import already_there
from keeper.execution.planner import ArmedAction
from keeper.execution.work import Work
from keeper.ports.chain import AccountReader, ChainReader


async def effect_now(chain: ChainReader, armed: ArmedAction) -> str | None:
    """What the view answers at the newest block; None when it does not, and the action is right all the same.

    A number that nobody knows might be tighter already: for parameters the view's failure is raised as MalformedAnswer.
    """
    result = await _ask(chain, armed, await chain.head())
    try:
        return armed.effect_text(result)
    except MalformedAnswer:
        if armed.action.safe_side is not None:
            raise
        return None


async def effect_after(
    chain: ChainReader, armed: ArmedAction, receipt: Receipt, *, block_may_be_forgotten: bool
) -> tuple[str, int, bool]:
    """What the view answers at the receipt's block, the block it was read at, and whether that is an answer at all.

    A node may keep the state of the last 128 blocks only: with ``block_may_be_forgotten`` the newest block is read where the receipt's
    block is refused.
    """
    block = BlockStamp(receipt.block_number, receipt.block_hash, "", 0)
    try:
        result = await _ask(chain, armed, block)
    except Refused:
        if not block_may_be_forgotten:
            raise
        block = await chain.head()
        result = await _ask(chain, armed, block)
    try:
        return armed.effect_text(result), block.number, True
    except MalformedAnswer as error:
        return f"unreadable: {error.message}", block.number, False


async def after_revert(chain: ChainReader, work: Work, receipt: Receipt) -> Outcome:
    """The end of what was mined and reverted. Whoever was quicker may have brought the effect about: then nothing is left to do."""
    try:
        there = already_there(work.armed, await effect_now(chain, work.armed)) if work.armed is not None else None
    except MalformedAnswer:
        there = None
    if there is None:
        return endings.reverted(receipt)
    return replace(there, tx_hash=receipt.tx_hash, block=receipt.block_number)


async def receipt_now(accounts: AccountReader, intent: Intent) -> Receipt | None:
    """Of whichever attempt is mined."""
    for attempt in reversed(intent.attempts):
        receipt = await accounts.receipt(attempt.tx_hash)
        if receipt is not None:
            return receipt
    return None


def place(receipt: Receipt) -> tuple[str, str]:
    """Which transaction, in which block."""
    return receipt.tx_hash, receipt.block_hash


async def _ask(chain: ChainReader, armed: ArmedAction, block: BlockStamp) -> CallResult:
    return (await chain.read([armed.effect_call], block))[0]
