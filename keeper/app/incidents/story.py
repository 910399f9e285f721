"""What one incident was, from first sign to restoration, as the records of the log say it. Nothing here is asked of the chain.

Texts are as recorded: whoever shows them makes them fit for its medium. What the log does not say is None or empty, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keeper.app.incidents.checking import Checked


class State(StrEnum):
    OPEN = "open"
    """Rules of the market are still tripped, as far as the log goes."""
    CLOSED = "closed"
    """Every rule is clear again; what was done stays until people lift it."""
    RESTORED = "restored"
    """People put back, or lifted, what was done."""


class Source(StrEnum):
    """Whose clock a time is of."""

    BLOCK = "block"
    """The block's own timestamp, in whole seconds."""
    KEEPER = "keeper"
    """The keeper's machine."""


@dataclass(frozen=True, slots=True)
class Rule:
    """``words`` is empty where the recorded configuration does not have it, as of a market made from a template. ``share``: its numbers are written
    as percents.
    """

    words: str = ""
    share: bool = False


class Theme(StrEnum):
    """What a moment is about, for colours and filters."""

    SIGNAL = "signal"
    INCIDENT = "incident"
    DECISION = "decision"
    ACTION = "action"
    CHAIN = "chain"
    PEOPLE = "people"
    TROUBLE = "trouble"
    TOLD = "told"
    LOG = "log"


@dataclass(frozen=True, slots=True)
class Instant:
    """A time in ms since 1970 with its clock; ``block`` where it is that of a block, ``seq`` the record that says so."""

    at_ms: int
    source: Source
    block: int | None = None
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of the timeline. ``seq`` None: it is read from the records around, such as the first block beyond the threshold."""

    at: Instant
    theme: Theme
    kind: str
    words: str
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """A duration. ``ms`` None: it cannot be told, and ``note`` says why; with a value ``note`` is what a reader must know of it, or empty."""

    name: str
    label: str
    """Such as ``time to detect``."""
    span: str
    """From what to what, such as ``block announced to decided``."""
    ms: Decimal | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A rule's numbers, as texts of the record."""

    rule: str = ""
    signal: str = ""
    state: str = ""
    reason: str = ""
    observed: str = ""
    threshold: str = ""
    severity: str = ""
    since_ms: int | None = None
    since_block: int | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """One observation behind a decision."""

    source: str
    value: str | None
    unit: str
    quality: str
    reason: str
    at_ms: int | None
    block: int | None


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision, also one not to act; ``meaning`` is the reason in plain words."""

    id: str
    kind: str
    reason: str
    meaning: str
    action: str
    judgement: Judgement
    seen: tuple[Seen, ...]
    at: Instant
    seq: int
    testimony: str = ""
    """How many nodes said the same, where they were asked."""

    @property
    def acts(self) -> bool:
        return self.kind == "act"


@dataclass(frozen=True, slots=True)
class Sent:
    """One signed transaction. ``answers`` are the routes', with what each said; gas and prices in wei, exact."""

    number: int | None
    tx_hash: str
    sender: str
    nonce: int | None
    at: Instant
    seq: int
    answers: tuple[str, ...] = ()
    status: int | None = None
    """Of its receipt; None where there is none, or where a reorganisation took it away."""
    block: int | None = None
    block_hash: str = ""
    gas_used: int | None = None
    gas_price_wei: int | None = None
    gone: bool = False
    """A reorganisation took its receipt away, and no later one is in the log."""

    @property
    def cost_wei(self) -> int | None:
        return None if self.gas_used is None or self.gas_price_wei is None else self.gas_used * self.gas_price_wei


@dataclass(frozen=True, slots=True)
class Effect:
    """What the view said before and after, read back at ``block``."""

    contract: str
    call: str
    args: tuple[str, ...]
    before: str
    after: str
    expected: str
    block: int | None
    verified: bool | None
    at: Instant
    seq: int


@dataclass(frozen=True, slots=True)
class Ending:
    """The outcome with its reason."""

    kind: str
    reason: str
    message: str
    remedy: str
    tx_hash: str
    block: int | None
    at: Instant
    seq: int


