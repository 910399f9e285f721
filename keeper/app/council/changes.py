"""What the keeper changed in an incident, by its log: each value with what it was before and after. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from keeper.domain.action import BreakerTrip, FunctionCall
from keeper.domain.outcome import OutcomeKind
from keeper.domain.record import Json, Record, RecordKind

KINDS: Final = (
    RecordKind.INTENT,
    RecordKind.ATTEMPT,
    RecordKind.RECEIPT,
    RecordKind.EFFECT,
    RecordKind.OUTCOME,
    RecordKind.INCIDENT,
)
"""What an incident is read from."""
UNREADABLE: Final = "unreadable"
"""How the text begins that stands for what a view did not answer (``keeper.execution.effect``)."""


@dataclass(frozen=True, slots=True)
class Made:
    """One change. ``before`` None: nobody could read it then. ``breaker``: the registered one that made the call; ``seq`` is the effect's record.

    ``block`` is where the effect was read, None where the log does not say.
    """

    seq: int
    market: str
    action: str
    view: FunctionCall
    before: str | None
    after: str
    breaker: BreakerTrip | None = None
    block: int | None = None


@dataclass(frozen=True, slots=True)
class Doubt:
    """The log does not say whether this changed anything."""

    market: str
    action: str
    why: str


@dataclass(slots=True)
class _Told:
    """The records of one intent."""

    intent: Record | None = None
    attempts: list[Record] = field(default_factory=list)
    receipt: Record | None = None
    effect: Record | None = None
    outcome: Record | None = None

    def take(self, record: Record) -> None:
        match record.kind:
            case RecordKind.INTENT:
                self.intent = record
            case RecordKind.ATTEMPT:
                self.attempts.append(record)
            case RecordKind.RECEIPT if record.body.get("gone"):
                self.receipt = self.effect = None  # a reorganisation took it away; it may come back in another block
            case RecordKind.RECEIPT:
                self.receipt = record
            case RecordKind.EFFECT:
                self.effect = record
            case RecordKind.OUTCOME:
                self.outcome = record
            case _:
                pass


def changes_of(records: Iterable[Record]) -> tuple[tuple[Made, ...], tuple[Doubt, ...]]:
    """In the order in which they were made. ``records`` are those of the incident, in the order of the log."""
    by_intent: dict[str, _Told] = {}
    for record in records:
        if record.intent is not None:
            by_intent.setdefault(record.intent, _Told()).take(record)
    made: list[Made] = []
    doubts: list[Doubt] = []
    for told in by_intent.values():
        found = _judged(told)
        if isinstance(found, Made):
            made.append(found)
        elif found is not None:
            doubts.append(found)
    return tuple(sorted(made, key=lambda one: one.seq)), tuple(doubts)


def change_of(effect: Record, intent: Record | None = None) -> Made | None:
    """What an effect's record says; None where nothing changed, or it is not as this version writes it."""
    body = effect.body
    view, after, before = view_in(body), body.get("after"), body.get("before")
    if view is None or not isinstance(after, str) or after.startswith(UNREADABLE) or after == before:
        return None
    trip = _trip(intent.body) if intent is not None else None
    known = before if isinstance(before, str) else None
    block = body.get("block")
    number = block if isinstance(block, int) else None
    return Made(effect.seq, effect.market or "", effect.action or "", view, known, after, trip, number)


def _judged(told: _Told) -> Made | Doubt | None:
    intent = told.intent
    if intent is None:
        return _doubt(told, "the log holds steps of it, and not what was intended")
    kind = told.outcome.body.get("kind") if told.outcome is not None else None
    if kind == OutcomeKind.DRY_RUN.value:
        return None
    if told.effect is not None:
        return _of_effect(told, intent)
    if kind == OutcomeKind.INCLUDED.value:
        return _doubt(told, "it was carried out, and its effect is not in the log")
    reverted = told.receipt is not None and told.receipt.body.get("status") == 0
    if not told.attempts or reverted:
        return None if kind is not None else _doubt(told, "it has not ended yet")
    if kind is None:
        return _doubt(told, "its transaction was signed, and has not ended yet")
    if kind == OutcomeKind.SUPERSEDED.value:
        return _doubt(told, "it was in effect before its transaction was seen in a block: nobody knows by whose hand")
    return _doubt(told, f"its transaction was signed, ended as {kind}, and may have been mined all the same")


def _of_effect(told: _Told, intent: Record) -> Made | Doubt | None:
    assert told.effect is not None, "whoever asks has looked"
    after = told.effect.body.get("after")
    if not isinstance(after, str) or after.startswith(UNREADABLE) or view_in(told.effect.body) is None:
        return _doubt(told, "it was carried out, and the log does not say what the value became")
    return change_of(told.effect, intent)


def _doubt(told: _Told, why: str) -> Doubt:
    known = next(one for one in (told.intent, told.outcome, told.effect, told.receipt, *told.attempts, _NOBODY) if one)
    return Doubt(known.market or "", known.action or "", why)


_NOBODY: Final = Record(0, "", RecordKind.INTENT, None, None, None, None, {}, "", "")


def view_in(body: Mapping[str, Json], name: str = "call") -> FunctionCall | None:
    """The view that a record names, its signature under ``name``; None where it names none."""
    contract, call, args = body.get("contract"), body.get(name), body.get("args")
    if not isinstance(contract, str) or not isinstance(call, str) or not isinstance(args, list):
        return None
    return FunctionCall(contract, call, tuple(map(str, args)))


def _trip(body: Mapping[str, Json]) -> BreakerTrip | None:
    breaker = body.get("breaker")
    return BreakerTrip(str(breaker["contract"]), str(breaker["id"])) if isinstance(breaker, dict) else None


def last_run(changes: Sequence[Made]) -> tuple[Made, ...]:
    """Of the changes of one view, in order, the last ones of which each begins where the one before ended: nobody else changed it in between.

    A change through a breaker stands alone: what the contract puts back is what was there before that one trip.
    """
    run = [changes[-1]]
    for earlier in reversed(changes[:-1]):
        if run[0].before != earlier.after or run[0].breaker is not None or earlier.breaker is not None:
            break
        run.insert(0, earlier)
    return tuple(run)
