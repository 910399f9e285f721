"""What was decided and done in an incident, from its records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from keeper.app.incidents.fields import (
    Body,
    body_of,
    flag,
    instant,
    judgement,
    objects,
    text,
    texts,
    time_ms,
    whole,
)
from keeper.app.incidents.figures import of_action
from keeper.app.incidents.story import Action, Decided, Effect, Ending, Proposal, Seen, Sent
from keeper.app.incidents.ways import answer_words, way_of, way_words
from keeper.domain.record import Record, RecordKind

MEANINGS: Final[Mapping[str, str]] = {
    "tripped": "the rule tripped",
    "retry-after-failure": "what was tried before had not worked",
    "cooldown": "it was done shortly before, and rests",
    "already-done": "it was in effect already",
    "already-in-effect": "it was in effect already",
    "already-in-flight": "it was on its way already",
    "taken-back": "it worked in this incident, and somebody undid it: the keeper does not argue",
    "stronger-in-effect": "something stronger was in effect",
    "no-rule-quorum": "fewer rules asked for it than it needs",
    "budget": "as many actions as the limits allow had been decided",
    "locked": "people took back what was done, and the market is theirs for a while",
    "lifted": "the council lifted what was done in this incident",
    "switched-off": "an operator had switched it off",
    "input-not-usable": "an input was not usable",
    "input-not-usable-alert": "an input was not usable, and people were told",
    "not-enough-data": "there was not enough data yet",
    "no-quorum": "too few nodes said the same",
}
"""Reasons of decisions in plain words; of one that is not here, the word itself."""


def decided(record: Record) -> Decided:
    """A decision's record."""
    body = record.body
    reason = text(body, "reason")
    asked = body_of(body.get("testimony"))
    testimony = ""
    if asked:
        testimony = (
            f"{text(asked, 'agreeing')} of {text(asked, 'of')} nodes said the same, {text(asked, 'needed')} were needed"
        )
    return Decided(
        id=text(body, "id"),
        kind=text(body, "kind"),
        reason=reason,
        meaning=MEANINGS.get(reason, reason),
        action=text(body, "action") or record.action or "",
        judgement=judgement(body.get("verdict")),
        seen=tuple(_seen(one) for one in objects(body.get("observations"))),
        at=instant(record),
        seq=record.seq,
        testimony=testimony,
    )


def _seen(body: Body) -> Seen:
    value = body.get("value")
    return Seen(
        source=text(body, "source"),
        value=None if value is None else text(body, "value"),
        unit=text(body, "unit"),
        quality=text(body, "quality"),
        reason=text(body, "reason"),
        at_ms=time_ms(body, "at_ms") or time_ms(body, "received_ms"),
        block=whole(body_of(body.get("block")), "number"),
    )


@dataclass(slots=True)
class _Told:
    """The records of one intent."""

    first: Record
    intent: Record | None = None
    sent: dict[str, Sent] = field(default_factory=dict)
    effect: Effect | None = None
    outcome: Record | None = None

    def take(self, record: Record) -> None:
        body, name = record.body, text(record.body, "tx_hash")
        match record.kind:
            case RecordKind.INTENT:
                self.intent = record
            case RecordKind.ATTEMPT:
                self.sent[name] = _attempt(record)
            case RecordKind.BROADCAST:
                words = answer_words(body)
                self.sent[name] = replace(self._known(record), answers=(*self._known(record).answers, words))
            case RecordKind.RECEIPT if body.get("gone"):
                self.sent[name] = replace(
                    self._known(record),
                    status=None,
                    block=None,
                    block_hash="",
                    gas_used=None,
                    gas_price_wei=None,
                    gone=True,
                )
                self.effect = None  # a reorganisation took it away; it may come back in another block
            case RecordKind.RECEIPT:
                self.sent[name] = replace(
                    self._known(record),
                    status=whole(body, "status"),
                    block=whole(body, "block"),
                    block_hash=text(body, "block_hash"),
                    gas_used=whole(body, "gas_used"),
                    gas_price_wei=whole(body, "effective_gas_price_wei"),
                    gone=False,
                )
            case RecordKind.EFFECT:
                self.effect = _effect(record)
            case RecordKind.OUTCOME:
                self.outcome = record
            case _:
                pass

    def _known(self, record: Record) -> Sent:
        name = text(record.body, "tx_hash")
        return self.sent.get(name) or Sent(None, name, "", None, instant(record), record.seq)


def actions_of(own: Iterable[Record], proposals: Sequence[Proposal], asked_by: Mapping[str, str]) -> tuple[Action, ...]:
    """In the order in which they were written down. ``asked_by`` is the intent of each proposal that the log names one for."""
    told: dict[str, _Told] = {}
    steps: dict[str, list[Record]] = {}
    for record in own:
        name = record.intent
        if name is None and record.kind is RecordKind.OUTCOME:  # of a decision that never became an intent
            name = f"record {record.seq}"
        if name is None:
            continue
        told.setdefault(name, _Told(record)).take(record)
        steps.setdefault(name, []).append(record)
    found = []
    for name, one in told.items():
        hashes = tuple(each.hash for each in proposals if asked_by.get(each.hash) == name)
        found.append(_action(name, one, hashes, steps[name]))
    return tuple(found)


def _action(name: str, told: _Told, hashes: tuple[str, ...], records: Sequence[Record]) -> Action:
    intent = told.intent
    body: Body = intent.body if intent is not None else {}
    breaker = bool(body_of(body.get("breaker")))
    way = "safe" if hashes else "breaker" if breaker else way_of(records)
    words = "" if hashes else way_words(records)
    ending = _ending(told.outcome) if told.outcome is not None else None
    action = Action(
        intent=name,
        name=told.first.action or "",
        kind=text(body, "kind"),
        route=text(body, "route"),
        way=way,
        way_words=_way_words(way, words),
        call=text(body, "call"),
        args=texts(body, "args"),
        to=text(body, "to"),
        at=instant(intent) if intent is not None else None,
        seq=intent.seq if intent is not None else None,
        sent=tuple(told.sent.values()),
        effect=told.effect,
        ending=ending,
        proposals=hashes,
        evidence=text(body, "evidence") if breaker else "",
        effect_before=text(body, "effect_before"),
    )
    return replace(action, figures=of_action(action, records))


def _way_words(way: str, travelled: str) -> str:
    """``travelled`` says how its transactions reached the chain: news of a breaker's where that was by builders."""
    if way not in ("safe", "breaker"):
        return travelled
    said = f"by the {way} route"
    return f"{said}, {travelled}" if " private " in travelled else said


def _attempt(record: Record) -> Sent:
    body = record.body
    return Sent(
        number=whole(body, "number"),
        tx_hash=text(body, "tx_hash"),
        sender=text(body, "sender"),
        nonce=whole(body, "nonce"),
        at=instant(record),
        seq=record.seq,
    )


def _effect(record: Record) -> Effect:
    body = record.body
    return Effect(
        contract=text(body, "contract"),
        call=text(body, "call"),
        args=texts(body, "args"),
        before=text(body, "before"),
        after=text(body, "after"),
        expected=text(body, "expected"),
        block=whole(body, "block"),
        verified=flag(body, "verified"),
        at=instant(record),
        seq=record.seq,
    )


def _ending(record: Record) -> Ending:
    body = record.body
    return Ending(
        kind=text(body, "kind"),
        reason=text(body, "reason"),
        message=text(body, "message"),
        remedy=text(body, "remedy"),
        tx_hash=text(body, "tx_hash"),
        block=whole(body, "block"),
        at=instant(record),
        seq=record.seq,
    )
