"""Invariants: what must be true of the protocol after a change, judged on views read before it and on the simulated state after it.

Numbers are Decimals, exact in the comparison and rounded only in the words. What cannot be read is never guessed: the invariant is then not judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from enum import StrEnum

from keeper.domain.abi import describe_revert, parse_signature
from keeper.domain.abi_codec import decode_values
from keeper.domain.action import FunctionCall
from keeper.domain.errors import MalformedAnswer
from keeper.domain.evm import CallResult
from keeper.domain.observation import Observation, Quality
from keeper.domain.units import format_ratio, plain

ACCOUNT = "{account}"
"""Stands in the arguments of a view where the account goes that is asked about."""
INDEX = "{index}"
"""Stands in the arguments of a view where the place in a list goes, from 0."""

_EXACT = Context(prec=100)
"""A uint256 has 78 digits."""


class Otherwise(StrEnum):
    """What an invariant that cannot be judged does to an automatic action."""

    BLOCK = "block"
    ACT = "act"


@dataclass(frozen=True, slots=True)
class View:
    """Result number ``index`` of a view (from 0), divided by ten to the ``decimals``. ``label`` is what people call it."""

    call: FunctionCall
    decimals: int = 0
    index: int = 0
    label: str = ""

    @property
    def named(self) -> str:
        """What it is called in a sentence."""
        return self.label or f"{self.call.signature.split('(')[0]} of {self.call.target}"

    def of(self, account: str) -> FunctionCall:
        """The call about this account."""
        return replace(self.call, args=tuple(account if arg == ACCOUNT else arg for arg in self.call.args))


@dataclass(frozen=True, slots=True)
class Multiple:
    """So many times another view."""

    view: View
    times: Decimal


Limit = Decimal | Multiple


@dataclass(frozen=True, slots=True)
class PriceInvariant:
    """A price that the protocol uses is within this share of what the source says. ``market`` None: it is not of one market."""

    name: str
    market: str | None
    otherwise: Otherwise
    view: View
    source: str
    within: Decimal


@dataclass(frozen=True, slots=True)
class BoundInvariant:
    """A number is neither below ``at_least`` nor above ``at_most``; None: not bounded on that side."""

    name: str
    market: str | None
    otherwise: Otherwise
    view: View
    at_least: Limit | None
    at_most: Limit | None


@dataclass(frozen=True, slots=True)
class Accounts:
    """Whose positions are looked at: ``fixed`` ones, those that the view ``listed`` answers (address[]), and those that ``at`` answers for
    each place from 0 to ``count``; ``most`` at most.
    """

    fixed: tuple[str, ...] = ()
    listed: FunctionCall | None = None
    count: FunctionCall | None = None
    at: FunctionCall | None = None
    most: int = 500


@dataclass(frozen=True, slots=True)
class LiquidatableInvariant:
    """At most so many positions become liquidatable, and together at most of this value (None: whatever it is).

    A position is liquidatable while its ``health`` is below ``below``.
    """

    name: str
    market: str | None
    otherwise: Otherwise
    accounts: Accounts
    health: View
    below: Decimal
    value: View | None
    at_most: int
    value_at_most: Decimal | None


Invariant = PriceInvariant | BoundInvariant | LiquidatableInvariant


@dataclass(frozen=True, slots=True)
class Verdict:
    """``holds`` None: it could not be judged. ``before`` and ``after`` are what was found, ``text`` says why, all in words."""

    holds: bool | None
    before: str
    after: str
    text: str


@dataclass(frozen=True, slots=True)
class Found:
    """The answers that an invariant is judged on: to ``calls_of`` it, before and after.

    ``accounts`` are those that the calls are about, ``missing`` says in words which could not be found; ``market`` is what the source said.
    """

    before: Sequence[CallResult]
    after: Sequence[CallResult]
    accounts: Sequence[str] = ()
    missing: str = ""
    market: Observation | None = None


@dataclass(frozen=True, slots=True)
class Unread:
    """Why there is no number."""

    why: str


Reading = Decimal | Unread


def calls_of(invariant: Invariant, accounts: Sequence[str] = ()) -> tuple[FunctionCall, ...]:
    """What must be read to judge it, the same before and after, in the order that ``Found`` has the answers in."""
    match invariant:
        case PriceInvariant():
            return (invariant.view.call,)
        case BoundInvariant():
            limits = (invariant.at_least, invariant.at_most)
            return (invariant.view.call, *(limit.view.call for limit in limits if isinstance(limit, Multiple)))
        case LiquidatableInvariant():
            views = (invariant.health, invariant.value)
            return tuple(view.of(account) for view in views if view is not None for account in accounts)


def reading(view: View, result: CallResult) -> Reading:
    """The number that the view answered, or why there is none."""
    if not result.ok:
        return Unread(f"{view.named} {describe_revert(result.data)}")
    outputs = parse_signature(view.call.signature).outputs
    try:
        value = decode_values(outputs, result.data)[view.index]
    except MalformedAnswer as error:
        return Unread(f"{view.named} did not answer as its signature says: {error.message}")
    return _EXACT.scaleb(Decimal(int(value)), -view.decimals)


def judge(invariant: Invariant, found: Found) -> Verdict:
    """Whether it holds afterwards. Never raises: hostile answers are ones that cannot be read."""
    match invariant:
        case PriceInvariant():
            return _judge_price(invariant, found)
        case BoundInvariant():
            return _judge_bound(invariant, found)
        case LiquidatableInvariant():
            return _judge_liquidatable(invariant, found)


def not_judged(why: str) -> Verdict:
    """The verdict on an invariant about whose state nothing is known."""
    return Verdict(None, "not known", "not known", why)


# -- a price against the market ------------------------------------------------------------------------------------------------------


def _judge_price(invariant: PriceInvariant, found: Found) -> Verdict:
    before, after = reading(invariant.view, found.before[0]), reading(invariant.view, found.after[0])
    market = _market(invariant.source, found.market)
    words = _off(before, market), _off(after, market)
    if isinstance(after, Unread):
        return Verdict(None, *words, after.why)
    if isinstance(market, Unread):
        return Verdict(None, *words, market.why)
    deviation = _deviation(after, market)
    holds = deviation <= invariant.within
    off = f"{invariant.view.named}, {number(after)}, would be {percent(deviation)} off the market's {number(market)}"
    text = f"{off}; at most {format_ratio(invariant.within)} is allowed"
    return Verdict(holds, *words, text)


def _market(source: str, seen: Observation | None) -> Reading:
    if seen is None or seen.value is None or seen.quality is not Quality.OK:
        why = "nothing was heard of it" if seen is None else f"{seen.quality}: {seen.reason}"
        return Unread(f"the market's price ({source}) is not usable: {why}")
    return seen.value if seen.value > 0 else Unread(f"the market's price ({source}) is {number(seen.value)}")


def _deviation(price: Decimal, market: Decimal) -> Decimal:
    return _EXACT.divide(_EXACT.abs(_EXACT.subtract(price, market)), market)


def _off(price: Reading, market: Reading) -> str:
    if isinstance(price, Unread) or isinstance(market, Unread):
        return _words(price)
    return f"{number(price)} ({percent(_deviation(price, market))} off)"


# -- a number against its bounds -----------------------------------------------------------------------------------------------------


def _judge_bound(invariant: BoundInvariant, found: Found) -> Verdict:
    before, after = reading(invariant.view, found.before[0]), reading(invariant.view, found.after[0])
    if isinstance(after, Unread):
        return Verdict(None, _words(before), _words(after), after.why)
    rest = list(found.after[1:])
    said: list[str] = []
    unread: list[str] = []
    broken = False
    for limit, too_much, words in ((invariant.at_least, False, "at least"), (invariant.at_most, True, "at most")):
        if limit is None:
            continue
        level = _level(limit, rest)
        if isinstance(level, Unread):
            unread.append(level.why)
            continue
        broken = broken or (after > level if too_much else after < level)
        said.append(f"{words} {number(level)}{_whose(limit)}")
    text = f"{invariant.view.named} would be {number(after)}; {' and '.join(said)} is allowed"
    if broken:
        return Verdict(False, _words(before), _words(after), text)
    if unread:
        return Verdict(None, _words(before), _words(after), "; ".join(unread))
    return Verdict(True, _words(before), _words(after), text)


def _level(limit: Limit, rest: list[CallResult]) -> Reading:
    if isinstance(limit, Decimal):
        return limit
    level = reading(limit.view, rest.pop(0))
    return level if isinstance(level, Unread) else _EXACT.multiply(level, limit.times)


def _whose(limit: Limit) -> str:
    if isinstance(limit, Decimal):
        return ""
    times = "" if limit.times == 1 else f"{plain(limit.times)} times "
    return f" ({times}{limit.view.named})"


# -- positions that become liquidatable ----------------------------------------------------------------------------------------------


def _judge_liquidatable(invariant: LiquidatableInvariant, found: Found) -> Verdict:
    accounts = found.accounts
    before = [reading(invariant.health, result) for result in found.before[: len(accounts)]]
    after = [reading(invariant.health, result) for result in found.after[: len(accounts)]]
    was = sum(_is_below(one, invariant.below) for one in before)
    now = [place for place, one in enumerate(after) if _is_below(one, invariant.below)]
    new = [
        place
        for place in now
        if not isinstance(before[place], Unread) and not _is_below(before[place], invariant.below)
    ]
    unread = [
        next((one.why for one in pair if isinstance(one, Unread)), "") for pair in zip(before, after, strict=True)
    ]
    unread = [why for why in unread if why]
    words = f"{was} of {len(accounts)} liquidatable", f"{len(now)} of {len(accounts)} liquidatable"
    values: list[Reading] = []
    if invariant.value is not None:
        view, size = invariant.value, len(accounts)
        values = [reading(view, found.after[size + place]) for place in new]
    known = [one for one in values if isinstance(one, Decimal)]
    worth = sum(known, Decimal(0))
    text = f"{_positions(len(new))} would become liquidatable{_who(new, accounts)}; at most {invariant.at_most} may"
    if invariant.value is not None:
        text += f", and together they are worth {number(worth)}"
        if invariant.value_at_most is not None:
            text += f" of at most {number(invariant.value_at_most)}"
    too_much = invariant.value_at_most is not None and worth > invariant.value_at_most
    if len(new) > invariant.at_most or too_much:
        return Verdict(False, *words, text)
    if found.missing or unread:
        return Verdict(None, *words, found.missing or f"{_positions(len(unread))} cannot be read: {unread[0]}")
    if invariant.value_at_most is not None and len(known) < len(values):
        why = next(one.why for one in values if isinstance(one, Unread))
        return Verdict(None, *words, f"the value of a position that would become liquidatable is not known: {why}")
    return Verdict(True, *words, text)


def _is_below(health: Reading, level: Decimal) -> bool:
    return isinstance(health, Decimal) and health < level


def _positions(count: int) -> str:
    return "1 position" if count == 1 else f"{count} positions"


def _who(new: Sequence[int], accounts: Sequence[str]) -> str:
    shown = [accounts[place] for place in new[:3]]
    more = f" and {len(new) - 3} more" if len(new) > 3 else ""
    return f" ({', '.join(shown)}{more})" if shown else ""


# -- words ---------------------------------------------------------------------------------------------------------------------------


def number(value: Decimal) -> str:
    """Twelve digits are enough to look at."""
    return plain(Decimal(f"{value:.12g}"))


def percent(share: Decimal) -> str:
    """0.05926 -> ``5.926%``."""
    return format_ratio(Decimal(f"{share:.4g}"))


def _words(value: Reading) -> str:
    return f"not known: {value.why}" if isinstance(value, Unread) else number(value)
