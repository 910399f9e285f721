"""The section ``markets``: variables, signals and rules of each, and the actions that its rules name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from keeper.config import templates
from keeper.config.actions import NEEDS_RULES, ActionDraft, bind
from keeper.config.kinds import RAW
from keeper.config.model import Source
from keeper.config.rules import read_rules
from keeper.config.shape import NAME, Bad, Cursor, Part, Shape
from keeper.config.signals import read_signals
from keeper.config.slots import Variables
from keeper.domain.action import Action
from keeper.domain.decision import ALERT
from keeper.domain.record import Json

if TYPE_CHECKING:
    from keeper.engine.spec import MarketSpec
    from keeper.rules.spec import RuleSpec

VARS_SCHEMA: dict[str, Json] = {
    "type": "object",
    "propertyNames": {"pattern": f"^{NAME.pattern}$"},
    "additionalProperties": dict(RAW.schema),
}
MARKET = Shape(
    "One market.",
    (
        Part("vars", "Texts that the arguments of actions hold as {name}.", VARS_SCHEMA, required=False),
        Part("signals", "The numbers that are watched.", {}),
        Part("rules", "What is done when.", {}),
    ),
)


@dataclass(frozen=True, slots=True)
class Markets:
    """``variables`` are by market; None where they are broken."""

    specs: tuple[MarketSpec, ...]
    actions: tuple[Action, ...]
    variables: Mapping[str, Variables | None] = field(default_factory=dict)


def read_markets(
    cursor: Cursor, sources: Mapping[str, Source | None], actions: Mapping[str, ActionDraft | None]
) -> Markets:
    """Every named market, with its actions bound."""
    specs: list[MarketSpec] = []
    bound: list[Action] = []
    variables: dict[str, Variables | None] = {}
    if cursor.empty:
        cursor.problem("there is no market", "a keeper needs at least one", found="")
    for name, below in cursor.named():
        spec, own, variables[name] = _read(name, below, sources, actions)
        specs += [spec] if spec else []
        bound += own
    return Markets(tuple(specs), tuple(bound), variables)


def _read(
    name: str, cursor: Cursor, sources: Mapping[str, Source | None], actions: Mapping[str, ActionDraft | None]
) -> tuple[MarketSpec | None, list[Action], Variables | None]:
    from keeper.engine.spec import MarketSpec

    section = cursor.open(MARKET)
    if section is None:
        return None, [], None
    vars_at, signals_at, rules_at = section.at("vars"), section.at("signals"), section.at("rules")
    variables = _read_vars(vars_at) if vars_at else Variables({}, {})
    drafts = read_signals(signals_at, sources) if signals_at else {}
    rules = read_rules(rules_at, drafts, actions) if rules_at else []
    if section.clean:
        _check_askers(name, rules, actions)
    bound = [] if variables is None else _bind_all(name, rules, variables, actions)
    signals = tuple(draft.spec for draft in drafts.values() if draft.spec)
    return (MarketSpec(name, signals, tuple(rules)) if section.clean else None), bound, variables


def _bind_all(
    market: str, rules: list[RuleSpec], variables: Variables, actions: Mapping[str, ActionDraft | None]
) -> list[Action]:
    named = dict.fromkeys(action for rule in rules for action in rule.actions if action != ALERT)
    drafts = (actions[action] for action in named)
    bound = (bind(draft, market, variables) for draft in drafts if draft)
    return [action for action in bound if action]


def _check_askers(market: str, rules: list[RuleSpec], actions: Mapping[str, ActionDraft | None]) -> None:
    """An action that needs more rules than name it can never be done."""
    askers = Counter(action for rule in rules for action in rule.actions)
    for name, count in askers.items():
        draft = actions.get(name)
        if draft and count < draft.needs_rules:
            at = draft.at.child(NEEDS_RULES.key)
            message = f"it needs {draft.needs_rules} rules of the market to ask for it, and {count} can"
            at.context.report.add_in(market, at.path, at.line, str(draft.needs_rules), message, f"{count} at most")


def _read_vars(cursor: Cursor) -> Variables | None:
    """Every variable with those inside it put in; None after noting a problem."""
    entries = dict(cursor.named())
    before = len(cursor.context.report)
    raw = {name: below.read(RAW) for name, below in entries.items()}
    done: dict[str, str] = {}
    in_circles: set[str] = set()
    for name, below in entries.items():
        try:
            templates.resolve(name, raw, done)
        except templates.Cycle as cycle:
            if not in_circles & set(cycle.names):  # each circle is told once, not from every place on it
                around = " -> ".join(cycle.names)
                entries[cycle.names[0]].problem("these variables refer to each other in a circle", around)
            in_circles.update(cycle.names)
        except Bad as bad:
            below.problem(bad.message, bad.hint)
    return Variables(done, entries) if len(cursor.context.report) == before else None
