"""What is drilled: which rule of which market, and which sources could make it trip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from keeper.app.drill.breach import Breach
from keeper.config.problems import nearest
from keeper.domain.decision import ALERT
from keeper.domain.errors import KeeperError
from keeper.domain.verdict import Severity
from keeper.engine import Tick
from keeper.engine.spec import EngineSpec

_RANK = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for; empty where it is for the drill to choose. ``factor`` None: the smallest that trips."""

    market: str = ""
    rule: str = ""
    source: str = ""
    factor: Decimal | None = None
    in_source: bool = False
    """Change what the source says, even where its contract could be changed."""
    block_s: float = 1.0
    patience_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Target:
    """``actions`` are those that the rule names, the alert left out."""

    market: str
    rule: str
    actions: tuple[str, ...]


def targets(spec: EngineSpec, asked: Asked) -> list[Target]:
    """Every rule that acts, the most severe first, as far as it was asked for. Raises KeeperError for a name that is not there."""
    markets = [each.name for each in spec.markets]
    if asked.market and asked.market not in markets:
        raise KeeperError(f"no market {asked.market}", remedy=nearest(asked.market, markets))
    rules = [
        (_RANK[rule.severity], number, Target(market.name, rule.name, tuple(a for a in rule.actions if a != ALERT)))
        for number, (market, rule) in enumerate((m, r) for m in spec.markets for r in m.rules)
        if asked.market in ("", market.name)
    ]
    names = sorted({each.rule for _, _, each in rules})
    if asked.rule and asked.rule not in names:
        raise KeeperError(f"no rule {asked.rule}", remedy=nearest(asked.rule, names))
    found = [each for _, _, each in sorted(rules, key=lambda one: one[:2]) if asked.rule in ("", each.rule)]
    acting = [each for each in found if each.actions]
    if not acting:
        raise KeeperError(
            "no rule names an action that calls a contract", remedy="name an action under `actions` of a rule"
        )
    return acting


def sources_of(spec: EngineSpec, tick: Tick, target: Target) -> Sequence[str]:
    """What the rule is judged by, down to what is not made of anything else, each once and in order."""
    rules = [(each.name, one.name) for each in spec.markets for one in each.rules]
    derived = {each.name: each.derived for each in spec.sources if each.derived is not None}
    names = [each.source for each in tick.table.observations(rules.index((target.market, target.rule)))]
    found: list[str] = []
    while names:
        name = names.pop(0)
        if name in derived:
            names += [each for each in derived[name].of if each not in found]
        elif name not in found:
            found.append(name)
    return found


def chosen(asked: Asked, known: Sequence[str]) -> Breach | None:
    """The breach that was asked for as a whole. Raises KeeperError for a source that the rule does not look at."""
    if asked.source and asked.source not in known:
        raise KeeperError(f"the rule does not look at {asked.source}", remedy=f"it looks at {', '.join(known)}")
    if asked.factor is None:
        return None
    if not asked.source:
        raise KeeperError("--factor needs the source that it is for", remedy=f"--source, one of {', '.join(known)}")
    return Breach(asked.source, asked.factor)


def not_before(given: Mapping[tuple[str, str], bool], found: Sequence[Target]) -> list[Target]:
    """Those first of which some action is not in effect yet: what is done already cannot be drilled."""
    return sorted(found, key=lambda one: all(given.get((one.market, action), False) for action in one.actions))
