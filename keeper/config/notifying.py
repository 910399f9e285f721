"""The section ``notify``: who is told what, how often, and until when."""

from __future__ import annotations

from dataclasses import dataclass, field

from keeper.config.kinds import APPRISE_URL, NAME_TEXT, choice, duration, whole
from keeper.config.secret import Secret
from keeper.config.shape import Cursor, Field, Part, Section, Shape
from keeper.domain.matters import About, Escalation, Policy
from keeper.domain.record import Json
from keeper.domain.verdict import Severity


@dataclass(frozen=True, slots=True)
class LogNotify:
    policy: Policy = field(default_factory=Policy)

    @property
    def min_severity(self) -> Severity:
        return self.policy.min_severity


@dataclass(frozen=True, slots=True)
class AppriseNotify:
    """``url`` is an Apprise address, which is a secret as a whole."""

    url: Secret
    policy: Policy = field(default_factory=Policy)

    @property
    def min_severity(self) -> Severity:
        return self.policy.min_severity


NotifyConfig = LogNotify | AppriseNotify

GROUP_MS = 2_000
REPEAT_MS = 600_000
MAX_TIMES = 100

SEVERITY = choice(Severity, Severity.INFO)
ABOUT_WORD = choice(About, About.INCIDENTS)

NOTIFY_URL = Field("url", APPRISE_URL, "An Apprise address; it holds a token, so take it from the environment.")
NAME = Field(
    "name", NAME_TEXT, "What this receiver is called in records and commands; log, or apprise-0, .. by place.", ""
)
MIN_SEVERITY = Field("min_severity", SEVERITY, "What is less severe is not told here.", Severity.INFO)
_WORDS: dict[str, Json] = {"type": "array", "minItems": 1, "items": dict(ABOUT_WORD.schema)}
ONLY = Part("about", "What this receiver is told of; everything when left out.", _WORDS, required=False)
NOT = Part("not", "What this receiver is not told of.", _WORDS, required=False)
_GROUP_HELP = "Notices that come within this time become one message; 0s: each is its own."
_REPEAT_HELP = "The same words about the same matter are not told again within this time; 0s: always."
GROUP = Field("group", duration(0), _GROUP_HELP, GROUP_MS)
REPEAT = Field("repeat", duration(0), _REPEAT_HELP, REPEAT_MS)
LOG_GROUP = Field("group", duration(0), _GROUP_HELP, 0)
LOG_REPEAT = Field("repeat", duration(0), _REPEAT_HELP, 0)

AFTER = Field("after", duration(0), "How long a critical matter must last before it is told here; 0s: at once.", 0)
EVERY = Field("every", duration(10_000), "How long until it is told again.", 900_000)
TIMES = Field("times", whole(0, MAX_TIMES), "How often it is told again.", 4)
ESCALATE = Shape(
    "A critical matter is told again here until it is over or acknowledged (keeper notify CONFIG ack).",
    (AFTER, EVERY, TIMES),
)
_ESCALATE = Part("escalate", ESCALATE.help, {}, required=False)

NOTIFIERS = {
    "log": Shape(
        "Writes to the log of the process.",
        (NAME, MIN_SEVERITY, ONLY, NOT, LOG_GROUP, LOG_REPEAT, _ESCALATE),
        kind="log",
    ),
    "apprise": Shape(
        "Sends through Apprise: chat, mail, pager, webhook.",
        (NOTIFY_URL, NAME, MIN_SEVERITY, ONLY, NOT, GROUP, REPEAT, _ESCALATE),
        kind="apprise",
    ),
}


def read_notify(cursor: Cursor | None) -> tuple[NotifyConfig, ...]:
    """Without the section, everything goes to the log. Every policy has a name."""
    if cursor is None:
        return (LogNotify(Policy(name="log")),)
    notifiers: list[NotifyConfig] = []
    taken: set[str] = set()
    for number, item in enumerate(cursor.items()):
        chosen = item.choose(NOTIFIERS)
        if chosen is None:
            continue
        kind, section = chosen
        given = section.get(NAME)
        name = given or ("log" if kind == "log" and "log" not in taken else f"{kind}-{number}")
        if name in taken:
            section.problem(NAME.key, "another receiver has this name", "give each a name of its own")
        taken.add(name)
        policy = _policy(section, name, kind)
        notifiers.append(LogNotify(policy) if kind == "log" else AppriseNotify(section.get(NOTIFY_URL), policy))
    return tuple(notifiers)


def _policy(section: Section, name: str, kind: str) -> Policy:
    only, without = _words(section.at(ONLY.key)), _words(section.at(NOT.key))
    if only is not None and without is not None:
        section.problem(NOT.key, "about and not exclude each other", "about names what is told, not what is not told")
    about = only if only is not None else frozenset(About) - without if without is not None else frozenset()
    if without is not None and not about:
        section.problem(NOT.key, "nothing is left to be told", "leave the receiver out instead")
    escalate = None
    below = section.at(_ESCALATE.key)
    if below is not None and (opened := below.open(ESCALATE)) is not None:
        escalate = Escalation(opened.get(AFTER), opened.get(EVERY), opened.get(TIMES))
    group, repeat = (LOG_GROUP, LOG_REPEAT) if kind == "log" else (GROUP, REPEAT)
    return Policy(name, section.get(MIN_SEVERITY), about, section.get(group), section.get(repeat), escalate)


def _words(cursor: Cursor | None) -> frozenset[About] | None:
    """None where nothing was given."""
    if cursor is None:
        return None
    items = cursor.items()
    if cursor.is_list and not items:
        cursor.problem("the list is empty", "name at least one: " + ", ".join(About))
    return frozenset(item.read(ABOUT_WORD) for item in items)
