"""What gas may still cost: the budgets of an intent and of any 24 hours, and what was spent of them. All amounts in wei."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from keeper.domain.budget import Budget
from keeper.domain.evm import Receipt
from keeper.domain.intent import Attempt
from keeper.execution.fees import Fees
from keeper.execution.work import Work

DAY_MS = 24 * 3_600_000


@dataclass(frozen=True, slots=True)
class Withheld:
    """Nothing more is offered; ``message`` says why, in words. ``refused``: by a node, not by a budget.

    ``nobody``: no builder takes what may not be public.
    """

    message: str
    refused: bool = False
    nobody: bool = False


@dataclass(frozen=True, slots=True)
class Balance:
    """What a key has."""

    sender: str
    wei: int


def worst_wei(attempt: Attempt) -> int:
    """The most that an attempt can cost."""
    return attempt.max_fee_wei * attempt.gas_limit


def cap_after(refused: Attempt, said_wei: int | None, older: Attempt | None) -> int | None:
    """What to stay within at a node that refused this attempt for its cost; None when nobody knows.

    Where the cap that it named would allow it, that is a rounded one: half the cost. Where it named none, what it took before (``older``).
    """
    if said_wei is None:
        return worst_wei(older) if older is not None else None
    return said_wei if said_wei < worst_wei(refused) else worst_wei(refused) // 2


class Purse:
    """One per keeper. What an open intent may cost is its dearest attempt, as one of them is mined at most; what is mined has its real price.

    What is being signed is reserved until it is one of the intent's attempts: the keys of two lanes sign at the same time.
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._paid: dict[str, tuple[int, int]] = {}
        self._reserved: dict[str, int] = {}
        self.first_offers: Callable[[], Mapping[tuple[str, str], int]] = dict
        """What the first offer of each action that a rule can ask for may cost, by (market, action), as far as that is known."""

    def reserve(self, intent: str, wei: int) -> None:
        """An attempt of this intent that may cost so much is about to be signed."""
        self._reserved[intent] = wei

    def release(self, intent: str) -> None:
        """It is one of the intent's attempts now, or there will be none. Safe to call twice."""
        self._reserved.pop(intent, None)

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

    def too_little(self, wei: int, key: tuple[str, str], open_works: Iterable[Work], now_ms: int) -> str:
        """Why a first offer of at least so much for this action (market, name) does not fit; empty where it does."""
        per_action, per_day = self.budget.per_action_wei, self.budget.per_day_wei
        if per_action is not None and wei > per_action:
            return f"a first offer costs {wei} wei, and the budget of one action is {per_action} wei"
        if per_day is not None:
            held = sum(
                max(map(worst_wei, other.intent.attempts), default=0)
                for other in open_works
                if other.mined is None and other.key != key
            )
            left = max(0, per_day - self.spent_wei(now_ms) - held)
            if wei > left:
                return f"a first offer costs {wei} wei, and {left} wei are left of the {per_day} wei for 24 hours"
        return ""

    def _held_wei(self, work: Work, open_works: Iterable[Work]) -> int:
        """What all other intents may still cost, with what is being signed for them."""
        held = dict(self._reserved)
        for other in open_works:
            if other.mined is None:
                dearest = max(map(worst_wei, other.intent.attempts), default=0)
                held[other.intent.id] = max(dearest, self._reserved.get(other.intent.id, 0))
        held.pop(work.intent.id, None)
        return sum(held.values())

    def fitted(
        self,
        work: Work,
        wanted: Fees,
        least: Fees,
        base_fee_wei: int,
        gas_limit: int,
        open_works: Iterable[Work],
        now_ms: int,
        *,
        balance: Balance | None = None,
        first: bool = True,
    ) -> Fees | Withheld:
        """``wanted`` where it fits, else the most that does and is no less than ``least``; Withheld when not even that fits.

        ``base_fee_wei`` is the next block's: what it does not take of the most is what a tip can come to. ``first``: it is the first offer for
        what a rule asked for. All others leave something of the day's budget for the first offers of other actions, half of it at most.
        Where ``balance`` does not cover even a first offer, it is for a node to say so.
        """
        open_works = tuple(open_works)
        per_action, per_day = self.budget.per_action_wei, self.budget.per_day_wei
        limits = [] if per_action is None else [(per_action, f"the budget of {per_action} wei for one action")]
        if per_day is not None:
            left = per_day - self.spent_wei(now_ms) - self._held_wei(work, open_works)
            if not first:
                begun = {other.key for other in open_works if other.intent.attempts} | {work.key}
                spare = sum(wei for key, wei in self.first_offers().items() if key not in begun)
                left -= max(0, min(spare, left // 2))
            limits.append((left, f"what is left of the budget of {per_day} wei for 24 hours, {max(0, left)} wei,"))
        if work.cap_wei is not None:
            limits.append((work.cap_wei, f"the {work.cap_wei} wei that a node takes for one transaction at most"))
        if balance is not None:
            free = balance.wei - sum(
                max((worst_wei(each) for each in other.intent.attempts if each.sender == balance.sender), default=0)
                for other in open_works
                if other.mined is None and other.intent.id != work.intent.id
            )
            if not first or free >= least.max_fee_wei * gas_limit:
                limits.append((free, f"what {balance.sender} has and needs for nothing else, {max(0, free)} wei,"))
        if not limits:
            return wanted
        wei, which = min(limits)
        most = wei // gas_limit
        if wanted.max_fee_wei <= most:
            return wanted
        if most < least.max_fee_wei:
            needed = least.max_fee_wei * gas_limit
            message = f"{which} does not cover the next offer, which may cost {needed} wei"
            return Withheld(message, refused=wei == work.cap_wei)
        return Fees(most, max(least.priority_fee_wei, min(wanted.priority_fee_wei, most - base_fee_wei)))
