"""The section ``limits``: what bounds all actions together."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.config.kinds import ETHER, duration, whole
from keeper.config.shape import Cursor, Field, Part, Section, Shape, word_of
from keeper.decisions.spec import NO_LIMITS, PAUSES, Limits
from keeper.domain.action import ASKED_FOR, ActionKind
from keeper.domain.budget import NO_BUDGET, Budget

MAX_ACTIONS = 1_000_000
_KINDS = tuple(kind.value for kind in ActionKind if kind in ASKED_FOR)
_KIND = word_of(_KINDS)

ACTIONS_PER_DAY = Field(
    "actions_per_day",
    whole(1, MAX_ACTIONS),
    "At most so many actions in any 24 hours, all markets together; left out: no limit.",
    0,
    implied=True,
)
PER_MARKET = Field(
    "actions_per_market_per_day",
    whole(1, MAX_ACTIONS),
    "The same on each market; left out: no limit.",
    0,
    implied=True,
)
EXEMPT = Part(
    "exempt",
    "Kinds of action that these two never hold when a critical rule asks; left out: pause and pause-all; []: none.",
    {"type": "array", "items": {"enum": list(_KINDS)}},
    required=False,
)
COOLDOWN = Field(
    "cooldown",
    duration(1),
    "The least cooldown of every action, whatever its own says; left out: its own.",
    0,
    implied=True,
)
LOCK = Field(
    "lock_after_override",
    duration(1_000),
    "How long nothing is done on a market after people took back what was done there; left out: not locked.",
    0,
    implied=True,
)
GAS_PER_DAY = Field(
    "gas_budget_eth_per_day",
    ETHER,
    "What gas may cost at most in any 24 hours, in ETH; left out: no limit.",
    0,
    implied=True,
)
GAS_PER_ACTION = Field(
    "gas_budget_eth_per_action",
    ETHER,
    "The same for one action with all its attempts, in ETH; left out: no limit.",
    0,
    implied=True,
)
LIMITS = Shape(
    "What bounds all actions together.",
    (ACTIONS_PER_DAY, PER_MARKET, EXEMPT, COOLDOWN, LOCK, GAS_PER_DAY, GAS_PER_ACTION),
)


@dataclass(frozen=True, slots=True)
class LimitsConfig:
    """``cooldown_ms`` is the least cooldown of every action."""

    limits: Limits
    cooldown_ms: int
    budget: Budget = NO_BUDGET


UNLIMITED = LimitsConfig(NO_LIMITS, 0)


def read_limits(cursor: Cursor) -> LimitsConfig:
    section = cursor.open(LIMITS)
    if section is None:
        return UNLIMITED
    a_day, per_market = section.get(ACTIONS_PER_DAY) or None, section.get(PER_MARKET) or None
    exempt_at = section.at(EXEMPT.key)
    exempt = _read_exempt(exempt_at) if exempt_at else PAUSES
    if section.clean and a_day and per_market and per_market > a_day:
        hint = f"{a_day} at most, as actions_per_day says for all markets together"
        section.problem(PER_MARKET.key, "one market may do more than all together", hint)
    if section.clean and exempt_at and not a_day and not per_market:
        exempt_at.problem("nothing to be exempt from", "set actions_per_day or actions_per_market_per_day", found="")
    limits = Limits(a_day, per_market, exempt, section.get(LOCK) or None)
    return LimitsConfig(limits, section.get(COOLDOWN), _read_budget(section))


def _read_budget(section: Section) -> Budget:
    clean = section.clean
    per_day, per_action = section.get(GAS_PER_DAY) or None, section.get(GAS_PER_ACTION) or None
    if clean and section.clean and per_day and per_action and per_action > per_day:
        hint = f"as much as {GAS_PER_DAY.key} at most, which is for all together"
        section.problem(GAS_PER_ACTION.key, "one action may cost more than a whole day", hint)
    return Budget(per_action, per_day)


def _read_exempt(cursor: Cursor) -> frozenset[ActionKind]:
    words: list[str] = []
    for item in cursor.items():
        word = item.read(_KIND)
        if word in words:
            item.problem("this kind is named twice", "once is enough")
        words.append(word)
    return frozenset(ActionKind(word) for word in words if word)
