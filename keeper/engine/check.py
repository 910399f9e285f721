"""What makes a spec impossible. The configuration finds these first, with line numbers; here is the last guard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from keeper.domain.decision import ALERT
from keeper.domain.errors import Problem
from keeper.domain.units import Span, Unit
from keeper.engine.check_derived import problems_of_derived
from keeper.engine.check_rules import problems_of_rules
from keeper.engine.derivation import circles, in_order
from keeper.engine.gate import problems_of_gates
from keeper.engine.spec import EngineSpec, MarketSpec, SourceSpec
from keeper.engine.wiring import inputs_among, units_of
from keeper.signals.registry import SIGNALS
from keeper.signals.spec import Param, ParamType, ParamValue, SignalKind, SignalSpec

TYPES: Mapping[ParamType, type] = {
    ParamType.DURATION: int,
    ParamType.COUNT: int,
    ParamType.RATIO: Decimal,
    ParamType.NUMBER: Decimal,
    ParamType.WINDOW: Span,
}
"""What the values of each type are held as; the others as str."""


def problems_of(spec: EngineSpec) -> tuple[Problem, ...]:
    """Everything that is wrong with it, in its order; empty when it can be compiled."""
    return tuple(_problems_of(spec))


def _problem(path: str, found: object, message: str, hint: str = "") -> Problem:
    return Problem(path, None, str(found), message, hint)


def _twice(path: str, names: Sequence[str]) -> Iterator[Problem]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield _problem(f"{path}.{name}", name, "this name is given twice")
        seen.add(name)


def _problems_of(spec: EngineSpec) -> Iterator[Problem]:
    yield from _twice("sources", [source.name for source in spec.sources])
    for source in spec.sources:
        if source.max_age_ms is not None and source.max_age_ms < 0:
            yield _problem(f"sources.{source.name}.max_age", source.max_age_ms, "an age is never negative")
    yield from problems_of_derived(spec.sources)
    yield from problems_of_gates(spec.sources)
    yield from _twice("actions", [action.name for action in spec.actions])
    for action in spec.actions:
        for key, ms in (("cooldown", action.cooldown_ms), ("retry", action.retry_ms)):
            if ms < 0:
                yield _problem(f"actions.{action.name}.{key}", ms, "a time is never negative")
        if action.name == ALERT:
            yield _problem(f"actions.{ALERT}", ALERT, "this name is taken: the action alert is always there")
    yield from _twice("markets", [market.name for market in spec.markets])
    sources = {source.name: source for source in spec.sources}
    actions = {action.name for action in spec.actions}
    for market in spec.markets:
        yield from _of_market(market, sources, actions)


def _of_market(market: MarketSpec, sources: Mapping[str, SourceSpec], actions: set[str]) -> Iterator[Problem]:
    path = f"markets.{market.name}"
    yield from _twice(f"{path}.signals", [signal.name for signal in market.signals])
    found = list(_of_signals(f"{path}.signals", market, sources))
    yield from found
    yield from _twice(f"{path}.rules", [rule.name for rule in market.rules])
    units = {} if found else units_of(market, {name: source.unit for name, source in sources.items()})
    yield from problems_of_rules(f"{path}.rules", market, units, actions)


def _of_signals(path: str, market: MarketSpec, sources: Mapping[str, SourceSpec]) -> Iterator[Problem]:
    """Each signal on its own, then circles, then units in the order in which one is made of another."""
    own = {signal.name for signal in market.signals}
    sound = True
    for signal in market.signals:
        for problem in _of_signal(f"{path}.{signal.name}", signal, {*sources, *own}):
            sound = False
            yield problem
        kind = SIGNALS.get(signal.kind)
        for name in signal.sources:
            if name in own and kind is not None and kind.timed:
                sound = False
                yield _problem(
                    f"{path}.{signal.name}", name, f"a {signal.kind} is of a source: a signal has no time of its own"
                )
            if name in own and name in sources:
                sound = False
                yield _problem(
                    f"{path}.{signal.name}",
                    name,
                    "a source and a signal of the market both have this name",
                    "rename one",
                )
    inputs = inputs_among(market)
    for around in circles(inputs):
        sound = False
        yield _problem(f"{path}.{around[0]}", " -> ".join(around), "these signals are made of each other in a circle")
    if not sound:
        return
    specs = {signal.name: signal for signal in market.signals}
    units = {name: source.unit for name, source in sources.items()}
    for name in in_order(inputs):
        signal, kind = specs[name], SIGNALS[specs[name].kind]
        found = [units[of] for of in signal.sources]
        yield from _of_inputs(f"{path}.{name}", signal, kind, found)
        units[name] = kind.unit_of(found)


def _of_signal(path: str, signal: SignalSpec, known: set[str]) -> Iterator[Problem]:
    kind = SIGNALS.get(signal.kind)
    if kind is None:
        yield _problem(f"{path}.kind", signal.kind, "there is no such signal", "one of " + ", ".join(SIGNALS))
        return
    if (message := kind.wrong_number(len(signal.sources))) is not None:
        yield _problem(path, len(signal.sources), message, ", ".join(param.name for param in kind.sources))
        return
    for place, name in enumerate(signal.sources):
        if name not in known:
            yield _problem(
                f"{path}.{kind.source(place).name}", name, "there is no such source, and no such signal of this market"
            )
    yield from _of_params(path, signal, kind)


def _of_inputs(path: str, signal: SignalSpec, kind: SignalKind, units: Sequence[Unit]) -> Iterator[Problem]:
    for place, unit in enumerate(units):
        if unit not in kind.accepts:
            message = f"a {kind.kind} cannot be taken of this unit"
            yield _problem(f"{path}.{kind.source(place).name}", unit, message, ", ".join(sorted(kind.accepts)))
    if len(set(units)) > 1:
        yield _problem(path, ", ".join(sorted(set(units))), "the sources of one signal must carry the same unit")


def _of_params(path: str, signal: SignalSpec, kind: SignalKind) -> Iterator[Problem]:
    given = dict(signal.params)
    known = {param.name: param for param in kind.others}
    found = [
        _problem(f"{path}.{name}", name, f"a {kind.kind} has no such parameter") for name in given.keys() - known.keys()
    ]
    for name, param in known.items():
        if name not in given:
            found.append(_problem(f"{path}.{name}", "", "this parameter is missing"))
        elif (message := _unfit(param, given[name])) is not None:
            found.append(_problem(f"{path}.{name}", given[name], message))
    if not found:
        found = [_problem(f"{path}.{one.param}", given[one.param], one.message, one.hint) for one in kind.check(given)]
    yield from found


def _unfit(param: Param, value: ParamValue) -> str | None:
    wanted = TYPES.get(param.type, str)
    if not isinstance(value, wanted) or isinstance(value, bool):
        return f"this is not a {param.type}"
    if param.choices and value not in param.choices:
        return "this is not one of " + ", ".join(param.choices)
    if param.minimum is not None and isinstance(value, int | Decimal) and value < param.minimum:
        return f"this is less than {param.minimum}"
    return None
