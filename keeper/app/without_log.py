"""What may be written to the spool while the log is away, and so may go on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from keeper.adapters.audit.chaining import Ready
from keeper.config.audit import ActWithoutLog
from keeper.domain.decision import DecisionKind
from keeper.domain.record import Draft, Record, RecordKind
from keeper.domain.verdict import Severity

KEY: Final = "without_log"
"""In the body of a decision: it was made while the log could not be written."""
STEPS: Final = frozenset(
    {RecordKind.ATTEMPT, RecordKind.BROADCAST, RecordKind.RECEIPT, RecordKind.EFFECT, RecordKind.OUTCOME}
)
NEEDS_LOG: Final = frozenset(
    {RecordKind.ORDER, RecordKind.PROPOSAL, RecordKind.SWITCH, RecordKind.WITNESS, RecordKind.ARCHIVE}
)
"""Whoever writes these reads the log to know what was promised before; without it they wait."""
REMEMBERED: Final = 1_000
"""Critical decisions; the intents of older ones are long done."""


def is_critical(decision: Draft | Record) -> bool:
    """Whether the record is of a decision to act that a critical rule asks for."""
    if decision.kind is not RecordKind.DECISION or decision.body.get("kind") != DecisionKind.ACT:
        return False
    verdict = decision.body.get("verdict")
    return isinstance(verdict, Mapping) and verdict.get("severity") == Severity.CRITICAL


class Permission:
    """Knows which intents come of critical rules, from the records of their decisions."""

    def __init__(self, policy: ActWithoutLog) -> None:
        self.acts: Final = policy is ActWithoutLog.CRITICAL
        self._critical: dict[str, None] = {}

    def hear(self, decisions: Iterable[Draft | Record]) -> None:
        """What was decided; other records say nothing."""
        for one in decisions:
            if is_critical(one):
                self._critical[str(one.body.get("id"))] = None
        while len(self._critical) > REMEMBERED:
            del self._critical[next(iter(self._critical))]

    def refused(self, drafts: Sequence[Draft]) -> Draft | None:
        """The first that may not be put aside; None: all may."""
        told = {str(one.body.get("id")) for one in drafts if is_critical(one) and one.body.get(KEY) is True}
        return next((one for one in drafts if not self._may(one, told)), None)

    def _may(self, draft: Draft, told: set[str]) -> bool:
        if draft.kind in NEEDS_LOG:
            return False
        if draft.intent is None:
            return True
        if draft.kind is RecordKind.INTENT:
            return self.acts and draft.intent in told
        return self.acts and draft.intent in self._critical if draft.kind in STEPS else True


class Unanswered:
    """The newest records that failed and are sent again: the log may have them all the same."""

    def __init__(self) -> None:
        self.drafts: deque[Draft] = deque(maxlen=REMEMBERED)

    def add(self, drafts: Sequence[Draft]) -> None:
        """No answer came to these."""
        self.drafts.extend(one for one in drafts if not self.holds(one))

    def holds(self, draft: Draft) -> bool:
        """Whether it is one of them, and not only like one of them."""
        return any(one is draft for one in self.drafts)


def aside_record(item: Ready, seq: int) -> Record:
    """Of a draft that has no place in the log yet."""
    draft = item.draft
    columns = (draft.market, draft.action, draft.incident, draft.intent)
    return Record(seq, item.at, draft.kind, *columns, draft.body, prev_hash="", hash="")
