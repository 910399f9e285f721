"""What an engine remembers, handed to an engine of another spec: whatever is defined alike in both goes on as if nothing had changed.

A signal is defined by its own spec, the qualities in which rules need it, and everything that it is made of, down to the sources. A rule is defined
by its conditions and its signals. Both are found by their names, and kept where the definitions are equal; all others begin with nothing seen, as
in a new engine. What was decided belongs to markets and actions by name: breakers, incidents, locks, budgets, switches and ids go on, and how an
action stands goes on where it still calls the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass

import numpy as np

from keeper.decisions.recall import Places
from keeper.decisions.state import DeskState
from keeper.domain.observation import Quality
from keeper.engine.fingerprint import fingerprint
from keeper.engine.kernel import Kernel, Memory
from keeper.engine.spec import EngineSpec, MarketSpec
from keeper.engine.wiring import Bank
from keeper.rules.spec import RuleSpec
from keeper.signals.bank import arrays_of
from keeper.signals.spec import SignalSpec

Needs = frozenset[Quality]
SignalKey = tuple[str, str, Needs]
"""Market, name, and the qualities in which it is needed."""
RuleKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Meanings:
    """What a spec does not say: ``sources`` what each is read from, ``actions`` what each calls on its market; texts that are compared."""

    sources: Mapping[str, str]
    actions: Mapping[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class Carried:
    """Names as ``market/signal`` and ``market/rule``: what goes on, what begins anew, and what is not there any more."""

    kept: tuple[str, ...]
    begun: tuple[str, ...]
    gone: tuple[str, ...]


class Definitions:
    """Every source, signal and rule of a spec as one text, equal for equal definitions."""

    def __init__(self, spec: EngineSpec, meanings: Meanings) -> None:
        self._specs = {source.name: source for source in spec.sources}
        self._meanings = meanings
        self._markets = {market.name: {one.name: one for one in market.signals} for market in spec.markets}
        self._known: dict[object, str] = {}
        self.sources = {name: self._source(name) for name in self._specs}
        self.rules: dict[RuleKey, str] = {
            (market.name, rule.name): self._rule(market, rule) for market in spec.markets for rule in market.rules
        }

    def signal(self, key: SignalKey) -> str:
        """Of one that the spec has."""
        market, name, needs = key
        if key not in self._known:
            own = self._markets[market]
            made_of = [self.signal((market, of, needs)) if of in own else self._source(of) for of in own[name].sources]
            self._known[key] = fingerprint([own[name], needs, made_of])
        return self._known[key]

    def _source(self, name: str) -> str:
        if name not in self._known:
            source = self._specs[name]
            behind = [*(source.derived.of if source.derived else ()), *filter(None, [source.needs])]
            self._known[name] = fingerprint(
                [source, self._meanings.sources.get(name, ""), [self._source(of) for of in behind]]
            )
        return self._known[name]

    def _rule(self, market: MarketSpec, rule: RuleSpec) -> str:
        """Not its actions, nor how severe it is: its memory does not depend on them."""
        judged_by = [rule.when, rule.clear, rule.needs, rule.without, rule.unless, rule.schedule]
        return fingerprint([judged_by, [self.signal((market.name, name, rule.needs)) for name in rule.signals]])


def carry_memory(
    old: Kernel, memory: Memory, was: Definitions, new: Kernel, fresh: Memory, now: Definitions
) -> Carried:
    """Copies into ``fresh`` what ``memory`` has of signals and rules that are defined alike."""
    kept, begun = [], []
    places_then, places_now = dict(_slots(old)), dict(_slots(new))
    for key, (bank, slot) in places_now.items():
        known = places_then.get(key)
        if known is None or was.signal(key) != now.signal(key):
            begun.append(_name(key))
            continue
        _copy_slot(
            new.wiring.banks[bank], memory.banks[known[0]], known[1], fresh.banks[bank], slot, _spec_of(new, key)
        )
        kept.append(_name(key))
    rules_then = {(row.market, row.rule.name): place for place, row in enumerate(old.wiring.rules)}
    for place, row in enumerate(new.wiring.rules):
        name = row.market, row.rule.name
        if name not in rules_then or was.rules[name] != now.rules[name]:
            begun.append("/".join(name))
            continue
        for (_, into), (_, of) in zip(arrays_of(fresh.rules, ""), arrays_of(memory.rules, ""), strict=True):
            into[place] = of[rules_then[name]]
        kept.append("/".join(name))
    names_now = {*map(_name, places_now), *("/".join(one) for one in now.rules)}
    names_then = {*map(_name, places_then), *("/".join(one) for one in was.rules)}
    return Carried(_each_once(kept), _each_once(begun), tuple(sorted(names_then - names_now)))


def carry_desk(
    desk: DeskState,
    was: Places,
    fresh: DeskState,
    now: Places,
    rules: frozenset[RuleKey],
    actions: frozenset[tuple[str, str]],
) -> None:
    """Brings into ``fresh`` what was decided; ``rules`` and ``actions`` are those that mean the same as before."""
    markets = {was.markets[name]: place for name, place in now.markets.items() if name in was.markets}
    kept_rules = {was.rules[key]: now.rules[key] for key in rules}
    for then, place in markets.items():
        fresh.breakers[place] = desk.breakers[then]
    for then, place in kept_rules.items():
        fresh.held[place] = desk.held[then]
    names = {place: name for name, place in was.markets.items()}
    fresh.standings = {
        (markets[market], action): standing
        for (market, action), standing in desk.standings.items()
        if (names[market], action) in actions
    }
    fresh.incidents = {markets[market]: one for market, one in desk.incidents.items() if market in markets}
    fresh.locked_until_ms = {markets[market]: one for market, one in desk.locked_until_ms.items() if market in markets}
    fresh.acts = [(at_ms, markets[market]) for at_ms, market in desk.acts if market in markets]
    fresh.declined = {
        (kept_rules[rule], action): one for (rule, action), one in desk.declined.items() if rule in kept_rules
    }
    fresh.alerted = {kept_rules[rule]: one for rule, one in desk.alerted.items() if rule in kept_rules}
    fresh.off, fresh.heard_record, fresh.ids = desk.off, desk.heard_record, deepcopy(desk.ids)


def _slots(kernel: Kernel) -> Iterator[tuple[SignalKey, tuple[int, int]]]:
    """Where the memory of each signal is: its bank, and its slot there."""
    wiring = kernel.wiring
    keys = {wiring.first_signal + place: key for key, place in wiring.positions.items()}
    for number, bank in enumerate(wiring.banks):
        for slot, row in enumerate(bank.slots.rows.tolist()):
            yield keys[row], (number, slot)


def _spec_of(kernel: Kernel, key: SignalKey) -> SignalSpec:
    return kernel.wiring.signals[kernel.wiring.positions[key]].spec


def _copy_slot(bank: Bank, then: object, known: int, now: object, slot: int, spec: SignalSpec) -> None:
    """Windows of one bank are as wide as its longest one; a slot uses as much of it as its own needs, from the beginning."""
    axes = _slot_axes(bank, spec)
    for axis, (_, of), (_, into) in zip(axes, arrays_of(then, ""), arrays_of(now, ""), strict=True):
        source, target = np.moveaxis(of, axis, 0), np.moveaxis(into, axis, 0)
        common = tuple(slice(min(pair)) for pair in zip(source.shape[1:], target.shape[1:], strict=True))
        target[slot, *common] = source[known, *common]


def _slot_axes(bank: Bank, spec: SignalSpec) -> list[int]:
    """Along which axis of each array the slots lie: the one that is longer for two of them than for one."""
    statistic = bank.statistic
    one, two = (list(arrays_of(statistic.allocate(statistic.prepare([spec] * slots)), "")) for slots in (1, 2))
    return [
        next(axis for axis, (a, b) in enumerate(zip(single.shape, double.shape, strict=True)) if a != b)
        for (_, single), (_, double) in zip(one, two, strict=True)
    ]


def _name(key: SignalKey) -> str:
    return f"{key[0]}/{key[1]}"


def _each_once(names: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
