"""Writes attempts: nonce, fees and gas limit are known before the trip, so that only the signature is left to do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace

from keeper.domain.action import ActionKind, Call
from keeper.domain.block import BlockStamp
from keeper.domain.errors import OutsideError, Refused, SigningError
from keeper.domain.evm import SignedTransaction, UnsignedTransaction
from keeper.domain.intent import Attempt
from keeper.domain.outcome import Outcome, OutcomeKind, Reason
from keeper.execution.fees import BLOCKS_AHEAD, Fees, bump, offer
from keeper.execution.planner import ArmedAction
from keeper.execution.reverts import explain, is_revert, revert_data
from keeper.execution.work import Work
from keeper.ports.chain import AccountReader, ChainReader
from keeper.ports.clock import Clock
from keeper.ports.signer import Signer

GAS_MARGIN = (13, 10)
"""The node's estimate of the gas limit times 1.3: state may change until the block."""


@dataclass(frozen=True, slots=True)
class Lane:
    """What the chain says of the sender, as of the block of the last ``refresh``, and what a first attempt offers since then."""

    nonce: int
    balance_wei: int
    priority_fee_wei: int
    offer: Fees


class Pen:
    """One per signing key. ``head`` is the newest block seen."""

    def __init__(
        self, chain: ChainReader, accounts: AccountReader, signer: Signer | None, clock: Clock, chain_id: int
    ) -> None:
        self._chain = chain
        self._accounts = accounts
        self._signer = signer
        self._clock = clock
        self._chain_id = chain_id
        self._gas: dict[tuple[str, str], int] = {}
        self._offers: set[tuple[int, Fees]] = set()
        self._signed_before: dict[UnsignedTransaction, SignedTransaction] = {}
        self.head: BlockStamp | None = None
        self.lane: Lane | None = None

    @property
    def sender(self) -> str | None:
        return self._signer.address if self._signer else None

    async def refresh(self, block: BlockStamp) -> None:
        """Nonce, balance and priority fee at the newest block. Raises OutsideError."""
        self.head = block
        if self.sender is None:
            return
        (nonce, balance), tip = await asyncio.gather(
            self._accounts.account(self.sender), self._accounts.priority_fee_wei()
        )
        self.lane = Lane(nonce, balance, tip, offer(block.next_base_fee_wei, tip))

    def remember(self, offers: Iterable[tuple[int, Fees]]) -> None:
        """(nonce, fees) that an earlier run signed with."""
        self._offers.update(offers)

    def spent(self, attempt: Attempt) -> None:
        """The attempt is mined: its nonce is gone, also before the next ``refresh`` says so."""
        if self.lane is not None and attempt.sender == self.sender:
            self.lane = replace(self.lane, nonce=max(self.lane.nonce, attempt.nonce + 1))

    async def measure_gas(self, armed: ArmedAction) -> None:
        """Keeps the gas limit of an armed action. Raises Refused when the call would revert now, OutsideError."""
        if self.sender is not None and armed.action.gas_limit is None:
            estimate = await self._accounts.gas(armed.call, self.sender)
            self._gas[armed.key] = estimate * GAS_MARGIN[0] // GAS_MARGIN[1]

    def knows_enough(self, work: Work) -> bool:
        """Whether ``write`` needs nothing but the key: nonce, fees and gas limit are in memory."""
        measured = work.key in self._gas or (work.armed is not None and work.armed.action.gas_limit is not None)
        return self._signer is not None and self.lane is not None and self.head is not None and measured

    def next_nonce(self, open_works: Iterable[Work]) -> int:
        """The first nonce that neither the chain nor an open attempt of this sender has, as far as it may have been sent. Needs a lane.

        Pending transactions are counted by us, not by the node. A nonce that was given up is used again: all later ones wait for it.
        """
        assert self.lane is not None, "the caller has refreshed"
        taken = {held for work in open_works for held in work.held_nonces}
        nonce = self.lane.nonce
        while (self.sender, nonce) in taken:
            nonce += 1
        return nonce

    async def sign_beforehand(self, armed: Iterable[ArmedAction], open_works: Iterable[Work]) -> None:
        """Signs what ``write`` would sign next for each action, so that a trip only has to take it; what the last call signed is forgotten.

        A key that does not answer is no error here: whoever needs it is told.
        """
        if self._signer is None or self.lane is None or self.head is None:
            return
        nonce, fees = self.next_nonce(open_works), self._first_fees(self.lane, self.head)
        ready: dict[UnsignedTransaction, SignedTransaction] = {}
        for each in armed:
            gas_limit = each.action.gas_limit or self._gas.get(each.key)
            # What follows from the current value, or rests on a decision, is signed when that is known.
            known = each.action.adjustment is None and each.action.breaker is None
            if gas_limit is not None and known and each.action.kind is not ActionKind.UPKEEP:
                transaction = self._transaction(each.call, nonce, fees, gas_limit)
                signed = self._signed_before.get(transaction)
                if signed is None:
                    try:
                        signed = await self._signer.sign(transaction)
                    except (SigningError, OutsideError):
                        break
                    await asyncio.sleep(0)  # a head must not wait for the rest
                ready[transaction] = signed
        self._signed_before = ready

    async def write(self, work: Work, open_works: Iterable[Work], replaces: Attempt | None) -> Attempt | Outcome:
        """A signed attempt, not sent and not yet recorded; or the reason why there can be none.

        ``replaces`` keeps that attempt's nonce and outbids it. Raises OutsideError when something had to be asked and was not answered.
        """
        if self._signer is None:
            return _cannot_sign("no signer is configured", "configure `signer`")
        if self.lane is None or self.head is None:
            await self.refresh(await self._chain.head())
        assert self.lane is not None, "refresh sets the lane when there is a signer"
        assert self.head is not None, "refresh sets the head"
        fees = self._first_fees(self.lane, self.head)
        nonce = self.next_nonce(open_works)
        if replaces is not None:
            old = Fees(replaces.max_fee_wei, replaces.priority_fee_wei)
            fees = bump(old, self.head.next_base_fee_wei, self.lane.priority_fee_wei)
            nonce = replaces.nonce
        while (nonce, fees) in self._offers:  # a second one with the same hash, or one that no node could tell apart
            fees = replace(fees, max_fee_wei=fees.max_fee_wei + 1)
        try:
            # A replacement is not estimated: the attempt it replaces may be in the newest block, where the call has nothing left to do.
            gas_limit = replaces.gas_limit if replaces else await self._gas_limit(work, self._signer.address)
            transaction = self._transaction(work.call, nonce, fees, gas_limit)
            signed = self._signed_before.get(transaction) or await self._signer.sign(transaction)
        except Refused as refused:
            if not is_revert(refused):
                raise
            words = explain(revert_data(refused), refused.message).text
            return Outcome(
                OutcomeKind.FAILED,
                Reason.SIMULATION_REVERTED,
                f"the node cannot estimate the gas of the call: {words}",
                remedy="nothing was sent; set `gas_limit` of the action if the estimate is wrong",
            )
        except SigningError as error:
            return _cannot_sign(error.message, error.remedy)
        self._offers.add((nonce, fees))
        work.offered_at = self.head.number
        return Attempt(
            intent=work.intent.id,
            number=len(work.intent.attempts) + 1,
            chain_id=transaction.chain_id,
            sender=self._signer.address,
            nonce=nonce,
            max_fee_wei=fees.max_fee_wei,
            priority_fee_wei=fees.priority_fee_wei,
            gas_limit=gas_limit,
            to=transaction.to,
            data=work.intent.data,
            tx_hash=signed.tx_hash,
            raw=signed.raw,
            signed_ms=self._clock.now_ms(),
        )

    def _first_fees(self, lane: Lane, head: BlockStamp) -> Fees:
        """The offer of the last refresh, for which there is a signature; a fresh one when the base fee rose more than one block can raise it."""
        needed = offer(head.next_base_fee_wei, lane.priority_fee_wei, BLOCKS_AHEAD - 1)
        if lane.offer.max_fee_wei >= needed.max_fee_wei:
            return lane.offer
        return offer(head.next_base_fee_wei, lane.priority_fee_wei)

    def _transaction(self, call: Call, nonce: int, fees: Fees, gas_limit: int) -> UnsignedTransaction:
        return UnsignedTransaction(
            chain_id=self._chain_id,
            nonce=nonce,
            to=call.to,
            data=call.data,
            gas_limit=gas_limit,
            max_fee_wei=fees.max_fee_wei,
            priority_fee_wei=fees.priority_fee_wei,
        )

    async def _gas_limit(self, work: Work, sender: str) -> int:
        if work.armed is not None and work.armed.action.gas_limit is not None:
            return work.armed.action.gas_limit
        if work.key not in self._gas:
            estimate = await self._accounts.gas(work.call, sender)
            self._gas[work.key] = estimate * GAS_MARGIN[0] // GAS_MARGIN[1]
        return self._gas[work.key]


def _cannot_sign(message: str, remedy: str) -> Outcome:
    return Outcome(OutcomeKind.FAILED, Reason.SIGNING_FAILED, message, remedy)
