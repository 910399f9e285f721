"""Writes attempts: nonce, fees and gas limit are known before the trip, so that only the signature is left to do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace

from keeper.domain.action import ActionKind, Call
from keeper.domain.block import BlockStamp
from keeper.domain.budget import NO_BUDGET
from keeper.domain.errors import OutsideError, Refused, SignerAway, SigningError
from keeper.domain.evm import SignedTransaction, UnsignedTransaction
from keeper.domain.intent import Attempt
from keeper.domain.outcome import Outcome, OutcomeKind, Reason
from keeper.execution.bidding import Bid
from keeper.execution.fees import BLOCKS_AHEAD, Fees, bump, dearest, escalate, offer, raised
from keeper.execution.mandate import MAX_GAS, MandatedSigner, within
from keeper.execution.planner import ArmedAction
from keeper.execution.purse import Balance, Purse, Withheld
from keeper.execution.reverts import explain, is_revert, revert_data
from keeper.execution.work import Work
from keeper.ports.chain import AccountReader, ChainReader
from keeper.ports.clock import Clock

GAS_MARGIN = (13, 10)
"""The node's estimate of the gas limit times 1.3, as far as a transaction may have that much: state may change until the block."""
QUICK_S = 0.05
"""A key that takes longer is somewhere else: nobody waits for it who has something else to do."""
PATIENCE_S = 5.0
"""A key that takes longer does not answer: what was to be signed is tried again at the next head."""


@dataclass(frozen=True, slots=True)
class Lane:
    """What the chain says of the sender, as of the block of the last ``refresh``, and what a first attempt offers since then."""

    nonce: int
    balance_wei: int
    priority_fee_wei: int
    offer: Fees