@dataclass(frozen=True, slots=True)
class Action:
    """One intent: what was to be done and what came of it. ``ending`` None: the log has none yet."""

    intent: str
    name: str
    kind: str
    route: str
    """As the configuration calls it."""
    way: str
    """``public``, ``private``, ``private, then public``, ``private and public``, ``breaker`` or ``safe``: what kind of way that was, as far as
    the records show. Empty where nothing was sent."""
    call: str
    args: tuple[str, ...]
    to: str
    at: Instant | None
    """When it was durable in the log, by the record."""
    seq: int | None
    sent: tuple[Sent, ...] = ()
    effect: Effect | None = None
    ending: Ending | None = None
    proposals: tuple[str, ...] = ()
    """safeTxHash of what was proposed for it."""
    evidence: str = ""
    """The hash that the breaker's contract keeps on the chain."""
    effect_before: str = ""
    figures: tuple[Figure, ...] = ()
    way_words: str = ""
    """Such as ``by the private route X, then publicly by Y after 2 blocks without it``."""

    @property
    def cost_wei(self) -> int | None:
        """Of all its mined transactions; None where none is known."""
        costs = [cost for one in self.sent if (cost := one.cost_wei) is not None]
        return sum(costs) if costs else None

    @property
    def outcome(self) -> str:
        return self.ending.kind if self.ending is not None else "open"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What lay before the owners of a Safe. ``steps`` are (step, when, words), in order; ``executed_in`` is a transaction's hash."""

    hash: str
    what: str
    title: str
    safe: str
    made: Instant | None
    steps: tuple[tuple[str, Instant, str], ...]
    executed: Instant | None = None
    executed_in: str = ""
    executed_ok: bool | None = None
    changes: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    """Of one that puts values back: (contract, view, its arguments) of each."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What a person or the council did: a switch, a signature, a ratification, a lift. ``words`` say what, ``by`` who where it is known."""

    kind: str
    words: str
    by: str
    at: Instant
    seq: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What was in force: the start and configuration before the incident, and how far the log was verified and signed."""

    keeper: str = ""
    version: str = ""
    mode: str = ""
    chain_id: int | None = None
    sender: str = ""
    started: Instant | None = None
    config_hash: str = ""
    config_seq: int | None = None
    first_seq: int = 0
    """The first and the last record that the story is told from, and the last one's hash: the head of the log when the story ended."""
    last_seq: int = 0
    head: str = ""
    verified: str = ""
    """The first verification of the log at or after the end of the story, in words; empty where there is none."""
    verified_seq: int | None = None
    checkpoint: Mapping[str, object] | None = None
    """The first signed checkpoint that covers the last record, as witnesses keep it (``keeper.domain.checkpoint``)."""


@dataclass(frozen=True, slots=True)
class CoursePoint:
    """The signal at one block; texts as recorded, None where there was no number. ``state`` is that of the rule."""

    at_ms: int
    block: int | None
    value: str | None
    threshold: str | None
    state: str
    seq: int


@dataclass(frozen=True, slots=True)
class Onset:
    """The first block at which the rule was beyond its threshold. ``at`` None: it cannot be told, and ``why`` says so."""

    at: Instant | None
    value: str = ""
    threshold: str = ""
    blocks: int | None = None
    """How many blocks it took from there to the trip, that of the trip not counted."""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """``cut``: there are more records of it than were read. ``gaps`` are what the log itself says is missing or late."""

    id: str
    market: str
    state: State
    judgement: Judgement
    opened: Instant | None
    closed: Instant | None
    onset: Onset
    decisions: tuple[Decided, ...]
    held: tuple[Decided, ...]
    """Rules of the market that could not be judged in that time."""
    actions: tuple[Action, ...]
    proposals: tuple[Proposal, ...]
    deeds: tuple[Deed, ...]
    restored: Instant | None
    restored_words: str
    moments: tuple[Moment, ...]
    figures: tuple[Figure, ...]
    course: tuple[CoursePoint, ...]
    standing: Standing
    records: int
    cut: bool = False
    gaps: tuple[str, ...] = ()
    meant: Rule = Rule()
    """The rule as the configuration had it."""
    as_of: Instant | None = None
    """Of one that is open: the newest record that was read for it, as of which it is told."""
    checked: Checked | None = None
    """What was looked at before it was told; None: nothing."""

    @property
    def rule(self) -> str:
        return self.judgement.rule

    @property
    def signal(self) -> str:
        return self.judgement.signal

    @property
    def severity(self) -> str:
        return self.judgement.severity

    @property
    def observed(self) -> str:
        return self.judgement.observed

    @property
    def threshold(self) -> str:
        return self.judgement.threshold

    @property
    def title(self) -> str:
        """Such as ``ETH-PERP: oracle-divergence``."""
        return ": ".join(part for part in (self.market, self.rule) if part) or self.id

    @property
    def cost_wei(self) -> int | None:
        """What the keeper's transactions of this incident cost; None where no receipt is known."""
        costs = [cost for one in self.actions if (cost := one.cost_wei) is not None]
        return sum(costs) if costs else None

    @property
    def lasted_ms(self) -> int | None:
        if self.opened is None or self.closed is None:
            return None
        return self.closed.at_ms - self.opened.at_ms

    def figure(self, name: str) -> Figure | None:
        return next((one for one in self.figures if one.name == name), None)
