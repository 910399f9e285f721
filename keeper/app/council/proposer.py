"""Makes a proposal: held against the Safe and its queue, written down, left as a file, and given to the service.

Each step can be repeated: the same call at the same nonce has the same hash, which the service has once. A service that does not answer loses
nothing: what was made is in the log and in a file, and is sent when it answers again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from keeper.adapters.safe.origin import note
from keeper.app.council.filing import Filing
from keeper.app.council.inquiry import FOR_PEOPLE_S, WITHIN_S, Inquiry, within
from keeper.app.council.ledger import Ledger, Place, Proposed, Step, What
from keeper.config.model import SafeRoute
from keeper.domain.council_words import Withdrawal, hour_of
from keeper.domain.errors import Busy, OutsideError, Refused, UnitError
from keeper.domain.multisend import encode_multisend
from keeper.domain.proposal import Queued, SafeState
from keeper.domain.record import Json
from keeper.domain.safe import VERSIONS, Operation, SafeTransaction
from keeper.ports.clock import Clock
from keeper.ports.council import ProposalService, QueuePage
from keeper.ports.signer import SafeSigner

FIRST_PAUSE_S: Final = 2.0
LONGEST_PAUSE_S: Final = 60.0
LONGEST_REST_S: Final = 60.0
"""A service that asks for more is asked again all the same: something is open."""
UNKNOWN: Final = 404
"""HTTP status for a proposal that the service does not have."""

SafeCall = tuple[str, int, bytes]
"""(to, value in wei, data)."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What the queue says about a call. ``equal`` is the same call, proposed already. ``conflicts`` say in words what else has its nonce.

    ``blind``: why the service could not be asked, empty when it was. ``own``: the equal one is in the log alone, as this keeper's.
    """

    nonce: int
    equal: Queued | None = None
    conflicts: tuple[str, ...] = ()
    blind: str = ""
    own: bool = False


class Proposer:
    """One Safe. ``service`` None: files only. ``signer`` None: nothing can be proposed to a service."""

    def __init__(
        self,
        route: SafeRoute,
        service: ProposalService | None,
        ledger: Ledger,
        signer: SafeSigner | None,
        clock: Clock,
        filing: Filing,
    ) -> None:
        self.filing = filing
        self._route = route
        self._service = service
        self._ledger = ledger
        self._signer = signer
        self._clock = clock
        self._inquiry = Inquiry(self._ask, clock)
        self._not_before_ms: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._resting_until_ms = 0.0

    @property
    def address(self) -> str | None:
        """Who proposes."""
        return self._signer.address if self._signer is not None else None

    def transaction(self, state: SafeState, calls: Sequence[SafeCall], nonce: int) -> SafeTransaction:
        """One call as it is, several as a batch: all or none. Raises UnitError for a Safe that the keeper does not know how to speak to."""
        if state.version.partition("+")[0] not in VERSIONS:
            raise UnitError(
                f"the Safe {state.safe} has version {state.version}, which is not supported",
                remedy=f"supported are {' and '.join(VERSIONS)}; propose by hand, or migrate the Safe",
            )
        if len(calls) == 1:
            to, value, data = calls[0]
            return SafeTransaction(state.chain_id, state.safe, nonce, to, data, value)
        data = encode_multisend(calls)
        operation = Operation.DELEGATECALL  # of the one library that only makes calls
        return SafeTransaction(state.chain_id, state.safe, nonce, self._route.multisend, data, operation=operation)

    async def reconcile(self, state: SafeState, calls: Sequence[SafeCall], *, first: bool) -> Reconciled:
        """Which nonce these calls should have, and what is there already. Raises AuditError, UnitError.

        ``first``: as early as possible, before what waits there of others, and before what people asked the keeper to propose: a pause must wait
        neither behind a forgotten proposal nor for a slow service. Else behind all of it.
        """
        mine = [one for one in await self._ledger.open() if one.transaction.nonce >= state.nonce]
        try:
            page = await self.queue(state.nonce, WITHIN_S if first else FOR_PEOPLE_S)
            blind = ""
        except OutsideError as error:
            page, blind = QueuePage(()), error.message
        wanted = self.transaction(state, calls, state.nonce)
        waiting = {one.transaction.nonce for one in mine} | {one.transaction.nonce for one in page.queued}
        free = _first_free(state.nonce, waiting)
        there = {one.claimed_hash for one in page.queued}
        kept = [
            Queued(one.transaction, one.hash) for one in mine if (blind or not one.adopted) and one.hash not in there
        ]
        for queued in (*page.queued, *kept):
            true = queued.claimed_hash == queued.transaction.hash_text
            # One behind a nonce that nothing has could never be executed: it is as good as not there.
            if true and queued.transaction.nonce < free and same_calls(queued.transaction, wanted):
                conflicts = _beside(queued.transaction, page, mine)
                return Reconciled(queued.transaction.nonce, queued, conflicts, blind, own=queued in kept)
        if not first:
            return Reconciled(free, blind=blind)
        nonce = _first_free(state.nonce, {one.transaction.nonce for one in mine if one.what is What.ACTION})
        return Reconciled(nonce, None, _beside(self.transaction(state, calls, nonce), page, mine), blind)

    async def queue(self, since_nonce: int, within_s: float = WITHIN_S) -> QueuePage:
        """What waits there; empty without a service. Raises OutsideError, without asking while the service wants to be left alone.

        A service that is slower than ``within_s`` is asked on, and its answer is given to whoever asks when it is there.
        """
        if self._service is None:
            return QueuePage(())
        left_ms = self._resting_until_ms - self._clock.monotonic_ms()
        if left_ms > 0:
            raise Busy("the Safe service asked to be left alone for a while", retry_after_s=left_ms / 1000)
        try:
            return await self._inquiry.queue(since_nonce, within_s)
        except Busy as error:
            self._rest(error)
            raise

    async def make(
        self,
        transaction: SafeTransaction,
        *,
        what: What,
        title: str,
        place: Place,
        block: int,
        expires_ms: int | None = None,
        evidence: str | None = None,
        facts: Mapping[str, Json] | None = None,
        adopted: bool = False,
        wait: bool = True,
    ) -> Proposed:
        """Written down and left as a file; not sent yet. ``adopted``: somebody has proposed it, and it is only followed. Raises AuditError.

        ``wait``: for the file, a few seconds at most.
        """
        proposed = Proposed(
            transaction,
            what,
            title,
            note(place.incident or "", evidence or ""),
            place,
            self._clock.now_ms(),
            block,
            expires_ms,
            evidence,
            adopted,
            {**(facts or {}), "proposed_by": self.address, "as": self._route.propose_as.value},
        )
        await self._ledger.made(proposed)
        if wait:
            await self.filing.leave(transaction, title)
        else:
            self.filing.later(transaction, title)
        return proposed

    def due(self, proposed: Proposed) -> bool:
        """Whether it should be sent now: it is not there, and the last failure is long enough ago."""
        if self._service is None or self._signer is None or proposed.sent:
            return False
        now_ms = self._clock.monotonic_ms()
        return now_ms >= max(self._resting_until_ms, self._not_before_ms.get(proposed.hash, 0))

    async def send(self, proposed: Proposed) -> Proposed:
        """Gives it to the service, and writes down what came of that. Raises AuditError, SigningError."""
        assert self._service is not None, "due was not asked"
        assert self._signer is not None, "due was not asked"
        signature = await self._signer.sign_safe(proposed.transaction)
        try:
            await within(self._service.propose(proposed.transaction, self._signer.address, signature, proposed.origin))
        except OutsideError as error:
            self._put_off(proposed.hash, error)
            step = Step.REFUSED if isinstance(error, Refused) else Step.KEPT
            told = proposed.last(Step.REFUSED, Step.KEPT)
            if told is not None and told[1].get("step") == step and told[1].get("message") == error.message:
                return proposed
            return await self._ledger.step(proposed, step, message=error.message, remedy=error.remedy)
        self._failures.pop(proposed.hash, None)
        return await self._ledger.step(proposed, Step.SENT, sender=self._signer.address)

    async def withdraw(self, proposed: Proposed) -> str:
        """Takes our own proposal out of the service's queue; why not, if it could not be. Raises SigningError.

        Also where the log does not say that the service has it: an answer may have been lost, or a run have ended before it was written down.
        """
        if self._service is None:
            return ""
        if self._signer is None or proposed.adopted:
            return "it is not this keeper's to take away"
        try:
            words = Withdrawal(
                proposed.transaction.chain_id, self._route.address, proposed.hash, hour_of(self._clock.now_ms())
            )
            signature = await self._signer.sign_safe(words)
            await within(self._service.withdraw(self._route.address, proposed.hash, signature))
        except OutsideError as error:
            unknown = isinstance(error, Refused) and error.code == UNKNOWN
            return "" if unknown else error.message
        return ""

    async def forward(self, proposed: Proposed, signature: bytes) -> None:
        """Gives the service an owner's signature that it does not have. Raises OutsideError."""
        assert self._service is not None, "there is a queue"
        await within(self._service.confirm(proposed.hash, signature))

    def is_mine(self, queued: Queued) -> bool:
        """Whether the service has it from this key."""
        return self.address is not None and self.address == (queued.delegate or queued.proposer)

    async def _ask(self, since_nonce: int) -> QueuePage:
        assert self._service is not None, "there is a queue"
        return await self._service.queue(self._route.address, since_nonce)

    def _rest(self, error: Busy) -> None:
        if error.retry_after_s is not None:
            rest_s = min(error.retry_after_s, LONGEST_REST_S)
            self._resting_until_ms = self._clock.monotonic_ms() + rest_s * 1000

    def _put_off(self, safe_tx_hash: str, error: OutsideError) -> None:
        """Twice as long after each failure; a busy service says itself how long, for everything that is asked of it."""
        failures = self._failures.get(safe_tx_hash, 0)
        self._failures[safe_tx_hash] = failures + 1
        pause_s = min(FIRST_PAUSE_S * 2**failures, LONGEST_PAUSE_S)
        now_ms = self._clock.monotonic_ms()
        self._not_before_ms[safe_tx_hash] = now_ms + pause_s * 1000
        if isinstance(error, Busy):
            self._rest(error)


