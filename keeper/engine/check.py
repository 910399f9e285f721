"""What makes a spec impossible. The configuration finds these first, with line numbers; here is the last guard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from keeper.domain.errors import Problem
from keeper.domain.observation import WITHOUT_VALUE
from keeper.domain.units import Span
from keeper.engine.check_derived import problems_of_derived
from keeper.engine.gate import problems_of_gates
from keeper.engine.spec import EngineSpec, MarketSpec, SourceSpec
from keeper.rules.spec import Condition, RuleSpec, Side
from keeper.signals.registry import SIGNALS
from keeper.signals.spec import Param, ParamType, ParamValue, SignalKind, SignalSpec


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
    yield from _twice("markets", [market.name for market in spec.markets])
    sources = {source.name: source for source in spec.sources}
    actions = {action.name for action in spec.actions}
    for market in spec.markets:
        yield from _of_market(market, sources, actions)


def _of_market(market: MarketSpec, sources: Mapping[str, SourceSpec], actions: set[str]) -> Iterator[Problem]:
    path = f"markets.{market.name}"
    yield from _twice(f"{path}.signals", [signal.name for signal in market.signals])
    for signal in market.signals:
        yield from _of_signal(f"{path}.signals.{signal.name}", signal, sources)
    yield from _twice(f"{path}.rules", [rule.name for rule in market.rules])
    signals = {signal.name for signal in market.signals}
    for rule in market.rules:
        yield from _of_rule(f"{path}.rules.{rule.name}", rule, signals, actions)


def _of_signal(path: str, signal: SignalSpec, sources: Mapping[str, SourceSpec]) -> Iterator[Problem]:
    kind = SIGNALS.get(signal.kind)
    if kind is None:
        yield _problem(f"{path}.kind", signal.kind, "there is no such signal", "one of " + ", ".join(SIGNALS))
        return
    if len(signal.sources) != len(kind.sources):
        names = ", ".join(param.name for param in kind.sources)
        yield _problem(path, len(signal.sources), f"a {kind.kind} needs {len(kind.sources)} sources", names)
        return
    yield from _of_inputs(path, signal, kind, sources)
    yield from _of_params(path, signal, kind)


def _of_inputs(path: str, signal: SignalSpec, kind: SignalKind, sources: Mapping[str, SourceSpec]) -> Iterator[Problem]:
    units = set()
    for param, name in zip(kind.sources, signal.sources, strict=True):
        if name not in sources:
            yield _problem(f"{path}.{param.name}", name, "there is no such source")
            continue
        unit = sources[name].unit
        units.add(unit)
        if unit not in kind.accepts:
            yield _problem(
                f"{path}.{param.name}",
                unit,
                f"a {kind.kind} cannot be taken of this unit",
                ", ".join(sorted(kind.accepts)),
            )
    if len(units) > 1:
        yield _problem(path, ", ".join(sorted(units)), "the sources of one signal must carry the same unit")


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
    wanted = {ParamType.DURATION: int, ParamType.COUNT: int, ParamType.RATIO: Decimal}.get(param.type, str)
    if not isinstance(value, wanted) or isinstance(value, bool):
        return f"this is not a {param.type}"
    if param.choices and value not in param.choices:
        return "this is not one of " + ", ".join(param.choices)
    if param.minimum is not None and not isinstance(value, str) and value < param.minimum:
        return f"this is less than {param.minimum}"
    return None


def _of_rule(path: str, rule: RuleSpec, signals: set[str], actions: set[str]) -> Iterator[Problem]:
    if rule.when.signal not in signals:
        yield _problem(
            f"{path}.when.signal", rule.when.signal, "this market has no such signal", ", ".join(sorted(signals))
        )
    if rule.clear.signal != rule.when.signal:
        yield _problem(
            f"{path}.clear.signal", rule.clear.signal, "a rule clears on the signal that it trips on", rule.when.signal
        )
    if not rule.needs or rule.needs & WITHOUT_VALUE:
        yield _problem(f"{path}.needs", ", ".join(sorted(rule.needs)), "a rule needs qualities that come with a value")
    conditions = (("when", rule.when), ("clear", rule.clear))
    sound = True
    for name, condition in conditions:
        if not condition.threshold.is_finite():
            sound = False
            yield _problem(f"{path}.{name}", condition.threshold, "a threshold is a finite number")
        if _length(condition.hold) < 0:
            yield _problem(f"{path}.{name}.for", condition.hold, "a time is never negative")
    if sound:
        yield from _of_gap(path, rule.when, rule.clear)
    yield from _twice(f"{path}.actions", rule.actions)
    for action in rule.actions:
        if action not in actions:
            yield _problem(f"{path}.actions", action, "there is no such action", ", ".join(sorted(actions)))


def _of_gap(path: str, when: Condition, clear: Condition) -> Iterator[Problem]:
    if when.side is clear.side:
        other = Side.BELOW if when.side is Side.ABOVE else Side.ABOVE
        yield _problem(f"{path}.clear", clear.side, "a rule clears on the other side", other)
        return
    gap = when.threshold - clear.threshold if when.side is Side.ABOVE else clear.threshold - when.threshold
    if gap <= 0:
        hint = f"it trips {when.side} {when.threshold}: clear it further {clear.side}"
        yield _problem(f"{path}.clear", clear.threshold, "there is no gap between tripping and clearing", hint)


def _length(span: Span) -> int:
    return (span.ms if span.ms is not None else span.blocks) or 0
