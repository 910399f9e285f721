"""Executes what enough owners have signed, with the keeper's own key and its journal underneath. Nothing else ever waits for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from keeper.app import records
from keeper.app.council.ledger import Proposed
from keeper.app.faults import Faults
from keeper.domain.action import Action, ActionKind, Effect, FunctionCall, SafeSide
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
PREFIX: Final = "execute:"
NOBODY: Final = "keeper"
"""The market of what belongs to none."""


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
    return arm(Action(name, market, ActionKind.UPKEEP, call, effect, route, EXPIRES_MS, safe_side=SafeSide.HIGHER))


class Carrying:
    """For one Safe whose route says ``execute: true``."""

    def __init__(self, executor: Executor, clock: Clock, faults: Faults, route: str) -> None:
        self._executor = executor
        self._clock = clock
        self._faults = faults
        self._route = route
        self._not_before_ms: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._parts: set[str] = set()
        self._past = (0, 0.0)
        """The Safe's nonce after the newest execution, and until when (monotonic) a look at an older block is not believed."""

    async def execute(
        self, proposed: Proposed, confirmations: Sequence[Confirmation], state: SafeState, block: BlockStamp
    ) -> bool:
        """Sends it, unless something else is on its way; whether it was sent. Raises AuditError (then nothing was), UnitError."""
        key = proposed.hash[2:10]
        if self._executor.sender is None or self._executor.open_works:
            return False
        now_ms = self._clock.monotonic_ms()
        past, until_ms = self._past
        if now_ms < self._not_before_ms.get(key, 0) or (proposed.transaction.nonce < past and now_ms < until_ms):
            return False
        signatures = joined(confirmations, state.threshold)
        armed = armed_execution(proposed.transaction, signatures, self._route, proposed.place.market or NOBODY)
        at_ms = self._clock.now_ms()
        market, action = armed.key
        why = f"{len(confirmations)} owners have signed {proposed.hash}"
        said = records.job(at_ms, action, state="due", message=why)
        # It belongs to no incident: none waits for it.
        order = Order(f"{market}/{action}/{block.number}/{at_ms}", "", armed, str(state.nonce), at_ms)
        await self._executor.act([(said, order)], block, {})
        return True

    def ended(self, work: Work, outcome: Outcome) -> None:
        """An execution ended; what came of the proposal itself is read from the chain."""
        key = work.key[1].removeprefix(PREFIX)
        part = f"council:{self._route}/{work.key[1]}"
        if outcome.kind in (OutcomeKind.INCLUDED, OutcomeKind.SUPERSEDED):
            self._failures.pop(key, None)
            if work.armed is not None:
                self._past = (int(work.armed.action.effect.expect), self._clock.monotonic_ms() + AGAIN_MS)
            self._parts.discard(part)
            self._faults.up(part)
            return
        self._parts.add(part)
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self._not_before_ms[key] = self._clock.monotonic_ms() + (AGAIN_MS << min(failures, MOST_DOUBLINGS))
        remedy = outcome.remedy or "execute it by hand: keeper council CONFIG execute"
        self._faults.down(part, str(outcome.reason), outcome.message, remedy)

    def rest(self) -> None:
        """Nothing waits to be executed any more."""
        while self._parts:
            self._faults.up(self._parts.pop(), "nothing waits for it any more")