def _first_free(nonce: int, taken: Collection[int]) -> int:
    while nonce in taken:
        nonce += 1
    return nonce


def _beside(wanted: SafeTransaction, page: QueuePage, mine: Sequence[Proposed]) -> tuple[str, ...]:
    """What else has its nonce, in words: also what would use it up for nothing, because that was not meant for this one."""
    titles = {one.hash: one.title for one in mine}
    others = {one.transaction.hash_text: one.transaction.nonce for one in page.queued}
    others |= {one.hash: one.transaction.nonce for one in mine}
    return tuple(
        conflict(other, nonce, titles.get(other, ""))
        for other, nonce in others.items()
        if nonce == wanted.nonce and other != wanted.hash_text
    )


def conflict(other: str, nonce: int, title: str = "") -> str:
    """In words. ``title`` where this keeper proposed it."""
    return f"{other}{f' ({title})' if title else ''} has the same nonce {nonce}: only one of the two can be executed"


def same_calls(one: SafeTransaction, other: SafeTransaction) -> bool:
    """Whether both do the same and pay nobody, whatever their nonces."""
    same = (one.chain_id, one.safe, one.to, one.value, one.data, one.operation) == (
        other.chain_id, other.safe, other.to, other.value, other.data, other.operation,
    )  # fmt: skip
    return same and not one.refunds and not other.refunds and one.safe_tx_gas == other.safe_tx_gas
