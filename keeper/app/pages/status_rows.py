"""What is on the page of the status, as plain values: ``/status.json`` says the same."""

from __future__ import annotations

from dataclasses import dataclass, field

from keeper.app.pages.status_board import Undelivered
from keeper.app.pages.status_facts import Incident
from keeper.app.pages.status_words import Standing
from keeper.domain.readiness import ReadinessState


@dataclass(frozen=True, slots=True)
class RuleRow:
    """``used`` is the share of the threshold that is used (None: no value), ``progress`` that of a persistence."""

    rule: str
    signal: str
    severity: str
    standing: Standing
    words: str
    why: str
    value: str
    side: str
    threshold: str
    used: float | None
    room: str
    progress: float | None
    progress_words: str
    since_ms: int
    since_block: int
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReadyRow:
    market: str
    action: str
    armed: bool
    state: str
    words: str
    reason: str
    message: str
    remedy: str
    block: int | None

    @property
    def trouble(self) -> bool:
        """It is to be told why it would not work, or why nobody knows."""
        return bool(self.message) and not self.armed and self.state != ReadinessState.IN_EFFECT


@dataclass(frozen=True, slots=True)
class MarketRow:
    """``breaker`` is the keeper's own view of the market, ``contract`` what breakers on the chain say, ``unarmed`` actions that would not work."""

    market: str
    standing: Standing
    breaker: str
    contract: tuple[str, ...]
    rules: tuple[RuleRow, ...]
    unarmed: tuple[str, ...] = ()
    detailed: bool = True

    @property
    def closest(self) -> RuleRow | None:
        """The rule with the least headroom."""
        known = [rule for rule in self.rules if rule.used is not None]
        return max(known, key=lambda rule: rule.used or 0.0, default=None)


@dataclass(frozen=True, slots=True)
class SourceRow:
    source: str
    value: str
    unit: str
    quality: str
    reason: str
    at_ms: int
    own_time: bool
    """Whether ``at_ms`` is the source's own time; else when the keeper had it."""


@dataclass(frozen=True, slots=True)
class FaultRow:
    part: str
    reason: str
    message: str
    remedy: str
    severity: str
    since_ms: int


@dataclass(frozen=True, slots=True)
class IntentRow:
    market: str
    action: str
    incident: str
    stage: str
    tx_hash: str
    attempts: int
    created_ms: int


@dataclass(frozen=True, slots=True)
class MatterRow:
    hash: str
    title: str
    words: str


@dataclass(frozen=True, slots=True)
class LogRow:
    """``seq`` 0: nothing is known of it. ``checkpoint`` (None: there is none yet) is the record that the newest one covers."""

    seq: int = 0
    hash: str = ""
    checkpoint: int | None = None
    checkpoint_ms: int | None = None
    signs: bool = False
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """``level``: ok, warn or bad; ``headline`` says why in one line, and changes only when that does."""

    keeper: str
    mode: str
    role: str
    chain_id: int
    level: str
    headline: str
    also: tuple[str, ...]
    block: int | None
    block_ms: int | None
    evaluated_ms: int | None
    started_ms: int | None
    late_ms: int
    markets: tuple[MarketRow, ...] = ()
    sources: tuple[SourceRow, ...] = ()
    readiness: tuple[ReadyRow, ...] = ()
    probed: bool = False
    faults: tuple[FaultRow, ...] = ()
    crashes: int = 0
    incidents: tuple[Incident, ...] = ()
    intents: tuple[IntentRow, ...] = ()
    council: tuple[MatterRow, ...] = ()
    undelivered: tuple[Undelivered, ...] = ()
    log: LogRow = field(default_factory=LogRow)

    @property
    def armed(self) -> int:
        return sum(one.armed for one in self.readiness)

    @property
    def in_effect(self) -> int:
        return sum(one.state == ReadinessState.IN_EFFECT for one in self.readiness)
