"""What gas may still cost: the budgets of an intent and of any 24 hours, and what was spent of them. All amounts in wei."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from keeper.domain.budget import Budget
from keeper.domain.evm import Receipt
from keeper.domain.intent import Attempt
from keeper.execution.fees import Fees
from keeper.execution.work import Work

DAY_MS = 24 * 3_600_000


@dataclass(frozen=True, slots=True)
class Withheld:
    """Nothing more is offered; ``message`` says why, in words."""

    message: str


def worst_wei(attempt: Attempt) -> int:
    """The most that an attempt can cost."""
    return attempt.max_fee_wei * attempt.gas_limit


class Purse:
    """One per keeper. What an open intent may cost is its dearest attempt, as one of them is mined at most; what is mined has its real price."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._paid: dict[str, tuple[int, int]] = {}

    def paid(self, receipt: Receipt, at_ms: int) -> None:
        """A transaction of ours is mined."""
        self._paid[receipt.tx_hash] = (at_ms, receipt.gas_used * receipt.effective_gas_price_wei)

    def returned(self, tx_hash: str) -> None:
        """A reorganisation took it out of its block."""
        self._paid.pop(tx_hash, None)

    def spent_wei(self, now_ms: int) -> int:
        """What was paid within the last 24 hours. Forgets what is older."""
        for tx_hash in [name for name, (at_ms, _) in self._paid.items() if at_ms <= now_ms - DAY_MS]:
            del self._paid[tx_hash]
        return sum(wei for _, wei in self._paid.values())

    def fitted(
        self,
        work: Work,
        wanted: Fees,
        least: Fees,
        base_fee_wei: int,
        gas_limit: int,
        open_works: Iterable[Work],
        now_ms: int,
    ) -> Fees | Withheld:
        """``wanted`` where it fits, else the most that does and is no less than ``least``; Withheld when not even that fits.

        ``base_fee_wei`` is the next block's: what it does not take of the most is what a tip can come to.
        """
        per_action, per_day = self.budget.per_action_wei, self.budget.per_day_wei
        limits = [] if per_action is None else [(per_action, f"the budget of {per_action} wei for one action")]
        if per_day is not None:
            others = sum(
                max(map(worst_wei, other.intent.attempts), default=0)
                for other in open_works
                if other.mined is None and other.intent.id != work.intent.id
            )
            left = per_day - self.spent_wei(now_ms) - others
            limits.append((left, f"what is left of the budget of {per_day} wei for 24 hours, {max(0, left)} wei,"))
        if not limits:
            return wanted
        wei, which = min(limits)
        most = wei // gas_limit
        if wanted.max_fee_wei <= most:
            return wanted
        if most < least.max_fee_wei:
            needed = least.max_fee_wei * gas_limit
            return Withheld(f"{which} does not cover the next offer, which may cost {needed} wei")
        return Fees(most, max(least.priority_fee_wei, min(wanted.priority_fee_wei, most - base_fee_wei)))
