"""What the log tells of each intent, gathered from its records. Nothing in a body is trusted for its shape: a log may be forged as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from keeper.adapters.audit.errors import DraftRefused
from keeper.adapters.audit.pages import LARGEST_PAGE
from keeper.adapters.audit.reading import page_sync
from keeper.app.council.ledger import Step
from keeper.app.evidence_hash import evidence_hash
from keeper.app.lasting import REORGANISED
from keeper.app.reconciling import NOT_APPLIED
from keeper.domain.record import Json, Record, RecordKind, RecordQuery

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")

KINDS = (
    RecordKind.START,
    RecordKind.DECISION,
    RecordKind.ORDER,
    RecordKind.INTENT,
    RecordKind.ATTEMPT,
    RecordKind.RECEIPT,
    RecordKind.EFFECT,
    RecordKind.OUTCOME,
    RecordKind.PROPOSAL,
    RecordKind.FAULT,
    RecordKind.GAP,
)


@dataclass(frozen=True, slots=True)
class Carried:
    """What a Safe executed: the record that says so, the one that says what was proposed, and the intent that it was proposed for."""

    executed: Record
    proposed: Record | None
    told: Told | None


@dataclass(slots=True)
class Told:
    """The records of one intent. ``receipts`` is by transaction, the newest that says where it is; None: it is gone, by the log's own word.

    ``carried`` is what a Safe executed for it: the owners' transaction, of which this keeper has no attempt.
    ``decision`` and ``evidence`` are the record that decided it and its hash, ``borrowed`` the hashes of other keepers' decisions that this
    keeper signed for this one.
    """

    intent: Record
    decision: Record | None
    evidence: str
    borrowed: set[str] = field(default_factory=set)
    attempts: list[Record] = field(default_factory=list)
    receipts: dict[str, Record | None] = field(default_factory=dict)
    effects: list[Record] = field(default_factory=list)
    carried: list[Carried] = field(default_factory=list)
    outcome: Record | None = None
    reorganised: bool = False
    """The keeper saw and said that the chain had taken it back after its outcome."""


@dataclass(slots=True)
class Story:
    """``senders`` are the keys that the log says it sent with, lower case; ``first_block`` the first one that was evaluated.

    ``aside`` are bodies of attempts that the journal could not take: signed while the database was away and another process was quicker.
    """

    told: list[Told] = field(default_factory=list)
    senders: set[str] = field(default_factory=set)
    first_block: int | None = None
    carried: list[Carried] = field(default_factory=list)
    aside: list[Mapping[str, Json]] = field(default_factory=list)

    @property
    def by_transaction(self) -> dict[str, Told]:
        """Every signed transaction, sent or not."""
        return {text(attempt.body, "tx_hash"): each for each in self.told for attempt in each.attempts}


def text(body: Mapping[str, Json], key: str) -> str:
    """The value as text; empty where there is none."""
    value = body.get(key)
    return "" if value is None else str(value)


def number(body: Mapping[str, Json], key: str) -> int | None:
    """A whole number, as itself or as decimal text; None where there is none."""
    digits = text(body, key)
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 78 else None


def part(body: Mapping[str, Json], key: str) -> Mapping[str, Json]:
    """An object in a body; empty where there is none."""
    value = body.get(key)
    return value if isinstance(value, dict) else {}


def story_of(url: str) -> Story:
    """Reads the log in pages. Raises StoreUnavailable, StoreNotMigrated."""
    gathering = _Gathering()
    for record in _records(url):
        gathering.feed(record)
    first = page_sync(url, RecordQuery(kinds=(RecordKind.TICK,), after=0, limit=1))
    if first:
        gathering.story.first_block = number(part(first[0].body, "block"), "number")
    return gathering.story


def newest_block_of(url: str) -> int:
    """The newest block that the log evaluated or has a receipt of; 0 where it has none. Raises as ``story_of``."""
    ticks, receipts = (
        page_sync(url, RecordQuery(kinds=(kind,), limit=1, newest_first=True))
        for kind in (RecordKind.TICK, RecordKind.RECEIPT)
    )
    evaluated = [number(part(record.body, "block"), "number") or 0 for record in ticks]
    mined = [number(record.body, "block") or 0 for record in receipts]
    return max([0, *evaluated, *mined])


def _records(url: str) -> Iterator[Record]:
    after = 0
    while page := page_sync(url, RecordQuery(kinds=KINDS, after=after, limit=LARGEST_PAGE)):
        yield from page
        after = page[-1].seq


class _Gathering:
    def __init__(self) -> None:
        self.story = Story()
        self._open: dict[str, Told] = {}
        self._decisions: dict[str, tuple[Record, str]] = {}
        self._borrowed: dict[str, list[tuple[str, str]]] = {}
        self._proposed: dict[str, Record] = {}
        self._newest: dict[tuple[str | None, str | None], Told] = {}

    def feed(self, record: Record) -> None:
        match record.kind:
            case RecordKind.START:
                self._sender(text(record.body, "sender"))
            case RecordKind.DECISION:
                self._decision(record)
            case RecordKind.ORDER:
                self._order(record)
            case RecordKind.INTENT:
                self._intent(record)
            case RecordKind.PROPOSAL:
                self._proposal(record)
            case RecordKind.FAULT:
                self._fault(record)
            case RecordKind.GAP:
                self._gap(record)
            case _ if (told := self._open.get(record.intent or "")) is not None:
                self._of_intent(told, record)

    def _of_intent(self, told: Told, record: Record) -> None:
        match record.kind:
            case RecordKind.ATTEMPT:
                told.attempts.append(record)
                self._sender(text(record.body, "sender"))
            case RecordKind.RECEIPT:
                told.receipts[text(record.body, "tx_hash")] = None if "gone" in record.body else record
            case RecordKind.EFFECT:
                told.effects.append(record)
            case RecordKind.OUTCOME:
                told.outcome = record

    def _sender(self, address: str) -> None:
        if _ADDRESS.fullmatch(address):
            self.story.senders.add(address.lower())

    def _gap(self, record: Record) -> None:
        kept = part(record.body, "record")
        if text(record.body, "event") == NOT_APPLIED and text(kept, "kind") == RecordKind.ATTEMPT:
            body = part(kept, "body")
            self.story.aside.append(body)
            self._sender(text(body, "sender"))

    def _decision(self, record: Record) -> None:
        if text(record.body, "kind") == "act":
            try:
                digest = "0x" + evidence_hash(record).hex()
            except DraftRefused:
                digest = ""
            self._decisions[text(record.body, "id")] = record, digest

    def _order(self, record: Record) -> None:
        body = record.body
        if "own_evidence" in body:
            pair = text(body, "own_evidence"), text(body, "evidence")
            self._borrowed.setdefault(text(body, "decision"), []).append(pair)

    def _intent(self, record: Record) -> None:
        name = record.intent or ""
        decision, evidence = self._decisions.get(name, (None, ""))
        told = Told(record, decision, evidence)
        told.borrowed = {theirs for own, theirs in self._borrowed.get(name, []) if own == evidence}
        self._open[name] = self._newest[record.market, record.action] = told
        self.story.told.append(told)

    def _proposal(self, record: Record) -> None:
        step, safe_tx_hash = text(record.body, "step"), text(record.body, "safe_tx_hash")
        if step in (Step.MADE, Step.ADOPTED):
            self._proposed[safe_tx_hash] = record
        elif step == Step.EXECUTED:
            told = self._open.get(text(record.body, "intent"))
            carried = Carried(record, self._proposed.get(safe_tx_hash), told)
            self.story.carried.append(carried)
            if told is not None:
                told.carried.append(carried)

    def _fault(self, record: Record) -> None:
        """A fault of a part ``effect-lasts:MARKET/ACTION`` is about the newest intent of that."""
        what, _, key = text(record.body, "part").partition(":")
        if what != "effect-lasts" or text(record.body, "reason") != REORGANISED:
            return
        market, _, action = key.partition("/")
        if told := self._newest.get((market, action)):
            told.reorganised = True
