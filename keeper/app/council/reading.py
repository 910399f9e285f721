"""A transaction's calldata as calls: in words, and as steps that can be simulated.

Read aside of the event loop, and once: strangers decide how long it is, and a queue is looked at again and again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from keeper.app.council.decoding import MAX_BYTES, decode
from keeper.app.council.known import Known
from keeper.app.council.matter import Decoded, Level, Remark
from keeper.domain.action import Call
from keeper.domain.address import keccak256
from keeper.domain.future import Step
from keeper.domain.multisend import MULTI_SEND_CALL_ONLY_CODE, TRUSTED_MULTI_SEND, decode_multisend
from keeper.domain.safe import Operation, SafeTransaction
from keeper.ports.chain import CodeReader

MOST_KEPT: Final = 128


@dataclass(frozen=True, slots=True)
class Calls:
    """``steps`` are the calls that the Safe itself would make; none where that cannot be told, and ``blind`` says why."""

    decoded: Decoded
    steps: tuple[Step, ...] = ()
    blind: str = ""


class CallReader:
    """For one Safe. Raises as ``CodeReader`` does."""

    def __init__(self, code: CodeReader) -> None:
        self._code = code
        self._kept: OrderedDict[bytes, tuple[Known, Calls]] = OrderedDict()
        self._good: set[str] = set()

    async def read(self, transaction: SafeTransaction, known: Known) -> Calls:
        """By what is written there; whether a batch goes through a library that makes it is ``library``'s to tell."""
        name = transaction.hash
        kept = self._kept.get(name)
        if kept is None or kept[0] is not known:
            kept = known, await asyncio.to_thread(calls_of, transaction, known)
            self._kept[name] = kept
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(name)
        return kept[1]

    async def library(self, transaction: SafeTransaction, known: Known) -> Remark | None:
        """What is wrong with the code that a batch goes through; None for what is no batch, and for the code that is known."""
        to = transaction.to
        trusted = to in TRUSTED_MULTI_SEND | known.multisend
        if transaction.operation is Operation.CALL or not trusted or to in self._good:
            return None
        code = await self._code.code(to)
        if not code:
            return Remark(
                Level.ALARM, f"there is no contract at {to}: executed, it would do nothing but use up its nonce"
            )
        if keccak256(code) in MULTI_SEND_CALL_ONLY_CODE.values():
            self._good.add(to)
            return None
        versions = " or ".join(sorted(MULTI_SEND_CALL_ONLY_CODE))
        return Remark(
            Level.WARNING,
            f"the code at {to} is not that of MultiSendCallOnly {versions}: what it makes of these calls is not known",
        )


def calls_of(transaction: SafeTransaction, known: Known) -> Calls:
    """The words, and the steps."""
    decoded = decode(transaction, known)
    if len(transaction.data) > MAX_BYTES:
        return Calls(decoded, blind="It is not simulated: it is too large to be read here.")
    steps = steps_of(transaction, TRUSTED_MULTI_SEND | known.multisend)
    if not steps:
        return Calls(
            decoded, blind="It cannot be simulated: it runs the code of another contract as the Safe (delegatecall)."
        )
    return Calls(decoded, tuple(steps))


def steps_of(transaction: SafeTransaction, trusted_multisend: frozenset[str]) -> list[Step]:
    """The calls that the Safe itself would make: those of a batch one by one, for a library that is known to make calls only.

    Empty for any other delegatecall: foreign code runs as the Safe then, and what it would do is not what its calldata looks like.
    """
    if transaction.operation is Operation.CALL:
        return [Step(transaction.safe, Call(transaction.to, transaction.data), transaction.value)]
    inner = decode_multisend(transaction.data) or () if transaction.to in trusted_multisend else ()
    if any(one.operation is not Operation.CALL for one in inner):
        return []
    return [Step(transaction.safe, Call(one.to, one.data), one.value) for one in inner]