class Turn:
    """Whoever has it may take a nonce, and nobody else meanwhile."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._wanted = 0

    @property
    def free(self) -> bool:
        """Whether it can be had without any waiting; a lock that is handed over is not locked for a moment."""
        return self._wanted == 0

    async def take(self) -> None:
        """As ``async with``, for whoever gives it back by himself."""
        self._wanted += 1
        try:
            await self._lock.acquire()
        except BaseException:
            self._wanted -= 1
            raise

    def give_back(self) -> None:
        """After ``take``."""
        self._lock.release()
        self._wanted -= 1

    async def __aenter__(self) -> None:
        await self.take()

    async def __aexit__(self, *_: object) -> None:
        self.give_back()


def signed_beforehand(armed: ArmedAction) -> bool:
    """Whether the call is known before a trip: it does not follow from the current value, and rests on no decision. Upkeep can wait."""
    action = armed.action
    return action.adjustment is None and action.breaker is None and action.kind is not ActionKind.UPKEEP


class Pen:
    """One per signing key. ``head`` is the newest block seen. ``slow``: the last signature took so long that nobody should wait for the next."""

    def __init__(
        self,
        chain: ChainReader,
        accounts: AccountReader,
        signer: MandatedSigner | None,
        clock: Clock,
        chain_id: int,
        purse: Purse | None = None,
    ) -> None:
        self._purse = purse if purse is not None else Purse(NO_BUDGET)
        self._chain = chain
        self._accounts = accounts
        self._signer = signer
        self._clock = clock
        self._chain_id = chain_id
        self._gas: dict[tuple[str, str], int] = {}
        self._offers: set[tuple[int, Fees]] = set()
        self._sent: dict[int, Fees] = {}
        self._signed_before: dict[UnsignedTransaction, SignedTransaction] = {}
        self.head: BlockStamp | None = None
        self.lane: Lane | None = None
        self.sending = Turn()
        self.slow = False

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
        """(nonce, fees) that an earlier run signed with, and may have sent."""
        for nonce, fees in offers:
            self._offers.add((nonce, fees))
            self._keep_dearest(nonce, fees)

    def was_sent(self, attempt: Attempt) -> None:
        """Somebody is given it: what takes its nonce later has to offer more."""
        if attempt.sender == self.sender:
            self._keep_dearest(attempt.nonce, Fees(attempt.max_fee_wei, attempt.priority_fee_wei))

    def ours(self, nonce: int) -> bool:
        """Whether somebody may have been given a transaction of the keeper with this nonce, by this run or an earlier one."""
        return nonce in self._sent

    def _keep_dearest(self, nonce: int, fees: Fees) -> None:
        self._sent[nonce] = dearest(fees, self._sent.get(nonce, fees))

    def spent(self, attempt: Attempt) -> None:
        """The attempt is mined: its nonce is gone, also before the next ``refresh`` says so."""
        if self.lane is not None and attempt.sender == self.sender:
            self.lane = replace(self.lane, nonce=max(self.lane.nonce, attempt.nonce + 1))

    async def measure_gas(self, armed: ArmedAction) -> None:
        """Keeps the gas limit of an armed action. Raises Refused when the call would revert now, OutsideError."""
        if self.sender is not None and armed.action.gas_limit is None:
            self._gas[armed.key] = with_margin(await self._accounts.gas(armed.call, self.sender))

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

    async def sign_beforehand(
        self, armed: Iterable[ArmedAction], open_works: Iterable[Work], *, patient: bool = False
    ) -> None:
        """Signs what ``write`` would sign next for each action, so that a trip only has to take it; what is not wanted any more is forgotten.

        A key that does not answer is no error here: whoever needs it is told. Not ``patient``: it ends when the key turns out to be slow.
        """
        if self._signer is None or self.lane is None or self.head is None:
            return
        open_works, wanted = list(open_works), list[UnsignedTransaction]()
        nonce = self.next_nonce(open_works)
        fees = self._first_fees(self.lane, self.head, nonce)
        over = within(self._purse.budget)
        for each in armed:
            gas_limit = each.action.gas_limit or self._gas.get(each.key)
            if gas_limit is not None and gas_limit <= MAX_GAS and signed_beforehand(each):
                transaction = self._transaction(each.call, nonce, fees, gas_limit)
                if not over(transaction):  # less is offered then, which is found out when it is due
                    wanted.append(transaction)
        before = self._signed_before
        ready = self._signed_before = {each: before[each] for each in wanted if each in before}
        for transaction in wanted:
            if transaction in ready:
                continue
            try:
                signed = await self._sign(transaction, PATIENCE_S if patient else QUICK_S)
            except (SigningError, OutsideError):
                return
            ready[transaction] = signed
            await asyncio.sleep(0)  # a head must not wait for the rest
            if ready is not self._signed_before:
                return  # others are wanted by now

    async def write(
        self,
        work: Work,
        open_works: Iterable[Work],
        replaces: Attempt | None,
        *,
        bid: Bid = Bid.KEEP_UP,
        patient: bool = True,
    ) -> Attempt | Outcome | Withheld:
        """A signed attempt, not sent and not yet recorded; or the reason why there can be none, Withheld where the budget does not allow it.

        What the attempt may cost is reserved until ``release``.
        ``replaces`` keeps that attempt's nonce and outbids it, as ``bid`` says. Raises OutsideError when something had to be asked and was not
        answered; not ``patient``: also when the key is slow and this was not signed beforehand.
        """
        if self._signer is None:
            return _cannot_sign("no signer is configured", "configure `signer`")
        if self.lane is None or self.head is None:
            await self.refresh(await self._chain.head())
        assert self.lane is not None, "refresh sets the lane when there is a signer"
        assert self.head is not None, "refresh sets the head"
        nonce, base_fee_wei = self.next_nonce(open_works), self.head.next_base_fee_wei
        fees = self._first_fees(self.lane, self.head, nonce)
        least = Fees(base_fee_wei + 1, 1)
        if replaces is not None:
            old = Fees(replaces.max_fee_wei, replaces.priority_fee_wei)
            rise = escalate if bid is Bid.PRESS else bump
            fees = rise(old, base_fee_wei, self.lane.priority_fee_wei)
            least = replace(raised(old), max_fee_wei=max(raised(old).max_fee_wei, least.max_fee_wei))
            nonce = replaces.nonce
        try:
            # A replacement is not estimated: the attempt it replaces may be in the newest block, where the call has nothing left to do.
            gas_limit = replaces.gas_limit if replaces else await self._gas_limit(work, self._signer.address)
            fitted = _too_much_gas(gas_limit) or self._purse.fitted(
                work,
                fees,
                least,
                base_fee_wei,
                gas_limit,
                open_works,
                self._clock.now_ms(),
                balance=Balance(self._signer.address, self.lane.balance_wei),
                first=work.last_attempt is None and not _is_upkeep(work),
            )
            if isinstance(fitted, Withheld | Outcome):
                return fitted
            # Not a second one with the same hash, or one that no node could tell apart; a limit that was reached leaves room below only.
            step = 1 if fitted == fees else -1
            fees = fitted
            while (nonce, fees) in self._offers:
                fees = Fees(fees.max_fee_wei + step, min(fees.priority_fee_wei, fees.max_fee_wei + step))
            self._purse.reserve(work.intent.id, fees.max_fee_wei * gas_limit)
            transaction = self._transaction(work.call, nonce, fees, gas_limit)
            signed = self._signed_before.get(transaction)
            if signed is None:
                signed = await self._sign_reserved(work, transaction, PATIENCE_S if patient else QUICK_S)
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

    def release(self, work: Work) -> None:
        """What ``write`` returned is one of the work's attempts now, or never will be: until then it is reserved in the purse."""
        self._purse.release(work.intent.id)

    def first_cost_wei(self, armed: ArmedAction) -> int:
        """What the first offer for it may cost now; 0 where that is not known."""
        gas_limit = armed.action.gas_limit or self._gas.get(armed.key, 0)
        return self.lane.offer.max_fee_wei * gas_limit if self.lane is not None else 0

    def least_cost_wei(self, armed: ArmedAction) -> int:
        """The least that a first offer for it may be now; 0 where that is not known."""
        gas_limit = armed.action.gas_limit or self._gas.get(armed.key, 0)
        return (self.head.next_base_fee_wei + 1) * gas_limit if self.head is not None else 0

    def _first_fees(self, lane: Lane, head: BlockStamp, nonce: int) -> Fees:
        """The offer of the last refresh, for which there is a signature; a fresh one when the base fee rose more than one block can raise it.

        It outbids whatever has had this nonce before, which may still be in pools.
        """
        needed, fresh = offer(head.next_base_fee_wei, lane.priority_fee_wei, BLOCKS_AHEAD - 1), lane.offer
        if fresh.max_fee_wei < needed.max_fee_wei:
            fresh = offer(head.next_base_fee_wei, lane.priority_fee_wei)
        return fresh if nonce not in self._sent else dearest(fresh, raised(self._sent[nonce]))

    async def _sign_reserved(self, work: Work, transaction: UnsignedTransaction, limit_s: float) -> SignedTransaction:
        """As ``_sign``; what is not signed costs nothing."""
        try:
            return await self._sign(transaction, limit_s)
        except BaseException:
            self.release(work)
            raise

    async def _sign(self, transaction: UnsignedTransaction, limit_s: float) -> SignedTransaction:
        """Raises SigningError; OutsideError where the key is away or takes longer than ``limit_s``, at once where it is known to be slow."""
        assert self._signer is not None, "the caller has looked"
        if self.slow and limit_s <= QUICK_S:
            raise self._no_answer(limit_s)
        was_slow: list[bool] = []
        # A key in this process never gives way to the loop, so that this is never called however busy the machine is.
        watch = asyncio.get_running_loop().call_later(QUICK_S, self._is_slow, was_slow)
        try:
            async with asyncio.timeout(limit_s):
                return await self._signer.sign(transaction)
        except SignerAway as away:
            raise OutsideError(away.message, remedy=away.remedy) from None  # the same may be asked again
        except TimeoutError:
            self._is_slow(was_slow)
            raise self._no_answer(limit_s) from None
        finally:
            watch.cancel()
            self.slow = bool(was_slow)

    def _is_slow(self, noted: list[bool]) -> None:
        self.slow = True
        noted.append(True)

    def _no_answer(self, limit_s: float) -> OutsideError:
        remedy = "look at the service that holds the key; it is asked again at the next block"
        return OutsideError(f"the key {self.sender} did not sign within {limit_s:g} s", remedy=remedy)

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
            self._gas[work.key] = with_margin(await self._accounts.gas(work.call, sender))
        return self._gas[work.key]


def with_margin(estimate: int) -> int:
    """The gas limit for this estimate. One that no transaction may have stays as it is."""
    return max(estimate, min(estimate * GAS_MARGIN[0] // GAS_MARGIN[1], MAX_GAS))


def _too_much_gas(gas_limit: int) -> Outcome | None:
    return (
        None
        if gas_limit <= MAX_GAS
        else Outcome(
            OutcomeKind.FAILED,
            Reason.SIGNING_FAILED,
            f"the call needs {gas_limit} gas, and a transaction may have {MAX_GAS} at most (EIP-7825)",
            remedy="nothing was signed: no block takes it; set `gas_limit` of the action if the estimate is wrong, or act by hand",
        )
    )


def _is_upkeep(work: Work) -> bool:
    return work.armed is not None and work.armed.action.kind is ActionKind.UPKEEP


def _cannot_sign(message: str, remedy: str) -> Outcome:
    return Outcome(OutcomeKind.FAILED, Reason.SIGNING_FAILED, message, remedy)
