"""What a key may sign: the call of an open intent or of an armed action, and nothing else. A check of its own, below all that makes transactions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from keeper.domain.action import Call
from keeper.domain.budget import Budget
from keeper.domain.errors import SigningError
from keeper.domain.evm import SignedTransaction, UnsignedTransaction
from keeper.ports.signer import Signer

MAX_GAS: Final = 1 << 24
"""More gas no transaction may have (EIP-7825)."""
REMEDY: Final = "nothing was signed: either the keeper has a fault or something else uses it; stop it, keep the log, and find out which"

Within = Callable[[UnsignedTransaction], str]
"""Why the fees of a transaction are more than it may cost; empty when they are not."""


@dataclass(frozen=True, slots=True)
class Unmandated:
    """What somebody wanted to have signed by ``sender``, and why it was not."""

    sender: str
    transaction: UnsignedTransaction
    why: str
    remedy: str = REMEDY

    @property
    def message(self) -> str:
        """For people, without more of the call than its selector."""
        asked = self.transaction
        selector = asked.data[:4].hex()
        return (
            f"{self.sender} was asked to sign a call of 0x{selector} on {asked.to} (chain {asked.chain_id}, nonce {asked.nonce}): "
            f"{self.why}"
        )


def within(budget: Budget) -> Within:
    """What one action may cost at most; what a day may is not for a single transaction to know."""

    def over(transaction: UnsignedTransaction) -> str:
        most_wei, cost_wei = budget.per_action_wei, transaction.max_fee_wei * transaction.gas_limit
        return (
            "" if most_wei is None or cost_wei <= most_wei else f"it may cost {cost_wei} wei, and an action {most_wei}"
        )

    return over


class Mandates:
    """Of one keeper. ``armed`` are (sender, call) that may be signed at any time: what a trip would send is signed before it.

    Every other call is covered from ``give`` to ``take_back``. ``within`` None: no budget. ``on_refused`` is told what was refused.
    """

    def __init__(
        self,
        chain_id: int,
        armed: Iterable[tuple[str, Call]] = (),
        within: Within | None = None,
        on_refused: Callable[[Unmandated], None] = lambda _: None,
    ) -> None:
        self._chain_id = chain_id
        self._armed = frozenset((sender, call.to, call.data) for sender, call in armed)
        self._within = within
        self._on_refused = on_refused
        self._given: dict[str, tuple[str, str, bytes]] = {}
        self._covered: dict[tuple[str, str, bytes], set[str]] = {}

    def give(self, intent: str, sender: str | None, call: Call) -> None:
        """The intent of this id is open, or is about to be written down together with its attempt: this key may sign exactly its call."""
        self.take_back(intent)
        if sender is not None:
            place = (sender, call.to, call.data)
            self._given[intent] = place
            self._covered.setdefault(place, set()).add(intent)

    def take_back(self, intent: str) -> None:
        """The intent has ended, or never came to be. Of one that has no mandate nothing happens."""
        place = self._given.pop(intent, None)
        if place is None:
            return
        self._covered[place].discard(intent)
        if not self._covered[place]:
            del self._covered[place]

    def check(self, sender: str, transaction: UnsignedTransaction) -> None:
        """Raises SigningError for what no mandate covers. A few dictionary look-ups: it stands on the way of every pause."""
        refused = self._refusal(sender, transaction)
        if refused is not None:
            self._on_refused(refused)
            raise SigningError(refused.message, remedy=refused.remedy)

    def _refusal(self, sender: str, transaction: UnsignedTransaction) -> Unmandated | None:
        if transaction.chain_id != self._chain_id:
            return Unmandated(sender, transaction, f"the configuration says chain {self._chain_id}")
        place = (sender, transaction.to, transaction.data)
        if place not in self._covered and place not in self._armed:
            return Unmandated(sender, transaction, "no open intent and no armed action of this key describes it")
        if not 0 < transaction.gas_limit <= MAX_GAS:
            why = f"a gas limit of {transaction.gas_limit} is not between 1 and {MAX_GAS}"
            return Unmandated(sender, transaction, why, f"set `gas_limit` of the action to {MAX_GAS} at most")
        if self._within is not None and (why := self._within(transaction)):
            return Unmandated(sender, transaction, why)
        return None


class MandatedSigner:
    """A key behind its mandates: the only form in which a pen gets one. The value of what it signs is 0, since the type has none."""

    __slots__ = ("_mandates", "_signer")

    def __init__(self, signer: Signer, mandates: Mandates) -> None:
        self._signer = signer
        self._mandates = mandates

    @property
    def address(self) -> str:
        return self._signer.address

    async def sign(self, transaction: UnsignedTransaction) -> SignedTransaction:
        """Raises SigningError, also for what no mandate covers; OutsideError when a key elsewhere does not answer."""
        self._mandates.check(self._signer.address, transaction)
        return await self._signer.sign(transaction)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._signer.address})"
