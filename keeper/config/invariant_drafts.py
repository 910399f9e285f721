"""Invariants as they are written, before they are bound to a market."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from keeper.config import templates
from keeper.config.calls import Signature
from keeper.config.shape import Cursor
from keeper.config.slots import Slot, Variables, bind_slot
from keeper.domain.action import FunctionCall
from keeper.domain.invariant import Accounts, Multiple, Otherwise, View

MAX_ACCOUNTS = 5_000


@dataclass(frozen=True, slots=True)
class CallDraft:
    """A view before it is bound to a market; ``later`` are the arguments that are filled in when it is asked."""

    target: Slot
    signature: Signature
    args: tuple[Slot, ...]
    later: tuple[str, ...] = ()

    @property
    def slots(self) -> tuple[Slot, ...]:
        return (self.target, *(slot for slot in self.args if slot.text not in self.later))

    def bind(self, market: str, variables: Variables) -> FunctionCall:
        target = bind_slot(self.target, market, variables)
        args = tuple(slot.text if slot.text in self.later else bind_slot(slot, market, variables) for slot in self.args)
        return FunctionCall(target, self.signature.text, args)


@dataclass(frozen=True, slots=True)
class ViewDraft:
    call: CallDraft
    decimals: int
    index: int
    label: str

    def bind(self, market: str, variables: Variables) -> View:
        return View(self.call.bind(market, variables), self.decimals, self.index, self.label)


@dataclass(frozen=True, slots=True)
class PriceDraft:
    view: ViewDraft
    source: Slot
    within: Decimal

    @property
    def slots(self) -> tuple[Slot, ...]:
        return (*self.view.call.slots, self.source)


@dataclass(frozen=True, slots=True)
class LimitDraft:
    view: ViewDraft
    times: Decimal

    def bind(self, market: str, variables: Variables) -> Multiple:
        return Multiple(self.view.bind(market, variables), self.times)


@dataclass(frozen=True, slots=True)
class BoundDraft:
    view: ViewDraft
    at_least: Decimal | LimitDraft | None
    at_most: Decimal | LimitDraft | None

    @property
    def slots(self) -> tuple[Slot, ...]:
        limits = (self.at_least, self.at_most)
        return sum((one.view.call.slots for one in limits if isinstance(one, LimitDraft)), self.view.call.slots)


@dataclass(frozen=True, slots=True)
class AccountsDraft:
    fixed: tuple[str, ...] = ()
    listed: CallDraft | None = None
    count: CallDraft | None = None
    at: CallDraft | None = None
    most: int = MAX_ACCOUNTS

    @property
    def slots(self) -> tuple[Slot, ...]:
        return sum((one.slots for one in (self.listed, self.count, self.at) if one), ())

    def bind(self, market: str, variables: Variables) -> Accounts:
        listed, count, at = (one.bind(market, variables) if one else None for one in (self.listed, self.count, self.at))
        return Accounts(self.fixed, listed, count, at, self.most)


@dataclass(frozen=True, slots=True)
class LiquidatableDraft:
    accounts: AccountsDraft
    health: ViewDraft
    below: Decimal
    value: ViewDraft | None
    at_most: int
    value_at_most: Decimal | None

    @property
    def slots(self) -> tuple[Slot, ...]:
        value = self.value.call.slots if self.value else ()
        return (*self.accounts.slots, *self.health.call.slots, *value)


@dataclass(frozen=True, slots=True)
class InvariantDraft:
    """``markets`` None: those of the file, where it holds variables. ``at`` is where it is written."""

    name: str
    what: PriceDraft | BoundDraft | LiquidatableDraft
    otherwise: Otherwise
    markets: tuple[str, ...] | None
    at: Cursor

    @property
    def of_markets(self) -> bool:
        """Whether it is another one in each market."""
        return any(templates.is_template(slot.text) for slot in self.what.slots)
