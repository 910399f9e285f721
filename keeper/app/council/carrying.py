"""Executes what enough owners have signed, with the keeper's own key and its journal underneath. Nothing else ever waits for it.

Anybody can execute what enough owners have signed, at any time. The keeper does it only where nobody can have meant anything else:

- what loosens, or was proposed by hand, only while no incident of its market is open (without a market, or where
  an action pauses all of them: none at all). A restore that was signed
  for quiet times must not unpause in the middle of the next incident;
- only with words that owners gave for this proposal. The same call at the same nonce is the same transaction, so that signatures of an
  earlier incident are good for the Safe still; what lay there when the proposal was made does not count here, see ``is_fresh``;
- only when it looks good at this block still: the call goes through, and the invariants that it must keep hold after it.

What is held back is told as a fault, and is for people: ``keeper council CONFIG execute``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

from keeper.app import records
from keeper.app.council.ledger import Proposed, Step, What
from keeper.app.faults import Faults
from keeper.domain.action import UPKEEP_LANE, Action, ActionKind, Call, Effect, FunctionCall, SafeSide
from keeper.domain.block import BlockStamp
from keeper.domain.outcome import Outcome, OutcomeKind
from keeper.domain.proposal import Confirmation, SafeState
from keeper.domain.safe import SafeTransaction
from keeper.domain.safe_signatures import EXEC_TRANSACTION, joined
from keeper.execution.executor import Executor
from keeper.execution.planner import ArmedAction, arm
from keeper.execution.work import Order, Work
from keeper.ports.clock import Clock

EXPIRES_MS: Final = 60_000
AGAIN_MS: Final = 60_000
"""After a failure it is left alone for so long, and twice as long after each further one."""
MOST_DOUBLINGS: Final = 5
HELD: Final = "held-back"
PREFIX: Final = "execute:"
NOBODY: Final = "keeper"
"""The market of what belongs to none."""

Check = Callable[[Proposed, Call, BlockStamp], Awaitable[str]]
"""Why this should not be executed at this block (the Safe's call in the middle), in words; empty: it may."""


def is_execution(key: tuple[str, str]) -> bool:
    """Whether an intent of this (market, action) executes a Safe's transaction; a colon is in no name of the configuration."""
    return key[1].startswith(PREFIX)


def armed_execution(transaction: SafeTransaction, signatures: bytes, route: str, market: str = NOBODY) -> ArmedAction:
    """The call of the Safe. It has worked when the Safe's nonce is past this one, which no second call can use."""
    args = (
        transaction.to,
        str(transaction.value),
        "0x" + transaction.data.hex(),
        str(int(transaction.operation)),
        str(transaction.safe_tx_gas),
        str(transaction.base_gas),
        str(transaction.gas_price),
        transaction.gas_token,
        transaction.refund_receiver,
        "0x" + signatures.hex(),
    )
    call = FunctionCall(transaction.safe, EXEC_TRANSACTION.removesuffix("(bool)"), args)
    effect = Effect(FunctionCall(transaction.safe, "nonce()(uint256)"), str(transaction.nonce + 1))
    name = PREFIX + transaction.hash_text[2:10]
    action = Action(name, market, ActionKind.UPKEEP, call, effect, route, EXPIRES_MS, lane=UPKEEP_LANE)
    return arm(replace(action, safe_side=SafeSide.HIGHER))


def is_fresh(proposed: Proposed, word: Confirmation) -> bool:
    """Whether an owner gave this word for this proposal, and not for an earlier one that was the same transaction.

    What was taken here (by command or on the page) is, what lay there when it was made is not. Of the rest the service's time is believed: whoever
    lies about that holds the signatures, and could execute without the keeper. A word without a time (a file, ``approveHash``) came later than it
    was made, or it would have been seen then; where nobody could look then, it does not count.
    """
    if any(step is Step.CONFIRMED and body.get("owner") == word.owner for step, _, body in proposed.told):
        return True
    if word.owner == proposed.facts.get("proposed_by") and not proposed.adopted:
        return True  # the keeper's own, where its key is an owner
    if word.owner in proposed.former:
        return False
    if word.at_ms is None:
        return proposed.facts.get("former_unsure") is not True
    return word.at_ms >= proposed.made_ms


class Carrying:
    """For one Safe whose route says ``execute: true``. ``incidents`` gives the id of the open one of each market that has one."""

    def __init__(
        self,
        executor: Executor,
        clock: Clock,
        faults: Faults,
        route: str,
        *,
        incidents: Callable[[], Mapping[str, str]],
        check: Check,
        all_at_once: bool = False,
    ) -> None:
        """``all_at_once``: an action may pause all markets, so that what takes one back may concern them all."""
        self._executor = executor
        self._clock = clock
        self._faults = faults
        self._route = route
        self._incidents = incidents
        self._check = check
        self._all_at_once = all_at_once
        self._not_before_ms: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._parts: set[str] = set()
        self._past = (0, 0.0)
        """The Safe's nonce after the newest execution, and until when (monotonic) a look at an older block is not believed."""

    async def execute(
        self, proposed: Proposed, confirmations: Sequence[Confirmation], state: SafeState, block: BlockStamp
    ) -> bool:
        """Sends it, unless something else is on its way or it is for people; whether it was sent. Raises AuditError (then nothing was), UnitError."""
        key = proposed.hash[2:10]
        if self._executor.sender is None or self._executor.open_works:
            return False
        now_ms = self._clock.monotonic_ms()
        past, until_ms = self._past
        if now_ms < self._not_before_ms.get(key, 0) or (proposed.transaction.nonce < past and now_ms < until_ms):
            return False
        words = [one for one in confirmations if is_fresh(proposed, one)]
        if why := self._held_back(proposed, len(words), state.threshold):
            self._hold(proposed, why)
            return False
        signatures = joined(words, state.threshold)
        armed = armed_execution(proposed.transaction, signatures, self._route, proposed.place.market or NOBODY)
        at_ms = self._clock.now_ms()
        if why := await self._check(proposed, armed.call, block):
            self._put_off(key)
            self._hold(proposed, why)
            return False
        self._release(key)
        market, action = armed.key
        why = f"{len(words)} owners have signed {proposed.hash}"
        said = records.job(at_ms, action, state="due", message=why)
        # It belongs to no incident: none waits for it.
        order = Order(f"{market}/{action}/{block.number}/{at_ms}", "", armed, str(state.nonce), at_ms)
        await self._executor.act([(said, order)], block, {})
        return True

    def ended(self, work: Work, outcome: Outcome) -> None:
        """An execution ended; what came of the proposal itself is read from the chain."""
        key = work.key[1].removeprefix(PREFIX)
        if outcome.kind in (OutcomeKind.INCLUDED, OutcomeKind.SUPERSEDED):
            self._failures.pop(key, None)
            if work.armed is not None:
                self._past = (int(work.armed.action.effect.expect), self._clock.monotonic_ms() + AGAIN_MS)
            self._release(key)
            return
        self._put_off(key)
        remedy = outcome.remedy or "execute it by hand: keeper council CONFIG execute"
        self._down(key, str(outcome.reason), outcome.message, remedy)

    def keep(self, hashes: Collection[str]) -> None:
        """Only these wait still: what was wrong with others is over."""
        for key in self._parts - {each[2:10] for each in hashes}:
            self._release(key, "nothing waits for it any more")

    def rest(self) -> None:
        """Nothing waits to be executed any more."""
        self.keep(())

    def _held_back(self, proposed: Proposed, fresh: int, threshold: int) -> str:
        """Why this is for people, in words."""
        open_now = self._incidents()
        market = proposed.place.market
        everywhere = market is None or self._all_at_once
        concerned = sorted(incident for where, incident in open_now.items() if everywhere or where == market)
        if proposed.what is not What.ACTION and concerned:
            return f"the incident {concerned[0]} is open, and the keeper itself executes nothing then that does not tighten"
        if fresh < threshold:
            return (
                f"only {fresh} of {threshold} signatures were given for this proposal; the others lay there before it was made, "
                "for an earlier one that was the same transaction"
            )
        return ""

    def _hold(self, proposed: Proposed, why: str) -> None:
        remedy = (
            f"if it is wanted, execute it by hand: keeper council CONFIG execute {proposed.hash}; if not, reject it"
        )
        message = (
            f"enough owners have signed {proposed.hash} ({proposed.title}), and the keeper does not execute it: {why}"
        )
        self._down(proposed.hash[2:10], HELD, message, remedy)

    def _put_off(self, key: str) -> None:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self._not_before_ms[key] = self._clock.monotonic_ms() + (AGAIN_MS << min(failures, MOST_DOUBLINGS))

    def _down(self, key: str, reason: str, message: str, remedy: str) -> None:
        self._parts.add(key)
        self._faults.down(f"council:{self._route}/{PREFIX}{key}", reason, message, remedy)

    def _release(self, key: str, why: str = "works again") -> None:
        self._parts.discard(key)
        self._faults.up(f"council:{self._route}/{PREFIX}{key}", why)
