"""What makes the rules of a market impossible."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from keeper.domain.decision import ALERT
from keeper.domain.errors import Problem
from keeper.domain.observation import WITHOUT_VALUE
from keeper.domain.units import Unit
from keeper.engine.spec import MarketSpec
from keeper.rules.soundness import unsound, unsound_schedule
from keeper.rules.spec import RuleSpec


def problems_of_rules(path: str, market: MarketSpec, units: Mapping[str, Unit], actions: set[str]) -> Iterator[Problem]:
    """Each rule of the market. ``units`` are those of its signals; empty while these are themselves impossible."""
    signals = {signal.name for signal in market.signals}
    for rule in market.rules:
        yield from _of_rule(f"{path}.{rule.name}", rule, signals, units, actions)


def _of_rule(
    path: str, rule: RuleSpec, signals: set[str], units: Mapping[str, Unit], actions: set[str]
) -> Iterator[Problem]:
    for name in rule.signals:
        if name not in signals:
            yield Problem(path, None, name, "this market has no such signal", ", ".join(sorted(signals)))
    if not rule.needs or rule.needs & WITHOUT_VALUE:
        found = ", ".join(sorted(rule.needs))
        yield Problem(f"{path}.needs", None, found, "a rule needs qualities that come with a value")
    for one in unsound(rule.when, rule.clear, rule.unless, units):
        yield Problem(f"{path}.{one.place}", None, one.found, one.message, one.hint)
    for one in unsound_schedule(rule.schedule) if rule.schedule else ():
        yield Problem(f"{path}.{one.place}", None, one.found, one.message, one.hint)
    for number, action in enumerate(rule.actions):
        if action in rule.actions[:number]:
            yield Problem(f"{path}.actions.{action}", None, action, "this name is given twice")
        if action != ALERT and action not in actions:
            hint = ", ".join(sorted(actions))
            yield Problem(f"{path}.actions", None, action, "there is no such action", hint)
